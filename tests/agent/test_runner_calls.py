"""The runner's calls: looked at, gated, billed, left to run elsewhere, and asked about."""

import asyncio
from dataclasses import replace

import pytest

from agent.calls import CallState, JudgedCall
from agent.costs import Quote
from agent.effects import Mark, Parked, TurnState
from agent.errors import NotStarted, ToolError
from agent.events import ToolStarted
from agent.journal import Bill
from agent.messages import JsonObject, ResultStatus
from agent.tool_runs import INSPECT_S
from agent.tools.base import (
    CallContext,
    EffectClass,
    Malformed,
    PreparedCall,
    Snapshot,
    ToolOutput,
)
from tests.agent.listed_journal import Check, ListedJournal
from tests.agent.scripted import (
    Look,
    Run,
    ScriptedProvider,
    ScriptedTool,
    assistant,
    call,
    entry,
    stored,
    turn_rows,
    user,
)
from tests.agent.test_runner import Turn
from tests.agent.test_runner_tools import FINAL, Held, results, tools, turn

SCRIPT = Snapshot(name="script", data=b"print(1)")
PRICE = Quote(ceiling=20_000, unit="call", unit_price=20_000, quantity=1, source="config")
WAITS = Parked(asked=True)


def gives(output: ToolOutput | Exception) -> Run:
    """A tool body that gives or raises this."""

    async def body(prepared: PreparedCall, context: CallContext) -> ToolOutput:
        if isinstance(output, Exception):
            raise output
        return output

    return body


def sees(found: PreparedCall | Malformed | BaseException | None) -> Look:
    """An inspection that finds or raises this."""

    async def look(prepared: PreparedCall, context: CallContext) -> PreparedCall | Malformed | None:
        if isinstance(found, BaseException):
            raise found
        return found

    return look


def once(does: Run | None = None, looks: Look | None = None) -> ScriptedTool:
    """A tool with an effect."""
    made = ScriptedTool(name="once", effect=EffectClass.ONCE)
    return replace(made, does=does or made.does, looks=looks or made.looks)


def entered(tool: ScriptedTool, state: CallState, *, journal: ListedJournal | None = None) -> Turn:
    """A turn taken up again with one call of this tool in this state."""
    rows = turn_rows(user(), assistant(call(tool.name, ident="c1")), calls={"c1": stored(state)})
    return Turn(entry(ScriptedProvider(FINAL)), rows=rows, tools={tool.name: tool}, journal=journal)


def seen_by_gate(journal: ListedJournal) -> JudgedCall:
    """The only call the gate has judged."""
    ((judged,),) = journal.named("gated")
    assert isinstance(judged, JudgedCall)
    return judged


async def test_what_a_tool_has_seen_is_judged_stored_and_run() -> None:
    """Snapshots and price reach the gate; the bytes reach the tool, from the row."""
    told: list[CallContext] = []

    async def look(prepared: PreparedCall, context: CallContext) -> PreparedCall:
        return replace(prepared, snapshots=(SCRIPT,), quote=PRICE)

    async def body(prepared: PreparedCall, context: CallContext) -> ToolOutput:
        told.append(context)
        assert prepared.quote == PRICE
        return ToolOutput(text="ok")

    it = turn(tools(once=once(body, look)), ("once", "{}"))
    await it.run()
    judged = seen_by_gate(it.journal)
    assert judged.inspected
    assert judged.prepared is not None
    assert (judged.prepared.snapshots, judged.prepared.quote) == ((SCRIPT,), PRICE)
    assert [context.snapshots for context in told] == [{"script": b"print(1)"}]


@pytest.mark.parametrize("found", [None, RuntimeError("broken"), asyncio.CancelledError()])
async def test_a_call_that_could_not_be_looked_at_is_judged_as_such(
    found: BaseException | None,
) -> None:
    """The gate is told, and asks; the sibling that could be looked at runs meanwhile."""
    given = tools(
        once=once(looks=sees(found)), pure=ScriptedTool(name="pure", effect=EffectClass.PURE)
    )
    it = turn(given, ("once", "{}"), ("pure", "{}"))
    assert await it.outcome() == WAITS
    ((unseen, seen),) = it.journal.named("gated")
    assert (unseen.inspected, seen.inspected) == (False, True)
    assert list(results(it.journal)) == ["pure"]
    assert it.journal.in_state(CallState.ASKED) == [unseen.call.id]


@pytest.mark.warp
async def test_an_inspection_has_its_time_and_no_more() -> None:
    """Five seconds, after which the facts could not be had; the look is cut."""
    assert INSPECT_S == 5
    held = Held()

    async def look(prepared: PreparedCall, context: CallContext) -> PreparedCall:
        await held(prepared, context)
        return prepared

    it = turn(tools(once=once(looks=look)), ("once", "{}"), inspect_s=0.01)
    assert await it.outcome() == WAITS
    assert held.cancelled
    assert not seen_by_gate(it.journal).inspected


async def test_calls_are_looked_at_side_by_side() -> None:
    """The second look does not wait for the first."""
    bodies = {1: Held(), 2: Held()}

    async def look(prepared: PreparedCall, context: CallContext) -> PreparedCall:
        await bodies[prepared.arguments["n"]](prepared, context)
        return prepared

    it = turn(tools(once=once(looks=look)), ("once", '{"n": 1}'), ("once", '{"n": 2}'))
    running = it.start()
    for held in bodies.values():
        await held.began.wait()
    for held in bodies.values():
        held.go.set()
    await running


async def test_a_call_that_does_not_fit_the_world_is_refused() -> None:
    """What the tool says of it is its result; it is neither asked nor run."""
    tool = once(looks=sees(Malformed(text="There is no such script.")))
    it = turn(tools(once=tool), ("once", "{}"))
    await it.run()
    judged = seen_by_gate(it.journal)
    assert judged.prepared is None
    assert judged.refusal is not None
    assert judged.refusal.status is ResultStatus.MALFORMED
    assert judged.refusal.text == "There is no such script."
    assert tool.ran == []


async def test_a_stop_while_tools_look_decides_nothing() -> None:
    """The look is cut; nothing is judged, no money is put aside, nobody is asked."""
    held = Held()

    async def look(prepared: PreparedCall, context: CallContext) -> PreparedCall:
        await held(prepared, context)
        return prepared

    tool = once(looks=look)
    it = turn(tools(once=tool), ("once", "{}"))
    running = it.start()
    await held.began.wait()
    it.signals.stop("Ann")
    end = await running
    assert (end.state, end.by, held.cancelled) == (TurnState.CANCELLED, "Ann", True)
    assert not it.journal.named("gated")
    assert tool.ran == []


async def test_a_stop_during_the_verdict_runs_nothing() -> None:
    """What was allowed in that commit has a result that says it did not run, and no bill."""
    tool = once()
    it = turn(tools(once=tool), ("once", "{}"))
    stop_after(it, "gated")
    assert (await it.run()).state is TurnState.CANCELLED
    assert tool.ran == []
    ((ident, bill),) = it.journal.bills.items()
    assert bill == Bill(began=False)
    assert not it.journal.turn.calls, ident


async def test_a_stop_during_the_verdict_leaves_no_turn_waiting() -> None:
    """What was asked in that commit is not waited for: the turn ends."""
    it = turn(tools(once=once()), ("once", '{"verdict": "ask"}'))
    stop_after(it, "gated")
    assert (await it.run()).state is TurnState.CANCELLED
    assert not it.journal.named("waits")


def stop_after(it: Turn, name: str) -> None:
    """Have /stop come in while a row of this name is being stored."""

    def on_write(written: str) -> None:
        if written == name:
            it.signals.stop("Ann")

    it.journal.on_write = on_write


async def test_an_asked_call_leaves_the_turn_waiting() -> None:
    """Pure siblings have run, on either side; the asked one has not, and the model is not asked."""
    given = tools(once=once(), pure=ScriptedTool(name="pure", effect=EffectClass.PURE))
    it = turn(given, ("pure", '{"n": 1}'), ("once", '{"verdict": "ask"}'), ("pure", '{"n": 2}'))
    assert await it.outcome() == WAITS
    assert len(it.journal.named("call_finished")) == 2
    assert len(it.journal.named("step_opened")) == 1
    assert len(it.journal.in_state(CallState.ASKED)) == 1


async def test_a_press_while_siblings_run_is_not_missed() -> None:
    """The turn looks once more before it waits, and the approved call runs."""
    held = Held()
    tool = once()
    given = tools(once=tool, pure=ScriptedTool(name="pure", effect=EffectClass.PURE, does=held))
    it = turn(given, ("once", '{"verdict": "ask"}'), ("pure", "{}"))
    running = it.start()
    await held.began.wait()
    (ident,) = it.journal.in_state(CallState.ASKED)
    it.journal.approve(ident)
    held.go.set()
    await running
    assert tool.ran == [ident]
    assert not it.journal.named("waits")


async def test_a_denied_call_never_runs() -> None:
    """Neither when the gate denies nor when people do; the model reads both."""
    tool = once()
    it = turn(tools(once=tool), ("once", '{"verdict": "deny"}'), ("once", '{"verdict": "ask"}'))
    assert await it.outcome() == WAITS
    (ident,) = it.journal.in_state(CallState.ASKED)
    it.journal.deny(ident)
    again = Turn(
        entry(ScriptedProvider(FINAL)),
        rows=it.journal.turn,
        tools=it.tools,
        journal=it.journal,
    )
    await again.run()
    assert tool.ran == []
    assert len(it.journal.named("step_opened")) == 2


@pytest.mark.parametrize("check", [Check.REFUSE, Check.ASK_AGAIN, Check.JUDGE_AGAIN])
async def test_a_call_that_fails_its_last_check_does_not_begin(check: Check) -> None:
    """Its result stands, or it is asked or judged anew; what passes the check runs."""
    bad = once()
    given = tools(once=bad, good=ScriptedTool(name="good", effect=EffectClass.ONCE))
    it = turn(given, ("once", "{}"), ("good", "{}"))
    checks = iter([check])

    def fails_once(judged: JudgedCall) -> Check:
        return next(checks, Check.BEGIN) if judged.call.name == "once" else Check.BEGIN

    it.journal.checks = fails_once
    ended = await it.outcome()
    assert results(it.journal)["good"].status is ResultStatus.DONE
    assert len(bad.ran) == (1 if check is Check.JUDGE_AGAIN else 0)
    assert (ended == WAITS) == (check is Check.ASK_AGAIN)
    assert len(it.journal.named("gated")) == (2 if check is Check.JUDGE_AGAIN else 1)


@pytest.mark.parametrize(
    ("given", "status", "bill"),
    [
        (
            ToolOutput(text="ok", spent=7, record="b1"),
            ResultStatus.DONE,
            Bill(spent=7, record="b1"),
        ),
        (ToolOutput(text="ok", spent=0), ResultStatus.DONE, Bill(spent=0)),
        (ToolOutput(text="ok"), ResultStatus.DONE, Bill()),
        (
            ToolOutput(text="no", status=ResultStatus.FAILED, spent=7),
            ResultStatus.FAILED,
            Bill(spent=7),
        ),
        (NotStarted("refused"), ResultStatus.FAILED, Bill(began=False)),
        (ToolError("broke"), ResultStatus.FAILED, Bill()),
        (ZeroDivisionError(), ResultStatus.UNKNOWN, Bill()),
    ],
)
async def test_every_result_has_its_bill(
    given: ToolOutput | Exception, status: ResultStatus, bill: Bill
) -> None:
    """Measured, nothing because it never began, or unknown; a measured zero is not unknown."""
    it = turn(tools(once=once(gives(given))), ("once", "{}"))
    await it.run()
    assert results(it.journal)["once"].status is status
    assert list(it.journal.bills.values()) == [bill]


@pytest.mark.warp
async def test_a_call_over_its_time_has_an_unknown_bill() -> None:
    """Nobody knows what it did: what was put aside stays."""
    held = Held()
    it = turn(tools(once=once(held)), ("once", "{}"), tool_deadline_s=0.01)
    await it.run()
    assert list(it.journal.bills.values()) == [Bill()]


class Hasty(ScriptedTool):
    """A tool whose calls have ten milliseconds."""

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        prepared = super().prepare(arguments)
        assert isinstance(prepared, PreparedCall)
        return replace(prepared, deadline_s=0.01)


@pytest.mark.warp
async def test_a_call_may_have_a_deadline_of_its_own() -> None:
    """It counts instead of the usual one."""
    held = Held()
    tool = Hasty(name="once", effect=EffectClass.ONCE, does=held)
    it = turn(tools(once=tool), ("once", "{}"), tool_deadline_s=600)
    await it.run()
    assert held.cancelled


async def test_a_stop_bills_what_ran_and_not_what_did_not() -> None:
    """Cut in the middle: unknown. Not begun: nothing is paid."""
    held = Held()
    given = tools(
        send=ScriptedTool(name="send", effect=EffectClass.ONCE, does=held),
        after=ScriptedTool(name="after", effect=EffectClass.ONCE),
    )
    it = turn(given, ("send", '{"resource": "a"}'), ("after", '{"resource": "a"}'))
    running = it.start()
    await held.began.wait()
    it.signals.stop("Ann")
    await running
    found = results(it.journal)
    assert it.journal.bills[found["send"].call_id] == Bill()
    assert it.journal.bills[found["after"].call_id] == Bill(began=False)


@pytest.mark.parametrize("state", [CallState.ALLOWED, CallState.APPROVED])
async def test_what_is_stored_runs_and_not_what_the_model_wrote(state: CallState) -> None:
    """A person's edit, or a payer the server chose, stands in the row and nowhere else."""
    seen: list[tuple[object, object]] = []

    async def body(prepared: PreparedCall, context: CallContext) -> ToolOutput:
        seen.append((prepared.arguments, context.snapshots))
        return ToolOutput(text="ok")

    rows = turn_rows(
        user(),
        assistant(call("once", '{"n": 1}', ident="c1")),
        calls={"c1": stored(state, SCRIPT, n=2)},
    )
    await Turn(entry(ScriptedProvider(FINAL)), rows=rows, tools={"once": once(body)}).run()
    assert seen == [({"n": 2}, {"script": b"print(1)"})]


async def test_a_halted_turn_asks_and_runs_nothing() -> None:
    """Expired while it waited: closed with the sentence that says so."""
    tool = once()
    it = entered(tool, CallState.APPROVED)
    it.journal.halt("Nobody decided in time.")
    end = await it.run()
    assert (end.state, end.mark, end.by) == (
        TurnState.HALTED,
        Mark.HALTED,
        "Nobody decided in time.",
    )
    assert (tool.ran, it.journal.named("step_opened")) == ([], [])


async def test_a_parking_turn_judges_nothing() -> None:
    """The reply is stored; its calls are judged by the next run."""
    it = turn(tools(once=once()), ("once", "{}"))
    it.journal.on_write = lambda name: it.signals.park() if name == "step_recorded" else None
    assert await it.outcome() == Parked(asked=False)
    assert not it.journal.named("gated")
    assert len(it.journal.in_state(CallState.PROPOSED)) == 1


async def test_watchers_are_told_of_no_call_that_may_not_begin() -> None:
    """Neither of one that is asked nor of one that failed its last check."""
    it = turn(tools(once=once()), ("once", '{"verdict": "ask"}'), ("once", '{"n": 2}'))
    it.journal.checks = lambda judged: Check.REFUSE
    await it.outcome()
    assert not any(isinstance(event, ToolStarted) for event in it.events)


async def test_a_call_does_not_begin_between_a_stop_and_the_cut() -> None:
    """The stop came from a sibling's own work: what stands beside it has not begun."""
    second = once()

    async def body(prepared: PreparedCall, context: CallContext) -> ToolOutput:
        it.signals.stop("Ann")
        return ToolOutput(text="ok")

    given = tools(first=ScriptedTool(name="first", effect=EffectClass.ONCE, does=body), once=second)
    it = turn(given, ("first", "{}"), ("once", "{}"))
    await it.run()
    assert second.ran == []
    assert results(it.journal)["once"].status is ResultStatus.NOT_RUN
