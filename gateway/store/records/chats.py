"""Chats that can't be written to (dead), or must not be for now (paused)."""

from dataclasses import dataclass
from typing import Literal

from gateway.store.base import Tx

ChatState = Literal["dead", "paused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedChat:
    """A chat with its mark; `since` in microseconds since 1970."""

    account: str
    chat: str
    state: ChatState
    reason: str
    since: int


def mark(tx: Tx, *, account: str, chat: str, state: ChatState, reason: str, now: int) -> bool:
    """Mark a chat; False if it had that mark already."""
    changed = tx.run(
        "INSERT INTO chat (account, chat, state, reason, since) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (account, chat) DO UPDATE SET state = excluded.state,"
        " reason = excluded.reason, since = excluded.since WHERE chat.state <> excluded.state",
        account,
        chat,
        state,
        reason,
        now,
    )
    return changed == 1


def clear(tx: Tx, *, account: str, chat: str, state: ChatState) -> bool:
    """Take a mark off a chat; False if there was none."""
    return (
        tx.run(
            "DELETE FROM chat WHERE account = ? AND chat = ? AND state = ?", account, chat, state
        )
        == 1
    )


def clear_all(tx: Tx, *, state: ChatState) -> None:
    """Take a mark off every chat."""
    tx.run("DELETE FROM chat WHERE state = ?", state)


def dead_since(tx: Tx, moment: int) -> list[MarkedChat]:
    """Chats that died after a moment, of every account."""
    return [
        MarkedChat(account=account, chat=chat, state="dead", reason=reason, since=since)
        for account, chat, reason, since in tx.rows(
            "SELECT account, chat, reason, since FROM chat WHERE state = 'dead' AND since > ?",
            moment,
        )
    ]


def marked(tx: Tx, account: str) -> list[MarkedChat]:
    """Every marked chat of an account."""
    return [
        MarkedChat(account=account, chat=chat, state=state, reason=reason, since=since)
        for chat, state, reason, since in tx.rows(
            "SELECT chat, state, reason, since FROM chat WHERE account = ? ORDER BY since",
            account,
        )
    ]


def state_of(tx: Tx, *, account: str, chat: str) -> ChatState | None:
    """The mark of one chat."""
    row = tx.row("SELECT state FROM chat WHERE account = ? AND chat = ?", account, chat)
    state: ChatState | None = row[0] if row else None
    return state
