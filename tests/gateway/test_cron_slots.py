"""What becomes of the slots that passed, as tables: missed, overlap, lateness, long downtimes."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.cron_slots import (
    AtWork,
    Plan,
    most_late,
    passed_slots,
    plan,
    retry_after,
    still_wanted,
)
from gateway.store.records.cron import Missed, Overlap
from platforms.cron.schedule import Schedule, Slot, parse

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
IDLE, RUNS, ONE_WAITS = AtWork(), AtWork(running=True), AtWork(running=True, waiting=1)


def schedule(text: str) -> Schedule:
    """A schedule in UTC that began long ago."""
    return parse(text, None, created=datetime(2026, 1, 1, tzinfo=UTC))


def told(made: Plan) -> list[str]:
    """A plan in words: what runs by its time, what does not with why and how many it stands for."""
    words = []
    for each in made.fires:
        at = f"{each.slot.at:%d %H:%M}"
        words.append(f"{at} {each.skipped} +{each.more}" if each.skipped else at)
    return words


def looked(
    text: str,
    late: timedelta,
    *,
    missed: Missed = "skip",
    overlap: Overlap = "skip",
    paused: bool = False,
    at_work: AtWork = IDLE,
) -> list[str]:
    """What a look leads to, so long after the slot of nine o'clock."""
    made = plan(
        schedule(text),
        passed_slots(schedule(text), Slot(at=NINE), NINE + late),
        now=NINE + late,
        missed=missed,
        overlap=overlap,
        paused=paused,
        at_work=at_work,
    )
    assert made.upcoming is None or made.upcoming.at > NINE + late
    return told(made)


SECONDS, MINUTES, HOURS = (timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1))


@pytest.mark.parametrize(
    ("text", "late", "missed", "comes"),
    [
        # Up to a minute is on time, under every policy.
        ("0 * * * *", 0 * SECONDS, "skip", ["02 09:00"]),
        ("0 * * * *", 60 * SECONDS, "skip", ["02 09:00"]),
        ("0 * * * *", 61 * SECONDS, "skip", ["02 09:00 missed +0"]),
        ("0 * * * *", 61 * SECONDS, "once", ["02 09:00"]),
        ("0 * * * *", 61 * SECONDS, "all", ["02 09:00"]),
        # `once` runs the newest slot up to half a period late, but at least 2 min, at most 2 h.
        ("0 * * * *", 30 * MINUTES, "once", ["02 09:00"]),
        ("0 * * * *", 31 * MINUTES, "once", ["02 09:00 missed +0"]),
        ("* * * * *", 110 * SECONDS, "once", ["02 09:00 missed +0", "02 09:01"]),
        ("0 9 * * *", 2 * HOURS, "once", ["02 09:00"]),
        ("0 9 * * *", 2 * HOURS + SECONDS, "once", ["02 09:00 missed +0"]),
        ("at 2026-03-02T09:00", 2 * HOURS, "once", ["02 09:00"]),
        ("at 2026-03-02T09:00", 2 * HOURS, "skip", ["02 09:00 missed +0"]),
        # Eight hours down under each policy; the newest slot is 17:00, looked at twenty past.
        ("0 * * * *", 8 * HOURS + 20 * MINUTES, "skip", ["02 17:00 missed +8"]),
        ("0 * * * *", 8 * HOURS + 20 * MINUTES, "once", ["02 16:00 missed +7", "02 17:00"]),
        (
            "0 * * * *",
            8 * HOURS + 20 * MINUTES,
            "all",
            [f"02 {hour:02}:00" for hour in range(9, 18)],
        ),
        # The same, looked at right when the newest slot has come: that one is on time.
        ("0 * * * *", 8 * HOURS, "skip", ["02 16:00 missed +7", "02 17:00"]),
        ("0 * * * *", 8 * HOURS, "all", [f"02 {hour:02}:00" for hour in range(9, 18)]),
        # `all` catches up with ten; what is on time comes on top.
        (
            "*/15 * * * *",
            8 * HOURS + 5 * MINUTES,
            "all",
            [
                "02 14:30 missed +22",
                *[f"02 {14 + q // 4:02}:{15 * (q % 4):02}" for q in range(3, 13)],
            ],
        ),
    ],
)
def test_what_was_missed_follows_the_policy(
    text: str, late: timedelta, missed: Missed, comes: list[str]
) -> None:
    """Every slot that passed either runs or is counted on a row that is seen."""
    assert looked(text, late, missed=missed) == comes


@pytest.mark.parametrize(
    ("overlap", "at_work", "comes"),
    [
        ("skip", IDLE, ["02 09:00"]),
        ("skip", RUNS, ["02 09:00 overlap +0"]),
        ("skip", AtWork(waiting=1), ["02 09:00 overlap +0"]),
        ("queue", RUNS, ["02 09:00"]),
        ("queue", ONE_WAITS, ["02 09:00 overlap +0"]),
    ],
)
def test_overlap_skips_or_lets_one_wait(
    overlap: Overlap, at_work: AtWork, comes: list[str]
) -> None:
    """While a fire is at work the next one goes without a run, or waits if none does."""
    assert looked("0 * * * *", 5 * SECONDS, overlap=overlap, at_work=at_work) == comes


@pytest.mark.parametrize("missed", ["skip", "once", "all"])
def test_nothing_of_a_paused_job_runs(missed: Missed) -> None:
    """Its slots are rows that say so, on time and late."""
    assert looked("0 * * * *", 5 * SECONDS, missed=missed, paused=True) == ["02 09:00 paused +0"]
    late = looked("0 * * * *", 3 * HOURS, missed=missed, paused=True)
    assert late == ["02 12:00 paused +3"]


def test_what_is_caught_up_with_waits_for_what_runs() -> None:
    """Overlap is about slots on time: what was missed runs one by one anyway."""
    late = 2 * HOURS + 10 * MINUTES
    comes = looked("0 * * * *", late, missed="all", overlap="skip", at_work=RUNS)
    assert comes == ["02 09:00", "02 10:00", "02 11:00"]


def test_a_year_down_is_looked_through_from_its_end() -> None:
    """A job of every minute costs no half a million steps, and its newest slots are right."""
    now = NINE + timedelta(days=365)
    passed = passed_slots(schedule("* * * * *"), Slot(at=NINE), now)
    assert [slot.at for slot in passed.newest] == [now - n * MINUTES for n in range(11, -1, -1)]
    assert passed.upcoming == Slot(at=now + MINUTES)
    assert passed.count < 1_100


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("* * * * *", timedelta(minutes=2)),
        ("*/10 * * * *", timedelta(minutes=5)),
        ("0 9 * * *", timedelta(hours=2)),
        ("at 2026-03-02T09:00", timedelta(hours=2)),
    ],
)
def test_how_late_once_may_be(text: str, most: timedelta) -> None:
    """Half a period, between two minutes and two hours."""
    assert most_late(schedule(text), Slot(at=NINE)) == most


def test_three_tries_more() -> None:
    """After half a minute, one minute, five minutes; then it has failed."""
    waits = [retry_after(attempt) for attempt in (1, 2, 3, 4)]
    assert waits == [30 * SECONDS, 1 * MINUTES, 5 * MINUTES, None]


@pytest.mark.parametrize(
    ("missed", "late", "wanted"),
    [
        ("skip", 60 * SECONDS, True),
        ("skip", 61 * SECONDS, False),
        ("once", 30 * MINUTES, True),
        ("once", 31 * MINUTES, False),
        ("all", 31 * MINUTES, True),
    ],
)
def test_what_was_stored_before_a_stop_runs_if_it_is_still_wanted(
    missed: Missed, late: timedelta, wanted: bool
) -> None:
    """By the same measure as if its slot had only been found now."""
    slot, hourly = Slot(at=NINE), schedule("0 * * * *")
    assert still_wanted(hourly, slot, now=NINE + late, missed=missed) is wanted
