"""Pure: the five fields of a cron line, checked one by one and spelled the way cronsim takes them.

cronsim refuses a line as a whole and knows forms that only some crons do; here each field is read
by itself, so that a refusal names the field and the value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from platforms.cron.errors import ScheduleInvalid

_MONTHS: Final = (
    *("jan", "feb", "mar", "apr", "may", "jun"),
    *("jul", "aug", "sep", "oct", "nov", "dec"),
)
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DAYS_OF: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_SUNDAY: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    name: str
    low: int
    high: int
    names: Mapping[str, int]

    @property
    def known(self) -> str:
        """What may stand here, in words."""
        span = f"{self.low} to {self.high}"
        return f"{span}, or {', '.join(self.names)}" if self.names else span


_FIELDS: Final = (
    _Field(name="minute", low=0, high=59, names={}),
    _Field(name="hour", low=0, high=23, names={}),
    _Field(name="day", low=1, high=31, names={}),
    _Field(name="month", low=1, high=12, names={m: at + 1 for at, m in enumerate(_MONTHS)}),
    _Field(name="weekday", low=0, high=7, names={d: at for at, d in enumerate(_WEEKDAYS)}),
)
_DAY, _MONTH, _WEEKDAY = _FIELDS[2:]
NAMES: Final = tuple(field.name for field in _FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """Five fields that have been checked.

    `line` is what cronsim is given. `real_time`: minute or hour has a `*`, so that the line is
    about every such minute and not about times of the day.
    """

    line: str
    real_time: bool


def read_fields(texts: Sequence[str]) -> Fields:
    """Read minute, hour, day, month and weekday, in lower case; raises ScheduleInvalid."""
    read = [_items(field, text) for field, text in zip(_FIELDS, texts, strict=True)]
    line = " ".join(",".join(items) for items in read)
    minute, hour, day, month, weekday = line.split()
    # A day or weekday that begins with `*` narrows the other one instead of standing beside it.
    if day.startswith("*") or weekday.startswith("*"):
        _possible(texts[2], day, month)
    return Fields(line=line, real_time="*" in minute or "*" in hour)


def _items(field: _Field, text: str) -> tuple[str, ...]:
    items = tuple(_item(field, item, text) for item in text.split(","))
    return ("*",) if "*" in items else items


def _item(field: _Field, item: str, text: str) -> str:
    span, slash, step = item.partition("/")
    if slash and not (_is_number(step) and 0 < int(step) <= field.high):
        raise ScheduleInvalid(
            field.name, text, f"has a step of {step or 'nothing'}", "write one such as */5"
        )
    if span == "*":
        return item if slash and int(step) > 1 else "*"
    first, dash, last = span.partition("-")
    low = _number(field, first, text)
    if not dash:
        return f"{low}/{int(step)}" if slash else str(low)
    high = _number(field, last, text)
    if field is _WEEKDAY and high < low:  # fri-sun, 7-2
        low, high = (0, high) if low == _SUNDAY else (low, high or _SUNDAY)
    if high < low:
        end = "sat,sun" if field is _WEEKDAY else f"{field.high},{field.low}"
        raise ScheduleInvalid(field.name, text, "runs backwards", f"write {first}-{end}-{last}")
    if high == low:
        return str(low)  # cronsim takes 5-5/2 for 5/2, which goes on to the end
    return f"{low}-{high}/{int(step)}" if slash else f"{low}-{high}"


def _number(field: _Field, word: str, text: str) -> int:
    number = field.names.get(word, int(word) if _is_number(word) else None)
    if number is None:
        what = f"holds {word}, which means nothing here" if word else "has nothing in one place"
        raise ScheduleInvalid(field.name, text, what, f"write {field.known}")
    if not field.low <= number <= field.high:
        side = "above" if number > field.high else "below"
        limit = field.high if number > field.high else field.low
        raise ScheduleInvalid(
            field.name, text, f"is {side} {limit}", f"write {field.low} to {field.high}"
        )
    return number


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= 4


def _possible(text: str, day: str, month: str) -> None:
    """Refuse a date that no year has."""
    if day.startswith("*"):
        return
    longest = max(_DAYS_OF[at - 1] for at in _values(_MONTH, month))
    if min(_values(_DAY, day)) > longest:
        raise ScheduleInvalid(
            _DAY.name,
            text,
            "is in none of these months",
            f"write {longest} or less, or another month",
        )


def _values(field: _Field, line: str) -> set[int]:
    """The numbers that a checked field names."""
    found: set[int] = set()
    for item in line.split(","):
        span, slash, step = item.partition("/")
        first, dash, last = span.partition("-")
        low = field.low if span == "*" else int(first)
        high = int(last) if dash else field.high if slash or span == "*" else low
        found.update(range(low, high + 1, int(step or 1)))
    return found
