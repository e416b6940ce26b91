"""What the Messages server answers next: replies block by block, or streams in bytes and time."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from tests.wire.openai.script import Stream, StreamStep, tokens
from tests.wire.server import Answer

Json = Mapping[str, Any]
MESSAGE_ID = "msg_loopback"
_SIGNING_KEY = b"loopback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """A text block. An Event among the deltas holds the stream until it is set."""

    deltas: tuple[str | asyncio.Event, ...]

    @property
    def text(self) -> str:
        return "".join(delta for delta in self.deltas if isinstance(delta, str))


@dataclass(frozen=True, slots=True, kw_only=True)
class Think:
    """A thinking block; the server signs it for the model that is asked."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """A thinking block nobody may read; it belongs to the model that is asked."""

    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A call; its input is streamed in pieces of `piece` characters, no input as nothing."""

    name: str
    input: str = ""
    id: str = "toolu_loopback_1"
    piece: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """A block of any other kind, whole at its start."""

    block: Json


Piece = Say | Think | Redacted | Use | Other


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A well-formed reply; stop reason and usage are the usual ones unless given."""

    blocks: tuple[Piece, ...] = ()
    stop: str = ""
    stop_details: Json | None = None
    usage: Json | None = None

    @property
    def stop_reason(self) -> str:
        calls = any(isinstance(block, Use) for block in self.blocks)
        return self.stop or ("tool_use" if calls else "end_turn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """The reply as one JSON body, even where a stream was asked for."""

    reply: Reply


Script = Reply | Stream | Whole | Answer


def say(*deltas: str | asyncio.Event) -> Reply:
    """A reply of words alone."""
    return Reply(blocks=(Say(deltas=deltas),))


def signature(model: str, thought: str) -> str:
    """What binds a thought to the model that had it."""
    digest = hmac.digest(_SIGNING_KEY, f"{model}\0{thought}".encode(), hashlib.sha256)
    return base64.b64encode(digest).decode()


def event(body: Json) -> bytes:
    """One server-sent event, named by the type of its body."""
    data = json.dumps(body, separators=(",", ":")).encode()
    return b"event: " + str(body["type"]).encode() + b"\ndata: " + data + b"\n\n"


def message_start(model: str = "claude-loopback", usage: Json | None = None) -> bytes:
    """The event a stream begins with."""
    message = _message(model, usage or {"input_tokens": 3, "output_tokens": 1})
    return event({"type": "message_start", "message": message})


def block_start(index: int, block: Json) -> bytes:
    """A block opens."""
    return event({"type": "content_block_start", "index": index, "content_block": block})


def block_delta(index: int, delta: Json) -> bytes:
    """A block grows."""
    return event({"type": "content_block_delta", "index": index, "delta": delta})


def block_stop(index: int) -> bytes:
    """A block closes."""
    return event({"type": "content_block_stop", "index": index})


def text_delta(text: str, index: int = 0) -> bytes:
    """Words of a text block."""
    return block_delta(index, {"type": "text_delta", "text": text})


def message_delta(
    stop_reason: str | None, usage: Json | None = None, stop_details: Json | None = None
) -> bytes:
    """Why the reply ends, and what it took so far."""
    delta: dict[str, Any] = {"stop_reason": stop_reason, "stop_sequence": None}
    if stop_details is not None:
        delta["stop_details"] = stop_details
    used = usage or {"output_tokens": 5}
    return event({"type": "message_delta", "delta": delta, "usage": used})


PING = event({"type": "ping"})
STOP = event({"type": "message_stop"})


def stream_of(reply: Reply, request: Json, input_usage: Json) -> tuple[StreamStep, ...]:
    """The steps of a reply in the order and shape of the real service."""
    model = str(request.get("model", "claude-loopback"))
    usage = dict(reply.usage or {**input_usage, "output_tokens": output_tokens(reply)})
    steps: list[StreamStep] = [message_start(model, {**usage, "output_tokens": 1}), PING]
    for index, piece in enumerate(reply.blocks):
        steps += _block_steps(index, piece, model)
    return (*steps, message_delta(reply.stop_reason, usage, reply.stop_details), STOP)


def whole_of(reply: Reply, request: Json, input_usage: Json) -> Json:
    """The reply as a `message` object."""
    model = str(request.get("model", "claude-loopback"))
    usage = reply.usage or {**input_usage, "output_tokens": output_tokens(reply)}
    return {
        **_message(model, usage),
        "content": [_whole_block(piece, model) for piece in reply.blocks],
        "stop_reason": reply.stop_reason,
        "stop_details": reply.stop_details,
    }


def output_tokens(reply: Reply) -> int:
    """Four bytes a token, and never nothing."""
    return max(1, tokens([_whole_block(piece, "") for piece in reply.blocks]))


def holds(blocks: Sequence[Piece]) -> list[asyncio.Event]:
    """The events a reply waits for, in order."""
    deltas = [delta for block in blocks if isinstance(block, Say) for delta in block.deltas]
    return [delta for delta in deltas if isinstance(delta, asyncio.Event)]


def _message(model: str, usage: Json) -> dict[str, Any]:
    return {
        "id": MESSAGE_ID,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }


def _block_steps(index: int, piece: Piece, model: str) -> Iterator[StreamStep]:
    match piece:
        case Say(deltas=deltas):
            yield block_start(index, {"type": "text", "text": ""})
            for delta in deltas:
                yield text_delta(delta, index) if isinstance(delta, str) else delta
        case Think(text=text):
            yield block_start(index, {"type": "thinking", "thinking": "", "signature": ""})
            yield block_delta(index, {"type": "thinking_delta", "thinking": text})
            signed = {"type": "signature_delta", "signature": signature(model, text)}
            yield block_delta(index, signed)
        case Use(name=name, input=given, id=call_id, piece=size):
            block = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
            yield block_start(index, block)
            for start in range(0, len(given) + 1, size):
                part = given[start : start + size]
                yield block_delta(index, {"type": "input_json_delta", "partial_json": part})
        case Redacted() | Other():
            yield block_start(index, _whole_block(piece, model))
        case _:
            assert_never(piece)
    yield block_stop(index)


def _whole_block(piece: Piece, model: str) -> Json:
    match piece:
        case Say():
            return {"type": "text", "text": piece.text}
        case Think(text=text):
            return {"type": "thinking", "thinking": text, "signature": signature(model, text)}
        case Redacted(data=data):
            return {"type": "redacted_thinking", "data": f"{model}:{data}"}
        case Use(name=name, input=given, id=call_id):
            called = json.loads(given) if given else {}
            return {"type": "tool_use", "id": call_id, "name": name, "input": called}
        case Other(block=block):
            return block
        case _:
            assert_never(piece)
