"""One turn as a generator of effects, entered from its rows.

Theory of operation. The state of a turn is its transcript and the states of its tool calls;
`position` looks at them and names what comes next, `turn_flow` yields the effect, receives the
result and looks again. A first run, a press two hours later and a restart after a crash are the
same code. Nothing here waits, reads a clock or knows a provider; the runner performs effects.

    the transcript ends with                      | position
    user input, a note, tool results              | AwaitsModel
    an assistant message with calls unanswered    | AwaitsTools
    an assistant message without calls            | Answered
"""

import hashlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TypeVar, assert_never

from agent.calls import CallState, Judge, JudgedCall, sort_open_calls
from agent.errors import AllProvidersFailed
from agent.messages import (
    AssistantMessage,
    Message,
    Part,
    PartialReply,
    ResultStatus,
    ToolCall,
    ToolResult,
    Usage,
)
from agent.providers.base import Stop

STEPS_PER_TURN = 25
CALLS_PER_STEP = 16
CALLS_PER_TURN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRows:
    """What is stored of a turn, and the past the model may see.

    `messages` is the whole visible transcript, this turn's part last. `steps` and `calls_made`
    count this turn only. `calls` holds the state of calls that have no result.
    """

    session: str
    turn: int
    messages: tuple[Message, ...]
    steps: int = 0
    calls_made: int = 0
    calls: Mapping[str, CallState] = field(default_factory=dict)

    def with_messages(self, *messages: Message) -> "TurnRows":
        """The rows after these messages were stored."""
        return replace(self, messages=self.messages + messages)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitsModel:
    """The model has the word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitsTools:
    """These calls have no result yet."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The reply stands; only closing is left."""

    message: AssistantMessage


Position = AwaitsModel | AwaitsTools | Answered


def position(messages: tuple[Message, ...]) -> Position:
    """Name what comes next for a transcript that ends with `messages`."""
    answered: set[str] = set()
    for message in reversed(messages):
        match message:
            case ToolResult():
                answered.add(message.call_id)
            case AssistantMessage():
                open_calls = tuple(call for call in message.calls if call.id not in answered)
                if open_calls:
                    return AwaitsTools(calls=open_calls)
                if message is messages[-1]:
                    return Answered(message=message)
                return AwaitsModel()
            case _:
                return AwaitsModel()
    return AwaitsModel()


# Effects and their results. Each pair is used in exactly one sub-generator below.


@dataclass(frozen=True, slots=True, kw_only=True)
class CallModel:
    """Ask the model with this transcript; `step` counts from 1 within the turn."""

    step: int
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReplied:
    """A complete reply; its calls carry no ids of ours yet."""

    message: AssistantMessage
    stop: Stop
    usage: Usage | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFailed:
    """Nobody in the plan could answer."""

    error: AllProvidersFailed
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """New words came and `busy = "interrupt"`; `shown` is what the reader has seen."""

    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """Someone said /stop; `shown` is what the reader has seen of this step."""

    by: str
    shown: str


ModelOutcome = ModelReplied | ModelFailed | Interrupted | Stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordStep:
    """Store the reply of a step, its usage, its calls and the refused calls' results (D2)."""

    step: int
    message: AssistantMessage
    usage: Usage | None
    calls: tuple[JudgedCall, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTools:
    """Run these side by side; intents are stored first. Results come back in call order."""

    calls: tuple[JudgedCall, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeCalls:
    """Ask the tools of these begun calls whether they took effect."""

    calls: tuple[JudgedCall, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What is known now: `results` took effect, the calls in `absent` did not."""

    results: tuple[ToolResult, ...]
    absent: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskPeople:
    """Store a question about each of these calls, whose effect nobody knows (D2); park.

    Nobody is asked any more once someone has said /stop: then the result is Stopped.
    """

    calls: tuple[JudgedCall, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolsRan:
    """One stored result for every call; `stopped_by` names who said /stop meanwhile."""

    results: tuple[ToolResult, ...]
    stopped_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordMessages:
    """Store messages that are neither a reply nor a result of a tool that ran (D2)."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainInbox:
    """Let what arrived meanwhile join the turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """The messages that joined, stored."""

    messages: tuple[Message, ...]


class TurnState(Enum):
    """How a turn ends."""

    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    HALTED = "halted"


class Mark(Enum):
    """What is said under or instead of an answer that is not a plain complete one."""

    NONE = "none"
    CUT_BY_LENGTH = "cut_by_length"
    CUT_BY_FAILURE = "cut_by_failure"
    EMPTY = "empty"
    FILTERED = "filtered"
    STEP_LIMIT = "step_limit"
    LOST_CALLS = "lost_calls"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnd:
    """How the turn ends and what the chat is to read.

    `messages` are stored with the closing commit. `text` holds the model's words, in Markdown,
    of the last step only: those of earlier steps are stored already. `doubts` are labels of
    calls that were cut and may have taken effect.
    """

    state: TurnState
    text: str = ""
    mark: Mark = Mark.NONE
    by: str = ""
    error: AllProvidersFailed | None = None
    step: int | None = None
    usage: Usage | None = None
    messages: tuple[Message, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseTurn:
    """Reply, transcript and input rows in one commit (D2). The last effect."""

    end: TurnEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """The turn is left at its last stored step; its rows say how it goes on.

    `asked`: people were asked and their answer opens it again. Otherwise the next run does.
    """

    asked: bool


Effect = (
    CallModel
    | RecordStep
    | RunTools
    | ProbeCalls
    | AskPeople
    | RecordMessages
    | DrainInbox
    | CloseTurn
)
EffectResult = ModelOutcome | ToolsRan | Probed | Drained | None
TurnFlow = Generator[Effect, EffectResult, TurnEnd | Parked]

_R = TypeVar("_R")


def call_id(session: str, turn: int, step: int, ordinal: int) -> str:
    """The stable id of a call: at most 27 characters every provider accepts as a call id."""
    seed = f"{session}\x1f{turn}\x1f{step}\x1f{ordinal}".encode()
    return "call_" + hashlib.sha256(seed).hexdigest()[:22]


def turn_flow(rows: TurnRows, judge: Judge) -> TurnFlow:
    """Yield what the turn wants next until it is closed or parked; returns which.

    `judge` is pure: it parses, normalises and decides one call.
    """
    outcome: TurnRows | TurnEnd | Parked
    while True:
        match position(rows.messages):
            case AwaitsModel():
                if rows.steps >= STEPS_PER_TURN or rows.calls_made >= CALLS_PER_TURN:
                    return (
                        yield from _close(TurnEnd(state=TurnState.HALTED, mark=Mark.STEP_LIMIT))
                    )
                outcome = yield from _model_step(rows, judge)
            case AwaitsTools(calls=calls):
                outcome = yield from _tool_step(rows, calls, judge)
            case Answered():
                outcome = TurnEnd(state=TurnState.DONE)
            case unknown:
                assert_never(unknown)
        match outcome:
            case TurnEnd():
                return (yield from _close(outcome))
            case Parked():
                return outcome
            case TurnRows():
                rows = outcome


def _model_step(
    rows: TurnRows, judge: Judge
) -> Generator[Effect, EffectResult, TurnRows | TurnEnd]:
    step = rows.steps + 1
    outcome = yield from _call_model(CallModel(step=step, messages=rows.messages))
    match outcome:
        case ModelReplied():
            return (yield from _accept(rows, step, outcome, judge))
        case ModelFailed(error=error, shown=shown):
            return TurnEnd(
                state=TurnState.FAILED,
                text=shown,
                mark=Mark.CUT_BY_FAILURE if shown else Mark.NONE,
                error=error,
                messages=_partial(shown),
            )
        case Stopped(by=by, shown=shown):
            return TurnEnd(
                state=TurnState.CANCELLED,
                text=shown,
                mark=Mark.STOPPED,
                by=by,
                messages=_partial(shown),
            )
        case Interrupted(shown=shown):  # no step was made of it; the rows don't count it either
            if shown:
                rows = yield from _record(rows, PartialReply(text=shown))
            return (yield from _drain(rows))
        case unknown:
            assert_never(unknown)


def _accept(
    rows: TurnRows, step: int, reply: ModelReplied, judge: Judge
) -> Generator[Effect, EffectResult, TurnRows | TurnEnd]:
    """Decide what a complete reply means: an answer, a step with calls, or neither."""
    message = _with_ids(reply.message, rows, step)
    match reply.stop:
        case Stop.LENGTH:
            return _cut_by_length(message, step, reply.usage)
        case Stop.FILTERED:
            return TurnEnd(state=TurnState.FAILED, mark=Mark.FILTERED, step=step, usage=reply.usage)
        case Stop.DONE | Stop.TOOL_CALLS | Stop.PAUSED | Stop.WINDOW_FULL:
            pass
        case unknown:
            assert_never(unknown)
    if not message.calls:
        empty = not message.text.strip()
        return TurnEnd(
            state=TurnState.FAILED if empty else TurnState.DONE,
            text=message.text,
            mark=Mark.EMPTY if empty else Mark.NONE,
            step=step,
            usage=reply.usage,
            messages=() if empty else (message,),
        )
    judged = tuple(
        judge(call) if ordinal < CALLS_PER_STEP else _over_limit(call)
        for ordinal, call in enumerate(message.calls)
    )
    record = RecordStep(step=step, message=message, usage=reply.usage, calls=judged)
    yield from _perform(record, type(None))
    refusals = tuple(call.refusal for call in judged if call.refusal is not None)
    made = rows.calls_made + len(judged)
    return replace(rows, steps=step, calls_made=made).with_messages(message, *refusals)


def _tool_step(
    rows: TurnRows, calls: tuple[ToolCall, ...], judge: Judge
) -> Generator[Effect, EffectResult, TurnRows | TurnEnd | Parked]:
    """Run what may run, resolve what a crash left behind, then let new words join."""
    found = sort_open_calls(calls, rows.calls, judge)
    runnable, settled, doubtful = found.runnable, found.settled, found.doubtful
    if found.probeable:
        probed = yield from _perform(ProbeCalls(calls=found.probeable), Probed)
        known = {result.call_id for result in probed.results}
        settled += probed.results
        runnable += tuple(c for c in found.probeable if c.call.id in probed.absent)
        doubtful += tuple(c for c in found.probeable if c.call.id not in known | probed.absent)
    if settled:
        rows = yield from _record(rows, *settled)
    if runnable:
        ran = yield from _perform(RunTools(calls=runnable), ToolsRan)
        rows = replace(rows.with_messages(*ran.results), calls={})
        if ran.stopped_by is not None:
            return TurnEnd(
                state=TurnState.CANCELLED,
                mark=Mark.STOPPED,
                by=ran.stopped_by,
                doubts=_doubts(runnable, ran.results),
            )
    if doubtful:
        stopped = yield from _ask_people(AskPeople(calls=doubtful))
        if stopped is not None:
            return TurnEnd(state=TurnState.CANCELLED, mark=Mark.STOPPED, by=stopped.by)
        return Parked(asked=True)
    return (yield from _drain(rows))


def _doubts(calls: tuple[JudgedCall, ...], results: tuple[ToolResult, ...]) -> tuple[str, ...]:
    unknown = {r.call_id for r in results if r.status is ResultStatus.UNKNOWN}
    return tuple(c.prepared.label for c in calls if c.prepared and c.call.id in unknown)


def _cut_by_length(message: AssistantMessage, step: int, usage: Usage | None) -> TurnEnd:
    """Keep the words of a reply that hit its length limit; calls in it never run."""
    words = message.text.strip()
    if not words:
        mark = Mark.LOST_CALLS if message.calls else Mark.EMPTY
        return TurnEnd(state=TurnState.FAILED, mark=mark, step=step, usage=usage)
    return TurnEnd(
        state=TurnState.DONE,
        text=message.text,
        mark=Mark.CUT_BY_LENGTH,
        step=step,
        usage=usage,
        messages=(PartialReply(text=message.text),),
    )


def _with_ids(message: AssistantMessage, rows: TurnRows, step: int) -> AssistantMessage:
    ordinal = 0
    parts: list[Part] = []
    for part in message.parts:
        if isinstance(part, ToolCall):
            parts.append(replace(part, id=call_id(rows.session, rows.turn, step, ordinal)))
            ordinal += 1
        else:
            parts.append(part)
    return replace(message, parts=tuple(parts))


def _over_limit(call: ToolCall) -> JudgedCall:
    text = f"Not run: at most {CALLS_PER_STEP} calls are made at once. Ask again for the rest."
    refusal = ToolResult(call_id=call.id, name=call.name, status=ResultStatus.NOT_RUN, text=text)
    return JudgedCall(call=call, prepared=None, refusal=refusal)


def _partial(shown: str) -> tuple[Message, ...]:
    return (PartialReply(text=shown),) if shown else ()


def _record(rows: TurnRows, *messages: Message) -> Generator[Effect, EffectResult, TurnRows]:
    yield from _perform(RecordMessages(messages=messages), type(None))
    return rows.with_messages(*messages)


def _drain(rows: TurnRows) -> Generator[Effect, EffectResult, TurnRows]:
    drained = yield from _perform(DrainInbox(), Drained)
    return rows.with_messages(*drained.messages)


def _close(end: TurnEnd) -> Generator[Effect, EffectResult, TurnEnd]:
    yield from _perform(CloseTurn(end=end), type(None))
    return end


def _call_model(effect: CallModel) -> Generator[Effect, EffectResult, ModelOutcome]:
    result = yield effect
    if not isinstance(result, ModelReplied | ModelFailed | Interrupted | Stopped):
        raise TypeError(f"{effect!r} got {result!r}")
    return result


def _ask_people(effect: AskPeople) -> Generator[Effect, EffectResult, Stopped | None]:
    result = yield effect
    if result is not None and not isinstance(result, Stopped):
        raise TypeError(f"{effect!r} got {result!r}")
    return result


def _perform(effect: Effect, expected: type[_R]) -> Generator[Effect, EffectResult, _R]:
    result = yield effect
    if not isinstance(result, expected):
        raise TypeError(f"{effect!r} got {result!r}")
    return result
