"""Foreign schemas: what is certainly wrong is refused, and what nobody can tell is not."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from agent.tools.json_schema import TEXT_MAX, problem_of, unchecked

TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "below": {"$ref": "#/$defs/nodes"}},
            "required": ["name"],
        },
        "nodes": {"type": "array", "items": {"$ref": "#/$defs/node"}},
    },
    "$ref": "#/$defs/node",
}


@pytest.mark.parametrize(
    ("value", "schema", "words"),
    [
        ({}, {"type": "object", "required": ["path"]}, "'path' is missing"),
        ({"a": 1}, {"properties": {"a": {"type": "string"}}}, "'a' must be of type string"),
        ({"a": True}, {"properties": {"a": {"type": "integer"}}}, "type integer"),
        ({"a": "x"}, {"properties": {"a": {"enum": ["b", 1]}}}, "one of 'b', 1"),
        (
            {"b": 1},
            {"properties": {"a": {}}, "additionalProperties": False},
            "Unknown field 'b'. Known here: a",
        ),
        ({"a": [1, "x"]}, {"properties": {"a": {"items": {"type": "integer"}}}}, "'a[1]'"),
        ({"a": {"b": 1}}, {"properties": {"a": {"properties": {"b": False}}}}, "'a.b'"),
        ({"a": 5}, {"properties": {"a": {"exclusiveMaximum": 5}}}, "below 5"),
        ({"a": 5}, {"properties": {"a": {"multipleOf": 2}}}, "a multiple of 2"),
        ({"a": "long"}, {"properties": {"a": {"maxLength": 3}}}, "at most 3 characters"),
        ({"a": [1, 1.0]}, {"properties": {"a": {"uniqueItems": True}}}, "twice"),
        ({"name": "a", "below": [{"name": 1}]}, TREE, "'below[0].name'"),
        ({"a": 1}, {"not": {"required": ["a"]}}, "excluded"),
        ({"a": 1}, {"anyOf": [{"required": ["b"]}, {"required": ["c"]}]}, "none of the allowed"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(value: Any, schema: Any, words: str) -> None:
    """A certain violation is refused with the field it stands in."""
    problem = problem_of(value, schema)
    assert problem is not None
    assert words in problem


@pytest.mark.parametrize(
    ("schema", "keywords"),
    [
        ({"properties": {"a": {"pattern": "(x+)+$"}}}, ("pattern",)),
        ({"$ref": "https://elsewhere.example/schema.json"}, ("$ref",)),
        ({"$ref": "#/$defs/gone"}, ("$ref",)),
        ({"anyOf": [{"if": {"minProperties": 9}, "then": False}]}, ("if",)),
        ({"not": {"propertyNames": {"maxLength": 1}}}, ("propertyNames",)),
        ({"properties": {"a": {"format": "email", "x-odd": 1, "title": "t"}}}, ()),
    ],
)
def test_what_is_not_looked_at_is_named(schema: Any, keywords: tuple[str, ...]) -> None:
    """A keyword that is not checked refuses nothing and is told."""
    assert problem_of({"a": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx!"}, schema) is None
    assert unchecked(schema) == keywords


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "teapot"},
        {"properties": []},
        {"required": "a"},
        {"enum": 5},
        {"minLength": "x", "maximum": [], "multipleOf": 0.1, "minProperties": None},
        {"items": 3, "anyOf": 7, "$ref": 5},
        {"$ref": "#"},
        [],
        None,
    ],
)
def test_a_broken_schema_refuses_nothing(schema: Any) -> None:
    """Whatever a server calls a schema, looking at it ends and raises nothing."""
    assert problem_of({"a": "x", "b": [1.5]}, schema) is None
    assert isinstance(unchecked(schema), tuple)


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ({"a": list(range(8_000))}, {"properties": {"a": {"items": {"enum": list(range(4000))}}}}),
        (
            {"a": [{}] * 8_000},
            {"properties": {"a": {"items": {"anyOf": [{"required": ["x"] * 4000}, {}]}}}},
        ),
        ({}, {"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}] * 9}}, "$ref": "#/$defs/a"}),
        ({"a": [[1] * 190] * 40}, {"properties": {"a": {"items": {"uniqueItems": False}}}}),
    ],
)
def test_the_work_is_bounded(value: Any, schema: Any) -> None:
    """No schema keeps the gateway busy; what is left over is not known."""
    begun = time.process_time()
    problem_of(value, schema)
    took = time.process_time() - begun
    for _ in range(1_000_000):  # what this machine does in some hundredths of a second
        pass
    assert took < 25 * (time.process_time() - begun - took)


def test_a_complaint_is_short() -> None:
    """A schema can't fill the model's context by being refused."""
    problem = problem_of({"a": 1}, {"properties": {"a": {"enum": ["x" * 5_000]}}})
    assert problem is not None
    assert len(problem) <= TEXT_MAX


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, "", "a", "abc"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=6,
)
KINDS = st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null"])
SMALL = st.integers(0, 3)


def _schema(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {},
        optional={
            "type": KINDS | st.lists(KINDS, min_size=1, max_size=2, unique=True),
            "enum": st.lists(VALUES, min_size=1, max_size=3),
            "const": VALUES,
            "minLength": SMALL,
            "maxLength": SMALL,
            "minItems": SMALL,
            "maxItems": SMALL,
            "uniqueItems": st.booleans(),
            "minProperties": SMALL,
            "maxProperties": SMALL,
            "minimum": SMALL,
            "exclusiveMaximum": SMALL,
            "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
            "additionalProperties": inner,
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "items": inner,
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
        },
    )


SCHEMAS: st.SearchStrategy[Any] = st.recursive(st.booleans() | st.just({}), _schema, max_leaves=6)


@given(value=VALUES, schema=SCHEMAS)
def test_the_checked_part_says_what_the_specification_says(value: Any, schema: Any) -> None:
    """On keywords that are checked, an independent validator comes to the same answer."""
    assert unchecked(schema) == ()
    assert (problem_of(value, schema) is None) == Draft202012Validator(schema).is_valid(value)
