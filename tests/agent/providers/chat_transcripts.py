"""Transcripts for the tests of chat-completions requests, and what they look like on the wire."""

from collections.abc import Sequence
from typing import Any

import orjson

from agent.messages import (
    AssistantMessage,
    Media,
    Message,
    Origin,
    Part,
    ResultStatus,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from agent.providers.base import AS_IT_IS, Adjustments, ModelRequest, ToolSpec
from agent.providers.openai_chat.form import ChatForm
from agent.providers.openai_chat.request import RequestEncoder

HERE = Origin(provider="main", endpoint="http://h/v1", model="loopback-1")
THERE = Origin(provider="other", endpoint="http://o/v1", model="m")
FILES = ToolSpec(name="files", description="Files.", parameters={"type": "object"})


def encoder(**form: Any) -> RequestEncoder:
    return RequestEncoder(origin=HERE, form=ChatForm(**form))


def request(*messages: Message, **kwargs: Any) -> ModelRequest:
    options: dict[str, Any] = {"system": "", "tools": (), "max_output_tokens": None} | kwargs
    return ModelRequest(messages=messages, **options)


def rendered(*messages: Message, adjust: Adjustments = AS_IT_IS, **form: Any) -> Any:
    asked = request(*messages, adjustments=adjust)
    return orjson.loads(encoder(**form).encode(asked))["messages"]


def said(text: str, *calls: ToolCall, origin: Origin = HERE) -> AssistantMessage:
    parts: Sequence[Part] = ([Text(text=text)] if text else []) + list(calls)
    return AssistantMessage(parts=tuple(parts), origin=origin)


def call(own_id: str, provider_id: str = "", arguments: str = "{}") -> ToolCall:
    return ToolCall(id=own_id, name="files", arguments=arguments, provider_id=provider_id)


def result(call_id: str, text: str = "ok") -> ToolResult:
    return ToolResult(call_id=call_id, name="files", status=ResultStatus.DONE, text=text)


def user(text: str, author: str = "") -> UserMessage:
    return UserMessage(text=text, author=author)


PNG = Media(mime="image/png", data=b"png")
URL = "data:image/png;base64,cG5n"
PICTURE = {"type": "image_url", "image_url": {"url": URL}}


def shown(call_id: str, *media: Media, text: str = "ok") -> ToolResult:
    return ToolResult(
        call_id=call_id, name="files", status=ResultStatus.DONE, text=text, media=media
    )
