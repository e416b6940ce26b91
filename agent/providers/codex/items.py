"""Pure: what a turn of the child reports, as stream events.

`item/completed` is authoritative; deltas are for the reader only. What the child did by itself
becomes a call with its result; what people decided on is told apart by the ids in `decided`.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from agent.messages import JsonObject, ResultStatus, Text, ToolCall, Usage
from agent.providers.base import (
    ActionFinished,
    ModelRerouted,
    PartCompleted,
    PulseReceived,
    ReasoningReceived,
    StreamEvent,
    TextReceived,
    UsageReported,
)
from agent.providers.codex import asks
from agent.providers.codex.protocol import ABORTED, Notified

SHOWN: Final = 8 * 1024
"""Characters kept of each end of an output."""

NOTHING: Final = Usage(input=0, output=0)
PARAGRAPH: Final = "\n\n"
_ACTIONS: Final = ("commandExecution", "fileChange", "mcpToolCall", "webSearch")
_EFFECTS: Final = ("commandExecution", "fileChange", "mcpToolCall")
_NOT_KNOWN: Final = "The agent's process ended before its result came. It may have taken effect."


class TurnAborted(Exception):
    """The agent said in its text that its turn is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnded:
    """The terminal marker; `error` is that of a failed turn."""

    status: str
    error: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The end of an action that people decided on."""

    item: str
    status: ResultStatus
    text: str


class TurnItems:
    """Reads the notifications of one turn.

    `total` is what the thread had used before it, None where that is not known; `used` is what
    its first step has to pay for already. `said`: words of its first step stand before it.
    `after_tool`: the last thing that ended was an action, and the model is to speak next.
    """

    def __init__(
        self, total: Usage | None = None, used: Usage = NOTHING, *, said: bool = False
    ) -> None:
        self.decided: set[str] = set()
        self.started: dict[str, JsonObject] = {}
        self.others: Counter[str] = Counter()
        self.ended: TurnEnded | None = None
        self.total = total
        self.used = used
        self.after_tool = False
        self._first: Usage | None = None
        self._texts: dict[str, _Words] = {}
        self._said = said

    @property
    def pays_later(self) -> bool:
        """Whether nothing was reported in this step by a child that does report.

        A call of its model may want several actions: the step of the first one has paid for all.
        """
        return self.total is not None and self.used == NOTHING

    def step_began(self) -> None:
        """A further step of the turn: usage and paragraphs are counted from here."""
        self.used, self._first = NOTHING, None
        self._said = False

    def take(self, message: Notified) -> list[StreamEvent | Finished]:
        """The events of one notification of this turn. Raises TurnAborted."""
        params = message.params
        match message.method:
            case "item/started":
                return list(self._item_started(_object(params.get("item"))))
            case "item/completed":
                return list(self._item_completed(_object(params.get("item"))))
            case "item/agentMessage/delta":
                return list(self._delta(_text(params.get("itemId")), _text(params.get("delta"))))
            case "item/reasoning/summaryTextDelta" | "item/reasoning/textDelta":
                return [ReasoningReceived(text=_text(params.get("delta")))]
            case "thread/tokenUsage/updated":
                return list(self._used(_object(params.get("tokenUsage"))))
            case "model/rerouted":
                model = _text(params.get("toModel"))
                return [ModelRerouted(model=model) if model else PulseReceived()]
            case "turn/completed":
                turn = _object(params.get("turn"))
                error = _object(turn.get("error"))
                self.ended = TurnEnded(status=_text(turn.get("status")), error=error)
                return []
            case _:
                return [PulseReceived()]

    def knew(self, message: Notified) -> None:
        """What the thread had used before this turn, where the child says so."""
        total = _usage(_object(message.params.get("tokenUsage")).get("total"))
        if self.total is None and total is not None:
            self.total = total

    def open_actions(self) -> Iterator[ActionFinished]:
        """What began by itself and has no result: nobody knows what it did."""
        for item_id, item in self.started.items():
            if item.get("type") in _EFFECTS and item_id not in self.decided:
                call = call_of(item)
                yield ActionFinished(call=call, status=ResultStatus.UNKNOWN, text=_NOT_KNOWN)

    def told(self, line: str) -> list[StreamEvent]:
        """A line of ours in the chat, as a paragraph of the reply."""
        text = f"{PARAGRAPH if self._said else ''}({line})"
        self._said = True
        return [TextReceived(text=text), PartCompleted(part=Text(text=text))]

    def _item_started(self, item: JsonObject) -> Iterator[StreamEvent | Finished]:
        self.started[_text(item.get("id"))] = item
        yield PulseReceived()

    def _item_completed(self, item: JsonObject) -> Iterator[StreamEvent | Finished]:
        kind, item_id = _text(item.get("type")), _text(item.get("id"))
        self.started.pop(item_id, None)
        if kind == "agentMessage":
            yield from self._message(item_id, _text(item.get("text")))
        elif kind in _ACTIONS:
            self.after_tool = True
            status, text = outcome_of(item)
            if item_id in self.decided:
                self.decided.discard(item_id)
                yield Finished(item=item_id, status=status, text=text)
            else:
                yield ActionFinished(call=call_of(item), status=status, text=text)
        else:
            self.others[kind] += 1
            yield PulseReceived()

    def _words(self, item_id: str) -> "_Words":
        if item_id not in self._texts:
            self._texts[item_id] = _Words(PARAGRAPH if self._said else "")
            self._said = True
        return self._texts[item_id]

    def _delta(self, item_id: str, piece: str) -> Iterator[StreamEvent | Finished]:
        self.after_tool = False
        shown = self._words(item_id).more(piece)
        if shown:
            yield TextReceived(text=shown)
        else:
            yield PulseReceived()

    def _message(self, item_id: str, text: str) -> Iterator[StreamEvent | Finished]:
        self.after_tool = False
        if ABORTED in text:
            raise TurnAborted
        if not text:
            return
        words = self._words(item_id)
        if rest := words.rest(text):
            yield TextReceived(text=rest)
        self._texts.pop(item_id, None)
        yield PartCompleted(part=Text(text=words.lead + text))

    def _used(self, reported: JsonObject) -> Iterator[StreamEvent | Finished]:
        """What the step has used; the thread's total begins anew where turns are taken back."""
        total, last = _usage(reported.get("total")), _usage(reported.get("last"))
        if total is None:
            return
        known = self.total
        if known is None or total.input < known.input or total.output < known.output:
            more = last if last is not None else total
        else:
            more = plus(total, known, sign=-1)
        self.total = total
        self.used = plus(self.used, more)
        self._first = self._first or more
        yield UsageReported(usage=self.used, first=self._first)


class _Words:
    """The text of one message: what may be shown of it, never the agent's word of an abort."""

    def __init__(self, lead: str) -> None:
        self.lead = lead
        self._shown = ""
        self._held = ""

    def more(self, piece: str) -> str:
        """What may be shown now. Raises TurnAborted."""
        self._held += piece
        if ABORTED in self._held:
            raise TurnAborted
        keep = next(
            (n for n in range(len(ABORTED) - 1, 0, -1) if self._held.endswith(ABORTED[:n])), 0
        )
        ready = self._held[: len(self._held) - keep]
        self._held = self._held[len(ready) :]
        return self._show(ready)

    def rest(self, text: str) -> str:
        """What the reader still lacks of the whole text."""
        if not text.startswith(self._shown):
            return ""  # what is stored is the whole; the reader gets it with the final edit
        return self._show(text[len(self._shown) :])

    def _show(self, piece: str) -> str:
        if not piece:
            return ""
        lead = "" if self._shown else self.lead
        self._shown += piece
        return lead + piece


def call_of(item: JsonObject) -> ToolCall:
    """The action as a call that every provider can read on."""
    match item.get("type"):
        case "commandExecution":
            name, given = asks.COMMAND, _named(item, "command", "cwd")
        case "fileChange":
            changes = item.get("changes") or ()
            known = [asks.change_of(change) or change for change in changes]
            name, given = asks.FILES, {"changes": known}
        case "webSearch":
            name, given = "codex_web_search", _named(item, "query")
        case _:
            name, given = "codex_mcp", _named(item, "server", "tool", "arguments")
    arguments = orjson.dumps(given, option=orjson.OPT_SORT_KEYS).decode()
    return ToolCall(id="", name=name, arguments=arguments, provider_id=_text(item.get("id")))


def outcome_of(item: JsonObject) -> tuple[ResultStatus, str]:
    """How an action ended and what the model reads of it."""
    status = item.get("status")
    if status == "declined":
        return ResultStatus.REFUSED, "It was declined and did not run."
    if status == "inProgress":
        return ResultStatus.UNKNOWN, _NOT_KNOWN
    match item.get("type"):
        case "commandExecution":
            return _command_outcome(item)
        case "fileChange":
            paths = [_text(_object(change).get("path")) for change in item.get("changes") or ()]
            listed = "\n".join(filter(None, paths))
            if status == "failed":
                return ResultStatus.FAILED, f"The changes could not be made:\n{listed}"
            return ResultStatus.DONE, f"Changed:\n{listed}"
        case "webSearch":
            return ResultStatus.DONE, "Searched; the agent has read what it found."
        case _:
            return _mcp_outcome(item)


def _command_outcome(item: JsonObject) -> tuple[ResultStatus, str]:
    code, output = item.get("exitCode"), _text(item.get("aggregatedOutput"))
    if isinstance(code, int):
        return ResultStatus.DONE, cut(f"Exit code {code}.\n{output}".strip())
    if item.get("status") == "failed":
        return ResultStatus.FAILED, cut(f"It failed.\n{output}".strip())
    return ResultStatus.DONE, cut(output) or "It ended."


def _mcp_outcome(item: JsonObject) -> tuple[ResultStatus, str]:
    if error := _object(item.get("error")):
        return ResultStatus.FAILED, cut(_text(error.get("message")) or "It failed.")
    failed = item.get("status") == "failed"
    content = _object(item.get("result")).get("content")
    pieces = content if isinstance(content, list) else []
    text = "\n".join(_text(_object(piece).get("text")) for piece in pieces).strip()
    return ResultStatus.FAILED if failed else ResultStatus.DONE, cut(text) or "It gave nothing."


def cut(text: str) -> str:
    """A text with its two ends, and what is left out between them."""
    if len(text) <= 2 * SHOWN:
        return text
    left_out = len(text) - 2 * SHOWN
    return f"{text[:SHOWN]}\n[{left_out} characters left out here]\n{text[-SHOWN:]}"


def _usage(value: object) -> Usage | None:
    """A breakdown of tokens; cached input is inside the input, reasoning inside the output."""
    counts = _object(value)
    given = {
        name: counts.get(name, 0)
        for name in (
            "inputTokens",
            "outputTokens",
            "cachedInputTokens",
            "reasoningOutputTokens",
            "cacheWriteInputTokens",
        )
    }
    if "inputTokens" not in counts or not all(_is_count(count) for count in given.values()):
        return None
    return Usage(
        input=given["inputTokens"],
        output=given["outputTokens"],
        cached_input=given["cachedInputTokens"],
        reasoning=given["reasoningOutputTokens"],
        cache_write=given["cacheWriteInputTokens"],
    )


def plus(one: Usage, other: Usage, *, sign: int = 1) -> Usage:
    """The sum of two counts, or their difference."""
    return Usage(
        input=one.input + sign * other.input,
        output=one.output + sign * other.output,
        cached_input=max(0, one.cached_input + sign * other.cached_input),
        reasoning=max(0, one.reasoning + sign * other.reasoning),
        cache_write=max(0, one.cache_write + sign * other.cache_write),
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _named(item: JsonObject, *names: str) -> dict[str, Any]:
    return {name: item[name] for name in names if item.get(name) is not None}


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
