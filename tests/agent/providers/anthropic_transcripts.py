"""Pieces of transcripts, and what a Messages request makes of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from agent.messages import (
    AssistantMessage,
    Media,
    Message,
    Origin,
    Part,
    ProviderPart,
    ResultStatus,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from agent.providers.anthropic_messages.request import RequestEncoder
from agent.providers.base import Adjustments, ModelRequest, ToolSpec
from tests.wire.anthropic.script import signature

MODEL = "claude-loopback"
HERE = Origin(provider="main", endpoint="http://h", model=MODEL)
THERE = Origin(provider="other", endpoint="http://o/v1", model="m")
SISTER = replace(HERE, model="claude-sonnet-4-5")
FILES = ToolSpec(
    name="files",
    description="Files.",
    parameters={"type": "object", "properties": {"path": {"type": "string", "pattern": "^a"}}},
)
PICTURE = Media(mime="image/png", data=b"\x89PNG", name="a.png")
THINKING = Adjustments(effort="medium")
MARK = {"type": "ephemeral"}


def encoder(**kwargs: Any) -> RequestEncoder:
    options: dict[str, Any] = {"origin": HERE, "output_cap": 8192, "form": "budget"}
    return RequestEncoder(**(options | kwargs))


def request(*messages: Message, **kwargs: Any) -> ModelRequest:
    options: dict[str, Any] = {"system": "", "tools": (), "max_output_tokens": None} | kwargs
    return ModelRequest(messages=messages, **options)


def body_of(*messages: Message, coder: RequestEncoder | None = None, **kwargs: Any) -> Any:
    return orjson.loads((coder or encoder()).encode(request(*messages, **kwargs)))


def unmarked(value: Any) -> Any:
    """A body without its cache marks."""
    if isinstance(value, dict):
        return {k: unmarked(v) for k, v in value.items() if k != "cache_control"}
    return [unmarked(each) for each in value] if isinstance(value, list) else value


def rendered(*messages: Message, **kwargs: Any) -> Any:
    return unmarked(body_of(*messages, **kwargs)["messages"])


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def said(words: str, *calls: ToolCall, origin: Origin = HERE) -> AssistantMessage:
    parts: Sequence[Part] = ([Text(text=words)] if words else []) + list(calls)
    return AssistantMessage(parts=tuple(parts), origin=origin)


def reply(*parts: Part, origin: Origin = HERE) -> AssistantMessage:
    return AssistantMessage(parts=parts, origin=origin)


def thought(words: str = "Hm.", origin: Origin = HERE) -> ProviderPart:
    block = {
        "type": "thinking",
        "thinking": words,
        "signature": signature(origin.model, words),
    }
    return ProviderPart(origin=origin, shape="thinking", payload=orjson.dumps(block))


def call(own_id: str, provider_id: str = "", arguments: str = "{}") -> ToolCall:
    return ToolCall(id=own_id, name="files", arguments=arguments, provider_id=provider_id)


def result(call_id: str, words: str = "ok", **kwargs: Any) -> ToolResult:
    given: dict[str, Any] = {"status": ResultStatus.DONE} | kwargs
    return ToolResult(call_id=call_id, name="files", text=words, **given)


def user(words: str, author: str = "", *media: Media) -> UserMessage:
    return UserMessage(text=words, author=author, media=media)


def use(wire_id: str, given: Any = None) -> dict[str, Any]:
    return {"type": "tool_use", "id": wire_id, "name": "files", "input": given or {}}


def tool_result(wire_id: str, content: Any = "ok", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": wire_id, "content": content, **more}
