"""The chats that owners have let in, beside the configured ones, and the ones that moved.

Read for every event, so it is kept in memory; rows change first, then `load` is called. A chat
under a new address is let in if any of its old ones was.
"""

from collections import defaultdict
from dataclasses import replace

from gateway import refs
from gateway.admission import chat_listed
from gateway.config.values import AccessConfig
from gateway.store.base import Store, Tx
from gateway.store.records import listed
from platforms.events import ChatRef


class ListedChats:
    """What the rows say of chats."""

    def __init__(self) -> None:
        self._allowed: frozenset[tuple[str, str]] = frozenset()
        self._olds: dict[tuple[str, str], tuple[str, ...]] = {}

    async def load(self, store: Store) -> None:
        """Read the rows anew."""
        self._allowed, self._olds = await store.read(_read)

    def lets_in(self, chat: ChatRef, access: AccessConfig) -> bool:
        """Whether a word of an owner, or an old address, lets a chat in."""
        account = refs.account_text(chat.account)
        root = refs.chat_text(replace(chat, thread_id=None))
        if (account, root) in self._allowed:
            return True
        if chat.space is not None and (account, whole(chat)) in self._allowed:
            return True
        for old in self._olds.get((account, root), ()):
            place = refs.chat_from(old, chat.account)
            if (account, old) in self._allowed or chat_listed(place, access):
                return True
        return False


def whole(chat: ChatRef) -> str:
    """All chats of the workspace or server that a chat is in."""
    return f"{chat.account.platform}:{chat.space}/*"


def _read(
    tx: Tx,
) -> tuple[frozenset[tuple[str, str]], dict[tuple[str, str], tuple[str, ...]]]:
    allowed = frozenset(
        (each.account, each.chat) for each in listed.everything(tx) if each.state == "allowed"
    )
    olds: defaultdict[tuple[str, str], tuple[str, ...]] = defaultdict(tuple)
    for alias in listed.aliases(tx):
        olds[alias.account, alias.new] += (alias.old,)
    return allowed, dict(olds)
