"""What the spend page shows, and the book it asks: the gateway fulfils `SpendBook`.

Every amount is integer micro-dollars.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySpend:
    """What one day cost, by the gateway's zone."""

    day: date
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one chat, person, model or tool cost."""

    name: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCalls:
    """The calls of one model, those without an answer (`failed`) among them.

    Tokens are None where nobody has counted, `written` those kept in a cache; `uncounted` calls
    told none. `open` calls have no figure yet: up to `held` may come of them.
    """

    model: str
    calls: int
    failed: int
    uncounted: int
    input: int | None
    cached: int | None
    written: int | None
    output: int | None
    reasoning: int | None
    amount: int
    held: int
    open: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitState:
    """One limit in its present window.

    `limit` counts what it was raised by (`raised`). `held` is put aside for what has begun.
    """

    name: str
    limit: int
    settled: int
    held: int
    ends_at: datetime
    raised: int = 0

    @property
    def left(self) -> int:
        """What may still be spent; never below zero, also after a flagged overrun."""
        return max(0, self.limit - self.settled - self.held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """Spending that is stopped: where, by whom or what, and why."""

    where: str
    by: str
    since: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """What was spent in a span of days, by what it went to, and what limits it now.

    `days` has every day of the span, the oldest first, those without spend too. The shares are in
    order of their amounts, limits in the order in which they are to be read. `unpriced` counts
    calls of the span whose cost nobody knows: it is in none of the sums.
    """

    days: tuple[DaySpend, ...] = ()
    chats: tuple[Share, ...] = ()
    people: tuple[Share, ...] = ()
    models: tuple[Share, ...] = ()
    tools: tuple[Share, ...] = ()
    limits: tuple[LimitState, ...] = ()
    freezes: tuple[Frozen, ...] = ()
    unpriced: int = 0
    calls: tuple[ModelCalls, ...] = ()


class SpendBook(Protocol):
    """The ledger, as the page knows it. `by` is a person as configuration writes them."""

    async def spend(self, *, days: int, by: str) -> Spend:
        """What the last `days` days cost, today included, as far as `by` may see it.

        May raise StoreError while the store can't be read: the page says so.
        """
