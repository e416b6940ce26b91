"""Turns nobody runs: waiting for people, marked by /stop, or ended from outside."""

from dataclasses import dataclass

from gateway.store.base import Tx
from gateway.store.records import calls, inbox, model_calls, sessions


def park(tx: Tx, turn: sessions.OpenTurn, *, now: int, active_us: int = 0) -> None:
    """Let a turn wait for people, after so much time at work."""
    sessions.fence(tx, turn, now)
    tx.run(
        "UPDATE turn SET state = 'waiting', active_us = active_us + ? WHERE id = ?",
        active_us,
        turn.turn_id,
    )


def reopen(tx: Tx, turn_id: int, *, now: int) -> bool:
    """Let a waiting turn go on, unsuspected; False if it does not wait.

    Whoever held it before does not any more.
    """
    changed = tx.run(
        "UPDATE turn SET state = 'open', deaths = 0 WHERE id = ? AND state = 'waiting'", turn_id
    )
    if changed == 0:
        return False
    tx.run(
        "UPDATE session SET epoch = epoch + 1, active_at = ?"
        " WHERE id = (SELECT session_id FROM turn WHERE id = ?)",
        now,
        turn_id,
    )
    return True


def waits(tx: Tx, turn_id: int) -> bool:
    """Whether a turn waits as rows, and nobody runs it."""
    return tx.row("SELECT 1 FROM turn WHERE id = ? AND state = 'waiting'", turn_id) is not None


def mark_stopped(tx: Tx, turn_id: int, by: str) -> None:
    """Remember who said /stop: whoever takes the turn up next ends it."""
    tx.run(
        "UPDATE turn SET stopped_by = COALESCE(stopped_by, ?) WHERE id = ? AND closed_at IS NULL",
        by,
        turn_id,
    )


def mark_opened_stopped(tx: Tx, key: str, by: str) -> bool:
    """The same for the open turn of a session, whoever is to run it; False if there is none."""
    changed = tx.run(
        "UPDATE turn SET stopped_by = COALESCE(stopped_by, ?) WHERE state = 'open' AND session_id ="
        " (SELECT id FROM session WHERE key = ? AND closed_at IS NULL)",
        by,
        key,
    )
    return changed > 0


def halt(tx: Tx, turn_id: int, sentence: str) -> None:
    """Let a turn end with a sentence when it is taken up next; the first one holds."""
    tx.run(
        "UPDATE turn SET halted = ? WHERE id = ? AND closed_at IS NULL AND halted = ''",
        sentence,
        turn_id,
    )


def cancel_waiting(tx: Tx, key: str, *, now: int) -> int | None:
    """End the waiting turn of a session without a word; returns its id."""
    turn = sessions.waiting_turn(tx, key)
    if turn is None:
        return None
    _end_without_owner(tx, turn.id, state="cancelled", error=None, now=now)
    return turn.id


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedTurn:
    """A turn that was ended from outside, and where its chat is told."""

    session_id: int
    account: str
    reply_to: str


def quarantine(tx: Tx, turn_id: int, *, now: int) -> EndedTurn:
    """End a turn that the process died with again and again."""
    row = tx.row(
        "SELECT session.id, session.account, turn.reply_to FROM turn"
        " JOIN session ON session.id = turn.session_id WHERE turn.id = ?",
        turn_id,
    )
    if row is None:
        raise LookupError(f"no turn {turn_id}")
    error = "quarantined: the gateway died with it three times within a minute"
    _end_without_owner(tx, turn_id, state="failed", error=error, now=now)
    return EndedTurn(session_id=int(row[0]), account=row[1], reply_to=row[2])


def _end_without_owner(tx: Tx, turn_id: int, *, state: str, error: str | None, now: int) -> None:
    """Close a turn that nobody runs; whoever did is fenced off."""
    session = tx.row(
        "UPDATE session SET epoch = epoch + 1, active_at = ?"
        " WHERE id = (SELECT session_id FROM turn WHERE id = ?) RETURNING id",
        now,
        turn_id,
    )
    if session is not None:
        calls.end_unfinished(tx, int(session[0]), turn_id, now)
    model_calls.orphan(tx, turn_id, now=now)
    tx.run(
        "UPDATE turn SET state = ?, error = ?, closed_at = ? WHERE id = ?",
        state,
        error,
        now,
        turn_id,
    )
    inbox.finish_turn(tx, turn_id)
