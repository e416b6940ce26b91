"""Work that begins again and again elsewhere: each run is found, booked, and the cap is kept.

Theory of operation. A call that began such work has a hold, the cap an owner gave. Every run that
is found is stored once; its cost is booked against the hold when its end is seen, and the rest
stays held. No further run may begin as soon as the hold could not pay for one more beside those
that go on: so the cap holds whatever a run costs up to its own ceiling. The work is over once
nothing of it runs and no further run can begin; then what is left of the hold is free again.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from agent.costs import Ceiling, Unknown, dollars, total
from agent.tools.base import RecurringTool, Run, ToolOutput
from gateway.clock import Clock
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import calls, jobs, ledger, reservations, runs
from gateway.store.records.jobs import Job
from gateway.store.records.ledger import Settled
from gateway.store.records.outbox import OutboxRow

CLOCKS_APART_US = 5 * 60 * 1_000_000
"""How far their clock may be behind ours."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How it stands: `over` is its end with the whole bill, `stop` why it has to end."""

    over: ToolOutput | None = None
    stop: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    run: Run
    output: ToolOutput


class RemoteRuns:
    """Looks at recurring work."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        booked: Callable[[Tx, Settled], tuple[OutboxRow, ...]],
        enqueue: Callable[[tuple[OutboxRow, ...]], None],
    ) -> None:
        """`booked` says what a booking leads to: who is told of it."""
        self._store = store
        self._clock = clock
        self._booked = booked
        self._enqueue = enqueue

    async def look(self, job: Job, tool: RecurringTool, *, end_runs: bool) -> Seen:
        """Find, book and judge; `end_runs`: those that go on are cancelled as well.

        Raises ToolError where the tool can't tell.
        """
        if job.state != "running":
            await tool.cancel(job.handle)
        over = await tool.poll(job.handle)  # before its runs: after that there are no new ones
        found = await tool.runs(job.handle, since=job.started_at - CLOCKS_APART_US)
        going = await self._found(job, found.begun)
        ended: list[_Ended] = []
        for run in going:
            if end_runs:
                await tool.cancel(run.handle)
            if (output := await tool.poll(run.handle)) is not None:
                ended.append(_Ended(run=run, output=output))
        if ended:
            await self._book(job, ended)
        return await self._store.read(lambda tx: _judge(tx, job, over, found.each))

    async def _found(self, job: Job, begun: tuple[Run, ...]) -> tuple[Run, ...]:
        """Store the runs that are new; those whose end was not seen."""
        now = self._clock.now()

        def unit(tx: Tx) -> tuple[Run, ...]:
            for run in begun:
                runs.add(tx, job.call_id, run, now=now)
            return runs.going_on(tx, job.call_id)

        return await self._store.write(unit, transition=transitions.JOB_LOOKED_AT)

    async def _book(self, job: Job, ended: list[_Ended]) -> None:
        now = self._clock.now()

        def unit(tx: Tx) -> tuple[OutboxRow, ...]:
            stored = calls.get(tx, job.call_id)
            rows: list[OutboxRow] = []
            for each in ended:
                apart = jobs.is_known(tx, each.run.record)
                spent = each.output.spent
                new = runs.end(tx, each.run.record, spent=spent, apart=apart, now=now)
                if new and not apart and spent and stored and stored.reservation_id:
                    settled = ledger.book(
                        tx, stored.reservation_id, amount=spent, now=now, record=each.run.record
                    )
                    rows.extend(self._booked(tx, settled))
            return tuple(rows)

        self._enqueue(await self._store.write(unit, transition=transitions.RUN_BOOKED))


def _judge(tx: Tx, job: Job, over: ToolOutput | None, each: Ceiling) -> Seen:
    """Whether it is over, or has to be."""
    going, sum_of = runs.going_on(tx, job.call_id), runs.totals(tx, job.call_id)
    if over is not None:
        if going:
            return Seen()
        count = f"{sum_of.count} run{'' if sum_of.count == 1 else 's'}"
        text = f"{over.text} {count}, {dollars(sum_of.spent)}."
        spent = None if sum_of.unpriced else sum_of.spent
        return Seen(over=ToolOutput(text=text, status=over.status, spent=spent))
    if job.state != "running":
        return Seen()
    stored = calls.get(tx, job.call_id)
    hold = reservations.find(tx, stored.reservation_id or "") if stored else None
    if hold is None or hold.state != "held":
        return Seen(stop="nothing is held for it")
    needed = total((*(run.ceiling for run in going), each))
    if isinstance(needed, Unknown) or sum_of.unpriced:
        return Seen(stop="nobody knows what its runs cost")
    if needed > hold.left:
        return Seen(
            stop=f"{dollars(hold.booked) if hold.booked else 'nothing'} of its cap of"
            f" {dollars(hold.amount)} is booked, and the rest does not pay for one more run"
        )
    return Seen()
