"""Pure: how long a provider asks us to wait, in every form they say it."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_LONGEST_S = 366 * 86_400.0
"""What is above is no wait but a mistake."""
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_UNITS = r"ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?"
_AMOUNT = re.compile(rf"(\d+(?:\.\d+)?)\s?({_UNITS})(?![a-z])")
_IN_WORDS = re.compile(
    r"(?:try again|retry|retrying|resets?|wait)\b[^\d\n]{0,24}"
    rf"((?:\d+(?:\.\d+)?\s?(?:{_UNITS})(?![a-z])[\s,]*(?:and\s)?)+)"
)
_BUCKET = re.compile(
    r"(?:x-ratelimit-reset(?P<openai>-[a-z-]+)?"
    r"|anthropic-ratelimit-(?P<anthropic>[a-z-]+?)-reset)"
)
_EPOCH_S = 1_000_000_000
_EPOCH_MS = 1_000 * _EPOCH_S


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, never negative, or None; header names are expected in lower case.

    Dates are read against the response's own Date, so that a wrong clock here does no harm.
    """
    if (ms := _number(headers.get("retry-after-ms"))) is not None:
        return max(ms / 1000, 0.0)
    if (wait := _wait(headers.get("retry-after", ""), headers)) is not None:
        return wait
    return max(_bucket_waits(headers), default=None)


def retry_after_words(text: str) -> float | None:
    """Seconds to wait as an error message says it: `try again in 1m30s`, `retry in 38.2s`."""
    if (found := _IN_WORDS.search(text.lower())) is None:
        return None
    amounts = _AMOUNT.findall(found[1])
    return sum(float(number) * _UNIT_S[_unit(unit)] for number, unit in amounts)


def seconds_of(text: str) -> float | None:
    """Seconds of a bare number or of a duration such as `1m30s`, `6ms`, `38s`."""
    text = text.strip()
    if (seconds := _number(text)) is not None:
        return max(seconds, 0.0)
    return _duration(text)


def _bucket_waits(headers: Mapping[str, str]) -> Iterator[float]:
    """When the buckets that are empty fill up again."""
    for name, value in headers.items():
        if (bucket := _BUCKET.fullmatch(name)) is None:
            continue
        if bucket["anthropic"] is not None:
            left = headers.get(f"anthropic-ratelimit-{bucket['anthropic']}-remaining")
        else:
            left = headers.get(f"x-ratelimit-remaining{bucket['openai'] or ''}")
        if left == "0" and (wait := _wait(value, headers)) is not None:
            yield wait


def _wait(text: str, headers: Mapping[str, str]) -> float | None:
    now = _date(headers.get("date", ""))
    number = _number(text.strip())
    if number is not None and number >= _EPOCH_S:  # a time in seconds or milliseconds since 1970
        seconds = number / 1000 if number >= _EPOCH_MS else number
        when = datetime.fromtimestamp(0, UTC) + timedelta(seconds=min(seconds, 10 * _EPOCH_S))
        return _until(when, now)
    if (seconds_left := seconds_of(text)) is not None:
        return seconds_left
    return _until(_date(text.strip()), now)


def _until(when: datetime | None, now: datetime | None) -> float | None:
    if when is None or now is None:
        return None
    return min(max((when - now).total_seconds(), 0.0), _LONGEST_S)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if abs(value) < 10 * _EPOCH_MS else None  # also turns away inf and nan


def _duration(text: str) -> float | None:
    """Durations such as `1m30s`, `6ms`, `1.5s`."""
    parts = _PART.findall(text.lower())
    if not parts or "".join(number + unit for number, unit in parts) != text.lower():
        return None
    return sum(float(number) * _UNIT_S[unit] for number, unit in parts)


def _unit(text: str) -> str:
    return "ms" if text in ("ms", "millisecond", "milliseconds") else text[0]


def _date(text: str) -> datetime | None:
    """An HTTP date or an RFC 3339 time; without a zone it is UTC."""
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            when = parse(text)
        except (ValueError, TypeError, IndexError):
            continue
        return when if when.tzinfo else when.replace(tzinfo=UTC)
    return None
