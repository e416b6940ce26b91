"""Pure: Slack's `ts`, which is a message's id in its channel and its moment in one."""

import re
from datetime import UTC, datetime
from typing import TypeGuard

_STAMP = re.compile(r"(\d{1,12})\.(\d{1,9})")


def is_stamp(value: object) -> TypeGuard[str]:
    """Whether this is a `ts`."""
    return isinstance(value, str) and _STAMP.fullmatch(value) is not None


def order(ts: str) -> tuple[int, int]:
    """Its place among others of its channel."""
    seconds, _, micros = ts.partition(".")
    return int(seconds), int(micros)


def time_of(ts: str) -> datetime:
    """Its moment; 1970 for one that no calendar knows."""
    try:
        return datetime.fromtimestamp(float(ts), tz=UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, tz=UTC)


def stamp_of(moment: datetime) -> str:
    """The `ts` a message of that moment would have."""
    return f"{moment.timestamp():.6f}"
