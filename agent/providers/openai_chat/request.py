"""Pure: the transcript as the bytes of a chat-completions request.

The past is encoded once: of each session the bytes up to the newest message are kept, so a turn
costs what it adds and not what the chat has grown to. Equal input gives equal bytes, which the
providers' own prompt caches live on.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from agent.messages import Message, Origin
from agent.providers.base import AS_IT_IS, Adjustments, ModelRequest, ToolSpec
from agent.providers.openai_chat.form import ChatForm
from agent.providers.openai_chat.messages import Carried, Look, Rendering, look_of
from agent.providers.rendering import strip_keywords

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionFunctionToolParam

CACHE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prefix:
    """The start of a session's transcript that later messages can't change, and its bytes."""

    look: Look = field(default_factory=lambda: Look(adjustments=AS_IT_IS))
    messages: tuple[Message, ...] = ()
    body: bytes = b""
    carried: Carried = field(default_factory=Carried)


class RequestEncoder:
    """Encodes the requests of one entry of the plan; keeps the bytes of past messages."""

    def __init__(self, *, origin: Origin, form: ChatForm) -> None:
        self._origin = origin
        self._form = form
        self._prefixes: OrderedDict[str, _Prefix] = OrderedDict()
        self._kept_bytes = 0
        self._tools: tuple[tuple[ToolSpec, ...], bool, bytes] = ((), True, b"")

    def encode(self, request: ModelRequest) -> bytes:
        """Return the body of a request; raises TypeError for what JSON can't hold."""
        head = orjson.dumps({"model": self._origin.model})[:-1]
        system = _system(request.system) if request.system else b""
        messages = b",".join(filter(None, (system, *self._transcript(request))))
        tools = b',"tools":' + self._encoded_tools(request) if request.tools else b""
        options = orjson.dumps(self._options(request))[1:]
        return b"".join((head, b',"messages":[', messages, b"]", tools, b",", options))

    def _options(self, request: ModelRequest) -> dict[str, Any]:
        adjustments = request.adjustments
        options: dict[str, Any] = {"stream": adjustments.stream}
        if adjustments.stream:
            options["stream_options"] = {"include_usage": True}
        if request.max_output_tokens is not None:
            options[self._form.cap_field] = request.max_output_tokens
        options |= self._thought(adjustments)
        if self._form.cache_key and request.session:
            options["prompt_cache_key"] = hashlib.sha256(request.session.encode()).hexdigest()[:32]
        return {key: value for key, value in options.items() if key not in self._form.omit}

    def _thought(self, adjustments: Adjustments) -> dict[str, Any]:
        """How much the model is to think."""
        off = not adjustments.thinking or adjustments.effort == "none"
        if off and self._form.switch:
            return {"thinking": {"type": "disabled"}}
        if adjustments.effort is None or not adjustments.thinking:
            return {}
        return {"reasoning_effort": adjustments.effort}

    def _encoded_tools(self, request: ModelRequest) -> bytes:
        tools, whole = request.tools, request.adjustments.keywords
        known, known_whole, encoded = self._tools
        if known_whole is not whole or (known is not tools and known != tools):
            params = [tool_param(tool, keywords=whole) for tool in tools]
            encoded = orjson.dumps(params, option=orjson.OPT_SORT_KEYS)
        self._tools = (tools, whole, encoded)
        return encoded

    def _transcript(self, request: ModelRequest) -> tuple[bytes, bytes]:
        """The encoded messages: what will not change any more, and the group that may grow."""
        messages = request.messages
        look = look_of(request.adjustments, messages, self._form)
        prefix = self._prefixes.get(request.session)
        if (
            prefix is None
            or prefix.look != look
            or messages[: len(prefix.messages)] != prefix.messages
        ):
            prefix = _Prefix(look=look)
        at = len(prefix.messages)
        rendering = Rendering(self._origin, self._form, look, at=at, carried=prefix.carried)
        for message in messages[at:]:
            rendering.add(message)
        body = b",".join(filter(None, (prefix.body, *rendering.closed)))
        self._keep(
            request.session,
            _Prefix(
                look=look,
                messages=messages[: rendering.closed_count],
                body=body,
                carried=rendering.carried,
            ),
        )
        return body, rendering.open_group()

    def _keep(self, session: str, prefix: _Prefix) -> None:
        before = self._prefixes.pop(session, None)
        self._kept_bytes += len(prefix.body) - (len(before.body) if before else 0)
        self._prefixes[session] = prefix
        while self._kept_bytes > CACHE_BYTES:
            _, dropped = self._prefixes.popitem(last=False)
            self._kept_bytes -= len(dropped.body)


def tool_param(tool: ToolSpec, *, keywords: bool = True) -> "ChatCompletionFunctionToolParam":
    """A tool as the API takes it."""
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.parameters) if keywords else strip_keywords(tool.parameters),
        },
    }


def _system(text: str) -> bytes:
    return orjson.dumps({"role": "system", "content": text})
