"""Responses in one JSON body, their usage, and any reply in whatever pieces."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.messages import Text, ToolCall, Usage
from agent.providers.base import (
    ArgumentsReceived,
    ReasoningReceived,
    Stop,
    StreamCompleted,
    StreamOpened,
    ToolCallOpened,
    UsageReported,
)
from agent.providers.decoding import InBandError, Incomplete, Malformed
from agent.providers.openai_responses.items import usage_of
from tests.agent.providers.responses_events import (
    ASKED,
    FULL,
    USED,
    decode,
    decoder,
    message,
    of,
    parts_in,
    sent,
    shown_in,
    whole,
)
from tests.wire.responses import (
    CallTool,
    Reply,
    Say,
    Think,
    response_of,
)


def test_a_whole_body_gives_the_same_parts() -> None:
    """One JSON body and a stream of the same reply say the same."""
    events, streamed = whole(response_of(FULL, ASKED)), decode(sent(FULL))
    assert parts_in(events) == parts_in(streamed)
    assert shown_in(events) == shown_in(streamed)
    assert events[-1] == streamed[-1]
    assert [e for e in events if isinstance(e, UsageReported)] == [
        e for e in streamed if isinstance(e, UsageReported)
    ]
    assert isinstance(events[0], StreamOpened)
    assert any(isinstance(event, ReasoningReceived) for event in events)


def test_a_whole_body_that_is_cut_or_failed() -> None:
    """The status is the marker of a body that came whole."""
    cut = Reply(items=(Say(deltas=("Hel",)),), reason="max_output_tokens")
    assert whole(response_of(cut, ASKED))[-1] == StreamCompleted(stop=Stop.LENGTH)
    error = {"code": "server_error", "message": "boom"}
    with pytest.raises(InBandError) as caught:
        whole(response_of(Reply(error=error), ASKED))
    assert caught.value.body == {"error": error}


@pytest.mark.parametrize("status", ["queued", "in_progress", "cancelled", "", None])
def test_a_whole_body_without_an_end(status: str | None) -> None:
    """A response that is not finished is no answer."""
    with pytest.raises(Incomplete):
        whole({"object": "response", "status": status, "output": [message("x")]})


@pytest.mark.parametrize("body", [b"", b"[1]", b"{cut"])
def test_a_whole_body_that_is_none(body: bytes) -> None:
    """What is no JSON object is malformed; an error with status 200 is an error."""
    with pytest.raises(Malformed):
        decoder().whole(body)
    with pytest.raises(InBandError):
        whole({"error": {"message": "bad"}})


USAGES: list[tuple[str, Any, Usage | None]] = [
    (
        "all of it",
        {
            "input_tokens": 100,
            "input_tokens_details": {
                "cached_tokens": 60,
                "cache_write_tokens": 30,
                "cache_write_tokens_details": {"ttl_12h_tokens": 10, "ttl_30m_tokens": 20},
            },
            "output_tokens": 40,
            "output_tokens_details": {"reasoning_tokens": 30},
            "total_tokens": 140,
        },
        Usage(
            input=100,
            output=40,
            cached_input=60,
            cache_write=20,
            cache_write_long=10,
            reasoning=30,
        ),
    ),
    ("only the sums", USED, Usage(input=5, output=2)),
    (
        "parts above their whole",
        {
            "input_tokens": 5,
            "output_tokens": 3,
            "input_tokens_details": {"cached_tokens": 9, "cache_write_tokens": 9},
            "output_tokens_details": {"reasoning_tokens": 9},
        },
        Usage(input=5, output=3, cached_input=5, reasoning=3),
    ),
    ("details null", USED | {"input_tokens_details": None}, Usage(input=5, output=2)),
    ("none", None, None),
    ("a number", 7, None),
    ("nothing inside", {}, None),
    ("null", {"input_tokens": None, "output_tokens": 1}, None),
    ("negative", {"input_tokens": -1, "output_tokens": 1}, None),
    ("a fraction", {"input_tokens": 1.5, "output_tokens": 1}, None),
    ("a truth", {"input_tokens": True, "output_tokens": 1}, None),
]


@pytest.mark.parametrize(("usage", "expected"), [u[1:] for u in USAGES], ids=[u[0] for u in USAGES])
def test_usage(usage: Any, expected: Usage | None) -> None:
    """Cached and reasoning tokens are inside; counts that can't be are not reported."""
    assert usage_of(usage) == expected


ITEMS = st.lists(
    st.one_of(
        st.builds(Say, deltas=st.lists(st.text(min_size=1, max_size=4), max_size=3).map(tuple)),
        st.builds(Think, summary=st.lists(st.text("ab ", max_size=4), max_size=2).map(tuple)),
        st.builds(
            CallTool,
            name=st.just("files"),
            arguments=st.text(max_size=6),
            id=st.sampled_from(["a", "b"]),
            piece=st.integers(1, 3),
        ),
    ),
    max_size=5,
)


@given(ITEMS, st.booleans(), st.sampled_from(["", "max_output_tokens", "content_filter"]))
def test_any_reply_is_read_alike(items: list[Any], output: bool, reason: str) -> None:
    """Whole, byte by byte, with or without repetition, as one body: the same reply."""
    reply = Reply(items=tuple(items), output=output, reason=reason)
    events = decode(sent(reply))
    assert events == decode(sent(reply), 1)
    body = whole(response_of(reply, ASKED))
    assert (parts_in(events), events[-1]) == (parts_in(body), body[-1])
    said = "".join(part.text for part in parts_in(events) if isinstance(part, Text))
    assert shown_in(events) == said == shown_in(body)
    calls = [part for part in parts_in(events) if isinstance(part, ToolCall)]
    assert len([e for e in events if isinstance(e, ToolCallOpened)]) == len(calls)
    for ordinal, part in enumerate(calls):
        pieces = [e for e in events if isinstance(e, ArgumentsReceived) and e.ordinal == ordinal]
        assert "".join(e.text for e in pieces) == part.arguments


FIELDS = (
    *("type", "response", "output", "item", "output_index", "item_id", "delta", "id", "name"),
    *("arguments", "content", "text", "status", "usage", "error", "model", "encrypted_content"),
)
TYPES = (
    *("response.created", "response.completed", "response.incomplete", "response.failed", "error"),
    *("response.output_item.added", "response.output_item.done", "response.output_text.delta"),
    *("response.function_call_arguments.delta", "message", "function_call", "reasoning"),
    "codex.rate_limits",
)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63)
        | st.sampled_from(TYPES)
        | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5)
        ),
        max_leaves=16,
    ),
    st.sampled_from(TYPES),
)
def test_no_event_upsets_the_decoder(value: Any, kind: str) -> None:
    """Any JSON gives events or one of the three named errors."""
    with contextlib.suppress(Malformed, Incomplete, InBandError):
        of(
            {"item": value, "response": value}
            | (value if isinstance(value, dict) else {})
            | {"type": kind}
        )
    with contextlib.suppress(Malformed, Incomplete, InBandError):
        whole(value)
