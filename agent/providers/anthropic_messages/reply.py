"""Sans-IO: events of the Messages API in, stream events out.

Theory of operation. `line` takes the data of one server-sent event, `whole` a body that came in
one piece, `finish` the end. A reply is complete when a `message_delta` carried a stop reason and
`message_stop` followed; one without the other is none. A block opens, grows by deltas and closes;
its part is reported by `finish`. Blocks of kinds we do not know are kept as the provider's own
parts, since a paused reply goes back as it stands; deltas we do not know spoil such a block, and
what is not whole is not kept. What can't be understood raises `Malformed`, an error inside the
stream `InBandError`, a missing end or a broken bound `Incomplete`.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from agent.messages import Origin, Part, ProviderPart, Text, ToolCall
from agent.providers.anthropic_messages.usage import Tally
from agent.providers.base import (
    ArgumentsReceived,
    PartCompleted,
    PulseReceived,
    ReasoningReceived,
    Stop,
    StreamCompleted,
    StreamEvent,
    StreamOpened,
    TextReceived,
    ToolCallOpened,
    UsageReported,
)
from agent.providers.decoding import BAD_LINES, InBandError, Incomplete, Json, Malformed

_STOPS: Mapping[str, Stop] = {
    "end_turn": Stop.DONE,
    "stop_sequence": Stop.DONE,
    "tool_use": Stop.TOOL_CALLS,
    "max_tokens": Stop.LENGTH,
    "model_context_window_exceeded": Stop.WINDOW_FULL,
    "refusal": Stop.FILTERED,
    "pause_turn": Stop.PAUSED,
}
_CUT = (Stop.LENGTH, Stop.WINDOW_FULL)
_OVER_CAP = 1.1
_BYTES_A_TOKEN = 16
"""No text has so many bytes a token throughout; beyond that the cap is not being kept."""


class _Block:
    """One content block as it grows."""

    def __init__(self, start: Json, ordinal: int) -> None:
        self.start = start
        self.kind = _text(start.get("type"))
        self.ordinal = ordinal  # among the tool calls
        self.pieces: list[str] = []
        self.signature = _text(start.get("signature"))
        self.size = 0
        self.closed = False
        self.spoiled = False

    @property
    def grown(self) -> str:
        """What the deltas have brought so far."""
        return "".join(self.pieces)

    @property
    def arguments(self) -> str:
        """Argument text; nothing at all means no arguments."""
        return self.grown or "{}"


class ReplyDecoder:
    """Decodes one reply; `request_id` and `limits` are passed on with the first event.

    `output_cap` counts tokens, None where the request named none.
    """

    def __init__(
        self,
        *,
        origin: Origin,
        arguments_bytes: int,
        output_cap: int | None = None,
        request_id: str | None = None,
        limits: Mapping[str, str] | None = None,
    ) -> None:
        self.done = False
        self.went_on_after_stop = False  # nothing is read after the end
        self._origin = origin
        self._arguments_bytes = arguments_bytes
        self._most_tokens = None if output_cap is None else int(output_cap * _OVER_CAP)
        self._opening = (request_id, dict(limits or {}))
        self._opened = False
        self._blocks: list[_Block] = []
        self._by_index: dict[int, _Block] = {}
        self._calls = 0
        self._bytes = 0
        self._tally = Tally()
        self._stop: Stop | None = None
        self._said = ""
        self._bad_lines = 0

    @property
    def has_stop(self) -> bool:
        """Whether the terminal marker has been seen: the stop reason, and the end after it."""
        return self.done and self._stop is not None

    def line(self, data: bytes, name: str = "") -> list[StreamEvent]:
        """Take the data of one event. Up to three that are no JSON object are skipped."""
        if self.done:
            return []
        try:
            body = orjson.loads(data)
        except orjson.JSONDecodeError:
            body = None
        if not isinstance(body, dict):
            self._bad_lines += 1
            if self._bad_lines > BAD_LINES:
                raise Malformed("too many lines that are no JSON object")
            return []
        return self.event(body, name)

    def event(self, body: Json, name: str = "") -> list[StreamEvent]:
        """Take one event; `name` is what it is called where its body does not say."""
        return list(self._event(_text(body.get("type")) or name, body))

    def whole(self, body: bytes) -> list[StreamEvent]:
        """Take a reply that came as one JSON body."""
        try:
            message = orjson.loads(body)
        except orjson.JSONDecodeError as exc:
            raise Malformed("the body is no JSON") from exc
        if not isinstance(message, dict):
            raise Malformed("the body is no JSON object")
        return list(self._whole(message))

    def finish(self) -> list[StreamEvent]:
        """Take the end of the reply: its parts and why it ended."""
        stop = self._stop
        if stop is None or not self.done:
            raise Incomplete("the stream ended without its terminal marker")
        if stop is Stop.DONE and not self._blocks and not self._tally.output:
            raise Incomplete("the stream was empty")
        if stop is Stop.DONE and self._calls:
            stop = Stop.TOOL_CALLS
        elif stop is Stop.TOOL_CALLS and not self._calls:
            stop = Stop.DONE
        if stop is Stop.FILTERED:  # what was said up to then does not count
            return [StreamCompleted(stop=stop, said=self._said)]
        return [*self._parts(stop), StreamCompleted(stop=stop)]

    # Events.

    def _event(self, kind: str, body: Json) -> Iterator[StreamEvent]:
        match kind:
            case "ping":
                yield PulseReceived()
            case "message_start":
                message = _object(body.get("message"), "message")
                yield from self._open(message)
                yield from self._count(message.get("usage"))
            case "content_block_start":
                yield from self._open({})
                yield from self._start(body.get("index"), body.get("content_block"))
            case "content_block_delta":
                if (block := self._block(body)) is None:
                    raise Malformed("a delta without its block")
                yield from self._grow(block, _object(body.get("delta"), "delta"))
            case "content_block_stop":
                if (block := self._block(body)) is not None:
                    block.closed = True
            case "message_delta":
                if body.get("delta") is not None:  # usage may come alone
                    self._end(_object(body["delta"], "delta"))
                yield from self._count(body.get("usage"))
            case "message_stop":
                self.done = True
            case _:  # error, or anything we do not know
                if kind == "error" or body.get("error"):
                    raise InBandError(body)

    def _whole(self, message: Json) -> Iterator[StreamEvent]:
        if message.get("type") == "error" or message.get("error"):
            raise InBandError(message)
        yield from self._open(message)
        content = message.get("content")
        if not isinstance(content, list):
            raise Malformed("content is no list")
        for place, block in enumerate(content):
            yield from self._start(place, block)
            self._by_index[place].closed = True
        self._end(message)
        yield from self._count(message.get("usage"))
        self.done = True

    def _open(self, message: Json) -> Iterator[StreamEvent]:
        if not self._opened:
            self._opened = True
            request_id, limits = self._opening
            model = _text(message.get("model")) or None
            yield StreamOpened(request_id=request_id, model=model, limits=limits)

    def _block(self, body: Json) -> _Block | None:
        index = body.get("index")
        return self._by_index.get(index) if isinstance(index, int) else None

    def _start(self, index: object, content_block: object) -> Iterator[StreamEvent]:
        start = _object(content_block, "a block")
        if not isinstance(index, int):
            raise Malformed("a block without its index")
        block = _Block(start, self._calls)
        self._blocks.append(block)
        self._by_index[index] = block
        match block.kind:
            case "text":
                yield from self._say(block, _text(start.get("text")))
            case "thinking":
                yield from self._think(block, _text(start.get("thinking")))
            case "tool_use":
                self._calls += 1
                if not (name := _text(start.get("name"))):
                    raise Malformed("a tool call without a name")
                yield ToolCallOpened(ordinal=block.ordinal, name=name)
                if given := start.get("input"):  # whole at once
                    yield from self._argue(block, orjson.dumps(given).decode())

    def _grow(self, block: _Block, delta: Json) -> Iterator[StreamEvent]:
        match delta.get("type"), block.kind:
            case "text_delta", "text":
                yield from self._say(block, _text(delta.get("text")))
            case "thinking_delta", "thinking":
                yield from self._think(block, _text(delta.get("thinking")))
            case "signature_delta", "thinking":
                block.signature = _text(delta.get("signature"))
            case "input_json_delta", "tool_use":
                yield from self._argue(block, _text(delta.get("partial_json")))
            case "input_json_delta", _:
                self._add(block, _text(delta.get("partial_json")))
            case "citations_delta", _:
                pass
            case _:
                block.spoiled = True

    def _say(self, block: _Block, text: str) -> Iterator[StreamEvent]:
        if text:
            self._add(block, text)
            yield TextReceived(text=text)

    def _think(self, block: _Block, text: str) -> Iterator[StreamEvent]:
        if text:
            self._add(block, text)
            yield ReasoningReceived(text=text)

    def _argue(self, block: _Block, text: str) -> Iterator[StreamEvent]:
        if text:
            self._add(block, text)
            if block.size > self._arguments_bytes:
                raise Incomplete("the arguments of a tool call are too long")
            yield ArgumentsReceived(ordinal=block.ordinal, text=text)

    def _add(self, block: _Block, text: str) -> None:
        block.pieces.append(text)
        size = len(text.encode(errors="surrogatepass"))
        block.size += size
        self._bytes += size
        if self._most_tokens is not None and self._bytes > self._most_tokens * _BYTES_A_TOKEN:
            raise Incomplete("the reply is longer than its cap")

    def _end(self, delta: Json) -> None:
        reason = delta.get("stop_reason")
        if reason is None:
            return
        stop = _STOPS.get(reason) if isinstance(reason, str) else None
        if stop is None:
            raise Malformed(f"unknown stop reason {str(reason)[:40]!r}")
        self._stop = stop
        details = delta.get("stop_details")
        self._said = _text(details.get("explanation")) if isinstance(details, dict) else ""

    def _count(self, usage: object) -> Iterator[StreamEvent]:
        tokens = self._tally.add(usage)
        if self._most_tokens is not None and self._tally.output > self._most_tokens:
            raise Incomplete("the reply is longer than its cap")
        if tokens is not None:
            yield UsageReported(usage=tokens)

    # Parts.

    def _parts(self, stop: Stop) -> Iterator[PartCompleted]:
        for block in self._blocks:
            if (part := self._part(block, stop)) is not None:
                yield PartCompleted(part=part)

    def _part(self, block: _Block, stop: Stop) -> Part | None:
        match block.kind:
            case "text":
                return Text(text=block.grown) if block.grown else None
            case "tool_use":
                if not block.closed and stop not in _CUT:
                    raise Incomplete("a tool call without its end")
                return ToolCall(
                    id="",
                    name=_text(block.start.get("name")),
                    arguments=block.arguments,
                    provider_id=_text(block.start.get("id")),
                )
            case "thinking":
                if stop in _CUT and not block.signature:
                    return None  # cut before it was signed: nobody would take it back
                grown = {"thinking": block.grown, "signature": block.signature}
                return self._own(block, {**block.start, **grown})
            case _:
                return self._own(block, _filled(block))

    def _own(self, block: _Block, content: Json | None) -> ProviderPart | None:
        if content is None or block.spoiled or not block.kind:
            return None
        return ProviderPart(
            origin=self._origin, shape=block.kind, payload=orjson.dumps(dict(content))
        )


def _filled(block: _Block) -> Json | None:
    """A block of a kind we do not know, with the input its deltas brought; None if not whole."""
    if not block.pieces:
        return block.start
    try:
        return {**block.start, "input": orjson.loads(block.grown)}
    except orjson.JSONDecodeError:
        return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Malformed(f"{what} is no object")
    return value
