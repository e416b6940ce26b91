"""Pure: the transcript as messages of the Messages API: content blocks of two strict sides.

Source: https://platform.claude.com/docs/en/api/messages and
https://platform.claude.com/docs/en/agents-and-tools/tool-use/handle-tool-calls (results come first
in the message right after their calls).
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, assert_never

import orjson

from agent.messages import (
    AssistantMessage,
    Media,
    Message,
    Note,
    Origin,
    Part,
    PartialReply,
    ProviderPart,
    ResultStatus,
    Summary,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from agent.providers.base import Adjustments
from agent.providers.rendering import (
    NO_OUTPUT,
    note_text,
    replayed_arguments,
    said_by,
    shown_media,
    summary_text,
    wire_ids,
)

RESULT = "tool_result"
THOUGHTS = frozenset({"thinking", "redacted_thinking"})
_MARKABLE = frozenset({"text", "image", "tool_use", RESULT})
Side = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True)
class WireBlock:
    """One content block: its type and the bytes of its JSON object."""

    kind: str
    body: bytes

    @property
    def markable(self) -> bool:
        """Whether it takes a cache mark; parts that must stay as they came do not."""
        return self.kind in _MARKABLE


@dataclass(frozen=True, slots=True)
class WireMessage:
    """One message as it is sent."""

    side: Side
    blocks: tuple[WireBlock, ...]

    @property
    def has_results(self) -> bool:
        """Whether it answers calls."""
        return any(block.kind == RESULT for block in self.blocks)


class Rendering:
    """Messages in, wire messages out: neighbours of one side become one, empty text goes.

    It begins where another left off: with the message that was `last`, which may still grow, and
    `call_ids`, what the last calls are called on the wire. `closed` are the wire messages that
    can't grow any more, `closed_count` how many messages of the transcript are in them.
    """

    def __init__(
        self,
        origin: Origin,
        adjustments: Adjustments,
        *,
        last: WireMessage | None = None,
        call_ids: Mapping[str, str] | None = None,
    ) -> None:
        blocks = last.blocks if last is not None else ()
        self.closed: list[WireMessage] = []
        self.closed_count = 0
        self.call_ids = dict(call_ids or {})
        self._origin = origin
        self._adjustments = adjustments
        self._seen = 0
        self._side: Side | None = last.side if last is not None else None
        self._results = [block for block in blocks if block.kind == RESULT]
        self._blocks = [block for block in blocks if block.kind != RESULT]

    def add(self, message: Message) -> None:
        """Take the next message of the transcript."""
        match message:
            case UserMessage(text=text, author=author, media=media):
                self._show(media)  # pictures before the words about them
                self._say("user", said_by(text, author))
            case Note(text=text):
                self._say("user", note_text(text))
            case Summary(text=text):
                self._say("user", summary_text(text))
            case PartialReply(text=text):
                self._say("assistant", text)
            case AssistantMessage():
                self._reply(message)
            case ToolResult():
                self._turn_to("user")
                self._results.append(self._result(message))
            case _:
                assert_never(message)
        self._seen += 1

    def open_message(self) -> tuple[WireMessage, ...]:
        """The message that a next one of the same side would still join, if there is any."""
        if self._side is None:
            return ()
        return (WireMessage(self._side, (*self._results, *self._blocks)),)

    def _reply(self, message: AssistantMessage) -> None:
        own = message.origin == self._origin
        ids = iter(wire_ids(message, self._origin))
        for part in _led_somewhere(message.parts):
            match part:
                case Text(text=text):
                    self._say("assistant", text)
                case ToolCall():
                    self._turn_to("assistant")
                    self.call_ids[part.id] = next(ids)
                    self._blocks.append(_call(part, self.call_ids[part.id]))
                case ProviderPart(origin=origin, shape=shape, payload=payload):
                    if own and origin == self._origin and self._replays(shape):
                        self._turn_to("assistant")
                        self._blocks.append(WireBlock(shape, payload))
                case _:
                    assert_never(part)

    def _replays(self, shape: str) -> bool:
        return self._adjustments.replay and (self._adjustments.thinking or shape not in THOUGHTS)

    def _say(self, side: Side, text: str) -> None:
        if text.strip():
            self._turn_to(side)
            self._blocks.append(text_block(text))

    def _show(self, media: tuple[Media, ...]) -> None:
        for shown in shown_media(media, self._adjustments):
            self._turn_to("user")
            self._blocks.append(_block(_content(shown)))

    def _turn_to(self, side: Side) -> None:
        if side == self._side:
            return
        if self._side == "user":
            self.call_ids.clear()
        self.closed.extend(self.open_message())
        self.closed_count = self._seen
        self._side, self._blocks, self._results = side, [], []

    def _result(self, result: ToolResult) -> WireBlock:
        block: dict[str, Any] = {
            "type": RESULT,
            "tool_use_id": self.call_ids.get(result.call_id, result.call_id),
            "content": result.text if result.text.strip() else NO_OUTPUT,
        }
        if result.media:
            said = [result.text] if result.text.strip() else []
            shown = shown_media(result.media, self._adjustments, tool=True)
            block["content"] = [_content(each) for each in (*said, *shown)]
        if result.status is not ResultStatus.DONE:
            block["is_error"] = True
        return _block(block)


def text_block(text: str) -> WireBlock:
    """A block of words."""
    return _block({"type": "text", "text": text})


def open_loop(messages: tuple[WireMessage, ...]) -> int | None:
    """The place of the message that began the reply that still goes on, or None.

    To the model, calls and their results are part of one reply, until a person speaks.
    """
    began: int | None = None
    for place in range(len(messages) - 1, -1, -1):
        if messages[place].side == "assistant":
            began = place
        elif not messages[place].has_results:
            break
    return began


def without_thoughts(messages: tuple[WireMessage, ...], start: int) -> tuple[WireMessage, ...]:
    """The messages, without thinking parts from `start` on; what is empty then goes."""
    kept: list[WireMessage] = list(messages[:start])
    for message in messages[start:]:
        blocks = tuple(block for block in message.blocks if block.kind not in THOUGHTS)
        if not blocks:
            continue
        if kept and kept[-1].side == message.side:
            kept[-1] = WireMessage(message.side, kept[-1].blocks + blocks)
        else:
            kept.append(WireMessage(message.side, blocks))
    return tuple(kept)


def _led_somewhere(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """The parts without thoughts at the end: no reply may end with one.

    Source: the error "The final block in an assistant message cannot be `thinking`".
    """
    count = len(parts)
    while count and _leads_nowhere(parts[count - 1]):
        count -= 1
    return parts[:count]


def _leads_nowhere(part: Part) -> bool:
    match part:
        case Text(text=text):
            return not text.strip()
        case ProviderPart(shape=shape):
            return shape in THOUGHTS
        case ToolCall():
            return False


def _call(call: ToolCall, wire_id: str) -> WireBlock:
    """A call with its arguments as the model wrote them, byte for byte."""
    head = orjson.dumps({"type": "tool_use", "id": wire_id, "name": call.name})[:-1]
    arguments = replayed_arguments(call.arguments).encode()
    return WireBlock("tool_use", head + b',"input":' + arguments + b"}")


def _content(shown: Media | str) -> dict[str, Any]:
    if isinstance(shown, str):
        return {"type": "text", "text": shown}
    data = base64.b64encode(shown.data).decode()
    source = {"type": "base64", "media_type": shown.mime, "data": data}
    return {"type": "image", "source": source}


def _block(content: dict[str, Any]) -> WireBlock:
    return WireBlock(content["type"], orjson.dumps(content))
