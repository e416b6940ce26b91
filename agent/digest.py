"""Pure: messages as plain text, for the model that sums them up, and in short without one."""

from typing import Final, assert_never

from agent.folds import left_out
from agent.messages import (
    AssistantMessage,
    Message,
    Note,
    PartialReply,
    Summary,
    ToolResult,
    UserMessage,
)

DIGEST_CHARS: Final = 8_000


def digest_text(messages: tuple[Message, ...], *, most: int = DIGEST_CHARS) -> str:
    """What happened in a line per message, the newest of it; the same for the same messages."""
    head = "The older part of this conversation was left out. In short:"
    lines: list[str] = []
    used = len(head)
    for message in reversed(messages):
        line = _line(message, most=max(80, most // 8))
        if used + len(line) + 1 > most:
            break
        lines.append(line)
        used += len(line) + 1
    return "\n".join([head, *reversed(lines)])[:most]


def _line(message: Message, *, most: int) -> str:
    match message:
        case UserMessage(text=text, author=author):
            line = f"- {author or 'The user'}: {text}"
        case Note(text=text):
            line = f"- Note: {text}"
        case PartialReply(text=text):
            line = f"- You, cut short: {text}"
        case Summary(text=text):
            line = f"- Before that: {text}"
        case ToolResult(name=name, status=status, text=text):
            line = f"- {name} {status.value}: {text}"[: most // 2]
        case AssistantMessage(calls=calls):
            called = "".join(f" [{call.name} {call.arguments[:80]}]" for call in calls)
            line = f"- You: {message.text}{called}"
        case _:
            assert_never(message)
    line = " ".join(line.split())
    return line if len(line) <= most else f"{line[: most - 4]} ..."


def spoken(message: Message) -> str:
    """A message as the summary call reads it."""
    match message:
        case UserMessage(text=text, author=author, media=media):
            return f"[user{f' {author}' if author else ''}]\n{text}{left_out(media)}"
        case Note(text=text):
            return f"[note]\n{text}"
        case PartialReply(text=text):
            return f"[assistant, cut short]\n{text}"
        case Summary(text=text):
            return f"[summary of what was before]\n{text}"
        case ToolResult(name=name, status=status, text=text, media=media):
            return f"[result of {name}: {status.value}]\n{text}{left_out(media)}"
        case AssistantMessage(calls=calls):
            called = "".join(f"\n[calls {call.name}] {call.arguments}" for call in calls)
            return f"[assistant]\n{message.text}{called}"
        case _:
            assert_never(message)


def chunks(text: str, size: int) -> tuple[str, ...]:
    """Cut a text at line ends where possible, each piece of at most so many bytes."""
    data = text.encode()
    pieces: list[str] = []
    start = 0
    while len(data) - start > size:
        end = start + size
        line_end = data.rfind(b"\n", start + size // 2, end)
        end = line_end + 1 if line_end >= 0 else _whole(data, end)
        pieces.append(data[start:end].decode())
        start = end
    pieces.append(data[start:].decode())
    return tuple(pieces)


def _whole(data: bytes, end: int) -> int:
    """The same place or one before it where no character is cut in two."""
    while data[end] & 0xC0 == 0x80:
        end -= 1
    return end
