"""The chats that owners have let in, beside the configured ones, and the ones that moved.

Read for every event, so it is kept in memory; rows change first, then `load` is called. A chat
under a new address is let in if any of its old ones was, and one of a server that is let in is;
but a word that it be left is stronger than both, until another one lets it in.
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
        self._left: frozenset[tuple[str, str]] = frozenset()
        self._olds: dict[tuple[str, str], tuple[str, ...]] = {}
        self._news: dict[tuple[str, str], str] = {}

    def address(self, account: str, chat: str) -> str:
        """Where a chat, or a thread of one, is by now."""
        root = refs.root_text(chat)
        return f"{self._news.get((account, root), root)}{chat[len(root) :]}"

    async def load(self, store: Store) -> None:
        """Read the rows anew."""
        self._allowed, self._left, self._olds = await store.read(_read)
        self._news = {
            (account, old): new for (account, new), olds in self._olds.items() for old in olds
        }

    def formerly(self, account: str, chat: str) -> tuple[str, ...]:
        """Addresses that a chat, or a thread of one, had before."""
        root = refs.root_text(chat)
        return tuple(f"{old}{chat[len(root) :]}" for old in self._olds.get((account, root), ()))

    def lets_in(self, chat: ChatRef, access: AccessConfig) -> bool:
        """Whether a word of an owner, or an old address, lets a chat in."""
        account = refs.account_text(chat.account)
        root = refs.chat_text(replace(chat, thread_id=None))
        if (account, root) in self._allowed:
            return True
        if (account, root) in self._left:
            return False
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


_Places = frozenset[tuple[str, str]]


def _read(tx: Tx) -> tuple[_Places, _Places, dict[tuple[str, str], tuple[str, ...]]]:
    known = listed.everything(tx)
    allowed = frozenset((each.account, each.chat) for each in known if each.state == "allowed")
    left = frozenset(
        (each.account, each.chat)
        for each in known
        # Owners who are asked again have not taken back what they said.
        if each.state == "left" or (each.state == "asked" and each.decided_by is not None)
    )
    olds: defaultdict[tuple[str, str], tuple[str, ...]] = defaultdict(tuple)
    for alias in listed.aliases(tx):
        olds[alias.account, alias.new] += (alias.old,)
    return allowed, left, dict(olds)
