"""Reading one call of a tool with several operations."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.tools.base import EffectClass, Malformed
from agent.tools.operations import Operation, both_ends, folded, label_of, read_call

OPERATIONS = {
    "make it": Operation(
        effect=EffectClass.ONCE,
        fields=("text", "count", "flag", "words", "numbers", "map", "kind"),
        required=("text",),
    ),
    "look": Operation(effect=EffectClass.PURE),
}
PROPERTIES: dict[str, dict[str, Any]] = {
    "text": {"type": "string", "maxLength": 5, "pattern": "[a-z]*"},
    "count": {"type": "integer", "minimum": 1, "maximum": 9, "default": 2},
    "flag": {"type": "boolean", "default": False},
    "words": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
    "numbers": {"type": "array", "items": {"type": "integer", "minimum": 0}},
    "map": {"type": "object", "propertyNames": {"pattern": "[A-Z]+"}},
    "kind": {"type": "string", "enum": ["a", "b"]},
}


def read(**arguments: Any) -> Any:
    """Read a call."""
    return read_call(
        arguments, operations=OPERATIONS, properties=PROPERTIES, aliases={"txt": "text"}
    )


def test_defaults_are_filled_in_and_the_rest_is_left_out() -> None:
    """Null is the same as absent."""
    name, operation, fields = read(operation="Make_It ", txt="ab", count=None)

    assert name == "make it"
    assert operation.effect is EffectClass.ONCE
    assert fields == {"text": "ab", "count": 2, "flag": False}


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("text", ["", "abc"], ["abcdef", "A", 1, "a\0", "\ud800", ["a"]]),
        ("count", [1, 9], [0, 10, "3", True, 1.0]),
        ("flag", [True, False], [0, "true"]),
        ("words", [["a"], ["a", "b"]], [[], ["a", "b", "c"], "a", [1], ["a\0"]]),
        ("numbers", [[], [0, 7]], [[-1], [True], ["1"], [1.5]]),
        ("map", [{}, {"A": "1"}], [{"a": "1"}, {"A": 1}, [], {"A": "\0"}]),
        ("kind", ["a"], ["c", ""]),
    ],
)
def test_each_kind_of_field_takes_what_it_takes(
    field: str, good: list[Any], bad: list[Any]
) -> None:
    """What does not fit names the field and what it must be."""
    for value in good:
        assert read(operation="make it", **{"text": "a", field: value})[2][field] == value
    for value in bad:
        refused = read(operation="make it", **{"text": "a", field: value})
        assert isinstance(refused, Malformed), value
        assert refused.text.startswith(f"The field {field!r} must be"), value


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"operation": "make it"}, "The field 'text' is missing"),
        ({"operation": "lok"}, "Did you mean 'look'?"),
        ({"operation": 3}, "must be one of"),
        ({}, "must be one of"),
        ({"operation": "look", "text": "a"}, "Unknown field 'text'"),
        ({"operation": "make it", "text": "a", "cuont": 1}, "Did you mean 'count'?"),
        ({"operation": "make it", "text": "a", "txt": "b"}, "given twice"),
        ({"operation": "make it", "args": {"text": "a"}, "text": "b"}, "given twice"),
        ({"operation": "make it", "args": ["text"]}, "must be an object"),
        ({"operation": "make it", "args": "{}"}, "must be an object"),
    ],
)
def test_what_does_not_fit_is_told(arguments: dict[str, Any], words: str) -> None:
    """The model can mend the call from the answer alone."""
    refused = read(**arguments)

    assert isinstance(refused, Malformed)
    assert words in refused.text


def test_aliases_that_agree_are_one() -> None:
    """Twice the same is no conflict."""
    assert read(operation="look", args={})[0] == "look"
    assert folded({"txt": "a", "text": "a"}, {"txt": "text"}) == {"text": "a"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*PROPERTIES, "operation", "args", "txt"]), JSON))
def test_reading_never_raises_and_reading_again_changes_nothing(arguments: dict[str, Any]) -> None:
    """Whatever a model writes is a call or an answer."""
    arguments.setdefault("operation", "make it")
    first = read(**arguments)
    if not isinstance(first, Malformed):
        assert read(operation=first[0], **first[2]) == first


def test_long_texts_keep_both_ends() -> None:
    """What is cut is counted."""
    assert both_ends("abcdef", 3) == "abcdef"
    assert both_ends("abcXYdef", 3) == "abc\n[2 characters left out]\ndef"


def test_labels_are_one_short_line() -> None:
    """Line ends and length are taken out of them."""
    label = label_of("tool", "make it", "a\nb " * 50)

    assert label.startswith("tool: make it a b a b")
    assert len(label) == 80
