"""The one spelling of arguments, and what a decision is bound to."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.canonical import (
    WHOLE_MAX,
    NotCanonical,
    canonical,
    fingerprint,
    read_arguments,
    read_canonical,
    schema_hash,
)
from agent.providers.base import ToolSpec

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-WHOLE_MAX, WHOLE_MAX)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
FIELDS: dict[str, Any] = {
    "account": "slack:T1",
    "chat": "C1",
    "session": "s3",
    "turn": "t7",
    "call_id": "c1",
    "tool": "hf_jobs",
    "schema": "ab",
    "payer": "acme-research",
    "arguments": b"{}",
    "snapshots": {"train.py": "00", "eval.py": "11"},
}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None]}, '{"a":[true,null],"b":1}'),
        ({"\U0001f600": 1, "\uff5e": 2, "z": 3}, '{"z":3,"～":2,"😀":1}'),
        ((1.0, -0.0, 0.1, 1e300, 2700), "[1,0,0.1,1e+300,2700]"),
        ("é e\u0301 \x00\n\x7f/", '"é e\u0301 \\u0000\\n\x7f/"'),
        (WHOLE_MAX, "9007199254740992"),
        ({}, "{}"),
    ],
    ids=["sorted", "by-code-point", "numbers", "text-as-it-is", "largest", "empty"],
)
def test_canonical_text(value: object, text: str) -> None:
    """One value has one spelling, and that spelling is read back."""
    assert canonical(value) == text.encode()
    assert read_canonical(text.encode()) == (list(value) if isinstance(value, tuple) else value)


def nested(depth: int) -> list[Any]:
    """Return lists in each other."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        WHOLE_MAX + 1, -WHOLE_MAX - 1, math.nan, math.inf, -math.inf, "\ud800", {"\udfff": 1},
        {1: 2}, b"bytes", {1, 2}, object(), nested(100),
    ],
    ids=[
        "large", "small", "nan", "inf", "-inf", "half", "half-key", "key", "bytes", "set", "object",
        "deep",
    ],
)  # fmt: skip
def test_what_has_no_canonical_text(value: object) -> None:
    """A value that readers could take differently is refused before anyone is asked."""
    with pytest.raises(NotCanonical):
        canonical(value)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"{} ", b" {}", b'{"b":1,"a":2}', b'{"a":1,"a":1}', b'{"a": 1}', b"1.0", b"-0",
        b"01", b"1e2", b"0.10", b"1E400", b"NaN", b"9007199254740993", b"1" * 5000, b'"\\u0041"',
        b'"\\/"', b'"\\ud800"', b"\xef\xbb\xbf{}", b'"\xff"', b"[" * 100_000, b'"\\u00e9"', b"{}\n",
    ],
)  # fmt: skip
def test_any_other_spelling_is_refused(text: bytes) -> None:
    """The reader takes canonical text and nothing that merely means the same."""
    with pytest.raises(NotCanonical):
        read_canonical(text)


@pytest.mark.parametrize("text", [b"[]", b"null", b'"x"', b"3"])
def test_arguments_are_an_object(text: bytes) -> None:
    """Canonical text of another kind is no call."""
    with pytest.raises(NotCanonical):
        read_arguments(text)
    assert read_arguments(b'{"a":1}') == {"a": 1}


@given(VALUES)
def test_reading_gives_the_value_and_the_same_text(value: Any) -> None:
    """Every value comes back equal, and its text is the only one the reader takes for it."""
    text = canonical(value)
    assert read_canonical(text) == value
    assert canonical(read_canonical(text)) == text


@given(VALUES, VALUES)
def test_different_texts_are_different_values(one: Any, other: Any) -> None:
    """Two values share a text only if they are equal."""
    if canonical(one) == canonical(other):
        assert one == other


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_bound(name: str) -> None:
    """A decision about one call says nothing about a call that differs anywhere."""
    other: Any = {**FIELDS["snapshots"], "eval.py": "12"} if name == "snapshots" else "x"
    if name == "arguments":
        other = b'{"a":1}'
    assert fingerprint(**FIELDS) != fingerprint(**{**FIELDS, name: other})


def test_fields_do_not_run_together() -> None:
    """What moves from one field into its neighbour is another call."""
    moved = {**FIELDS, "session": "s", "turn": "3t7"}
    assert fingerprint(**FIELDS) != fingerprint(**moved)
    renamed = {**FIELDS, "snapshots": {"train.py0": "0", "eval.py": "11"}}
    assert fingerprint(**FIELDS) != fingerprint(**renamed)


def test_a_fingerprint_does_not_depend_on_order() -> None:
    """The order in which snapshots were taken is no part of the call, and the digest is stable."""
    turned = {**FIELDS, "snapshots": dict(reversed(FIELDS["snapshots"].items()))}
    assert fingerprint(**FIELDS) == fingerprint(**turned)
    assert len(fingerprint(**FIELDS)) == 64


def test_a_schema_hash_holds_all_the_model_was_told() -> None:
    """Name, description and parameters count, the order of names in them does not."""
    spec = ToolSpec(name="t", description="d", parameters={"a": 1, "b": 2**70})
    assert schema_hash(spec) == schema_hash(
        ToolSpec(name="t", description="d", parameters={"b": 2**70, "a": 1})
    )
    others = (
        ToolSpec(name="u", description="d", parameters=spec.parameters),
        ToolSpec(name="t", description="e", parameters=spec.parameters),
        ToolSpec(name="t", description="d", parameters={"a": 1}),
    )
    assert schema_hash(spec) not in {schema_hash(other) for other in others}
    places = ("", "https://a.example", "https://b.example")
    assert len({schema_hash(spec, place=place) for place in places}) == 3
