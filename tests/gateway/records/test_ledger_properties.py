"""I5 over random histories: nothing is ever above a limit but what is flagged, and rows add up."""

import sqlite3
from collections import Counter
from contextlib import ExitStack
from itertools import pairwise
from typing import Protocol

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
)

from agent.costs import DOLLAR
from gateway.ledger import Cap, Leave, Limits, Place, ScopeLimit, scopes_for
from gateway.store.base import Tx
from gateway.store.records import balances as balance_rows
from gateway.store.records import freezes, ledger, reservations
from tests.gateway.records.money import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    balances,
    database,
    hold,
    summed,
    transaction,
)

LIMITS = Limits(
    turn=DOLLAR,
    session=3 * DOLLAR,
    chat_day=5 * DOLLAR,
    user_day=5 * DOLLAR,
    org_month=12 * DOLLAR,
    background_day=2 * DOLLAR,
)
PLACES = tuple(
    Place(
        account="slack:T1",
        chat=f"slack:T1/C{chat}",
        person=person,
        session_id=chat * 10 + number,
        turn_id=chat * 100 + number,
        chat_zone=zone,
        person_zone="America/Havana",
        unattended=not person,
    )
    for chat, zone in ((1, "Asia/Tokyo"), (2, "Pacific/Honolulu"))
    for number, person in enumerate(("dana", "ann", ""))
)
AMOUNTS = st.sampled_from((0, 1, DOLLAR // 3, DOLLAR, 3 * DOLLAR, 7 * DOLLAR)) | st.integers(
    0, 2 * DOLLAR
)


class Closing(Protocol):
    """A way to close a hold without a figure."""

    def __call__(self, tx: Tx, reservation_id: str, *, now: int) -> ledger.Settled: ...


class LedgerMachine(RuleBasedStateMachine):
    """Every movement in every order, with clocks that go both ways and restarts between."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = ExitStack()
        self.connection: sqlite3.Connection = self.opened.enter_context(database())
        self.now = NOW
        self.count = 0

    made = Bundle("made")
    missed = Bundle("missed")

    @property
    def tx(self) -> Tx:
        """Nothing of the ledger is kept between two units."""
        return transaction(self.connection)

    def _fits(self, scopes: tuple[ScopeLimit, ...], amount: int) -> bool:
        rooms = ledger.room(self.tx, scopes, now=self.now)
        return amount == 0 or all(each.left is None or amount <= each.left for each in rooms)

    @rule(
        target=made,
        place=st.sampled_from(PLACES),
        leave=st.sampled_from(Leave),
        auto=st.none() | st.integers(0, 8).map(lambda n: Cap(id="a", micros=n * DOLLAR)),
        kind=st.sampled_from(("model", "tool")),
        amount=AMOUNTS,
    )
    def reserve(
        self, place: Place, leave: Leave, auto: Cap | None, kind: str, amount: int
    ) -> str | MultipleResults[str]:
        """A hold is taken exactly if it fits everywhere and nothing is frozen."""
        return self._reserve(place, leave, auto, kind, amount)

    def _reserve(
        self, place: Place, leave: Leave, auto: Cap | None, kind: str, amount: int
    ) -> str | MultipleResults[str]:
        self.count += 1
        ident = f"r{self.count}"
        grant = Cap(id="g", micros=2 * DOLLAR)
        scopes = scopes_for(place, LIMITS, leave=leave, grant=grant, auto=auto)
        fits = self._fits(scopes, amount)
        before = self.connection.total_changes
        frozen = freezes.standing(self.tx, place.account, place.chat) is not None
        new = hold(
            ident,
            amount,
            scopes=scopes,
            leave=leave,
            kind=kind,
            chat=place.chat,
            estimator="guess",
            deadline_at=self.now + HOUR,
        )
        taken = ledger.reserve(self.tx, new, now=self.now)
        match taken:
            case ledger.Frozen():
                assert frozen
            case ledger.NoRoom():
                assert not fits
                assert taken.short_by > 0
            case ledger.Reserved():
                assert fits
                assert not frozen
        if not isinstance(taken, ledger.Reserved):
            assert self.connection.total_changes == before
            return multiple()
        return ident

    @rule(target=missed, place=st.sampled_from(PLACES), amount=st.integers(1, 9 * DOLLAR))
    def fall_short(
        self, place: Place, amount: int
    ) -> balance_rows.Span | MultipleResults[balance_rows.Span]:
        """A limit that says no, and may be raised."""
        scopes = scopes_for(place, LIMITS)
        for each in ledger.room(self.tx, scopes, now=self.now):
            if each.short_by(amount):
                return each.span
        return multiple()

    @rule(which=missed, amount=st.integers(1, 5 * DOLLAR))
    def lift(self, which: balance_rows.Span, amount: int) -> None:
        """A person raises a limit, perhaps long after its window."""
        ledger.raise_limit(self.tx, *which, amount, by="ann", now=self.now)

    @rule(
        ident=made,
        before=st.sampled_from((None, None, ledger.release, ledger.charge)),
        figures=st.lists(AMOUNTS, max_size=2),
    )
    def close(self, ident: str, before: Closing | None, figures: list[int]) -> None:
        """It never began, no figure came, a figure came: in time, late, twice, after all."""
        if before is not None:
            before(self.tx, ident, now=self.now)
        for actual in figures:
            ledger.settle(self.tx, ident, actual=actual, now=self.now)

    @rule(ident=made, amount=AMOUNTS)
    def book(self, ident: str, amount: int) -> None:
        """A part of what it costs is known: while it is held, or after its end."""
        ledger.book(self.tx, ident, amount=amount, now=self.now)

    @rule(ident=made, left=AMOUNTS)
    def enlarge(self, ident: str, left: int) -> None:
        """More follows than was put aside for."""
        ledger.enlarge(self.tx, ident, left=left, now=self.now)

    @rule(ident=made, estimate=st.none() | AMOUNTS)
    def await_figure(self, ident: str, estimate: int | None) -> None:
        """A stream is cut."""
        reservations.await_figure(self.tx, ident, estimate=estimate, now=self.now)

    @rule()
    def close_overdue(self) -> None:
        """What nobody told a figure of is booked."""
        ledger.close_overdue(self.tx, now=self.now)
        assert reservations.overdue(self.tx, now=self.now) == []

    @rule(place=st.sampled_from(PLACES), actual=AMOUNTS)
    def book_unheld(self, place: Place, actual: int) -> None:
        """A bill for nothing we know of."""
        self.count += 1
        stray = hold(f"stray{self.count}", scopes=scopes_for(place, LIMITS), chat=place.chat)
        ledger.unheld(self.tx, stray, actual=actual, now=self.now)

    @rule(
        scope=st.sampled_from(("all", "slack:T1|slack:T1/C1")),
        place=st.sampled_from(PLACES),
        restart=st.booleans(),
    )
    def freeze(self, scope: str, place: Place, restart: bool) -> None:
        """Everything or one chat stands still, through a restart too, and goes on."""
        new = freezes.Freeze(scope=scope, by="ann", name="Ann", reason="", at=self.now)
        freezes.freeze(self.tx, new)
        if restart:
            self._begin_again()
        self._reserve(place, Leave.POLICY, None, "tool", 1)
        freezes.unfreeze(self.tx, scope, by="ann", now=self.now)

    @rule(by=st.sampled_from((MINUTE, HOUR, 7 * HOUR, DAY, 40 * DAY, -HOUR, -3 * DAY)))
    def pass_time(self, by: int) -> None:
        """The clock goes on, leaps, or is set back."""
        self.now += by

    @rule()
    def restart(self) -> None:
        """What is not in the rows is gone."""
        self._begin_again()

    def _begin_again(self) -> None:
        image = self.connection.serialize()
        self.opened.close()
        self.connection = self.opened.enter_context(database(image))

    @invariant()
    def nothing_is_above_its_limit(self) -> None:
        """Settled and held are within limit and raises, but for flagged overruns."""
        flagged: Counter[tuple[str, str]] = Counter()
        rows = self.tx.rows("SELECT scopes, amount FROM ledger WHERE kind IN ('overrun', 'unheld')")
        for scopes, amount in rows:
            for span in reservations.spans_of(scopes):
                flagged[span] += amount
        rows = self.tx.rows("SELECT scope, span, settled, held, raised, cap FROM balance")
        for scope, span, settled, held, raised, cap in rows:
            assert settled >= 0
            assert held >= 0
            if cap is not None:
                assert settled + held <= cap + raised + flagged[scope, span], (scope, span)

    @invariant()
    def rows_add_up(self) -> None:
        """The ledger and the holds that are open both tell the balances."""
        found = balances(self.tx)
        assert summed(self.tx) == found
        kept: Counter[balance_rows.Span] = Counter()
        spent: Counter[balance_rows.Span] = Counter()
        rows = self.tx.rows("SELECT scopes, state, amount, actual, booked FROM reservation")
        for scopes, state, amount, actual, booked in rows:
            for span in reservations.spans_of(scopes):
                kept[span] += max(0, amount - booked) if state == "held" else 0
                spent[span] += booked if state == "held" else actual
        assert +kept == {span: held for span, (_, held, _) in found.items() if held}
        assert +spent == {span: settled for span, (settled, _, _) in found.items() if settled}

    @invariant()
    def overruns_are_suspect(self) -> None:
        """No estimator is trusted after its figure was too low."""
        over = self.tx.row(
            "SELECT 1 FROM ledger JOIN reservation ON reservation.id = ledger.reservation_id"
            " WHERE ledger.kind = 'overrun' AND reservation.estimator = 'guess'"
        )
        assert freezes.is_suspect(self.tx, "guess") is (over is not None)

    @precondition(lambda self: self.count > 0)
    @invariant()
    def windows_do_not_overlap(self) -> None:
        """Of one scope, each window begins where none before it goes on."""
        rows = self.tx.rows(
            "SELECT scope, begins_at, ends_at FROM balance WHERE ends_at IS NOT NULL"
            " ORDER BY scope, span"
        )
        for (scope, _, end), (other, begin, _) in pairwise(rows):
            assert scope != other or end <= begin

    def teardown(self) -> None:
        """Close the database."""
        self.opened.close()


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(settings.default, max_examples=45, stateful_step_count=50)
