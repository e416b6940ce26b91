"""Pure: what of the transcript a model gets to see, and that it is valid for every provider."""

import json
from dataclasses import replace

import orjson

from agent.arguments import readable_arguments
from agent.messages import (
    AssistantMessage,
    Message,
    Note,
    Origin,
    ProviderPart,
    ResultStatus,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from agent.tools.base import Malformed

LEFT_OUT = "One exchange is left out here, since you declined it. It was answered elsewhere."

BYTES_PER_TOKEN = 2.5
"""Pessimistic: code and JSON have about 1.5 to 2.5 bytes a token, English prose 4.5."""


def repair(
    messages: tuple[Message, ...], begun: frozenset[str] = frozenset()
) -> tuple[Message, ...]:
    """Make a transcript valid for every provider; the stored one is not touched.

    Every call gets a result right after its message, `begun` being those that may have run;
    results without a call are left out; arguments that are no JSON object are sent as `{}`.
    """
    repaired: list[Message] = []
    results = {m.call_id: m for m in messages if isinstance(m, ToolResult)}
    for message in messages:
        if isinstance(message, ToolResult):
            continue
        if not isinstance(message, AssistantMessage):
            repaired.append(message)
            continue
        repaired.append(_readable(message))
        for call in message.calls:
            repaired.append(results.get(call.id) or _without_result(call, begun))
    return tuple(repaired)


def seen_by(messages: tuple[Message, ...], origin: Origin) -> tuple[Message, ...]:
    """The transcript as one Origin may have it: turns that it refused are one line each.

    With them in its sight it would refuse all that follows.
    """
    refused = [
        place
        for place, message in enumerate(messages)
        if isinstance(message, AssistantMessage) and origin in message.refused
    ]
    if not refused:
        return messages
    people = [place for place, message in enumerate(messages) if isinstance(message, UserMessage)]
    seen: list[Message] = []
    done = 0
    for place in refused:
        begins = max((at for at in people if at < place), default=place)
        ends = min((at for at in people if at > place), default=len(messages))
        if begins < done:  # another reply of a turn that is left out already
            continue
        seen += [*messages[done:begins], Note(text=LEFT_OUT)]
        done = ends
    return (*seen, *messages[done:])


def _readable(message: AssistantMessage) -> AssistantMessage:
    """A reply whose calls every provider can read.

    What only its own provider reads goes with what was changed: it vouches for the whole.
    """
    parts = tuple(_as_object(p) if isinstance(p, ToolCall) else p for p in message.parts)
    if parts == message.parts:
        return message
    return replace(message, parts=tuple(p for p in parts if not isinstance(p, ProviderPart)))


def _as_object(call: ToolCall) -> ToolCall:
    try:
        if isinstance(orjson.loads(call.arguments), dict):
            return call
    except orjson.JSONDecodeError:
        pass
    arguments = readable_arguments(call.arguments)
    text = "{}" if isinstance(arguments, Malformed) else json.dumps(arguments, ensure_ascii=False)
    return replace(call, arguments=text)


def size(message: Message) -> int:
    """UTF-8 bytes of what a provider is sent of this message, without its envelope."""
    match message:
        case AssistantMessage():
            return sum(part_size(part) for part in message.parts)
        case UserMessage(media=media) | ToolResult(media=media):
            return len(message.text.encode()) + sum(each.size for each in media)
        case _:
            return len(message.text.encode())


def part_size(part: Text | ToolCall | ProviderPart) -> int:
    """UTF-8 bytes of one part of a reply."""
    match part:
        case Text():
            return len(part.text.encode())
        case ToolCall():
            return len(part.name) + len(part.arguments.encode())
        case ProviderPart():
            return len(part.payload)


def _without_result(call: ToolCall, begun: frozenset[str]) -> ToolResult:
    if call.id in begun:
        text = "This may have run; nobody knows. Check before you repeat it."
        return ToolResult(call_id=call.id, name=call.name, status=ResultStatus.UNKNOWN, text=text)
    return ToolResult(
        call_id=call.id, name=call.name, status=ResultStatus.NOT_RUN, text="This was not run."
    )
