"""Outbox rows: every word that leaves, stored before it is sent.

    pending --> in_flight --> sent
       ^            |-------> unknown    may stand in the chat; nothing further is done
       '-- retry ---+-------> dead       can't heal; `reason` says why

Rows of one `line` of a chat leave in order: those of one session, or of the chat without one.
`departed_at` is when a post began to be in doubt: its first try that is not known to have failed.

An `edit` or `delete` row names the `post` row it changes as `target_id`; its platform id is read
when it is sent, so it may be stored before that post was confirmed.
"""

from dataclasses import dataclass
from typing import Literal

from gateway.store.base import Row, Tx
from gateway.store.records import listed

Purpose = Literal["anchor", "part", "final", "notice", "command", "send"]
Op = Literal["post", "edit", "delete", "upload"]
OutboxState = Literal["pending", "in_flight", "sent", "unknown", "dead"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOutbox:
    """A row to store. `content` is JSON as `gateway.outgoing` writes it."""

    dedupe_key: str
    account: str
    chat: str
    turn_id: int | None
    part: int
    purpose: Purpose
    op: Op
    target_id: int | None
    content: str
    nonce: str
    line: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """A stored row."""

    id: int
    account: str
    chat: str
    turn_id: int | None
    part: int
    purpose: Purpose
    op: Op
    target_id: int | None
    content: str
    nonce: str
    state: OutboxState
    message_id: str | None
    attempts: int
    line: str = ""
    created_at: int = 0
    departed_at: int | None = None


_SELECT = (
    "SELECT id, account, chat, turn_id, part, purpose, op, target_id, content, nonce, state,"
    " message_id, attempts, line, created_at, departed_at FROM outbox"
)


def insert(tx: Tx, row: NewOutbox, *, now: int) -> OutboxRow | None:
    """Store a row; None if its dedupe key is taken, and then nothing leaves twice.

    It goes to where its chat is by now. An edit stays with its message.
    """
    chat = row.chat if row.target_id else listed.address(tx, row.account, row.chat)
    found = tx.row(
        "INSERT INTO outbox (dedupe_key, account, chat, turn_id, part, purpose, op, target_id,"
        " content, nonce, line, state, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', ?)"
        " ON CONFLICT DO NOTHING RETURNING id",
        row.dedupe_key,
        row.account,
        chat,
        row.turn_id,
        row.part,
        row.purpose,
        row.op,
        row.target_id,
        row.content,
        row.nonce,
        row.line,
        now,
    )
    if found is None:
        return None
    return OutboxRow(
        id=int(found[0]),
        account=row.account,
        chat=chat,
        turn_id=row.turn_id,
        part=row.part,
        purpose=row.purpose,
        op=row.op,
        target_id=row.target_id,
        content=row.content,
        nonce=row.nonce,
        state="pending",
        message_id=None,
        attempts=0,
        line=row.line,
        created_at=now,
        departed_at=None,
    )


def get(tx: Tx, ident: int) -> OutboxRow | None:
    """One row by id."""
    row = tx.row(_SELECT + " WHERE id = ?", ident)
    return _outbox_row(row) if row else None


def keys_of_message(
    tx: Tx, account: str, chats: tuple[str, str], message_id: str
) -> tuple[str, ...]:
    """The dedupe keys of the rows that stand as a message in one of these chats."""
    rows = tx.rows(
        "SELECT dedupe_key FROM outbox WHERE account = ? AND chat IN (?, ?) AND message_id = ?",
        account,
        *chats,
        message_id,
    )
    return tuple(str(row[0]) for row in rows)


def state_of(tx: Tx, dedupe_key: str) -> str | None:
    """How far the row of a dedupe key has come; None if there is none."""
    row = tx.row("SELECT state FROM outbox WHERE dedupe_key = ?", dedupe_key)
    return str(row[0]) if row else None


def by_key(tx: Tx, dedupe_key: str) -> int | None:
    """The id of the row that holds a dedupe key."""
    row = tx.row("SELECT id FROM outbox WHERE dedupe_key = ?", dedupe_key)
    return int(row[0]) if row else None


def explains(
    tx: Tx, *, account: str, chats: tuple[str, ...], message_id: str, nonce: str | None
) -> OutboxRow | None:
    """The row behind a message of ours, by the nonce it carries or by its place."""
    if nonce is not None and (row := tx.row(_SELECT + " WHERE nonce = ?", nonce)) is not None:
        return _outbox_row(row)
    for chat in chats:
        row = tx.row(
            _SELECT + " WHERE account = ? AND chat = ? AND message_id = ?",
            account,
            chat,
            message_id,
        )
        if row is not None:
            return _outbox_row(row)
    return None


def waiting(tx: Tx, account: str, *, after: int = 0, limit: int = 500) -> list[OutboxRow]:
    """Rows of an account that have not left for sure, in order of their making."""
    return [
        _outbox_row(row)
        for row in tx.rows(
            _SELECT + " WHERE state IN ('pending', 'in_flight') AND account = ? AND id > ?"
            " ORDER BY id LIMIT ?",
            account,
            after,
            limit,
        )
    ]


def of_turn(tx: Tx, turn_id: int) -> list[OutboxRow]:
    """Every row of a turn, in order of their making."""
    return [
        _outbox_row(row) for row in tx.rows(_SELECT + " WHERE turn_id = ? ORDER BY id", turn_id)
    ]


def depart(tx: Tx, ident: int, *, now: int) -> int:
    """The row is about to be sent; returns since when it may stand in the chat."""
    row = tx.row(
        "UPDATE outbox SET state = 'in_flight', attempts = attempts + 1,"
        " departed_at = COALESCE(departed_at, ?) WHERE id = ? RETURNING departed_at",
        now,
        ident,
    )
    return int(row[0]) if row else now


def hold(tx: Tx, ident: int, reason: str) -> None:
    """The row is certainly not in its chat and waits again."""
    tx.run(
        "UPDATE outbox SET state = 'pending', reason = ?, departed_at = NULL WHERE id = ?",
        reason,
        ident,
    )


def bury(tx: Tx, *, account: str, chat: str, reason: str, now: int) -> int:
    """Give up every row that waits for a chat, threads of it included; returns how many."""
    return tx.run(
        "UPDATE outbox SET state = 'dead', reason = ?, settled_at = ?"
        " WHERE state = 'pending' AND account = ? AND (chat = ? OR substr(chat, 1, ?) = ?)",
        reason,
        now,
        account,
        chat,
        len(chat) + 1,
        f"{chat}/",
    )


def settle(
    tx: Tx,
    ident: int,
    *,
    state: OutboxState,
    message_id: str | None,
    reason: str | None,
    now: int,
) -> None:
    """The row has reached a state it stays in."""
    tx.run(
        "UPDATE outbox SET state = ?, message_id = COALESCE(?, message_id), reason = ?,"
        " settled_at = ? WHERE id = ?",
        state,
        message_id,
        reason,
        now,
        ident,
    )


def _outbox_row(row: Row) -> OutboxRow:
    ident, account, chat, turn_id, part, purpose, op, target, content, nonce, state, *rest = row
    message_id, attempts, line, created_at, departed_at = rest
    return OutboxRow(
        id=ident,
        account=account,
        chat=chat,
        turn_id=turn_id,
        part=part,
        purpose=purpose,
        op=op,
        target_id=target,
        content=content,
        nonce=nonce,
        state=state,
        message_id=message_id,
        attempts=attempts,
        line=line,
        created_at=created_at,
        departed_at=departed_at,
    )
