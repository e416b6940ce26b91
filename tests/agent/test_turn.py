"""The turn: every position, every outcome, and that its rows alone say what comes next."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.calls import CallState
from agent.errors import AllProvidersFailed
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
from agent.tools.base import EffectClass
from agent.turn import (
    CALLS_PER_STEP,
    CALLS_PER_TURN,
    STEPS_PER_TURN,
    Answered,
    AskPeople,
    AwaitsModel,
    AwaitsTools,
    CallModel,
    CloseTurn,
    Drained,
    DrainInbox,
    Effect,
    EffectResult,
    Interrupted,
    Mark,
    ModelFailed,
    ModelReplied,
    Parked,
    ProbeCalls,
    Probed,
    RecordMessages,
    RecordStep,
    RunTools,
    Stopped,
    ToolsRan,
    TurnEnd,
    TurnFlow,
    TurnRows,
    TurnState,
    call_id,
    position,
    turn_flow,
)
from tests.agent.scripted import all_tools, assistant, call, turn_rows, unavailable, user

JUDGE = judge_with(all_tools())
USAGE = Usage(input=10, output=2)
FAILED = AllProvidersFailed((unavailable(),))
CALL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def replied(*parts: Any, stop: Stop = Stop.DONE, usage: Usage | None = USAGE) -> ModelReplied:
    """A complete reply of these parts."""
    return ModelReplied(message=assistant(*parts), stop=stop, usage=usage)


def result(ident: str, status: ResultStatus = ResultStatus.DONE, text: str = "ok") -> ToolResult:
    return ToolResult(call_id=ident, name="pure", status=status, text=text)


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
    "an empty answer": Case(
        outcome=replied(" \n"),
        end=TurnEnd(state=TurnState.FAILED, text=" \n", mark=Mark.EMPTY, step=1, usage=USAGE),
    ),
    "no parts at all": Case(
        outcome=replied(usage=None), end=TurnEnd(state=TurnState.FAILED, mark=Mark.EMPTY, step=1)
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
def test_calls_are_recorded_run_and_followed_by_the_model(stop: Stop) -> None:
    """A reply with calls: record, run, let new words join, ask again with everything in view."""
    effects = play(
        turn_rows(user("hi")),
        replied("Look.", call("pure"), call("once"), stop=stop),
        None,
        ran,
        Drained(messages=(user("and also"),)),
    )
    _, record, tools, drain, again = effects
    assert isinstance(record, RecordStep)
    assert isinstance(tools, RunTools)
    ids = [call_id("s1", 1, 1, 0), call_id("s1", 1, 1, 1)]
    assert (record.step, record.usage) == (1, USAGE)
    assert [c.id for c in record.message.calls] == ids
    assert record.calls == tools.calls
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
    _, record, tools, _, again = play(
        turn_rows(), replied(asked, call("once")), None, ran, Drained(messages=())
    )
    assert isinstance(record, RecordStep)
    refusal = record.calls[0].refusal
    assert refusal is not None
    assert (refusal.status, refusal.call_id) == (status, call_id("s1", 1, 1, 0))
    assert says in refusal.text
    assert isinstance(tools, RunTools)
    assert [c.call.name for c in tools.calls] == ["once"]
    assert isinstance(again, CallModel)
    assert refusal in again.messages


def test_when_every_call_is_refused_the_model_reads_why() -> None:
    """Nothing runs, and the next effect is the model again."""
    _, record, again = play(turn_rows(), replied(call("nope"), call("nope")), None)
    assert isinstance(record, RecordStep)
    assert isinstance(again, CallModel)
    assert [m.status for m in again.messages if isinstance(m, ToolResult)] == [
        ResultStatus.REFUSED,
        ResultStatus.REFUSED,
    ]


def test_more_calls_than_a_step_may_make() -> None:
    """The first ones run, the rest have a result that says they did not."""
    asked = [call("pure", f'{{"n": {n}}}') for n in range(CALLS_PER_STEP + 2)]
    _, record, tools = play(turn_rows(), replied(*asked), None)
    assert isinstance(record, RecordStep)
    assert isinstance(tools, RunTools)
    assert len(tools.calls) == CALLS_PER_STEP
    left = [c.refusal.status for c in record.calls[CALLS_PER_STEP:] if c.refusal]
    assert left == [ResultStatus.NOT_RUN] * 2


def test_stop_while_tools_run_ends_the_turn() -> None:
    """The results that were given are kept, and the model is not asked again."""
    effects = play(
        turn_rows(), replied("Look.", call("once")), None, lambda effect: ran(effect, "Ann")
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
    assert effects[-1] == CallModel(step=1, messages=(user("hi"), *partial, user("wait")))


@pytest.mark.parametrize(
    "fields", [{"steps": STEPS_PER_TURN}, {"steps": 3, "calls_made": CALLS_PER_TURN}]
)
def test_limits_halt_the_turn(fields: dict[str, int]) -> None:
    """At its limit of steps or calls the turn says so instead of asking again."""
    (effect,) = play(turn_rows(**fields))
    assert ended(effect) == TurnEnd(state=TurnState.HALTED, mark=Mark.STEP_LIMIT)


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
                effect = flow.send(replied(call("pure")))
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


@pytest.mark.parametrize("effect", EffectClass)
def test_a_call_that_had_not_begun_runs(effect: EffectClass) -> None:
    """After a crash before the intent, every class of call runs."""
    asked = call(effect.value, ident="c1")
    (first,) = play(turn_rows(user(), assistant(asked), calls={"c1": CallState.PROPOSED}))
    assert isinstance(first, RunTools)
    assert [c.call for c in first.calls] == [asked]


@pytest.mark.parametrize("effect", EffectClass)
def test_a_call_in_doubt_follows_its_effect_class(effect: EffectClass) -> None:
    """With an intent and no result: harmless ones run again, probes are asked, people decide."""
    asked = call(effect.value, ident="c1")
    (first,) = play(turn_rows(user(), assistant(asked), calls={"c1": CallState.INTENT}))
    match effect:
        case EffectClass.PURE | EffectClass.KEYED | EffectClass.LOCAL:
            assert isinstance(first, RunTools)
        case EffectClass.PROBE:
            assert isinstance(first, ProbeCalls)
        case EffectClass.ONCE:
            assert isinstance(first, AskPeople)
            assert [judged.call.id for judged in first.calls] == ["c1"]


def test_a_call_in_doubt_whose_tool_is_gone_is_asked_about() -> None:
    """A tool taken out of the configuration meanwhile does not turn "begun" into "refused"."""
    asked = call("removed", ident="c1")
    (first,) = play(turn_rows(user(), assistant(asked), calls={"c1": CallState.INTENT}))
    assert isinstance(first, AskPeople)


def test_a_turn_parks_on_what_people_must_decide() -> None:
    """The sibling that may run again runs first; then people are asked, and nothing follows."""
    asked = assistant(call("once", ident="c1"), call("keyed", ident="c2"))
    states = {"c1": CallState.INTENT, "c2": CallState.INTENT}
    flow = turn_flow(turn_rows(user(), asked, calls=states), JUDGE)
    first = next(flow)
    assert isinstance(first, RunTools)
    assert [c.call.id for c in first.calls] == ["c2"]
    assert isinstance(flow.send(ran(first)), AskPeople)
    with pytest.raises(StopIteration) as end:
        flow.send(None)
    assert end.value.value == Parked(asked=True)


@pytest.mark.parametrize("known", ["happened", "absent", "unclear"])
def test_a_probed_call_goes_by_its_answer(known: str) -> None:
    """What happened has its result, what did not happen runs, what can't be told is asked."""
    asked = assistant(call("probe", ident="c1"))
    result = ToolResult(call_id="c1", name="probe", status=ResultStatus.DONE, text="it did")
    answer = Probed(
        results=(result,) if known == "happened" else (),
        absent=frozenset({"c1"} if known == "absent" else ()),
    )
    states = {"c1": CallState.INTENT}
    _, then = play(turn_rows(user(), asked, calls=states), answer)
    match known:
        case "happened":
            assert then == RecordMessages(messages=(result,))
        case "absent":
            assert isinstance(then, RunTools)
        case _:
            assert isinstance(then, AskPeople)


@pytest.mark.parametrize(
    ("results", "wrong"),
    [
        ((), None),
        ((), Drained(messages=())),
        ((replied(call("pure")),), ToolsRan(results=())),
        ((replied(call("pure")), None), None),
        ((replied(call("pure")), None, ran), None),
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
