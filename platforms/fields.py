"""Pure: reading fields of JSON that may be anything. A field of the wrong kind is an absent one."""

from collections.abc import Mapping
from typing import Any

from platforms.blocks import clean_text

Body = Mapping[str, Any]

_ID_MAX = 512


def mapping(body: Body, name: str) -> Body:
    """An object; empty if there is none."""
    value = body.get(name)
    return value if isinstance(value, Mapping) else {}


def objects(body: Body, name: str) -> tuple[Body, ...]:
    """The objects of an array."""
    value = body.get(name)
    if not isinstance(value, list):
        return ()
    return tuple(entry for entry in value if isinstance(entry, Mapping))


def integer(body: Body, name: str) -> int | None:
    """A 64-bit integer."""
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if -(2**63) <= value < 2**63 else None


def string(body: Body, name: str) -> str:
    """A text in characters that can be stored; empty if there is none."""
    value = body.get(name)
    return clean_text(value) if isinstance(value, str) else ""


def identifier(body: Body, name: str) -> str | None:
    """A platform's own id: printable ASCII without blanks."""
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _ID_MAX:
        return None
    return value if value.isascii() and value.isprintable() and " " not in value else None


def truth(body: Body, name: str) -> bool:
    """A flag; absent is false."""
    return body.get(name) is True
