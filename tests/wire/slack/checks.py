"""What every check of what an app sends is made of, and how Slack refuses. Pure."""

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]


class Refusal(Exception):
    """An answer with `ok: false`; `errors` are the details Slack gives for blocks."""

    def __init__(self, error: str, *, status: int = 200, errors: Sequence[str] = (), **more: Any):
        super().__init__(error)
        self.error = error
        self.status = status
        self.errors = tuple(errors)
        self.more = more


class Invalid(Exception):
    """One fault in blocks: what, and the JSON pointer to it."""


def fault(what: str, where: str) -> Invalid:
    """A fault, to be raised."""
    return Invalid(f"{what} [json-pointer:{where}]")


def check_keys(value: Any, allowed: str, where: str) -> None:
    """Raises Invalid for a field that does not belong there."""
    if not isinstance(value, dict):
        raise fault("must provide an object", where)
    for key in value:
        if key not in {*allowed.split(), "type", "block_id"}:
            raise fault(f"invalid additional property: {key}", where)


def check_text(value: Any, where: str, limit: int | None = None) -> None:
    """Raises Invalid for no text, an empty one, or one over its limit."""
    if not isinstance(value, str):
        raise fault("must provide a string", where)
    if not value:
        raise fault("must be more than 0 characters", where)
    if limit is not None and len(value) > limit:
        raise fault(f"must be less than {limit + 1} characters", where)


def check_items(value: Any, where: str, limit: int | None = None) -> list[Any]:
    """The items of an array that has some, at most `limit`."""
    if not isinstance(value, list):
        raise fault("must provide an array", where)
    if not value:
        raise fault("missing element", where)
    if limit is not None and len(value) > limit:
        raise fault(f"no more than {limit} items allowed", where)
    return value


def check_number(value: Any, where: str, low: int, high: int | None = None) -> None:
    """Raises Invalid for no whole number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise fault("must provide a number", where)
    if value < low or (high is not None and value > high):
        raise fault(f"must be between {low} and {high}", where)


def check_text_object(value: Any, where: str, limit: int, *, plain: bool = False) -> None:
    """Raises Invalid for anything but a text object."""
    check_keys(value, "text emoji verbatim", where)
    kinds = ("plain_text",) if plain else ("plain_text", "mrkdwn")
    if value.get("type") not in kinds:
        raise fault(f"unsupported type: {value.get('type')}", f"{where}/type")
    check_text(value.get("text"), f"{where}/text", limit)
