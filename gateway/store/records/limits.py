"""How limits stand now, and holds that wait for their figure too long. Reads only."""

from dataclasses import dataclass

from gateway.store.base import Tx

LISTED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitNow:
    """One limit in its present window; micro-dollars, times in microseconds since 1970.

    `limit` is the one last used, with what people raised it by; None counts and binds nothing.
    """

    scope: str
    span: str
    begins_at: int | None
    ends_at: int
    limit: int | None
    raised: int
    settled: int
    held: int


def present(tx: Tx, *, now: int) -> tuple[LimitNow, ...]:
    """Every limit of a day or month that was used in its window of now, fullest first."""
    rows = tx.rows(
        "SELECT scope, span, begins_at, ends_at, cap, raised, settled, held FROM balance"
        " WHERE ends_at IS NOT NULL AND ends_at > ?"
        " ORDER BY settled + held DESC, scope LIMIT ?",
        now,
        LISTED,
    )
    return tuple(
        LimitNow(
            scope=scope,
            span=span,
            begins_at=begins,
            ends_at=ends,
            limit=None if cap is None else cap + raised,
            raised=raised,
            settled=settled,
            held=held,
        )
        for scope, span, begins, ends, cap, raised, settled, held in rows
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLate:
    """Money of effects that must have ended, whose figures have not come."""

    count: int
    amount: int
    oldest_at: int | None
    """The earliest of their deadlines."""


def held_late(tx: Tx, *, before: int) -> HeldLate:
    """Holds whose deadline lies before a time."""
    row = tx.row(
        "SELECT COUNT(*), SUM(CASE WHEN amount > booked THEN amount - booked ELSE 0 END),"
        " MIN(deadline_at) FROM reservation"
        " WHERE state = 'held' AND deadline_at < ?",
        before,
    )
    count, amount, oldest = row or (0, None, None)
    return HeldLate(count=count, amount=amount or 0, oldest_at=oldest)
