"""A call's arguments against its schema."""

from typing import Any

import pytest

from agent.tools.arguments import checked, flattened, normalised_name
from agent.tools.base import Malformed

PROPERTIES: dict[str, dict[str, Any]] = {
    "path": {"type": "string", "maxLength": 5},
    "count": {"type": "integer", "minimum": 1, "maximum": 9},
    "deep": {"type": "boolean", "default": False},
    "mode": {"type": "string", "enum": ["a", "b"]},
    "other": {"type": "string"},
    "argv": {
        "type": "array",
        "minItems": 1,
        "maxItems": 2,
        "items": {"maxLength": 3, "type": "string"},
    },
    "env": {"type": "object", "maxProperties": 1},
}
FIELDS = ("path", "count", "deep", "mode", "argv", "env")
ALIASES = {"file": "path", "where": "path", "n": "count"}


def check(arguments: dict[str, Any]) -> Any:
    return checked(arguments, PROPERTIES, fields=FIELDS, required=("path",), aliases=ALIASES)


def test_defaults_are_filled_in() -> None:
    """What may be left out gets its default or stays out; null is left out."""
    assert check({"path": "x", "count": None}) == {"path": "x", "deep": False}
    full = {"path": "x", "count": 9, "deep": True, "mode": "b", "argv": ["a"], "env": {"A": "1"}}
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
        ({"path": "x", "argv": "ls -l"}, "'argv' must be a list; each item a string"),
        ({"path": "x", "argv": []}, "at least 1 of them"),
        ({"path": "x", "argv": ["a", "b", "c"]}, "at most 2 of them"),
        ({"path": "x", "argv": ["a", 1]}, "each item a string"),
        ({"path": "x", "argv": ["long"]}, "at most 3 characters"),
        ({"path": "x", "argv": ["\ud800"]}, "each item a string"),
        ({"path": "x", "env": ["A"]}, "an object of strings by name"),
        ({"path": "x", "env": {"A": 1}}, "an object of strings by name"),
        ({"path": "x", "env": {"": "1"}}, "an object of strings by name"),
        ({"path": "x", "env": {"A": "1", "B": "2"}}, "at most 1 of them"),
        ({"file": 7}, "'path' must be a string"),
        ({"path": "x", "file": "y"}, "'file' is another name of 'path', and they disagree"),
        ({"where": "x", "file": "y"}, "'file' is another name of 'path', and they disagree"),
        ({"path": "x", "n": 1, "count": True}, "they disagree"),
    ],
)
def test_what_does_not_fit_is_named(arguments: dict[str, Any], words: str) -> None:
    """The answer names the field and the shape that is expected."""
    refused = check(arguments)
    assert isinstance(refused, Malformed)
    assert words in refused.text


@pytest.mark.parametrize(
    "arguments",
    [
        {"file": "x"},
        {"path": "x", "file": "x"},
        {"where": "x", "path": None},
        {"file": "x", "n": None},
    ],
)
def test_another_name_is_the_same_field(arguments: dict[str, Any]) -> None:
    """Later steps see the field's own name; twice the same is once."""
    assert check(arguments) == {"path": "x", "deep": False}


@pytest.mark.parametrize(
    ("arguments", "flat"),
    [
        ({"path": "x"}, {"path": "x"}),
        ({"path": "x", "args": {}}, {"path": "x"}),
        ({"path": "x", "args": None}, {"path": "x"}),
        ({"operation": "run", "args": {"path": "x"}}, {"operation": "run", "path": "x"}),
        ({"path": "x", "args": {"path": "x"}}, {"path": "x"}),
    ],
)
def test_wrapped_fields_are_lifted_out(arguments: dict[str, Any], flat: dict[str, Any]) -> None:
    """Some models put a tool's fields into `args`."""
    assert flattened(arguments) == flat


@pytest.mark.parametrize("nested", ["{}", 3, [], True])
def test_wrapped_fields_are_an_object(nested: object) -> None:
    """Anything else in `args` is malformed; nobody guesses."""
    refused = flattened({"args": nested})
    assert isinstance(refused, Malformed)
    assert "'args' must be an object" in refused.text


def test_a_wrapped_field_may_not_differ() -> None:
    """Two values of one field are never silently one."""
    refused = flattened({"path": "x", "args": {"path": "y"}})
    assert isinstance(refused, Malformed)
    assert "'path' stands twice" in refused.text


@pytest.mark.parametrize("text", ["read", " Read ", "READ\n"])
def test_names_of_operations(text: str) -> None:
    """Case and blanks do not matter."""
    assert normalised_name(text) == "read"


def test_words_of_operations() -> None:
    """Dashes, underscores and runs of blanks are one space."""
    assert normalised_name("Scheduled__run -now") == "scheduled run now"
    assert normalised_name("_run-") == "run"
