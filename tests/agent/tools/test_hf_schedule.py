"""When schedules of the Hub fire, and what their jobs cost."""

from datetime import UTC, datetime, timedelta

import pytest

from agent.costs import Unknown, UnknownBecause
from agent.tools.hf_quotes import (
    MinutePrice,
    endless_quote,
    job_quote,
    spent_on,
    started_minutes,
    window_quote,
)
from agent.tools.hf_schedule import NoSchedule, fields_of, fires

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)  # a Saturday


@pytest.mark.parametrize(
    ("text", "following"),
    [
        ("@hourly", ["11-21 13:00", "11-21 14:00"]),
        ("@DAILY", ["11-22 00:00", "11-23 00:00"]),
        ("@weekly", ["11-22 00:00", "11-29 00:00"]),
        ("@monthly", ["12-01 00:00", "01-01 00:00"]),
        ("@yearly", ["01-01 00:00"]),
        ("*/30 * * * *", ["11-21 12:30", "11-21 13:00"]),
        ("0 9 * * 1", ["11-23 09:00", "11-30 09:00"]),
        ("0 9 * * MON-FRI", ["11-23 09:00", "11-24 09:00"]),
        ("15 6,18 * * *", ["11-21 18:15", "11-22 06:15"]),
        ("0 0 29 2 *", []),
        ("0 0 13 * 5", ["11-27 00:00", "12-04 00:00"]),
        ("0 12 * * sun", ["11-22 12:00", "11-29 12:00"]),
        ("0 12 * * 7", ["11-22 12:00", "11-29 12:00"]),
        ("10-14/2 12 21 nov *", ["11-21 12:10", "11-21 12:12"]),
    ],
)
def test_schedules_fire_when_they_say(text: str, following: list[str]) -> None:
    """The next two times, in UTC, within a year."""
    found = fires(fields_of(text), after=NOW, most=2)

    assert [f"{at:%m-%d %H:%M}" for at in found] == following


@pytest.mark.parametrize(
    "text",
    [
        *("", "often", "@reboot", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *"),
        *("* * 0 * *", "* * * 13 *", "* * * * 8", "5-1 * * * *", "*/0 * * * *", "a * * * *"),
        *("-1 * * * *", "1,,2 * * * *", "² * * * *"),
    ],
)
def test_what_is_no_schedule_is_refused(text: str) -> None:
    """Nothing is guessed: a wrong schedule is not priced."""
    with pytest.raises(NoSchedule):
        fields_of(text)


def test_every_minute_of_a_month_is_counted() -> None:
    """The sum over thirty days is a sum over all of them."""
    found = fires(fields_of("* * * * *"), after=NOW, most=50_000, until=timedelta(days=30))

    assert len(found) == 30 * 24 * 60


PRICE = MinutePrice(micros=41_667, source="live", as_of=5)
NO_PRICE = Unknown(because=UnknownBecause.PRICE)
NO_LIMIT = Unknown(because=UnknownBecause.LIMIT)


@pytest.mark.parametrize(
    ("timeout_s", "ports", "ceiling"),
    [
        (1, False, 6 * 41_667),
        (60, False, 6 * 41_667),
        (61, False, 7 * 41_667),
        (2_700, False, 50 * 41_667),
        (2_700, True, 50 * 41_667 + 10_000),
    ],
)
def test_a_job_costs_its_timeout_and_five_minutes(
    timeout_s: int, ports: bool, ceiling: int
) -> None:
    """Begun minutes count as whole ones; exposed ports cost a cent."""
    assert job_quote(PRICE, timeout_s, ports=ports).ceiling == ceiling


def test_unknown_stays_unknown() -> None:
    """No price, no limit or no end is never a number."""
    assert job_quote(NO_PRICE, 60, ports=False).ceiling == NO_PRICE
    assert job_quote(PRICE, NO_LIMIT, ports=False).ceiling == NO_LIMIT
    assert window_quote(NO_PRICE, payer="p").ceiling == NO_PRICE
    endless = endless_quote(job_quote(PRICE, 60, ports=False, payer="p"))
    assert isinstance(endless.ceiling, Unknown)
    assert (endless.unit_price, endless.payer) == (41_667, "p")


@pytest.mark.parametrize(
    ("seconds", "minutes"), [(None, 0), (0, 0), (0.5, 1), (60, 1), (60.001, 2), (-5, 0)]
)
def test_minutes_are_counted_once_they_are_begun(seconds: float | None, minutes: int) -> None:
    """A job that never ran has none; a clock that went back gives no credit."""
    began = None if seconds is None else NOW - timedelta(seconds=seconds)

    assert started_minutes(began, NOW) == minutes


def test_a_bill_needs_a_price_and_an_end() -> None:
    """Without either nobody knows; a job that never ran pays no fee."""
    began = NOW - timedelta(minutes=3)

    assert spent_on(100, began, NOW, fee=7) == 307
    assert spent_on(100, None, NOW, fee=7) == 0
    assert spent_on(None, began, NOW, fee=7) is None
    assert spent_on(100, began, None, fee=7) is None
