"""Pure: a model call as the bytes of a Messages API request.

The past is encoded once: of each session the blocks up to the newest message are kept, so a turn
costs what it adds. Equal input gives equal bytes, and a longer transcript begins with the bytes of
the shorter one, but for the cache marks, which are put in last.
"""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import orjson

from agent.messages import AssistantMessage, Message, Origin
from agent.providers.anthropic_messages.cache_marks import MARKS, cache_marks
from agent.providers.anthropic_messages.messages import (
    THOUGHTS,
    Rendering,
    WireBlock,
    WireMessage,
    open_loop,
    text_block,
    without_thoughts,
)
from agent.providers.anthropic_messages.thinking import (
    ThinkingForm,
    is_budgeted,
    refuses_thoughts,
    thinking_options,
)
from agent.providers.base import AS_IT_IS, Adjustments, ModelRequest, ToolSpec
from agent.providers.rendering import note_text, strip_keywords

CacheTtl = Literal["5m", "1h"]
CACHE_BYTES = 16 * 1024 * 1024
BEFORE = note_text("What came before this is not shown.")
GO_ON = note_text("Go on exactly where this stops.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prefix:
    """The start of a session's transcript that later messages can't change, as it is sent."""

    copy: Adjustments = AS_IT_IS
    messages: tuple[Message, ...] = ()
    rendered: tuple[WireMessage, ...] = ()
    call_ids: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of its blocks."""
        return sum(len(block.body) for message in self.rendered for block in message.blocks)


class RequestEncoder:
    """Encodes the requests of one entry of the plan; keeps the blocks of past messages."""

    def __init__(
        self, *, origin: Origin, output_cap: int, form: ThinkingForm, cache_ttl: CacheTtl = "5m"
    ) -> None:
        self._origin = origin
        self._output_cap = output_cap
        self._form: ThinkingForm = form
        mark = {"type": "ephemeral"} if cache_ttl == "5m" else {"type": "ephemeral", "ttl": "1h"}
        self._mark = b',"cache_control":' + orjson.dumps(mark) + b"}"
        self._prefixes: OrderedDict[str, _Prefix] = OrderedDict()
        self._kept_bytes = 0
        self._tools: tuple[tuple[ToolSpec, ...], bool, list[WireBlock]] = ((), True, [])

    def cap(self, request: ModelRequest) -> int:
        """The most tokens a reply may have: the field is required."""
        return request.max_output_tokens or self._output_cap

    def encode(self, request: ModelRequest) -> bytes:
        """Return the body of a request; raises TypeError for what JSON can't hold."""
        cap = self.cap(request)
        options = thinking_options(self._form, self._origin.model, request.adjustments, cap=cap)
        messages = self._bounded(self._transcript(request), request.messages)
        messages, options = self._fitting(messages, options)
        system = [text_block(request.system)] if request.system.strip() else []
        tools = self._tool_blocks(request.tools, keywords=request.adjustments.keywords)
        if not tools and (tools := _gone_tools(request.messages)):
            options["tool_choice"] = {"type": "none"}
        room = MARKS - len(system) - bool(tools)
        head = orjson.dumps({"model": self._origin.model, "max_tokens": cap})[:-1]
        lists = [b'"tools":' + self._marked(tools)] if tools else []
        lists += [b'"system":' + self._marked(system)] if system else []
        lists.append(b'"messages":' + self._encoded(messages, room))
        tail = orjson.dumps({**options, "stream": request.adjustments.stream})[1:]
        return b",".join((head, *lists, tail))

    def _bounded(
        self, messages: tuple[WireMessage, ...], transcript: tuple[Message, ...]
    ) -> tuple[WireMessage, ...]:
        """A person begins, and what ends with the model is a reply of its own that goes on.

        Models from 4.6 on refuse to continue words that are not such a reply.
        """
        if messages and messages[0].side == "assistant":
            messages = (WireMessage("user", (text_block(BEFORE),)), *messages)
        if not messages or messages[-1].side == "user":
            return messages
        last = transcript[-1]
        if isinstance(last, AssistantMessage) and last.origin == self._origin:
            return messages
        return (*messages, WireMessage("user", (text_block(GO_ON),)))

    def _fitting(
        self, messages: tuple[WireMessage, ...], options: dict[str, Any]
    ) -> tuple[tuple[WireMessage, ...], dict[str, Any]]:
        """The messages and the thinking that go together, for this one call.

        A tool loop that is open keeps the thinking it began with: one that did not begin with
        thinking goes on without, and one that goes on without must not hold any.
        """
        began = open_loop(messages)
        if began is None:
            return messages, options
        if is_budgeted(options) and messages[began].blocks[0].kind not in THOUGHTS:
            options = {}
        if refuses_thoughts(self._form, self._origin.model, options):
            messages = without_thoughts(messages, began)
        return _trimmed(messages), options

    def _transcript(self, request: ModelRequest) -> tuple[WireMessage, ...]:
        messages, copy = request.messages, _copy(request.adjustments)
        prefix = self._prefixes.get(request.session)
        kept = len(prefix.messages) if prefix is not None else 0
        if prefix is None or prefix.copy != copy or messages[:kept] != prefix.messages:
            prefix = _Prefix(copy=copy)
        *before, last = prefix.rendered or (None,)
        rendering = Rendering(self._origin, copy, last=last, call_ids=prefix.call_ids)
        for message in messages[len(prefix.messages) :]:
            rendering.add(message)
        rendered = (*filter(None, before), *rendering.closed)
        if rendering.closed:
            count = len(prefix.messages) + rendering.closed_count
            prefix = _Prefix(
                copy=copy,
                messages=messages[:count],
                rendered=rendered,
                call_ids=rendering.call_ids,
            )
        self._keep(request.session, prefix)
        return (*rendered, *rendering.open_message())

    def _keep(self, session: str, prefix: _Prefix) -> None:
        before = self._prefixes.pop(session, None)
        if before is not prefix:
            self._kept_bytes += prefix.size - (before.size if before else 0)
        self._prefixes[session] = prefix
        while self._kept_bytes > CACHE_BYTES:
            _, dropped = self._prefixes.popitem(last=False)
            self._kept_bytes -= dropped.size

    def _tool_blocks(self, tools: tuple[ToolSpec, ...], *, keywords: bool) -> list[WireBlock]:
        known, kept, blocks = self._tools
        if kept != keywords or (known is not tools and known != tools):
            blocks = [WireBlock("tool", _tool(tool, keywords=keywords)) for tool in tools]
            self._tools = (tools, keywords, blocks)
        return blocks

    def _encoded(self, messages: tuple[WireMessage, ...], room: int) -> bytes:
        blocks = [block for message in messages for block in message.blocks]
        marks = cache_marks(
            [block.markable for block in blocks], _end_of_request_before(messages), room=room
        )
        bodies = [self._body(b, marked=at in marks) for at, b in enumerate(blocks)]
        encoded: list[bytes] = []
        start = 0
        for message in messages:
            content = b",".join(bodies[start : start + len(message.blocks)])
            start += len(message.blocks)
            side = message.side.encode()
            encoded.append(b'{"role":"' + side + b'","content":[' + content + b"]}")
        return b"[" + b",".join(encoded) + b"]"

    def _marked(self, blocks: list[WireBlock]) -> bytes:
        """A list of blocks, the last of them marked."""
        last = len(blocks) - 1
        bodies = (self._body(b, marked=at == last) for at, b in enumerate(blocks))
        return b"[" + b",".join(bodies) + b"]"

    def _body(self, block: WireBlock, *, marked: bool) -> bytes:
        return block.body[:-1] + self._mark if marked else block.body


def _copy(adjustments: Adjustments) -> Adjustments:
    """Only what changes how the transcript is rendered."""
    return replace(
        AS_IT_IS,
        thinking=adjustments.thinking,
        replay=adjustments.replay,
        media=adjustments.media,
        tool_media=adjustments.tool_media,
        image_bytes=adjustments.image_bytes,
        image_pixels=adjustments.image_pixels,
    )


def _trimmed(messages: tuple[WireMessage, ...]) -> tuple[WireMessage, ...]:
    """White space at the end of a last reply is refused."""
    *before, last = messages
    if last.side == "user" or last.blocks[-1].kind != "text":
        return messages
    text = orjson.loads(last.blocks[-1].body)["text"].rstrip()
    return (*before, replace(last, blocks=(*last.blocks[:-1], text_block(text))))


def _end_of_request_before(messages: tuple[WireMessage, ...]) -> int | None:
    """The place among all blocks where the request that got the last reply ended."""
    replies = [at for at, message in enumerate(messages) if message.side == "assistant"]
    if not replies:
        return None
    return sum(len(message.blocks) for message in messages[: replies[-1]]) - 1


def _gone_tools(messages: tuple[Message, ...]) -> list[WireBlock]:
    """Bare definitions of the tools of past calls, where a request has none of its own.

    Without any, the API refuses a transcript with calls in it.
    """
    replies = (message for message in messages if isinstance(message, AssistantMessage))
    names = sorted({call.name for reply in replies for call in reply.calls})
    gone = (ToolSpec(name=name, description="", parameters={"type": "object"}) for name in names)
    return [WireBlock("tool", _tool(tool, keywords=True)) for tool in gone]


def _tool(tool: ToolSpec, *, keywords: bool) -> bytes:
    schema = dict(tool.parameters) if keywords else strip_keywords(tool.parameters)
    content = {"name": tool.name, "description": tool.description, "input_schema": schema}
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
