"""Threads we begin ourselves: a mention in a channel is answered in a thread on it.

Discord gives such a thread the id of its first message, so an event can name it before it exists;
it is made when the first words or the first sign of life go there. Making it twice is harmless.
"""

import logging
from collections import OrderedDict
from typing import Final

from platforms.discord import rights
from platforms.discord.directory import Directory
from platforms.discord.errors import FAILURES, classify_error
from platforms.discord.gateway import GatewayClient
from platforms.discord.limits import THREAD_NAME_MAX
from platforms.errors import (
    ChatUnavailable,
    MessageGone,
    MessageRejected,
    PlatformError,
    PlatformUnavailable,
    SendUncertain,
    ThreadGone,
)
from platforms.events import ChatRef, MessageReceived

log = logging.getLogger(__name__)

NAMES_KEPT = 1_000
FALLBACK_NAME = "Conversation"
ARCHIVE_MINUTES: Final = 1_440

_EXISTS = 160004


class Threads:
    """Which threads stand, and the names of those to come."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._names: OrderedDict[str, str] = OrderedDict()
        self._standing: set[str] = set()

    def expect(self, event: MessageReceived) -> None:
        """Remember the first line of a message that will be answered in a thread of its own."""
        if event.reply_to.thread_id != event.message.message_id:
            return
        first = next((line.strip() for line in event.text.splitlines() if line.strip()), "")
        self._names[event.message.message_id] = first[:THREAD_NAME_MAX] or FALLBACK_NAME
        if len(self._names) > NAMES_KEPT:
            self._names.popitem(last=False)

    async def ensure(self, chat: ChatRef, client: GatewayClient) -> None:
        """Make the thread if it is not there; raises ThreadGone where there can be none."""
        thread = chat.thread_id
        if thread is None or thread in self._standing or self._directory.parent_of(thread):
            return
        try:
            await client.http.start_thread_with_message(
                int(chat.chat_id),
                int(thread),
                name=self._names.get(thread, FALLBACK_NAME),
                auto_archive_duration=ARCHIVE_MINUTES,
            )
        except FAILURES as exc:
            error = classify_error(exc)
            match error:
                case SendUncertain():
                    raise PlatformUnavailable("the thread may not stand yet") from exc
                case MessageRejected() | ChatUnavailable() if not _no_need(exc, error):
                    log.warning("discord: no thread in %s: %s", chat.chat_id, _why(error))
                    raise ThreadGone("no thread can be made here") from exc
                case MessageRejected():
                    pass
                case _:
                    raise error from exc
        self._names.pop(thread, None)
        self._standing.add(thread)


def _why(error: PlatformError) -> str:
    if isinstance(error, ChatUnavailable) and error.reason == "no_rights":
        return rights.right_path(rights.THREADS, "the bot")
    return str(error)


def _no_need(error: Exception, ours: Exception) -> bool:
    """It stands already, or it did not begin with a message and so was not ours to make."""
    return isinstance(ours, MessageGone) or getattr(error, "code", None) == _EXISTS
