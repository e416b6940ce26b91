"""The gate in front of every tool call."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.messages import ResultStatus
from agent.policy import ARGUMENTS_MAX_BYTES, judge_with, parse_arguments
from agent.tools.base import EffectClass, Malformed, Tool
from agent.tools.files import FilesTool
from agent.tools.literal_secrets import holds_one_of
from tests.agent.scripted import ScriptedTool, all_tools, call

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(arguments=st.dictionaries(st.text(max_size=6), VALUES, max_size=4))
def test_a_json_object_is_read_as_it_is(arguments: dict[str, object]) -> None:
    """What the model wrote is what the tool is asked to prepare."""
    assert parse_arguments(json.dumps(arguments)) == arguments


@given(text=st.text(max_size=60))
def test_any_text_gives_an_object_or_a_sentence(text: str) -> None:
    """Reading arguments is total."""
    parsed = parse_arguments(text)
    assert isinstance(parsed, dict | Malformed)


@pytest.mark.parametrize("text", ["", " ", "\n\t", "{}", " {} "])
def test_nothing_means_no_arguments(text: str) -> None:
    """Providers differ in how they write an empty object."""
    assert parse_arguments(text) == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("null", "must be one JSON object"),
        ("[]", "must be one JSON object"),
        ('"x"', "must be one JSON object"),
        ("{", "not one JSON object"),
        ('{"a": 1} {"b": 2}', "not one JSON object"),
        ('{"a": 1, "a": 2}', "a key stands twice"),
        ('{"a": {"b": 1, "b": 2}}', "a key stands twice"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": Infinity}', "Infinity is not JSON"),
        ('{"a": -Infinity}', "-Infinity is not JSON"),
        ('{"a": ' + "[" * 40 + "]" * 40 + "}", "nested too deep"),
        ('{"a": ' + "[" * 100_000, "over 32 KiB"),
        ('{"a": ' + "[" * 20_000, "not one JSON object"),
        ('{"a": "' + "x" * ARGUMENTS_MAX_BYTES + '"}', "over 32 KiB"),
        ('{"a": "' + "€" * (ARGUMENTS_MAX_BYTES // 3) + '"}', "over 32 KiB"),
        (r'{"a": "\ud800"}', "half a character"),
        (r'{"a": [{"\udc00": 1}]}', "half a character"),
        ('{"a": "\ud800' + "x" * ARGUMENTS_MAX_BYTES + '"}', "over 32 KiB"),
    ],
)
def test_what_is_not_one_object_says_why(text: str, says: str) -> None:
    """Position or shape is named, and nothing is guessed."""
    parsed = parse_arguments(text)
    assert isinstance(parsed, Malformed)
    assert says in parsed.text


def test_the_limits_are_inclusive() -> None:
    """32 levels and 32 KiB still pass."""
    deep = '{"a": ' + "[" * 31 + "]" * 31 + "}"
    assert isinstance(parse_arguments(deep), dict)
    head, tail = '{"a": "', '"}'
    long = head + "x" * (ARGUMENTS_MAX_BYTES - len(head + tail)) + tail
    assert isinstance(parse_arguments(long), dict)


def test_an_allowed_call_carries_the_prepared_form() -> None:
    """What will run is what the tool normalised, not what the model wrote."""
    asked = call("once", '{"n": 1}', ident="c1")
    judged = judge_with(all_tools())(asked)
    assert judged.refusal is None
    assert judged.prepared is not None
    assert judged.prepared.arguments == {"n": 1}
    assert judged.prepared.effect is EffectClass.ONCE


@pytest.mark.parametrize(
    ("name", "arguments", "status", "says"),
    [
        ("onc", "{}", ResultStatus.REFUSED, "Did you mean once?"),
        ("xyz", "{}", ResultStatus.REFUSED, "There are: keyed, local, once, probe, pure."),
        ("once", "[]", ResultStatus.MALFORMED, "must be one JSON object"),
        ("once", '{"x": 1}', ResultStatus.MALFORMED, "Unknown field."),
    ],
)
def test_a_call_that_does_not_pass_has_its_result(
    name: str, arguments: str, status: ResultStatus, says: str
) -> None:
    """The refusal names the call, and what would do instead."""
    judged = judge_with(all_tools())(call(name, arguments, ident="c1"))
    assert judged.prepared is None
    assert judged.refusal is not None
    assert (judged.refusal.call_id, judged.refusal.name) == ("c1", name)
    assert judged.refusal.status is status
    assert says in judged.refusal.text


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ('{"operation": "list", "args": {"path": "."}}', None),
        ('{"operation": "list", "args": "path"}', ResultStatus.MALFORMED),
        ('{"operation": "list", "args": []}', ResultStatus.MALFORMED),
        ('{"operation": "list", "path": "a", "args": {"path": "b"}}', ResultStatus.MALFORMED),
    ],
)
def test_wrapped_arguments(arguments: str, status: ResultStatus | None, tmp_path: Path) -> None:
    """What some models wrap into `args` is lifted out before the tool sees it."""
    tools: dict[str, Tool] = {"files": FilesTool(workspace=tmp_path)}
    judged = judge_with(tools)(call("files", arguments, ident="c1"))
    assert (judged.refusal.status if judged.refusal else None) is status
    if judged.prepared:
        assert "args" not in judged.prepared.arguments
        assert judged.prepared.arguments["path"] == "."


def test_judging_runs_nothing() -> None:
    """The gate is pure: however often a call is judged, no tool runs."""
    tool = ScriptedTool(name="once", effect=EffectClass.ONCE)
    judge = judge_with({"once": tool})
    assert judge(call("once", ident="c1")) == judge(call("once", ident="c1"))
    assert tool.ran == []


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ('{"n": "Bearer hf_' + "a" * 34 + '"}', "n"),
        ('{"n": ["curl", "-H", "sk-proj-' + "b" * 30 + '"]}', "n"),
        ('{"n": "correct-horse-battery"}', "n"),
        (r'{"n": {"deep": "correct-\u0068orse-battery"}}', "n.deep"),
    ],
)
def test_no_call_holds_a_secret_as_such(arguments: str, place: str) -> None:
    """It would stand on a card and at a provider; the refusal says where, and not what."""
    tools = all_tools()
    judge = judge_with(tools, holds=holds_one_of(frozenset({"correct-horse-battery"})))
    for name in tools:
        judged = judge(call(name, arguments, ident="c1"))
        assert judged.refusal is not None
        assert judged.refusal.status is ResultStatus.MALFORMED
        assert judged.refusal.text.startswith(f"A secret stands in {place};")
