"""What the adapter asks of whoever keeps its chats: what was missed, how far they were shown."""

from collections.abc import Set
from typing import Protocol

from platforms.events import ChatRef
from platforms.terminal.wire import MessageGone, MessageShown


class History(Protocol):
    """The durable rows of terminal chats; the gateway fulfils it."""

    async def missed(
        self, chat: ChatRef, known: Set[str]
    ) -> tuple[MessageShown | MessageGone, ...]:
        """What reached a chat since it was last noted as shown, in order, each as it stands now.

        At most the RECALLED_MAX newest messages and FILES_MAX_BYTES of files; none of the
        `known` ids, nor answers that still grow. Raises PlatformUnavailable while the store
        can't be read.
        """

    async def shown(self, chat: ChatRef) -> bool:
        """Note that everything performed in a chat so far was shown.

        What that is must be settled before the first suspension. False while something is on
        its way there, so that it should be noted again. Does not raise for a store that fails.
        """
