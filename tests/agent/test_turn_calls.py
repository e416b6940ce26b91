"""The calls of a step: judged, asked, run as they are stored, waited for, and in doubt."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from agent.calls import CallState
from agent.costs import Quote
from agent.effects import (
    AskPeople,
    CallModel,
    Drained,
    DrainInbox,
    Effect,
    EffectResult,
    GateCalls,
    Gated,
    GoOn,
    Mark,
    Parked,
    ProbeCalls,
    Probed,
    RecordMessages,
    RunTools,
    Stopped,
    ToolsRan,
    TurnEnd,
    TurnRows,
    TurnState,
    Wait,
)
from agent.messages import ResultStatus, ToolCall, ToolResult
from agent.policy import judge_with
from agent.tools.base import EffectClass, Snapshot
from agent.turn import turn_flow
from tests.agent.scripted import ScriptedTool, all_tools, assistant, call, stored, turn_rows, user
from tests.agent.test_turn import JUDGE, allowed, close, ended, parked, play, ran, result

STOPPED = TurnEnd(state=TurnState.CANCELLED, mark=Mark.STOPPED, by="Ann")
EFFECTFUL = tuple(effect for effect in EffectClass if effect is not EffectClass.PURE)


def waiting(*states: tuple[str, CallState]) -> TurnRows:
    """A turn with one call of a tool for each state; ids are c1, c2 in the model's order."""
    asked = tuple(call(name, ident=f"c{n}") for n, (name, _) in enumerate(states, 1))
    calls = {c.id: stored(state) for c, (_, state) in zip(asked, states, strict=True)}
    return turn_rows(user(), assistant(*asked), calls=calls)


def idents(effect: Effect) -> list[str]:
    """The calls an effect is about."""
    assert isinstance(effect, GateCalls | RunTools | ProbeCalls | AskPeople)
    return [judged.call.id for judged in effect.calls]


def gated(
    *, asked: tuple[str, ...] = (), denied: tuple[str, ...] = (), halted: str = ""
) -> Callable[[Effect], Gated]:
    """A gate that asks and denies calls by their tool and allows the others."""

    def answer(effect: Effect) -> Gated:
        assert isinstance(effect, GateCalls)
        named = asked + denied
        return Gated(
            allowed=tuple(c for c in effect.calls if c.call.name not in named),
            results=tuple(refused(c.call) for c in effect.calls if c.call.name in denied),
            halted=halted,
        )

    return answer


def refused(asked: ToolCall) -> ToolResult:
    return ToolResult(
        call_id=asked.id, name=asked.name, status=ResultStatus.REFUSED, text="Not allowed."
    )


@pytest.mark.parametrize("effect", EffectClass)
def test_a_call_that_was_not_judged_is_judged(effect: EffectClass) -> None:
    """Entered again with a proposed call, the gate sees it before anything runs."""
    rows = waiting((effect.value, CallState.PROPOSED))
    gate, tools = play(rows, allowed)
    assert isinstance(gate, GateCalls)
    assert isinstance(tools, RunTools)
    assert idents(gate) == idents(tools) == ["c1"]


def test_no_call_of_a_step_runs_before_all_are_judged() -> None:
    """A crash after some were judged: the rest are judged first, then all run together."""
    rows = waiting(("once", CallState.ALLOWED), ("pure", CallState.PROPOSED))
    gate, tools = play(rows, allowed)
    assert isinstance(gate, GateCalls)
    assert idents(gate) == ["c2"]
    assert idents(tools) == ["c1", "c2"]


def test_what_the_gate_denies_is_a_result_and_its_siblings_run() -> None:
    """The model reads the gate's words; nobody is asked to decide what was denied."""
    rows = waiting(("once", CallState.PROPOSED), ("pure", CallState.PROPOSED))
    effects = play(rows, gated(denied=("once",)), ran, Drained(messages=()))
    _, tools, _, again = effects
    assert idents(tools) == ["c2"]
    assert isinstance(again, CallModel)
    assert refused(call("once", ident="c1")) in again.messages


def test_a_step_of_denied_calls_asks_the_model_again() -> None:
    """Nothing runs and nothing is waited for."""
    rows = waiting(("once", CallState.PROPOSED))
    _, drain, again = play(rows, gated(denied=("once",)), Drained(messages=()))
    assert (drain, type(again)) == (DrainInbox(), CallModel)


def test_an_asked_call_does_not_hold_up_pure_ones() -> None:
    """Pure calls on either side of it run at once; then the turn waits as rows."""
    rows = waiting(
        ("pure", CallState.PROPOSED), ("once", CallState.PROPOSED), ("pure", CallState.PROPOSED)
    )
    flow = turn_flow(rows, JUDGE)
    gate = next(flow)
    tools = flow.send(gated(asked=("once",))(gate))
    assert idents(tools) == ["c1", "c3"]
    assert flow.send(ran(tools)) == Wait()
    assert parked(flow, Parked(asked=True)) == Parked(asked=True)


@pytest.mark.parametrize("effect", EFFECTFUL)
def test_an_allowed_call_waits_for_an_undecided_one_before_it(effect: EffectClass) -> None:
    """What the model listed after it may build on it; what stands before it runs."""
    name = effect.value
    after = waiting(("keyed", CallState.ASKED), (name, CallState.ALLOWED))
    assert play(after) == [Wait()]
    before = waiting((name, CallState.ALLOWED), ("keyed", CallState.ASKED))
    (tools,) = play(before)
    assert idents(tools) == ["c1"]


@pytest.mark.parametrize("effect", EffectClass)
def test_an_approved_call_starts_at_once(effect: EffectClass) -> None:
    """Whatever is undecided before it: a person has decided this one."""
    rows = waiting(("once", CallState.ASKED), (effect.value, CallState.APPROVED))
    tools, wait = play(rows, ran)
    assert idents(tools) == ["c2"]
    assert wait == Wait()


def test_a_call_behind_a_decided_one_runs_with_it() -> None:
    """Approved or denied, nothing is undecided any more."""
    rows = waiting(("once", CallState.APPROVED), ("once", CallState.ALLOWED))
    (tools,) = play(rows)
    assert idents(tools) == ["c1", "c2"]
    denied = waiting(("once", CallState.ASKED), ("once", CallState.ALLOWED))
    settled = {ident: row for ident, row in denied.calls.items() if ident != "c1"}
    (tools,) = play(replace(denied, calls=settled).with_messages(result("c1")))
    assert idents(tools) == ["c2"]


def test_work_elsewhere_holds_up_nothing() -> None:
    """A sibling runs beside it; the turn waits until its result is there."""
    rows = waiting(("probe", CallState.RUNNING), ("once", CallState.ALLOWED))
    tools, wait = play(rows, ran)
    assert (idents(tools), wait) == (["c2"], Wait())


def test_a_call_without_a_result_after_the_run_is_waited_for() -> None:
    """It goes on elsewhere, or may not begin as it stands: the rows tell, not the flow."""
    rows = waiting(("probe", CallState.ALLOWED), ("pure", CallState.ALLOWED))
    _, wait = play(rows, ToolsRan(results=(result("c2"),)))
    assert wait == Wait()


def test_a_turn_that_need_not_wait_goes_on_from_the_rows_it_is_given() -> None:
    """A press while pure calls ran: the approved call runs, and its result is the last one."""
    rows = waiting(("once", CallState.ASKED), ("pure", CallState.ALLOWED))
    decided = replace(rows.with_messages(result("c2")), calls={"c1": stored(CallState.APPROVED)})
    effects = play(rows, ran, GoOn(rows=decided), ran, Drained(messages=()))
    first, wait, second, _, again = effects
    assert (idents(first), wait, idents(second)) == (["c2"], Wait(), ["c1"])
    assert isinstance(again, CallModel)


def test_a_stop_while_the_turn_would_wait_ends_it() -> None:
    """It is not left as rows for somebody else to end."""
    flow = turn_flow(waiting(("once", CallState.ASKED)), JUDGE)
    next(flow)
    assert ended(flow.send(Stopped(by="Ann", shown=""))) == STOPPED
    assert close(flow) == STOPPED


def test_a_stop_before_the_verdict_ends_the_turn() -> None:
    """Nothing was decided, so nothing runs and nobody is asked."""
    rows = waiting(("once", CallState.PROPOSED))
    assert ended(play(rows, Stopped(by="Ann", shown=""))[-1]) == STOPPED


def test_a_gate_that_has_had_enough_ends_the_turn() -> None:
    """What it allowed in the same breath does not run either."""
    rows = waiting(("once", CallState.PROPOSED), ("pure", CallState.PROPOSED))
    _, closing = play(rows, gated(asked=("once",), halted="Too many cards."))
    end = TurnEnd(state=TurnState.HALTED, mark=Mark.HALTED, by="Too many cards.")
    assert ended(closing) == end


def test_new_words_join_when_the_last_result_came_from_elsewhere() -> None:
    """The press that woke the turn, or the message that replaced its card, is not passed over."""
    rows = turn_rows(user(), assistant(call("once", ident="c1")), result("c1"))
    drain, again = play(rows, Drained(messages=(user("instead"),)))
    assert drain == DrainInbox()
    assert isinstance(again, CallModel)
    assert again.messages[-1] == user("instead")


def test_what_runs_is_what_is_stored() -> None:
    """Not what the model wrote: the row's arguments and bytes, at the price that was decided."""
    script = Snapshot(name="script", data=b"print(1)")
    written = call("once", '{ "n" : 1 }', ident="c1")
    quote = Quote(ceiling=20_000, source="config")
    row = replace(stored(CallState.APPROVED, script, n=2), quote=quote)
    (tools,) = play(turn_rows(user(), assistant(written), calls={"c1": row}))
    assert isinstance(tools, RunTools)
    (judged,) = tools.calls
    assert judged.call == written
    assert judged.prepared is not None
    assert judged.prepared.arguments == {"n": 2}
    assert judged.prepared.snapshots == (script,)
    assert judged.prepared.quote == quote


def test_what_the_gate_saw_is_what_runs() -> None:
    """Arguments, snapshots and price of the inspected call go on to the run."""
    script = Snapshot(name="script", data=b"print(1)")
    quote = Quote(ceiling=20_000, source="config")

    def inspected(effect: Effect) -> Gated:
        assert isinstance(effect, GateCalls)
        (judged,) = effect.calls
        assert judged.prepared is not None
        seen = replace(judged.prepared, arguments={"n": 3}, snapshots=(script,), quote=quote)
        return Gated(allowed=(replace(judged, prepared=seen),), results=())

    _, tools = play(waiting(("once", CallState.PROPOSED)), inspected)
    assert isinstance(tools, RunTools)
    runs = tools.calls[0].prepared
    assert runs is not None
    assert (runs.arguments, runs.snapshots, runs.quote) == ({"n": 3}, (script,), quote)


def test_a_gate_that_allows_a_refused_call_is_a_fault() -> None:
    """There is nothing that could run."""

    def wrong(effect: Effect) -> Gated:
        assert isinstance(effect, GateCalls)
        return Gated(allowed=tuple(replace(c, prepared=None) for c in effect.calls), results=())

    with pytest.raises(ValueError, match="can't be allowed"):
        play(waiting(("once", CallState.PROPOSED)), wrong)


@pytest.mark.parametrize("state", [CallState.ALLOWED, CallState.APPROVED])
def test_a_call_that_no_longer_fits_its_tool_fails_alone(state: CallState) -> None:
    """An upgrade took a field away: that call has its result, its sibling runs."""
    asked = assistant(call("once", ident="c1"), call("pure", ident="c2"))
    calls = {"c1": stored(state, gone=1), "c2": stored(CallState.ALLOWED)}
    rows = turn_rows(user(), asked, calls=calls)
    record, tools, drain, _ = play(rows, None, ran, Drained(messages=()))
    assert isinstance(record, RecordMessages)
    (failed,) = record.messages
    assert isinstance(failed, ToolResult)
    assert (failed.call_id, failed.status) == ("c1", ResultStatus.MALFORMED)
    assert (idents(tools), drain) == (["c2"], DrainInbox())


def test_a_call_whose_tool_is_gone_fails_alone() -> None:
    """Also one that was approved; nothing of it began."""
    rows = waiting(("removed", CallState.APPROVED), ("once", CallState.ASKED))
    record, wait = play(rows, None)
    assert isinstance(record, RecordMessages)
    assert [m.call_id for m in record.messages if isinstance(m, ToolResult)] == ["c1"]
    assert wait == Wait()


@pytest.mark.parametrize("effect", EffectClass)
def test_a_call_in_doubt_follows_its_effect_class(effect: EffectClass) -> None:
    """With an intent and no result: harmless ones run again, probes are asked, people decide."""
    (first,) = play(waiting((effect.value, CallState.INTENT)))
    match effect:
        case EffectClass.PURE | EffectClass.KEYED | EffectClass.LOCAL:
            assert isinstance(first, RunTools)
        case EffectClass.PROBE:
            assert isinstance(first, ProbeCalls)
        case EffectClass.ONCE:
            assert isinstance(first, AskPeople)
            assert idents(first) == ["c1"]


def test_a_call_in_doubt_whose_tool_is_gone_is_asked_about() -> None:
    """A tool taken out of the configuration meanwhile does not turn "begun" into "refused"."""
    (first,) = play(waiting(("removed", CallState.INTENT)))
    assert isinstance(first, AskPeople)


def test_a_turn_waits_for_what_people_must_decide() -> None:
    """The sibling that may run again runs first; then people are asked, and nothing follows."""
    flow = turn_flow(waiting(("once", CallState.INTENT), ("keyed", CallState.INTENT)), JUDGE)
    first = next(flow)
    assert idents(first) == ["c2"]
    assert isinstance(flow.send(ran(first)), AskPeople)
    assert flow.send(None) == Wait()
    assert parked(flow, Parked(asked=True)) == Parked(asked=True)


@pytest.mark.parametrize("known", ["happened", "absent", "elsewhere", "unclear"])
def test_a_probed_call_goes_by_its_answer(known: str) -> None:
    """What happened has its result, what did not runs, what goes on is waited for, else asked."""
    did = ToolResult(call_id="c1", name="probe", status=ResultStatus.DONE, text="it did")
    answer = Probed(
        results=(did,) if known == "happened" else (),
        absent=frozenset({"c1"} if known == "absent" else ()),
        attached=frozenset({"c1"} if known == "elsewhere" else ()),
    )
    _, then = play(waiting(("probe", CallState.INTENT)), answer)
    match known:
        case "happened":
            assert then == DrainInbox()
        case "absent":
            assert isinstance(then, RunTools)
        case "elsewhere":
            assert then == Wait()
        case _:
            assert isinstance(then, AskPeople)


def test_what_did_not_happen_runs_in_the_models_order() -> None:
    """A call that waits for the same thing and stands behind it does not overtake it."""
    rows = waiting(("probe", CallState.INTENT), ("keyed", CallState.INTENT))
    _, tools = play(rows, Probed(results=(), absent=frozenset({"c1"})))
    assert idents(tools) == ["c1", "c2"]


DOUBTS: dict[str, tuple[TurnRows, tuple[EffectResult, ...]]] = {
    "while probing": (
        waiting(("once", CallState.INTENT), ("probe", CallState.INTENT)),
        (Probed(results=(), absent=frozenset(), stopped_by="Ann"),),
    ),
    "while waiting": (
        waiting(("once", CallState.INTENT), ("probe", CallState.INTENT)),
        (Probed(results=(), absent=frozenset()), None, Stopped(by="Ann", shown="")),
    ),
    "while others run": (
        waiting(
            ("once", CallState.INTENT), ("probe", CallState.INTENT), ("pure", CallState.ALLOWED)
        ),
        (
            Probed(results=(), absent=frozenset()),
            ToolsRan(results=(result("c3"),), stopped_by="Ann"),
        ),
    ),
}


@pytest.mark.parametrize("when", DOUBTS)
def test_a_stop_names_what_a_crash_had_left_in_doubt(when: str) -> None:
    """The end of the turn says of every call that may have taken effect that it may have."""
    rows, answers = DOUBTS[when]
    assert ended(play(rows, *answers)[-1]) == replace(STOPPED, doubts=("once: do", "probe: do"))


def test_a_stop_names_a_call_in_doubt_whose_tool_is_gone() -> None:
    """By the name the model used: there is no better one any more."""
    answers = (None, Stopped(by="Ann", shown=""))
    closing = play(waiting(("removed", CallState.INTENT)), *answers)[-1]
    assert ended(closing).doubts == ("removed",)


def test_an_effect_class_is_the_tools_and_not_the_rows() -> None:
    """A call that became pure with an upgrade may run again; one that became an effect is asked."""
    names = all_tools()
    judge = judge_with({**names, "once": ScriptedTool(name="once", effect=EffectClass.PURE)})
    assert isinstance(next(turn_flow(waiting(("once", CallState.INTENT)), judge)), RunTools)
    judge = judge_with({**names, "pure": ScriptedTool(name="pure", effect=EffectClass.ONCE)})
    assert isinstance(next(turn_flow(waiting(("pure", CallState.INTENT)), judge)), AskPeople)
