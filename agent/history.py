"""Pure: what of the transcript a model gets to see, and that it is valid for every provider."""

from agent.messages import (
    AssistantMessage,
    Message,
    ProviderPart,
    ResultStatus,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)

BYTES_PER_TOKEN = 2.5
"""Pessimistic: code and JSON have about 1.5 to 2.5 bytes a token, English prose 4.5."""


def repair(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Give every call a result right after its message and leave out results without a call."""
    repaired: list[Message] = []
    results = {m.call_id: m for m in messages if isinstance(m, ToolResult)}
    for message in messages:
        if isinstance(message, ToolResult):
            continue
        repaired.append(message)
        if isinstance(message, AssistantMessage):
            repaired.extend(results.get(call.id) or _not_run(call) for call in message.calls)
    return tuple(repaired)


def window(messages: tuple[Message, ...], *, budget_tokens: int) -> tuple[Message, ...]:
    """Keep the newest messages that fit in about `budget_tokens`, from a person's words on.

    At least the last message of a person and what follows it are kept, whatever their size.
    """
    budget = int(budget_tokens * BYTES_PER_TOKEN)
    used = 0
    start = 0
    cut = _last_person(messages)
    for index in range(len(messages) - 1, -1, -1):
        used += size(messages[index])
        if used > budget and index < cut:
            start = _next_person(messages, index + 1)
            break
    return messages[start:]


def size(message: Message) -> int:
    """UTF-8 bytes of what a provider is sent of this message, without its envelope."""
    match message:
        case AssistantMessage():
            return sum(part_size(part) for part in message.parts)
        case UserMessage(media=media) | ToolResult(media=media):
            return len(message.text.encode()) + sum(len(each.data) for each in media)
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


def _last_person(messages: tuple[Message, ...]) -> int:
    for index in range(len(messages) - 1, -1, -1):
        if isinstance(messages[index], UserMessage):
            return index
    return 0


def _next_person(messages: tuple[Message, ...], start: int) -> int:
    for index in range(start, len(messages)):
        if isinstance(messages[index], UserMessage):
            return index
    return len(messages) - 1


def _not_run(call: ToolCall) -> ToolResult:
    return ToolResult(
        call_id=call.id, name=call.name, status=ResultStatus.NOT_RUN, text="This was not run."
    )
