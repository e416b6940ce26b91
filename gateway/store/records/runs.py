"""What recurring work elsewhere has begun: each run is found once and booked once.

running --> booked      it ended, and what it cost is in the ledger
       '--> apart       a call of its own pays for it
"""

from dataclasses import dataclass

from agent.costs import Ceiling, Unknown, UnknownBecause
from agent.tools.base import Run
from gateway.store.base import Row, Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What the runs of one call have cost, how many there were, how many without a figure."""

    count: int
    spent: int
    unpriced: int


def add(tx: Tx, call_id: str, run: Run, *, now: int) -> bool:
    """Store a run that was found; False if it is known, whoever it was found for."""
    added = tx.run(
        "INSERT INTO remote_run (record, call_id, handle, state, ceiling, found_at)"
        " VALUES (?, ?, ?, 'running', ?, ?) ON CONFLICT (record) DO NOTHING",
        run.record,
        call_id,
        run.handle,
        run.ceiling if isinstance(run.ceiling, int) else None,
        now,
    )
    return added == 1


def going_on(tx: Tx, call_id: str) -> tuple[Run, ...]:
    """The runs of a call whose end was not seen, oldest first."""
    rows = tx.rows(
        "SELECT record, handle, ceiling FROM remote_run WHERE call_id = ? AND state = 'running'"
        " ORDER BY found_at, record",
        call_id,
    )
    return tuple(_run(row) for row in rows)


def end(tx: Tx, record: str, *, spent: int | None, apart: bool, now: int) -> bool:
    """The end of a run was seen; False if it was before."""
    changed = tx.run(
        "UPDATE remote_run SET state = ?, spent = ?, ended_at = ?"
        " WHERE record = ? AND state = 'running'",
        "apart" if apart else "booked",
        None if apart else spent,
        now,
        record,
    )
    return changed == 1


def totals(tx: Tx, call_id: str) -> Totals:
    """What is booked for a call."""
    row = tx.row(
        "SELECT COUNT(*), COALESCE(SUM(spent), 0), COUNT(*) - COUNT(spent) FROM remote_run"
        " WHERE call_id = ? AND state = 'booked'",
        call_id,
    )
    count, spent, unpriced = row or (0, 0, 0)
    return Totals(count=count, spent=spent, unpriced=unpriced)


def _run(row: Row) -> Run:
    record, handle, known = row
    ceiling: Ceiling = known
    if known is None:
        ceiling = Unknown(because=UnknownBecause.PRICE, text="nobody knew its price")
    return Run(handle=handle, record=record, ceiling=ceiling)
