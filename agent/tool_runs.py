"""Runs the tool calls of a step, and asks about calls that a crash left in doubt."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from agent.calls import JudgedCall
from agent.errors import ToolError
from agent.events import ToolFinished, ToolStarted, TurnEvent
from agent.journal import TurnJournal
from agent.messages import ResultStatus, ToolResult, well_formed
from agent.signals import Cut, TurnSignals
from agent.tools.base import (
    CallContext,
    EffectClass,
    LocalTool,
    PreparedCall,
    ProbingTool,
    Tool,
)
from agent.turn import Probed, ToolsRan

TOOLS_AT_ONCE = 4
TOOL_DEADLINE_S = 120.0

_WITHOUT_INTENT = (EffectClass.PURE, EffectClass.LOCAL)
"""Running it again is harmless, or its result is stored with its effect."""

log = logging.getLogger(__name__)


class ToolRuns:
    """The tools of one turn at work."""

    def __init__(
        self,
        *,
        session: str,
        tools: Mapping[str, Tool],
        journal: TurnJournal,
        signals: TurnSignals,
        emit: Callable[[TurnEvent], None],
        deadline_s: float = TOOL_DEADLINE_S,
    ) -> None:
        self._session = session
        self._tools = tools
        self._journal = journal
        self._signals = signals
        self._emit = emit
        self._deadline_s = deadline_s
        self._begun: set[str] = set()

    async def run(self, calls: tuple[JudgedCall, ...]) -> ToolsRan:
        """Run calls side by side, those of one resource in order; every call gets a result."""
        effects = tuple(c for c in calls if c.prepared and c.prepared.effect not in _WITHOUT_INTENT)
        if effects:
            await self._journal.calls_intended(effects)
        results: dict[str, ToolResult] = {}
        gate = asyncio.Semaphore(TOOLS_AT_ONCE)
        queues: dict[str, list[JudgedCall]] = {}
        for call in calls:
            resource = call.prepared.resource if call.prepared else None
            queues.setdefault(resource or call.call.id, []).append(call)
        work = self._run_queues(tuple(queues.values()), gate, results)
        cut = await self._signals.guard(work)
        await self._settle_cut(calls, results)
        return ToolsRan(
            results=tuple(results[call.call.id] for call in calls),
            stopped_by=cut.stopped_by if isinstance(cut, Cut) else None,
        )

    async def probe(self, calls: tuple[JudgedCall, ...]) -> Probed:
        """Ask each tool whether its call took effect; who can't tell leaves it in doubt."""
        results: list[ToolResult] = []
        absent: set[str] = set()
        for judged in calls:
            prepared = judged.prepared
            tool = self._tools.get(prepared.tool) if prepared else None
            if prepared is None or not isinstance(tool, ProbingTool):
                continue
            context = CallContext(call_id=judged.call.id, session=self._session)
            try:
                async with asyncio.timeout(self._deadline_s):
                    output = await tool.probe(prepared, context)
            except Exception as error:
                log.warning("%s can't tell what became of a call: %s", prepared.tool, error)
                continue
            if output is None:
                absent.add(judged.call.id)
            else:
                results.append(_result(judged, output.status, output.text))
        return Probed(results=tuple(results), absent=frozenset(absent))

    async def _run_queues(
        self,
        queues: tuple[list[JudgedCall], ...],
        gate: asyncio.Semaphore,
        results: dict[str, ToolResult],
    ) -> None:
        """Run all queues; if one can't record its result, the others end too."""
        try:
            async with asyncio.TaskGroup() as group:
                for queue in queues:
                    group.create_task(self._run_queue(queue, gate, results))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _run_queue(
        self, calls: list[JudgedCall], gate: asyncio.Semaphore, results: dict[str, ToolResult]
    ) -> None:
        for call in calls:
            async with gate:
                if call.prepared is not None and call.prepared.effect is EffectClass.LOCAL:
                    await _to_its_end(self._apply(call, results))
                    continue
                result = await self._run_tool(call)
            await self._finish(result, results)

    async def _run_tool(self, judged: JudgedCall) -> ToolResult:
        prepared, context = self._begin(judged)
        deadline = asyncio.timeout(self._deadline_s)
        try:
            async with deadline:
                output = await self._tools[prepared.tool].run(prepared, context)
        except ToolError as error:
            return _result(judged, ResultStatus.FAILED, str(error))
        except Exception as error:
            if isinstance(error, TimeoutError) and deadline.expired():
                return _broken_off(judged, f"No result within {self._deadline_s:.0f} s.")
            log.exception("tool %s failed", prepared.tool)
            return _broken_off(judged, "The tool failed inside the gateway.")
        return _result(judged, output.status, output.text)

    async def _apply(self, judged: JudgedCall, results: dict[str, ToolResult]) -> None:
        """Run a LOCAL call: its effect and its result are one commit."""
        prepared, context = self._begin(judged)
        tool = self._tools[prepared.tool]
        try:
            if not isinstance(tool, LocalTool):
                raise TypeError(f"{prepared.tool} has local calls and no unit")
            result = await self._journal.call_applied(
                tool.unit(prepared, context),
                lambda output: _result(judged, output.status, output.text),
            )
        except ToolError as error:
            await self._finish(_result(judged, ResultStatus.FAILED, str(error)), results)
        except TypeError:
            log.exception("tool %s failed", prepared.tool)
            failed = _result(judged, ResultStatus.FAILED, "The tool failed inside the gateway.")
            await self._finish(failed, results)
        else:
            results[result.call_id] = result
            self._emit(ToolFinished(call_id=result.call_id, status=result.status))

    def _begin(self, judged: JudgedCall) -> tuple[PreparedCall, CallContext]:
        prepared = judged.prepared
        if prepared is None:
            raise ValueError(f"{judged.call.id} was refused and can't run")
        self._begun.add(judged.call.id)
        self._emit(ToolStarted(call_id=judged.call.id, label=prepared.label))
        return prepared, CallContext(call_id=judged.call.id, session=self._session)

    async def _finish(self, result: ToolResult, results: dict[str, ToolResult]) -> None:
        # Before the wait: a cut in the middle of it does not take the record back.
        results[result.call_id] = result
        await self._journal.call_finished(result)
        self._emit(ToolFinished(call_id=result.call_id, status=result.status))

    async def _settle_cut(
        self, calls: tuple[JudgedCall, ...], results: dict[str, ToolResult]
    ) -> None:
        """Give every call that was cut short a result that says what is known of it."""
        for call in calls:
            if call.call.id in results:
                continue
            if call.call.id not in self._begun:
                result = _result(call, ResultStatus.NOT_RUN, "Stopped before it began.")
            else:
                result = _broken_off(call, "Stopped before it ended.")
            await self._finish(result, results)


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Wait for work that must not be cut in the middle; a cancel takes effect after it."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        raise


def _result(judged: JudgedCall, status: ResultStatus, text: str) -> ToolResult:
    call = judged.call
    return ToolResult(call_id=call.id, name=call.name, status=status, text=well_formed(text))


def _broken_off(judged: JudgedCall, why: str) -> ToolResult:
    """The result of a call that did not end by itself: it failed, or nobody knows what it did."""
    if judged.prepared is not None and judged.prepared.effect is EffectClass.PURE:
        return _result(judged, ResultStatus.FAILED, why)
    return _result(judged, ResultStatus.UNKNOWN, f"{why} It may have taken effect.")
