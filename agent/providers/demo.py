"""The offline demonstration: a scripted provider that says so in every answer and costs nothing."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

import orjson

from agent.credentials import Lease
from agent.messages import (
    AssistantMessage,
    Message,
    Origin,
    Part,
    Text,
    ToolCall,
    ToolResult,
    Usage,
    UserMessage,
)
from agent.providers.base import (
    ArgumentsReceived,
    ModelRequest,
    PartCompleted,
    Stop,
    StreamCompleted,
    StreamEvent,
    StreamOpened,
    TextReceived,
    ToolCallOpened,
    UsageReported,
)

PAUSE_S = 0.02
LONGEST_S = 6.0
BANNER = "*This is a scripted offline demonstration, not a model.*"
ORIGIN = Origin(provider="demo", endpoint="offline", model="demo")
SECTIONS = 60

_DELTA = re.compile(r"\s*\S+|\s+")
_LIST = re.compile(r"\b(?:list|show|see|what|which)\b.{0,30}\bfiles?\b", re.IGNORECASE | re.DOTALL)
_READ = re.compile(r"\bread\s+(?:the\s+)?(?:file\s+)?[`'\"]?([\w./-]*[\w-])[`'\"]?", re.IGNORECASE)
_PAID = re.compile(r"\b(?:train|job|buy|pay|paid|cost)\b", re.IGNORECASE)
_LONG = re.compile(r"\blong\b", re.IGNORECASE)
_ABLE = re.compile(r"\byou\b.{0,10}\bdo\b|^\W*help\b", re.IGNORECASE)

_ABILITIES = f"""\
{BANNER}

All of this is real but the words: your message is on disk, the answer streams, the tools run.

Write one of these:

| you write | you see |
| --- | --- |
| List the files in the workspace. | a tool call and what it returned |
| Read notes.md | the contents of a file there |
| Train a small model. | a paid call: a card with its price and buttons (nobody is charged) |
| Show me a long answer. | a stream to watch; `/stop` ends it |
| `/help` | the commands; no model sees them |

For real answers put this into `gatepost.toml` and start the gateway again:

```toml
[[providers]]
name = "main"
api = "openai-chat"
base_url = "https://api.openai.com/v1"
model = "gpt-5"
api_key = "${{OPENAI_API_KEY}}"
```
"""
_NOTHING_THERE = (
    "The workspace is empty. Put a text file into it and ask again: it is the folder `workspace`"
    " beside the configuration, or the one that `[tools] workspace` names.\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """What the script says next."""

    text: str
    call: ToolCall | None = None


class Demo:
    """A Provider without a network. `pause` is awaited between deltas, for `LONGEST_S` in all."""

    def __init__(
        self,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._pause = pause
        self._pause_s = pause_s

    @property
    def origin(self) -> Origin:
        """Who this is, as it is noted beside what it answers."""
        return ORIGIN

    async def reset(self) -> None:
        """There is no connection."""

    def leave(self, session: str) -> None:
        """Nothing is ever at work."""

    async def close(self) -> None:
        """Nothing is held."""

    async def stream(
        self, request: ModelRequest, lease: Lease
    ) -> AsyncGenerator[StreamEvent, None]:
        """Play the line that fits the transcript; see Provider."""
        line = next_line(request)
        yield StreamOpened(model=ORIGIN.model)
        deltas = _DELTA.findall(line.text)
        pause_s = min(self._pause_s, LONGEST_S / len(deltas))
        for delta in deltas:
            yield TextReceived(text=delta)
            await self._pause(pause_s)
        for event in _ending(request, line):
            yield event


def next_line(request: ModelRequest) -> _Line:
    """Choose the line: answer a tool's result, call the tool, be long, say what there is, echo."""
    last = request.messages[-1] if request.messages else None
    if isinstance(last, ToolResult):
        # The step that called the tool opened this answer and has said what we are.
        if last.text == "(empty)":
            return _Line(text=_NOTHING_THERE)
        if last.name == "demo_job":
            return _Line(text=f"{last.text}\n")
        return _Line(text=f"The tool `{last.name}` says:\n\n{_fenced(last.text)}\n")
    said = [message.text for message in request.messages if isinstance(message, UserMessage)]
    now = said[-1] if said else ""
    if any(tool.name == "files" for tool in request.tools):
        if (read := _READ.search(now)) is not None:
            return _call({"operation": "read", "path": read[1]})
        if _LIST.search(now):
            return _call({"operation": "list"})
    if _PAID.search(now) and any(tool.name == "demo_job" for tool in request.tools):
        return _call({"minutes": 25}, name="demo_job", text="That costs money, so I have to ask.")
    if _LONG.search(now):
        return _Line(text=_long_answer())
    if _ABLE.search(now):
        return _Line(text=_ABILITIES)
    return _Line(text=_echo(now, said[-2] if len(said) > 1 else ""))


def _call(
    arguments: dict[str, str | int], *, name: str = "files", text: str = "Let me look."
) -> _Line:
    call = ToolCall(id="", name=name, arguments=orjson.dumps(arguments).decode())
    return _Line(text=f"{BANNER}\n\n{text}", call=call)


def _echo(now: str, before: str) -> str:
    memory = (
        f"Before that you said:\n\n{_quoted(before)}\n\n"
        if before
        else "I will remember this: write something else and see.\n\n"
    )
    return (
        f"{BANNER}\n\nYou said:\n\n{_quoted(now)}\n\n{memory}"
        "Try one of these:\n\n"
        "- **list files**: a tool call\n"
        "- **train a model**: a paid call, with its price on a card\n"
        "- **read** and a file's name: its contents\n"
        "- **long**: an answer that most chats get in several messages\n"
        "- **what can you do**: the rest, and how to get real answers\n"
    )


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.splitlines() or [""])


def _fenced(text: str) -> str:
    """A code block that nothing in the text can end."""
    longest = max((len(ticks) for ticks in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _long_answer() -> str:
    parts = [f"{BANNER}\n\n# A long answer\n"]
    for number in range(1, SECTIONS + 1):
        parts.append(
            f"## Section {number} of {SECTIONS}\n\n"
            "It has **bold** and *italic* words, `code`, and a [link](https://example.org/). "
            "Where it is too long for one message it is split, and nothing is lost.\n"
        )
        if number % 8 == 0:
            lines = "\n".join(f"line_{number}_{place} = {place}" for place in range(6))
            parts.append(f"```python\n{lines}\n```\n")
    return "\n".join(parts)


def _ending(request: ModelRequest, line: _Line) -> Iterator[StreamEvent]:
    parts: list[Part] = [Text(text=line.text)]
    if line.call is not None:
        parts.append(line.call)
        yield ToolCallOpened(ordinal=0, name=line.call.name)
        yield ArgumentsReceived(ordinal=0, text=line.call.arguments)
    for part in parts:
        yield PartCompleted(part=part)
    yield UsageReported(usage=Usage(input=_words(request.messages), output=len(line.text.split())))
    yield StreamCompleted(stop=Stop.TOOL_CALLS if line.call else Stop.DONE)


def _words(messages: Sequence[Message]) -> int:
    """A stand-in for tokens: the words the script was given."""
    texts = (m.text for m in messages if isinstance(m, UserMessage | AssistantMessage | ToolResult))
    return sum(len(text.split()) for text in texts)
