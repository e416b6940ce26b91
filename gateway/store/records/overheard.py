"""What was said in a chat of several people without turning to us, where nothing can be read back.

These are inbox rows that are ignored as not addressed; their words are kept for KEPT_US.
"""

from dataclasses import dataclass
from typing import Final

from gateway.store.base import Tx
from gateway.store.records.inbox import Content
from gateway.store.records.retention import UNIT_ROWS, Due, Place

KEPT_US: Final = 24 * 3_600 * 1_000_000
_SESSIONS_LOOKED_AT: Final = 2
"""The newest of a key: `/new` does not bring back what the one before was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overheard:
    """One message of the chat that it was written in."""

    message_id: str
    content: Content


def before(tx: Tx, row: int, key: str, *, since: int, limit: int) -> tuple[Overheard, ...]:
    """The newest messages before an inbox row that came since a time, oldest first.

    None from before the last message of the same chat that opened a turn of the session: that
    turn was given them.
    """
    asked = tx.row("SELECT account, chat, order_major FROM inbox WHERE id = ?", row)
    if asked is None:
        return ()
    account, chat, place = asked
    rows = tx.rows(
        "SELECT message_id, content FROM inbox WHERE account = ? AND chat = ?"
        " AND state = 'ignored' AND reason = 'not_addressed' AND pruned_at IS NULL"
        " AND order_major > ? AND order_major < ? AND received_at >= ? AND message_id IS NOT NULL"
        " ORDER BY order_major DESC, id DESC LIMIT ?",
        account,
        chat,
        _given_up_to(tx, key, chat),
        place,
        since,
        limit,
    )
    return tuple(
        Overheard(message_id=message_id, content=Content.from_json(content))
        for message_id, content in reversed(rows)
    )


def due(tx: Tx, *, before: int, after: Place) -> list[Due]:
    """Rows that came before a time and have their words yet."""
    rows = tx.rows(
        "SELECT received_at, id FROM inbox"
        " WHERE state = 'ignored' AND reason = 'not_addressed' AND pruned_at IS NULL"
        " AND received_at < ? AND (received_at, id) > (?, ?) ORDER BY received_at, id LIMIT ?",
        before,
        *after,
        UNIT_ROWS,
    )
    return [Due(at=at, id=ident) for at, ident in rows]


def _given_up_to(tx: Tx, key: str, chat: str) -> int:
    """Where in the chat the last turn begins that a message opened; -1 if there is none."""
    sessions = tx.rows(
        "SELECT id FROM session WHERE key = ? ORDER BY id DESC LIMIT ?", key, _SESSIONS_LOOKED_AT
    )
    for (session,) in sessions:
        turn = tx.row(
            "SELECT id FROM turn WHERE session_id = ? AND EXISTS (SELECT 1 FROM inbox"
            " WHERE inbox.turn_id = turn.id AND inbox.message_id IS NOT NULL)"
            " ORDER BY number DESC LIMIT 1",
            session,
        )
        if turn is None:
            continue
        first = tx.row(
            "SELECT MIN(order_major) FROM inbox"
            " WHERE turn_id = ? AND chat = ? AND message_id IS NOT NULL",
            turn[0],
            chat,
        )
        return -1 if first is None or first[0] is None else int(first[0])
    return -1
