"""Pure: a session's messages as a file that people keep, for reading or for programs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, assert_never

import orjson

from agent.messages import (
    AssistantMessage,
    Media,
    Message,
    Note,
    PartialReply,
    ProviderPart,
    Summary,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)

Format = Literal["md", "json"]
MIME: Final = {"md": "text/markdown", "json": "application/json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A message as it is stored, when, and whether it was taken back; microseconds since 1970."""

    message: Message
    at: int
    turn_id: int
    taken_back: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """The file; `left_out` counts the oldest messages, which found no room in it."""

    data: bytes
    left_out: int = 0


def export(stored: Sequence[Stored], form: Format, *, title: str, room: int) -> Export:
    """Write messages, oldest first, into at most `room` bytes; the oldest give way."""
    pieces = [_piece(each, form) for each in stored]
    left = room - len(_file([], form, title, len(pieces)))
    taken = len(pieces)
    while taken and (left := left - len(pieces[taken - 1]) - 2) >= 0:
        taken -= 1
    return Export(data=_file(pieces[taken:], form, title, taken), left_out=taken)


def _file(pieces: Sequence[bytes], form: Format, title: str, left_out: int) -> bytes:
    match form:
        case "md":
            left = f"\n\n*The oldest {left_out} messages found no room.*" if left_out else ""
            return f"# {title}{left}\n\n".encode() + b"\n\n".join(pieces) + b"\n"
        case "json":
            head = orjson.dumps({"session": title, "left_out": left_out})
            return head[:-1] + b',"messages":[\n' + b",\n".join(pieces) + b"\n]}\n"
        case unknown:
            assert_never(unknown)


def _piece(stored: Stored, form: Format) -> bytes:
    match form:
        case "md":
            when = datetime.fromtimestamp(stored.at / 1_000_000, tz=UTC)
            taken = ", taken back" if stored.taken_back else ""
            text = f"## {_who(stored.message)}\n\n*{when:%Y-%m-%d %H:%M} UTC, t{stored.turn_id}"
            return f"{text}{taken}*\n\n{_body(stored.message)}".encode()
        case "json":
            return orjson.dumps(
                {
                    "at": datetime.fromtimestamp(stored.at / 1_000_000, tz=UTC),
                    "turn": f"t{stored.turn_id}",
                    "taken_back": stored.taken_back,
                    **_fields(stored.message),
                }
            )
        case unknown:
            assert_never(unknown)


def _who(message: Message) -> str:
    match message:
        case UserMessage(author=author):
            return author or "You"
        case AssistantMessage(origin=origin):
            return f"Answer ({origin.model})"
        case PartialReply():
            return "Answer, cut short"
        case Note():
            return "Note to the model"
        case ToolResult(name=name, status=status):
            return f"Result of {name} ({status.value})"
        case Summary():
            return "Summary of what was before"
        case unknown:
            assert_never(unknown)


def _body(message: Message) -> str:
    match message:
        case AssistantMessage(parts=parts):
            return "\n\n".join(filter(None, map(_part, parts)))
        case ToolResult(text=text, media=media):
            return "\n\n".join((_fenced(text), *map(_medium, media)))
        case UserMessage(text=text, media=media):
            return "\n\n".join((text, *map(_medium, media)))
        case Note(text=text) | PartialReply(text=text) | Summary(text=text):
            return text
        case unknown:
            assert_never(unknown)


def _part(part: Text | ToolCall | ProviderPart) -> str:
    match part:
        case Text(text=text):
            return text
        case ToolCall(name=name, arguments=arguments):
            return f"Call of `{name}`:\n\n{_fenced(arguments)}"
        case ProviderPart():
            return ""  # only its provider can read it
        case unknown:
            assert_never(unknown)


def _medium(media: Media) -> str:
    return f"[{media.mime}{f': {media.name}' if media.name else ''}]"


def _fenced(text: str) -> str:
    """Text in a fence that none of its own lines can end."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _fields(message: Message) -> dict[str, Any]:
    match message:
        case UserMessage(text=text, author=author, media=media):
            fields = {"is": "user", "author": author, "text": text}
            return fields | {"media": [_medium(each) for each in media]}
        case AssistantMessage(parts=parts, origin=origin):
            calls = [
                {"tool": part.name, "arguments": part.arguments}
                for part in parts
                if isinstance(part, ToolCall)
            ]
            text = "\n\n".join(part.text for part in parts if isinstance(part, Text))
            return {"is": "answer", "model": origin.model, "text": text, "calls": calls}
        case ToolResult(name=name, status=status, text=text, media=media):
            fields = {"is": "result", "tool": name, "status": status.value, "text": text}
            return fields | {"media": [_medium(each) for each in media]}
        case Note(text=text):
            return {"is": "note", "text": text}
        case PartialReply(text=text):
            return {"is": "cut_answer", "text": text}
        case Summary(text=text):
            return {"is": "summary", "text": text}
        case unknown:
            assert_never(unknown)
