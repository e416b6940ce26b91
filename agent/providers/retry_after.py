"""Pure: how long a provider asks us to wait, in every form they say it."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BUCKETS = ("requests", "tokens")


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, never negative, or None; header names are expected in lower case.

    Dates are read against the response's own Date, so that a wrong clock here does no harm.
    """
    if (ms := _number(headers.get("retry-after-ms"))) is not None:
        return max(ms / 1000, 0.0)
    if (wait := _wait(headers.get("retry-after", ""), headers)) is not None:
        return wait
    waits = [
        wait
        for bucket in _BUCKETS
        if headers.get(f"x-ratelimit-remaining-{bucket}") == "0"
        and (wait := _wait(headers.get(f"x-ratelimit-reset-{bucket}", ""), headers)) is not None
    ]
    return max(waits, default=None)


def _wait(text: str, headers: Mapping[str, str]) -> float | None:
    text = text.strip()
    if (seconds := _number(text)) is not None:
        return max(seconds, 0.0)
    if (seconds := _duration(text)) is not None:
        return seconds
    if (when := _date(text)) is not None and (now := _date(headers.get("date", ""))) is not None:
        return max((when - now).total_seconds(), 0.0)
    return None


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if abs(value) < 1e9 else None  # also turns away inf and nan


def _duration(text: str) -> float | None:
    """Durations such as `1m30s`, `6ms`, `1.5s`."""
    parts = _PART.findall(text.lower())
    if not parts or "".join(number + unit for number, unit in parts) != text.lower():
        return None
    return sum(float(number) * _UNIT_S[unit] for number, unit in parts)


def _date(text: str) -> datetime | None:
    """An HTTP date or an RFC 3339 time; without a zone it is UTC."""
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            when = parse(text)
        except (ValueError, TypeError, IndexError):
            continue
        return when if when.tzinfo else when.replace(tzinfo=UTC)
    return None
