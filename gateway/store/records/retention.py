"""What time takes away, in units that stay short; see `gateway.retention` for the rules.

Reads find what is due, newest work untouched, and each write looks again before it takes away:
between the two a chat may have come back to life.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.store.base import Row, Tx
from gateway.store.records import folds, transcript
from gateway.store.records.transcript import MESSAGES_LOADED

UNIT_ROWS = 200
"""Rows that one unit may change, so that no commit takes long."""

PART_ROWS = UNIT_ROWS // 2
"""Rows of one session that one unit may change."""

Kind = Literal["e", "t", "o"]
Place = tuple[int, int]
"""Time and id of the last row looked at; rows come in this order."""

START: Place = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A row whose time has come; `held` by something that still needs it."""

    at: int
    id: int
    held: bool = False

    @property
    def place(self) -> Place:
        """Where to look on from."""
        return self.at, self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionAge:
    """What of a session decides over its transcript; times in microseconds since 1970."""

    id: int
    current: bool
    active_at: int
    next_message: int
    open_turn: bool
    turns: bool
    settled: bool  # nobody chose anything for it
    titled: bool
    oldest: int | None  # sequence of the oldest message
    oldest_at: int
    folded_at: int | None  # when the oldest of its folds was made


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """A row that is no longer stored: the last time rows up to its number were deleted."""

    at: int


def events_due(tx: Tx, *, before: int, after: Place) -> list[Due]:
    """Inbox rows that came before a time and have their words yet; `held` while they wait."""
    rows = tx.rows(
        "SELECT received_at, id, state IN ('new', 'claimed') FROM inbox"
        " WHERE pruned_at IS NULL AND received_at < ? AND (received_at, id) > (?, ?)"
        " ORDER BY received_at, id LIMIT ?",
        before,
        *after,
        UNIT_ROWS,
    )
    return [Due(at=at, id=ident, held=bool(held)) for at, ident, held in rows]


def forget_events(tx: Tx, ids: Sequence[int], *, now: int) -> int:
    """Take the words and payloads of inbox rows; their keys stay."""
    changed = 0
    for ident in ids:
        forgotten = tx.run(
            "UPDATE inbox SET raw = '', content = NULL, pruned_at = ?"
            " WHERE id = ? AND pruned_at IS NULL"
            " AND state IN ('done', 'ignored', 'refused', 'held')",
            now,
            ident,
        )
        if forgotten:
            tx.run("DELETE FROM media WHERE session_id = 0 AND sequence = ?", ident)
        changed += forgotten
    return changed


def events_over(tx: Tx, *, before: int, after: Place) -> list[Due]:
    """Inbox rows that lost their words before a time."""
    rows = tx.rows(
        "SELECT pruned_at, id FROM inbox WHERE pruned_at IS NOT NULL AND pruned_at < ?"
        " AND (pruned_at, id) > (?, ?) ORDER BY pruned_at, id LIMIT ?",
        before,
        *after,
        UNIT_ROWS,
    )
    return [Due(at=at, id=ident) for at, ident in rows]


def delete_events(tx: Tx, ids: Sequence[int], *, now: int) -> int:
    """Delete inbox rows, their keys with them."""
    deleted = sum(
        tx.run("DELETE FROM inbox WHERE id = ? AND pruned_at IS NOT NULL", ident) for ident in ids
    )
    _note(tx, "e", ids, now)
    return deleted


def sends_due(tx: Tx, *, before: int, after: Place) -> list[Due]:
    """Outbox rows settled before a time that have their words yet; `held` by an open turn."""
    rows = tx.rows(
        "SELECT settled_at, id, EXISTS (SELECT 1 FROM turn WHERE turn.id = outbox.turn_id"
        " AND turn.state IN ('open', 'waiting')) FROM outbox"
        " WHERE pruned_at IS NULL AND settled_at IS NOT NULL AND settled_at < ?"
        " AND (settled_at, id) > (?, ?) ORDER BY settled_at, id LIMIT ?",
        before,
        *after,
        UNIT_ROWS,
    )
    return [Due(at=at, id=ident, held=bool(held)) for at, ident, held in rows]


def forget_sends(tx: Tx, ids: Sequence[int], *, now: int) -> int:
    """Take the words of outbox rows that have left or never will."""
    return sum(
        tx.run(
            "UPDATE outbox SET content = '', pruned_at = ?"
            " WHERE id = ? AND pruned_at IS NULL AND state IN ('sent', 'unknown', 'dead')",
            now,
            ident,
        )
        for ident in ids
    )


def sends_over(tx: Tx, *, before: int, after: Place) -> list[Due]:
    """Outbox rows that lost their words before a time."""
    rows = tx.rows(
        "SELECT pruned_at, id FROM outbox WHERE pruned_at IS NOT NULL AND pruned_at < ?"
        " AND (pruned_at, id) > (?, ?) ORDER BY pruned_at, id LIMIT ?",
        before,
        *after,
        UNIT_ROWS,
    )
    return [Due(at=at, id=ident) for at, ident in rows]


def delete_sends(tx: Tx, ids: Sequence[int], *, now: int) -> int:
    """Delete outbox rows that no other row changes; the last made goes first."""
    deleted = sum(
        tx.run(
            "DELETE FROM outbox WHERE id = ? AND pruned_at IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM outbox AS later WHERE later.target_id = outbox.id)",
            ident,
        )
        for ident in sorted(ids, reverse=True)
    )
    _note(tx, "o", ids, now)
    return deleted


def turns_due(tx: Tx, *, before: int, after: Place) -> list[Due]:
    """Turns that ended before a time and have the arguments of their calls yet."""
    rows = tx.rows(
        "SELECT closed_at, id FROM turn WHERE pruned_at IS NULL AND closed_at IS NOT NULL"
        " AND closed_at < ? AND (closed_at, id) > (?, ?) ORDER BY closed_at, id LIMIT ?",
        before,
        *after,
        UNIT_ROWS,
    )
    return [Due(at=at, id=ident) for at, ident in rows]


def forget_turn(tx: Tx, ident: int, *, now: int) -> int:
    """Take what the calls of a turn were given, and what its cards showed and people wrote.

    Of a job's turn also what it posted, and the data it came with.

    How it went stays for `why`: who decided what when, by which rule, for how much.
    """
    ended = tx.run(
        "UPDATE turn SET pruned_at = ? WHERE id = ? AND pruned_at IS NULL"
        " AND state IN ('done', 'failed', 'cancelled', 'halted')",
        now,
        ident,
    )
    if not ended:
        return 0
    changed = ended + tx.run(
        "UPDATE tool_call SET arguments = '', canonical = NULL, snapshots = '{}', label = NULL"
        " WHERE turn_id = ?",
        ident,
    )
    changed += tx.run("UPDATE card SET detail = '{}', seen = '[]' WHERE turn_id = ?", ident)
    changed += tx.run(
        "UPDATE cron_fire SET said = '', data = '' WHERE turn_id = ? AND turn_id IS NOT NULL", ident
    )
    return changed + tx.run(
        "UPDATE request SET arguments = '{}', detail = '{}', edited = '', words = ''"
        " WHERE card_id IN (SELECT id FROM card WHERE turn_id = ?)",
        ident,
    )


def turns_over(tx: Tx, *, before: int, after: Place) -> list[Due]:
    """Turns that lost their arguments before a time; `held` while something of theirs goes on.

    That is a message that is kept, or work elsewhere that may not have ended.
    """
    rows = tx.rows(
        "SELECT pruned_at, id, EXISTS (SELECT 1 FROM message WHERE message.turn_id = turn.id)"
        " OR EXISTS (SELECT 1 FROM remote_job WHERE remote_job.turn_id = turn.id"
        " AND remote_job.state <> 'ended') FROM turn WHERE pruned_at IS NOT NULL AND pruned_at < ?"
        " AND (pruned_at, id) > (?, ?) ORDER BY pruned_at, id LIMIT ?",
        before,
        *after,
        UNIT_ROWS,
    )
    return [Due(at=at, id=ident, held=bool(held)) for at, ident, held in rows]


def delete_turn(tx: Tx, ident: int, *, now: int) -> int:
    """Delete a turn with its cards, calls, jobs and steps, and what its own limits counted."""
    if tx.row("SELECT 1 FROM message WHERE turn_id = ? LIMIT 1", ident) is not None:
        return 0
    if tx.row("SELECT 1 FROM remote_job WHERE turn_id = ? AND state <> 'ended'", ident) is not None:
        return 0
    deleted = tx.run(
        "DELETE FROM request WHERE card_id IN (SELECT id FROM card WHERE turn_id = ?)", ident
    )
    deleted += tx.run("DELETE FROM card WHERE turn_id = ?", ident)
    deleted += tx.run("DELETE FROM remote_job WHERE turn_id = ?", ident)
    deleted += tx.run("DELETE FROM balance WHERE scope = ? AND span = ''", f"turn:{ident}")
    deleted += tx.run("DELETE FROM tool_call WHERE turn_id = ?", ident)
    deleted += tx.run("DELETE FROM step WHERE turn_id = ?", ident)
    deleted += tx.run("DELETE FROM turn WHERE id = ? AND pruned_at IS NOT NULL", ident)
    _note(tx, "t", (ident,), now)
    return deleted


_SESSION = (
    "SELECT id, closed_at IS NULL, active_at, next_message,"
    " EXISTS (SELECT 1 FROM turn WHERE turn.session_id = session.id"
    " AND turn.state IN ('open', 'waiting')),"
    " EXISTS (SELECT 1 FROM turn WHERE turn.session_id = session.id),"
    " closed_at IS NOT NULL OR settings = '{}', title <> '',"
    " (SELECT sequence FROM message WHERE message.session_id = session.id"
    " ORDER BY sequence LIMIT 1),"
    " (SELECT stored_at FROM message WHERE message.session_id = session.id"
    " ORDER BY sequence LIMIT 1),"
    " (SELECT at FROM fold WHERE fold.session_id = session.id ORDER BY id LIMIT 1) FROM session"
)


def sessions_after(tx: Tx, after: int) -> list[SessionAge]:
    """The next sessions by their id."""
    rows = tx.rows(_SESSION + " WHERE id > ? ORDER BY id LIMIT ?", after, UNIT_ROWS)
    return [_age(row) for row in rows]


def kept_from(session: SessionAge, *, before: int) -> int:
    """The sequence of the first message that is kept whatever its age.

    Of a session in use that is what a model may still be shown; of one that was left or lay
    idle since `before` it is nothing.
    """
    in_use = _in_use(session, before)
    return session.next_message - MESSAGES_LOADED if in_use else session.next_message


def _in_use(session: SessionAge, before: int) -> bool:
    return session.open_turn or (session.current and session.active_at >= before)


def forgettable(session: SessionAge, *, before: int) -> bool:
    """Whether messages, their summaries or the title of a session are due."""
    words = (
        session.oldest is not None
        and session.oldest < kept_from(session, before=before)
        and session.oldest_at < before
    )
    folded = session.folded_at is not None and session.folded_at < before
    return (
        words
        or (folded and not _in_use(session, before))
        or (session.titled and _idle(session, before))
    )


def forget_session(tx: Tx, ident: int, *, before: int) -> int:
    """Take away the oldest messages of a session that are due, at most PART_ROWS of them.

    A session that lay idle since `before` loses its title too: it is the first words. Of one in
    use the folds that shape what a model is given are kept.
    """
    row = tx.row(_SESSION + " WHERE id = ?", ident)
    if row is None:
        return 0
    session = _age(row)
    changed = 0
    if session.oldest is not None:
        changed = tx.run(
            "DELETE FROM message WHERE session_id = ? AND sequence < ? AND stored_at < ?",
            ident,
            min(kept_from(session, before=before), session.oldest + PART_ROWS),
            before,
        )
        transcript.release(tx, ident)
    changed += folds.forget(tx, ident, before=before, everything=not _in_use(session, before))
    if session.titled and _idle(session, before):
        changed += tx.run("UPDATE session SET title = '' WHERE id = ?", ident)
    return changed


def removable(session: SessionAge, *, before: int) -> bool:
    """Whether nothing of a session is left; one with a chosen setting is kept for it."""
    empty = session.oldest is None and session.folded_at is None and not session.turns
    return empty and session.settled and session.active_at < before


def delete_session(tx: Tx, ident: int, *, before: int) -> int:
    """Delete a session of which nothing is left."""
    row = tx.row(_SESSION + " WHERE id = ?", ident)
    if row is None or not removable(_age(row), before=before):
        return 0
    for scope in (f"session:{ident}", f"whole:{ident}"):
        tx.run("DELETE FROM balance WHERE scope = ? AND span = ''", scope)
    return tx.run("DELETE FROM session WHERE id = ?", ident)


def delete_runs(tx: Tx, *, before: int) -> int:
    """Delete starts, but the newest, and gaps of before a time."""
    starts = tx.run(
        "DELETE FROM start WHERE id IN (SELECT id FROM start WHERE at < ?"
        " AND id < (SELECT MAX(id) FROM start) ORDER BY id LIMIT ?)",
        before,
        PART_ROWS,
    )
    gaps = tx.run(
        "DELETE FROM gap WHERE id IN (SELECT id FROM gap WHERE until < ? ORDER BY id LIMIT ?)",
        before,
        PART_ROWS,
    )
    return starts + gaps


def delete_pairings(tx: Tx, *, before: int) -> int:
    """Delete requests to talk that nobody granted, and that were made before a time."""
    return tx.run("DELETE FROM pairing WHERE state IN ('open', 'denied') AND asked_at < ?", before)


def blob_in_use(tx: Tx, name: str) -> bool:
    """Whether an inbox row's payload lies in this blob, or a file of a message."""
    row = tx.row(
        "SELECT 1 FROM inbox WHERE raw = ? AND substr(raw, 1, 5) = 'blob:' LIMIT 1", f"blob:{name}"
    ) or tx.row("SELECT 1 FROM media WHERE payload = ? LIMIT 1", name)
    return row is not None


def gone(tx: Tx, kind: Kind, ident: int) -> Gone | None:
    """What became of a number that no row of this kind has; None if none can have had it."""
    row = tx.row("SELECT at FROM pruned WHERE kind = ? AND up_to >= ?", kind, ident)
    return Gone(at=int(row[0])) if row and ident > 0 else None


def _idle(session: SessionAge, before: int) -> bool:
    return session.active_at < before and not session.open_turn


def _note(tx: Tx, kind: Kind, ids: Sequence[int], now: int) -> None:
    """Note that rows of these numbers and below may be gone."""
    tx.run(
        "INSERT INTO pruned (kind, up_to, at) VALUES (?, ?, ?) ON CONFLICT (kind) DO UPDATE SET"
        " up_to = CASE WHEN excluded.up_to > pruned.up_to THEN excluded.up_to"
        " ELSE pruned.up_to END, at = excluded.at",
        kind,
        max(ids),
        now,
    )


def _age(row: Row) -> SessionAge:
    ident, current, active_at, next_message, open_turn, turns, settled, titled, *first = row
    oldest, oldest_at, folded_at = first
    return SessionAge(
        id=ident,
        current=bool(current),
        active_at=active_at,
        next_message=next_message,
        open_turn=bool(open_turn),
        turns=bool(turns),
        settled=bool(settled),
        titled=bool(titled),
        oldest=oldest,
        oldest_at=oldest_at or 0,
        folded_at=folded_at,
    )
