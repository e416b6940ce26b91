"""Work that goes on elsewhere, and the duty to end it.

running --> ended                      its end was seen
  |  '----> stopping --> ended         someone stopped it, or its time is over
  '--------------'--> unknown --> ended      nobody can tell; the tries go on
"""

from dataclasses import dataclass
from typing import Literal

from agent.tools.base import RemoteJob
from gateway.store.base import Row, Tx

JobState = Literal["running", "stopping", "ended", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job with its turn; times are microseconds since 1970."""

    call_id: str
    turn_id: int
    session_id: int
    session_key: str
    turn_state: str
    tool: str
    handle: str
    label: str
    state: JobState
    started_at: int
    deadline_at: int
    looks: int
    stop_by: str | None
    stop_at: int | None
    waits: bool = True
    recurring: bool = False


_SELECT = (
    "SELECT remote_job.call_id, remote_job.turn_id, session.id, session.key, turn.state,"
    " remote_job.tool, remote_job.handle, remote_job.label, remote_job.state,"
    " remote_job.started_at, remote_job.deadline_at, remote_job.looks, remote_job.stop_by,"
    " remote_job.stop_at, remote_job.waits, remote_job.recurring FROM remote_job"
    " JOIN turn ON turn.id = remote_job.turn_id"
    " JOIN session ON session.id = turn.session_id"
)


def insert(tx: Tx, *, call_id: str, turn_id: int, tool: str, job: RemoteJob, now: int) -> None:
    """Store a job that has begun; one found again after a crash is stored once.

    What was to be looked for, and is found by its turn, goes on as that.
    """
    tx.run(
        "INSERT INTO remote_job (call_id, turn_id, tool, handle, label, record, waits, recurring,"
        " state, started_at, deadline_at, look_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'running', ?, ?, ?) ON CONFLICT (call_id) DO UPDATE"
        " SET handle = excluded.handle, label = excluded.label, record = excluded.record,"
        " waits = excluded.waits, recurring = excluded.recurring, state = 'running',"
        " started_at = excluded.started_at, deadline_at = excluded.deadline_at,"
        " look_at = excluded.look_at WHERE remote_job.handle = ''",
        call_id,
        turn_id,
        tool,
        job.handle,
        job.label,
        job.record,
        int(job.waits),
        int(job.recurring),
        now,
        now + int(job.deadline_s * 1_000_000),
        now + int(job.poll_s * 1_000_000),
    )


def found(tx: Tx, call_id: str, job: RemoteJob, *, now: int) -> None:
    """What was looked for is found; it is looked at next."""
    tx.run(
        "UPDATE remote_job SET handle = ?, label = ?, record = ?, recurring = ?, look_at = ?"
        " WHERE call_id = ? AND handle = ''",
        job.handle,
        job.label,
        job.record,
        int(job.recurring),
        now,
        call_id,
    )


def is_sought(tx: Tx, call_id: str) -> bool:
    """Whether work is still to be looked for."""
    row = tx.row(
        "SELECT 1 FROM remote_job WHERE call_id = ? AND handle = '' AND state <> 'ended'", call_id
    )
    return row is not None


def forget_sought(tx: Tx, call_id: str) -> None:
    """A call begins (again): there is nothing left over to be looked for."""
    tx.run("DELETE FROM remote_job WHERE call_id = ? AND handle = ''", call_id)


def to_look_at(tx: Tx, *, now: int, limit: int) -> tuple[Job, ...]:
    """Jobs whose state is to be asked for, those that wait longest first."""
    rows = tx.rows(
        _SELECT + " WHERE remote_job.state <> 'ended' AND remote_job.look_at <= ?"
        " ORDER BY remote_job.look_at LIMIT ?",
        now,
        limit,
    )
    return tuple(_job(row) for row in rows)


def next_look(tx: Tx) -> int | None:
    """When the next job is to be asked for."""
    row = tx.row("SELECT MIN(look_at) FROM remote_job WHERE state <> 'ended'")
    return row[0] if row else None


def looked(tx: Tx, call_id: str, *, next_at: int) -> None:
    """A job goes on; ask again then."""
    tx.run(
        "UPDATE remote_job SET looks = looks + 1, look_at = ? WHERE call_id = ?", next_at, call_id
    )


def stop_of_turn(tx: Tx, turn_id: int, *, by: str, now: int, everything: bool = True) -> int:
    """Let the jobs of a turn be ended, from now on until their end is seen.

    Not `everything`: only those it waits for. What recurs was meant to outlive its turn.
    """
    return tx.run(
        "UPDATE remote_job SET state = 'stopping', stop_by = ?, stop_at = ?, look_at = ?"
        " WHERE turn_id = ? AND state = 'running' AND recurring = 0 AND waits >= ?",
        by,
        now,
        now,
        turn_id,
        0 if everything else 1,
    )


def stop_of_session(tx: Tx, session_id: int, *, by: str, now: int) -> int:
    """The same for every turn of a session that ends."""
    return tx.run(
        "UPDATE remote_job SET state = 'stopping', stop_by = ?, stop_at = ?, look_at = ?"
        " WHERE state <> 'ended' AND state = 'running' AND recurring = 0"
        " AND (SELECT turn.session_id FROM turn WHERE turn.id = remote_job.turn_id) = ?",
        by,
        now,
        now,
        session_id,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spender:
    """A job that may go on, and the chat in whose name it spends."""

    call_id: str
    account: str
    chat: str


def spenders(tx: Tx) -> tuple[Spender, ...]:
    """Every job that may go on, with its chat."""
    rows = tx.rows(
        "SELECT remote_job.call_id, session.account, turn.reply_to FROM remote_job"
        " JOIN turn ON turn.id = remote_job.turn_id JOIN session ON session.id = turn.session_id"
        " WHERE remote_job.state <> 'ended'"
    )
    return tuple(Spender(call_id=ident, account=acc, chat=chat) for ident, acc, chat in rows)


def is_known(tx: Tx, record: str) -> bool:
    """Whether a call of its own pays for what this bill is about."""
    return tx.row("SELECT 1 FROM remote_job WHERE record = ?", record) is not None


def stop(tx: Tx, call_id: str, *, by: str, now: int) -> None:
    """Let one job be ended."""
    tx.run(
        "UPDATE remote_job SET state = 'stopping', stop_by = ?, stop_at = ?, look_at = ?"
        " WHERE call_id = ? AND state = 'running'",
        by,
        now,
        now,
        call_id,
    )


def lose(tx: Tx, call_id: str) -> bool:
    """Nobody can tell whether a job has ended; False if that was said before."""
    changed = tx.run(
        "UPDATE remote_job SET state = 'unknown' WHERE call_id = ? AND state = 'stopping'", call_id
    )
    return changed == 1


def end(tx: Tx, call_id: str, *, now: int) -> bool:
    """The end of a job was seen; False if it was before."""
    changed = tx.run(
        "UPDATE remote_job SET state = 'ended', ended_at = ? WHERE call_id = ?"
        " AND state <> 'ended'",
        now,
        call_id,
    )
    return changed == 1


def running(tx: Tx, *, limit: int = 200) -> tuple[Job, ...]:
    """Every job that has not ended."""
    rows = tx.rows(
        _SELECT + " WHERE remote_job.state <> 'ended' ORDER BY remote_job.look_at LIMIT ?", limit
    )
    return tuple(_job(row) for row in rows)


def _job(row: Row) -> Job:
    call_id, turn_id, session_id, key, turn_state, tool, handle, label, state, *rest = row
    started, deadline, looks, stop_by, stop_at, waits, recurring = rest
    return Job(
        call_id=call_id,
        turn_id=turn_id,
        session_id=session_id,
        session_key=key,
        turn_state=turn_state,
        tool=tool,
        handle=handle,
        label=label,
        state=state,
        started_at=started,
        deadline_at=deadline,
        looks=looks,
        stop_by=stop_by,
        stop_at=stop_at,
        waits=bool(waits),
        recurring=bool(recurring),
    )
