"""Performs the effects of one turn: the only awaiting code around `turn_flow`."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from itertools import groupby
from typing import Protocol, assert_never

from agent import history
from agent.errors import AllProvidersFailed, ProviderError, StreamBroken, ToolError
from agent.events import (
    ProviderSwitched,
    StepRewound,
    StepStarted,
    TextDelta,
    ToolFinished,
    ToolStarted,
    TurnEvent,
)
from agent.failover import Entry, FailoverPlan
from agent.messages import (
    AssistantMessage,
    Message,
    Part,
    ResultStatus,
    Text,
    ToolCall,
    ToolResult,
    Usage,
    well_formed,
)
from agent.providers.base import (
    ArgumentsReceived,
    ModelRequest,
    PartCompleted,
    PulseReceived,
    ReasoningReceived,
    Stop,
    StreamCompleted,
    StreamEvent,
    StreamOpened,
    TextReceived,
    ToolCallOpened,
    ToolSpec,
    UsageReported,
)
from agent.signals import Cut, TurnSignals
from agent.tools.base import CallContext, EffectClass, Tool
from agent.turn import (
    CallModel,
    CloseTurn,
    Drained,
    DrainInbox,
    Effect,
    EffectResult,
    Interrupted,
    JudgedCall,
    ModelFailed,
    ModelOutcome,
    ModelReplied,
    RecordMessages,
    RecordStep,
    RunTools,
    Stopped,
    ToolsRan,
    TurnEnd,
    TurnFlow,
)

TOOLS_AT_ONCE = 4
TOOL_DEADLINE_S = 120.0

log = logging.getLogger(__name__)


class TurnJournal(Protocol):
    """The durable side of one turn, fulfilled by the gateway.

    Every method returns once its record is as durable as its sentence says, and raises when the
    session has another owner by now: then the turn must end without another effect.
    """

    async def step_opened(self, step: int, model: str) -> None:
        """The intent to call the model, on disk before the call."""

    async def step_recorded(self, record: RecordStep) -> None:
        """The reply, its usage, its calls and the refused calls' results in one commit."""

    async def calls_intended(self, calls: tuple[JudgedCall, ...]) -> None:
        """The intent to run calls with effects, on disk before the first byte leaves."""

    async def call_finished(self, result: ToolResult) -> None:
        """A tool's result; survives the process, not yet a power loss.

        Cancelling the wait does not take the result back.
        """

    async def messages_recorded(self, messages: tuple[Message, ...]) -> None:
        """Messages that join the transcript, on disk."""

    async def drain(self) -> tuple[Message, ...]:
        """Claim what arrived for this session meanwhile and store it with the turn."""

    async def closed(self, end: TurnEnd) -> None:
        """The end: reply, transcript and input rows in one commit."""


class Runner:
    """Runs one turn. Not reusable: signals, plan and journal belong to the turn."""

    def __init__(
        self,
        *,
        session: str,
        system: str,
        plan: FailoverPlan,
        tools: Mapping[str, Tool],
        journal: TurnJournal,
        signals: TurnSignals,
        emit: Callable[[TurnEvent], None],
        tool_deadline_s: float = TOOL_DEADLINE_S,
    ) -> None:
        self._session = session
        self._system = system
        self._plan = plan
        self._tools = tools
        self._specs: tuple[ToolSpec, ...] = tuple(tools[name].spec for name in sorted(tools))
        self._journal = journal
        self._signals = signals
        self._emit = emit
        self._tool_deadline_s = tool_deadline_s
        self._begun: set[str] = set()

    async def run(self, flow: TurnFlow) -> TurnEnd:
        """Drive the flow to its end and return it."""
        result: EffectResult = None
        try:
            effect = next(flow)
            while True:
                result = await self._perform(effect)
                effect = flow.send(result)
        except StopIteration as end:
            ended: TurnEnd = end.value
            return ended

    async def _perform(self, effect: Effect) -> EffectResult:
        match effect:
            case CallModel():
                return await self._call_model(effect)
            case RecordStep():
                await self._journal.step_recorded(effect)
            case RunTools(calls=calls):
                return await self._run_tools(calls)
            case RecordMessages(messages=messages):
                await self._journal.messages_recorded(messages)
            case DrainInbox():
                return Drained(messages=await self._journal.drain())
            case CloseTurn(end=end):
                await self._journal.closed(end)
            case unknown:
                assert_never(unknown)
        return None

    async def _call_model(self, effect: CallModel) -> ModelOutcome:
        """Ask along the plan until someone answers, nobody is left, or the call is cut."""
        failures: list[ProviderError] = []
        longest = ""
        while True:
            entry = self._plan.current
            await self._journal.step_opened(effect.step, entry.model)
            self._emit(StepStarted(step=effect.step, model=entry.model))
            attempt = _Attempt(self._emit)
            try:
                outcome = await self._signals.guard(
                    self._attempt(entry, effect.messages, attempt),
                    # Before the first word a second request would only be paid twice.
                    interruptible=attempt.has_words,
                )
            except ProviderError as error:
                log.warning("model call failed: %s: %s", error.provider, error)
                failures.append(error)
                longest = max(longest, attempt.shown, key=len)
                if attempt.shown:
                    self._emit(StepRewound(step=effect.step))
                following = self._plan.advance(error)
                if following is None:
                    return ModelFailed(error=AllProvidersFailed(tuple(failures)), shown=longest)
                self._emit(
                    ProviderSwitched(model=following.model, primary=self._plan.primary.model)
                )
                continue
            if not isinstance(outcome, Cut):
                return outcome
            if outcome.stopped_by is not None:
                return Stopped(by=outcome.stopped_by, shown=attempt.shown)
            return Interrupted(shown=attempt.shown)

    async def _attempt(
        self, entry: Entry, messages: tuple[Message, ...], attempt: "_Attempt"
    ) -> ModelReplied:
        lease = await entry.credential.lease()
        room = entry.context_window - (entry.max_output_tokens or 0)
        request = ModelRequest(
            system=self._system,
            messages=history.repair(history.window(messages, budget_tokens=room)),
            tools=self._specs,
            max_output_tokens=entry.max_output_tokens,
            session=self._session,
        )
        async with aclosing(entry.provider.stream(request, lease)) as stream:
            async for event in stream:
                attempt.take(event)
        return attempt.reply(entry)

    async def _run_tools(self, calls: tuple[JudgedCall, ...]) -> ToolsRan:
        """Run calls side by side, those of one resource in order; every call gets a result."""
        effects = tuple(
            c for c in calls if c.prepared and c.prepared.effect is not EffectClass.PURE
        )
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
                result = await self._run_tool(call)
            await self._finish(result, results)

    async def _run_tool(self, judged: JudgedCall) -> ToolResult:
        prepared = judged.prepared
        if prepared is None:
            raise ValueError(f"{judged.call.id} was refused and can't run")
        self._begun.add(judged.call.id)
        self._emit(ToolStarted(call_id=judged.call.id, label=prepared.label))
        context = CallContext(call_id=judged.call.id, session=self._session)
        deadline = asyncio.timeout(self._tool_deadline_s)
        try:
            async with deadline:
                output = await self._tools[prepared.tool].run(prepared, context)
        except ToolError as error:
            return _result(judged, ResultStatus.FAILED, str(error))
        except Exception as error:
            if isinstance(error, TimeoutError) and deadline.expired():
                return _broken_off(judged, f"No result within {self._tool_deadline_s:.0f} s.")
            log.exception("tool %s failed", prepared.tool)
            return _broken_off(judged, "The tool failed inside the gateway.")
        return _result(judged, output.status, output.text)

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


class _Attempt:
    """What one attempt has given so far; nothing of it counts before the terminal marker."""

    def __init__(self, emit: Callable[[TurnEvent], None]) -> None:
        self._emit = emit
        self._shown: list[str] = []
        self._parts: list[Part] = []
        self._usage: Usage | None = None
        self._stop: Stop | None = None

    @property
    def shown(self) -> str:
        """The words the reader has seen of this attempt."""
        return well_formed("".join(self._shown))

    def has_words(self) -> bool:
        """Whether the reader has seen any."""
        return bool(self._shown)

    def take(self, event: StreamEvent) -> None:
        """Fold one event in; words go on to the reader at once."""
        match event:
            case TextReceived(text=text):
                self._shown.append(text)
                self._emit(TextDelta(text=text))
            case PartCompleted(part=part):
                self._parts.append(part)
            case UsageReported(usage=usage):
                self._usage = usage
            case StreamCompleted(stop=stop):
                self._stop = stop
            case (
                StreamOpened()
                | ReasoningReceived()
                | ToolCallOpened()
                | ArgumentsReceived()
                | PulseReceived()
            ):
                pass
            case unknown:
                assert_never(unknown)

    def reply(self, entry: Entry) -> ModelReplied:
        """The complete reply; StreamBroken without a terminal marker."""
        origin = entry.provider.origin
        if self._stop is None:
            raise StreamBroken(
                "the stream ended without its terminal marker",
                provider=origin.provider,
                model=origin.model,
                reason="stream_broken",
            )
        message = AssistantMessage(parts=_merged(self._parts), origin=origin)
        return ModelReplied(message=message, stop=self._stop, usage=self._usage)


def _merged(parts: list[Part]) -> tuple[Part, ...]:
    """Join neighbouring texts, drop empty ones, and leave no half characters."""
    merged: list[Part] = []
    for is_text, group in groupby(parts, lambda part: isinstance(part, Text)):
        if is_text:
            text = well_formed("".join(part.text for part in group if isinstance(part, Text)))
            merged.extend([Text(text=text)] if text else [])
        else:
            merged.extend(_written(part) for part in group)
    return tuple(merged)


def _written(part: Part) -> Part:
    if not isinstance(part, ToolCall):
        return part
    return replace(part, name=well_formed(part.name), arguments=well_formed(part.arguments))


def _result(judged: JudgedCall, status: ResultStatus, text: str) -> ToolResult:
    call = judged.call
    return ToolResult(call_id=call.id, name=call.name, status=status, text=well_formed(text))


def _broken_off(judged: JudgedCall, why: str) -> ToolResult:
    """The result of a call that did not end by itself: it failed, or nobody knows what it did."""
    if judged.prepared is not None and judged.prepared.effect is EffectClass.PURE:
        return _result(judged, ResultStatus.FAILED, why)
    return _result(judged, ResultStatus.UNKNOWN, f"{why} It may have taken effect.")
