"""Streams of the Messages API, decoded."""

from typing import Any

from agent.messages import Origin
from agent.providers.anthropic_messages.reply import ReplyDecoder
from agent.providers.base import StreamEvent
from agent.providers.sse import ServerEvent, SseDecoder
from tests.wire.anthropic.script import block_start

HERE = Origin(provider="main", endpoint="http://h", model="claude-loopback")
STEP = 512 * 1024
TEXT = block_start(0, {"type": "text", "text": ""})


def decoder(**kwargs: Any) -> ReplyDecoder:
    return ReplyDecoder(**({"origin": HERE, "arguments_bytes": STEP} | kwargs))


def decode(*events: bytes, size: int = 0, **kwargs: Any) -> list[StreamEvent]:
    """The events of a stream, fed in pieces of `size` bytes (0: whole)."""
    stream = b"".join(events)
    sse, reply = SseDecoder(), decoder(**kwargs)
    size = size or max(len(stream), 1)
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    found: list[StreamEvent] = []
    for item in [item for piece in pieces for item in sse.feed(piece)] + sse.finish():
        if isinstance(item, ServerEvent):
            found += reply.line(item.data, item.name)
    return found + reply.finish()
