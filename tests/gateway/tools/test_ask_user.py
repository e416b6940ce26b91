"""The `ask_user` tool: a question is a call that people answer and nobody runs."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import NotStarted
from agent.tools.base import Asking, CallContext, EffectClass, Malformed, PreparedCall, Verdict
from gateway.tools.ask_user import AskUserTool


def prepared(**arguments: Any) -> PreparedCall:
    call = AskUserTool().prepare(arguments)
    assert isinstance(call, PreparedCall), call
    return call


def test_a_question() -> None:
    """It is local, allowed, and carries what people are asked."""
    call = prepared(question=" Which\none? ", options=["The  red one", "The blue one"])
    assert (call.effect, call.default, call.tags) == (
        EffectClass.LOCAL,
        Verdict.ALLOW,
        frozenset(),
    )
    assert call.asking == Asking(
        question="Which\none?", options=("The red one", "The blue one"), free_text=True
    )
    assert call.label == "ask_user: Which one?"
    assert AskUserTool().prepare(call.arguments) == call


def test_an_open_question() -> None:
    """Without options people answer in their own words."""
    assert prepared(question="Why?").asking == Asking(question="Why?", options=(), free_text=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "'question' is missing"),
        ({"question": " "}, "'question' is empty"),
        ({"question": "x" * 1_001}, "at most 1000"),
        ({"question": "x", "options": list("abcdefghi")}, "at most 8"),
        ({"question": "x", "options": ["a", " "]}, "is empty"),
        ({"question": "x", "options": ["Yes", "yes "]}, "are the same"),
        ({"question": "x", "options": ["y" * 76]}, "at most 75"),
        ({"question": "x", "options": "yes, no"}, "a list"),
        ({"question": "x", "free_text": False}, "two 'options' at least"),
        ({"question": "x", "options": ["a"], "free_text": False}, "two 'options' at least"),
        ({"question": "x", "to": "ann"}, "Unknown field 'to'"),
    ],
)
def test_calls_that_do_not_fit(arguments: dict[str, Any], words: str) -> None:
    """Each answer says what would."""
    refused = AskUserTool().prepare(arguments)
    assert isinstance(refused, Malformed)
    assert words in refused.text


async def test_it_never_runs() -> None:
    """Whoever tries is told that nothing was begun."""
    with pytest.raises(NotStarted):
        await AskUserTool().run(prepared(question="x"), CallContext(call_id="c1", session="s1"))


ANY = st.none() | st.booleans() | st.text(max_size=6) | st.lists(st.text(max_size=4), max_size=9)


@given(arguments=st.dictionaries(st.sampled_from(("question", "options", "free_text", "x")), ANY))
def test_preparing_is_total_and_settles(arguments: dict[str, Any]) -> None:
    """Any arguments give a call or a sentence, and a call's own arguments give that call."""
    call = AskUserTool().prepare(arguments)
    if isinstance(call, PreparedCall):
        assert AskUserTool().prepare(call.arguments) == call
        assert call.asking is not None
    else:
        assert isinstance(call, Malformed)
