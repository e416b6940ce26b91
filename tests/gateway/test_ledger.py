"""Scopes, windows, notices and velocity: the pure half of the ledger."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.costs import DOLLAR
from gateway.ledger import (
    Cap,
    Leave,
    Limits,
    Period,
    Place,
    ScopeLimit,
    Window,
    notice_due,
    scopes_for,
    too_fast,
    window_of,
)

HOUR = 3_600_000_000
PLACE = Place(account="slack:T1", chat="slack:T1/C1", person="dana", session_id=3, turn_id=7)
CRON = Place(account="slack:T1", chat="slack:T1/C1", session_id=3, turn_id=7, unattended=True)
DAY_OF_CHAT = "chat_day:slack:T1|slack:T1/C1"
AUTO = Cap(id="a", micros=5 * DOLLAR)


def at(text: str, zone: str = "UTC") -> int:
    """A local time in microseconds since 1970."""
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    return round(moment.timestamp()) * 1_000_000


def day(zone: str) -> ScopeLimit:
    """A daily limit in a zone."""
    return ScopeLimit(scope="x", limit=1, period=Period.DAY, zone=zone)


def binding(scopes: tuple[ScopeLimit, ...]) -> dict[str, int]:
    """The limits that may say no."""
    return {each.scope: each.limit for each in scopes if each.limit is not None}


@pytest.mark.parametrize(
    ("place", "leave", "auto", "scopes"),
    [
        (
            PLACE,
            Leave.POLICY,
            None,
            {"turn:7": 1, "session:3": 5, "user_day:dana": 10, DAY_OF_CHAT: 10, "org_month": 200},
        ),
        (PLACE, Leave.PERSON, None, {"user_day:dana": 10, DAY_OF_CHAT: 10, "org_month": 200}),
        (
            PLACE,
            Leave.POLICY,
            AUTO,
            {"whole:3": 5, "user_day:dana": 10, DAY_OF_CHAT: 10, "org_month": 200},
        ),
        (
            PLACE,
            Leave.AUTO,
            AUTO,
            {"whole:3": 5, "user_day:dana": 10, DAY_OF_CHAT: 10, "org_month": 200},
        ),
        (PLACE, Leave.PERSON, AUTO, {"user_day:dana": 10, DAY_OF_CHAT: 10, "org_month": 200}),
        (
            CRON,
            Leave.POLICY,
            AUTO,
            {"turn:7": 1, "background_day": 2, DAY_OF_CHAT: 10, "org_month": 200},
        ),
        (CRON, Leave.PERSON, None, {"background_day": 2, DAY_OF_CHAT: 10, "org_month": 200}),
    ],
)
def test_what_limits_a_movement(
    place: Place, leave: Leave, auto: Cap | None, scopes: dict[str, int]
) -> None:
    """By whose word money moves decides over turn and session; days and months always count."""
    found = binding(scopes_for(place, Limits(), leave=leave, auto=auto))
    assert found == {scope: limit * DOLLAR for scope, limit in scopes.items()}


def test_a_grant_has_a_scope_of_its_own() -> None:
    """What it lets through counts in it, in days and months, and not in turn and session."""
    grant = Cap(id="g1", micros=3 * DOLLAR)
    found = binding(scopes_for(PLACE, Limits(), leave=Leave.GRANT, grant=grant, auto=AUTO))
    assert found == {
        "grant:g1": 3 * DOLLAR,
        "user_day:dana": 10 * DOLLAR,
        DAY_OF_CHAT: 10 * DOLLAR,
        "org_month": 200 * DOLLAR,
    }


@pytest.mark.parametrize("leave", Leave)
def test_all_of_a_session_is_counted(leave: Leave) -> None:
    """`/auto` finds what came before it, by whatever word it was spent."""
    scopes = scopes_for(PLACE, Limits(), leave=leave, grant=Cap(id="g", micros=1))
    assert ScopeLimit(scope="whole:3", limit=None) in scopes


def test_background_work_is_in_no_person_and_no_session() -> None:
    """It has a day of its own instead."""
    scopes = {each.scope.split(":")[0] for each in scopes_for(CRON, Limits())}
    assert scopes == {"turn", "background_day", "chat_day", "org_month"}


def test_each_window_is_in_its_own_zone() -> None:
    """The chat's day, the person's day, the gateway's month."""
    place = Place(
        account="a",
        chat="c",
        person="p",
        chat_zone="Asia/Tokyo",
        person_zone="Europe/Paris",
        zone="America/New_York",
    )
    zones = {each.scope.split(":")[0]: each.zone for each in scopes_for(place, Limits())}
    assert zones == {
        "user_day": "Europe/Paris",
        "chat_day": "Asia/Tokyo",
        "org_month": "America/New_York",
    }


@pytest.mark.parametrize(
    ("zone", "noon", "hours"),
    [
        ("Europe/Berlin", "2026-03-29T12:00", 23),
        ("Europe/Berlin", "2026-10-25T12:00", 25),
        ("Europe/Berlin", "2026-07-01T12:00", 24),
        ("Australia/Lord_Howe", "2026-04-05T12:00", 24.5),
        ("America/Havana", "2026-03-08T12:00", 23),  # midnight itself is skipped
        ("America/Havana", "2026-11-01T12:00", 25),  # midnight comes twice
        ("UTC", "2026-03-29T12:00", 24),
    ],
)
def test_a_day_has_its_hours(zone: str, noon: str, hours: float) -> None:
    """A window is a local date, with 23 hours in spring and 25 in autumn."""
    window = window_of(day(zone), None, now=at(noon, zone))
    assert window.begins_at is not None
    assert window.ends_at is not None
    assert window.span == noon[:10]
    assert window.ends_at - window.begins_at == hours * HOUR


def test_a_month_is_a_calendar_month() -> None:
    """From the first to the first, in the gateway's zone."""
    limit = ScopeLimit(scope="org_month", limit=1, period=Period.MONTH, zone="Asia/Tokyo")
    window = window_of(limit, None, now=at("2026-01-31T23:59", "Asia/Tokyo"))
    assert window == Window(
        span="2026-01",
        begins_at=at("2026-01-01T00:00", "Asia/Tokyo"),
        ends_at=at("2026-02-01T00:00", "Asia/Tokyo"),
    )


def test_a_window_lasts_until_its_end() -> None:
    """At its last moment it is still itself, at its end it is the next."""
    window = window_of(day("UTC"), None, now=at("2026-05-01T08:00"))
    assert window.ends_at is not None
    assert window_of(day("UTC"), window, now=window.ends_at - 1) == window
    assert window_of(day("UTC"), window, now=window.ends_at).span == "2026-05-02"


def test_a_zone_change_begins_with_the_next_window() -> None:
    """Eastward the next day is short, and has a budget of its own."""
    old = window_of(day("Pacific/Honolulu"), None, now=at("2026-05-01T12:00", "Pacific/Honolulu"))
    assert old.ends_at is not None
    assert window_of(day("Asia/Tokyo"), old, now=old.ends_at - 1) == old
    new = window_of(day("Asia/Tokyo"), old, now=old.ends_at)
    assert new == Window(
        span="2026-05-02", begins_at=old.ends_at, ends_at=at("2026-05-03T00:00", "Asia/Tokyo")
    )


def test_westward_a_date_is_not_given_twice() -> None:
    """The window goes on until the date is over there too."""
    old = window_of(day("Asia/Tokyo"), None, now=at("2026-05-01T12:00", "Asia/Tokyo"))
    assert old.ends_at is not None
    same = window_of(day("Pacific/Honolulu"), old, now=old.ends_at)
    assert same == Window(
        span="2026-05-01",
        begins_at=old.begins_at,
        ends_at=at("2026-05-02T00:00", "Pacific/Honolulu"),
    )


def test_a_clock_set_back_reopens_nothing() -> None:
    """Whatever the clock says, the newest window goes on until its end."""
    newest = window_of(day("UTC"), None, now=at("2026-05-03T08:00"))
    assert window_of(day("UTC"), newest, now=at("2026-05-01T08:00")) == newest


def test_a_clock_may_leap_over_windows() -> None:
    """Those between never were."""
    old = window_of(day("UTC"), None, now=at("2026-05-01T08:00"))
    new = window_of(day("UTC"), old, now=at("2026-05-09T08:00"))
    assert new == Window(
        span="2026-05-09", begins_at=at("2026-05-09T00:00"), ends_at=at("2026-05-10T00:00")
    )


ZONES = (
    "UTC", "Europe/Berlin", "America/Havana", "Asia/Tokyo", "Pacific/Honolulu", "Pacific/Apia",
    "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Beirut", "Africa/Cairo", "Pacific/Kiritimati",
)  # fmt: skip


@given(
    st.lists(
        st.tuples(
            st.sampled_from(ZONES),
            st.sampled_from((Period.DAY, Period.MONTH)),
            st.integers(at("1999-12-01T00:00"), at("2032-01-01T00:00")),
        ),
        min_size=1,
        max_size=12,
    ),
    st.booleans(),
)
def test_windows_follow_one_another(moments: list[tuple[str, Period, int]], ordered: bool) -> None:
    """Whatever zones and clocks do, spans never go back, and a window is never made for nothing."""
    period = moments[0][1]
    newest: Window | None = None
    for zone, _, now in sorted(moments, key=lambda each: each[2]) if ordered else moments:
        limit = ScopeLimit(scope="x", limit=1, period=period, zone=zone)
        window = window_of(limit, newest, now=now)
        assert window.begins_at is not None
        assert window.ends_at is not None
        assert now < window.ends_at
        assert window.begins_at < window.ends_at
        if newest is not None and newest.ends_at is not None:
            assert window.span >= newest.span
            assert window == newest or now >= newest.ends_at
            if window.span > newest.span:
                assert window.begins_at >= newest.ends_at
        newest = window


@pytest.mark.parametrize(
    ("settled", "allowed", "due"),
    [(799_999, 1_000_000, False), (800_000, 1_000_000, True), (0, 0, False), (1, 0, True)],
)
def test_four_fifths_are_noticed(settled: int, allowed: int, due: bool) -> None:
    """At 80 % exactly, and never before anything was spent."""
    assert notice_due(settled=settled, allowed=allowed) is due


@pytest.mark.parametrize(
    ("spent", "calls", "limits", "frozen"),
    [
        (4_000_000, 0, Limits(), False),
        (4_000_001, 0, Limits(), True),
        (2_000_000, 0, Limits(chat_day=DOLLAR), False),  # the floor of $2
        (2_000_001, 0, Limits(chat_day=DOLLAR), True),
        (0, 29, Limits(), False),
        (0, 30, Limits(), True),
    ],
)
def test_a_runaway_is_frozen(spent: int, calls: int, limits: Limits, frozen: bool) -> None:
    """More than $2 and 40 % of the chat's day, or 30 model calls on nobody's word."""
    reason = too_fast(spent=spent, calls=calls, limits=limits)
    assert (reason is not None) is frozen
    assert reason is None or "10 minutes" in reason
