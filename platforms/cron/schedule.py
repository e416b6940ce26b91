"""Pure: when a job fires: schedules as people write them, and the next slot after an instant.

Theory of operation. A schedule is five fields, an alias of them, `every 15m`, or `at` one time.

Five fields are the wall clock's. cronsim walks the calendar, which knows no zone; here walls become
instants. Fields without a `*` in minute and hour name fixed times of the day: one that a clock
change leaves out fires at the first instant after it, several of them once, and one that the clock
shows twice fires the first time. A `*` there means real time: every minute that matches is a slot,
in an hour that comes twice both times, in one that is left out not at all.

`every` counts real time from the job's creation and knows no zone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, assert_never

from cronsim import CronSim

from platforms.cron.errors import ScheduleInvalid
from platforms.cron.fields import NAMES, Fields, read_fields

ALIASES: Final[Mapping[str, str]] = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
SHORTEST_INTERVAL: Final = timedelta(minutes=1)
LONGEST_INTERVAL: Final = timedelta(days=366)
EXAMPLES: Final = '"0 9 * * mon-fri", "@daily", "every 15m" or "at 2026-05-01T09:00"'

_INTERVAL = re.compile(r"(?:([0-9]{1,3})d)?(?:([0-9]{1,5})h)?(?:([0-9]{1,6})m)?")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?:Z|[+-][0-9]{2}:[0-9]{2})?"
)
_FIRST_YEAR, _LAST_YEAR = 2000, 2999
_LOOK: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """An interval of real time from the job's creation."""

    interval: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """Once: an instant where `when` has an offset, else a time of the job's zone."""

    when: datetime


Rule = Fields | Every | At


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One time a job is due. `at` is UTC; `fold` is 1 where the wall clock shows it again."""

    at: datetime
    fold: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When one job fires; made by `parse`. `created` is UTC, `zone` the wall clock it goes by."""

    text: str
    rule: Rule
    zone: tzinfo
    created: datetime

    def after(self, moment: datetime) -> Slot | None:
        """The first slot later than a moment (which has a zone), or None if none is left."""
        at = self._instant_after(moment.astimezone(UTC))
        return None if at is None else Slot(at=at, fold=at.astimezone(self.zone).fold)

    def period_after(self, slot: Slot) -> timedelta | None:
        """How long after a slot the next one is, or None if there is none."""
        following = self.after(slot.at)
        return None if following is None else following.at - slot.at

    def _instant_after(self, moment: datetime) -> datetime | None:
        match self.rule:
            case Fields(real_time=True) as fields:
                return _next_real(fields.line, moment, self.zone)
            case Fields() as fields:
                return _next_fixed(fields.line, moment, self.zone)
            case Every(interval=interval):
                passed = max((moment - self.created) // interval, 0)
                return self.created + interval * (passed + 1)
            case At(when=when):
                at = _first_instant(when, self.zone) if when.tzinfo is None else when
                return at.astimezone(UTC) if at > moment else None
            case _:
                assert_never(self.rule)


def parse(text: str, zone: tzinfo | None, *, created: datetime) -> Schedule:
    """Read a schedule; `zone` None is UTC, `created` has a zone. Raises ScheduleInvalid."""
    return Schedule(
        text=" ".join(text.split()),
        rule=read_rule(text),
        zone=zone or UTC,
        created=created.astimezone(UTC).replace(microsecond=0),
    )


def read_rule(text: str) -> Rule:
    """What a schedule says, whatever its zone; raises ScheduleInvalid."""
    words = text.lower().split()
    match words:
        case []:
            raise ScheduleInvalid("schedule", "", "is empty", f"write {EXAMPLES}")
        case [alias] if alias.startswith("@"):
            if alias not in ALIASES:
                raise ScheduleInvalid(
                    "schedule", alias, "is no alias", f"write one of {', '.join(ALIASES)}"
                )
            return read_fields(ALIASES[alias].split())
        case ["every", *rest]:
            return _every(" ".join(rest))
        case ["at", *rest]:
            return _at("T".join(rest).upper())
    if len(words) != len(NAMES):
        has = "1 field" if len(words) == 1 else f"{len(words)} fields"
        raise ScheduleInvalid(
            "schedule", text, f"has {has}, not {', '.join(NAMES)}", f"write {EXAMPLES}"
        )
    return read_fields(words)


def _every(text: str) -> Every:
    found = _INTERVAL.fullmatch(text.replace(" ", ""))
    if not found or not any(found.groups()):
        raise ScheduleInvalid(
            "interval", text, "is not in days, hours and minutes", 'write "every 15m"'
        )
    days, hours, minutes = (int(part or 0) for part in found.groups())
    interval = timedelta(days=days, hours=hours, minutes=minutes)
    if interval < SHORTEST_INTERVAL:
        raise ScheduleInvalid("interval", text, "is too short", 'write "every 1m" or more')
    if interval > LONGEST_INTERVAL:
        raise ScheduleInvalid("interval", text, "is too long", "write 366d or less")
    return Every(interval=interval)


def _at(text: str) -> At:
    form = 'write "at 2026-05-01T09:00", with an offset such as +02:00 where it is not the job\'s'
    if not _TIME.fullmatch(text):
        raise ScheduleInvalid("time", text, "is not a date with a time", form)
    try:
        when = datetime.fromisoformat(text)
    except ValueError as exc:
        raise ScheduleInvalid("time", text, "is in no calendar", form) from exc
    if not _FIRST_YEAR <= when.year <= _LAST_YEAR:
        raise ScheduleInvalid("time", text, "is far from any day this can run on", form)
    return At(when=when)


def _next_fixed(line: str, moment: datetime, zone: tzinfo) -> datetime | None:
    """The next of the times of the day that a line names."""
    for wall in CronSim(line, moment.astimezone(zone).replace(tzinfo=None)):
        at = _first_instant(wall, zone)
        if at > moment:  # else the clock has been set back since, and it has fired
            return at
    return None


def _next_real(line: str, moment: datetime, zone: tzinfo) -> datetime | None:
    """The next minute at which the clock shows what a line says.

    Between two clock changes walls and instants run together, so each such stretch is walked by
    itself; the wall a stretch begins with belongs to it.
    """
    wall = moment.astimezone(zone).replace(tzinfo=None)
    while True:
        found = next(CronSim(line, wall), None)
        if found is None:
            return None
        offset = _offset(moment, zone)
        at = (found - offset).replace(tzinfo=UTC)
        change = _first_change(moment, at, zone)
        if change is None:
            return at
        moment = change
        wall = moment.astimezone(zone).replace(tzinfo=None) - _SECOND


def _first_instant(wall: datetime, zone: tzinfo) -> datetime:
    """When the clock shows a wall time first; the first instant after the gap that leaves it out.

    Source: PEP 495: in a gap, fold 0 reads by the offset before the change and fold 1 after it.
    """
    at = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == wall:
        return at
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _first_change(before, at, zone) or at


def _first_change(start: datetime, end: datetime, zone: tzinfo) -> datetime | None:
    """The first instant in (start, end] with another offset than its predecessor's.

    Looks once a day: no zone changes its clocks and changes them back within one.
    """
    offset = _offset(start, zone)
    while start < end:
        ahead = min(start + _LOOK, end)
        if _offset(ahead, zone) != offset:
            return _change_between(start, ahead, offset, zone)
        start = ahead
    return None


def _change_between(low: datetime, high: datetime, offset: timedelta, zone: tzinfo) -> datetime:
    low = low.replace(microsecond=0)
    while high - low > _SECOND:
        middle = low + (high - low) // (2 * _SECOND) * _SECOND
        if _offset(middle, zone) == offset:
            low = middle
        else:
            high = middle
    return high


def _offset(moment: datetime, zone: tzinfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()
