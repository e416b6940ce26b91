"""Money is put aside before it can be spent, and booked where it was put aside."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.costs import DOLLAR, Quote
from gateway.ledger import Cap, Leave, Limits, Period, ScopeLimit, scopes_for
from gateway.store.base import Store, Tx
from gateway.store.records import freezes, ledger, reservations
from tests.gateway.records.money import (
    ACCOUNT,
    CHAT,
    DAY,
    HOUR,
    LIMITS,
    MINUTE,
    NOW,
    PLACE,
    balances,
    database,
    held,
    hold,
    kinds,
    one,
    summed,
    transaction,
)
from tests.gateway.records.rows import write

TODAY = "2025-10-09"
CENT = DOLLAR // 100


@pytest.fixture
def tx() -> Iterator[Tx]:
    """A transaction over an empty database; afterwards its rows add up to its balances."""
    with database() as connection:
        opened = transaction(connection)
        yield opened
        assert summed(opened) == balances(opened)


def test_a_hold_is_in_every_scope(tx: Tx) -> None:
    """Turn, session, the person's and the chat's day, the month, and all of the session."""
    held(tx, amount=CENT)
    assert balances(tx) == {
        ("turn:7", ""): (0, CENT, 0),
        ("session:3", ""): (0, CENT, 0),
        ("whole:3", ""): (0, CENT, 0),
        ("user_day:dana", TODAY): (0, CENT, 0),
        (f"chat_day:{ACCOUNT}|{CHAT}", TODAY): (0, CENT, 0),
        ("org_month", "2025-10"): (0, CENT, 0),
    }


def test_one_scope_without_room_takes_all_back(tx: Tx) -> None:
    """It is named with what is spent and missing, and nothing is written anywhere."""
    held(tx, "first", 9 * DOLLAR, scopes=one())
    before = tx.rows("SELECT * FROM balance")
    scopes = (*one(scope="roomy"), *one())
    missed = ledger.reserve(tx, hold("second", 2 * DOLLAR, scopes=scopes), now=NOW)
    assert missed == ledger.NoRoom(
        scope="one",
        span=TODAY,
        limit=10 * DOLLAR,
        spent=0,
        held=9 * DOLLAR,
        short_by=DOLLAR,
    )
    assert tx.rows("SELECT * FROM balance") == before
    assert reservations.find(tx, "second") is None
    assert kinds(tx) == [("hold", 9 * DOLLAR)]


def test_the_last_micro_dollar_fits(tx: Tx) -> None:
    """A limit is what may be spent, not what may not be reached."""
    held(tx, "a", 10 * DOLLAR - 1, scopes=one())
    held(tx, "b", 1, scopes=one())
    assert isinstance(ledger.reserve(tx, hold("c", 1, scopes=one()), now=NOW), ledger.NoRoom)


def test_what_is_free_fits_above_a_limit(tx: Tx) -> None:
    """A known zero spends nothing; it is held and booked like everything else."""
    held(tx, "dear", DOLLAR, scopes=one())
    ledger.settle(tx, "dear", actual=20 * DOLLAR, now=NOW)
    held(tx, "free", 0, scopes=one(), flags="included")
    assert ledger.settle(tx, "free", actual=0, now=NOW).alarm == ""


def test_a_repeat_holds_once(tx: Tx) -> None:
    """A unit that runs again after a crash finds what it did."""
    new = held(tx, scopes=one())
    again = ledger.reserve(tx, new, now=NOW + HOUR)
    assert isinstance(again, ledger.Reserved)
    assert again.again
    assert balances(tx) == {("one", TODAY): (0, DOLLAR, 0)}


@pytest.mark.parametrize("what", ["closed", "dearer"])
def test_a_reservation_serves_one_attempt(tx: Tx, what: str) -> None:
    """Nothing runs on money that was given back, or that was put aside for something cheaper."""
    new = held(tx, scopes=one())
    if what == "closed":
        ledger.release(tx, new.id, now=NOW)
    with pytest.raises(ValueError, match="r1"):
        ledger.reserve(tx, hold(amount=DOLLAR + (what == "dearer")), now=NOW)


def test_the_rest_of_a_hold_is_free_again(tx: Tx) -> None:
    """The actual is booked; what was held above it can be spent anew."""
    held(tx, scopes=one())
    settled = ledger.settle(tx, "r1", actual=300_000, now=NOW + HOUR, record="bill-1")
    assert (settled.actual, settled.held, settled.released) == (300_000, DOLLAR, 700_000)
    assert (settled.over, settled.alarm, settled.again) == (0, "", False)
    assert balances(tx) == {("one", TODAY): (300_000, 0, 0)}
    assert kinds(tx) == [("hold", DOLLAR), ("settle", 300_000), ("release", 700_000)]
    records = tx.rows("SELECT record FROM ledger ORDER BY seq")
    assert [record for (record,) in records] == ["", "bill-1", "bill-1"]


def test_a_measured_zero_counts(tx: Tx) -> None:
    """Nothing spent is a figure: the hold is settled by it."""
    held(tx, scopes=one())
    ledger.settle(tx, "r1", actual=0, now=NOW)
    stored = reservations.find(tx, "r1")
    assert stored is not None
    assert (stored.state, stored.actual) == ("settled", 0)
    assert kinds(tx) == [("hold", DOLLAR), ("settle", 0), ("release", DOLLAR)]


@pytest.mark.parametrize("second", [300_000, 0, 9 * DOLLAR])
def test_a_bill_that_comes_twice_counts_once(tx: Tx, second: int) -> None:
    """The first figure stands, whatever the second one says."""
    held(tx, scopes=one())
    ledger.settle(tx, "r1", actual=300_000, now=NOW)
    again = ledger.settle(tx, "r1", actual=second, now=NOW)
    assert (again.again, again.actual) == (True, 300_000)
    assert balances(tx) == {("one", TODAY): (300_000, 0, 0)}


def test_an_overrun_is_booked_in_full(tx: Tx) -> None:
    """It is flagged, and its estimator is trusted no longer until an owner says so."""
    held(tx, scopes=one(), estimator="hf_jobs")
    settled = ledger.settle(tx, "r1", actual=12 * DOLLAR, now=NOW)
    assert (settled.over, settled.alarm) == (11 * DOLLAR, "overrun")
    assert balances(tx) == {("one", TODAY): (12 * DOLLAR, 0, 0)}
    assert kinds(tx) == [("hold", DOLLAR), ("settle", DOLLAR), ("overrun", 11 * DOLLAR)]
    stored = reservations.find(tx, "r1")
    assert stored is not None
    assert stored.flags == "overrun"
    assert freezes.is_suspect(tx, "hf_jobs")
    assert [each.name for each in freezes.suspects(tx)] == ["hf_jobs"]
    assert freezes.clear(tx, "hf_jobs", by="ann", now=NOW)
    assert not freezes.is_suspect(tx, "hf_jobs")


def test_an_overrun_of_a_model_marks_nobody(tx: Tx) -> None:
    """Its bound grows by the overrun where it is computed."""
    held(tx, scopes=one(), kind="model")
    assert ledger.settle(tx, "r1", actual=2 * DOLLAR, now=NOW).over == DOLLAR
    assert freezes.suspects(tx) == []


def test_a_release_frees_the_whole_hold(tx: Tx) -> None:
    """What certainly did not begin costs nothing, and says so twice without harm."""
    held(tx, scopes=one())
    assert ledger.release(tx, "r1", now=NOW).released == DOLLAR
    assert ledger.release(tx, "r1", now=NOW).again
    assert ledger.charge(tx, "r1", now=NOW).again
    assert balances(tx) == {}


def test_a_charge_books_the_ceiling(tx: Tx) -> None:
    """Without a figure the whole hold counts as spent, once."""
    held(tx, scopes=one())
    assert ledger.charge(tx, "r1", now=NOW).actual == DOLLAR
    assert ledger.charge(tx, "r1", now=NOW).again
    assert ledger.release(tx, "r1", now=NOW).again
    assert balances(tx) == {("one", TODAY): (DOLLAR, 0, 0)}


@pytest.mark.parametrize(
    ("actual", "kind", "alarm"),
    [
        (300_000, "correct", ""),
        (0, "correct", ""),
        (DOLLAR, "correct", ""),
        (3 * DOLLAR, "overrun", "overrun"),
    ],
)
def test_a_figure_corrects_a_charge(tx: Tx, actual: int, kind: str, alarm: str) -> None:
    """A late bill goes to the hold's own window, downward as well as upward, once."""
    held(tx, scopes=one())
    ledger.charge(tx, "r1", now=NOW + 25 * HOUR)
    late = ledger.settle(tx, "r1", actual=actual, now=NOW + 3 * DAY)
    assert late.alarm == alarm
    assert ledger.settle(tx, "r1", actual=5, now=NOW + 3 * DAY).again
    assert tx.row("SELECT settled, held FROM balance WHERE span = ?", TODAY) == (actual, 0)
    assert kinds(tx)[-1] == (kind, actual - DOLLAR)


def test_a_bill_for_what_was_released_is_an_alarm(tx: Tx) -> None:
    """It did begin after all: booked without a hold, in the hold's own window."""
    held(tx, scopes=one())
    ledger.release(tx, "r1", now=NOW)
    late = ledger.settle(tx, "r1", actual=400_000, now=NOW + DAY)
    assert (late.alarm, late.over) == ("unheld", 400_000)
    assert balances(tx) == {("one", TODAY): (400_000, 0, 0)}
    assert kinds(tx)[-1] == ("unheld", 400_000)


def test_a_cost_without_a_hold_is_booked_with_an_alarm(tx: Tx) -> None:
    """It counts though nothing was put aside and nothing has room, once per id."""
    held(tx, "full", 10 * DOLLAR, scopes=one())
    stray = hold("stray", 99, scopes=one())
    found = ledger.unheld(tx, stray, actual=DOLLAR, now=NOW, record="bill-9")
    assert (found.alarm, found.actual, found.held) == ("unheld", DOLLAR, 0)
    assert ledger.unheld(tx, stray, actual=DOLLAR, now=NOW).again
    assert balances(tx) == {("one", TODAY): (DOLLAR, 10 * DOLLAR, 0)}
    stored = reservations.find(tx, "stray")
    assert stored is not None
    assert (stored.state, stored.flags) == ("settled", "unheld")


@pytest.mark.parametrize("book", ["settle", "unheld"])
def test_nothing_costs_less_than_nothing(tx: Tx, book: str) -> None:
    """An absurd figure is refused before it frees money that was spent."""
    held(tx, scopes=one())
    with pytest.raises(ValueError, match="below zero"):
        if book == "settle":
            ledger.settle(tx, "r1", actual=-1, now=NOW)
        else:
            ledger.unheld(tx, hold("r2"), actual=-1, now=NOW)


def test_an_unknown_reservation_is_an_error(tx: Tx) -> None:
    """A figure for nothing is not booked as something."""
    with pytest.raises(LookupError):
        ledger.settle(tx, "nobody", actual=1, now=NOW)


def test_a_late_figure_goes_to_the_day_it_was_held(tx: Tx) -> None:
    """Over midnight the money stays in its window; the new day has its whole budget."""
    held(tx, scopes=one(), amount=9 * DOLLAR)
    held(tx, "next", 9 * DOLLAR, now=NOW + DAY, scopes=one())
    ledger.settle(tx, "r1", actual=8 * DOLLAR, now=NOW + DAY)
    assert balances(tx) == {
        ("one", TODAY): (8 * DOLLAR, 0, 0),
        ("one", "2025-10-10"): (0, 9 * DOLLAR, 0),
    }


def test_a_day_of_25_hours_is_one_window(tx: Tx) -> None:
    """The stored bounds decide, and they were local midnights."""
    berlin = ZoneInfo("Europe/Berlin")
    first = round(datetime(2026, 10, 25, 0, 30, tzinfo=berlin).timestamp()) * 1_000_000
    scopes = (ScopeLimit(scope="d", limit=DOLLAR, period=Period.DAY, zone="Europe/Berlin"),)
    held(tx, scopes=scopes, now=first)
    full = ledger.reserve(tx, hold("b", 1, scopes=scopes), now=first + 24 * HOUR)
    assert isinstance(full, ledger.NoRoom)
    held(tx, "c", 1, scopes=scopes, now=first + 24 * HOUR + 30 * MINUTE)
    (bounds,) = tx.rows("SELECT ends_at - begins_at FROM balance WHERE span = '2026-10-25'")
    assert bounds == (25 * HOUR,)


def test_a_zone_that_changes_gives_no_second_budget(tx: Tx) -> None:
    """The window in use ends when it was to end; westward its date goes on."""
    tokyo = (ScopeLimit(scope="d", limit=DOLLAR, period=Period.DAY, zone="Asia/Tokyo"),)
    hawaii = (ScopeLimit(scope="d", limit=DOLLAR, period=Period.DAY, zone="Pacific/Honolulu"),)
    held(tx, scopes=tokyo)
    for later in (HOUR, 10 * HOUR, 24 * HOUR):  # 10 h on it is past midnight in Tokyo
        full = ledger.reserve(tx, hold("b", 1, scopes=hawaii), now=NOW + later)
        assert isinstance(full, ledger.NoRoom)
    held(tx, "c", DOLLAR, scopes=hawaii, now=NOW + 26 * HOUR)
    assert [span for _, span in balances(tx)] == [TODAY, "2025-10-10"]


def test_a_clock_set_back_finds_the_same_window(tx: Tx) -> None:
    """Neither yesterday's budget nor a new one."""
    held(tx, scopes=one(), amount=10 * DOLLAR)
    back = ledger.reserve(tx, hold("b", 1, scopes=one()), now=NOW - 3 * DAY)
    assert isinstance(back, ledger.NoRoom)
    assert back.span == TODAY


def test_a_raise_is_bound_to_its_window(tx: Tx) -> None:
    """What the limit is short by lets the hold in, and tomorrow knows nothing of it."""
    held(tx, scopes=one(), amount=9 * DOLLAR)
    missed = ledger.reserve(tx, hold("b", 3 * DOLLAR, scopes=one()), now=NOW)
    assert isinstance(missed, ledger.NoRoom)
    ledger.raise_limit(tx, missed.scope, missed.span, missed.short_by, by="ann", now=NOW)
    held(tx, "b", 3 * DOLLAR, scopes=one())
    (raised,) = ledger.room(tx, one(), now=NOW)
    assert (raised.limit, raised.raised, raised.left) == (10 * DOLLAR, 2 * DOLLAR, 0)
    (tomorrow,) = ledger.room(tx, one(), now=NOW + DAY)
    assert (tomorrow.raised, tomorrow.left) == (0, 10 * DOLLAR)
    assert tx.row("SELECT amount, requester FROM ledger WHERE kind = 'raise'") == (
        2 * DOLLAR,
        "ann",
    )


def test_a_raise_may_come_before_the_first_hold(tx: Tx) -> None:
    """A call that is dearer than the whole limit has no row of its window yet."""
    missed = ledger.reserve(tx, hold(amount=15 * DOLLAR, scopes=one()), now=NOW)
    assert isinstance(missed, ledger.NoRoom)
    ledger.raise_limit(tx, missed.scope, missed.span, missed.short_by, by="ann", now=NOW)
    held(tx, amount=15 * DOLLAR, scopes=one())
    assert tx.row("SELECT ends_at - begins_at FROM balance") == (DAY,)
    held(tx, "next", DOLLAR, scopes=one(), now=NOW + DAY)


@pytest.mark.parametrize(("scope", "amount"), [("whole:3", 1), ("grant:g", 1), ("turn:7", 0)])
def test_what_cannot_be_raised(tx: Tx, scope: str, amount: int) -> None:
    """An allowance has a cap of its own; nothing is no raise."""
    with pytest.raises(ValueError, match="cannot be raised"):
        ledger.raise_limit(tx, scope, "", amount, by="ann", now=NOW)


def test_four_fifths_are_told_once(tx: Tx) -> None:
    """Per scope and window, by whatever booked them; a new window tells again."""
    held(tx, "a", 8 * DOLLAR, scopes=one())
    early = ledger.settle(tx, "a", actual=7 * DOLLAR, now=NOW)
    assert early.notices == ()
    held(tx, "b", DOLLAR, scopes=one())
    (notice,) = ledger.charge(tx, "b", now=NOW).notices
    assert (notice.scope, notice.span) == ("one", TODAY)
    assert (notice.settled, notice.limit) == (8 * DOLLAR, 10 * DOLLAR)
    held(tx, "c", DOLLAR, scopes=one())
    assert ledger.settle(tx, "c", actual=DOLLAR, now=NOW).notices == ()
    held(tx, "d", 9 * DOLLAR, scopes=one(), now=NOW + DAY)
    assert len(ledger.settle(tx, "d", actual=9 * DOLLAR, now=NOW + DAY).notices) == 1


def test_a_raise_moves_the_four_fifths(tx: Tx) -> None:
    """They are of what may be spent now."""
    held(tx, scopes=one(), amount=9 * DOLLAR)
    ledger.raise_limit(tx, "one", TODAY, 5 * DOLLAR, by="ann", now=NOW)
    assert ledger.settle(tx, "r1", actual=9 * DOLLAR, now=NOW).notices == ()


def test_what_binds_nothing_is_not_noticed(tx: Tx) -> None:
    """Approved by hand, a session's own limits neither say no nor warn."""
    scopes = (ScopeLimit(scope="whole:3", limit=None),)
    held(tx, scopes=scopes, amount=500 * DOLLAR)
    assert ledger.settle(tx, "r1", actual=500 * DOLLAR, now=NOW).notices == ()
    assert ledger.session_spent(tx, 3) == 500 * DOLLAR


@pytest.mark.parametrize("scope", ["all", f"{ACCOUNT}|{CHAT}"])
def test_a_freeze_lets_nothing_new_in(tx: Tx, scope: str) -> None:
    """What is held is still booked; another chat's freeze is not ours."""
    held(tx, "before", scopes=one())
    other = freezes.Freeze(scope=f"{ACCOUNT}|other", by="x", name="X", reason="", at=NOW - 1)
    ours = freezes.Freeze(scope=scope, by="slack:T1/U9", name="Ann", reason="why", at=NOW)
    assert freezes.freeze(tx, other)
    held(tx, "still", scopes=one())
    assert freezes.freeze(tx, ours)
    assert not freezes.freeze(tx, ours)
    assert freezes.every(tx) == [other, ours]
    refused = ledger.reserve(tx, hold("after", 0, scopes=one()), now=NOW)
    assert refused == ledger.Frozen(scope=scope, by="slack:T1/U9", reason="why")
    assert ledger.settle(tx, "before", actual=1, now=NOW).actual == 1
    assert freezes.unfreeze(tx, scope, by="ann", now=NOW)
    assert not freezes.unfreeze(tx, scope, by="ann", now=NOW)
    held(tx, "after", 0, scopes=one())


def test_auto_stands_in_place_of_turn_and_session(tx: Tx) -> None:
    """Its cap counts all the session spent, what came before and what people approved included."""
    held(tx, "before", DOLLAR)
    held(tx, "by hand", 2 * DOLLAR, leave=Leave.PERSON, scopes=scoped(Leave.PERSON))
    assert ledger.session_spent(tx, 3) == 3 * DOLLAR
    auto = scopes_for(PLACE, LIMITS, auto=Cap(id="a", micros=5 * DOLLAR))
    held(tx, "more", 2 * DOLLAR, leave=Leave.AUTO, scopes=auto)
    full = ledger.reserve(tx, hold("over", 1, kind="model", scopes=auto), now=NOW)
    assert isinstance(full, ledger.NoRoom)
    assert (full.scope, full.short_by) == ("whole:3", 1)
    added = scopes_for(PLACE, LIMITS, auto=Cap(id="a", micros=6 * DOLLAR))
    held(tx, "added", DOLLAR, leave=Leave.AUTO, scopes=added)
    held(tx, "by hand too", DOLLAR, leave=Leave.PERSON, scopes=scoped(Leave.PERSON))


def scoped(leave: Leave) -> tuple[ScopeLimit, ...]:
    """The scopes of the place."""
    return scopes_for(PLACE, LIMITS, leave=leave)


def test_two_chats_of_one_person_share_the_day(tx: Tx) -> None:
    """Whichever comes first takes the last dollar."""
    limits = Limits(user_day=DOLLAR)
    for number, chat in enumerate(("slack:T1/C1", "telegram:5")):
        place = type(PLACE)(account="x", chat=chat, person="dana")
        taken = ledger.reserve(
            tx, hold(f"r{number}", DOLLAR, scopes=scopes_for(place, limits), chat=chat), now=NOW
        )
        assert isinstance(taken, ledger.NoRoom) is (number == 1)


def test_holds_without_a_figure_become_overdue(tx: Tx) -> None:
    """A tool's 24 h after its deadline, a model call's 10 min, and then they are charged."""
    held(tx, "tool", DOLLAR, scopes=one(), deadline_at=NOW)
    held(tx, "model", DOLLAR, scopes=one(), deadline_at=NOW, kind="model")
    assert reservations.overdue(tx, now=NOW + 10 * MINUTE - 1) == []
    assert [each.id for each in reservations.overdue(tx, now=NOW + 10 * MINUTE)] == ["model"]
    (charged,) = ledger.close_overdue(tx, now=NOW + 10 * MINUTE)
    assert (charged.reservation_id, charged.actual) == ("model", DOLLAR)
    assert ledger.close_overdue(tx, now=NOW + 24 * HOUR - 1) == []
    assert [each.reservation_id for each in ledger.close_overdue(tx, now=NOW + DAY)] == ["tool"]
    assert balances(tx) == {("one", TODAY): (2 * DOLLAR, 0, 0)}


def test_a_cut_stream_is_held_and_then_booked_by_its_estimate(tx: Tx) -> None:
    """The provider may still be writing: in full for ten minutes, then what was received."""
    held(tx, scopes=one(), kind="model")
    assert reservations.await_figure(tx, "r1", estimate=250_000, now=NOW + HOUR)
    assert ledger.close_overdue(tx, now=NOW + HOUR + 9 * MINUTE) == []
    (booked,) = ledger.close_overdue(tx, now=NOW + HOUR + 10 * MINUTE)
    assert (booked.actual, booked.released) == (250_000, 750_000)
    stored = reservations.find(tx, "r1")
    assert stored is not None
    assert (stored.state, stored.flags) == ("settled", "estimated")
    assert not reservations.await_figure(tx, "r1", estimate=None, now=NOW)


def test_a_deadline_may_move(tx: Tx) -> None:
    """What is known to go on is not charged meanwhile."""
    held(tx, scopes=one(), deadline_at=NOW)
    assert reservations.postpone(tx, "r1", deadline_at=NOW + DAY)
    assert ledger.close_overdue(tx, now=NOW + DAY) == []


def too_fast(tx: Tx, now: int = NOW, heard_at: int | None = None) -> str | None:
    """Whether the chat must be frozen."""
    return ledger.velocity(tx, ACCOUNT, CHAT, now=now, limits=LIMITS, heard_at=heard_at)


def test_money_that_runs_away_is_seen(tx: Tx) -> None:
    """Holds of tools and booked model calls of ten minutes, together above 40 % of the day."""
    held(tx, "tool", 3 * DOLLAR, scopes=one(), now=NOW - 9 * MINUTE)
    held(tx, "model", 5 * DOLLAR, scopes=one(), kind="model", now=NOW)
    assert too_fast(tx) is None  # the call is not over, and its bound is not its price
    ledger.settle(tx, "model", actual=2 * DOLLAR, now=NOW)
    assert too_fast(tx) == "$5.00 spent in 10 minutes, more than $4.00"
    assert too_fast(tx, NOW + 2 * MINUTE) is None  # the hold is eleven minutes old


@pytest.mark.parametrize("why", ["by hand", "another chat", "released", "long ago"])
def test_what_is_no_runaway(tx: Tx, why: str) -> None:
    """A person approved it, it is elsewhere, it never began, it is over."""
    fields: dict[str, object] = {"scopes": one()}
    if why == "by hand":
        fields["leave"] = Leave.PERSON
    if why == "another chat":
        fields["chat"] = "slack:T1/C2"
    held(tx, "r1", 9 * DOLLAR, now=NOW - (11 * MINUTE if why == "long ago" else 0), **fields)
    if why == "released":
        ledger.release(tx, "r1", now=NOW)
    assert too_fast(tx) is None


def test_a_charge_without_a_figure_is_no_speed(tx: Tx) -> None:
    """A stream that was cut counts by what came of it, at once; a bound counts for nothing."""
    held(tx, "r1", 9 * DOLLAR, scopes=one(), kind="model", now=NOW - 15 * MINUTE)
    ledger.charge(tx, "r1", now=NOW)
    assert too_fast(tx) is None
    held(tx, "r2", 9 * DOLLAR, scopes=one(90 * DOLLAR, "roomy"), kind="model", now=NOW)
    ledger.settle(tx, "r2", actual=5 * DOLLAR, now=NOW, flags="estimated")
    assert too_fast(tx) is not None


def test_model_calls_without_a_person_are_counted(tx: Tx) -> None:
    """Thirty in ten minutes, whatever they cost; a person's message begins the count anew."""
    for number in range(30):
        tx.run(
            "INSERT INTO step (turn_id, number, attempt, model, state, opened_at, chat)"
            " VALUES (1, ?, 1, 'm', 'done', ?, ?)",
            number,
            NOW - MINUTE + number,
            f"{ACCOUNT}|{CHAT}",
        )
    assert too_fast(tx) == "30 model calls in 10 minutes without a message from a person"
    assert too_fast(tx, heard_at=NOW - 2 * MINUTE) is not None
    assert too_fast(tx, heard_at=NOW - MINUTE) is None


@pytest.mark.parametrize("scope", ["all", f"{ACCOUNT}|{CHAT}", f"{ACCOUNT}|elsewhere"])
def test_what_an_owner_has_seen_freezes_nothing_again(tx: Tx, scope: str) -> None:
    """A lifted freeze begins the count anew, and the next runaway is seen from there."""
    held(tx, "r1", 9 * DOLLAR, scopes=one(), now=NOW - MINUTE)
    freeze = freezes.Freeze(scope=scope, by="gateway", name="", reason="", at=NOW - MINUTE)
    freezes.freeze(tx, freeze)
    freezes.unfreeze(tx, scope, by="ann", now=NOW)
    assert (too_fast(tx, NOW + 1) is None) is (scope != f"{ACCOUNT}|elsewhere")
    held(tx, "r2", 9 * DOLLAR, scopes=one(90 * DOLLAR, "roomy"), now=NOW + MINUTE)
    assert too_fast(tx, NOW + MINUTE) is not None


def test_a_row_tells_the_price_and_whose_it_is(tx: Tx) -> None:
    """Every movement names call, payer, requester, unit price with source and date."""
    quote = Quote(
        ceiling=DOLLAR, unit="minute", unit_price=41_667, source="live", as_of=5, payer="acme"
    )
    held(tx, scopes=one(), quote=quote, call_id="c1", step=2)
    ledger.settle(tx, "r1", actual=DOLLAR, now=NOW)
    rows = tx.rows(
        "SELECT turn_id, step, call_id, payer, requester, unit_price, source, as_of, account, chat"
        " FROM ledger"
    )
    told = (7, 2, "c1", "acme", "slack:T1/U1", 41_667, "live", 5, ACCOUNT, CHAT)
    assert rows == [told, told]
    assert [each.id for each in reservations.of_turn(tx, 7)] == ["r1"]


async def test_a_unit_that_fails_leaves_no_hold(store: Store) -> None:
    """In a commit shared with others the hold goes with the rest of its own unit."""

    def refused(tx: Tx) -> None:
        held(tx, "r1", scopes=one())
        raise RuntimeError("the card could not be stored")

    with pytest.raises(RuntimeError):
        await write(store, refused)
    await write(store, lambda tx: held(tx, "r2", scopes=one()))
    assert await store.read(balances) == {("one", TODAY): (0, DOLLAR, 0)}


def test_parts_are_booked_while_the_rest_is_held(tx: Tx) -> None:
    """A figure of one run after the other; at the end what is left is free again."""
    held(tx, "r1", 10 * CENT, scopes=one())
    for part in (3 * CENT, 4 * CENT):
        ledger.book(tx, "r1", amount=part, now=NOW)
    assert balances(tx) == {("one", TODAY): (7 * CENT, 3 * CENT, 0)}
    ended = ledger.settle(tx, "r1", actual=7 * CENT, now=NOW)
    assert (ended.over, ended.alarm) == (0, "")
    assert balances(tx) == {("one", TODAY): (7 * CENT, 0, 0)}
    assert summed(tx) == balances(tx)


@pytest.mark.parametrize(
    ("end", "settled"), [(ledger.release, 4), (ledger.charge, 10)], ids=["release", "charge"]
)
def test_what_is_booked_stays_booked(tx: Tx, end: Any, settled: int) -> None:
    """A hold that is given back or booked in full keeps the parts it had."""
    held(tx, "r1", 10 * CENT, scopes=one())
    ledger.book(tx, "r1", amount=4 * CENT, now=NOW)
    end(tx, "r1", now=NOW)
    assert balances(tx) == {("one", TODAY): (settled * CENT, 0, 0)}
    assert summed(tx) == balances(tx)


def test_a_part_above_what_is_left_is_an_overrun(tx: Tx) -> None:
    """It is booked in full, and nothing of the hold is left."""
    held(tx, "r1", 10 * CENT, scopes=one())
    first = ledger.book(tx, "r1", amount=8 * CENT, now=NOW)
    second = ledger.book(tx, "r1", amount=5 * CENT, now=NOW)
    assert (first.over, second.over, second.alarm) == (0, 3 * CENT, "overrun")
    assert balances(tx) == {("one", TODAY): (13 * CENT, 0, 0)}
    assert summed(tx) == balances(tx)


def test_a_part_after_the_end_is_an_alarm(tx: Tx) -> None:
    """It joins what was booked, unless all of the hold was."""
    for ident, end in (("r1", "settle"), ("r2", "charge")):
        held(tx, ident, 10 * CENT, scopes=one(scope=ident))
        if end == "settle":
            ledger.settle(tx, ident, actual=2 * CENT, now=NOW)
        else:
            ledger.charge(tx, ident, now=NOW)
    late = ledger.book(tx, "r1", amount=CENT, now=NOW)
    again = ledger.book(tx, "r2", amount=CENT, now=NOW)
    assert (late.alarm, again.alarm, again.again) == ("unheld", "", True)
    assert balances(tx) == {
        ("r1", TODAY): (3 * CENT, 0, 0),
        ("r2", TODAY): (10 * CENT, 0, 0),
    }
    assert summed(tx) == balances(tx)


def test_more_is_held_for_what_follows_a_part(tx: Tx) -> None:
    """As much as the next part may be, where the limit has it; the end frees what is left."""
    held(tx, "r1", 10 * CENT, scopes=one())
    ledger.book(tx, "r1", amount=4 * CENT, now=NOW)
    assert ledger.enlarge(tx, "r1", left=10 * CENT, now=NOW)
    assert ledger.enlarge(tx, "r1", left=3 * CENT, now=NOW)
    assert balances(tx) == {("one", TODAY): (4 * CENT, 10 * CENT, 0)}
    ledger.book(tx, "r1", amount=13 * CENT, now=NOW)
    assert not ledger.enlarge(tx, "r1", left=10**12, now=NOW)
    assert ledger.enlarge(tx, "r1", left=10 * CENT, now=NOW)
    assert balances(tx) == {("one", TODAY): (17 * CENT, 10 * CENT, 0)}
    ledger.settle(tx, "r1", actual=20 * CENT, now=NOW)
    assert balances(tx) == {("one", TODAY): (20 * CENT, 0, 0)}
    assert summed(tx) == balances(tx)
    assert not ledger.enlarge(tx, "r1", left=CENT, now=NOW)


def test_no_part_is_below_zero(tx: Tx) -> None:
    """Nothing is given back by booking."""
    held(tx)
    with pytest.raises(ValueError, match="below zero"):
        ledger.book(tx, "r1", amount=-1, now=NOW)
