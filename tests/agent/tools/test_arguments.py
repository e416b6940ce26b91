"""A call's arguments against its schema."""

from typing import Any

import pytest

from agent.tools.arguments import checked, normalised_name
from agent.tools.base import Malformed

PROPERTIES: dict[str, dict[str, Any]] = {
    "path": {"type": "string", "maxLength": 5},
    "count": {"type": "integer", "minimum": 1, "maximum": 9},
    "deep": {"type": "boolean", "default": False},
    "mode": {"type": "string", "enum": ["a", "b"]},
    "other": {"type": "string"},
}
FIELDS = ("path", "count", "deep", "mode")


def check(arguments: dict[str, Any]) -> Any:
    return checked(arguments, PROPERTIES, fields=FIELDS, required=("path",))


def test_defaults_are_filled_in() -> None:
    """What may be left out gets its default or stays out; null is left out."""
    assert check({"path": "x", "count": None}) == {"path": "x", "deep": False}
    full = {"path": "x", "count": 9, "deep": True, "mode": "b"}
    assert check(full) == full


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "'path' is missing"),
        ({"path": None}, "'path' is missing"),
        ({"path": 7}, "'path' must be a string"),
        ({"path": "123456"}, "at most 5 characters"),
        ({"path": "\ud800"}, "'path' must be a string"),
        ({"path": "x", "count": "3"}, "'count' must be an integer of at least 1"),
        ({"path": "x", "count": 0}, "at least 1 and at most 9"),
        ({"path": "x", "count": 10}, "at most 9"),
        ({"path": "x", "count": True}, "must be an integer"),
        ({"path": "x", "count": 1.0}, "must be an integer"),
        ({"path": "x", "deep": 1}, "must be a boolean"),
        ({"path": "x", "mode": "c"}, "one of 'a', 'b'"),
        ({"path": "x", "paht": "y"}, "Did you mean 'path'?"),
        ({"path": "x", "other": "y"}, "Unknown field 'other'"),
        ({"path": "x", "args": {"a": 1}}, "Unknown field 'args'"),
    ],
)
def test_what_does_not_fit_is_named(arguments: dict[str, Any], words: str) -> None:
    """The answer names the field and the shape that is expected."""
    refused = check(arguments)
    assert isinstance(refused, Malformed)
    assert words in refused.text


@pytest.mark.parametrize("text", ["read", " Read ", "READ\n"])
def test_names_of_operations(text: str) -> None:
    """Case and blanks do not matter."""
    assert normalised_name(text) == "read"


def test_words_of_operations() -> None:
    """Dashes, underscores and runs of blanks are one space."""
    assert normalised_name("Scheduled__run -now") == "scheduled run now"
