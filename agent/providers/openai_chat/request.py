"""Pure: the transcript as the bytes of a chat-completions request.

The past is encoded once: of each session the bytes up to the newest message are kept, so a turn
costs what it adds and not what the chat has grown to. Equal input gives equal bytes, which the
providers' own prompt caches live on.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, assert_never

import orjson

from agent.messages import (
    AssistantMessage,
    Message,
    Note,
    Origin,
    PartialReply,
    Summary,
    ToolCall,
    ToolResult,
    UserMessage,
)
from agent.providers.base import ModelRequest, ToolSpec

if TYPE_CHECKING:
    from openai.types.chat import (
        ChatCompletionAssistantMessageParam,
        ChatCompletionFunctionToolParam,
        ChatCompletionMessageFunctionToolCallParam,
        ChatCompletionToolMessageParam,
    )

CapField = Literal["max_completion_tokens", "max_tokens"]
CACHE_BYTES = 16 * 1024 * 1024
NO_OUTPUT = "(no output)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prefix:
    """The start of a session's transcript that later messages can't change, and its bytes.

    `call_ids` holds what the calls of its last assistant message are called on the wire.
    """

    messages: tuple[Message, ...] = ()
    body: bytes = b""
    call_ids: dict[str, str] = field(default_factory=dict)


class RequestEncoder:
    """Encodes the requests of one entry of the plan; keeps the bytes of past messages."""

    def __init__(self, *, origin: Origin, cap_field: CapField, cache_key: bool) -> None:
        self._origin = origin
        self._cap_field = cap_field
        self._cache_key = cache_key
        self._prefixes: OrderedDict[str, _Prefix] = OrderedDict()
        self._kept_bytes = 0
        self._tools: tuple[tuple[ToolSpec, ...], bytes] = ((), b"")

    def encode(self, request: ModelRequest) -> bytes:
        """Return the body of a request; raises TypeError for what JSON can't hold."""
        head = orjson.dumps({"model": self._origin.model})[:-1]
        system = _system(request.system) if request.system else b""
        messages = b",".join(filter(None, (system, *self._transcript(request))))
        tools = b',"tools":' + self._encoded_tools(request.tools) if request.tools else b""
        options = orjson.dumps(self._options(request))[1:]
        return b"".join((head, b',"messages":[', messages, b"]", tools, b",", options))

    def _options(self, request: ModelRequest) -> dict[str, Any]:
        options: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
        if request.max_output_tokens is not None:
            options[self._cap_field] = request.max_output_tokens
        if self._cache_key and request.session:
            options["prompt_cache_key"] = hashlib.sha256(request.session.encode()).hexdigest()[:32]
        return options

    def _encoded_tools(self, tools: tuple[ToolSpec, ...]) -> bytes:
        known, encoded = self._tools
        if known is not tools and known != tools:
            encoded = orjson.dumps([tool_param(t) for t in tools], option=orjson.OPT_SORT_KEYS)
        self._tools = (tools, encoded)
        return encoded

    def _transcript(self, request: ModelRequest) -> tuple[bytes, bytes]:
        """The encoded messages: what will not change any more, and the group that may grow."""
        messages = request.messages
        prefix = self._prefixes.get(request.session)
        if prefix is None or messages[: len(prefix.messages)] != prefix.messages:
            prefix = _Prefix()
        rendering = _Rendering(self._origin, prefix.call_ids)
        for message in messages[len(prefix.messages) :]:
            rendering.add(message)
        body = b",".join(filter(None, (prefix.body, *rendering.closed)))
        kept = len(prefix.messages) + rendering.closed_count
        self._keep(
            request.session,
            _Prefix(messages=messages[:kept], body=body, call_ids=rendering.call_ids),
        )
        return body, rendering.open_group()

    def _keep(self, session: str, prefix: _Prefix) -> None:
        before = self._prefixes.pop(session, None)
        self._kept_bytes += len(prefix.body) - (len(before.body) if before else 0)
        self._prefixes[session] = prefix
        while self._kept_bytes > CACHE_BYTES:
            _, dropped = self._prefixes.popitem(last=False)
            self._kept_bytes -= len(dropped.body)


class _Rendering:
    """Messages in, JSON fragments out: neighbours of one role become one, empty text goes.

    Some chat templates refuse two messages of one role in a row. Results are never merged, and
    nothing is glued to them: text there teaches models to answer with nothing.
    """

    def __init__(self, origin: Origin, call_ids: dict[str, str]) -> None:
        self.closed: list[bytes] = []
        self.closed_count = 0
        self.call_ids = call_ids
        self._origin = origin
        self._seen = 0
        self._role = ""
        self._texts: list[str] = []
        self._calls: tuple[ToolCall, ...] = ()

    def add(self, message: Message) -> None:
        match message:
            case UserMessage(text=text, author=author):
                said = f"{' '.join(author.split())}: {text}" if author else text
                self._say("user", said if text.strip() else "")
            case Note(text=text):
                self._say("user", f"[Note from the gateway, not from a person: {text}]")
            case Summary(text=text):
                self._say("user", f"[Summary of what was said before: {text}]")
            case PartialReply(text=text):
                self._say("assistant", text)
            case AssistantMessage():
                self._say("assistant", message.text)
                self._call(message)
            case ToolResult():
                self._close()
                self.closed.append(orjson.dumps(self._result(message)))
                self.closed_count = self._seen + 1
            case _:
                assert_never(message)
        self._seen += 1

    def open_group(self) -> bytes:
        """The fragment that a next message of the same role would still join."""
        if self._role == "user":
            return orjson.dumps({"role": "user", "content": "\n\n".join(self._texts)})
        return orjson.dumps(self._assistant()) if self._role else b""

    def _say(self, role: str, text: str) -> None:
        if text.strip():
            self._open(role)
            self._texts.append(text)

    def _call(self, message: AssistantMessage) -> None:
        if calls := message.calls:
            self._open("assistant")
            self._calls = calls
            ids = wire_ids(message, self._origin)
            self.call_ids = {call.id: i for call, i in zip(calls, ids, strict=True)}

    def _open(self, role: str) -> None:
        if self._role != role or self._calls:
            self._close()
        self._role = role

    def _close(self) -> None:
        if self._role:
            self.closed.append(self.open_group())
            self._role = ""
            self._texts = []
            self._calls = ()
        self.closed_count = self._seen

    def _assistant(self) -> "ChatCompletionAssistantMessageParam":
        words = "\n\n".join(self._texts) or None
        if not self._calls:
            return {"role": "assistant", "content": words}
        calls = [_call_param(self.call_ids[call.id], call) for call in self._calls]
        return {"role": "assistant", "content": words, "tool_calls": calls}

    def _result(self, result: ToolResult) -> "ChatCompletionToolMessageParam":
        call_id = self.call_ids.get(result.call_id, result.call_id)
        content = result.text or NO_OUTPUT
        return {"role": "tool", "tool_call_id": call_id, "content": content}


def wire_ids(message: AssistantMessage, origin: Origin) -> tuple[str, ...]:
    """The call ids to send: the provider's own to itself if they are usable, else ours."""
    theirs = tuple(call.provider_id for call in message.calls)
    if message.origin == origin and all(theirs) and len(set(theirs)) == len(theirs):
        return theirs
    return tuple(call.id for call in message.calls)


def tool_param(tool: ToolSpec) -> "ChatCompletionFunctionToolParam":
    """A tool as the API takes it."""
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.parameters),
        },
    }


def replayed_arguments(arguments: str) -> str:
    """Argument text that every server can parse: what is no JSON object goes back as `{}`."""
    try:
        parsed = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return "{}"
    return arguments if isinstance(parsed, dict) else "{}"


def _call_param(call_id: str, call: ToolCall) -> "ChatCompletionMessageFunctionToolCallParam":
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": call.name, "arguments": replayed_arguments(call.arguments)},
    }


def _system(text: str) -> bytes:
    return orjson.dumps({"role": "system", "content": text})
