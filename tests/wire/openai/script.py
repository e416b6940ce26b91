"""What the model server answers next: replies in words and calls, or streams in bytes and time."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.wire.server import Answer

Json = Mapping[str, Any]
COMPLETION_ID = "chatcmpl-loopback"
CREATED = 1_760_000_000
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTool:
    """A tool call of a reply; its argument text is streamed in pieces of `piece` characters."""

    name: str
    arguments: str
    id: str = "call_loopback_1"
    piece: int = 8

    def pieces(self) -> Iterator[str]:
        for start in range(0, len(self.arguments), self.piece):
            yield self.arguments[start : start + self.piece]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A well-formed reply. An Event among the deltas holds the stream until it is set.

    `finish` and `usage` are the usual ones unless given; `usage` counts four bytes a token.
    """

    deltas: tuple[str | asyncio.Event, ...] = ()
    calls: tuple[CallTool, ...] = ()
    finish: str = ""
    usage: Json | None = None

    @property
    def text(self) -> str:
        return "".join(delta for delta in self.deltas if isinstance(delta, str))

    @property
    def finish_reason(self) -> str:
        return self.finish or ("tool_calls" if self.calls else "stop")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The connection is closed in the middle of the body, after all earlier bytes have left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """The connection is reset; bytes that have not left yet are lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Nothing more comes, and the connection stays open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pings:
    """Comment lines for ever, one every `every_s` seconds, and never content."""

    every_s: float = 0.005
    line: bytes = b": ping\n\n"


StreamStep = bytes | asyncio.Event | Cut | Reset | Silence | Pings


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A 200 answer in bytes and time; an end of the steps is a clean end of the body."""

    steps: tuple[StreamStep, ...]
    content_type: str = "text/event-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """The reply as one JSON body, even where a stream was asked for."""

    reply: Reply


Script = Reply | Stream | Whole | Answer


def data(value: Any) -> bytes:
    """One data line with JSON, as a server-sent event."""
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


def chunk(
    delta: Json | None = None,
    *,
    finish: str | None = None,
    usage: Json | None = None,
    index: int = 0,
    model: str = "loopback-1",
    **extra: Any,
) -> bytes:
    """One `chat.completion.chunk`; without delta and finish it has no choices."""
    choices: list[Json] = []
    if delta is not None or finish is not None:
        choices = [
            {"index": index, "delta": delta or {}, "logprobs": None, "finish_reason": finish}
        ]
    body: dict[str, Any] = {
        "id": COMPLETION_ID,
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": model,
        "choices": choices,
    }
    if usage is not None or not choices:
        body["usage"] = usage
    return data(body | extra)


def usage_of(reply: Reply, request: Json) -> Json:
    """The usage of a reply: given, or counted at four bytes a token."""
    if reply.usage is not None:
        return reply.usage
    prompt = tokens(request.get("messages", ())) + tokens(request.get("tools", ()))
    written = [reply.text, *(call.arguments for call in reply.calls)]
    completion = sum(-(-len(text.encode()) // 4) for text in written)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def tokens(value: Any) -> int:
    """A rough token count: four bytes of compact JSON each."""
    return -(-len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()) // 4)


def stream_of(reply: Reply, request: Json) -> tuple[StreamStep, ...]:
    """The steps of a reply in the order and shape of the real service."""
    model = str(request.get("model", "loopback-1"))
    opening: dict[str, Any] = {"role": "assistant", "refusal": None}
    opening["content"] = "" if reply.deltas or not reply.calls else None
    steps: list[StreamStep] = [chunk(opening, model=model)]
    for delta in reply.deltas:
        steps.append(chunk({"content": delta}, model=model) if isinstance(delta, str) else delta)
    for index, call in enumerate(reply.calls):
        steps.extend(chunk(part, model=model) for part in _call_deltas(index, call))
    steps.append(chunk({}, finish=reply.finish_reason, model=model))
    if (request.get("stream_options") or {}).get("include_usage"):
        steps.append(chunk(usage=usage_of(reply, request), model=model))
    return (*steps, DONE)


def _call_deltas(index: int, call: CallTool) -> Iterator[Json]:
    function: dict[str, Any] = {"name": call.name, "arguments": ""}
    head = {"index": index, "id": call.id, "type": "function", "function": function}
    yield {"tool_calls": [head]}
    for piece in call.pieces():
        yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def whole_of(reply: Reply, request: Json) -> Json:
    """The reply as a `chat.completion` object."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": reply.text or None,
        "refusal": None,
        "annotations": [],
    }
    if reply.calls:
        message["tool_calls"] = [_whole_call(call) for call in reply.calls]
    return {
        "id": COMPLETION_ID,
        "object": "chat.completion",
        "created": CREATED,
        "model": request.get("model", "loopback-1"),
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": None,
                "finish_reason": reply.finish_reason,
            }
        ],
        "usage": usage_of(reply, request),
    }


def _whole_call(call: CallTool) -> Json:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def holds(deltas: Sequence[str | asyncio.Event]) -> list[asyncio.Event]:
    """The events a reply waits for, in order."""
    return [delta for delta in deltas if isinstance(delta, asyncio.Event)]
