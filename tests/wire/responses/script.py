"""What the server answers next, as items, and the events the real service would send of them.

Source: developers.openai.com/api/docs/api-reference/responses-streaming and the vendor's SDK,
whose models parse every event of this file (tests/wire/test_responses_second_client.py).
"""

import asyncio
import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.wire.openai.script import CREATED, CallTool, Stream, StreamStep, tokens
from tests.wire.server import Answer

Json = Mapping[str, Any]
RESPONSE_ID = "resp_loopback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """A message. An Event among the deltas holds the stream until it is set."""

    deltas: tuple[str | asyncio.Event, ...]
    phase: str = ""

    @property
    def text(self) -> str:
        return "".join(delta for delta in self.deltas if isinstance(delta, str))


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """A message that refuses."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Think:
    """A reasoning item; `summary` is streamed word by word."""

    summary: tuple[str, ...] = ()


Item = Say | Refuse | Think | CallTool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A well-formed reply: its items, and how it ends.

    `reason` ends it as incomplete, `error` as failed. `output` False leaves the terminal event
    without the items, as ChatGPT's codex backend does. `usage` counts four bytes a token.
    """

    items: tuple[Item, ...] = ()
    reason: str = ""
    error: Json | None = None
    output: bool = True
    usage: Json | None = None

    @property
    def status(self) -> str:
        if self.error is not None:
            return "failed"
        return "incomplete" if self.reason else "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """The reply as one JSON body, even where a stream was asked for."""

    reply: Reply


Script = Reply | Stream | Whole | Answer


def said(*deltas: str | asyncio.Event) -> Reply:
    """A reply of words only."""
    return Reply(items=(Say(deltas=deltas),))


def event(kind: str, **fields: Any) -> bytes:
    """One server-sent event as the service writes it."""
    body = json.dumps({"type": kind, **fields}, separators=(",", ":"))
    return f"event: {kind}\ndata: {body}\n\n".encode()


def encrypted(model: str, before: str) -> str:
    """What only this model can read: which item the reasoning led to."""
    content = json.dumps({"model": model, "before": before}).encode()
    return "gAAAA" + base64.urlsafe_b64encode(content).decode()


def led_to(content: str) -> tuple[str, str] | None:
    """The model and the item of `encrypted`, None for what nobody encrypted."""
    try:
        inner = json.loads(base64.urlsafe_b64decode(content.removeprefix("gAAAA")))
        return inner["model"], inner["before"]
    except (ValueError, KeyError, TypeError):
        return None


def usage_of(reply: Reply, request: Json) -> Json:
    """The usage of a reply: given, or counted at four bytes a token."""
    if reply.usage is not None:
        return reply.usage
    sent = tokens(request.get("input", ())) + tokens(request.get("tools", ()))
    thought = sum(8 for item in reply.items if isinstance(item, Think))
    written = thought + sum(_size(item) for item in reply.items)
    return {
        "input_tokens": sent,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": sent + written,
    }


def _size(item: Item) -> int:
    match item:
        case Say(text=text) | Refuse(text=text):
            return -(-len(text.encode()) // 4)
        case CallTool(arguments=arguments):
            return -(-len(arguments.encode()) // 4)
        case _:
            return 0


def response_of(reply: Reply, request: Json) -> Json:
    """The finished response."""
    ended = reply.status == "completed"
    return _response(request) | {
        "status": reply.status,
        "completed_at": CREATED + 1 if ended else None,
        "error": reply.error,
        "incomplete_details": {"reason": reply.reason} if reply.reason else None,
        "output": [_item(reply, place, request) for place in _places(reply)],
        "usage": usage_of(reply, request),
    }


def _response(request: Json) -> dict[str, Any]:
    """A response that has just begun; it repeats what was asked."""
    reasoning = request.get("reasoning") or {}
    return {
        "id": RESPONSE_ID,
        "object": "response",
        "created_at": CREATED,
        "status": "in_progress",
        "background": False,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "instructions": request.get("instructions"),
        "max_output_tokens": request.get("max_output_tokens"),
        "model": request.get("model", "loopback-1"),
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "prompt_cache_key": request.get("prompt_cache_key"),
        "reasoning": {"effort": reasoning.get("effort"), "summary": None},
        "store": request.get("store", True),
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": list(request.get("tools", ())),
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "user": None,
        "metadata": {},
    }


def _places(reply: Reply) -> range:
    return range(len(reply.items))


def follower_of(item: Json) -> str:
    """What an item of the input is to the reasoning before it."""
    if item.get("type") == "function_call":
        return f"function_call {item.get('name')}"
    return str(item.get("type") or "message")


def _item(reply: Reply, place: int, request: Json, *, begun: bool = False) -> Json:
    """One item; `begun`: as it is when it is added."""
    cut = reply.reason and place == len(reply.items) - 1
    status = "in_progress" if begun else "incomplete" if cut else "completed"
    match reply.items[place]:
        case Say(text=text, phase=phase):
            content = [] if begun else [_text_part(text)]
            return _message(place, content, status) | ({"phase": phase} if phase else {})
        case Refuse(text=text):
            content = [] if begun else [{"type": "refusal", "refusal": text}]
            return _message(place, content, status)
        case CallTool() as call:
            return {
                "id": f"fc_{place}",
                "type": "function_call",
                "status": status,
                "arguments": "" if begun else call.arguments,
                "call_id": call.id,
                "name": call.name,
            }
        case Think(summary=summary):
            following = reply.items[place + 1 : place + 2]
            before = follower_of(_item(reply, place + 1, request)) if following else "nothing"
            item: dict[str, Any] = {"id": f"rs_{place}", "type": "reasoning", "summary": []}
            if "reasoning.encrypted_content" in request.get("include", ()):
                model = request.get("model", "loopback-1")
                item["encrypted_content"] = encrypted(model, "" if begun else before)
            if not begun:
                item["summary"] = [{"type": "summary_text", "text": text} for text in summary]
            return item


def _message(place: int, content: Any, status: str) -> dict[str, Any]:
    return {
        "id": f"msg_{place}",
        "type": "message",
        "status": status,
        "content": content,
        "role": "assistant",
    }


def _text_part(text: str) -> Json:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


Event = tuple[str, dict[str, Any]]


def events_of(reply: Reply, request: Json) -> Iterator[Event | asyncio.Event]:
    """The events of a reply in the order and shape of the real service, without their numbers."""
    begun = _response(request)
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    for place in _places(reply):
        item = _item(reply, place, request)
        added = _item(reply, place, request, begun=True)
        at = {"output_index": place}
        yield "response.output_item.added", at | {"item": added}
        yield from _inner(reply.items[place], {"item_id": item["id"]} | at)
        yield "response.output_item.done", at | {"item": item}
    ended = response_of(reply, request)
    output = ended["output"] if reply.output else []
    yield f"response.{reply.status}", {"response": {**ended, "output": output}}


def _inner(item: Item, at: dict[str, Any]) -> Iterator[Event | asyncio.Event]:
    match item:
        case Say(deltas=deltas, text=text):
            yield from _part(at, _text_part(""), _text_part(text), _texts(at, deltas, text))
        case Refuse(text=text):
            done = {"type": "refusal", "refusal": text}
            yield from _part(at, done | {"refusal": ""}, done, _refusals(at, text))
        case CallTool() as call:
            for piece in call.pieces():
                yield "response.function_call_arguments.delta", at | {"delta": piece}
            arguments = {"arguments": call.arguments, "name": call.name}
            yield "response.function_call_arguments.done", at | arguments
        case Think(summary=summary):
            for number, text in enumerate(summary):
                yield from _summary(at | {"summary_index": number}, text)


def _part(
    at: dict[str, Any], empty: Json, done: Json, deltas: Iterator[Event | asyncio.Event]
) -> Iterator[Event | asyncio.Event]:
    inside = at | {"content_index": 0}
    yield "response.content_part.added", inside | {"part": empty}
    yield from deltas
    yield "response.content_part.done", inside | {"part": done}


def _texts(
    at: dict[str, Any], deltas: tuple[str | asyncio.Event, ...], text: str
) -> Iterator[Event | asyncio.Event]:
    inside = at | {"content_index": 0, "logprobs": []}
    for delta in deltas:
        if isinstance(delta, str):
            yield "response.output_text.delta", inside | {"delta": delta}
        else:
            yield delta
    yield "response.output_text.done", inside | {"text": text}


def _refusals(at: dict[str, Any], text: str) -> Iterator[Event]:
    inside = at | {"content_index": 0}
    yield "response.refusal.delta", inside | {"delta": text}
    yield "response.refusal.done", inside | {"refusal": text}


def _summary(at: dict[str, Any], text: str) -> Iterator[Event]:
    part = {"type": "summary_text", "text": text}
    yield "response.reasoning_summary_part.added", at | {"part": part | {"text": ""}}
    for word in text.split(" "):
        delta = word if text.startswith(word) else f" {word}"
        yield "response.reasoning_summary_text.delta", at | {"delta": delta}
    yield "response.reasoning_summary_text.done", at | {"text": text}
    yield "response.reasoning_summary_part.done", at | {"part": part}


def stream_of(reply: Reply, request: Json) -> tuple[StreamStep, ...]:
    """The steps of a reply; there is no end line."""
    steps: list[StreamStep] = []
    number = 0
    for each in events_of(reply, request):
        if isinstance(each, asyncio.Event):
            steps.append(each)
            continue
        kind, fields = each
        steps.append(event(kind, sequence_number=number, **fields))
        number += 1
    return tuple(steps)
