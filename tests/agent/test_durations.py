"""Every form a length of time may have, and what only looks like one."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.costs import Unknown, UnknownBecause
from agent.durations import DEFAULT_S, MAX_S, seconds_of

HOUR = 3_600


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (None, 1_800),
        ("1h30m", 5_400),
        ("1 h 30 min", 5_400),
        ("1.5h", 5_400),
        ("PT1H30M", 5_400),
        ("pt1h30m", 5_400),
        ("5400", 5_400),
        (5_400, 5_400),
        (5_400.0, 5_400),
        (" 5400 ", 5_400),
        ("90s", 90),
        ("90 sec", 90),
        ("90 secs", 90),
        ("90 seconds", 90),
        ("1 second", 1),
        ("45m", 2_700),
        ("45 min", 2_700),
        ("45 mins", 2_700),
        ("45 Minutes", 2_700),
        ("1 minute", 60),
        ("2h", 2 * HOUR),
        ("2 hr", 2 * HOUR),
        ("2 hrs", 2 * HOUR),
        ("2 HOURS", 2 * HOUR),
        ("1 hour", HOUR),
        ("1d", 24 * HOUR),
        ("2 day", 48 * HOUR),
        ("2 days 3 hours 4 minutes 5 seconds", 48 * HOUR + 3 * HOUR + 245),
        ("1d2h3m4s", 24 * HOUR + 2 * HOUR + 184),
        ("1d 1s", 24 * HOUR + 1),
        ("0h30m", 1_800),
        ("1h\t5m", HOUR + 300),
        ("0.5m", 30),
        ("1.5m", 90),
        ("PT90M", 5_400),
        ("PT0.5H", 1_800),
        ("P1D", 24 * HOUR),
        ("P1DT2H", 26 * HOUR),
        ("PT10S", 10),
        (0.2, 1),  # what is begun is a whole second
        ("0.2", 1),
        ("1.1s", 2),
        (604_800, MAX_S),
        ("7d", MAX_S),
        ("168h", MAX_S),
    ],
)
def test_a_length_of_time(written: object, seconds: int) -> None:
    """Units descend, each once; a bare number is seconds; absent is half an hour."""
    assert seconds_of(written) == seconds


@pytest.mark.parametrize(
    "written",
    [
        *(0, 0.0, -0.0, "0", "0s", "0h0m", "PT0S"),
        *(-1, -0.5, "-5", "-1h", "1h-5m", "+5", "PT-1H"),
        *(True, False, "true", "True"),
        *(math.nan, math.inf, -math.inf, "nan", "inf", "infinity", "Infinity"),
        *(MAX_S + 1, float(MAX_S) + 0.5, "604801", "7d1s", "7d 0.1s", "169h", "8 days", "P8D"),
        *(10**30, 1e300, "9" * 40, "999999999h"),
        *("1:30", "01:30:00", "1h:30", "1:30h"),
        *("1w", "1 week", "2 weeks", "P1W", "1y", "P1Y", "P1M", "1 month", "500ms", "1 fortnight"),
        *("1h1h", "1h 2h", "30m1h", "30s 1m", "1m 1d", "PT30M1H", "PT1H1H"),
        *("1h30", "1 h 30", "30 1h"),
        *("h", "m", "1hm", "hour", "P", "PT", "PT1", "P1", "P1DT", "P1H", "PT1D", "T1H"),
        *("", " ", "soon", "forever", "none", "null", "unlimited"),
        *("1,5h", "1.h", ".5h", "1e3", "1e3s", "1_000", "0x10", "1/2h", "1 000", "1..5h", "1.5.5h"),
        *("1h and 5m", "1h,5m", "1h+5m", "~1h", "<1h", "1h!", "1 h o u r", "1h 5m x"),
        *("١h", "１h", "5 \u017fec", "½h", "5\u00b5s", "\u221e"),
        *("1d" + " " * 5_000 + "x", "1" * 5_000, " " * 5_000 + "1h"),
        *([], [3_600], {}, {"h": 1}, (1,), b"1h", object(), 1j),
    ],
)
def test_a_near_miss(written: object) -> None:
    """What nobody can be sure of bounds nothing: it is unknown, and never half an hour."""
    found = seconds_of(written)
    assert isinstance(found, Unknown)
    assert found.because is UnknownBecause.LIMIT


@given(st.integers(1, 6), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_every_spelling_is_the_same_time(days: int, hours: int, minutes: int, seconds: int) -> None:
    """Short, long, ISO and bare agree."""
    whole = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    for written in (
        f"{days}d{hours}h{minutes}m{seconds}s",
        f"{days} days {hours} hours {minutes} minutes {seconds} seconds",
        f"P{days}DT{hours}H{minutes}M{seconds}S",
        whole,
        str(whole),
        float(whole),
    ):
        assert seconds_of(written) == whole


@given(st.text() | st.integers() | st.floats() | st.booleans() | st.none() | st.binary())
def test_it_is_total(written: object) -> None:
    """Whatever a model sends gives a bounded time or unknown."""
    found = seconds_of(written)
    assert isinstance(found, Unknown) or 1 <= found <= MAX_S
    assert isinstance(found, Unknown) or found == DEFAULT_S or written is not None


@given(st.integers(1, MAX_S))
def test_what_was_read_reads_the_same(seconds: int) -> None:
    """The form holds seconds, and reading the form again changes nothing."""
    assert seconds_of(seconds_of(seconds)) == seconds
