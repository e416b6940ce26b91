"""Bodies of a response's events, and what the decoder makes of them."""

from collections.abc import Sequence
from typing import Any

import orjson

from agent.messages import Origin, Part, ToolCall
from agent.providers.base import (
    PartCompleted,
    StreamEvent,
    TextReceived,
)
from agent.providers.openai_responses.reply import ReplyDecoder
from agent.providers.sse import ServerEvent, SseDecoder
from tests.wire.responses import (
    CallTool,
    Reply,
    Say,
    Think,
    stream_of,
)

HERE = Origin(provider="main", endpoint="http://h/v1", model="loopback-1")
ASKED = {"model": "loopback-1", "include": ["reasoning.encrypted_content"], "stream": True}
STEP = 512 * 1024
LIST = '{"operation": "list"}'
Json = dict[str, Any]


def decoder(arguments_bytes: int = STEP) -> ReplyDecoder:
    return ReplyDecoder(origin=HERE, arguments_bytes=arguments_bytes)


def decode(stream: bytes, size: int = 0) -> list[StreamEvent]:
    """The events of a stream, fed in pieces of `size` bytes (0: whole)."""
    sse, reply = SseDecoder(), decoder()
    events: list[StreamEvent] = []
    size = size or max(len(stream), 1)
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    for item in [item for piece in pieces for item in sse.feed(piece)] + sse.finish():
        if isinstance(item, ServerEvent):
            events += reply.line(item.data, item.name)
    return events + reply.finish()


def sent(reply: Reply) -> bytes:
    """The bytes of a well-formed reply."""
    return b"".join(step for step in stream_of(reply, ASKED) if isinstance(step, bytes))


def of(*bodies: Json) -> list[StreamEvent]:
    """The events of a reply of these bodies."""
    reply = decoder()
    events = [event for body in bodies for event in reply.event(body)]
    return events + reply.finish()


def parts_in(events: Sequence[StreamEvent]) -> list[Part]:
    return [event.part for event in events if isinstance(event, PartCompleted)]


def shown_in(events: Sequence[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextReceived))


def text(delta: str, index: int = 0) -> Json:
    return {"type": "response.output_text.delta", "output_index": index, "delta": delta}


def message(words: str, **more: Any) -> Json:
    content = [{"type": "output_text", "text": words, "annotations": []}]
    return {"type": "message", "id": "msg_1", "role": "assistant", "content": content} | more


def function(arguments: Any = LIST, call_id: str = "call_1", **more: Any) -> Json:
    return {
        "type": "function_call",
        "id": f"fc_{call_id}",
        "call_id": call_id,
        "name": "files",
        "arguments": arguments,
    } | more


def reasoning(content: str | None = "gAAAA", **more: Any) -> Json:
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": content}
    return item | more


def added(item: Json, index: int = 0) -> Json:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(item: Any, index: int = 0) -> Json:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def argued(delta: str, index: int = 0) -> Json:
    kind = "response.function_call_arguments.delta"
    return {"type": kind, "output_index": index, "delta": delta}


def ended(output: Any = None, kind: str = "completed", **more: Any) -> Json:
    return {"type": f"response.{kind}", "response": {"output": output, "model": "m"} | more}


def cut_by(reason: Any, output: Any = None) -> Json:
    return ended(output, "incomplete", incomplete_details={"reason": reason})


USED = {"input_tokens": 5, "output_tokens": 2}
CALL = ToolCall(id="", name="files", arguments=LIST, provider_id="call_1")
FULL = Reply(
    items=(
        Think(summary=("I look.", "Then I say it.")),
        Say(deltas=("Grüße ", "🎉")),
        Think(),
        CallTool(name="files", arguments='{"ä": "ö"}', id="call_a", piece=3),
        CallTool(name="files", arguments="{}", id="call_b"),
    )
)


def whole(body: Any) -> list[StreamEvent]:
    reply = decoder()
    return reply.whole(orjson.dumps(body)) + reply.finish()
