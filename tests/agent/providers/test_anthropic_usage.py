"""Tokens of a reply, from counts that come in pieces."""

from typing import Any

import pytest

from agent.messages import Usage
from agent.providers.base import UsageReported
from tests.agent.providers.anthropic_streams import TEXT, decode
from tests.wire.anthropic.script import STOP, event, message_delta, message_start, text_delta


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (
            {"input_tokens": 3, "output_tokens": 1},
            {"output_tokens": 9},
            [Usage(input=3, output=1), Usage(input=3, output=9)],
        ),
        (
            {
                "input_tokens": 3,
                "cache_read_input_tokens": 100,
                "cache_creation_input_tokens": 50,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 20,
                    "ephemeral_1h_input_tokens": 30,
                },
                "output_tokens": 1,
            },
            {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}},
            [
                Usage(input=153, output=1, cached_input=100, cache_write=20, cache_write_long=30),
                Usage(
                    input=153,
                    output=9,
                    cached_input=100,
                    cache_write=20,
                    cache_write_long=30,
                    reasoning=4,
                ),
            ],
        ),
        (
            {"input_tokens": 3, "cache_creation_input_tokens": 7, "output_tokens": 1},
            {"output_tokens": 2},
            [
                Usage(input=10, output=1, cache_write=7),
                Usage(input=10, output=2, cache_write=7),
            ],
        ),
        (
            {"input_tokens": 0, "output_tokens": 0},
            {"input_tokens": 40, "output_tokens": 2},
            [Usage(input=40, output=2)],
        ),
        (
            {"input_tokens": 40, "output_tokens": 1},
            {"input_tokens": 0, "output_tokens": 2},
            [Usage(input=40, output=1), Usage(input=40, output=2)],
        ),
        (
            {"input_tokens": 40, "output_tokens": 0},
            {"input_tokens": 2, "cache_read_input_tokens": 38, "output_tokens": 2},
            [Usage(input=40, output=0), Usage(input=40, output=2, cached_input=38)],
        ),
        ({"input_tokens": -1}, {"output_tokens": True}, []),
        ({"input_tokens": 1.5}, {}, []),
    ],
    ids=[
        "plain",
        "caches and thinking",
        "a write without its split",
        "input in message_delta alone",
        "zero input in message_delta",
        "an estimate, then the split",
        "absurd",
        "none",
    ],
)
def test_usage(start: dict[str, Any], end: dict[str, Any], expected: list[Usage]) -> None:
    """Cache parts are added to the input, counts are cumulative, and absurd ones are left out."""
    stream = message_start(usage=start) + TEXT + text_delta("x")
    final = event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": end})
    events = decode(stream, final, STOP)
    assert [e.usage for e in events if isinstance(e, UsageReported)] == expected


def test_usage_alone_between_words_is_heard() -> None:
    """A `message_delta` may come before the end, without a reason and even without a delta."""
    usage = event({"type": "message_delta", "usage": {"output_tokens": 2}})
    events = decode(message_start(), usage, TEXT, text_delta("x"), message_delta("end_turn"), STOP)
    assert [e.usage.output for e in events if isinstance(e, UsageReported)] == [1, 2, 5]
