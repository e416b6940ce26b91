"""Reservations and the ledger: money is put aside before anything can cost, then booked.

held --settle--> settled      the figure is known: it is booked, the rest is free again
  |--book-----> held          a part of it is known: it is booked, the rest stays held
  |--enlarge--> held          more follows than it was held for: that is held too
  |--release--> released      the effect certainly did not begin
  '--charge--> charged        no figure came: booked in full

A figure that comes after a charge corrects it, one after a release is booked as unheld; both go
to the windows the money was held in. Every function runs in the caller's unit. Closing twice
changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from gateway.ledger import LIFE_SPAN, VELOCITY_WINDOW_US, Limits, ScopeLimit, too_fast
from gateway.store.base import Tx
from gateway.store.records import audit, balances, freezes, reservations
from gateway.store.records.balances import Notice, Room, Span, Standing
from gateway.store.records.reservations import Hold, Reservation

_CALLS_LAST_US = 60 * 60 * 1_000_000  # a model call opened before that has closed long ago


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """The money is held in `spans`; `again` if this reservation was there before."""

    id: str
    spans: tuple[Span, ...]
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NoRoom:
    """One limit is used up; nothing was written. `short_by` is what it has to be raised by."""

    scope: str
    span: str
    limit: int
    """What people raised it by included."""
    spent: int
    held: int
    short_by: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """No new money moves; nothing was written."""

    scope: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How a reservation was closed; `again` if it was before, and nothing changed now.

    `over` is what was booked above the hold. `alarm`: an owner should know of it.
    """

    reservation_id: str
    actual: int
    held: int
    over: int = 0
    alarm: Literal["", "overrun", "unheld"] = ""
    notices: tuple[Notice, ...] = ()
    again: bool = False

    @property
    def released(self) -> int:
        """What of the hold is free again."""
        return max(0, self.held - self.actual)


def reserve(tx: Tx, hold: Hold, *, now: int) -> Reserved | NoRoom | Frozen:
    """Put money aside in every scope, or in none and say which one has no room.

    Raises ValueError for an id that stood for something else or is closed: nothing may run on it.
    """
    known = reservations.find(tx, hold.id)
    if known is not None:
        if known.state != "held" or known.amount != hold.amount:
            raise ValueError(f"reservation {hold.id} was {known.state} with {known.amount}")
        return Reserved(id=known.id, spans=known.scopes, again=True)
    freeze = freezes.standing(tx, hold.account, hold.chat)
    if freeze is not None:
        return Frozen(scope=freeze.scope, by=freeze.by, reason=freeze.reason)
    rooms = room(tx, hold.scopes, now=now)
    for each in rooms:
        if short_by := each.short_by(hold.amount):
            return NoRoom(
                scope=each.scope,
                span=each.window.span,
                limit=(each.limit or 0) + each.raised,
                spent=each.settled,
                held=each.held,
                short_by=short_by,
            )
    after = tuple(balances.hold(tx, each, hold.amount) for each in rooms)
    stored = reservations.insert(tx, hold, tuple(each.span for each in rooms), now=now)
    _note(tx, "hold", hold.amount, stored, now=now)
    _tell(tx, "hold", stored, after, held=hold.amount, now=now)
    return Reserved(id=hold.id, spans=stored.scopes)


def settle(
    tx: Tx, reservation_id: str, *, actual: int, now: int, record: str = "", flags: str = ""
) -> Settled:
    """Book what it cost, in the windows it was held in, and free the rest.

    `record` is the provider's own id of the bill. Raises LookupError for an id never reserved
    (`unheld` books those) and ValueError for an actual below zero.
    """
    if actual < 0:
        raise ValueError("an actual cost is not below zero")
    stored = _known(tx, reservation_id)
    match stored.state:
        case "settled":
            return _closed_before(stored)
        case "held":
            return _settle_held(tx, stored, actual, now=now, record=record, flags=flags)
        case "charged":
            return _correct(tx, stored, actual, now=now, record=record, flags=flags)
        case "released":
            return _book_unheld(tx, stored, actual, now=now, record=record, flags=flags)


def book(tx: Tx, reservation_id: str, *, amount: int, now: int, record: str = "") -> Settled:
    """Book a part of what something costs and keep the rest of the hold for what follows.

    Whoever calls knows each part and books it once. One that comes after the end has an alarm.
    Raises LookupError for an id never reserved and ValueError for a part below zero.
    """
    if amount < 0:
        raise ValueError("no part of a cost is below zero")
    stored = _known(tx, reservation_id)
    match stored.state:
        case "held":
            return _book_part(tx, stored, amount, now=now, record=record)
        case "charged":  # in full: the parts are in it
            return _closed_before(stored)
        case "settled" | "released":
            return _book_unheld(tx, stored, amount, now=now, record=record, flags="")


def enlarge(tx: Tx, reservation_id: str, *, left: int, now: int) -> bool:
    """Hold `left` for what is still to come; False, and nothing written, if there is no room.

    It is held in the windows of the rest. Raises LookupError for an id never reserved.
    """
    stored = _known(tx, reservation_id)
    more = left - stored.left
    if stored.state != "held" or freezes.standing(tx, stored.account, stored.chat) is not None:
        return False
    if more <= 0:
        return True
    if not all(balances.has_room(tx, span, more) for span in stored.scopes):
        return False
    moved = balances.move(tx, stored.scopes, settled=0, held=more)
    _note(tx, "hold", more, stored, now=now)
    _tell(tx, "hold", stored, moved.after, held=more, now=now)
    reservations.note_more(tx, stored.id, more)
    return True


def release(tx: Tx, reservation_id: str, *, now: int) -> Settled:
    """Free a hold whose effect certainly did not begin. Raises LookupError."""
    stored = _known(tx, reservation_id)
    if stored.state != "held":
        return _closed_before(stored)
    if stored.booked:  # it did begin
        return _settle_held(tx, stored, stored.booked, now=now, record="", flags="")
    moved = balances.move(tx, stored.scopes, settled=0, held=-stored.amount)
    _note(tx, "release", stored.amount, stored, now=now)
    _tell(tx, "release", stored, moved.after, held=-stored.amount, now=now)
    reservations.close(tx, stored, state="released", actual=0, flags="", now=now)
    return Settled(reservation_id=stored.id, actual=0, held=stored.amount)


def charge(tx: Tx, reservation_id: str, *, now: int, flags: str = "") -> Settled:
    """Book a hold in full, for no figure came. Raises LookupError."""
    stored = _known(tx, reservation_id)
    if stored.state != "held":
        return _closed_before(stored)
    rest, actual = stored.left, stored.booked + stored.left
    moved = balances.move(tx, stored.scopes, settled=rest, held=-rest)
    _note(tx, "charge", rest, stored, now=now)
    _tell(tx, "charge", stored, moved.after, settled=rest, held=-rest, now=now)
    reservations.close(tx, stored, state="charged", actual=actual, flags=flags, now=now)
    return Settled(
        reservation_id=stored.id, actual=actual, held=stored.amount, notices=moved.notices
    )


def unheld(tx: Tx, hold: Hold, *, actual: int, now: int, record: str = "") -> Settled:
    """Book a cost nobody put money aside for, in the windows of now, with an alarm.

    `hold` says whose it is; its amount does not count. One id is booked once.
    """
    if actual < 0:
        raise ValueError("an actual cost is not below zero")
    known = reservations.find(tx, hold.id)
    if known is not None:
        return settle(tx, hold.id, actual=actual, now=now, record=record)
    rooms = room(tx, hold.scopes, now=now)
    for each in rooms:
        balances.hold(tx, each, 0)
    nothing = replace(hold, amount=0)
    stored = reservations.insert(tx, nothing, tuple(each.span for each in rooms), now=now)
    return _book_unheld(tx, stored, actual, now=now, record=record, flags="")


def any_overdue(tx: Tx, *, now: int) -> bool:
    """Whether a hold has waited for its figure too long."""
    return bool(reservations.overdue(tx, now=now))


def close_overdue(tx: Tx, *, now: int) -> list[Settled]:
    """Book every overdue hold: by its estimate if there is one, else in full."""
    return [
        charge(tx, each.id, now=now, flags="no figure")
        if each.estimate is None
        else settle(tx, each.id, actual=each.estimate, now=now, flags="estimated")
        for each in reservations.overdue(tx, now=now)
    ]


def raise_limit(tx: Tx, scope: str, span: str, amount: int, *, by: str, now: int) -> None:
    """Raise a limit in one window by a person's word; what follows it starts afresh.

    An allowance is raised by its own cap: ValueError for it, and for what raises nothing.
    """
    if amount <= 0 or scope.startswith(("whole:", "grant:")):
        raise ValueError(f"{scope} cannot be raised by {amount}")
    after = balances.lift(tx, (scope, span), amount)
    tx.run(
        "INSERT INTO ledger (at, kind, amount, what, scopes, requester)"
        " VALUES (?, 'raise', ?, ?, ?, ?)",
        now,
        amount,
        "a limit is raised",
        reservations.spans_text(((scope, span),)),
        by,
    )
    audit.append(
        tx,
        at=now,
        kind="raise",
        actor=by,
        subject=scope,
        detail={"span": span, "raised": amount, "after": after},
    )


def room(tx: Tx, scopes: Sequence[ScopeLimit], *, now: int) -> tuple[Room, ...]:
    """How each limit stands now, in their order."""
    return tuple(balances.room(tx, each, now=now) for each in scopes)


def session_spent(tx: Tx, session_id: int) -> int:
    """All that a session has spent or holds, approved by hand or not: where `/auto` starts."""
    row = tx.row(
        "SELECT settled + held FROM balance WHERE scope = ? AND span = ?",
        f"whole:{session_id}",
        LIFE_SPAN,
    )
    return int(row[0]) if row else 0


def velocity(
    tx: Tx, account: str, chat: str, *, now: int, limits: Limits, heard_at: int | None
) -> str | None:
    """Why a chat must be frozen, None if it need not; `heard_at` is a person's last message there.

    What people approved by hand is no runaway. A tool counts from its hold on; a model call only
    by its figures, for its bound is far above them and many chats talk side by side. One that was
    charged because no figure came says nothing of the speed. An owner who lifts a freeze has
    seen what came before it.
    """
    since = max(now - VELOCITY_WINDOW_US, freezes.lifted_at(tx, account, chat) or 0)
    spent = tx.row(
        "SELECT SUM(CASE WHEN kind = 'tool' AND opened_at > ? THEN COALESCE(actual, amount)"
        " WHEN kind = 'model' AND state = 'held' THEN booked"
        " WHEN kind = 'model' AND state = 'settled' AND closed_at > ? THEN actual ELSE 0 END)"
        " FROM reservation WHERE account = ? AND chat = ? AND opened_at > ?"
        " AND state <> 'released' AND leave <> 'person'",
        since,
        since,
        account,
        chat,
        now - VELOCITY_WINDOW_US - _CALLS_LAST_US,
    )
    calls = tx.row(
        "SELECT COUNT(*) FROM step WHERE chat = ? AND opened_at > ?",
        f"{account}|{chat}",
        since if heard_at is None else max(since, heard_at),
    )
    return too_fast(
        spent=spent[0] or 0 if spent else 0, calls=calls[0] if calls else 0, limits=limits
    )


def _known(tx: Tx, reservation_id: str) -> Reservation:
    found = reservations.find(tx, reservation_id)
    if found is None:
        raise LookupError(f"no reservation {reservation_id}")
    return found


def _closed_before(stored: Reservation) -> Settled:
    return Settled(
        reservation_id=stored.id, actual=stored.actual or 0, held=stored.amount, again=True
    )


def _settle_held(
    tx: Tx, stored: Reservation, actual: int, *, now: int, record: str, flags: str
) -> Settled:
    actual = max(actual, stored.booked)  # what is booked has been spent
    further, held = actual - stored.booked, stored.left
    booked = min(further, held)
    over = further - booked
    moved = balances.move(tx, stored.scopes, settled=further, held=-held)
    _tell(tx, "settle", stored, moved.after, settled=further, held=-held, now=now, record=record)
    _note(tx, "settle", booked, stored, now=now, record=record)
    if rest := held - booked:
        _note(tx, "release", rest, stored, now=now, record=record)
    if over:
        _overrun(tx, stored, over, now=now, record=record)
    reservations.close(
        tx, stored, state="settled", actual=actual, flags=_over(flags, over), now=now
    )
    return Settled(
        reservation_id=stored.id,
        actual=actual,
        held=stored.amount,
        over=over,
        alarm="overrun" if over else "",
        notices=moved.notices,
    )


def _book_part(tx: Tx, stored: Reservation, amount: int, *, now: int, record: str) -> Settled:
    part = min(amount, stored.left)
    over = amount - part
    moved = balances.move(tx, stored.scopes, settled=amount, held=-part)
    _tell(tx, "book", stored, moved.after, settled=amount, held=-part, now=now, record=record)
    _note(tx, "settle", part, stored, now=now, record=record)
    if over:
        _overrun(tx, stored, over, now=now, record=record)
    reservations.note_part(tx, stored.id, amount)
    return Settled(
        reservation_id=stored.id,
        actual=amount,
        held=stored.left,
        over=over,
        alarm="overrun" if over else "",
        notices=moved.notices,
    )


def _correct(
    tx: Tx, stored: Reservation, actual: int, *, now: int, record: str, flags: str
) -> Settled:
    """A figure for what was charged in full."""
    actual = max(actual, stored.booked)
    change = actual - (stored.actual or 0)
    moved = balances.move(tx, stored.scopes, settled=change, held=0)
    _tell(tx, "settle", stored, moved.after, settled=change, now=now, record=record)
    if change > 0:
        _overrun(tx, stored, change, now=now, record=record)
    else:
        _note(tx, "correct", change, stored, now=now, record=record)
    over = max(0, change)
    reservations.close(
        tx, stored, state="settled", actual=actual, flags=_over(flags, over), now=now
    )
    return Settled(
        reservation_id=stored.id,
        actual=actual,
        held=stored.amount,
        over=over,
        alarm="overrun" if over else "",
        notices=moved.notices,
    )


def _book_unheld(
    tx: Tx, stored: Reservation, actual: int, *, now: int, record: str, flags: str
) -> Settled:
    """A figure where nothing is held any more, or never was; it joins what is booked."""
    moved = balances.move(tx, stored.scopes, settled=actual, held=0)
    _tell(tx, "unheld", stored, moved.after, settled=actual, now=now, record=record)
    _note(tx, "unheld", actual, stored, now=now, record=record)
    marked = f"{flags} unheld".strip() if actual else flags
    total = (stored.actual or 0) + actual
    reservations.close(tx, stored, state="settled", actual=total, flags=marked, now=now)
    return Settled(
        reservation_id=stored.id,
        actual=actual,
        held=0,
        over=actual,
        alarm="unheld" if actual else "",
        notices=moved.notices,
    )


def _overrun(tx: Tx, stored: Reservation, over: int, *, now: int, record: str) -> None:
    _note(tx, "overrun", over, stored, now=now, record=record)
    by_hand = "unverified" in stored.flags.split()  # a person's figure says nothing of ours
    if stored.estimator and not by_hand:
        reason = f"{stored.what} cost {over} micro-dollars more than was put aside"
        freezes.suspect(tx, stored.estimator, reason=reason, now=now)


def _over(flags: str, over: int) -> str:
    return f"{flags} overrun".strip() if over else flags


def _note(
    tx: Tx, kind: str, amount: int, stored: Reservation, *, now: int, record: str = ""
) -> None:
    """Append one movement."""
    tx.run(
        "INSERT INTO ledger (at, kind, amount, reservation_id, turn_id, step, call_id, what,"
        " scopes, account, chat, payer, requester, unit_price, source, as_of, record)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        now,
        kind,
        amount,
        stored.id,
        stored.turn_id,
        stored.step,
        stored.call_id,
        stored.what,
        reservations.spans_text(stored.scopes),
        stored.account,
        stored.chat,
        stored.payer,
        stored.requester,
        stored.unit_price,
        stored.source,
        stored.as_of,
        record,
    )


def _tell(
    tx: Tx,
    kind: str,
    stored: Reservation,
    after: Sequence[Standing],
    *,
    settled: int = 0,
    held: int = 0,
    now: int,
    record: str = "",
) -> None:
    """Put one movement into the audit, with the balances before it and after it."""
    before = [
        (scope, span, spent - settled, kept - held, raised)
        for scope, span, spent, kept, raised in after
    ]
    audit.append(
        tx,
        at=now,
        kind=kind,
        actor=stored.requester or "gateway",
        account=stored.account,
        chat=stored.chat,
        subject=stored.id,
        detail={
            "what": stored.what,
            "call": stored.call_id,
            "turn": stored.turn_id,
            "step": stored.step,
            "leave": stored.leave.value,
            "settled": settled,
            "held": held,
            "payer": stored.payer,
            "unit_price": stored.unit_price,
            "source": stored.source,
            "as_of": stored.as_of,
            "record": record,
            "before": before,
            "after": after,
        },
    )
