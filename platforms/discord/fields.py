"""Pure: reading the kinds of fields that only Discord has; the others are in `platforms.fields`."""

from datetime import UTC, datetime

from platforms.fields import Body

_EPOCH_MS = 1_420_070_400_000
_TOKEN_MAX = 512


def snowflake(value: object) -> str | None:
    """An id, which Discord writes as decimal text; as much of 64 bits as a store can order by."""
    if not isinstance(value, str) or not 0 < len(value) <= 20:
        return None
    if not (value.isascii() and value.isdecimal()):
        return None
    return value if value[0] != "0" and int(value) < 2**63 else None


def snowflakes(body: Body, name: str) -> tuple[str, ...]:
    """The ids of an array."""
    value = body.get(name)
    if not isinstance(value, list):
        return ()
    return tuple(found for entry in value if (found := snowflake(entry)) is not None)


def token(value: object) -> str | None:
    """An opaque credential: printable ASCII without blanks."""
    if not isinstance(value, str) or not 0 < len(value) <= _TOKEN_MAX:
        return None
    return value if value.isascii() and value.isprintable() and " " not in value else None


def moment(value: object) -> datetime | None:
    """An ISO 8601 time with its offset, in UTC."""
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value)
        return read.astimezone(UTC) if read.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def born(identifier: str) -> datetime:
    """When an id was made; the ids we take lie between 2015 and 2084."""
    return datetime.fromtimestamp(((int(identifier) >> 22) + _EPOCH_MS) / 1000, UTC)


def first_snowflake(at: datetime) -> int:
    """The smallest id that could have been made at that time."""
    return (int(at.timestamp() * 1000) - _EPOCH_MS) << 22
