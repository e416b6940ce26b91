"""The runner's tools: side by side, each with one result, whatever happens meanwhile."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from agent.calls import CallState
from agent.effects import Mark, Parked, TurnState
from agent.errors import LostTrack, ToolError
from agent.events import ToolFinished, ToolStarted
from agent.messages import ResultStatus, Text, ToolResult
from agent.providers.base import PartCompleted, Stop, StreamCompleted
from agent.tool_runs import TOOLS_AT_ONCE
from agent.tools.base import CallContext, EffectClass, PreparedCall, Tool, ToolOutput
from tests.agent.listed_journal import ListedJournal
from tests.agent.scripted import (
    ScriptedProvider,
    ScriptedTool,
    Step,
    call,
    entry,
    turn_rows,
)
from tests.agent.test_runner import Turn


def asking(*calls: tuple[str, str]) -> tuple[Step, ...]:
    """A stream that asks for calls."""
    parts = [PartCompleted(part=call(name, arguments)) for name, arguments in calls]
    return (*parts, StreamCompleted(stop=Stop.TOOL_CALLS))


FINAL: tuple[Step, ...] = (PartCompleted(part=Text(text="Done.")), StreamCompleted(stop=Stop.DONE))


def tools(**named: ScriptedTool) -> dict[str, Tool]:
    """Tools by name."""
    return dict(named)


def turn(
    given: Mapping[str, Tool],
    *calls: tuple[str, str],
    journal: ListedJournal | None = None,
    tool_deadline_s: float = 60,
    **options: Any,
) -> Turn:
    """A turn whose model asks for these calls, and then ends."""
    return Turn(
        entry(ScriptedProvider(asking(*calls), FINAL)),
        rows=turn_rows(),
        tools=given,
        journal=journal,
        tool_deadline_s=tool_deadline_s,
        **options,
    )


def results(journal: ListedJournal) -> dict[str, ToolResult]:
    """The stored results by the text of their call's tool; one a tool."""
    found = {result.name: result for result in journal.named("call_finished")}
    assert len(found) == len(journal.named("call_finished"))
    return found


class Held:
    """A tool body that runs until it is let go, and gives an output then."""

    def __init__(self, output: ToolOutput | None = None) -> None:
        self.output = output or ToolOutput(text="went")
        self.began = asyncio.Event()
        self.go = asyncio.Event()
        self.cancelled = False

    async def __call__(self, prepared: PreparedCall, context: CallContext) -> ToolOutput:
        self.began.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return self.output


async def test_results_come_back_in_call_order() -> None:
    """The slow first call holds up neither its sibling nor the order of the results."""
    slow = Held()
    given = tools(
        slow=ScriptedTool(name="slow", effect=EffectClass.PURE, does=slow),
        quick=ScriptedTool(name="quick", effect=EffectClass.PURE),
    )
    it = turn(given, ("slow", "{}"), ("quick", "{}"))
    running = it.start()
    await it.journal.stored("call_finished")
    slow.go.set()
    await running
    assert [r.name for r in it.journal.named("call_finished")] == ["quick", "slow"]
    provider = it.plan.current.provider
    assert isinstance(provider, ScriptedProvider)
    seen = [m for m in provider.requests[1].messages if isinstance(m, ToolResult)]
    assert [(r.name, r.text) for r in seen] == [("slow", "went"), ("quick", "quick ran")]


async def test_intents_are_stored_before_anything_runs() -> None:
    """Calls with effects are on disk before the first of them begins; pure ones need no intent."""
    order: list[str] = []

    journal = ListedJournal()
    journal.on_intent = lambda: order.append("intent")

    async def body(prepared: PreparedCall, context: CallContext) -> ToolOutput:
        order.append(prepared.tool)
        return ToolOutput(text="ok")

    given = tools(
        once=ScriptedTool(name="once", effect=EffectClass.ONCE, does=body),
        pure=ScriptedTool(name="pure", effect=EffectClass.PURE, does=body),
    )
    await turn(given, ("pure", "{}"), ("once", "{}"), journal=journal).run()
    assert order[0] == "intent"
    assert sorted(order[1:]) == ["once", "pure"]
    order.clear()
    await turn(given, ("pure", "{}"), journal=journal).run()
    assert order == ["pure"]


async def test_only_effects_are_intended() -> None:
    """The intent names the calls whose crash would leave a doubt."""
    given = tools(
        **{effect.value: ScriptedTool(name=effect.value, effect=effect) for effect in EffectClass}
    )
    it = turn(given, *((effect.value, "{}") for effect in EffectClass))
    await it.run()
    (ids,) = it.journal.named("calls_intended")
    record = it.journal.named("step_recorded")[0]
    without = {c.call.id for c in record.calls if c.call.name in {"pure", "local"}}
    assert set(ids) == {c.call.id for c in record.calls} - without


async def test_a_journal_that_refuses_the_intent_runs_nothing() -> None:
    """Without the intent on disk no effect leaves."""
    once = ScriptedTool(name="once", effect=EffectClass.ONCE)
    journal = ListedJournal()
    journal.refuses = {"calls_intended": LookupError("fenced")}
    with pytest.raises(LookupError, match="fenced"):
        await turn(tools(once=once), ("once", "{}"), journal=journal).run()
    assert once.ran == []


async def test_a_journal_that_refuses_a_result_ends_the_others() -> None:
    """Another owner has the session: what runs is cut, nothing else begins, the turn ends."""
    held = Held()
    given = tools(
        held=ScriptedTool(name="held", effect=EffectClass.ONCE, does=held),
        quick=ScriptedTool(name="quick", effect=EffectClass.ONCE),
    )
    journal = ListedJournal()
    journal.refuses = {"call_finished": LookupError("fenced")}
    it = turn(given, ("held", "{}"), ("quick", "{}"), journal=journal)
    with pytest.raises(LookupError, match="fenced"):
        await it.run()
    assert held.cancelled
    assert journal.named("closed") == []


async def test_at_most_four_run_at_once() -> None:
    """The fifth call begins when one of the first four has ended."""
    bodies = [Held() for _ in range(TOOLS_AT_ONCE + 1)]
    waiting = iter(bodies)

    async def body(prepared: PreparedCall, context: CallContext) -> ToolOutput:
        return await next(waiting)(prepared, context)

    given = tools(pure=ScriptedTool(name="pure", effect=EffectClass.PURE, does=body))
    it = turn(given, *(("pure", f'{{"n": {n}}}') for n in range(len(bodies))))
    running = it.start()
    for held in bodies[:-1]:
        await held.began.wait()
    assert not bodies[-1].began.is_set()
    bodies[2].go.set()
    await bodies[-1].began.wait()
    for held in bodies:
        held.go.set()
    await running
    assert len(it.journal.named("call_finished")) == len(bodies)


async def test_calls_of_one_resource_run_in_the_models_order() -> None:
    """Two writes of one file follow each other; a third elsewhere does not wait for them."""
    order: list[str] = []
    first = Held()

    async def body(prepared: PreparedCall, context: CallContext) -> ToolOutput:
        number = str(prepared.arguments["n"])
        order.append(f"{number} begins")
        if number == "1":
            await first(prepared, context)
        order.append(f"{number} ends")
        return ToolOutput(text="ok")

    given = tools(write=ScriptedTool(name="write", effect=EffectClass.KEYED, does=body))
    it = turn(
        given,
        ("write", '{"n": 1, "resource": "a"}'),
        ("write", '{"n": 2, "resource": "a"}'),
        ("write", '{"n": 3, "resource": "b"}'),
    )
    running = it.start()
    await it.journal.stored("call_finished")
    assert order == ["1 begins", "3 begins", "3 ends"]
    first.go.set()
    await running
    assert order[3:] == ["1 ends", "2 begins", "2 ends"]


@pytest.mark.parametrize(
    ("effect", "raised", "status", "text"),
    [
        (EffectClass.ONCE, ToolError("no such file"), ResultStatus.FAILED, "no such file"),
        (
            EffectClass.PURE,
            ZeroDivisionError("secret detail"),
            ResultStatus.FAILED,
            "The tool failed inside the gateway.",
        ),
        (
            EffectClass.ONCE,
            ZeroDivisionError("secret detail"),
            ResultStatus.UNKNOWN,
            "The tool failed inside the gateway. It may have taken effect.",
        ),
        (
            EffectClass.PURE,
            TimeoutError("its own"),
            ResultStatus.FAILED,
            "The tool failed inside the gateway.",
        ),
    ],
)
async def test_a_tool_that_raises(
    effect: EffectClass, raised: Exception, status: ResultStatus, text: str
) -> None:
    """The model reads a ToolError; of a bug it reads that there was one, and what may be so."""

    async def body(prepared: PreparedCall, context: CallContext) -> ToolOutput:
        raise raised

    given = tools(
        bad=ScriptedTool(name="bad", effect=effect, does=body),
        good=ScriptedTool(name="good", effect=EffectClass.PURE),
    )
    it = turn(given, ("bad", "{}"), ("good", "{}"))
    await it.run()
    found = results(it.journal)
    assert (found["bad"].status, found["bad"].text) == (status, text)
    assert found["good"].status is ResultStatus.DONE


@pytest.mark.warp
@pytest.mark.parametrize(
    ("effect", "status"),
    [
        (EffectClass.PURE, ResultStatus.FAILED),
        (EffectClass.KEYED, ResultStatus.UNKNOWN),
        (EffectClass.ONCE, ResultStatus.UNKNOWN),
    ],
)
async def test_a_tool_over_its_deadline(effect: EffectClass, status: ResultStatus) -> None:
    """It is cut and the turn goes on; an effect that was under way may have happened."""
    held = Held()
    given = tools(slow=ScriptedTool(name="slow", effect=effect, does=held))
    it = turn(given, ("slow", "{}"), tool_deadline_s=0.01)
    end = await it.run()
    assert held.cancelled
    assert results(it.journal)["slow"].status is status
    assert end.state is TurnState.DONE


async def test_a_tool_that_cancels_itself_has_a_result() -> None:
    """A stray cancellation inside a tool is one failed call, not a broken turn."""

    async def body(prepared: PreparedCall, context: CallContext) -> ToolOutput:
        raise asyncio.CancelledError

    given = tools(stray=ScriptedTool(name="stray", effect=EffectClass.ONCE, does=body))
    it = turn(given, ("stray", "{}"))
    assert (await it.run()).state is TurnState.DONE
    assert results(it.journal)["stray"].status is ResultStatus.UNKNOWN


async def test_stop_while_tools_run() -> None:
    """Finished calls keep their results; what ran is in doubt, what had not begun did not run."""
    first, second = Held(), Held()
    given = tools(
        quick=ScriptedTool(name="quick", effect=EffectClass.ONCE),
        read=ScriptedTool(name="read", effect=EffectClass.PURE, does=first),
        send=ScriptedTool(name="send", effect=EffectClass.ONCE, does=second),
        after=ScriptedTool(name="after", effect=EffectClass.ONCE),
    )
    it = turn(
        given,
        ("quick", "{}"),
        ("read", "{}"),
        ("send", '{"resource": "a"}'),
        ("after", '{"resource": "a"}'),
    )
    running = it.start()
    await first.began.wait()
    await second.began.wait()
    await it.journal.stored("call_finished")
    it.signals.stop("Ann")
    end = await running
    assert (end.state, end.mark, end.by) == (TurnState.CANCELLED, Mark.STOPPED, "Ann")
    assert {name: r.status for name, r in results(it.journal).items()} == {
        "quick": ResultStatus.DONE,
        "read": ResultStatus.FAILED,
        "send": ResultStatus.UNKNOWN,
        "after": ResultStatus.NOT_RUN,
    }
    assert len(it.journal.named("step_opened")) == 1


async def test_stop_before_the_tools_begin_runs_none() -> None:
    """A stop that came with the end of the stream: no call ran, and each says so."""
    once = ScriptedTool(name="once", effect=EffectClass.ONCE)
    journal = ListedJournal()
    it = turn(tools(once=once), ("once", "{}"), journal=journal)
    journal.on_intent = lambda: it.signals.stop("Ann")
    end = await it.run()
    assert end.state is TurnState.CANCELLED
    assert once.ran == []
    assert results(journal)["once"].status is ResultStatus.NOT_RUN


async def test_stop_while_a_result_is_being_stored_keeps_that_result() -> None:
    """The call has ended; its result is stored once, not again as unknown."""
    journal = ListedJournal()
    journal.held = asyncio.Event()
    it = turn(
        tools(once=ScriptedTool(name="once", effect=EffectClass.ONCE)),
        ("once", "{}"),
        journal=journal,
    )
    running = it.start()
    await journal.stored("call_finished")
    it.signals.stop("Ann")
    end = await running
    assert end.state is TurnState.CANCELLED
    assert results(journal)["once"].status is ResultStatus.DONE


async def test_new_words_do_not_cut_tools() -> None:
    """An interrupt while tools run does nothing: the words join after them."""
    held = Held()
    it = turn(
        tools(send=ScriptedTool(name="send", effect=EffectClass.ONCE, does=held)), ("send", "{}")
    )
    running = it.start()
    await held.began.wait()
    it.signals.interrupt()
    held.go.set()
    await running
    assert results(it.journal)["send"].text == "went"
    assert len(it.journal.named("drain")) == 1


async def test_cancelling_the_turn_cuts_its_tools() -> None:
    """Shutdown leaves the intent without a result: the next start settles it by effect class."""
    held = Held()
    it = turn(
        tools(send=ScriptedTool(name="send", effect=EffectClass.ONCE, does=held)), ("send", "{}")
    )
    running = it.start()
    await held.began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert held.cancelled
    assert [kind for kind, _ in it.journal.listed][-1] == "calls_intended"


async def test_watchers_are_told_what_runs() -> None:
    """Each call is told when it begins and when its result is stored, by its id."""
    it = turn(
        tools(
            once=ScriptedTool(name="once", effect=EffectClass.ONCE),
        ),
        ("once", "{}"),
    )
    await it.run()
    (stored,) = it.journal.named("call_finished")
    assert [e for e in it.events if isinstance(e, ToolStarted | ToolFinished)] == [
        ToolStarted(call_id=stored.call_id, label="once: do"),
        ToolFinished(call_id=stored.call_id, status=ResultStatus.DONE),
    ]


async def test_a_tool_is_told_who_calls() -> None:
    """The call's id, which is the idempotency key, and the session."""
    told: list[CallContext] = []

    async def body(prepared: PreparedCall, context: CallContext) -> ToolOutput:
        told.append(context)
        return ToolOutput(text="ok", status=ResultStatus.NOT_RUN)

    it = turn(
        tools(once=ScriptedTool(name="once", effect=EffectClass.ONCE, does=body)), ("once", "{}")
    )
    await it.run()
    found = results(it.journal)["once"]
    assert told == [CallContext(call_id=found.call_id, session="s1")]
    assert found.status is ResultStatus.NOT_RUN


async def test_a_local_call_is_stored_with_its_effect() -> None:
    """The unit of a local call and its result are one record, with no intent before it."""
    local = ScriptedTool(name="local", effect=EffectClass.LOCAL)
    it = turn(tools(local=local), ("local", "{}"))
    await it.run()
    (result,) = it.journal.named("call_applied")
    assert (result.text, result.status) == ("local applied", ResultStatus.DONE)
    assert not it.journal.named("calls_intended")
    assert not it.journal.named("call_finished")


async def test_a_parking_turn_begins_nothing() -> None:
    """What runs may end and is stored; no further tool and no further model call begins."""
    held = Held()
    given = tools(slow=ScriptedTool(name="slow", effect=EffectClass.ONCE, does=held))
    it = turn(given, ("slow", "{}"))
    running = asyncio.create_task(it.outcome())
    await held.began.wait()
    it.signals.park()
    held.go.set()
    assert await running == Parked(asked=False)
    assert [kind for kind, _ in it.journal.listed][-2:] == ["call_finished", "drain"]
    assert not it.journal.named("closed")


async def test_a_stop_names_what_it_cut() -> None:
    """The end of the turn carries the labels of calls that may have taken effect, no others."""
    once, pure = Held(), Held()
    given = tools(
        once=ScriptedTool(name="once", effect=EffectClass.ONCE, does=once),
        pure=ScriptedTool(name="pure", effect=EffectClass.PURE, does=pure),
    )
    it = turn(given, ("once", "{}"), ("pure", "{}"))
    running = it.start()
    await once.began.wait()
    await pure.began.wait()
    it.signals.stop("Ann")
    assert (await running).doubts == ("once: do",)


async def test_a_tool_that_loses_track_leaves_its_call_to_people() -> None:
    """It has no result and is not run again; a stop asks nobody and says that it is unknown."""

    async def lose(prepared: PreparedCall, context: CallContext) -> ToolOutput:
        if prepared.arguments:
            await asyncio.sleep(0)
            it.signals.stop("Ann")
        raise LostTrack("gone")

    once = ScriptedTool(name="once", effect=EffectClass.ONCE, does=lose)
    it = turn(tools(once=once), ("once", "{}"))
    assert await it.outcome() == Parked(asked=True)
    ((doubt,),) = it.journal.named("asked")
    assert it.journal.in_state(CallState.INTENT) == [doubt] == once.ran
    assert not it.journal.named("call_finished")
    it = turn(tools(once=once), ("once", '{"n": 1}'))
    assert (await it.run()).doubts == ("once: do",)
    assert not it.journal.named("asked")
