"""Reservations: money put aside before something can cost; `gateway.store.records.ledger` moves it.

held --> settled | released | charged;  released, charged --> settled (the figure came late)
"""

from dataclasses import dataclass
from typing import Literal

import orjson

from agent.costs import FREE, Quote
from gateway.ledger import Leave, ScopeLimit
from gateway.store.base import Row, Tx
from gateway.store.records.balances import Span

Kind = Literal["model", "tool"]
State = Literal["held", "settled", "released", "charged"]

MODEL_WAIT_US = 10 * 60 * 1_000_000
TOOL_WAIT_US = 24 * 60 * 60 * 1_000_000
OVERDUE_READ = 100
"""Overdue holds that are looked at together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Money to put aside: `amount` micro-dollars in every one of `scopes`, or not at all.

    `id` is the reservation's, a new one for every attempt; a repeat finds the first.
    `deadline_at` (microseconds since 1970) is when the effect must have ended. `quote` gives
    price, source and payer, `what` names it for people. `estimator` made the figure; one that
    proves too low is trusted no longer (a model call has none: its origin's bound grows instead).
    `flags` are words.
    """

    id: str
    kind: Kind
    leave: Leave
    amount: int
    scopes: tuple[ScopeLimit, ...]
    account: str
    chat: str
    what: str
    deadline_at: int
    turn_id: int | None = None
    step: int | None = None
    call_id: str | None = None
    requester: str = ""
    quote: Quote = FREE
    estimator: str = ""
    flags: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A stored hold and what became of it; times are microseconds since 1970."""

    id: str
    kind: Kind
    state: State
    leave: Leave
    amount: int
    actual: int | None
    estimate: int | None
    booked: int
    scopes: tuple[Span, ...]
    account: str
    chat: str
    turn_id: int | None
    step: int | None
    call_id: str | None
    what: str
    payer: str
    requester: str
    unit_price: int | None
    source: str
    as_of: int | None
    estimator: str
    flags: str
    opened_at: int
    deadline_at: int

    @property
    def left(self) -> int:
        """What is still held while it is: the amount less the parts that are booked."""
        return max(0, self.amount - self.booked)


_SELECT = (
    "SELECT id, kind, state, leave, amount, actual, estimate, booked, scopes, account, chat,"
    " turn_id, step, call_id, what, payer, requester, unit_price, source, as_of, estimator, flags,"
    " opened_at, deadline_at FROM reservation"
)


def find(tx: Tx, reservation_id: str) -> Reservation | None:
    """A reservation by its id."""
    row = tx.row(_SELECT + " WHERE id = ?", reservation_id)
    return _reservation(row) if row else None


def of_turn(tx: Tx, turn_id: int) -> list[Reservation]:
    """Every reservation of a turn, by the time it was made."""
    rows = tx.rows(_SELECT + " WHERE turn_id = ? ORDER BY opened_at, id", turn_id)
    return [_reservation(row) for row in rows]


def close(tx: Tx, stored: Reservation, *, state: State, actual: int, flags: str, now: int) -> None:
    """Note the end; the time of the first one stays, for the money was booked then."""
    tx.run(
        "UPDATE reservation SET state = ?, actual = ?, flags = ?,"
        " closed_at = COALESCE(closed_at, ?) WHERE id = ?",
        state,
        actual,
        f"{stored.flags} {flags}".strip(),
        now,
        stored.id,
    )


def insert(tx: Tx, hold: Hold, spans: tuple[Span, ...], *, now: int) -> Reservation:
    """Store a hold whose money is counted in these spans."""
    row = tx.row(
        "INSERT INTO reservation (id, kind, state, leave, amount, scopes, account, chat, turn_id,"
        " step, call_id, what, payer, requester, unit_price, source, as_of, estimator, flags,"
        " opened_at, deadline_at)"
        " VALUES (?, ?, 'held', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " RETURNING id, kind, state, leave, amount, actual, estimate, booked, scopes, account,"
        " chat, turn_id, step, call_id, what, payer, requester, unit_price, source, as_of,"
        " estimator, flags, opened_at, deadline_at",
        hold.id,
        hold.kind,
        hold.leave.value,
        hold.amount,
        spans_text(spans),
        hold.account,
        hold.chat,
        hold.turn_id,
        hold.step,
        hold.call_id,
        hold.what,
        hold.quote.payer,
        hold.requester,
        hold.quote.unit_price,
        hold.quote.source,
        hold.quote.as_of,
        hold.estimator,
        hold.flags,
        now,
        hold.deadline_at,
    )
    if row is None:
        raise LookupError(f"reservation {hold.id} was not stored")
    return _reservation(row)


def note_part(tx: Tx, reservation_id: str, amount: int) -> None:
    """Remember that a part of a hold is booked."""
    tx.run("UPDATE reservation SET booked = booked + ? WHERE id = ?", amount, reservation_id)


def note_more(tx: Tx, reservation_id: str, amount: int) -> None:
    """Remember that so much more is held; what was booked above the hold is no part of that."""
    tx.run(
        "UPDATE reservation SET amount = CASE WHEN booked > amount THEN booked ELSE amount END + ?"
        " WHERE id = ?",
        amount,
        reservation_id,
    )


def await_figure(tx: Tx, reservation_id: str, *, estimate: int | None, now: int) -> bool:
    """Keep a hold in full for its figure from now on; False if it is closed.

    `estimate` is what it cost as far as anyone can tell, booked if no figure comes in time.
    """
    changed = tx.run(
        "UPDATE reservation SET deadline_at = ?, estimate = ? WHERE id = ? AND state = 'held'",
        now,
        estimate,
        reservation_id,
    )
    return changed == 1


def postpone(tx: Tx, reservation_id: str, *, deadline_at: int) -> bool:
    """Let an effect end later than was said; False if its hold is closed."""
    changed = tx.run(
        "UPDATE reservation SET deadline_at = ? WHERE id = ? AND state = 'held'",
        deadline_at,
        reservation_id,
    )
    return changed == 1


def overdue(tx: Tx, *, now: int) -> list[Reservation]:
    """Holds without a figure: tools 24 h after their deadline, model calls 10 min; oldest first."""
    rows = tx.rows(
        _SELECT + " WHERE state = 'held' AND deadline_at <= ?"
        " AND (kind = 'model' OR deadline_at <= ?) ORDER BY deadline_at LIMIT ?",
        now - MODEL_WAIT_US,
        now - TOOL_WAIT_US,
        OVERDUE_READ,
    )
    return [_reservation(row) for row in rows]


def spans_text(spans: tuple[Span, ...]) -> str:
    """What a movement counts in, as rows hold it."""
    return orjson.dumps(spans).decode()


def spans_of(text: str) -> tuple[Span, ...]:
    """Read what `spans_text` wrote."""
    return tuple((scope, span) for scope, span in orjson.loads(text))


def _reservation(row: Row) -> Reservation:
    ident, kind, state, leave, amount, actual, estimate, booked, scopes, account, chat, *rest = row
    turn_id, step, call_id, what, payer, requester, unit_price, source, as_of, *last = rest
    estimator, flags, opened_at, deadline_at = last
    return Reservation(
        id=ident,
        kind=kind,
        state=state,
        leave=Leave(leave),
        amount=amount,
        actual=actual,
        estimate=estimate,
        booked=booked,
        scopes=spans_of(scopes),
        account=account,
        chat=chat,
        turn_id=turn_id,
        step=step,
        call_id=call_id,
        what=what,
        payer=payer,
        requester=requester,
        unit_price=unit_price,
        source=source,
        as_of=as_of,
        estimator=estimator,
        flags=flags,
        opened_at=opened_at,
        deadline_at=deadline_at,
    )
