"""Work that goes on elsewhere, and calls a crash left in doubt: left, found again, waited for."""

import asyncio

import pytest

from agent.calls import CallState, JudgedCall
from agent.effects import Parked, TurnState
from agent.errors import ToolError
from agent.journal import Bill
from agent.messages import ResultStatus
from agent.tools.base import CallContext, EffectClass, PreparedCall, RemoteJob, ToolOutput
from tests.agent.listed_journal import ListedJournal
from tests.agent.scripted import ScriptedTool
from tests.agent.test_runner_calls import WAITS, entered, gives, once
from tests.agent.test_runner_tools import Held, results, tools, turn

JOB = RemoteJob(handle="acme/1", label="train", deadline_s=3_000)


class Slowly(ListedJournal):
    """A journal that takes its time with a job."""

    def __init__(self) -> None:
        super().__init__()
        self.leaving = asyncio.Event()
        self.go = asyncio.Event()

    async def call_left(self, call: JudgedCall, job: RemoteJob) -> None:
        self.leaving.set()
        await self.go.wait()
        await super().call_left(call, job)


async def test_work_elsewhere_leaves_the_turn_waiting() -> None:
    """The job is on disk, the call has no result yet, its sibling has, the model is not asked."""
    job = ScriptedTool(
        name="job", effect=EffectClass.PROBE, does=gives(ToolOutput(text="", remote=JOB))
    )
    it = turn(tools(job=job, once=once()), ("job", "{}"), ("once", "{}"))
    assert await it.outcome() == WAITS
    (ident,) = it.journal.in_state(CallState.RUNNING)
    assert it.journal.named("call_left") == [(ident, JOB)]
    assert list(results(it.journal)) == ["once"]
    assert ident not in it.journal.bills
    assert len(it.journal.named("step_opened")) == 1


async def test_a_job_that_ends_while_siblings_run_is_not_waited_for() -> None:
    """The turn looks once more before it waits."""
    held = Held()
    job = ScriptedTool(
        name="job", effect=EffectClass.PROBE, does=gives(ToolOutput(text="", remote=JOB))
    )
    it = turn(tools(job=job, once=once(held)), ("job", "{}"), ("once", "{}"))
    running = it.start()
    await it.journal.stored("call_left")
    it.journal.end_job(*it.journal.in_state(CallState.RUNNING))
    held.go.set()
    await running
    assert not it.journal.named("waits")


async def test_a_stop_does_not_take_work_elsewhere_for_cut() -> None:
    """Its end is for whoever watches the job: the run gives it no result and no bill."""
    held = Held()
    job = ScriptedTool(
        name="job", effect=EffectClass.PROBE, does=gives(ToolOutput(text="", remote=JOB))
    )
    it = turn(tools(job=job, once=once(held)), ("job", "{}"), ("once", "{}"))
    running = it.start()
    await held.began.wait()
    await it.journal.stored("call_left")
    it.signals.stop("Ann")
    end = await running
    assert end.doubts == ("once: do",)
    assert list(results(it.journal)) == ["once"]


async def test_a_cut_does_not_lose_a_job_that_is_being_stored() -> None:
    """A stop in that very moment: the job's row is written all the same."""
    job = ScriptedTool(
        name="job", effect=EffectClass.PROBE, does=gives(ToolOutput(text="", remote=JOB))
    )
    journal = Slowly()
    it = turn(tools(job=job), ("job", "{}"), journal=journal)
    running = it.start()
    await journal.leaving.wait()
    it.signals.stop("Ann")
    journal.go.set()
    end = await running
    assert end.state is TurnState.CANCELLED
    assert len(journal.named("call_left")) == 1
    assert not journal.named("call_finished")


@pytest.mark.parametrize(
    ("probed", "name"),
    [
        (ToolOutput(text="it did", spent=7), "call_finished"),
        (ToolOutput(text="", remote=JOB), "call_left"),
        (None, "calls_intended"),
        (ToolError("no idea"), "asked"),
        (RuntimeError("broken"), "asked"),
    ],
)
async def test_a_begun_call_is_probed(probed: ToolOutput | Exception | None, name: str) -> None:
    """What it did is its result, what goes on is waited for, what did not happen runs; else ask."""
    tool = ScriptedTool(name="probe", effect=EffectClass.PROBE, probed=probed)
    it = entered(tool, CallState.INTENT)
    ended = await it.outcome()
    assert it.journal.named(name)
    assert tool.ran == (["c1"] if probed is None else [])
    assert isinstance(ended, Parked) == (name in ("asked", "call_left"))
    assert bool(it.journal.named("asked")) == (name == "asked")
    if isinstance(probed, ToolOutput) and probed.remote is None:
        assert it.journal.bills == {"c1": Bill(spent=7)}


class SlowProbe(ScriptedTool):
    """A tool that can be asked what it did, and does not answer."""

    async def probe(self, call: PreparedCall, context: CallContext) -> ToolOutput | None:
        return await self.does(call, context)


async def test_a_stop_while_a_probe_is_out_ends_the_turn() -> None:
    """The probe is cut, the call is named as one that may have taken effect."""
    held = Held()
    it = entered(SlowProbe(name="probe", effect=EffectClass.PROBE, does=held), CallState.INTENT)
    running = it.start()
    await held.began.wait()
    it.signals.stop("Ann")
    end = await running
    assert (end.state, end.doubts, held.cancelled) == (
        TurnState.CANCELLED,
        ("probe: do",),
        True,
    )
    assert not it.journal.named("asked")


async def test_a_cut_does_not_lose_a_job_that_was_found_again() -> None:
    """A stop while the probe's find is being stored: the job's row is written all the same."""
    tool = ScriptedTool(
        name="probe", effect=EffectClass.PROBE, probed=ToolOutput(text="", remote=JOB)
    )
    journal = Slowly()
    it = entered(tool, CallState.INTENT, journal=journal)
    running = it.start()
    await journal.leaving.wait()
    it.signals.stop("Ann")
    journal.go.set()
    assert (await running).doubts == ()
    assert journal.named("call_left") == [("c1", JOB)]


BESIDE = RemoteJob(handle="acme/2", label="sandbox", deadline_s=3_600, waits=False)


async def test_work_nobody_waits_for_has_its_result_at_once() -> None:
    """The job is stored before the result, and the model reads on."""
    job = ScriptedTool(
        name="job", effect=EffectClass.PROBE, does=gives(ToolOutput(text="up", remote=BESIDE))
    )
    it = turn(tools(job=job), ("job", "{}"))
    await it.run()
    kinds = [name for name, _ in it.journal.listed]
    assert kinds.index("call_left") < kinds.index("call_finished")
    assert results(it.journal)["job"].text == "up"
    assert not it.journal.named("waits")


async def test_a_stop_does_not_part_such_work_from_its_result() -> None:
    """What the call gave is its result, not that nobody knows."""
    job = ScriptedTool(
        name="job", effect=EffectClass.PROBE, does=gives(ToolOutput(text="up", remote=BESIDE))
    )
    journal = Slowly()
    it = turn(tools(job=job), ("job", "{}"), journal=journal)
    running = it.start()
    await journal.leaving.wait()
    it.signals.stop("Ann")
    journal.go.set()
    end = await running
    assert (end.state, end.doubts) == (TurnState.CANCELLED, ())
    assert results(journal)["job"].status is ResultStatus.DONE


async def test_such_work_found_again_has_its_result() -> None:
    """A crash between the job and its result: the probe gives both."""
    tool = ScriptedTool(
        name="probe", effect=EffectClass.PROBE, probed=ToolOutput(text="up", remote=BESIDE)
    )
    it = entered(tool, CallState.INTENT)
    await it.run()
    assert it.journal.named("call_left") == [("c1", BESIDE)]
    assert results(it.journal)["probe"].text == "up"


class Elsewhere(ScriptedTool):
    """A tool whose work goes on elsewhere and can be asked about."""

    async def poll(self, handle: str) -> ToolOutput | None:
        return None

    async def cancel(self, handle: str) -> None:
        pass


async def test_a_stop_lets_work_elsewhere_say_that_it_has_begun() -> None:
    """Its job is stored before the turn is over, so that whoever watches it can end it."""
    held = Held(ToolOutput(text="", remote=JOB))
    it = turn(tools(job=Elsewhere(name="job", effect=EffectClass.PROBE, does=held)), ("job", "{}"))
    running = it.start()
    await held.began.wait()
    it.signals.stop("Ann")
    held.go.set()
    end = await running
    assert (end.state, end.doubts, held.cancelled) == (TurnState.CANCELLED, (), False)
    (ident,) = it.journal.jobs
    assert it.journal.named("call_left") == [(ident, JOB)]
    assert not it.journal.named("call_finished")


@pytest.mark.warp
async def test_work_elsewhere_without_a_word_is_looked_for() -> None:
    """A stop waits a moment; then the duty is stored before the result that nobody knows."""
    held = Held()
    it = turn(
        tools(job=Elsewhere(name="job", effect=EffectClass.PROBE, does=held)),
        ("job", "{}"),
        cut_s=0.01,
    )
    running = it.start()
    await held.began.wait()
    it.signals.stop("Ann")
    end = await running
    assert (end.doubts, held.cancelled) == (("job: do",), True)
    ((_, job),) = it.journal.named("call_left")
    assert (job.handle, job.waits) == ("", False)
    assert [kind for kind, _ in it.journal.listed][-3:] == ["call_left", "call_finished", "closed"]
    assert results(it.journal)["job"].status is ResultStatus.UNKNOWN


@pytest.mark.parametrize("fails", [RuntimeError("broken"), None])
async def test_work_elsewhere_that_nobody_knows_of_is_looked_for(
    fails: RuntimeError | None,
) -> None:
    """The tool broke off, or says itself that it can't tell: the model reads it and goes on."""

    async def does(prepared: PreparedCall, context: CallContext) -> ToolOutput:
        if fails is not None:
            raise fails
        return ToolOutput(text="no idea", status=ResultStatus.UNKNOWN)

    it = turn(tools(job=Elsewhere(name="job", effect=EffectClass.PROBE, does=does)), ("job", "{}"))
    await it.run()
    ((_, job),) = it.journal.named("call_left")
    assert (job.handle, job.waits) == ("", False)
    assert results(it.journal)["job"].text.endswith("it is found and ended.")


async def test_the_end_of_the_process_does_not_wait_for_work_to_begin() -> None:
    """It is cut at once and stays begun: the next run asks about it."""
    held = Held()
    it = turn(tools(job=Elsewhere(name="job", effect=EffectClass.PROBE, does=held)), ("job", "{}"))
    running = it.start()
    await held.began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert held.cancelled
    assert not it.journal.named("call_left")
    assert not it.journal.named("call_finished")
