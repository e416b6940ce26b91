"""One poller for all work that goes on elsewhere: it reports, settles, wakes, and ends it.

A job is looked at every 15 s, slowing to once a minute. One that somebody stopped, or whose time
is over, is asked to end until its end is seen; when nobody can tell after a minute, owners hear
of it, the tries go on, and the money stays held. Where spending is frozen, everything is ended.
Work that begins again and again is `gateway.remote_runs`'s.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping

from agent.errors import ToolError
from agent.journal import Bill
from agent.messages import ToolResult, well_formed
from agent.tools.base import RecurringTool, RemoteTool, Tool, ToolOutput
from gateway import refs
from gateway.clock import Clock
from gateway.errors import StoreClosed, StoreError, StoreFailed
from gateway.progress import Wait
from gateway.remote_runs import RemoteRuns
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import calls, freezes, jobs, unowned
from gateway.store.records.jobs import Job
from gateway.store.records.ledger import Settled
from gateway.store.records.outbox import OutboxRow
from gateway.turn_desk import TurnDesk

FIRST_S = 15.0
SLOWEST_S = 60.0
LOOK_S = 30.0
UNKNOWN_AFTER_US = 60 * 1_000_000
AT_ONCE = 8
IDLE_S = 60.0

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
        if job.state == "running" and now >= job.deadline_at:
            await self._stop(job, "its time is over")
            return
        try:
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
            await self._ended(job, output)

    async def _state_of(self, job: Job, tool: Tool | None) -> ToolOutput | None:
        if not isinstance(tool, RemoteTool):
            return None
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
            await self._ended(job, seen.over)
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
            self._tell_owners(
                f"lost:{job.call_id}",
                f"{job.label} was told to end and nobody can tell whether it has. It may go on"
                f" costing money; its hold stays. Look at it yourself (job {job.handle}).",
            )

    def _booked(self, tx: Tx, settled: Settled) -> tuple[OutboxRow, ...]:
        return self.desk.booked(tx, settled) if self.desk is not None else ()

    async def _ended(self, job: Job, output: ToolOutput) -> None:
        now = self._clock.now()
        desk = self.desk
        if desk is None:
            raise RuntimeError("the poller has no desk")

        def unit(tx: Tx) -> tuple[bool, tuple[OutboxRow, ...]]:
            if not jobs.end(tx, job.call_id, now=now):
                return False, ()
            awaited = _settle(tx, job, output, now=now)
            rows = desk.ended(tx, job.call_id, Bill(spent=output.spent, record=output.record))
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
    note = calls.note_of(tx, job.call_id)
    text = f"{note}\n\n{output.text}" if note else output.text
    result = ToolResult(
        call_id=job.call_id, name=job.tool, status=output.status, text=well_formed(text)
    )
    calls.settle(tx, session_id=job.session_id, turn_id=job.turn_id, result=result, now=now)
    return True


def _frozen(tx: Tx) -> dict[str, str]:
    """Who froze the chats of jobs that may go on, by the job's call."""
    if not freezes.every(tx):
        return {}
    found = {}
    for each in jobs.spenders(tx):
        if freeze := freezes.standing(tx, each.account, refs.root_text(each.chat)):
            found[each.call_id] = freeze.name
    return found
