"""Sans-IO: events of a response in, stream events out.

Theory of operation. Any first event is fine and unknown ones are passed over. `output_item.added`
opens a call, deltas only show, `output_item.done` makes an item whole. The reply is complete with
`response.completed`, `.incomplete` or `.failed`: those are the terminal markers, and there is no
end line. Parts are reported by `finish`, in the order of their output index: the items that were
done, or those the terminal event repeats if it knows more, since relays leave out either. A call
of which only deltas came is never reported as whole.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import orjson

from agent.messages import Origin, Part, Text, ToolCall
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
from agent.providers.openai_responses.items import (
    BETWEEN,
    Called,
    Item,
    Said,
    arguments_of,
    item_of,
    limits_of,
    parts_of,
    text_of,
    thoughts_of,
    usage_of,
)

_OVER_CAP = 1.1
_LETTERS_A_TOKEN = 16
"""No text has so many letters a token throughout; beyond that the cap is not being kept."""
_STOPS: Mapping[str, Stop] = {
    "max_output_tokens": Stop.LENGTH,
    "content_filter": Stop.FILTERED,
}
_THOUGHTS = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")
_ENDS: Mapping[str, str] = {
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
}


class _Call:
    """A tool call as it grows; it has an ordinal once its name is known."""

    def __init__(self) -> None:
        self.ordinal: int | None = None
        self.name = ""
        self.waiting: list[str] = []
        self.pieces: list[str] = []
        self.size = 0

    @property
    def arguments(self) -> str:
        """The argument text so far."""
        return "".join(self.pieces)


class ReplyDecoder:
    """Decodes one reply; `request_id` and `limits` are passed on with the first event.

    `output_cap` counts the tokens that were asked for at most, None where nothing caps them.
    """

    def __init__(
        self,
        *,
        origin: Origin,
        arguments_bytes: int,
        request_id: str | None = None,
        limits: Mapping[str, str] | None = None,
        output_cap: int | None = None,
    ) -> None:
        self.done = False
        self.went_on_after_stop = False
        self._origin = origin
        self._arguments_bytes = arguments_bytes
        self._request_id = request_id
        self._limits = dict(limits or {})
        most_tokens = None if output_cap is None else int(output_cap * _OVER_CAP)
        self._letters_left = None if most_tokens is None else most_tokens * _LETTERS_A_TOKEN
        self._opened = False
        self._shown: list[str] = []
        self._thought = False
        self._texts: dict[int, list[str]] = {}
        self._refusals: list[str] = []
        self._calls: dict[int, _Call] = {}
        self._ordinals = 0
        self._places: dict[str, int] = {}
        self._items: dict[int, Item] = {}
        self._final: Sequence[Item] = ()
        self._has_usage = False
        self._stop: Stop | None = None
        self._failure: InBandError | Incomplete | Malformed | None = None
        self._bad_lines = 0

    @property
    def has_stop(self) -> bool:
        """Whether the terminal marker has been seen."""
        return self._stop is not None

    def line(self, data: bytes, name: str = "") -> list[StreamEvent]:
        """Take the data of one event. Up to three that are no JSON object are skipped."""
        if self.done or data == b"[DONE]":  # some relays add an end line; it means nothing here
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
        """Take one event; `name` stands for a type it lacks."""
        kind = text_of(body.get("type")) or name
        if kind in ("error", "response.error") or name == "error":
            return self._broken_off(body)
        if kind == "codex.rate_limits":
            self._limits.update(limits_of(body.get("rate_limits")))
        if not kind.startswith("response."):
            return self._broken_off(body) if body.get("error") else []
        return [*self._open(body.get("response")), *self._event(kind, body)]

    def whole(self, body: bytes) -> list[StreamEvent]:
        """Take a response that came as one JSON body."""
        try:
            response = orjson.loads(body)
        except orjson.JSONDecodeError as exc:
            raise Malformed("the body is no JSON") from exc
        if not isinstance(response, dict):
            raise Malformed("the body is no JSON object")
        status = text_of(response.get("status"))
        if not status and (response.get("error") or response.get("object") == "error"):
            raise InBandError(response)
        events = [*self._open(response)]
        output = response.get("output")
        for thought in (t for item in _list(output) for t in thoughts_of(item)):
            events.append(ReasoningReceived(text=thought))
        if status in _ENDS.values():
            events += self._end(status, response)
        return events

    def finish(self) -> list[StreamEvent]:
        """Take the end of the reply: its parts and why it ended."""
        if self._failure is not None:
            raise self._failure
        if self._stop is None:
            raise Incomplete("the stream ended without its terminal marker")
        items = self._complete_items(self._stop)
        stop = self._resolved(self._stop, items)
        parts = tuple(parts_of(items, self._origin))
        completed = [PartCompleted(part=part) for part in parts]
        end = StreamCompleted(stop=stop, said=self._refusal(items))
        return [*self._not_yet_shown(parts), *completed, end]

    # Events.

    def _broken_off(self, body: Json) -> list[StreamEvent]:
        """An error frame: `finish` raises it, since the request was accepted before."""
        self.done = True
        self._failure = InBandError(body)
        return [*self._open(None)]

    def _open(self, response: object) -> Iterator[StreamEvent]:
        if self._opened:
            return
        self._opened = True
        model = text_of(response.get("model")) if isinstance(response, dict) else ""
        limits = dict(self._limits)
        yield StreamOpened(request_id=self._request_id, model=model or None, limits=limits)

    def _event(self, kind: str, body: Json) -> Iterator[StreamEvent]:
        if kind == "response.output_text.delta":  # the one that matters, hence first
            yield from self._say(self._place(body), text_of(body.get("delta")))
        elif kind == "response.refusal.delta":
            self._refusals.append(text_of(body.get("delta")))
            yield from self._say(self._place(body), text_of(body.get("delta")))
        elif kind in _THOUGHTS:
            yield from self._think(text_of(body.get("delta")))
        elif kind == "response.reasoning_summary_part.added" and self._thought:
            yield from self._think("\n\n")
        elif kind == "response.function_call_arguments.delta":
            yield from self._argue(self._call_at(self._place(body)), text_of(body.get("delta")))
        elif kind == "response.output_item.added":
            yield from self._added(body)
        elif kind == "response.output_item.done":
            yield from self._done(body)
        elif kind in _ENDS:
            response = body.get("response")
            yield from self._end(_ENDS[kind], response if isinstance(response, dict) else {})

    def _place(self, body: Json) -> int:
        """The output index of an event; what has none is told apart by its item's id."""
        index = body.get("output_index")
        if type(index) is int:
            return index
        item = body.get("item")
        key = text_of(body.get("item_id"))
        if not key and isinstance(item, dict):
            key = text_of(item.get("id")) or f"#{len(self._places)}"
        return self._places.setdefault(key, len(self._places))

    def _say(self, place: int, text: str) -> Iterator[StreamEvent]:
        if not text:
            return
        self._grow(text)
        shown = BETWEEN + text if self._shown and place not in self._texts else text
        self._texts.setdefault(place, []).append(text)
        self._shown.append(shown)
        yield TextReceived(text=shown)

    def _think(self, text: str) -> Iterator[StreamEvent]:
        if text:
            self._thought = True
            self._grow(text)
            yield ReasoningReceived(text=text)

    def _added(self, body: Json) -> Iterator[StreamEvent]:
        item = body.get("item")
        if not isinstance(item, dict):
            raise Malformed("an output item is no object")
        if item.get("type") == "function_call":
            call = self._call_at(self._place(body))
            yield from self._name(call, text_of(item.get("name")))
            yield from self._argue(call, arguments_of(item.get("arguments")))

    def _done(self, body: Json) -> Iterator[StreamEvent]:
        place = self._place(body)
        self._items[place] = item = item_of(body.get("item"))
        if isinstance(item, Said):
            yield from self._say(place, _rest(item.text, "".join(self._texts.get(place, ()))))
        elif isinstance(item, Called):
            call = self._call_at(place)
            yield from self._name(call, item.name)
            yield from self._argue(call, _rest(item.arguments, call.arguments))

    def _call_at(self, place: int) -> _Call:
        return self._calls.setdefault(place, _Call())

    def _name(self, call: _Call, name: str) -> Iterator[StreamEvent]:
        if not name or call.ordinal is not None:
            return
        call.name, call.ordinal = name, self._ordinals
        self._ordinals += 1
        yield ToolCallOpened(ordinal=call.ordinal, name=name)
        for text in call.waiting:
            yield ArgumentsReceived(ordinal=call.ordinal, text=text)

    def _argue(self, call: _Call, text: str) -> Iterator[StreamEvent]:
        if not text:
            return
        self._grow(text)
        call.size += len(text.encode())
        self._bounded(call.size)
        call.pieces.append(text)
        if call.ordinal is None:
            call.waiting.append(text)
        else:
            yield ArgumentsReceived(ordinal=call.ordinal, text=text)

    def _grow(self, text: str) -> None:
        """End a reply that goes on beyond what was asked for, and was reserved."""
        if self._letters_left is not None:
            self._letters_left -= len(text)
            if self._letters_left < 0:
                raise Incomplete("the reply is longer than its cap")

    def _bounded(self, size: int) -> None:
        if size > self._arguments_bytes:
            raise Incomplete("the arguments of a tool call are too long")

    # The end.

    def _end(self, kind: str, response: Json) -> Iterator[StreamEvent]:
        """Take the terminal event; what is wrong is raised by `finish`, after its usage."""
        self.done = True
        if (usage := usage_of(response.get("usage"))) is not None:
            self._has_usage = True
            yield UsageReported(usage=usage)
        status = text_of(response.get("status"))
        if status == "cancelled":
            self._failure = Incomplete("the response was cancelled")
        elif "failed" in (kind, status):
            error = response.get("error") or {"message": "the response failed"}
            self._failure = InBandError({"error": error})
        elif "incomplete" in (kind, status):
            self._cut(response.get("incomplete_details"))
        else:
            self._stop = Stop.DONE
        if self._stop is not None:
            try:
                self._final = tuple(item_of(item) for item in _list(response.get("output")))
            except Malformed as exc:
                self._failure = exc

    def _cut(self, details: object) -> None:
        reason = text_of(details.get("reason")) if isinstance(details, dict) else ""
        self._stop = _STOPS.get(reason)
        if self._stop is None:
            self._failure = Incomplete(f"the response is incomplete: {reason[:40] or 'no reason'}")

    def _complete_items(self, stop: Stop) -> Sequence[Item]:
        """The items of the reply: those that were done, or the repeated ones if they are more."""
        if self._final and _weight(self._items.values()) < _weight(self._final):
            return self._final
        items = dict(self._items)
        for place, pieces in self._texts.items():
            items.setdefault(place, Said(text="".join(pieces)))
        if stop is Stop.LENGTH:  # nobody runs them, but what was cut has to be known
            for place, call in self._calls.items():
                if call.name:
                    cut = Called(name=call.name, arguments=call.arguments, call_id="", whole=False)
                    items.setdefault(place, cut)
        return [items[place] for place in sorted(items)]

    def _refusal(self, items: Sequence[Item]) -> str:
        """The words that refuse; those of deltas where no item has them."""
        refused = "".join(item.refusal for item in items if isinstance(item, Said))
        return refused or "".join(self._refusals)

    def _resolved(self, stop: Stop, items: Sequence[Item]) -> Stop:
        calls = [item for item in items if isinstance(item, Called)]
        for call in calls:
            self._bounded(len(call.arguments.encode()))
        if self._refusal(items):
            return Stop.FILTERED
        if stop is not Stop.DONE:
            return stop
        if len(calls) < len(self._calls) or not all(call.whole for call in calls):
            raise Incomplete("a tool call was never completed")
        if calls:
            return Stop.TOOL_CALLS
        if not self._has_usage and not any(isinstance(item, Said) and item.text for item in items):
            raise Incomplete("the stream was empty")
        return Stop.DONE

    def _not_yet_shown(self, parts: Sequence[Part]) -> Iterator[StreamEvent]:
        """What only the end of the reply has told."""
        said = "".join(part.text for part in parts if isinstance(part, Text))
        if rest := _rest(said, "".join(self._shown)):
            yield TextReceived(text=rest)
        calls = [part for part in parts if isinstance(part, ToolCall)]
        for ordinal, call in enumerate(calls[self._ordinals :], self._ordinals):
            yield ToolCallOpened(ordinal=ordinal, name=call.name)
            if call.arguments:
                yield ArgumentsReceived(ordinal=ordinal, text=call.arguments)


def _weight(items: Collection[Item]) -> tuple[int, bool]:
    """How much items hold: calls first, then whether anything is said."""
    calls = sum(isinstance(item, Called) for item in items)
    return calls, any(isinstance(item, Said) and item.text for item in items)


def _rest(whole: str, shown: str) -> str:
    """What of `whole` has not been shown yet; nothing if something else was shown."""
    return whole[len(shown) :] if whole.startswith(shown) else ""


def _list(value: object) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise Malformed("output is no list")
    return value
