"""Pure: what a thread of the child does not know yet, and the words it is told in.

Every step of the child leaves a mark in its message: thread, turn, and which summary stood before
it. So the transcript itself says which thread belongs to a chat and what that thread has seen; a
chat that was begun anew, undone or folded tells so by the marks that are left.
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, assert_never

import orjson

from agent.messages import (
    AssistantMessage,
    JsonObject,
    Message,
    Note,
    Origin,
    PartialReply,
    ProviderPart,
    ResultStatus,
    Summary,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from agent.providers.codex import asks
from agent.providers.codex.items import cut

SHAPE: Final = "codex-turn"
BACKGROUND: Final = (
    "[What was said in this chat so far and this thread does not know. It is background, not a"
    " request.]"
)
BACKGROUND_ENDS: Final = "[End of the background.]"
GO_ON: Final = "[Go on.]"
LATER: Final = "Approved, once."


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Where a step of the child was made; `summary` names what was folded before it.

    Of the messages right before it, the last `untold` did not reach the thread.
    """

    thread: str
    turn: str
    summary: str = ""
    untold: int = 0

    def part(self, origin: Origin) -> ProviderPart:
        """The mark as it stands in the transcript."""
        payload: dict[str, Any] = {"thread": self.thread, "turn": self.turn}
        payload |= {"summary": self.summary} | ({"untold": self.untold} if self.untold else {})
        return ProviderPart(origin=origin, shape=SHAPE, payload=orjson.dumps(payload))


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the transcript says of the thread.

    `mark` is the newest, None if no message is this Origin's; `turns` are all that stand there of
    its thread. `last` is its message, `rest` everything after it, and before that what it was not
    told. `summary` is what is folded now.
    """

    mark: Mark | None
    turns: frozenset[str]
    last: AssistantMessage | None
    rest: tuple[Message, ...]
    summary: str

    @property
    def calls(self) -> dict[str, ToolCall]:
        """The calls of the last message by our id."""
        return {call.id: call for call in self.last.calls} if self.last is not None else {}

    def results(self) -> Iterator[tuple[ToolCall, ToolResult]]:
        """The results of those calls that stand after them."""
        calls = self.calls
        for message in self.rest:
            if isinstance(message, ToolResult) and message.call_id in calls:
                yield calls[message.call_id], message

    def said_since(self) -> tuple[Message, ...]:
        """What came beside those results."""
        calls = self.calls
        return tuple(
            message
            for message in self.rest
            if not (isinstance(message, ToolResult) and message.call_id in calls)
        )


def known(messages: tuple[Message, ...], origin: Origin, *, replay: bool = True) -> Known:
    """Read the marks of a transcript."""
    marks: list[tuple[int, Mark]] = []
    for index, message in enumerate(messages):
        if replay and isinstance(message, AssistantMessage):
            marks += [(index, mark) for mark in _marks_of(message, origin)]
    summary = next((m for m in messages if isinstance(m, Summary)), None)
    folded = sha256(summary.text.encode()).hexdigest()[:16] if summary is not None else ""
    if not marks:
        return Known(mark=None, turns=frozenset(), last=None, rest=messages, summary=folded)
    index, newest = marks[-1]
    last = messages[index]
    return Known(
        mark=newest,
        turns=frozenset(mark.turn for _, mark in marks if mark.thread == newest.thread),
        last=last if isinstance(last, AssistantMessage) else None,
        rest=(*messages[max(0, index - newest.untold) : index], *messages[index + 1 :]),
        summary=folded,
    )


def turn_input(messages: Iterable[Message], *, media: bool) -> tuple[JsonObject, ...]:
    """What a new turn begins with: the background, marked as such, then what is asked now."""
    listed = list(messages)
    start = len(listed)
    while start and isinstance(listed[start - 1], UserMessage | Note):
        start -= 1
    words: list[str] = []
    if background := "\n\n".join(filter(None, (_told(message) for message in listed[:start]))):
        words += [BACKGROUND, background, BACKGROUND_ENDS]
    now = [_said(message) for message in listed[start:]]
    words += [text for text in now if text] or [GO_ON]
    pictures = [
        each
        for message in listed[start:]
        if isinstance(message, UserMessage)
        for each in _pictures(message, media=media)
    ]
    return (text_item("\n\n".join(words)), *pictures)


def reopened(known_of_it: Known) -> tuple[Message, ...]:
    """What a new turn is told of what came since: results of its own calls as our words."""
    calls = known_of_it.calls
    return tuple(
        Note(text=f"{_subject(calls[message.call_id])}: {cut(message.text)}")
        if isinstance(message, ToolResult) and message.call_id in calls
        else message
        for message in known_of_it.rest
    )


def steer_words(refused: Iterable[tuple[ToolCall, ToolResult]], said: Iterable[Message]) -> str:
    """What the child is told in the middle of its turn; empty if there is nothing."""
    told = [
        f"[{_subject(call)} was not carried out. {result.text}]"
        for call, result in refused
        if result.text
    ]
    told += [words for message in said if (words := _said(message) or _told(message))]
    return "\n\n".join(told)


def text_item(text: str) -> JsonObject:
    """Words of a turn's input."""
    return {"type": "text", "text": text, "text_elements": []}


def later(call_name: str) -> str:
    """What an approved action reads as until the child asks for it again."""
    what = "command" if call_name == asks.COMMAND else "changes"
    return (
        f"{LATER} The agent's own request is closed by now: ask for exactly the same {what}"
        " again, and it is allowed without asking people. Look first whether it has run already."
    )


def _marks_of(message: AssistantMessage, origin: Origin) -> Iterator[Mark]:
    """The marks of a message, one for each turn of the child that it holds."""
    for part in message.parts:
        if isinstance(part, ProviderPart) and part.origin == origin and part.shape == SHAPE:
            with suppress(orjson.JSONDecodeError, KeyError, TypeError, ValueError):
                fields = orjson.loads(part.payload)
                yield Mark(
                    thread=fields["thread"],
                    turn=fields["turn"],
                    summary=fields["summary"],
                    untold=int(fields.get("untold", 0)),
                )


def _said(message: Message) -> str:
    match message:
        case UserMessage(text=text, author=author):
            return f"{author}: {text}" if author else text
        case Note(text=text):
            return f"[{text}]"
        case _:
            return ""


def _told(message: Message) -> str:
    match message:
        case UserMessage(media=media):
            named = "".join(f"\n[{each.name or each.mime} was attached]" for each in media)
            return f"User: {_said(message)}{named}"
        case Note():
            return _said(message)
        case AssistantMessage(parts=parts):
            told = (_told_part(part) for part in parts)
            return "\n".join(filter(None, told))
        case PartialReply(text=text):
            return f"Assistant (cut off): {text}"
        case Summary(text=text):
            return f"Summary of earlier messages: {text}"
        case ToolResult(name=name, text=text, status=status):
            ended = "" if status is ResultStatus.DONE else f" ({status.value})"
            return f"Result of {name}{ended}: {cut(text)}"
        case unknown:
            assert_never(unknown)


def _told_part(part: Text | ToolCall | ProviderPart) -> str:
    match part:
        case Text(text=text):
            return f"Assistant: {text}"
        case ToolCall(name=name, arguments=arguments):
            return f"Assistant called {name}: {cut(arguments)}"
        case ProviderPart():
            return ""
        case unknown:
            assert_never(unknown)


def _pictures(message: UserMessage, *, media: bool) -> Iterator[JsonObject]:
    for each in message.media:
        if media and each.mime.startswith("image/"):
            data = b64encode(each.data).decode()
            yield {"type": "image", "url": f"data:{each.mime};base64,{data}"}
        else:
            yield text_item(f"[{each.name or each.mime} was attached; it can't be shown here.]")


def _subject(call: ToolCall) -> str:
    try:
        given: Any = orjson.loads(call.arguments)
    except orjson.JSONDecodeError:
        given = {}
    if call.name == asks.COMMAND and isinstance(given, dict):
        return f"Your command {given.get('command', '')!r} in {given.get('cwd', '')}"
    if call.name == asks.FILES and isinstance(given, dict):
        changes = given.get("changes") or []
        paths = [str(change.get("path")) for change in changes if isinstance(change, dict)]
        return f"Your change of {', '.join(paths)}"
    return f"Your call {call.name}"
