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

from collections.abc import Generator
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeVar, assert_never

from agent import guards
from agent.calls import CallState, Judge, JudgedCall, StoredCall, sort_open_calls
from agent.canonical import canonical
from agent.effects import (
    AskPeople,
    CallModel,
    CloseTurn,
    Drained,
    DrainInbox,
    Effect,
    EffectResult,
    GateCalls,
    Gated,
    GoOn,
    Interrupted,
    Mark,
    ModelFailed,
    ModelOutcome,
    ModelReplied,
    OverBudget,
    Parked,
    ProbeCalls,
    Probed,
    RecordMessages,
    RecordStep,
    RunTools,
    Stopped,
    ToolsRan,
    TurnEnd,
    TurnRows,
    TurnState,
    Wait,
)
from agent.messages import (
    AssistantMessage,
    Message,
    Note,
    PartialReply,
    ResultStatus,
    ToolCall,
    ToolResult,
    UserMessage,
)
from agent.turn_replies import (
    answer,
    is_empty,
    is_settled,
    judged_calls,
    mark_of,
    marked,
    parted,
    partial,
    with_ids,
)

_BEGUN = (CallState.INTENT, CallState.RUNNING)


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


TurnFlow = Generator[Effect, EffectResult, TurnEnd | Parked]

_R = TypeVar("_R")


def turn_flow(rows: TurnRows, judge: Judge, active_s: guards.Clock = guards.untimed) -> TurnFlow:
    """Yield what the turn wants next until it is closed or parked; returns which.

    `judge` is pure: it parses, normalises and decides one call. `active_s` tells for how long the
    turn has been at work by now, waits for people left out.
    """
    outcome: TurnRows | TurnEnd | Parked
    while True:
        if rows.halted:
            end = TurnEnd(state=TurnState.HALTED, mark=Mark.HALTED, by=rows.halted)
            return (yield from _close(end))
        match position(rows.messages):
            case AwaitsModel():
                limit = guards.limit_reached(rows.steps, rows.calls_made, active_s())
                if limit is not None:
                    outcome = TurnEnd(state=TurnState.HALTED, mark=Mark.STEP_LIMIT, reached=limit)
                else:
                    outcome = yield from _go_on(rows, judge)
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


def _go_on(
    rows: TurnRows, judge: Judge
) -> Generator[Effect, EffectResult, TurnRows | TurnEnd | Parked]:
    """Let in what arrived, look whether the turn goes round in circles, and ask the model."""
    if rows.messages and isinstance(rows.messages[-1], ToolResult | PartialReply):
        rows = yield from _drain(rows)
    if rows.own and isinstance(rows.own[-1], ToolResult):
        match guards.look(rows.own, judge):
            case guards.Nudge(text=text):
                rows = yield from _record(rows, Note(text=text))
            case guards.Halt(mark=mark, why=why):
                return TurnEnd(state=TurnState.HALTED, mark=mark, why=why)
            case None:
                pass
            case unknown:
                assert_never(unknown)
    return (yield from _model_step(rows, judge))


class _Empty(Enum):
    """What is tried after an empty reply, in this order."""

    NOTE = "note"  # a note as its own message: text glued to results teaches emptiness
    AGAIN = "again"
    ELSEWHERE = "elsewhere"


def _model_step(
    rows: TurnRows, judge: Judge
) -> Generator[Effect, EffectResult, TurnRows | TurnEnd | Parked]:
    """Ask the model until it says something, or nobody has anything to say."""
    step = rows.steps + 1
    remedies = iter(_Empty if _after_tools(rows.messages) else (_Empty.AGAIN, _Empty.ELSEWHERE))
    wasted, remedy = None, None
    while True:
        effect = CallModel(
            step=step,
            messages=rows.messages,
            asked=tuple(m for m in rows.own if isinstance(m, UserMessage)),
            begun=frozenset(i for i, row in rows.calls.items() if row.state in _BEGUN),
            fold=rows.fold,
            wasted=wasted,
            elsewhere=remedy is _Empty.ELSEWHERE,
            redirected=_redirected(rows),
        )
        outcome = yield from _call_model(effect)
        if not isinstance(outcome, ModelReplied):
            return (yield from _unanswered(rows, outcome))
        rows = _folded(rows, outcome)
        remedy = next(remedies, None) if is_empty(outcome) else None
        if remedy is None:
            return (yield from _accept(rows, step, outcome, judge))
        wasted = outcome
        if remedy is _Empty.NOTE:
            rows = yield from _record(rows, Note(text=guards.EMPTY_NOTE))


def _after_tools(messages: tuple[Message, ...]) -> bool:
    """Whether the model answers tool results, and was not told yet that it said nothing."""
    for message in reversed(messages):
        if isinstance(message, Note) and message.text != guards.EMPTY_NOTE:
            continue
        return isinstance(message, ToolResult)
    return False


def _folded(rows: TurnRows, outcome: ModelReplied | Interrupted) -> TurnRows:
    """The rows after a model call, whose fold, if one was asked for, has been made."""
    messages = rows.messages if outcome.messages is None else outcome.messages
    return replace(rows, messages=messages, fold=False).with_messages(*outcome.joined)


def _redirected(rows: TurnRows) -> bool:
    """Whether this turn's last reply was cut, and only new words came after it."""
    before = next((m for m in reversed(rows.own) if not isinstance(m, UserMessage)), None)
    return isinstance(before, PartialReply) and isinstance(rows.own[-1], UserMessage)


def _unanswered(
    rows: TurnRows, outcome: ModelFailed | Stopped | Interrupted | OverBudget
) -> Generator[Effect, EffectResult, TurnRows | TurnEnd | Parked]:
    """What follows a model call without a reply."""
    match outcome:
        case ModelFailed(error=error, shown=shown):
            return TurnEnd(
                state=TurnState.FAILED,
                text=shown,
                mark=Mark.CUT_BY_FAILURE if shown else Mark.NONE,
                error=error,
                messages=partial(shown),
            )
        case Stopped(by=by, shown=shown):
            return TurnEnd(
                state=TurnState.CANCELLED,
                text=shown,
                mark=Mark.STOPPED,
                by=by,
                messages=partial(shown),
            )
        case Interrupted(shown=shown):
            # No step was made of it; the rows don't count it either.
            rows = _folded(rows, outcome)
            if shown:
                return (yield from _record(rows, PartialReply(text=shown)))
            return (yield from _drain(rows))
        case OverBudget():
            return Parked(asked=True)
        case unknown:
            assert_never(unknown)


def _accept(
    rows: TurnRows, step: int, reply: ModelReplied, judge: Judge
) -> Generator[Effect, EffectResult, TurnRows | TurnEnd]:
    """Decide what a complete reply means: an answer, a step with calls, or neither."""
    message = with_ids(reply.message, rows, step)
    mark = reply.mark or mark_of(reply.stop, message)
    if mark is not None:
        return marked(mark, message, step, reply)
    if not message.calls:
        end = answer(message.text, (message,))
        return replace(end, step=step, usage=reply.usage, spent=reply.spent, attempt=reply.attempt)
    acted, words = parted(message) if is_settled(reply) else (message, None)
    calls = judged_calls(acted, reply, rows, judge)
    record = RecordStep(
        step=step,
        message=acted,
        usage=reply.usage,
        calls=calls,
        spent=reply.spent,
        attempt=reply.attempt,
    )
    yield from _perform(record, type(None))
    if words is not None:  # the provider did all of it itself and has had its last word
        return answer(words.text, (words,) if words.parts else (), said=acted.text)
    refusals = tuple(call.refusal for call in calls if call.refusal is not None)
    made = rows.calls_made + len(calls)
    begun = StoredCall(state=CallState.INTENT)
    doubts = {each.call.id: begun for each in calls if each.inside and each.refusal is None}
    rows = replace(rows, steps=step, calls_made=made, calls=doubts)
    return rows.with_messages(acted, *refusals)


def _tool_step(
    rows: TurnRows, calls: tuple[ToolCall, ...], judge: Judge
) -> Generator[Effect, EffectResult, TurnRows | TurnEnd | Parked]:
    """Judge, run what may run, resolve what a crash left behind."""
    found = sort_open_calls(calls, rows.calls, judge)
    if found.proposed:
        return (yield from _gate(rows, found.proposed))
    runnable, settled, doubtful = found.runnable, found.settled, found.doubtful
    missing = len(found.held)
    if found.probeable:
        probed = yield from _perform(ProbeCalls(calls=found.probeable), Probed)
        known = {result.call_id for result in probed.results} | probed.absent | probed.attached
        rows = rows.with_messages(*probed.results)
        absent = tuple(c for c in found.probeable if c.call.id in probed.absent)
        runnable = tuple(sorted(runnable + absent, key=lambda c: calls.index(c.call)))
        doubtful += tuple(c for c in found.probeable if c.call.id not in known)
        if probed.stopped_by is not None:
            return _stopped(probed.stopped_by, _labels(doubtful))
        missing += len(probed.attached)
    if settled:
        rows = yield from _record(rows, *settled)
    missing += len(doubtful)
    if runnable:
        ran = yield from _perform(RunTools(calls=runnable), ToolsRan)
        rows = rows.with_messages(*ran.results)
        if ran.stopped_by is not None:
            return _stopped(ran.stopped_by, _labels(doubtful) + _doubts(runnable, ran.results))
        missing += len(runnable) - len(ran.results)
        doubtful += tuple(c for c in runnable if c.call.id in ran.in_doubt)
    if doubtful:
        yield from _perform(AskPeople(calls=doubtful), type(None))
    if missing:
        return (yield from _wait(doubtful))
    return replace(rows, calls={})


def _gate(
    rows: TurnRows, proposed: tuple[JudgedCall, ...]
) -> Generator[Effect, EffectResult, TurnRows | TurnEnd]:
    """Have calls judged; what the gate stored is what their rows say now."""
    effect = GateCalls(calls=proposed)
    gated = yield effect
    if isinstance(gated, Stopped):
        return _stopped(gated.by, ())
    if not isinstance(gated, Gated):
        raise TypeError(f"{effect!r} got {gated!r}")
    states = dict(rows.calls)
    for judged in proposed:
        states[judged.call.id] = StoredCall(state=CallState.ASKED)
    for judged in gated.allowed:
        states[judged.call.id] = _allowed(judged)
    for result in gated.results:
        states.pop(result.call_id, None)
    rows = replace(rows, calls=states, halted=gated.halted)
    return rows.with_messages(*gated.results)


def _allowed(judged: JudgedCall) -> StoredCall:
    if judged.prepared is None:
        raise ValueError(f"{judged.call.id} was refused and can't be allowed")
    return StoredCall(
        state=CallState.ALLOWED,
        arguments=canonical(judged.prepared.arguments).decode(),
        quote=judged.prepared.quote,
        snapshots=judged.prepared.snapshots,
    )


def _wait(
    doubtful: tuple[JudgedCall, ...],
) -> Generator[Effect, EffectResult, TurnRows | TurnEnd | Parked]:
    """Leave the turn to its rows, unless they say that it goes on."""
    result = yield Wait()
    match result:
        case Parked():
            return result
        case GoOn(rows=rows):
            return rows
        case Stopped(by=by):
            return _stopped(by, _labels(doubtful))
        case _:
            raise TypeError(f"waiting got {result!r}")


def _stopped(by: str, doubts: tuple[str, ...]) -> TurnEnd:
    return TurnEnd(state=TurnState.CANCELLED, mark=Mark.STOPPED, by=by, doubts=doubts)


def _labels(calls: tuple[JudgedCall, ...]) -> tuple[str, ...]:
    return tuple(c.prepared.label if c.prepared else c.call.name for c in calls)


def _doubts(calls: tuple[JudgedCall, ...], results: tuple[ToolResult, ...]) -> tuple[str, ...]:
    unknown = {r.call_id for r in results if r.status is ResultStatus.UNKNOWN}
    return tuple(c.prepared.label for c in calls if c.prepared and c.call.id in unknown)


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
    if not isinstance(result, ModelReplied | ModelFailed | Interrupted | Stopped | OverBudget):
        raise TypeError(f"{effect!r} got {result!r}")
    return result


def _perform(effect: Effect, expected: type[_R]) -> Generator[Effect, EffectResult, _R]:
    result = yield effect
    if not isinstance(result, expected):
        raise TypeError(f"{effect!r} got {result!r}")
    return result
