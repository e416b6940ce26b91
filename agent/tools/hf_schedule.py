"""Pure: when a schedule of the Hub fires, in UTC.

Five fields (minute, hour, day of month, month, day of week) or one of the Hub's names. As in cron,
where both days are restricted, either is enough.
Source: https://huggingface.co/docs/hub/jobs-schedule
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

NAMES: Final[Mapping[str, str]] = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_RANGES: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_AHEAD: Final = timedelta(days=366)

Fields = tuple[frozenset[int], ...]


class NoSchedule(ValueError):
    """The text is no schedule; the message says what is wrong."""


def fields_of(text: str) -> Fields:
    """Read a schedule; raises NoSchedule."""
    words = NAMES.get(text.strip().casefold(), text).split()
    if len(words) != len(_RANGES):
        known = ", ".join(NAMES)
        raise NoSchedule(f"it needs five fields (minute hour day month weekday) or one of {known}")
    return tuple(_field(word, *bounds) for word, bounds in zip(words, _RANGES, strict=True))


def fires(
    fields: Fields, *, after: datetime, most: int, until: timedelta = _AHEAD
) -> list[datetime]:
    """The next times it fires, at most `most` of them and within `until`."""
    minutes, hours, days, months, weekdays = fields
    any_day, any_weekday = len(days) == 31, len(weekdays & frozenset(range(7))) == 7
    found: list[datetime] = []
    day = after.replace(hour=0, minute=0, second=0, microsecond=0)
    while day <= after + until and len(found) < most:
        by_day = day.day in days
        by_weekday = (day.weekday() + 1) % 7 in weekdays
        fits = by_day and by_weekday if any_day or any_weekday else by_day or by_weekday
        if day.month in months and fits:
            times = (day.replace(hour=h, minute=m) for h in sorted(hours) for m in sorted(minutes))
            found.extend(at for at in times if after < at <= after + until)
        day += timedelta(days=1)
    return found[:most]


def _field(text: str, first: int, last: int) -> frozenset[int]:
    values: set[int] = set()
    for part in text.split(","):
        span, _, step_text = part.partition("/")
        step = _number(step_text, 1, last) if step_text else 1
        if span == "*":
            low, high = first, last
        else:
            low_text, dash, high_text = span.partition("-")
            low = _number(low_text, first, last)
            high = _number(high_text, first, last) if dash else (last if step_text else low)
        if low > high:
            raise NoSchedule(f"{part!r} runs backwards")
        values.update(range(low, high + 1, step))
    if (first, last) == (0, 7) and 7 in values:
        values.add(0)
    return frozenset(values)


def _number(text: str, first: int, last: int) -> int:
    word = text.casefold()
    if last == 12 and word in _MONTHS:
        return _MONTHS.index(word) + 1
    if last == 7 and word in _DAYS:
        return _DAYS.index(word)
    if not word.isascii() or not word.isdigit() or not first <= int(word) <= last:
        raise NoSchedule(f"{text!r} is not a number from {first} to {last}")
    return int(word)
