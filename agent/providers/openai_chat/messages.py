"""Pure: messages of the transcript as JSON fragments of a chat-completions request.

Neighbours of one role become one, since some chat templates refuse two in a row; empty text goes.
Results are never merged, and nothing is glued to them: text there teaches models to answer with
nothing. A tool message holds text alone, so what a tool shows follows its step's results as a
message of its own.
"""

import base64
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, assert_never

import orjson

from agent.messages import (
    AssistantMessage,
    Media,
    Message,
    Note,
    Origin,
    PartialReply,
    ProviderPart,
    Summary,
    ToolCall,
    ToolResult,
    UserMessage,
)
from agent.providers.base import AS_IT_IS, Adjustments
from agent.providers.openai_chat.form import ChatForm
from agent.providers.rendering import (
    NO_OUTPUT,
    PICTURES,
    note_text,
    replayed_arguments,
    said_by,
    shown_media,
    summary_text,
    wire_ids,
)

if TYPE_CHECKING:
    from openai.types.chat import (
        ChatCompletionContentPartParam,
        ChatCompletionMessageFunctionToolCallParam,
        ChatCompletionToolMessageParam,
    )

CONTENT = "reasoning_content"
DETAILS = "reasoning_details"
FILLER = " "


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Everything beside the messages themselves that their bytes depend on.

    `turn` is the index of the message a turn began with, where older thoughts are not sent.
    """

    adjustments: Adjustments
    turn: int = 0


def look_of(adjustments: Adjustments, messages: tuple[Message, ...], form: ChatForm) -> Look:
    """Reduce the adjustments to those that change messages."""
    seen = replace(
        AS_IT_IS,
        media=adjustments.media,
        tool_media=adjustments.tool_media,
        image_bytes=adjustments.image_bytes,
        image_pixels=adjustments.image_pixels,
        replay=adjustments.replay and adjustments.thinking,
    )
    if form.reasoning_replay != "in_turn" or not seen.replay:
        return Look(adjustments=seen)
    people = (i for i in range(len(messages) - 1, -1, -1) if isinstance(messages[i], UserMessage))
    return Look(adjustments=seen, turn=next(people, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What later messages need to know of those before them.

    `call_ids` holds what the calls of the last assistant message are called on the wire, `shown`
    what its tools showed and no message has had yet.
    """

    call_ids: dict[str, str] = field(default_factory=dict)
    shown: tuple[str | Media, ...] = ()


class Rendering:
    """Messages in, JSON fragments out; `at` is the index of the next message.

    `closed` are fragments that no later message changes, `closed_count` the messages in them and
    `carried` what to go on with from there.
    """

    def __init__(
        self, origin: Origin, form: ChatForm, look: Look, *, at: int, carried: Carried
    ) -> None:
        self.closed: list[bytes] = []
        self.closed_count = at
        self.carried = carried
        self._origin = origin
        self._form = form
        self._look = look
        self._kinds = PICTURES if form.images else frozenset[str]()
        self._at = at
        self._ids = carried.call_ids
        self._shown = carried.shown
        self._role = ""
        self._said: list[str | Media] = []
        self._calls: tuple[ToolCall, ...] = ()
        self._thoughts: dict[str, Any] = {}

    def add(self, message: Message) -> None:
        """Take the next message."""
        match message:
            case UserMessage():
                self._people(message)
            case Note(text=text):
                self._say("user", note_text(text) if text.strip() else "")
            case Summary(text=text):
                self._say("user", summary_text(text) if text.strip() else "")
            case PartialReply(text=text):
                self._say("assistant", text)
            case AssistantMessage():
                self._reply(message)
            case ToolResult():
                self._close()
                self.closed.append(orjson.dumps(self._result(message)))
                self._at += 1
                self._settle()
                return
            case _:
                assert_never(message)
        self._at += 1

    def open_group(self) -> bytes:
        """The fragment that a next message of the same role would still join."""
        if self._role == "assistant":
            return orjson.dumps(self._assistant())
        said = [*self._shown, *self._said]
        return orjson.dumps({"role": "user", "content": _content(said)}) if said else b""

    # -- what a message adds

    def _people(self, message: UserMessage) -> None:
        said = said_by(message.text, message.author)
        if message.media and not said and message.author:
            said = f"{' '.join(message.author.split())}:"
        self._say("user", said)
        shown = shown_media(message.media, self._look.adjustments, kinds=self._kinds)
        for each in shown:
            self._show("user", each)

    def _reply(self, message: AssistantMessage) -> None:
        thoughts = self._replayed(message)
        if thoughts and self._role == "assistant":
            self._close()
        self._say("assistant", message.text)
        if calls := message.calls:
            self._open("assistant")
            self._calls = calls
            ids = wire_ids(message, self._origin, nine=self._form.nine)
            self._ids = {call.id: i for call, i in zip(calls, ids, strict=True)}
        if thoughts and self._role == "assistant":
            self._thoughts = thoughts

    def _replayed(self, message: AssistantMessage) -> dict[str, Any]:
        """The endpoint's own thoughts of a message, as far as it is sent them again."""
        policy = self._form.reasoning_replay
        if policy == "never" or not self._look.adjustments.replay or self._at < self._look.turn:
            return {}
        thoughts: dict[str, Any] = {}
        for part in message.parts:
            if isinstance(part, ProviderPart) and part.origin == self._origin:
                if part.shape == CONTENT:
                    thoughts[CONTENT] = part.payload.decode()
                elif part.shape == DETAILS:
                    thoughts[DETAILS] = orjson.Fragment(part.payload)
        return thoughts

    def _result(self, result: ToolResult) -> "ChatCompletionToolMessageParam":
        call_id = self._ids.get(result.call_id, result.call_id)
        lines = [result.text] if result.text else []
        pictures: list[Media] = []
        adjustments = self._look.adjustments
        for each in shown_media(result.media, adjustments, tool=True, kinds=self._kinds):
            if isinstance(each, str):
                lines.append(each)
            else:
                pictures.append(each)
        if pictures:
            names = " ".join(result.name.split())
            self._shown = (*self._shown, f"[Shown by the tool {names}:]", *pictures)
        content = "\n".join(lines) or NO_OUTPUT
        return {"role": "tool", "tool_call_id": call_id, "content": content}

    # -- groups

    def _say(self, role: str, text: str) -> None:
        if text.strip():
            self._show(role, text)

    def _show(self, role: str, what: str | Media) -> None:
        self._open(role)
        self._said.append(what)

    def _open(self, role: str) -> None:
        if self._role != role or self._calls or self._thoughts:
            self._close()
        if role == "assistant" and self._shown:
            self.closed.append(self.open_group())
            self._shown = ()
            self._settle()
        self._role = role

    def _close(self) -> None:
        if self._role:
            self.closed.append(self.open_group())
            if self._role == "user":
                self._shown = ()
            self._role = ""
            self._said = []
            self._calls = ()
            self._thoughts = {}
        self._settle()

    def _settle(self) -> None:
        self.closed_count = self._at
        self.carried = Carried(call_ids=self._ids, shown=self._shown)

    def _assistant(self) -> dict[str, Any]:
        words = "\n\n".join(each for each in self._said if isinstance(each, str))
        body: dict[str, Any] = {"role": "assistant", "content": words or None}
        if self._calls:
            body["tool_calls"] = [_call_param(self._ids[call.id], call) for call in self._calls]
        body |= self._thoughts
        if self._form.filler and self._look.adjustments.replay and CONTENT not in body:
            body[CONTENT] = FILLER
        return body


def _content(said: list[str | Media]) -> "str | list[ChatCompletionContentPartParam]":
    """Words alone are a string; with pictures among them, parts in their order."""
    if not any(isinstance(each, Media) for each in said):
        return "\n\n".join(each for each in said if isinstance(each, str))
    parts: list[ChatCompletionContentPartParam] = []
    words: list[str] = []
    for each in said:
        if isinstance(each, str):
            words.append(each)
            continue
        if words:
            parts.append({"type": "text", "text": "\n\n".join(words)})
            words = []
        url = f"data:{each.mime};base64,{base64.b64encode(each.data).decode()}"
        parts.append({"type": "image_url", "image_url": {"url": url}})
    if words:
        parts.append({"type": "text", "text": "\n\n".join(words)})
    return parts


def _call_param(call_id: str, call: ToolCall) -> "ChatCompletionMessageFunctionToolCallParam":
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": call.name, "arguments": replayed_arguments(call.arguments)},
    }
