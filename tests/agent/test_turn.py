"""The turn: every position, every outcome, and that its rows alone say what comes next."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.calls import CallState
from agent.effects import (
    CallModel,
    CloseTurn,
    Drained,
    DrainInbox,
    Effect,
    EffectResult,
    GateCalls,
    Gated,
    Interrupted,
    Mark,
    ModelFailed,
    ModelReplied,
    OverBudget,
    Parked,
    RecordMessages,
    RecordStep,
    RunTools,
    Stopped,
    ToolsRan,
    TurnEnd,
    TurnRows,
    TurnState,
)
from agent.errors import AllProvidersFailed
from agent.guards import (
    CALLS_PER_STEP,
    CALLS_PER_TURN,
    STEPS_PER_TURN,
)
from agent.messages import (
    Message,
    Note,
    PartialReply,
    ResultStatus,
    ToolCall,
    ToolResult,
    Usage,
)
from agent.policy import judge_with
from agent.providers.base import Stop
from agent.turn import (
    Answered,
    AwaitsModel,
    AwaitsTools,
    TurnFlow,
    position,
    turn_flow,
)
from agent.turn_replies import call_id
from tests.agent.scripted import all_tools, assistant, call, stored, turn_rows, unavailable, user

JUDGE = judge_with(all_tools())
USAGE = Usage(input=10, output=2)
FAILED = AllProvidersFailed((unavailable(),))
CALL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def replied(*parts: Any, stop: Stop = Stop.DONE, usage: Usage | None = USAGE) -> ModelReplied:
    """A complete reply of these parts."""
    return ModelReplied(message=assistant(*parts), stop=stop, usage=usage)


def result(ident: str, status: ResultStatus = ResultStatus.DONE, text: str = "ok") -> ToolResult:
    return ToolResult(call_id=ident, name="pure", status=status, text=text)


def allowed(effect: Effect) -> Gated:
    """Every call of a GateCalls effect allowed."""
    assert isinstance(effect, GateCalls)
    return Gated(allowed=effect.calls, results=())


def ran(effect: Effect, stopped_by: str | None = None) -> ToolsRan:
    """Every call of a RunTools effect done."""
    assert isinstance(effect, RunTools)
    results = tuple(
        ToolResult(call_id=c.call.id, name=c.call.name, status=ResultStatus.DONE, text="ok")
        for c in effect.calls
    )
    return ToolsRan(results=results, stopped_by=stopped_by)


def play(rows: TurnRows, *results: EffectResult | Callable[[Effect], EffectResult]) -> list[Effect]:
    """Send these results in turn; the effects that were asked for, the last one unanswered."""
    flow = turn_flow(rows, JUDGE)
    effects = [next(flow)]
    for given_result in results:
        value = given_result(effects[-1]) if callable(given_result) else given_result
        effects.append(flow.send(value))
    return effects


def close(flow: TurnFlow) -> TurnEnd:
    """Answer CloseTurn and return what the flow returns."""
    with pytest.raises(StopIteration) as ended:
        flow.send(None)
    end: TurnEnd = ended.value.value
    return end


def parked(flow: TurnFlow, answer: EffectResult) -> Parked:
    """Answer the last effect before the turn is left to its rows."""
    with pytest.raises(StopIteration) as left:
        flow.send(answer)
    outcome: Parked = left.value.value
    return outcome


def ended(effect: Effect) -> TurnEnd:
    """The end a CloseTurn effect asks for."""
    assert isinstance(effect, CloseTurn)
    return effect.end


ASKED = call("pure", ident="c1")
ALSO_ASKED = call("pure", ident="c2")


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ((), AwaitsModel()),
        ((user(),), AwaitsModel()),
        ((Note(text="n"),), AwaitsModel()),
        ((user(), PartialReply(text="half")), AwaitsModel()),
        ((user(), assistant("done")), Answered(message=assistant("done"))),
        ((user(), assistant("done"), user("more")), AwaitsModel()),
        ((user(), assistant(ASKED)), AwaitsTools(calls=(ASKED,))),
        (
            (user(), assistant("a", ASKED, ALSO_ASKED), result("c2")),
            AwaitsTools(calls=(ASKED,)),
        ),
        ((user(), assistant(ASKED), result("c1")), AwaitsModel()),
        ((user(), assistant(ASKED), result("c1"), user("joined")), AwaitsModel()),
        ((user(), assistant(ASKED), user("new turn")), AwaitsModel()),
        (
            (user(), assistant(ASKED), result("c1"), assistant(ALSO_ASKED)),
            AwaitsTools(calls=(ALSO_ASKED,)),
        ),
        ((result("c1"),), AwaitsModel()),
    ],
)
def test_position(messages: tuple[Message, ...], expected: object) -> None:
    """The end of the transcript names what comes next."""
    assert position(messages) == expected


def test_user_input_asks_the_model_first() -> None:
    """A new turn begins with a model call at step 1."""
    (effect,) = play(turn_rows(user("hi")))
    assert effect == CallModel(step=1, messages=(user("hi"),))


@dataclass(frozen=True, kw_only=True)
class Case:
    """A model's outcome that ends the turn, and the end."""

    outcome: EffectResult
    end: TurnEnd


CLOSING = {
    "an answer": Case(
        outcome=replied("Paris."),
        end=TurnEnd(
            state=TurnState.DONE,
            text="Paris.",
            step=1,
            usage=USAGE,
            messages=(assistant("Paris."),),
        ),
    ),
    "empty, and it was asked for again": Case(
        outcome=replace(replied(" \n"), mark=Mark.EMPTY),
        end=TurnEnd(state=TurnState.FAILED, mark=Mark.EMPTY, step=1, usage=USAGE),
    ),
    "no parts, and they were asked for again": Case(
        outcome=replace(replied(usage=None), mark=Mark.EMPTY),
        end=TurnEnd(state=TurnState.FAILED, mark=Mark.EMPTY, step=1),
    ),
    "cut by length for good": Case(
        outcome=replace(replied("all of it"), mark=Mark.CUT_BY_LENGTH),
        end=TurnEnd(
            state=TurnState.DONE,
            text="all of it",
            mark=Mark.CUT_BY_LENGTH,
            step=1,
            usage=USAGE,
            messages=(PartialReply(text="all of it"),),
        ),
    ),
    "calls lost for good, with words": Case(
        outcome=replace(replied("so far", call()), mark=Mark.LOST_CALLS),
        end=TurnEnd(
            state=TurnState.FAILED,
            text="so far",
            mark=Mark.LOST_CALLS,
            step=1,
            usage=USAGE,
            messages=(PartialReply(text="so far"),),
        ),
    ),
    "cut by length": Case(
        outcome=replied("half", stop=Stop.LENGTH),
        end=TurnEnd(
            state=TurnState.DONE,
            text="half",
            mark=Mark.CUT_BY_LENGTH,
            step=1,
            usage=USAGE,
            messages=(PartialReply(text="half"),),
        ),
    ),
    "words and calls cut by length": Case(
        outcome=replied("half", call(), stop=Stop.LENGTH),
        end=TurnEnd(
            state=TurnState.DONE,
            text="half",
            mark=Mark.CUT_BY_LENGTH,
            step=1,
            usage=USAGE,
            messages=(PartialReply(text="half"),),
        ),
    ),
    "calls cut by length": Case(
        outcome=replied(call(), stop=Stop.LENGTH),
        end=TurnEnd(state=TurnState.FAILED, mark=Mark.LOST_CALLS, step=1, usage=USAGE),
    ),
    "nothing before the length limit": Case(
        outcome=replied(stop=Stop.LENGTH),
        end=TurnEnd(state=TurnState.FAILED, mark=Mark.EMPTY, step=1, usage=USAGE),
    ),
    "filtered": Case(
        outcome=replied("some", stop=Stop.FILTERED),
        end=TurnEnd(state=TurnState.FAILED, mark=Mark.FILTERED, step=1, usage=USAGE),
    ),
    "nobody answers": Case(
        outcome=ModelFailed(error=FAILED, shown=""),
        end=TurnEnd(state=TurnState.FAILED, error=FAILED),
    ),
    "broken off after words": Case(
        outcome=ModelFailed(error=FAILED, shown="hal"),
        end=TurnEnd(
            state=TurnState.FAILED,
            text="hal",
            mark=Mark.CUT_BY_FAILURE,
            error=FAILED,
            messages=(PartialReply(text="hal"),),
        ),
    ),
    "stopped before a word": Case(
        outcome=Stopped(by="Ann", shown=""),
        end=TurnEnd(state=TurnState.CANCELLED, mark=Mark.STOPPED, by="Ann"),
    ),
    "stopped after words": Case(
        outcome=Stopped(by="Ann", shown="hal"),
        end=TurnEnd(
            state=TurnState.CANCELLED,
            text="hal",
            mark=Mark.STOPPED,
            by="Ann",
            messages=(PartialReply(text="hal"),),
        ),
    ),
}


@pytest.mark.parametrize("name", CLOSING)
def test_outcomes_that_end_the_turn(name: str) -> None:
    """Each outcome closes with its own state, mark, words and stored messages."""
    case = CLOSING[name]
    flow = turn_flow(turn_rows(), JUDGE)
    next(flow)
    assert ended(flow.send(case.outcome)) == case.end
    assert close(flow) == case.end


@pytest.mark.parametrize("stop", [Stop.DONE, Stop.TOOL_CALLS, Stop.PAUSED, Stop.WINDOW_FULL])
def test_calls_are_recorded_gated_run_and_followed_by_the_model(stop: Stop) -> None:
    """A reply with calls: record, judge, run, let new words join, ask with everything in view."""
    effects = play(
        turn_rows(user("hi")),
        replied("Look.", call("pure"), call("once"), stop=stop),
        None,
        allowed,
        ran,
        Drained(messages=(user("and also"),)),
    )
    _, record, gate, tools, drain, again = effects
    assert isinstance(record, RecordStep)
    assert isinstance(tools, RunTools)
    ids = [call_id("s1", 1, 1, 0), call_id("s1", 1, 1, 1)]
    assert (record.step, record.usage) == (1, USAGE)
    assert [c.id for c in record.message.calls] == ids
    assert gate == GateCalls(calls=record.calls)
    assert tools.calls == record.calls
    assert [c.call.id for c in tools.calls] == ids
    assert drain == DrainInbox()
    assert isinstance(again, CallModel)
    assert again.step == 2
    assert again.messages == (user("hi"), record.message, *ran(tools).results, user("and also"))


@pytest.mark.parametrize(
    ("asked", "status", "says"),
    [
        (call("pur"), ResultStatus.REFUSED, "Did you mean pure?"),
        (call("pure", "[1]"), ResultStatus.MALFORMED, "one JSON object"),
        (call("pure", '{"x": 1}'), ResultStatus.MALFORMED, "Unknown field"),
    ],
)
def test_calls_that_may_not_run(asked: ToolCall, status: ResultStatus, says: str) -> None:
    """A refused call has its result with the step's record; its siblings run without it."""
    _, record, gate, tools, _, again = play(
        turn_rows(), replied(asked, call("once")), None, allowed, ran, Drained(messages=())
    )
    assert isinstance(record, RecordStep)
    assert isinstance(gate, GateCalls)
    assert [c.call.name for c in gate.calls] == ["once"]
    refusal = record.calls[0].refusal
    assert refusal is not None
    assert (refusal.status, refusal.call_id) == (status, call_id("s1", 1, 1, 0))
    assert says in refusal.text
    assert isinstance(tools, RunTools)
    assert [c.call.name for c in tools.calls] == ["once"]
    assert isinstance(again, CallModel)
    assert refusal in again.messages


def test_when_every_call_is_refused_the_model_reads_why() -> None:
    """Nothing is judged and nothing runs; new words join, and the model is asked again."""
    _, record, drain, again = play(
        turn_rows(), replied(call("nope"), call("nope")), None, Drained(messages=())
    )
    assert isinstance(record, RecordStep)
    assert drain == DrainInbox()
    assert isinstance(again, CallModel)
    assert [m.status for m in again.messages if isinstance(m, ToolResult)] == [
        ResultStatus.REFUSED,
        ResultStatus.REFUSED,
    ]


def test_more_calls_than_a_step_may_make() -> None:
    """The first ones run, the rest have a result that says they did not."""
    asked = [call("pure", f'{{"n": {n}}}') for n in range(CALLS_PER_STEP + 2)]
    _, record, _, tools = play(turn_rows(), replied(*asked), None, allowed)
    assert isinstance(record, RecordStep)
    assert isinstance(tools, RunTools)
    assert len(tools.calls) == CALLS_PER_STEP
    left = [c.refusal.status for c in record.calls[CALLS_PER_STEP:] if c.refusal]
    assert left == [ResultStatus.NOT_RUN] * 2


def test_stop_while_tools_run_ends_the_turn() -> None:
    """The results that were given are kept, and the model is not asked again."""
    effects = play(
        turn_rows(),
        replied("Look.", call("once")),
        None,
        allowed,
        lambda effect: ran(effect, "Ann"),
    )
    assert ended(effects[-1]) == TurnEnd(state=TurnState.CANCELLED, mark=Mark.STOPPED, by="Ann")


@pytest.mark.parametrize("shown", ["", "hal"])
def test_interrupted_call_goes_on_with_the_new_words(shown: str) -> None:
    """What was shown is kept as a partial reply, the new words join, the same step is asked."""
    results: list[EffectResult] = [Interrupted(shown=shown)]
    if shown:
        results.append(None)
    effects = play(turn_rows(user("hi")), *results, Drained(messages=(user("wait"),)))
    partial = (PartialReply(text=shown),) if shown else ()
    if shown:
        assert effects[1] == RecordMessages(messages=partial)
    assert effects[-2] == DrainInbox()
    assert effects[-1] == CallModel(
        step=1,
        messages=(user("hi"), *partial, user("wait")),
        asked=(user("wait"),),
        redirected=bool(shown),
    )


@pytest.mark.parametrize(
    "fields", [{"steps": STEPS_PER_TURN}, {"steps": 3, "calls_made": CALLS_PER_TURN}]
)
def test_limits_halt_the_turn(fields: dict[str, int]) -> None:
    """At its limit of steps or calls the turn says so instead of asking again."""
    (effect,) = play(turn_rows(**fields))
    reached = "25 steps" if fields["steps"] == STEPS_PER_TURN else "60 tool calls"
    assert ended(effect) == TurnEnd(state=TurnState.HALTED, mark=Mark.STEP_LIMIT, reached=reached)


def test_a_turn_makes_as_many_steps_as_it_may() -> None:
    """A model that never stops calling is asked 25 times."""
    flow = turn_flow(turn_rows(), JUDGE)
    effect = next(flow)
    asked = 0
    while not isinstance(effect, CloseTurn):
        match effect:
            case CallModel(step=step):
                asked += 1
                assert step == asked
                effect = flow.send(replied(call("pure", f'{{"n": {asked}}}')))
            case GateCalls():
                effect = flow.send(allowed(effect))
            case RunTools():
                effect = flow.send(ran(effect))
            case DrainInbox():
                effect = flow.send(Drained(messages=()))
            case _:
                effect = flow.send(None)
    assert asked == STEPS_PER_TURN
    assert effect.end.state is TurnState.HALTED


def test_an_answer_that_stands_is_only_closed() -> None:
    """Entered behind a stored answer, the turn is closed without another request."""
    (effect,) = play(turn_rows(user(), assistant("done")))
    assert ended(effect) == TurnEnd(state=TurnState.DONE)


def test_without_money_the_turn_waits_for_people() -> None:
    """The journal has asked people in the same commit; nothing else is stored."""
    flow = turn_flow(turn_rows(), JUDGE)
    next(flow)
    assert parked(flow, OverBudget()) == Parked(asked=True)


@pytest.mark.parametrize(
    "messages",
    [
        (user(),),
        (user(), assistant(call("once", ident="c1"))),
        (user(), assistant(call("once", ident="c1")), result("c1")),
    ],
)
def test_halted_rows_end_the_turn(messages: tuple[Message, ...]) -> None:
    """Wherever it stands: no model call and no tool follows, and the sentence is in the end."""
    rows = turn_rows(*messages, calls={"c1": stored(CallState.APPROVED)}, halted="Nobody came.")
    (effect,) = play(rows)
    assert ended(effect) == TurnEnd(state=TurnState.HALTED, mark=Mark.HALTED, by="Nobody came.")


def test_the_bill_of_a_reply_goes_where_the_reply_goes() -> None:
    """With the step where it has calls, with the end where it has none."""
    with_calls = replace(replied(call("pure")), spent=7)
    _, record = play(turn_rows(), with_calls)
    assert isinstance(record, RecordStep)
    assert record.spent == 7
    for words, stop in (("done", Stop.DONE), ("half", Stop.LENGTH), ("", Stop.FILTERED)):
        _, close_turn = play(turn_rows(), replace(replied(words, stop=stop), spent=7))
        assert ended(close_turn).spent == 7


@pytest.mark.parametrize(
    ("results", "wrong"),
    [
        ((), None),
        ((), Drained(messages=())),
        ((replied(call("pure")),), ToolsRan(results=())),
        ((replied(call("pure")), None), None),
        ((replied(call("pure")), None), ToolsRan(results=())),
        ((replied(call("pure")), None, allowed), None),
        ((replied(call("pure")), None, allowed, ran), None),
        ((replied(call("pure")), None, lambda _: Gated(allowed=(), results=())), None),
    ],
)
def test_a_result_of_another_effect_is_a_fault(results: tuple[Any, ...], wrong: Any) -> None:
    """The flow never goes on with a result that is not its effect's."""
    with pytest.raises(TypeError, match="got"):
        play(turn_rows(), *results, wrong)


@given(
    session=st.text(max_size=200),
    turn=st.integers(0, 2**63),
    step=st.integers(0, 99),
    ordinal=st.integers(0, 99),
)
def test_call_ids_are_taken_by_every_provider(
    session: str, turn: int, step: int, ordinal: int
) -> None:
    """An id is stable, short and of plain letters, whatever the session is called."""
    if any("\ud800" <= c <= "\udfff" for c in session):
        return
    ident = call_id(session, turn, step, ordinal)
    assert ident == call_id(session, turn, step, ordinal)
    assert CALL_ID.fullmatch(ident)


def test_call_ids_differ_where_calls_do() -> None:
    """Session, turn, step and ordinal each make another id; the fields do not run together."""
    ids = {
        call_id(s, t, p, o) for s in ("1", "11") for t in (1, 11) for p in (1, 11) for o in (0, 1)
    }
    assert len(ids) == 16
