"""Chats that owners were asked about or have let in, and chats that have a new address.

asked --> allowed | left        an owner's word; each may be said again
"""

from dataclasses import dataclass
from typing import Literal

from gateway import refs
from gateway.store.base import Tx

ListedState = Literal["asked", "allowed", "left"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedChat:
    """A chat without its thread; `asked_at`, microseconds since 1970, is when owners were last."""

    account: str
    chat: str
    state: ListedState
    asked_at: int
    decided_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """An address that became another one."""

    account: str
    old: str
    new: str


_FIELDS = ("account", "chat", "state", "asked_at", "decided_by")


def of(tx: Tx, account: str, chat: str) -> ListedChat | None:
    """What is known of a chat."""
    row = tx.row(
        "SELECT account, chat, state, asked_at, decided_by FROM listed_chat"
        " WHERE account = ? AND chat = ?",
        account,
        chat,
    )
    return None if row is None else ListedChat(**dict(zip(_FIELDS, row, strict=True)))


def everything(tx: Tx) -> list[ListedChat]:
    """Every chat there is a word about, the newest first."""
    return [
        ListedChat(**dict(zip(_FIELDS, row, strict=True)))
        for row in tx.rows(
            "SELECT account, chat, state, asked_at, decided_by FROM listed_chat"
            " ORDER BY asked_at DESC"
        )
    ]


def ask(tx: Tx, account: str, chat: str, *, before: int, now: int) -> bool:
    """Note that owners are asked about a chat; False if they were after `before`."""
    changed = tx.run(
        "INSERT INTO listed_chat (account, chat, state, asked_at) VALUES (?, ?, 'asked', ?)"
        " ON CONFLICT (account, chat) DO UPDATE SET state = 'asked', asked_at = excluded.asked_at"
        " WHERE listed_chat.state <> 'allowed' AND listed_chat.asked_at <= ?",
        account,
        chat,
        now,
        before,
    )
    return changed == 1


def decide(tx: Tx, account: str, chat: str, state: ListedState, *, by: str, now: int) -> None:
    """Store an owner's word about a chat."""
    tx.run(
        "INSERT INTO listed_chat (account, chat, state, asked_at, decided_by, decided_at)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (account, chat) DO UPDATE SET"
        " state = excluded.state, decided_by = excluded.decided_by,"
        " decided_at = excluded.decided_at",
        account,
        chat,
        state,
        now,
        by,
        now,
    )


def aliases(tx: Tx) -> list[Alias]:
    """Every address that became another one."""
    return [
        Alias(account=account, old=old, new=new)
        for account, old, new in tx.rows("SELECT account, old, new FROM chat_alias ORDER BY at")
    ]


def address(tx: Tx, account: str, chat: str) -> str:
    """Where a chat, or a thread of one, is by now."""
    for old, new in tx.rows("SELECT old, new FROM chat_alias WHERE account = ?", account):
        if chat == old or chat.startswith(f"{old}/"):
            return f"{new}{chat[len(old) :]}"
    return chat


def written_as(tx: Tx, account: str, chat: str) -> tuple[str, ...]:
    """A chat in every form that configuration may give it, as it is first.

    The addresses it had before are among them.
    """
    root = refs.root_text(chat)
    olds = tx.rows("SELECT old FROM chat_alias WHERE account = ? AND new = ?", account, root)
    everywhere = (chat, *(f"{old}{chat[len(root) :]}" for (old,) in olds))
    return tuple(form for each in everywhere for form in refs.written_as(each))


def add_alias(tx: Tx, account: str, old: str, new: str, *, now: int) -> None:
    """A chat has another address; what led to the old one leads to the new one."""
    tx.run("UPDATE chat_alias SET new = ? WHERE account = ? AND new = ?", new, account, old)
    tx.run("DELETE FROM chat_alias WHERE account = ? AND old = ?", account, new)
    tx.run(
        "INSERT INTO chat_alias (account, old, new, at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (account, old) DO UPDATE SET new = excluded.new, at = excluded.at",
        account,
        old,
        new,
        now,
    )
