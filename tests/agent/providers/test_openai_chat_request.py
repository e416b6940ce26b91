"""The transcript as request bytes: rules of the API, stable bytes, no work on the past."""

import itertools
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.history import repair
from agent.messages import (
    AssistantMessage,
    Message,
    Note,
    Origin,
    PartialReply,
    ProviderPart,
    Summary,
    UserMessage,
)
from agent.providers.base import Adjustments
from agent.providers.openai_chat.form import ChatForm
from agent.providers.openai_chat.request import RequestEncoder
from tests.agent.providers.chat_transcripts import (
    FILES,
    HERE,
    PNG,
    THERE,
    call,
    encoder,
    rendered,
    request,
    result,
    said,
    shown,
    user,
)
from tests.wire.openai.rules import refusal_of


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


def test_broken_arguments_go_back_empty() -> None:
    """Servers that parse arguments get something they can parse."""
    body = rendered(user("a"), said("", call("c1", arguments="{cut")), result("c1"))
    assert body[1]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_what_json_cannot_hold_is_refused() -> None:
    """A lone surrogate is our fault and never sent."""
    with pytest.raises(TypeError):
        encoder().encode(request(user("\ud800")))


TEXT = st.text(max_size=5)
MEDIA = st.sampled_from([(), (), (PNG,)])
MESSAGES = st.lists(
    st.one_of(
        st.builds(user, TEXT, st.sampled_from(["", "Ann"])),
        st.builds(UserMessage, text=TEXT, media=MEDIA),
        st.builds(Note, text=TEXT),
        st.builds(Summary, text=TEXT),
        st.builds(PartialReply, text=TEXT),
        st.tuples(TEXT, st.integers(0, 3), st.sampled_from([HERE, THERE]), st.booleans(), MEDIA),
    ),
    max_size=12,
)


def transcript(drawn: list[Any]) -> tuple[Message, ...]:
    """A valid transcript: calls get distinct ids and are all answered."""
    messages: list[Message] = []
    for place, item in enumerate(drawn):
        if isinstance(item, tuple):
            text, count, origin, named, media = item
            calls = [call(f"c{place}_{n}", f"p{place}_{n}" * named) for n in range(count)]
            own = ProviderPart(origin=origin, shape="reasoning_content", payload=b"hm")
            reply = said(text, *calls, origin=origin)
            messages.append(replace(reply, parts=(own, *reply.parts)) if named else reply)
            messages += [shown(each.id, *media) for each in calls]
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


FORMS = st.builds(
    ChatForm,
    reasoning_replay=st.sampled_from(["never", "in_turn", "always"]),
    filler=st.booleans(),
    nine=st.booleans(),
)


@settings(max_examples=50)
@given(MESSAGES, st.lists(st.integers(0, 40), max_size=6), FORMS)
def test_the_kept_past_changes_no_byte(drawn: list[Any], ends: list[int], form: ChatForm) -> None:
    """Growing, shrinking and equal transcripts give the bytes a fresh encoder gives."""
    messages = transcript(drawn)
    kept = RequestEncoder(origin=HERE, form=form)
    for place, end in enumerate((*ends, len(messages))):
        adjust = Adjustments(tool_media=place % 3 != 1, replay=place % 4 != 2)
        part = request(*repair(messages[:end]), session="s", adjustments=adjust)
        assert kept.encode(part) == RequestEncoder(origin=HERE, form=form).encode(part)


@settings(max_examples=50)
@given(MESSAGES, st.integers(0, 40))
def test_the_prefix_is_stable(drawn: list[Any], end: int) -> None:
    """What is said later changes no byte before it, save the group it joins."""
    messages = transcript(drawn)
    coder = encoder(reasoning_replay="always", filler=True)
    before = orjson.loads(coder.encode(request(*repair(messages[:end]), session="s")))["messages"]
    after = orjson.loads(coder.encode(request(*messages, session="s")))["messages"]
    if repair(messages[:end]) == messages[:end]:
        assert after[: max(len(before) - 1, 0)] == before[:-1]


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
