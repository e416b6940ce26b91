"""Runs the tool calls of a step, and asks about calls that a crash left in doubt."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from typing import Any

from agent.calls import JudgedCall
from agent.effects import Probed, Stopped, ToolsRan
from agent.errors import LostTrack, NotStarted, ToolError
from agent.events import ToolFinished, ToolStarted, TurnEvent
from agent.journal import Bill, TurnJournal
from agent.messages import ResultStatus, ToolResult, well_formed
from agent.signals import Cut, TurnSignals
from agent.tools.base import (
    CallContext,
    EffectClass,
    InspectingTool,
    LocalTool,
    Malformed,
    PreparedCall,
    ProbingTool,
    RemoteJob,
    RemoteTool,
    Tool,
    ToolOutput,
)

TOOLS_AT_ONCE = 4
TOOL_DEADLINE_S = 120.0
INSPECT_S = 5.0
CUT_S = 5.0
"""How long work elsewhere may still take to begin once its turn is stopped."""

NOTHING_BEGAN = Bill(began=False)
FAULT = "The tool failed inside the gateway."
SOUGHT = "If it has begun, it is found and ended."

Room = Callable[[], AbstractAsyncContextManager[None]]

_Outcome = tuple[ToolResult, Bill, RemoteJob | None]

log = logging.getLogger(__name__)


class ToolRuns:
    """The tools of one turn at work."""

    def __init__(
        self,
        *,
        origin: CallContext,
        tools: Mapping[str, Tool],
        journal: TurnJournal,
        signals: TurnSignals,
        emit: Callable[[TurnEvent], None],
        deadline_s: float = TOOL_DEADLINE_S,
        inspect_s: float = INSPECT_S,
        cut_s: float = CUT_S,
        room: Room = nullcontext,
    ) -> None:
        """`room` is a place for one tool among those of all turns."""
        self._origin = origin
        self._tools = tools
        self._journal = journal
        self._signals = signals
        self._emit = emit
        self._deadline_s = deadline_s
        self._inspect_s = inspect_s
        self._cut_s = cut_s
        self._room = room
        self._begun: set[str] = set()
        self._lost: set[str] = set()
        """Calls of which their tools have lost track: they stay begun."""
        self._starts: dict[str, asyncio.Task[_Outcome]] = {}
        """Calls that begin work elsewhere: a stop lets them say what they have begun."""

    async def run(self, calls: tuple[JudgedCall, ...]) -> ToolsRan:
        """Run calls side by side, those of one resource in order.

        Every call that may begin gets a result, unless its work goes on elsewhere, or nobody
        knows what became of it; a stop leaves none to people.
        """
        self._lost.clear()
        intended = await self._journal.calls_intended(calls)
        results = {result.call_id: result for result in intended.results}
        left: set[str] = set()
        gate = asyncio.Semaphore(TOOLS_AT_ONCE)
        queues: dict[str, list[JudgedCall]] = {}
        begun = tuple(call for call in calls if call.call.id in intended.begun)
        for call in begun:
            resource = call.prepared.resource if call.prepared else None
            queues.setdefault(resource or call.call.id, []).append(call)
        work = self._run_queues(tuple(queues.values()), gate, results, left)
        try:
            cut = await self._signals.guard(work)
            stopped = isinstance(cut, Cut)
            away = left if stopped else left | self._lost
            await self._settle_cut(tuple(c for c in begun if c.call.id not in away), results)
        finally:
            await self._drop_starts()
        return ToolsRan(
            results=tuple(results[c.call.id] for c in calls if c.call.id in results),
            stopped_by=cut.stopped_by if isinstance(cut, Cut) else None,
            in_doubt=frozenset() if stopped else frozenset(self._lost),
        )

    async def inspect(self, calls: tuple[JudgedCall, ...]) -> tuple[JudgedCall, ...] | Stopped:
        """Let the tools look at what the gate must know of calls, side by side."""
        found = await self._signals.guard(self._inspect_all(calls))
        return Stopped(by=found.stopped_by or "", shown="") if isinstance(found, Cut) else found

    async def _inspect_all(self, calls: tuple[JudgedCall, ...]) -> tuple[JudgedCall, ...]:
        looks = (self._inspect(call) for call in calls)
        found = await asyncio.gather(*looks, return_exceptions=True)
        return tuple(
            # A tool that cancels itself has said nothing of its call.
            replace(judged, inspected=False) if isinstance(seen, BaseException) else seen
            for judged, seen in zip(calls, found, strict=True)
        )

    async def _inspect(self, judged: JudgedCall) -> JudgedCall:
        prepared = judged.prepared
        tool = self._tools.get(prepared.tool) if prepared else None
        if prepared is None or not isinstance(tool, InspectingTool):
            return judged
        try:
            async with asyncio.timeout(self._inspect_s):
                found = await tool.inspect(prepared, self._context(judged, prepared))
        except Exception:
            log.exception("%s could not look at what a call needs", prepared.tool)
            found = None
        if found is None:
            return replace(judged, inspected=False)
        if isinstance(found, Malformed):
            refusal = _result(judged, ResultStatus.MALFORMED, found.text)
            return replace(judged, prepared=None, refusal=refusal)
        return replace(judged, prepared=found)

    async def probe(self, calls: tuple[JudgedCall, ...]) -> Probed:
        """Ask each tool whether its call took effect; who can't tell leaves it in doubt."""
        results: dict[str, ToolResult] = {}
        absent: set[str] = set()
        attached: set[str] = set()
        cut = await self._signals.guard(self._probe_all(calls, results, absent, attached))
        return Probed(
            results=tuple(results.values()),
            absent=frozenset(absent),
            attached=frozenset(attached),
            stopped_by=cut.stopped_by if isinstance(cut, Cut) else None,
        )

    async def _probe_all(
        self,
        calls: tuple[JudgedCall, ...],
        results: dict[str, ToolResult],
        absent: set[str],
        attached: set[str],
    ) -> None:
        for judged in calls:
            prepared = judged.prepared
            tool = self._tools.get(prepared.tool) if prepared else None
            if prepared is None or not isinstance(tool, ProbingTool):
                continue
            context = self._context(judged, prepared)
            try:
                async with asyncio.timeout(self._deadline_s):
                    output = await tool.probe(prepared, context)
            except Exception as error:
                log.warning("%s can't tell what became of a call: %s", prepared.tool, error)
                continue
            if output is None:
                absent.add(judged.call.id)
                continue
            bill = Bill(spent=output.spent, record=output.record)
            result = _result(judged, output.status, output.text)
            if output.remote is None:
                await self._finish(result, bill, results)
                continue
            attached.update([judged.call.id] if output.remote.waits else [])
            await _to_its_end(self._leave(judged, output.remote, result, bill, results))

    async def _run_queues(
        self,
        queues: tuple[list[JudgedCall], ...],
        gate: asyncio.Semaphore,
        results: dict[str, ToolResult],
        left: set[str],
    ) -> None:
        """Run all queues; if one can't record its result, the others end too."""
        try:
            async with asyncio.TaskGroup() as group:
                for queue in queues:
                    group.create_task(self._run_queue(queue, gate, results, left))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _run_queue(
        self,
        calls: list[JudgedCall],
        gate: asyncio.Semaphore,
        results: dict[str, ToolResult],
        left: set[str],
    ) -> None:
        for call in calls:
            async with gate, self._room():
                if self._signals.stopped_by is not None:
                    return  # the cut itself comes a moment later
                if call.prepared is not None and call.prepared.effect is EffectClass.LOCAL:
                    await _to_its_end(self._apply(call, results))
                    continue
                try:
                    outcome = await self._outcome(call)
                except LostTrack as error:
                    self._lose(call, error)
                    continue
            if (job := outcome[2]) is not None:
                left.update([call.call.id] if job.waits else [])
            await self._keep(call, outcome, results)

    def _lose(self, call: JudgedCall, error: LostTrack) -> None:
        log.warning("%s has lost track of call %s: %s", call.call.name, call.call.id, error)
        self._lost.add(call.call.id)
        self._emit(ToolFinished(call_id=call.call.id, status=ResultStatus.UNKNOWN))

    async def _outcome(self, call: JudgedCall) -> _Outcome:
        """Run a call; a cut leaves behind what begins work elsewhere (see `_settle_cut`)."""
        if not self._begins_elsewhere(call):
            return await self._run_tool(call)
        start = self._starts[call.call.id] = asyncio.ensure_future(self._run_tool(call))
        return self._with_unseen(call, await asyncio.shield(start))

    def _begins_elsewhere(self, judged: JudgedCall) -> bool:
        """Whether what a call begins can be asked about, and ended."""
        prepared = judged.prepared
        if prepared is None or prepared.effect is not EffectClass.PROBE:
            return False
        tool = self._tools[prepared.tool]
        return isinstance(tool, ProbingTool) and isinstance(tool, RemoteTool)

    def _with_unseen(self, judged: JudgedCall, outcome: _Outcome) -> _Outcome:
        """An outcome that nobody knows, with the duty to find what may have begun and end it."""
        result, bill, job = outcome
        unknown = job is None and result.status is ResultStatus.UNKNOWN
        if judged.prepared is None or not unknown or not self._begins_elsewhere(judged):
            return outcome
        unseen = RemoteJob(handle="", label=judged.prepared.label, deadline_s=0.0, waits=False)
        return replace(result, text=f"{result.text} {SOUGHT}"), bill, unseen

    async def _keep(
        self, judged: JudgedCall, outcome: _Outcome, results: dict[str, ToolResult]
    ) -> None:
        """Store what a call has led to."""
        result, bill, job = outcome
        if job is None:
            await self._finish(result, bill, results)
        else:
            await _to_its_end(self._leave(judged, job, result, bill, results))

    async def _run_tool(self, judged: JudgedCall) -> _Outcome:
        prepared, context = self._begin(judged)
        seconds = prepared.deadline_s or self._deadline_s
        deadline = asyncio.timeout(seconds)
        try:
            async with deadline:
                output = await self._tools[prepared.tool].run(prepared, context)
        except NotStarted as error:
            return _result(judged, ResultStatus.FAILED, str(error)), NOTHING_BEGAN, None
        except LostTrack:
            raise
        except ToolError as error:
            return _result(judged, ResultStatus.FAILED, str(error)), Bill(), None
        except Exception as error:
            if isinstance(error, TimeoutError) and deadline.expired():
                return _broken_off(judged, f"No result within {seconds:.0f} s."), Bill(), None
            log.exception("tool %s failed", prepared.tool)
            return _broken_off(judged, FAULT), Bill(), None
        bill = Bill(spent=output.spent, record=output.record)
        return _result(judged, output.status, output.text), bill, output.remote

    async def _apply(self, judged: JudgedCall, results: dict[str, ToolResult]) -> None:
        """Run a LOCAL call: its effect and its result are one commit."""
        prepared, context = self._begin(judged)
        tool = self._tools[prepared.tool]
        try:
            result = await self._journal.call_applied(
                _unit_of(tool, prepared, context),
                lambda output: _result(judged, output.status, output.text),
            )
        except ToolError as error:
            failed = _result(judged, ResultStatus.FAILED, str(error))
            await self._finish(failed, NOTHING_BEGAN, results)
        else:
            results[result.call_id] = result
            self._emit(ToolFinished(call_id=result.call_id, status=result.status))

    def _begin(self, judged: JudgedCall) -> tuple[PreparedCall, CallContext]:
        prepared = judged.prepared
        if prepared is None:
            raise ValueError(f"{judged.call.id} was refused and can't run")
        self._begun.add(judged.call.id)
        self._emit(ToolStarted(call_id=judged.call.id, label=prepared.label))
        return prepared, self._context(judged, prepared)

    def _context(self, judged: JudgedCall, prepared: PreparedCall) -> CallContext:
        snapshots = {snapshot.name: snapshot.data for snapshot in prepared.snapshots}
        return replace(self._origin, call_id=judged.call.id, snapshots=snapshots)

    async def _leave(
        self,
        call: JudgedCall,
        job: RemoteJob,
        result: ToolResult,
        bill: Bill,
        results: dict[str, ToolResult],
    ) -> None:
        """Store the work a call has begun elsewhere, and its result where nobody waits for it."""
        await self._journal.call_left(call, job)
        if not job.waits:
            await self._finish(result, bill, results)

    async def _finish(self, result: ToolResult, bill: Bill, results: dict[str, ToolResult]) -> None:
        # Before the wait: a cut in the middle of it does not take the record back.
        results[result.call_id] = result
        await self._journal.call_finished(result, bill)
        self._emit(ToolFinished(call_id=result.call_id, status=result.status))

    async def _settle_cut(
        self, calls: tuple[JudgedCall, ...], results: dict[str, ToolResult]
    ) -> None:
        """Give every call that was cut short a result that says what is known of it.

        Work that is beginning elsewhere has a moment to say so: then it is not lost, and whoever
        watches it ends it. Without a word it is looked for.
        """
        if self._starts:
            await asyncio.wait(self._starts.values(), timeout=self._cut_s)
            await self._drop_starts()
        for call in calls:
            if call.call.id in results:
                continue
            if call.call.id not in self._begun:
                result = _result(call, ResultStatus.NOT_RUN, "Stopped before it began.")
                await self._finish(result, NOTHING_BEGAN, results)
            else:
                await self._keep(call, self._cut_outcome(call), results)

    def _cut_outcome(self, judged: JudgedCall) -> _Outcome:
        start = self._starts.get(judged.call.id)
        if start is not None and start.done() and not start.cancelled():
            return self._with_unseen(judged, start.result())
        cut = _broken_off(judged, "Stopped before it ended."), Bill(), None
        return self._with_unseen(judged, cut)

    async def _drop_starts(self) -> None:
        """End what still begins; nobody waits for it any more."""
        going = [start for start in self._starts.values() if not start.done()]
        for start in going:
            start.cancel()
        if going:
            await asyncio.wait(going)


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Wait for work that must not be cut in the middle; a cancel takes effect after it."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        raise


def _unit_of(
    tool: Tool, prepared: PreparedCall, context: CallContext
) -> Callable[[Any], ToolOutput]:
    """The unit of a local call. Raises ToolError where the tool can't make one."""
    try:
        if not isinstance(tool, LocalTool):
            raise TypeError(f"{prepared.tool} has local calls and no unit")
        return tool.unit(prepared, context)
    except ToolError:
        raise
    except Exception as error:
        log.exception("tool %s failed", prepared.tool)
        raise ToolError(FAULT) from error


def _result(judged: JudgedCall, status: ResultStatus, text: str) -> ToolResult:
    call = judged.call
    told = f"{judged.note}\n\n{text}" if judged.note else text
    return ToolResult(call_id=call.id, name=call.name, status=status, text=well_formed(told))


def _broken_off(judged: JudgedCall, why: str) -> ToolResult:
    """The result of a call that did not end by itself: it failed, or nobody knows what it did."""
    if judged.prepared is not None and judged.prepared.effect is EffectClass.PURE:
        return _result(judged, ResultStatus.FAILED, why)
    return _result(judged, ResultStatus.UNKNOWN, f"{why} It may have taken effect.")
