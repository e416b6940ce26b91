"""Any transcript at all as input items: accepted by the service, equal in its bytes."""

import itertools
from typing import Any

import orjson
from hypothesis import example, given
from hypothesis import strategies as st
from openai.types.responses.response_input_item_param import ResponseInputItemParam
from pydantic import ConfigDict, TypeAdapter

from agent.history import repair
from agent.messages import (
    AssistantMessage,
    Message,
    Note,
    Origin,
    Part,
    PartialReply,
    Summary,
    Text,
)
from agent.providers.base import AS_IT_IS, EFFORTS, Adjustments
from tests.agent.providers.test_responses_request import (
    CALLED,
    FILES,
    HERE,
    PDF,
    PNG,
    THERE,
    body_of,
    call,
    encoder,
    phase,
    request,
    result,
    thought,
    user,
)
from tests.wire.responses.rules import refusal_of

TEXT = st.text(max_size=5)
MEDIA = st.lists(st.sampled_from([PNG, PDF]), max_size=2).map(tuple)
PIECES = st.lists(st.sampled_from(["words", "blank", "call", "think", "phase"]), max_size=6)
MESSAGES = st.lists(
    st.one_of(
        st.builds(user, TEXT, st.sampled_from(["", "Ann"])),
        st.builds(lambda text, media: user(text, "", *media), TEXT, MEDIA),
        st.builds(Note, text=TEXT),
        st.builds(Summary, text=TEXT),
        st.builds(PartialReply, text=TEXT),
        st.tuples(PIECES, st.sampled_from([HERE, THERE]), st.sampled_from(["", "p", "p{at}_"])),
    ),
    max_size=12,
)
ADJUSTMENTS = st.builds(
    Adjustments,
    effort=st.sampled_from([None, *EFFORTS]),
    thinking=st.booleans(),
    replay=st.booleans(),
    stream=st.booleans(),
    plain=st.booleans(),
    keywords=st.booleans(),
    media=st.booleans(),
    tool_media=st.booleans(),
)


def reply_of(pieces: list[str], origin: Origin, name: str, at: int) -> AssistantMessage:
    """A reply as a decoder would give it: reasoning knows what it led to."""
    leads = {"words": "message", "blank": "nothing", "call": CALLED, "think": "reasoning"}
    parts: list[Part] = []
    for place, piece in enumerate(pieces):
        following = next((p for p in pieces[place + 1 :] if p != "phase"), "blank")
        match piece:
            case "words":
                parts.append(Text(text=f"words {place}"))
            case "blank":
                parts.append(Text(text=" "))
            case "call":
                their_id = name.format(at=at) + str(place) if name else ""
                parts.append(call(f"c{at}_{place}", their_id))
            case "think":
                parts.append(thought(leads[following], f"rs_{at}_{place}", origin))
            case _:
                parts.append(phase("commentary", origin))
    return AssistantMessage(parts=tuple(parts), origin=origin)


def transcript(drawn: list[Any]) -> tuple[Message, ...]:
    """A valid transcript: every call is answered, some with pictures."""
    messages: list[Message] = [user("start")]
    for at, item in enumerate(drawn):
        if not isinstance(item, tuple):
            messages.append(item)
            continue
        reply = reply_of(*item, at)
        messages.append(reply)
        messages += [result(c.id, "", *([PNG] if n % 2 else [])) for n, c in enumerate(reply.calls)]
    return repair(tuple(messages))


@given(MESSAGES, ADJUSTMENTS)
@example([(["phase"], HERE, ""), Note(text="a phase alone says nothing")], Adjustments(replay=True))
def test_any_transcript_is_accepted(drawn: list[Any], adjustments: Adjustments) -> None:
    """Whatever was said and whoever said it, the request breaks no rule of the real service."""
    asked = request(*transcript(drawn), tools=(FILES,), adjustments=adjustments)
    body = body_of(asked)
    assert refusal_of(body, models=("loopback-1",), context_window=100_000) is None
    items = body["input"]
    roles = [item.get("role") or item["type"] for item in items]
    assert all(a != b or a != "user" for a, b in itertools.pairwise(roles))
    assert all(item.get("content") != "" for item in items)
    names = [item["call_id"] for item in items if item.get("type") == "function_call"]
    assert len(set(names)) == len(names)


@given(MESSAGES)
def test_the_codex_backend_accepts_any_transcript(drawn: list[Any]) -> None:
    """Its own rules are kept with what its address tells of it."""
    asked = request(*transcript(drawn), system="Be kind.", max_output_tokens=99, tools=(FILES,))
    body = body_of(asked, omit=frozenset({"max_output_tokens"}), stream_only=True)
    assert refusal_of(body, models=("loopback-1",), context_window=100_000, codex=True) is None


@given(MESSAGES, st.lists(st.integers(0, 60), max_size=6), ADJUSTMENTS)
def test_the_kept_past_changes_no_byte(
    drawn: list[Any], ends: list[int], adjustments: Adjustments
) -> None:
    """Growing, shrinking and adjusted transcripts give the bytes a fresh encoder gives."""
    messages = transcript(drawn)
    kept = encoder()
    for end in range(1, len(messages) + 1):
        part = request(*messages[:end], session="s")
        assert kept.encode(part) == encoder().encode(part)
    for at, end in enumerate((*ends, len(messages))):
        how = adjustments if at % 2 else AS_IT_IS
        part = request(*repair(messages[:end]), session="s", adjustments=how)
        assert kept.encode(part) == encoder().encode(part)


@given(MESSAGES)
def test_a_longer_transcript_begins_with_the_bytes_of_the_shorter(drawn: list[Any]) -> None:
    """Up to the message that may still grow, nothing sent before is ever sent otherwise."""
    messages = transcript(drawn)
    coder = encoder()
    bodies = [
        coder.encode(request(*messages[:end], system="Be kind.", tools=(FILES,), session="s"))
        for end in range(1, len(messages) + 1)
        if repair(messages[:end]) == messages[:end]
    ]
    for shorter, longer in itertools.pairwise(bodies):
        before, after = (orjson.loads(body)["input"] for body in (shorter, longer))
        settled = orjson.dumps(before[:-1])[1:-1]
        assert orjson.dumps(after).startswith(b"[" + settled)
        head = shorter.index(b'"input":[')
        assert longer[:head] == shorter[:head]


@given(MESSAGES)
def test_the_vendor_knows_every_item(drawn: list[Any]) -> None:
    """Each item is one of those the vendor's own SDK describes."""
    for item in body_of(request(*transcript(drawn)))["input"]:
        ITEM.validate_python(item)


ITEM: TypeAdapter[Any] = TypeAdapter(
    ResponseInputItemParam, config=ConfigDict(extra="forbid", arbitrary_types_allowed=True)
)
