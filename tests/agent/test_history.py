"""What a model gets to see of the past."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.history import LEFT_OUT, repair, seen_by, size
from agent.messages import (
    AssistantMessage,
    Message,
    Note,
    PartialReply,
    ProviderPart,
    ResultStatus,
    ToolResult,
)
from tests.agent.scripted import ORIGIN, assistant, call, user


def result(ident: str, text: str = "ok") -> ToolResult:
    return ToolResult(call_id=ident, name="pure", status=ResultStatus.DONE, text=text)


IDS = st.sampled_from(["c1", "c2", "c3", "c4"])
MESSAGES = st.lists(
    st.one_of(
        st.text(max_size=40).map(user),
        st.text(max_size=40).map(lambda text: Note(text=text)),
        st.text(max_size=40).map(lambda text: PartialReply(text=text)),
        st.text(max_size=40).map(assistant),
        st.lists(IDS, min_size=1, max_size=3, unique=True).map(
            lambda ids: assistant("Look.", *(call(ident=ident) for ident in ids))
        ),
        IDS.map(result),
    ),
    max_size=20,
).map(tuple)


@given(messages=MESSAGES)
def test_repaired_every_call_is_followed_by_its_result(messages: tuple[Message, ...]) -> None:
    """Right after a message with calls stand their results, in its order, and nowhere else."""
    repaired = repair(messages)
    rest = iter(repaired)
    for message in rest:
        assert not isinstance(message, ToolResult)
        if isinstance(message, AssistantMessage):
            answers = [next(rest) for _ in message.calls]
            assert [a.call_id for a in answers if isinstance(a, ToolResult)] == [
                asked.id for asked in message.calls
            ]


@given(messages=MESSAGES)
def test_repair_keeps_everything_else_and_is_done_once(messages: tuple[Message, ...]) -> None:
    """No other message is lost or moved, and what is repaired stays as it is."""
    repaired = repair(messages)
    others = [m for m in messages if not isinstance(m, ToolResult)]
    assert [m for m in repaired if not isinstance(m, ToolResult)] == others
    assert repair(repaired) == repaired


def test_repair_says_what_was_never_run() -> None:
    """A call without a result gets one that says so; a result without a call goes."""
    asked = assistant(call(ident="c1"), call(ident="c2"))
    repaired = repair((user(), result("c9"), asked, user("next"), result("c2", "late")))
    missing = ToolResult(
        call_id="c1", name="pure", status=ResultStatus.NOT_RUN, text="This was not run."
    )
    assert repaired == (user(), asked, missing, result("c2", "late"), user("next"))


def test_results_stand_in_call_order_whatever_ended_first() -> None:
    """Tools end in any order; the model reads them in its own."""
    asked = assistant(call(ident="c1"), call(ident="c2"))
    assert repair((user(), asked, result("c2"), result("c1"))) == (
        user(),
        asked,
        result("c1"),
        result("c2"),
    )


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (user("abc"), 3),
        (user("äö€"), 7),
        (Note(text="ab"), 2),
        (PartialReply(text="ab"), 2),
        (result("c1", "okay"), 4),
        (assistant("ab", call("pure", '{"n": 1}')), 2 + 4 + 8),
        (assistant(ProviderPart(origin=ORIGIN, shape="s", payload=b"12345")), 5),
    ],
)
def test_size_counts_what_is_sent(message: Message, expected: int) -> None:
    """A message weighs the bytes of its words, calls and opaque parts."""
    assert size(message) == expected


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ('{"n": 1}', '{"n": 1}'),
        ("", "{}"),
        ("{", "{}"),
        ("[1]", "{}"),
        ("null", "{}"),
        ('{"a": NaN}', "{}"),
        ('```json\n{"n": 1}\n```', '{"n": 1}'),
        (r'"{\"n\": 1}"', '{"n": 1}'),
        ('```\n{"n": ' + "9" * 40 + "}\n```", '{"n": ' + "9" * 40 + "}"),
    ],
)
def test_arguments_that_are_no_object_are_sent_as_an_empty_one(written: str, sent: str) -> None:
    """Providers refuse a transcript with anything else; what was only wrapped is unwrapped."""
    thought = ProviderPart(origin=ORIGIN, shape="thinking", payload=b"signed")
    message = assistant(thought, "Look.", call(arguments=written, ident="c1"))
    (reply, *_) = repair((message, result("c1")))
    assert isinstance(reply, AssistantMessage)
    assert reply.calls[0].arguments == sent
    assert (thought in reply.parts) == (written == sent)
    assert repair(repair((message,))) == repair((message,))


def test_a_call_that_may_have_run_says_so() -> None:
    """Only for one that certainly did not begin the model is told that it did not run."""
    messages = (assistant(call(ident="c1"), call(ident="c2")),)
    _, first, second = repair(messages, frozenset({"c2"}))
    assert isinstance(first, ToolResult)
    assert isinstance(second, ToolResult)
    assert (first.status, second.status) == (ResultStatus.NOT_RUN, ResultStatus.UNKNOWN)
    assert "may have run" in second.text


def test_a_refused_turn_is_one_line_to_who_refused_it() -> None:
    """From the words of the person to those of the next; everybody else sees everything."""
    other = replace(ORIGIN, provider="other")
    asked, step = user("odd"), replace(assistant(call(ident="c1")), refused=(ORIGIN,))
    told = replace(assistant("Here."), refused=(ORIGIN,))
    past = (user("first"), assistant("Yes."), asked, step, result("c1", "ok"), told, user("next"))
    assert seen_by(past, ORIGIN) == (*past[:2], Note(text=LEFT_OUT), past[-1])
    assert seen_by(past, other) == past
