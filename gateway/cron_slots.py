"""Pure: what becomes of the slots of a job that have come, on time or late.

A slot looked at within a minute is on time. Everything before the newest slot is missed, and so is
the newest one if it is later than that:

    skip    one row that says how many
    once    the newest one, if it is late by at most half a period (but 2 min .. 2 h)
    all     the newest ten, oldest first, one by one

While one fire of a job is at work, `overlap` says what becomes of the next: `skip`, or `queue`, in
which one may wait. What is caught up with always waits its turn.
"""

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, assert_never

from gateway.store.records.cron import Missed, Overlap
from platforms.cron.schedule import Schedule, Slot

ON_TIME: Final = timedelta(seconds=60)
LATE_MIN: Final = timedelta(minutes=2)
LATE_MAX: Final = timedelta(hours=2)
CAUGHT_UP: Final = 10
COUNTED: Final = 1_000
"""Slots that are counted one by one; of more than that nobody needs the number."""

RETRIES: Final = (timedelta(seconds=30), timedelta(minutes=1), timedelta(minutes=5))
"""How long after the first, second and third failure a fire is tried again."""

NOTICE_AFTER: Final = 3
PAUSE_AFTER: Final = 10
"""Fires in a row that failed."""

Skipped = Literal["missed", "overlap", "paused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A fire of one slot. `skipped` says why it does not run; it then stands for `more` others."""

    slot: Slot
    skipped: Skipped | None = None
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a look leads to. `upcoming` is the next slot, None if there is none."""

    fires: tuple[Planned, ...]
    upcoming: Slot | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """Slots up to now: their number, the newest ones oldest first, and the one that comes next."""

    count: int
    newest: tuple[Slot, ...]
    upcoming: Slot | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AtWork:
    """What is at work of a job: whether a fire runs, and how many wait for it."""

    running: bool = False
    waiting: int = 0


def plan(
    schedule: Schedule,
    passed: Passed,
    *,
    now: datetime,
    missed: Missed,
    overlap: Overlap,
    paused: bool = False,
    at_work: AtWork | None = None,
) -> Plan:
    """Decide about every slot that passed up to `now`."""
    if paused:
        return _plan(passed, (), "paused")
    newest = passed.newest[-1]
    on_time = now - newest.at <= ON_TIME
    runs = passed.newest[-1:] if on_time else ()
    match missed:
        case "skip":
            pass
        case "once":
            if now - newest.at <= most_late(schedule, newest):
                runs = passed.newest[-1:]
        case "all":
            runs = passed.newest[-(CAUGHT_UP + on_time) :]
        case unknown:
            assert_never(unknown)
    work = at_work or AtWork()
    if len(runs) == 1 and on_time and _overlaps(work, overlap):
        return _plan(passed, (), "overlap")
    return _plan(passed, runs, "missed")


def _overlaps(work: AtWork, overlap: Overlap) -> bool:
    """Whether the next fire goes without a run because of those at work."""
    match overlap:
        case "skip":
            return work.running or work.waiting > 0
        case "queue":
            return work.waiting > 0
        case unknown:
            assert_never(unknown)


def _plan(passed: Passed, runs: tuple[Slot, ...], why: Skipped) -> Plan:
    """One row for all that does not run, and one for each that does."""
    fires = tuple(Planned(slot=slot) for slot in runs)
    left = passed.count - len(runs)
    if not left:
        return Plan(fires=fires, upcoming=passed.upcoming)
    last = passed.newest[-len(runs) - 1]
    return Plan(
        fires=(Planned(slot=last, skipped=why, more=left - 1), *fires), upcoming=passed.upcoming
    )


def still_wanted(schedule: Schedule, slot: Slot, *, now: datetime, missed: Missed) -> bool:
    """Whether a fire that was stored, and not begun before the gateway ended, runs by now."""
    late = now - slot.at
    match missed:
        case "skip":
            return late <= ON_TIME
        case "once":
            return late <= max(ON_TIME, most_late(schedule, slot))
        case "all":
            return True
        case unknown:
            assert_never(unknown)


def most_late(schedule: Schedule, slot: Slot) -> timedelta:
    """How late a slot may still fire under `once`."""
    period = schedule.period_after(slot)
    return LATE_MAX if period is None else min(max(period / 2, LATE_MIN), LATE_MAX)


def passed_slots(schedule: Schedule, first: Slot, now: datetime) -> Passed:
    """The slots from `first` up to `now`.

    After `COUNTED` of them the rest is looked for from its end, and the count is what was seen.
    """
    newest: deque[Slot] = deque((first,), maxlen=CAUGHT_UP + 2)
    count = 1
    upcoming = schedule.after(first.at)
    while upcoming is not None and upcoming.at <= now:
        if count == COUNTED:
            upcoming = _nearer(schedule, upcoming, now, enough=CAUGHT_UP + 2)
        newest.append(upcoming)
        count += 1
        upcoming = schedule.after(upcoming.at)
    return Passed(count=count, newest=tuple(newest), upcoming=upcoming)


def _nearer(schedule: Schedule, slot: Slot, now: datetime, *, enough: int) -> Slot:
    """A later slot from which at least so many follow up to now, or the same one."""
    back = timedelta(minutes=enough)
    while now - back > slot.at:
        found = schedule.after(now - back)
        seen, each = 0, found
        while each is not None and each.at <= now and seen < enough:
            seen, each = seen + 1, schedule.after(each.at)
        if found is not None and seen >= enough:
            return found
        back *= 4
    return slot


def retry_after(attempt: int) -> timedelta | None:
    """How long after failed attempt number so and so the next one begins; None: there is none."""
    return RETRIES[attempt - 1] if attempt <= len(RETRIES) else None
