"""Schedules: what they say, when they fire, and both clock changes of several zones."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.cron.errors import ScheduleInvalid
from platforms.cron.schedule import Schedule, Slot, parse

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
LORD_HOWE, TOKYO = ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Asia/Tokyo")
START = datetime(2026, 1, 1, tzinfo=UTC)


def utc(text: str) -> datetime:
    """Read `2026-03-29 01:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def slots(schedule: Schedule, after: datetime, count: int) -> list[Slot]:
    """The next slots."""
    found: list[Slot] = []
    for _ in range(count):
        slot = schedule.after(found[-1].at if found else after)
        if slot is None:
            break
        found.append(slot)
    return found


def walls(text: str, zone: ZoneInfo, after: str, count: int) -> list[str]:
    """The next slots as that zone's clock shows them; a `'` marks the second showing."""
    schedule = parse(text, zone, created=START)
    return [
        slot.at.astimezone(zone).strftime("%d %H:%M") + "'" * slot.fold
        for slot in slots(schedule, utc(after), count)
    ]


@pytest.mark.parametrize(
    ("text", "fires"),
    [
        ("0 9 * * *", ["06 09:00", "07 09:00", "08 09:00"]),
        ("0 9 * * mon-fri", ["06 09:00", "09 09:00", "10 09:00"]),
        ("0 9 * * 1-5", ["06 09:00", "09 09:00", "10 09:00"]),
        ("0 9 * * fri-sun", ["06 09:00", "07 09:00", "08 09:00"]),
        ("0 9 * * 7", ["08 09:00", "15 09:00", "22 09:00"]),
        ("0 9 * * SUN", ["08 09:00", "15 09:00", "22 09:00"]),
        ("0 9 * * 7-2", ["08 09:00", "09 09:00", "10 09:00"]),
        ("0 9 13 * fri", ["06 09:00", "13 09:00", "20 09:00"]),
        ("0 9 10 * mon", ["09 09:00", "10 09:00", "16 09:00"]),
        ("*/20 9-10 * * *", ["06 09:00", "06 09:20", "06 09:40"]),
        ("5,35 8,9 * * *", ["06 08:05", "06 08:35", "06 09:05"]),
        ("0 0 1 jan,MAR *", ["01 00:00", "01 00:00", "01 00:00"]),
        ("10/25 0 * * *", ["06 00:10", "06 00:35", "07 00:10"]),
        ("@hourly", ["06 00:00", "06 01:00", "06 02:00"]),
        ("@daily", ["06 00:00", "07 00:00", "08 00:00"]),
        ("@weekly", ["08 00:00", "15 00:00", "22 00:00"]),
        ("@monthly", ["01 00:00", "01 00:00", "01 00:00"]),
        ("@yearly", ["01 00:00", "01 00:00", "01 00:00"]),
    ],
)
def test_five_fields_and_their_aliases(text: str, fires: list[str]) -> None:
    """Names, lists, ranges, steps; 7 is Sunday; day and weekday both given: either matches."""
    assert walls(text, TOKYO, "2026-02-05 14:59", 3) == fires


def test_a_leap_day_is_waited_for() -> None:
    """29 February is a date, eight years apart where a century begins."""
    schedule = parse("0 12 29 2 *", None, created=START)
    found = [slot.at.year for slot in slots(schedule, utc("2090-01-01"), 3)]
    assert found == [2092, 2096, 2104]


def test_an_interval_counts_real_time_from_the_creation() -> None:
    """`every` knows no zone: a change of clocks moves nothing, and a time before it waits."""
    created = utc("2026-03-28 23:07") + timedelta(seconds=5.5)
    schedule = parse("every 1h30m", BERLIN, created=created)
    found = [f"{slot.at:%d %H:%M:%S}" for slot in slots(schedule, utc("2026-03-29 00:00"), 3)]
    assert found == ["29 00:37:05", "29 02:07:05", "29 03:37:05"]
    assert schedule.after(utc("2020-01-01")) == Slot(at=utc("2026-03-29 00:37:05"))


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("at 2026-05-01T09:00", "2026-05-01 07:00"),
        ("at 2026-05-01 09:00", "2026-05-01 07:00"),
        ("at 2026-05-01T09:00Z", "2026-05-01 09:00"),
        ("at 2026-05-01T09:00-04:00", "2026-05-01 13:00"),
        ("at 2026-03-29T02:30", "2026-03-29 01:00"),
        ("at 2026-10-25T02:30", "2026-10-25 00:30"),
    ],
)
def test_one_time_fires_once(text: str, at: str) -> None:
    """In the job's zone or by its offset; in a gap after it, in an overlap the first time."""
    schedule = parse(text, BERLIN, created=START)
    assert slots(schedule, START, 3) == [Slot(at=utc(at))]


@pytest.mark.parametrize(
    ("text", "zone", "after", "fires"),
    [
        # Berlin, 29 March: 02:00 becomes 03:00.
        ("30 2 * * *", BERLIN, "2026-03-28 12:00", ["29 03:00", "30 02:30"]),
        ("0,15,30 2 * * *", BERLIN, "2026-03-28 12:00", ["29 03:00", "30 02:00"]),
        ("0,30 2,3 * * *", BERLIN, "2026-03-28 12:00", ["29 03:00", "29 03:30"]),
        ("0 */1 29 3 *", BERLIN, "2026-03-28 23:30", ["29 01:00", "29 03:00"]),
        ("*/30 2 * * *", BERLIN, "2026-03-28 12:00", ["30 02:00", "30 02:30"]),
        # Berlin, 25 October: 03:00 becomes 02:00.
        ("30 2 * * *", BERLIN, "2026-10-24 12:00", ["25 02:30", "26 02:30"]),
        ("0,30 2 * * *", BERLIN, "2026-10-24 12:00", ["25 02:00", "25 02:30", "26 02:00"]),
        ("*/30 2 * * *", BERLIN, "2026-10-24 12:00", ["25 02:00", "25 02:30", "25 02:00'"]),
        ("30 * * * *", BERLIN, "2026-10-24 23:00", ["25 01:30", "25 02:30", "25 02:30'"]),
        # New York, 8 March and 1 November.
        ("30 2 * * *", NEW_YORK, "2026-03-07 12:00", ["08 03:00", "09 02:30"]),
        ("30 1 * * *", NEW_YORK, "2026-10-31 12:00", ["01 01:30", "02 01:30"]),
        ("0 * * * *", NEW_YORK, "2026-11-01 04:30", ["01 01:00", "01 01:00'", "01 02:00"]),
        # Lord Howe, half an hour: 5 April 02:00 becomes 01:30; 4 October 02:00 becomes 02:30.
        ("15 2 * * *", LORD_HOWE, "2026-10-03 12:00", ["04 02:30", "05 02:15"]),
        ("45 1 * * *", LORD_HOWE, "2026-04-04 12:00", ["05 01:45", "06 01:45"]),
        ("*/15 1 * * *", LORD_HOWE, "2026-04-04 14:20", ["05 01:30", "05 01:45", "05 01:30'"]),
        ("*/15 2 * * *", LORD_HOWE, "2026-10-03 12:00", ["04 02:30", "04 02:45", "05 02:00"]),
        ("0 */3 * * *", LORD_HOWE, "2026-10-03 12:00", ["04 00:00", "04 03:00", "04 06:00"]),
        # Tokyo changes nothing.
        ("30 2 * * *", TOKYO, "2026-03-28 12:00", ["29 02:30", "30 02:30"]),
        ("*/30 2 * * *", TOKYO, "2026-10-24 12:00", ["25 02:00", "25 02:30", "26 02:00"]),
    ],
)
def test_clock_changes(text: str, zone: ZoneInfo, after: str, fires: list[str]) -> None:
    """Fixed times lose nothing and repeat nothing; a `*` goes by what the clock shows."""
    assert walls(text, zone, after, len(fires)) == fires


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("", "schedule", ""),
        ("0 9 * *", "schedule", "0 9 * *"),
        ("0 0 9 * * *", "schedule", "0 0 9 * * *"),
        ("@often", "schedule", "@often"),
        ("60 9 * * *", "minute", "60"),
        ("-1 9 * * *", "minute", "-1"),
        ("*/0 9 * * *", "minute", "*/0"),
        ("*/ 9 * * *", "minute", "*/"),
        ("5, 9 * * *", "minute", "5,"),
        ("0 24 * * *", "hour", "24"),
        ("0 17-9 * * *", "hour", "17-9"),
        ("0 nine * * *", "hour", "nine"),
        ("0 9 0 * *", "day", "0"),
        ("0 9 L * *", "day", "l"),
        ("0 9 31 2 *", "day", "31"),
        ("0 9 31 4,jun */2", "day", "31"),
        ("0 9 1 13 *", "month", "13"),
        ("0 9 1 mon *", "month", "mon"),
        ("0 9 * * 8", "weekday", "8"),
        ("0 9 * * monday", "weekday", "monday"),
        ("0 9 * * mon#1", "weekday", "mon#1"),
        ("0 ٩ * * *", "hour", "٩"),
        ("every 30s", "interval", "30s"),
        ("every 0m", "interval", "0m"),
        ("every", "interval", ""),
        ("every 400d", "interval", "400d"),
        ("at 2026-02-31T09:00", "time", "2026-02-31T09:00"),
        ("at tomorrow", "time", "TOMORROW"),
        ("at 2026-05-01", "time", "2026-05-01"),
        ("at 9999-12-31T23:59", "time", "9999-12-31T23:59"),
        ("at 2026-05-01T09:00+25:00", "time", "2026-05-01T09:00+25:00"),
    ],
)
def test_a_fault_names_its_field_and_value(text: str, field: str, value: str) -> None:
    """Whoever wrote it reads which part is wrong and what to write."""
    with pytest.raises(ScheduleInvalid) as caught:
        parse(text, BERLIN, created=START)
    assert (caught.value.field, caught.value.value) == (field, value)
    assert caught.value.fix.startswith("write ")
    assert field in str(caught.value)


def test_a_weekday_beside_it_makes_a_date_possible() -> None:
    """31 February or Monday is every Monday in February."""
    assert walls("0 9 31 2 mon", TOKYO, "2026-02-05 00:00", 2) == ["09 09:00", "16 09:00"]


def test_a_period_is_the_way_to_the_next_slot() -> None:
    """Real time: a day is 23 hours long where the clock goes ahead; `at` has no period."""
    daily = parse("0 12 * * *", BERLIN, created=START)
    first = daily.after(utc("2026-03-28 10:00"))
    assert first is not None
    assert daily.period_after(first) == timedelta(hours=23)
    once = parse("at 2026-05-01T09:00", BERLIN, created=START)
    assert once.period_after(Slot(at=utc("2026-05-01 07:00"))) is None


@st.composite
def items(draw: st.DrawFn, low: int, high: int) -> tuple[str, set[int]]:
    """One item of a field, and the numbers it names."""
    first = draw(st.integers(low, high))
    last = draw(st.integers(first, high))
    step = draw(st.integers(1, high))
    return draw(
        st.sampled_from(
            [
                ("*", set(range(low, high + 1))),
                (f"*/{step}", set(range(low, high + 1, step))),
                (str(first), {first}),
                (f"{first}-{last}", set(range(first, last + 1))),
                (f"{first}/{step}", set(range(first, high + 1, step))),
                (f"{first}-{last}/{step}", set(range(first, last + 1, step))),
            ]
        )
    )


@st.composite
def a_field(draw: st.DrawFn, low: int, high: int) -> tuple[str, set[int]]:
    """A list of items, and the numbers it names."""
    found = draw(st.lists(items(low, high), min_size=1, max_size=3))
    return ",".join(text for text, _ in found), set().union(*(named for _, named in found))


FIVE = st.tuples(a_field(0, 59), a_field(0, 23), a_field(1, 31), a_field(1, 12), a_field(0, 7))


@given(FIVE)
@settings(max_examples=100, deadline=None)
def test_whatever_is_taken_fires_when_it_says(fields: tuple[tuple[str, set[int]], ...]) -> None:
    """Any five fields: refused for a date no year has, or the first match of the calendar."""
    (minutes, hours, days, months, weekdays) = (named for _, named in fields)
    texts = [text for text, _ in fields]
    narrows = any(text.startswith("*") or {"*", "*/1"} & {*text.split(",")} for text in texts[2::2])
    try:
        schedule = parse(" ".join(texts), None, created=START)
    except ScheduleInvalid as refused:
        assert (refused.field, narrows) == ("day", True)
        assert not days & set(range(1, 29))
        return
    slot = schedule.after(START - timedelta(seconds=1))
    assert slot is not None and matches(slot.at, days, months, weekdays, narrows)
    assert (slot.at.hour, slot.at.minute) == (min(hours), min(minutes))
    day = START
    while day.date() < slot.at.date():
        assert not matches(day, days, months, weekdays, narrows), day
        day += timedelta(days=1)


def matches(
    day: datetime, days: set[int], months: set[int], weekdays: set[int], narrows: bool
) -> bool:
    """Whether a day is one of those."""
    by_day, by_weekday = day.day in days, bool({day.isoweekday(), day.isoweekday() % 7} & weekdays)
    return day.month in months and (by_day and by_weekday if narrows else by_day or by_weekday)


# The law: each slot once, strictly increasing. Told a second way: every minute of real time, and
# what the clock shows in it.

LINES = (
    ("30 2 * * *", {30}, {2}, False),
    ("0,30 0,1,2,3 * * *", {0, 30}, {0, 1, 2, 3}, False),
    ("10 23 * * *", {10}, {23}, False),
    ("*/15 * * * *", {0, 15, 30, 45}, set(range(24)), True),
    ("0 */3 * * *", {0}, set(range(0, 24, 3)), True),
    ("*/20 0-3 * * *", {0, 20, 40}, {0, 1, 2, 3}, True),
)


def told_by_the_minute(
    minutes: set[int], hours: set[int], real_time: bool, zone: ZoneInfo, day: datetime
) -> list[datetime]:
    """The slots of three days, looked for in every minute of them."""
    found: list[datetime] = []
    highest = (day - timedelta(minutes=1)).astimezone(zone).replace(tzinfo=None)
    for minute in range(3 * 1440):
        at = day + timedelta(minutes=minute)
        wall = at.astimezone(zone).replace(tzinfo=None)
        if real_time:
            shown = [wall]
        else:  # every wall time that was not there yet, and those that were left out
            ahead = int((wall - highest) / timedelta(minutes=1))
            shown = [wall - timedelta(minutes=back) for back in range(max(ahead, 0))]
            highest = max(highest, wall)
        if any(each.minute in minutes and each.hour in hours for each in shown):
            found.append(at)
    return found


def changes(zone: ZoneInfo, years: range) -> list[datetime]:
    """Midnights before which a zone changes its clocks, to the day."""
    day, end = datetime(years.start, 1, 1, tzinfo=UTC), datetime(years.stop, 1, 1, tzinfo=UTC)
    found = []
    while day < end:
        following = day + timedelta(days=1)
        if day.astimezone(zone).utcoffset() != following.astimezone(zone).utcoffset():
            found.append(day)
        day = following
    return found


def holds(zone: ZoneInfo, day: datetime) -> None:
    """Compare three days around `day`, line by line."""
    before, end = day - timedelta(days=1), day + timedelta(days=2)
    for text, minutes, hours, real_time in LINES:
        schedule = parse(text, zone, created=START)
        found, at = [], before - timedelta(seconds=1)
        while (slot := schedule.after(at)) is not None and slot.at < end:
            assert slot.at > at, (zone, text)
            found.append(at := slot.at)
        expected = told_by_the_minute(minutes, hours, real_time, zone, before)
        assert found == expected, (zone, text)


@pytest.mark.parametrize(
    ("name", "year"),
    [
        ("Europe/Berlin", 2026),
        ("America/New_York", 2027),
        ("Australia/Lord_Howe", 2028),
        ("America/Havana", 2026),  # a gap at midnight
        ("Antarctica/Troll", 2029),  # two hours
        ("Asia/Tokyo", 2026),
    ],
)
def test_each_slot_once_around_a_year_s_changes(name: str, year: int) -> None:
    """Both changes of a year, minute by minute; where there is none, three days in January."""
    zone = ZoneInfo(name)
    for day in changes(zone, range(year, year + 1)) or [START]:
        holds(zone, day)


@pytest.mark.soak
def test_each_slot_once_in_every_zone() -> None:
    """Every change of five years in every zone there is."""
    seen: set[tuple[tuple[datetime, timedelta | None], ...]] = set()
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        days = changes(zone, range(2024, 2029))
        key = tuple((day, day.astimezone(zone).utcoffset()) for day in days)
        if key in seen:  # one of the many names of the same clock
            continue
        seen.add(key)
        for day in days:
            holds(zone, day)


@given(
    text=st.sampled_from(["30 2 * * *", "0 */5 * * *", "5 3 */9 * *", "0 2 * * sun", "45 * 1 * *"]),
    name=st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca"]),
    minute=st.integers(0, 5 * 365 * 1440),
)
@settings(max_examples=60, deadline=None)
def test_slots_increase_from_wherever_one_looks(text: str, name: str, minute: int) -> None:
    """From any moment of five years: later than it, rising, and the same from just before."""
    schedule = parse(text, ZoneInfo(name), created=START)
    after = START + timedelta(minutes=minute, seconds=7)
    found = slots(schedule, after, 6)
    assert len(found) == 6
    assert all(first.at < second.at for first, second in pairwise([Slot(at=after), *found]))
    for slot in found:
        assert schedule.after(slot.at - timedelta(microseconds=1)) == slot
