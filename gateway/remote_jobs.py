"""One poller for all work that goes on elsewhere: it reports, settles, wakes, and ends it.

A job is looked at every 15 s, slowing to once a minute. One that somebody stopped, or whose time
is over, is asked to end until its end is seen; when nobody can tell after a minute, owners hear
of it, the tries go on, and the money stays held. Where spending is frozen, everything is ended.
Work that begins again and again is `gateway.remote_runs`'s.

Work that may have begun while nobody saw it has no handle. It is looked for by its call until it
is found, and then ended; that it is nowhere is believed once it has had time to appear.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from agent.errors import ToolError
from agent.journal import Bill
from agent.messages import ResultStatus, ToolResult, well_formed
from agent.policy import parse_arguments
from agent.tools.base import (
    Malformed,
    PreparedCall,
    ProbingTool,
    RecurringTool,
    RemoteTool,
    Tool,
    ToolOutput,
)
from gateway import refs
from gateway.clock import Clock
from gateway.errors import StoreClosed, StoreError, StoreFailed
from gateway.progress import Wait
from gateway.remote_runs import RemoteRuns
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import calls, freezes, jobs, unowned
from gateway.store.records.calls import Begun
from gateway.store.records.jobs import Job
from gateway.store.records.ledger import Settled
from gateway.store.records.outbox import OutboxRow
from gateway.turn_desk import TurnDesk

FIRST_S = 15.0
SLOWEST_S = 60.0
LOOK_S = 30.0
UNKNOWN_AFTER_US = 60 * 1_000_000
APPEARS_WITHIN_US = 60 * 1_000_000
AT_ONCE = 8
IDLE_S = 60.0

NEVER_BEGAN = ToolOutput(text="It did not begin.", status=ResultStatus.NOT_RUN)
TOOL_GONE = ToolOutput(
    text="Nobody can look at this job any more: its tool is gone. It may go on.",
    status=ResultStatus.UNKNOWN,
)

log = logging.getLogger(__name__)


class RemoteJobs:
    """Watches every job of this gateway."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        tools: Mapping[str, Tool],
        enqueue: Callable[[tuple[OutboxRow, ...]], None],
        wake: Callable[[str], None],
        tell_owners: Callable[[str, str], None],
        wait: Wait,
    ) -> None:
        self._store = store
        self._clock = clock
        self._tools = tools
        self._enqueue = enqueue
        self._wake = wake
        self._tell_owners = tell_owners
        self._wait = wait
        self._news = asyncio.Event()
        self._runs = RemoteRuns(store=store, clock=clock, booked=self._booked, enqueue=enqueue)
        self.desk: TurnDesk | None = None

    def look(self) -> None:
        """There may be something to look at sooner than planned."""
        self._news.set()

    async def run(self) -> None:
        """Look at what is due, until cancelled."""
        while True:
            try:
                self._news.clear()
                await self.round()
                await self._wait(self._news, await self._pause())
            except (StoreFailed, StoreClosed):
                return
            except StoreError as error:
                log.warning("jobs are looked at again: %s", error)
                await self._wait(self._news, FIRST_S)

    async def _pause(self) -> float:
        due = await self._store.read(jobs.next_look)
        if due is None:
            return IDLE_S
        return min(IDLE_S, max(0.0, (due - self._clock.now()) / 1_000_000))

    async def round(self) -> None:
        """Look at every job that is due, some at a time; end those whose chat is frozen."""
        frozen = await self._stop_frozen()
        now = self._clock.now()
        due = await self._store.read(lambda tx: jobs.to_look_at(tx, now=now, limit=AT_ONCE))
        await asyncio.gather(*(self._look_at(job, frozen=job.call_id in frozen) for job in due))

    async def _stop_frozen(self) -> Mapping[str, str]:
        """Let what spends in frozen chats end; who froze it, by the job's call."""
        frozen = await self._store.read(_frozen)
        if frozen:
            now = self._clock.now()

            def unit(tx: Tx) -> None:
                for ident, by in frozen.items():
                    jobs.stop(tx, ident, by=f"{by} (spending is frozen)", now=now)

            await self._store.write(unit, transition=transitions.JOB_LOOKED_AT)
        return frozen

    async def _look_at(self, job: Job, *, frozen: bool) -> None:
        tool = self._tools.get(job.tool)
        now = self._clock.now()
        if not isinstance(tool, RemoteTool):
            await self._leave_alone(job)
            return
        if job.state == "running" and now >= job.deadline_at:
            await self._stop(job, "its time is over")
            return
        try:
            if not job.handle:
                await self._look_for(job, tool)
                return
            if job.recurring:
                await self._look_at_recurring(job, tool, frozen=frozen)
                return
            output = await self._state_of(job, tool)
        except (ToolError, TimeoutError) as error:
            log.warning("%s can't be looked at now: %s", job.label, error)
            output = None
        except StoreError:
            raise
        except Exception:
            log.exception("looking at %s failed", job.label)
            output = None
        if output is None:
            await self._goes_on(job)
        else:
            await self._ended(job, output, _bill(output))

    async def _look_for(self, job: Job, tool: RemoteTool) -> None:
        """Look for work that nobody saw begin; what is found is ended as its state says."""
        begun = await self._store.read(lambda tx: calls.begun_by(tx, job.call_id))
        call = _prepared(begun, tool) if begun is not None else None
        if begun is None or call is None or not isinstance(tool, ProbingTool):
            await self._goes_on(job)
            return
        async with asyncio.timeout(LOOK_S):
            seen = await tool.probe(call, begun.context)
        now = self._clock.now()
        if seen is None and now - (job.stop_at or now) < APPEARS_WITHIN_US:
            await self._goes_on(job)
        elif seen is None:
            await self._ended(job, NEVER_BEGAN, Bill(began=False))
        elif (found := seen.remote) is None:
            await self._ended(job, seen, _bill(seen))
        else:
            await self._store.write(
                lambda tx: jobs.found(tx, job.call_id, found, now=now),
                transition=transitions.JOB_LOOKED_AT,
            )
            self.look()

    async def _leave_alone(self, job: Job) -> None:
        """Nobody can look at a job whose tool is gone: whoever waits for it goes on without."""
        now = self._clock.now()
        desk = self._at_desk()

        def unit(tx: Tx) -> tuple[bool, tuple[OutboxRow, ...]]:
            jobs.looked(tx, job.call_id, next_at=now + int(SLOWEST_S * 1_000_000))
            jobs.lose(tx, job.call_id)
            stored = calls.get(tx, job.call_id)
            if stored is None or stored.state != "running":
                return False, ()
            _give_result(tx, job, TOOL_GONE, now=now)
            rows = desk.ended(tx, job.call_id, Bill())
            unowned.reopen(tx, job.turn_id, now=now)
            return True, rows

        awaited, rows = await self._store.write(unit, transition=transitions.JOB_ENDED)
        self._tell_owners(
            f"gone:{job.call_id}",
            f"{job.label} goes on and nobody can look at it: there is no tool {job.tool} here any"
            f" more. Its hold stays. Look at it yourself (job {job.handle or job.call_id}).",
        )
        self._enqueue(rows)
        if awaited:
            self._wake(job.session_key)

    def _at_desk(self) -> TurnDesk:
        if self.desk is None:
            raise RuntimeError("the poller has no desk")
        return self.desk

    async def _state_of(self, job: Job, tool: RemoteTool) -> ToolOutput | None:
        async with asyncio.timeout(LOOK_S):
            if job.state != "running":
                await tool.cancel(job.handle)
            return await tool.poll(job.handle)

    async def _look_at_recurring(self, job: Job, tool: Tool | None, *, frozen: bool) -> None:
        if not isinstance(tool, RecurringTool):
            await self._goes_on(job)
            return
        async with asyncio.timeout(LOOK_S):
            seen = await self._runs.look(job, tool, end_runs=frozen)
        if seen.over is not None:
            await self._ended(job, seen.over, _bill(seen.over))
        elif seen.stop:
            await self._stop(job, seen.stop)
        else:
            await self._goes_on(job, told=True)

    async def _stop(self, job: Job, by: str) -> None:
        now = self._clock.now()
        await self._store.write(
            lambda tx: jobs.stop(tx, job.call_id, by=by, now=now),
            transition=transitions.JOB_LOOKED_AT,
        )
        if job.recurring:
            self._tell_owners(
                f"ends:{job.call_id}", f"{job.label} begins no further run: {by}. Resume it anew."
            )
        self.look()

    async def _goes_on(self, job: Job, *, told: bool = False) -> None:
        """Look again later; `told`: whatever runs it has said how it stands."""
        now = self._clock.now()
        pause = min(SLOWEST_S, FIRST_S * 1.3 ** min(job.looks, 10))
        if job.state == "stopping":
            pause = min(pause, FIRST_S)
        lost = (
            not told and job.state == "stopping" and now - (job.stop_at or now) >= UNKNOWN_AFTER_US
        )

        def unit(tx: Tx) -> bool:
            jobs.looked(tx, job.call_id, next_at=now + int(pause * 1_000_000))
            return lost and jobs.lose(tx, job.call_id)

        if await self._store.write(unit, transition=transitions.JOB_LOOKED_AT):
            doubt = "was told to end and nobody can tell whether it has"
            if not job.handle:
                doubt = "may have begun unseen and nobody can tell whether it has"
            self._tell_owners(
                f"lost:{job.call_id}",
                f"{job.label} {doubt}. It may go on costing money; its hold stays. Look at it"
                f" yourself (job {job.handle or job.call_id}).",
            )

    def _booked(self, tx: Tx, settled: Settled) -> tuple[OutboxRow, ...]:
        return self.desk.booked(tx, settled) if self.desk is not None else ()

    async def _ended(self, job: Job, output: ToolOutput, bill: Bill) -> None:
        now = self._clock.now()
        desk = self._at_desk()

        def unit(tx: Tx) -> tuple[bool, tuple[OutboxRow, ...]]:
            if not job.handle and not jobs.is_sought(tx, job.call_id):
                return False, ()  # its turn has found it meanwhile
            if not jobs.end(tx, job.call_id, now=now):
                return False, ()
            awaited = _settle(tx, job, output, now=now)
            rows = desk.ended(tx, job.call_id, bill)
            if awaited:
                unowned.reopen(tx, job.turn_id, now=now)
            return awaited, rows

        awaited, rows = await self._store.write(unit, transition=transitions.JOB_ENDED)
        self._enqueue(rows)
        if awaited:
            self._wake(job.session_key)


def _settle(tx: Tx, job: Job, output: ToolOutput, *, now: int) -> bool:
    """Give the call of a job its result; False if nobody waits for it (any more)."""
    stored = calls.get(tx, job.call_id)
    if stored is None:
        return False
    if stored.state == "unknown":  # its turn was stopped; what the model read stays as it is
        calls.correct(tx, job.call_id, output.status, now=now)
    if stored.state != "running":
        return False
    _give_result(tx, job, output, now=now)
    return True


def _give_result(tx: Tx, job: Job, output: ToolOutput, *, now: int) -> None:
    note = calls.note_of(tx, job.call_id)
    text = f"{note}\n\n{output.text}" if note else output.text
    result = ToolResult(
        call_id=job.call_id, name=job.tool, status=output.status, text=well_formed(text)
    )
    calls.settle(tx, session_id=job.session_id, turn_id=job.turn_id, result=result, now=now)


def _prepared(begun: Begun, tool: Tool) -> PreparedCall | None:
    """A call as it ran; None if its tool does not take it any more."""
    arguments = parse_arguments(begun.arguments)
    if isinstance(arguments, Malformed):
        return None
    prepared = tool.prepare(arguments)
    return None if isinstance(prepared, Malformed) else replace(prepared, snapshots=begun.snapshots)


def _bill(output: ToolOutput) -> Bill:
    return Bill(spent=output.spent, record=output.record)


def _frozen(tx: Tx) -> dict[str, str]:
    """Who froze the chats of jobs that may go on, by the job's call."""
    if not freezes.every(tx):
        return {}
    found = {}
    for each in jobs.spenders(tx):
        if freeze := freezes.standing(tx, each.account, refs.root_text(each.chat)):
            found[each.call_id] = freeze.name
    return found
