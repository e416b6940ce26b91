"""What a minute of hardware costs, as price lists come, go, grow old and contradict themselves."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.costs import Unknown, UnknownBecause
from agent.hardware import PACKAGED, Catalogue, per_minute, read_catalogue
from agent.hardware_table import AS_OF, DOLLARS_PER_HOUR
from agent.tools.hf_quotes import MinutePrice, Prices

HOUR = 3_600_000_000
DAY = 24 * HOUR
TABLE = date(2026, 8, 22)
TABLE_AT = round(datetime(2026, 8, 22, tzinfo=UTC).timestamp()) * 1_000_000
NOW = TABLE_AT + 10 * DAY


def entry(name: Any = "x", micros: Any = 1_000, label: Any = "minute", **fields: Any) -> Any:
    """An entry of the Hub's list."""
    return {"name": name, "unitCostMicroUSD": micros, "unitLabel": label, **fields}


def catalogue(*, packaged: int | None = 500) -> Catalogue:
    """A catalogue whose table prices one size."""
    return Catalogue(packaged={} if packaged is None else {"x": packaged}, packaged_on=TABLE)


def learned(micros: int, *, at: int = NOW, packaged: int | None = 500) -> Catalogue:
    """The same after a live list."""
    found = catalogue(packaged=packaged)
    found.take([entry(micros=micros)], now=at)
    return found


def told(found: MinutePrice | Unknown) -> tuple[int, str, int | None] | None:
    """Price, source and date; None if unknown."""
    return None if isinstance(found, Unknown) else (found.micros, found.source, found.as_of)


def test_the_table_is_per_minute_rounded_up() -> None:
    """An hour at a cent is 167 micro-dollars a minute."""
    assert per_minute("0.01") == 167
    assert (PACKAGED["a100-large"], PACKAGED["h200x8"]) == (41_667, 666_667)
    assert (PACKAGED["cpu-xl"], PACKAGED["l40sx8"]) == (16_667, 391_667)
    assert all(PACKAGED[name] * 60 >= float(each) * 1e6 for name, each in DOLLARS_PER_HOUR.items())
    assert len(PACKAGED) == 26
    assert AS_OF == TABLE


def test_it_is_what_the_tools_ask_for() -> None:
    """The catalogue fits the tools' own protocol."""
    prices: Prices = Catalogue()
    assert told(prices.minute("t4-small", now=NOW)) == (6_667, "packaged", TABLE_AT)


@pytest.mark.parametrize(
    ("micros", "label", "price"),
    [(1_000, "minute", 1_000), (17, "second", 1_020), (1_000_000, "hour", 16_667), (1, "hour", 1)],
)
def test_units_become_minutes(micros: int, label: str, price: int) -> None:
    """Rounded up."""
    assert read_catalogue([entry(micros=micros, label=label)]) == {"x": price}


@pytest.mark.parametrize(
    "bad",
    [
        entry(label="day"),
        entry(label="Minute"),
        entry(label=None),
        entry(micros=1_000.0),
        entry(micros="1000"),
        entry(micros=True),
        entry(micros=None),
        entry(micros=-5),
        entry(micros=0),
        entry(name=""),
        entry(name=7),
        entry(unitCostUSD=0.00102),
        entry(unitCostUSD=0.00098),
        entry(unitCostUSD=0),
        entry(unitCostUSD="0.001"),
        entry(unitCostUSD=True),
        entry(unitCostUSD=float("nan")),
        entry(unitCostUSD=float("inf")),
        {"name": "x"},
        "x",
        None,
        [],
    ],
)
def test_an_entry_that_is_no_plain_price_is_dropped(bad: object) -> None:
    """Alone: the others of the list are learned."""
    assert read_catalogue([bad, entry("y")]) == {"y": 1_000}


@pytest.mark.parametrize("dollars", [0.001, 0.00101, 0.00099, None])
def test_the_dollar_field_may_be_rounded(dollars: float | None) -> None:
    """Within one percent the two fields agree; it need not be there."""
    assert read_catalogue([entry(unitCostUSD=dollars)]) == {"x": 1_000}


def test_a_size_that_is_listed_twice_has_the_larger_price() -> None:
    """Whichever comes first."""
    assert read_catalogue([entry(micros=5), entry(micros=9), entry(micros=7)]) == {"x": 9}


@pytest.mark.parametrize("listing", [None, {}, "", 7, {"x": 1}, [], [[]]])
def test_a_list_that_is_none_teaches_nothing(listing: object) -> None:
    """What was known stays."""
    found = learned(900)
    found.take(listing, now=NOW + HOUR)
    assert told(found.minute("x", now=NOW + HOUR)) == (900, "live", NOW)


@pytest.mark.parametrize(
    ("micros", "packaged", "age", "price"),
    [
        (900, 500, 0, (900, "live", NOW)),
        (100, 500, 6 * HOUR, (100, "live", NOW)),  # fresh: the list is right
        (100, 500, 6 * HOUR + 1, (500, "packaged", TABLE_AT)),
        (900, 500, 6 * HOUR + 1, (900, "live", NOW)),
        (900, 500, 30 * DAY, (900, "live", NOW)),  # old, and still the larger
        (100, 500, 30 * DAY, (500, "packaged", TABLE_AT)),
        (900, 500, 81 * DAY, None),  # live over 7 days, table over 90
        (900, None, 7 * DAY, (900, "live", NOW)),
        (900, None, 7 * DAY + 1, None),
        (900, 500, -HOUR, (900, "live", NOW)),
        (100, 500, -DAY, (500, "packaged", TABLE_AT)),  # the clock was set back
        (900, None, -8 * DAY, None),
    ],
)
def test_a_price_grows_old(
    micros: int, packaged: int | None, age: int, price: tuple[int, str, int] | None
) -> None:
    """Fresh for six hours, then the larger, then unknown."""
    found = learned(micros, packaged=packaged).minute("x", now=NOW + age)
    assert told(found) == price


def test_an_old_table_holds_beside_a_live_price() -> None:
    """Only both together are too old."""
    late = TABLE_AT + 100 * DAY
    found = learned(100, at=late - 3 * DAY)
    assert told(found.minute("x", now=late)) == (500, "packaged", TABLE_AT)


@pytest.mark.parametrize(("days", "known"), [(90, True), (91, False)])
def test_without_a_live_price_the_table_holds_for_90_days(days: int, known: bool) -> None:
    """A gateway that never reached the Hub."""
    found = catalogue().minute("x", now=TABLE_AT + days * DAY)
    assert (told(found) is not None) is known


def test_a_size_nobody_knows_is_unknown() -> None:
    """It has no number."""
    found = catalogue().minute("h900", now=NOW)
    assert isinstance(found, Unknown)
    assert found.because is UnknownBecause.PRICE


def test_a_size_at_odds_grows_older() -> None:
    """Its last plain price counts from when it was learned."""
    found = learned(900)
    found.take([entry(micros=100, label="day")], now=NOW + 5 * HOUR)
    assert told(found.minute("x", now=NOW + 7 * HOUR)) == (900, "live", NOW)


def test_a_price_that_doubles_holds_at_once() -> None:
    """The next quote is by the new list."""
    found = learned(900)
    found.take([entry(micros=1_800)], now=NOW + HOUR)
    assert told(found.minute("x", now=NOW + HOUR)) == (1_800, "live", NOW + HOUR)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_any_json_is_read(listing: object) -> None:
    """It never raises, and what it says is a price."""
    entries = listing if isinstance(listing, list) else [listing]
    odd = [entry(micros=each, unitCostUSD=other) for each in entries for other in entries]
    assert all(price > 0 for price in read_catalogue([*odd, *entries]).values())


@given(st.integers(1, 10**9), st.integers(1, 10**9), st.integers(-10 * DAY, 200 * DAY))
def test_losing_the_list_only_makes_things_dearer(live: int, packaged: int, age: int) -> None:
    """Once a live price is not fresh, no quote is below what either source said."""
    found = learned(live, packaged=packaged).minute("x", now=NOW + age)
    if abs(age) <= 6 * HOUR:
        assert told(found) == (live, "live", NOW)
    else:
        assert isinstance(found, Unknown) or found.micros == max(live, packaged)
