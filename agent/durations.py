"""Pure: lengths of time as models and people write them, in whole seconds."""

import re
from fractions import Fraction
from math import ceil
from typing import Final

from agent.costs import Unknown, UnknownBecause

DEFAULT_S: Final = 30 * 60
MAX_S: Final = 7 * 24 * 3_600
LONGEST_TEXT: Final = 64
"""Characters; no length of time takes more, and blanks without end take the pattern hours."""

_UNITS: Final = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_NUMBER: Final = r"\d{1,9}(?:\.\d{1,6})?"
_WRITTEN: Final = re.compile(
    rf"(?:({_NUMBER})\s*(?:d|days?))?\s*"
    rf"(?:({_NUMBER})\s*(?:h|hrs?|hours?))?\s*"
    rf"(?:({_NUMBER})\s*(?:m|mins?|minutes?))?\s*"
    rf"(?:({_NUMBER})\s*(?:s|secs?|seconds?))?",
    re.ASCII,
)
_ISO: Final = re.compile(
    rf"p(?:({_NUMBER})d)?(?:t(?=\d)(?:({_NUMBER})h)?(?:({_NUMBER})m)?(?:({_NUMBER})s)?)?", re.ASCII
)
_BARE: Final = re.compile(_NUMBER, re.ASCII)
_LIMIT: Final = Unknown(because=UnknownBecause.LIMIT, text="nothing bounds how long it runs")


def seconds_of(value: object) -> int | Unknown:
    """Whole seconds, rounded up; absent (None) is 30 minutes.

    `1h30m`, `1 h 30 min`, `1.5h`, `PT1H30M`, or a bare number of seconds. Zero, negative,
    over 7 days or anything else is Unknown(LIMIT).
    """
    if value is None:
        return DEFAULT_S
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return _LIMIT
    seconds = _read(value) if isinstance(value, str) else _exact(value)
    if seconds is None or not 0 < seconds <= MAX_S:
        return _LIMIT
    return ceil(seconds)


def _exact(value: float) -> Fraction | None:
    try:
        return Fraction(value)
    except (ValueError, OverflowError):
        return None


def _read(text: str) -> Fraction | None:
    if len(text) > LONGEST_TEXT:
        return None
    plain = text.strip().lower()
    if _BARE.fullmatch(plain):
        return Fraction(plain)
    found = _WRITTEN.fullmatch(plain) or _ISO.fullmatch(plain)
    if found is None or not any(found.groups()):
        return None
    parts = zip(found.groups(), _UNITS.values(), strict=True)
    return sum((Fraction(number) * unit for number, unit in parts if number), Fraction())
