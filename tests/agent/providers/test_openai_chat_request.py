"""The transcript as request bytes: rules of the API, stable bytes, no work on the past."""

import itertools
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.history import repair
from agent.messages import (
    AssistantMessage,
    Message,
    Note,
    Origin,
    Part,
    PartialReply,
    ProviderPart,
    ResultStatus,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from agent.providers.base import ModelRequest, ToolSpec
from agent.providers.openai_chat.request import RequestEncoder, replayed_arguments
from tests.wire.openai.rules import refusal_of

HERE = Origin(provider="main", endpoint="http://h/v1", model="loopback-1")
THERE = Origin(provider="other", endpoint="http://o/v1", model="m")
FILES = ToolSpec(name="files", description="Files.", parameters={"type": "object"})


def encoder(**kwargs: Any) -> RequestEncoder:
    options: dict[str, Any] = {"origin": HERE, "cap_field": "max_tokens", "cache_key": False}
    return RequestEncoder(**(options | kwargs))


def request(*messages: Message, **kwargs: Any) -> ModelRequest:
    options: dict[str, Any] = {"system": "", "tools": (), "max_output_tokens": None} | kwargs
    return ModelRequest(messages=messages, **options)


def rendered(*messages: Message) -> Any:
    return orjson.loads(encoder().encode(request(*messages)))["messages"]


def said(text: str, *calls: ToolCall, origin: Origin = HERE) -> AssistantMessage:
    parts: Sequence[Part] = ([Text(text=text)] if text else []) + list(calls)
    return AssistantMessage(parts=tuple(parts), origin=origin)


def call(own_id: str, provider_id: str = "", arguments: str = "{}") -> ToolCall:
    return ToolCall(id=own_id, name="files", arguments=arguments, provider_id=provider_id)


def result(call_id: str, text: str = "ok") -> ToolResult:
    return ToolResult(call_id=call_id, name="files", status=ResultStatus.DONE, text=text)


def user(text: str, author: str = "") -> UserMessage:
    return UserMessage(text=text, author=author)


def test_a_plain_request() -> None:
    """Model, messages, stream with usage; nothing that was not asked for."""
    body = orjson.loads(encoder().encode(request(user("hello"), system="Be kind.")))
    assert body == {
        "model": "loopback-1",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "hello"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_cap_tools_and_cache_key() -> None:
    """The cap has the endpoint's name, tools keep their order, the session is only hashed."""
    coder = encoder(cap_field="max_completion_tokens", cache_key=True)
    body = orjson.loads(
        coder.encode(request(user("x"), tools=(FILES,), max_output_tokens=9, session="telegram:42"))
    )
    assert body["max_completion_tokens"] == 9
    assert body["tools"][0]["function"]["name"] == "files"
    assert len(body["prompt_cache_key"]) == 32
    assert "telegram" not in body["prompt_cache_key"]


def test_neighbours_of_one_role_become_one_message() -> None:
    """Words of several people and notes join; speakers are named on one line."""
    assert rendered(user("a", "Ann\nB."), user("b"), Note(text="n"), said("c"), said("d")) == [
        {
            "role": "user",
            "content": "Ann B.: a\n\nb\n\n[Note from the gateway, not from a person: n]",
        },
        {"role": "assistant", "content": "c\n\nd"},
    ]


def test_empty_words_are_left_out() -> None:
    """Empty messages go, and what they kept apart comes together."""
    other_only = AssistantMessage(
        parts=(ProviderPart(origin=THERE, shape="s", payload=b"x"),), origin=THERE
    )
    assert rendered(user("a"), PartialReply(text=" "), other_only, user(""), user("b", "Ann")) == [
        {"role": "user", "content": "a\n\nAnn: b"}
    ]


def test_a_partial_reply_is_what_was_said() -> None:
    """What had been shown is an assistant message."""
    assert rendered(user("a"), PartialReply(text="half"), user("b"))[1] == {
        "role": "assistant",
        "content": "half",
    }


def test_calls_and_results() -> None:
    """Calls keep their order, results are not merged with anything, empty output has words."""
    assert rendered(
        user("a"), said("look", call("c1"), call("c2")), result("c1"), result("c2", ""), user("b")
    )[1:] == [
        {
            "role": "assistant",
            "content": "look",
            "tool_calls": [
                {"id": i, "type": "function", "function": {"name": "files", "arguments": "{}"}}
                for i in ("c1", "c2")
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "ok"},
        {"role": "tool", "tool_call_id": "c2", "content": "(no output)"},
        {"role": "user", "content": "b"},
    ]


@pytest.mark.parametrize(
    ("origin", "provider_ids", "expected"),
    [
        (HERE, ("p1", "p2"), ["p1", "p2"]),
        (THERE, ("p1", "p2"), ["c1", "c2"]),
        (HERE, ("p1", "p1"), ["c1", "c2"]),
        (HERE, ("p1", ""), ["c1", "c2"]),
    ],
    ids=["its own", "foreign", "not distinct", "missing"],
)
def test_provider_ids_return_to_their_origin_only(
    origin: Origin, provider_ids: tuple[str, str], expected: list[str]
) -> None:
    """A provider sees its own ids if they can be told apart, every other one sees ours."""
    calls = [call(f"c{n}", i) for n, i in enumerate(provider_ids, 1)]
    body = rendered(user("a"), said("", *calls, origin=origin), result("c1"), result("c2"))
    assert [c["id"] for c in body[1]["tool_calls"]] == expected
    assert [m["tool_call_id"] for m in body[2:]] == expected
    assert body[1]["content"] is None


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [('{"a": 1}', '{"a": 1}'), ("", "{}"), ("{cut", "{}"), ("[1]", "{}"), ("7", "{}")],
)
def test_arguments_that_are_no_object_go_back_empty(arguments: str, expected: str) -> None:
    """Servers that parse arguments get something they can parse."""
    assert replayed_arguments(arguments) == expected


def test_what_json_cannot_hold_is_refused() -> None:
    """A lone surrogate is our fault and never sent."""
    with pytest.raises(TypeError):
        encoder().encode(request(user("\ud800")))


TEXT = st.text(max_size=5)
MESSAGES = st.lists(
    st.one_of(
        st.builds(user, TEXT, st.sampled_from(["", "Ann"])),
        st.builds(Note, text=TEXT),
        st.builds(PartialReply, text=TEXT),
        st.tuples(TEXT, st.integers(0, 3), st.sampled_from([HERE, THERE]), st.booleans()),
    ),
    max_size=12,
)


def transcript(drawn: list[Any]) -> tuple[Message, ...]:
    """A valid transcript: calls get distinct ids and are all answered."""
    messages: list[Message] = []
    for place, item in enumerate(drawn):
        if isinstance(item, tuple):
            text, count, origin, named = item
            calls = [call(f"c{place}_{n}", f"p{place}_{n}" * named) for n in range(count)]
            messages.append(said(text, *calls, origin=origin))
        else:
            messages.append(item)
    return repair((user("start"), *messages))


@given(MESSAGES)
def test_any_transcript_is_accepted(drawn: list[Any]) -> None:
    """Whatever was said, the request breaks no rule of the real service."""
    body = orjson.loads(encoder().encode(request(*transcript(drawn), tools=(FILES,))))
    assert refusal_of(body, models=("loopback-1",), context_window=10_000) is None
    roles = [m["role"] for m in body["messages"] if m["role"] != "tool"]
    assert all(a != b or a == "assistant" for a, b in itertools.pairwise(roles))


@given(MESSAGES, st.lists(st.integers(0, 40), max_size=6))
def test_the_kept_past_changes_no_byte(drawn: list[Any], ends: list[int]) -> None:
    """Growing, shrinking and equal transcripts give the bytes a fresh encoder gives."""
    messages = transcript(drawn)
    kept = encoder()
    for end in (*ends, len(messages)):
        part = request(*repair(messages[:end]), session="s")
        assert kept.encode(part) == encoder().encode(part)


def test_a_changed_past_is_encoded_again() -> None:
    """A session whose past was undone or compacted is not answered from memory."""
    coder = encoder()
    coder.encode(request(user("a"), said("b"), user("c"), session="s"))
    changed = request(user("a"), said("B"), user("c"), session="s")
    assert coder.encode(changed) == encoder().encode(changed)


def test_sessions_do_not_mix() -> None:
    """Two sessions with one encoder give what two encoders give."""
    coder = encoder()
    for text in ("a", "b", "c"):
        for session in ("one", "two"):
            part = request(user(session), said(text), user(text), session=session)
            assert coder.encode(part) == encoder().encode(part)
