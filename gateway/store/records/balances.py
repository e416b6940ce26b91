"""Balances: what is settled and held of each limit, one row per scope and span."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.ledger import ScopeLimit, Window, notice_due, window_of
from gateway.store.base import Tx

Span = tuple[str, str]
"""A scope and the key of its window."""

Standing = tuple[str, str, int, int, int]
"""A scope, the key of its window, and what is settled, held and raised in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How a limit stands in a window; `limit` None counts and binds nothing."""

    scope: str
    window: Window
    limit: int | None
    raised: int = 0
    settled: int = 0
    held: int = 0

    @property
    def span(self) -> Span:
        """What a movement is booked under."""
        return self.scope, self.window.span

    @property
    def left(self) -> int | None:
        """What may still be held; None without a limit, never below zero."""
        if self.limit is None:
            return None
        return max(0, self.limit + self.raised - self.settled - self.held)

    def short_by(self, amount: int) -> int:
        """What the limit would have to be raised by to take an amount; 0 if it fits.

        Nothing fits everywhere, above a limit too: it spends nothing.
        """
        if self.limit is None or amount == 0:
            return 0
        return max(0, self.settled + self.held + amount - self.limit - self.raised)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A limit of which four fifths are spent, found out just now and never again."""

    scope: str
    span: str
    settled: int
    limit: int
    """What people raised it by included."""


def room(tx: Tx, limit: ScopeLimit, *, now: int) -> Room:
    """How a limit stands in the window of now; an unused window stands at zero."""
    row = tx.row(
        "SELECT span, begins_at, ends_at, raised, settled, held FROM balance WHERE scope = ?"
        " ORDER BY span DESC LIMIT 1",
        limit.scope,
    )
    if row is None:
        window = window_of(limit, None, now=now)
        return Room(scope=limit.scope, window=window, limit=limit.limit)
    span, begins_at, ends_at, raised, settled, held = row
    newest = Window(span=span, begins_at=begins_at, ends_at=ends_at)
    window = window_of(limit, newest, now=now)
    if window.span != span:
        return Room(scope=limit.scope, window=window, limit=limit.limit)
    return Room(
        scope=limit.scope,
        window=window,
        limit=limit.limit,
        raised=raised,
        settled=settled,
        held=held,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What a movement left behind: the balances after it, and limits that are nearly spent."""

    after: tuple[Standing, ...]
    notices: tuple[Notice, ...] = ()


def hold(tx: Tx, each: Room, amount: int) -> Standing:
    """Add to what is held; the caller has seen that it fits."""
    tx.run(
        "INSERT INTO balance (scope, span, begins_at, ends_at, cap, held)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (scope, span) DO UPDATE SET"
        " held = balance.held + excluded.held, ends_at = excluded.ends_at,"
        " begins_at = COALESCE(balance.begins_at, excluded.begins_at),"
        " cap = CASE WHEN excluded.held > 0 THEN excluded.cap ELSE balance.cap END",
        each.scope,
        each.window.span,
        each.window.begins_at,
        each.window.ends_at,
        each.limit,
        amount,
    )
    return *each.span, each.settled, each.held + amount, each.raised


def move(tx: Tx, spans: Sequence[Span], *, settled: int, held: int) -> Moved:
    """Change what is settled and held.

    A window that time has taken away stays away; its rows of the ledger tell of it.
    """
    after: list[Standing] = []
    found: list[Notice] = []
    for scope, span in spans:
        row = tx.row(
            "UPDATE balance SET settled = settled + ?, held = held + ?"
            " WHERE scope = ? AND span = ? RETURNING settled, held, raised, cap + raised, noticed",
            settled,
            held,
            scope,
            span,
        )
        if row is None:
            continue
        spent, kept, raised, allowed, noticed = row
        after.append((scope, span, spent, kept, raised))
        if allowed is None or noticed or not notice_due(settled=spent, allowed=allowed):
            continue
        tx.run("UPDATE balance SET noticed = 1 WHERE scope = ? AND span = ?", scope, span)
        found.append(Notice(scope=scope, span=span, settled=spent, limit=allowed))
    return Moved(after=tuple(after), notices=tuple(found))


def has_room(tx: Tx, span: Span, amount: int) -> bool:
    """Whether a window that is in use has room for so much more, by the limit it was used under."""
    scope, window = span
    row = tx.row(
        "SELECT cap + raised - settled - held FROM balance WHERE scope = ? AND span = ?",
        scope,
        window,
    )
    return row is None or row[0] is None or int(row[0]) >= amount


def lift(tx: Tx, span: Span, amount: int) -> Standing:
    """Raise a limit in one window, which need not have been used yet."""
    row = tx.row(
        "INSERT INTO balance (scope, span, raised) VALUES (?, ?, ?)"
        " ON CONFLICT (scope, span) DO UPDATE SET raised = balance.raised + excluded.raised"
        " RETURNING settled, held, raised",
        *span,
        amount,
    )
    settled, held, raised = row or (0, 0, amount)
    return *span, settled, held, raised
