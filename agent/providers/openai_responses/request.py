"""Pure: the transcript as the bytes of a Responses request.

The past is encoded once: of each session the bytes up to the newest message are kept, so a turn
costs what it adds and not what the chat has grown to. Equal input gives equal bytes, which the
providers' own prompt caches live on. What never changes in a chat comes first.
"""

import base64
import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from agent.providers.base import AS_IT_IS, Adjustments, ModelRequest, ToolSpec
from agent.providers.openai_responses.items import PHASE, REASONING
from agent.providers.rendering import (
    NO_OUTPUT,
    note_text,
    replayed_arguments,
    said_by,
    shown_media,
    strip_keywords,
    summary_text,
    wire_ids,
)

if TYPE_CHECKING:
    from openai.types.responses import (
        EasyInputMessageParam,
        FunctionToolParam,
        ResponseFunctionToolCallParam,
    )
    from openai.types.responses.response_input_item_param import FunctionCallOutput

CACHE_BYTES = 16 * 1024 * 1024
INCLUDE = ("reasoning.encrypted_content",)
_NOBODY = Origin(provider="", endpoint="", model="")
Content = Sequence[str | Media]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prefix:
    """The start of a session's transcript that later messages can't change, and its bytes.

    `call_ids` holds what the calls of its last assistant message are called on the wire, `used`
    every such name so far.
    """

    how: Adjustments = AS_IT_IS
    messages: tuple[Message, ...] = ()
    body: bytes = b""
    call_ids: dict[str, str] = field(default_factory=dict)
    used: frozenset[str] = frozenset()


class RequestEncoder:
    """Encodes the requests of one entry of the plan; keeps the bytes of past messages.

    `omit` names the fields the endpoint refuses; `stream_only`: it answers with a stream or not
    at all.
    """

    def __init__(
        self, *, origin: Origin, omit: frozenset[str], cache_key: bool, stream_only: bool
    ) -> None:
        self._origin = origin
        self._omit = omit
        self._cache_key = cache_key
        self._stream_only = stream_only
        self._prefixes: OrderedDict[str, _Prefix] = OrderedDict()
        self._kept_bytes = 0
        self._tools: tuple[tuple[ToolSpec, ...], bool, bytes] = ((), True, b"")

    def encode(self, request: ModelRequest) -> bytes:
        """Return the body of a request; raises TypeError for what JSON can't hold."""
        fields = {"model": orjson.dumps(self._origin.model)}
        if request.system:
            fields["instructions"] = orjson.dumps(request.system)
        if request.tools:
            fields["tools"] = self._encoded_tools(request.tools, request.adjustments.keywords)
        fields["input"] = b"[" + b",".join(filter(None, self._transcript(request))) + b"]"
        for name, value in self._options(request).items():
            fields[name] = orjson.dumps(value)
        sent = (
            b'"%b":%b' % (name.encode(), value)
            for name, value in fields.items()
            if name not in self._omit
        )
        return b"{" + b",".join(sent) + b"}"

    def _options(self, request: ModelRequest) -> dict[str, Any]:
        adjustments = request.adjustments
        options: dict[str, Any] = {"store": False}
        if adjustments.replay:  # what is not sent back need not be asked for
            options["include"] = INCLUDE
        streamed = adjustments.stream and not adjustments.plain
        options["stream"] = streamed or self._stream_only
        if request.max_output_tokens is not None:
            options["max_output_tokens"] = request.max_output_tokens
        if adjustments.effort is not None:
            options["reasoning"] = {
                "effort": adjustments.effort if adjustments.thinking else "none"
            }
        if self._cache_key and request.session:
            options["prompt_cache_key"] = hashlib.sha256(request.session.encode()).hexdigest()[:32]
        return options

    def _encoded_tools(self, tools: tuple[ToolSpec, ...], keywords: bool) -> bytes:
        known, as_known, encoded = self._tools
        if as_known != keywords or (known is not tools and known != tools):
            params = [tool_param(tool, keywords=keywords) for tool in tools]
            encoded = orjson.dumps(params, option=orjson.OPT_SORT_KEYS)
        self._tools = (tools, keywords, encoded)
        return encoded

    def _transcript(self, request: ModelRequest) -> tuple[bytes, bytes]:
        """The encoded items: what will not change any more, and the message that may grow."""
        messages, how = request.messages, _how(request.adjustments)
        prefix = self._prefixes.get(request.session)
        if prefix is None or prefix.how != how:
            prefix = _Prefix()
        if messages[: len(prefix.messages)] != prefix.messages:
            prefix = _Prefix()
        rendering = _Rendering(self._origin, how, prefix)
        for message in messages[len(prefix.messages) :]:
            rendering.add(message)
        body = b",".join(filter(None, (prefix.body, *rendering.closed)))
        kept = len(prefix.messages) + rendering.closed_count
        self._keep(
            request.session,
            _Prefix(
                how=how,
                messages=messages[:kept],
                body=body,
                call_ids=rendering.call_ids,
                used=frozenset(rendering.used),
            ),
        )
        return body, rendering.open_message()

    def _keep(self, session: str, prefix: _Prefix) -> None:
        before = self._prefixes.pop(session, None)
        self._kept_bytes += len(prefix.body) - (len(before.body) if before else 0)
        self._prefixes[session] = prefix
        while self._kept_bytes > CACHE_BYTES:
            _, dropped = self._prefixes.popitem(last=False)
            self._kept_bytes -= len(dropped.body)


class _Rendering:
    """Messages in, JSON fragments out: neighbours of one role become one, empty text goes.

    A reply that holds more than words is a group of its own: what follows reasoning must stay as
    it was. Results are never merged, and nothing is glued to them.
    """

    def __init__(self, origin: Origin, how: Adjustments, prefix: _Prefix) -> None:
        self.closed: list[bytes] = []
        self.closed_count = 0
        self.call_ids = prefix.call_ids
        self.used = set(prefix.used)
        self._origin = origin
        self._how = how
        self._seen = 0
        self._role = ""
        self._content: list[str | Media] = []

    def add(self, message: Message) -> None:
        match message:
            case UserMessage(text=text, author=author, media=media):
                self._say("user", said_by(text, author))
                self._show(shown_media(media, self._how))
            case Note(text=text):
                self._say("user", note_text(text))
            case Summary(text=text):
                self._say("user", summary_text(text))
            case PartialReply(text=text):
                self._say("assistant", text)
            case AssistantMessage():
                self._reply(message)
            case ToolResult():
                self._close()
                self._put(self._result(message))
                self.closed_count = self._seen + 1
            case _:
                assert_never(message)
        self._seen += 1

    def open_message(self) -> bytes:
        """The item that a next message of the same role would still join."""
        if not self._role:
            return b""
        message: EasyInputMessageParam = {
            "role": "user" if self._role == "user" else "assistant",
            "content": _content(self._content),
        }
        return orjson.dumps(message)

    def _say(self, role: str, text: str) -> None:
        if not text.strip():
            return
        self._open(role)
        if self._content and isinstance(before := self._content[-1], str):
            self._content[-1] = f"{before}\n\n{text}"
        else:
            self._content.append(text)

    def _show(self, media: Content) -> None:
        for each in media:
            if isinstance(each, str):
                self._say("user", each)
            else:
                self._open("user")
                self._content.append(each)

    def _open(self, role: str) -> None:
        if self._role != role:
            self._close()
        self._role = role

    def _close(self) -> None:
        if self._role:
            self.closed.append(self.open_message())
            self._role = ""
            self._content = []
        self.closed_count = self._seen

    def _put(self, item: object) -> None:
        self.closed.append(orjson.dumps(item))

    def _reply(self, message: AssistantMessage) -> None:
        parts = [part for part in message.parts if self._is_seen(part)]
        words = _leading_words(parts)
        self._say("assistant", "".join(text.text for text in words))
        rest = parts[len(words) :]
        if not any(_stands_alone(part) for part in rest):
            return
        self._close()
        self._name_calls(message)
        self._rest_of_reply(rest)
        self.closed_count = self._seen + 1

    def _rest_of_reply(self, parts: Sequence[Text | ToolCall | ProviderPart]) -> None:
        """Reasoning waits for what it led to and goes where that does not come."""
        before: list[bytes] = []
        phase = ""
        for part in parts:
            match part:
                case ProviderPart(shape=shape, payload=payload):
                    if shape == REASONING:
                        before.append(payload)
                    else:
                        phase = payload.decode()
                    continue
                case Text(text=text):
                    if text.strip():
                        self.closed += before
                        self._put(_words(text, phase))
                case ToolCall():
                    self.closed += before
                    self._put(_call_param(self.call_ids[part.id], part))
                case _:
                    assert_never(part)
            before.clear()
            phase = ""

    def _is_seen(self, part: Text | ToolCall | ProviderPart) -> bool:
        if not isinstance(part, ProviderPart):
            return True
        shapes = (REASONING, PHASE) if self._how.thinking else (PHASE,)
        return self._how.replay and part.origin == self._origin and part.shape in shapes

    def _name_calls(self, message: AssistantMessage) -> None:
        """Some servers number the calls of each reply alike: what was used before is not again."""
        if not message.calls:
            return
        ids = wire_ids(message, self._origin)
        if not self.used.isdisjoint(ids):
            ids = wire_ids(message, _NOBODY)
        self.used.update(ids)
        self.call_ids = {call.id: i for call, i in zip(message.calls, ids, strict=True)}

    def _result(self, result: ToolResult) -> "FunctionCallOutput":
        media = shown_media(result.media, self._how, tool=True)
        lines = [result.text, *(each for each in media if isinstance(each, str))]
        text = "\n".join(line for line in lines if line.strip())
        pictures = [each for each in media if isinstance(each, Media)]
        words = [text] if text or not pictures else []
        return {
            "type": "function_call_output",
            "call_id": self.call_ids.get(result.call_id, result.call_id),
            "output": _content([*words, *pictures]) or NO_OUTPUT,
        }


def _stands_alone(part: Text | ToolCall | ProviderPart) -> bool:
    """Whether it is an item by itself; reasoning and phases go only with what they led to."""
    return isinstance(part, ToolCall) or (isinstance(part, Text) and bool(part.text.strip()))


def tool_param(tool: ToolSpec, *, keywords: bool = True) -> "FunctionToolParam":
    """A tool as the API takes it; unless told otherwise it would enforce strict schemas."""
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters) if keywords else strip_keywords(tool.parameters),
        "strict": False,
    }


def _how(adjustments: Adjustments) -> Adjustments:
    """Only what changes how messages look."""
    return Adjustments(
        thinking=adjustments.thinking,
        replay=adjustments.replay,
        media=adjustments.media,
        tool_media=adjustments.tool_media,
        image_bytes=adjustments.image_bytes,
        image_pixels=adjustments.image_pixels,
    )


def _leading_words(parts: Sequence[Text | ToolCall | ProviderPart]) -> list[Text]:
    words: list[Text] = []
    for part in parts:
        if not isinstance(part, Text):
            break
        words.append(part)
    return words


def _words(text: str, phase: str) -> dict[str, str]:
    words = {"role": "assistant", "content": text}
    return words | {"phase": phase} if phase else words


def _call_param(call_id: str, call: ToolCall) -> "ResponseFunctionToolCallParam":
    return {
        "type": "function_call",
        "call_id": call_id,
        "name": call.name,
        "arguments": replayed_arguments(call.arguments),
    }


def _content(pieces: Content) -> Any:
    """Words alone are sent as such, which every server takes."""
    if all(isinstance(piece, str) for piece in pieces):
        return "".join(piece for piece in pieces if isinstance(piece, str))
    return list(_content_parts(pieces))


def _content_parts(pieces: Content) -> Iterator[dict[str, str]]:
    for piece in pieces:
        if isinstance(piece, str):
            yield {"type": "input_text", "text": piece}
        else:
            data = base64.b64encode(piece.data).decode()
            url = f"data:{piece.mime};base64,{data}"
            yield {"type": "input_image", "detail": "auto", "image_url": url}
