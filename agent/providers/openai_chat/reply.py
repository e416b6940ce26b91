"""Sans-IO: chunks of a chat completion in, stream events out.

Theory of operation. `chunk` takes one decoded data line, `whole` a body that came in one piece,
`finish` the end of the stream. A reply is complete when a choice carried a finish reason: that is
the terminal marker, the end line `[DONE]` is none. Parts are reported by `finish` only, since some
servers send words after their finish reason. What can't be understood raises `Malformed`, an error
inside the stream raises `InBandError`, a missing marker `Incomplete`.
"""

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

import orjson

from agent.messages import Origin, ProviderPart, Text, ToolCall, Usage
from agent.providers.base import (
    ArgumentsReceived,
    PartCompleted,
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
from agent.providers.openai_chat.messages import CONTENT, DETAILS

OVER_CAP = 1.1
LETTERS_A_TOKEN = 16
"""No text has so many letters a token throughout: beyond that a cap is not being kept."""
_OVER = "the reply is longer than its cap"
_STOPS: Mapping[str, Stop] = {
    "stop": Stop.DONE,
    "tool_calls": Stop.TOOL_CALLS,
    "function_call": Stop.TOOL_CALLS,
    "length": Stop.LENGTH,
    "model_context_window_exceeded": Stop.WINDOW_FULL,
    "content_filter": Stop.FILTERED,
    # Text Generation Inference and relays of other APIs let their own words through.
    "eos_token": Stop.DONE,
    "stop_sequence": Stop.DONE,
    "end_turn": Stop.DONE,
}


_GROWING = ("text", "summary")
_SAME = ("type", "index")


class _Call:
    """A tool call as it grows; id and name are set once."""

    def __init__(self, ordinal: int) -> None:
        self.ordinal = ordinal
        self.id = ""
        self.name = ""
        self.pieces: list[str] = []
        self.size = 0

    @property
    def arguments(self) -> str:
        """The argument text so far."""
        return "".join(self.pieces)

    def is_whole(self) -> bool:
        """Whether the arguments so far are a complete JSON object."""
        try:
            return isinstance(orjson.loads(self.arguments), dict)
        except orjson.JSONDecodeError:
            return False


_ODD = frozenset(("error", "type", "base_resp", "usage"))
"""Fields that make a chunk more than words, or that have to be looked at."""

_WITH_WORDS = frozenset(("content", "role"))


class ReplyDecoder:
    """Decodes one reply.

    `request_id` and `limits` are passed on with the first event. `output_cap` counts the tokens
    that were asked for at most, None if nothing was. `thinker` is who wrote the reply where its
    thoughts are kept to be sent back, None where they are not.
    """

    def __init__(
        self,
        *,
        arguments_bytes: int,
        request_id: str | None = None,
        limits: Mapping[str, str] | None = None,
        output_cap: int | None = None,
        thinker: Origin | None = None,
    ) -> None:
        self.done = False
        self.went_on_after_stop = False
        self._arguments_bytes = arguments_bytes
        self._request_id = request_id
        self._limits = limits or {}
        self._most_tokens = inf if output_cap is None else output_cap * OVER_CAP
        self._most_letters = self._most_tokens * LETTERS_A_TOKEN
        self._thinker = thinker
        self._opened = False
        self._letters = 0
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._details: list[dict[str, Any]] = []
        self._refusals: list[str] = []
        self._has_usage = False
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._stop: Stop | None = None
        self._bad_lines = 0

    @property
    def has_stop(self) -> bool:
        """Whether the terminal marker has been seen."""
        return self._stop is not None

    def line(self, data: bytes, name: str = "") -> list[StreamEvent]:
        """Take the data of one event. Up to three that are no JSON object are skipped."""
        if self.done:
            return []
        if data == b"[DONE]":
            self.done = True
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
        if name == "error":
            raise InBandError(body)
        return self.chunk(body)

    def chunk(self, body: Json) -> list[StreamEvent]:
        """Take one chunk."""
        if (words := self._plain(body)) is not None:
            self._texts.append(words)
            self._grow(words)
            return [TextReceived(text=words)]
        return list(self._body(body, "delta"))

    def _plain(self, body: Json) -> str | None:
        """The words of a chunk that holds nothing else, as nearly all do; None for all others."""
        if not self._opened or self._stop is not None or not _ODD.isdisjoint(body):
            return None
        choices = body.get("choices")
        if type(choices) is not list or len(choices) != 1 or type(choices[0]) is not dict:
            return None
        choice = choices[0]
        delta = choice.get("delta")
        if type(delta) is not dict or choice.get("finish_reason") or choice.get("index"):
            return None
        words = delta.get("content")
        if type(words) is not str or not words:
            return None
        return words if len(delta) == 1 or delta.keys() <= _WITH_WORDS else None

    def whole(self, body: bytes) -> list[StreamEvent]:
        """Take a reply that came as one JSON body."""
        try:
            decoded = orjson.loads(body)
        except orjson.JSONDecodeError as exc:
            raise Malformed("the body is no JSON") from exc
        if not isinstance(decoded, dict):
            raise Malformed("the body is no JSON object")
        return list(self._body(decoded, "message"))

    def finish(self) -> list[StreamEvent]:
        """Take the end of the reply: its parts and why it ended."""
        stop = self._stop
        if stop is None:
            raise Incomplete("the stream ended without its terminal marker")
        said_anything = self._texts or self._calls or self._refusals or self._has_usage
        if stop is Stop.DONE and not said_anything:
            raise Incomplete("the stream was empty")
        if self._refusals:
            stop = Stop.FILTERED
        elif stop is Stop.DONE and self._calls:
            stop = Stop.TOOL_CALLS
        elif stop is Stop.TOOL_CALLS and not self._calls:
            stop = Stop.DONE
        return [*self._parts(stop), StreamCompleted(stop=stop, said="".join(self._refusals))]

    def _parts(self, stop: Stop) -> Iterator[PartCompleted]:
        yield from map(_completed, self._kept_thoughts())
        if text := "".join(self._texts):
            yield PartCompleted(part=Text(text=text))
        for call in self._calls:
            if call.name:
                part = ToolCall(
                    id="", name=call.name, arguments=call.arguments, provider_id=call.id
                )
                yield PartCompleted(part=part)
            elif stop is not Stop.LENGTH:
                raise Malformed("a tool call without a name")

    def _kept_thoughts(self) -> Iterator[ProviderPart]:
        """The thoughts as they go back to whoever wrote them."""
        if self._thinker is None:
            return
        if thought := "".join(self._thoughts):
            yield ProviderPart(origin=self._thinker, shape=CONTENT, payload=thought.encode())
        if self._details:
            payload = orjson.dumps(self._details)
            yield ProviderPart(origin=self._thinker, shape=DETAILS, payload=payload)

    def _body(self, body: Json, field: str) -> Iterator[StreamEvent]:
        if body.get("error") or body.get("object") == "error" or body.get("type") == "error":
            raise InBandError(body)
        if "base_resp" in body and _base_error(body):
            raise InBandError(body)
        if not self._opened:
            self._opened = True
            model = _text(body.get("model")) or None
            yield StreamOpened(request_id=self._request_id, model=model, limits=self._limits)
        choices = body.get("choices", ())
        if not isinstance(choices, list | tuple):
            raise Malformed("choices is no list")
        for choice in choices:
            if not isinstance(choice, dict):
                raise Malformed("a choice is no object")
            if not choice.get("index"):
                yield from self._choice(choice, field)
        if (usage := usage_of(body.get("usage"))) is not None:
            self._has_usage = True
            if not self.has_stop and usage.output - usage.reasoning > self._most_tokens:
                raise Incomplete(_OVER)
            yield UsageReported(usage=usage)

    def _choice(self, choice: Json, field: str) -> Iterator[StreamEvent]:
        delta = choice.get(field) or {}
        if not isinstance(delta, dict):
            raise Malformed(f"{field} is no object")
        before = len(self._texts)
        if CONTENT in delta or "reasoning" in delta or DETAILS in delta:
            yield from self._thought(delta)
        yield from self._content(delta.get("content"))
        if refusal := _text(delta.get("refusal")):
            self._refusals.append(refusal)
        for place, call in enumerate(_list(delta.get("tool_calls"), "tool_calls")):
            yield from self._call(call, place if field == "message" else None)
        if isinstance(legacy := delta.get("function_call"), dict):
            yield from self._call({"index": 0, "function": legacy})
        if self.has_stop and len(self._texts) > before:
            self.went_on_after_stop = True
        self._finish_reason(choice)

    def _thought(self, delta: Json) -> Iterator[StreamEvent]:
        kept = _text(delta.get(CONTENT))
        details = delta.get(DETAILS)
        if self._thinker is not None:
            if kept:
                self._thoughts.append(kept)
            if isinstance(details, list):
                self._detail(details)
        if thought := kept or _text(delta.get("reasoning")) or _details_text(details):
            yield ReasoningReceived(text=thought)

    def _detail(self, details: list[Any]) -> None:
        """Add pieces of details: texts grow, the rest is set; what is encrypted comes whole."""
        for piece in details:
            if not isinstance(piece, dict):
                continue
            known = self._details[-1] if self._details else {}
            if not known or "data" in piece or any(known.get(k) != piece.get(k) for k in _SAME):
                self._details.append(dict(piece))
                continue
            for key, value in piece.items():
                if key in _GROWING and isinstance(value, str) and isinstance(known.get(key), str):
                    known[key] += value
                elif value is not None:
                    known[key] = value

    def _finish_reason(self, choice: Json) -> None:
        reason = choice.get("finish_reason")
        if not reason:  # old Ollama sends an empty string where null belongs
            return
        if reason == "error":
            raise InBandError({"error": choice.get("error") or {"message": "finish reason: error"}})
        if reason == "insufficient_system_resource":  # DeepSeek, when it stops for lack of room
            raise InBandError({"error": {"type": "overloaded_error", "message": reason}})
        stop = _STOPS.get(reason) if isinstance(reason, str) else None
        if stop is None:
            raise Malformed(f"unknown finish reason {str(reason)[:40]!r}")
        self._stop = stop

    def _content(self, content: object) -> Iterator[StreamEvent]:
        if isinstance(content, str):
            yield from self._say(content)
            return
        for part in _list(content, "content"):  # Mistral sends parts, thinking among them
            if not isinstance(part, dict):
                raise Malformed("a content part is no object")
            if part.get("type") == "text":
                yield from self._say(_text(part.get("text")))
            elif part.get("type") == "thinking":
                inner = _list(part.get("thinking"), "thinking")
                thought = "".join(_text(p.get("text")) for p in inner if isinstance(p, dict))
                if thought:
                    yield ReasoningReceived(text=thought)

    def _say(self, text: str) -> Iterator[StreamEvent]:
        if text:
            self._texts.append(text)
            self._grow(text)
            yield TextReceived(text=text)

    def _grow(self, text: str) -> None:
        self._letters += len(text)
        if self._letters > self._most_letters:
            raise Incomplete(_OVER)

    def _call(self, delta: object, place: int | None = None) -> Iterator[StreamEvent]:
        if not isinstance(delta, dict):
            raise Malformed("a tool call is no object")
        function = delta.get("function") or {}
        if not isinstance(function, dict):
            raise Malformed("a function is no object")
        name, call_id = _text(function.get("name")), _text(delta.get("id"))
        arguments = function.get("arguments")
        if isinstance(arguments, dict):  # some servers send the object itself
            arguments = orjson.dumps(arguments).decode()
        text = _text(arguments)
        index = delta.get("index") if place is None else place
        call = self._call_for(index, call_id, name, text)
        call.id = call.id or call_id
        if name and not call.name:
            call.name = name
            yield ToolCallOpened(ordinal=call.ordinal, name=name)
        if text:
            call.size += len(text)
            if call.size > self._arguments_bytes:
                raise Incomplete("the arguments of a tool call are too long")
            call.pieces.append(text)
            self._grow(text)
            yield ArgumentsReceived(ordinal=call.ordinal, text=text)

    def _call_for(self, index: object, call_id: str, name: str, arguments: str) -> _Call:
        """The call a delta belongs to.

        By index; a new id at a known index opens a new call (Ollama numbered all its calls 0).
        Without index by id, else the open call. A name with arguments for a call that is whole
        already opens a new one too: relays of Gemini send neither index nor id.
        """
        if isinstance(index, int):
            known = self._by_index.get(index)
        elif call_id:
            known = next((c for c in self._calls if c.id == call_id), None)
        else:
            known = self._calls[-1] if self._calls else None
        if known is not None and not (call_id and known.id and call_id != known.id):
            another = name and arguments and known.name and not (call_id and call_id == known.id)
            if not (another and known.is_whole()):
                return known
        call = _Call(len(self._calls))
        self._calls.append(call)
        if isinstance(index, int):
            self._by_index[index] = call
        return call


def usage_of(usage: object) -> Usage | None:
    """The tokens of a usage object, or None if there is none worth the name."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    if prompt is None or completion is None:
        return None
    cached = _detail(usage, "prompt_tokens_details", "cached_tokens")
    if cached is None:
        cached = _count(usage, "prompt_cache_hit_tokens")  # DeepSeek
    written = _detail(usage, "prompt_tokens_details", "cache_write_tokens") or 0  # OpenRouter
    reasoning = _detail(usage, "completion_tokens_details", "reasoning_tokens")
    read = min(cached or 0, prompt)
    return Usage(
        input=prompt,
        output=completion,
        cached_input=read,
        cache_write=min(written, prompt - read),
        reasoning=min(reasoning or 0, completion),
    )


def _completed(part: ProviderPart) -> PartCompleted:
    return PartCompleted(part=part)


def _base_error(body: Json) -> bool:
    """MiniMax says with every chunk that all is well, or in its place what is not."""
    base = body.get("base_resp")
    return isinstance(base, dict) and bool(base.get("status_code"))


def _details_text(details: object) -> str:
    """What of reasoning details can be read: texts and summaries, never what is encrypted."""
    pieces = (
        [piece for piece in details if isinstance(piece, dict)] if isinstance(details, list) else []
    )
    return "".join(_text(piece.get("text")) or _text(piece.get("summary")) for piece in pieces)


def _detail(usage: Json, group: str, name: str) -> int | None:
    details = usage.get(group)
    return _count(details, name) if isinstance(details, dict) else None


def _count(usage: Json, name: str) -> int | None:
    value = usage.get(name)
    return value if type(value) is int and value >= 0 else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _list(value: object, what: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise Malformed(f"{what} is no list")
    return value
