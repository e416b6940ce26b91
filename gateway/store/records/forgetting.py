"""Takes the words of one chat's sessions at its people's wish, in units that stay short.

What was decided, what it cost and the audit stay, as does how each turn went. See `retention` for
the same by age.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.store.base import Tx
from gateway.store.records import listed, retention, transcript

_OWN_ANSWERS = ("answer", "refusal", "busy", "stopped", "export")
"""What was said to an inbox row by itself; see `outbox.NewOutbox.dedupe_key`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How much of a session key's words is stored; `newest` tells this state from a later one."""

    sessions: int
    messages: int
    newest: str


def kept(tx: Tx, key: str) -> Kept:
    """What would go."""
    rows = tx.rows("SELECT id, next_message FROM session WHERE key = ? ORDER BY id", key)
    counted = tx.row(
        "SELECT COUNT(*) FROM message JOIN session ON session.id = message.session_id"
        " WHERE session.key = ?",
        key,
    )
    newest = f"{rows[-1][0]}:{rows[-1][1]}" if rows else ""
    return Kept(sessions=len(rows), messages=int(counted[0]) if counted else 0, newest=newest)


def untitle(tx: Tx, key: str) -> None:
    """Take the titles: they are somebody's first words."""
    tx.run("UPDATE session SET title = '' WHERE key = ? AND title <> ''", key)


def forget_some(tx: Tx, key: str, *, now: int) -> int:
    """Take some of what is left of a key's words; 0 when nothing is.

    Commands that were given in it go too, and what was only heard there, whoever it is by. What
    waits or is on its way is left to its time.
    """
    sessions = [int(row[0]) for row in tx.rows("SELECT id FROM session WHERE key = ?", key)]
    changed = 0
    for session in sessions:
        changed += _turns(tx, session, now)
        if changed < retention.PART_ROWS:
            changed += _messages(tx, session)
        if changed >= retention.PART_ROWS:
            return changed
    return changed + sum(_turnless(tx, each, now) for each in _keys(tx, key))


def _turns(tx: Tx, session: int, now: int) -> int:
    changed = 0
    rows = tx.rows(
        "SELECT id FROM turn WHERE session_id = ? AND pruned_at IS NULL"
        " AND state IN ('done', 'failed', 'cancelled', 'halted') AND number > ? ORDER BY number",
        session,
        0,
    )
    for (turn,) in rows:
        changed += retention.forget_turn(tx, turn, now=now)
        changed += _events(tx, tx.rows("SELECT id FROM inbox WHERE turn_id = ?", turn), now)
        sent = [int(row[0]) for row in tx.rows("SELECT id FROM outbox WHERE turn_id = ?", turn)]
        changed += retention.forget_sends(tx, sent, now=now)
        changed += tx.run(
            "UPDATE cron_fire SET said = '', data = '' WHERE turn_id = ? AND turn_id IS NOT NULL",
            turn,
        )
        if changed >= retention.PART_ROWS:
            break
    return changed


def _messages(tx: Tx, session: int) -> int:
    changed = tx.run("DELETE FROM fold WHERE session_id = ?", session)
    changed += tx.run(
        "DELETE FROM message WHERE session_id = ? AND sequence < ? +"
        " (SELECT MIN(sequence) FROM message WHERE session_id = ?)",
        session,
        retention.PART_ROWS,
        session,
    )
    transcript.release(tx, session)
    return changed


def _turnless(tx: Tx, key: str, now: int) -> int:
    rows = tx.rows(
        "SELECT id FROM inbox WHERE session_key = ? AND turn_id IS NULL AND pruned_at IS NULL"
        " AND state IN ('done', 'ignored', 'refused') ORDER BY id LIMIT ?",
        key,
        retention.PART_ROWS,
    )
    return _events(tx, rows, now)


def _keys(tx: Tx, key: str) -> tuple[str, ...]:
    """A key, and those that the same session had at addresses of before."""
    account, _, rest = key.partition("|")
    place, bar, person = rest.partition("|")
    return tuple(f"{account}|{each}{bar}{person}" for each in listed.written_as(tx, account, place))


def _events(tx: Tx, rows: Sequence[tuple[int, ...]], now: int) -> int:
    """Inbox rows, and what was answered to each by itself."""
    idents = [int(row[0]) for row in rows]
    answers = [
        int(row[0])
        for ident in idents
        for kind in _OWN_ANSWERS
        if (row := tx.row("SELECT id FROM outbox WHERE dedupe_key = ?", f"e{ident}:{kind}"))
    ]
    changed = retention.forget_sends(tx, answers, now=now)
    return changed + retention.forget_events(tx, idents, now=now)
