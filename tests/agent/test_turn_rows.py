"""That the rows of a turn alone say what comes next: random turns, entered again everywhere."""

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from agent.calls import CallState, StoredCall
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
    Interrupted,
    Parked,
    ProbeCalls,
    Probed,
    RecordMessages,
    RecordStep,
    RunTools,
    ToolsRan,
    TurnRows,
    Wait,
)
from agent.guards import CALLS_PER_STEP
from agent.messages import AssistantMessage, Message, ToolCall, ToolResult, UserMessage
from agent.providers.base import Stop
from agent.tools.base import EffectClass
from agent.turn import turn_flow
from tests.agent.scripted import call, turn_rows, user
from tests.agent.test_turn import CLOSING, JUDGE, allowed, close, parked, play, ran, replied


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """An effect that was asked for, the rows of that moment, and what it was answered with."""

    effect: Effect
    rows: TurnRows
    result: EffectResult


def stored(rows: TurnRows, effect: Effect, answer: EffectResult) -> TurnRows:
    """The rows after an effect, by the rules of the store."""
    match effect:
        case RecordStep(step=step, message=message, calls=calls):
            refusals = tuple(c.refusal for c in calls if c.refusal is not None)
            proposed = StoredCall(state=CallState.PROPOSED)
            states = {c.call.id: proposed for c in calls if c.refusal is None}
            rows = rows.with_messages(message, *refusals)
            made = rows.calls_made + len(calls)
            return replace(rows, steps=step, calls_made=made, calls=states)
        case GateCalls():
            assert isinstance(answer, Gated)
            return replace(rows, calls={**rows.calls, **decided(answer)})
        case RunTools():
            assert isinstance(answer, ToolsRan)
            return replace(rows.with_messages(*answer.results), calls={})
        case RecordMessages(messages=messages):
            return rows.with_messages(*messages)
        case DrainInbox():
            assert isinstance(answer, Drained)
            return rows.with_messages(*answer.messages)
        case CallModel() | CloseTurn() | ProbeCalls() | AskPeople() | Wait():
            return rows


def decided(gated: Gated) -> dict[str, StoredCall]:
    """The rows of calls a gate has allowed."""
    return {
        c.call.id: StoredCall(
            state=CallState.ALLOWED,
            arguments=canonical(c.prepared.arguments).decode(),
            quote=c.prepared.quote,
        )
        for c in gated.allowed
        if c.prepared is not None
    }


def record(rows: TurnRows, outcomes: list[EffectResult], drains: list[bool]) -> list[Recorded]:
    """Play a whole turn: the model's outcomes in turn, then a plain answer."""
    flow = turn_flow(rows, JUDGE)
    played: list[Recorded] = []
    effect = next(flow)
    while True:
        answer: EffectResult = None
        match effect:
            case CallModel():
                answer = outcomes.pop(0) if outcomes else replied("The end.")
            case GateCalls():
                answer = allowed(effect)
            case RunTools():
                answer = ran(effect)
            case DrainInbox():
                joined = drains.pop(0) if drains else False
                answer = Drained(messages=(user("joined"),) if joined else ())
            case _:
                pass
        played.append(Recorded(effect=effect, rows=rows, result=answer))
        rows = stored(rows, effect, answer)
        if isinstance(effect, CloseTurn):
            close(flow)
            return played
        effect = flow.send(answer)


CALLS = st.lists(
    st.builds(
        call,
        st.sampled_from([*(e.value for e in EffectClass), "nope"]),
        st.sampled_from(["{}", '{"n": 1}', "{", '{"x": 1}']),
    ),
    min_size=1,
    max_size=CALLS_PER_STEP + 2,
)
OUTCOMES = st.lists(
    st.one_of(
        CALLS.map(lambda calls: replied("Look.", *calls, stop=Stop.TOOL_CALLS)),
        st.sampled_from(["", "hal"]).map(lambda shown: Interrupted(shown=shown)),
    ),
    max_size=8,
)
LAST = st.sampled_from([case.outcome for case in CLOSING.values()])
SCRIPTS = st.builds(lambda most, last: [*most, last], OUTCOMES, LAST)


def results_of(messages: tuple[Message, ...]) -> list[tuple[ToolCall, int]]:
    """Every call of a transcript with how many results it has."""
    return [
        (asked, sum(isinstance(m, ToolResult) and m.call_id == asked.id for m in messages))
        for message in messages
        if isinstance(message, AssistantMessage)
        for asked in message.calls
    ]


@given(outcomes=SCRIPTS, drains=st.lists(st.booleans(), max_size=8))
def test_every_call_has_one_result_before_the_model_is_asked(
    outcomes: list[EffectResult], drains: list[bool]
) -> None:
    """Whatever the model asks for, no request shows it a call without a result, or with two."""
    for moment in record(turn_rows(), outcomes, drains):
        if isinstance(moment.effect, CallModel):
            assert all(count == 1 for _, count in results_of(moment.effect.messages))


@given(outcomes=SCRIPTS, drains=st.lists(st.booleans(), max_size=8))
def test_a_turn_entered_at_any_row_goes_on_as_it_did(
    outcomes: list[EffectResult], drains: list[bool]
) -> None:
    """From the rows of any moment the next effect is the recorded one, and so are all after it.

    What leaves no row is asked for again: an outcome of the model, and a drain that found nothing.
    """
    played = record(turn_rows(), outcomes, drains)
    for start, moment in enumerate(played):
        first = next(m for m in played if m.rows == moment.rows)
        if first is not moment:
            assert play(moment.rows) == [first.effect]
            continue
        flow = turn_flow(moment.rows, JUDGE)
        effect = next(flow)
        for later in played[start:]:
            assert effect == later.effect
            if isinstance(effect, CloseTurn):
                break
            effect = flow.send(later.result)


@given(calls=CALLS, data=st.data())
def test_a_crash_among_tools_runs_no_effect_twice(
    calls: list[ToolCall], data: st.DataObject
) -> None:
    """With any of the results stored, the others run again or people decide, by effect class."""
    played = record(turn_rows(), [replied(*calls)], [])
    tools = next((m for m in played if isinstance(m.effect, RunTools)), None)
    if tools is None:
        return
    assert isinstance(tools.effect, RunTools)
    assert isinstance(tools.result, ToolsRan)
    kept = tuple(r for r in tools.result.results if data.draw(st.booleans()))
    states = {
        c.call.id: replace(tools.rows.calls[c.call.id], state=CallState.INTENT)
        if c.prepared.effect is not EffectClass.PURE
        else tools.rows.calls[c.call.id]
        for c in tools.effect.calls
        if c.prepared and c.call.id not in {r.call_id for r in kept}
    }
    flow = turn_flow(replace(tools.rows.with_messages(*kept), calls=states, own=()), JUDGE)
    effect = next(flow)
    again: list[str] = []
    while not isinstance(effect, CallModel):
        answer: EffectResult = None
        if isinstance(effect, AskPeople):
            assert flow.send(None) == Wait()
            assert parked(flow, Parked(asked=True)) == Parked(asked=True)
            return
        if isinstance(effect, ProbeCalls):
            answer = Probed(results=(), absent=frozenset())
        elif isinstance(effect, RunTools):
            again = [c.prepared.effect.value for c in effect.calls if c.prepared]
            answer = ran(effect)
        elif isinstance(effect, DrainInbox):
            answer = Drained(messages=())
        effect = flow.send(answer)
        assert set(again) <= {"pure", "keyed", "local"}
    assert all(count == 1 for _, count in results_of(effect.messages))
    assert all(isinstance(m, UserMessage | AssistantMessage | ToolResult) for m in effect.messages)
