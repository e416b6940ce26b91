"""Performs the effects of one turn: the only awaiting code around `turn_flow`."""

import asyncio
import logging
import math
import socket
from collections.abc import Callable, Mapping
from contextlib import aclosing, nullcontext
from dataclasses import replace
from itertools import groupby
from typing import assert_never

from agent import history
from agent.attempts import AttemptRecord
from agent.calls import JudgedCall
from agent.effects import (
    AskPeople,
    CallModel,
    CloseTurn,
    Drained,
    DrainInbox,
    Effect,
    EffectResult,
    GateCalls,
    Gated,
    GoOn,
    Interrupted,
    ModelFailed,
    ModelOutcome,
    ModelReplied,
    OverBudget,
    Parked,
    ProbeCalls,
    RecordMessages,
    RecordStep,
    RunTools,
    Stopped,
    TurnEnd,
    Wait,
)
from agent.errors import (
    AllProvidersFailed,
    ProviderError,
    RequestInvalid,
    StreamBroken,
    TlsUntrusted,
)
from agent.events import (
    ProviderSwitched,
    StepRewound,
    StepStarted,
    TextDelta,
    TurnEvent,
)
from agent.failover import Entry, FailoverPlan
from agent.journal import Bill, TurnJournal
from agent.messages import (
    AssistantMessage,
    Message,
    Part,
    Text,
    ToolCall,
    Usage,
    well_formed,
)
from agent.providers.base import (
    ActionFinished,
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
from agent.providers.classify import causes_of
from agent.signals import Cut, TurnSignals
from agent.tool_runs import (
    CUT_S,
    INSPECT_S,
    NOTHING_BEGAN,
    TOOL_DEADLINE_S,
    Room,
    ToolRuns,
)
from agent.tools.base import CallContext, Tool
from agent.turn import TurnFlow

log = logging.getLogger(__name__)

WRITTEN_PER_S = 250
"""Tokens a second that a model which thinks unseen is taken to write."""


class Runner:
    """Runs one turn. Not reusable: signals, plan and journal belong to the turn."""

    def __init__(
        self,
        *,
        origin: CallContext,
        system: str,
        plan: FailoverPlan,
        tools: Mapping[str, Tool],
        journal: TurnJournal,
        signals: TurnSignals,
        emit: Callable[[TurnEvent], None],
        tool_deadline_s: float = TOOL_DEADLINE_S,
        inspect_s: float = INSPECT_S,
        cut_s: float = CUT_S,
        room: Room = nullcontext,
    ) -> None:
        self._session = origin.session
        self._system = system
        self._plan = plan
        self._specs: tuple[ToolSpec, ...] = tuple(tools[name].spec for name in sorted(tools))
        self._journal = journal
        self._signals = signals
        self._emit = emit
        self._tool_runs = ToolRuns(
            origin=origin,
            tools=tools,
            journal=journal,
            signals=signals,
            emit=emit,
            deadline_s=tool_deadline_s,
            inspect_s=inspect_s,
            cut_s=cut_s,
            room=room,
        )

    async def run(self, flow: TurnFlow) -> TurnEnd | Parked:
        """Drive the flow to its end, or to where it is parked."""
        result: EffectResult = None
        try:
            effect = next(flow)
            while not (
                self._signals.parking and isinstance(effect, CallModel | GateCalls | RunTools)
            ):
                result = await self._perform(effect)
                effect = flow.send(result)
        except StopIteration as end:
            ended: TurnEnd | Parked = end.value
            return ended
        flow.close()
        return Parked(asked=False)

    async def _perform(self, effect: Effect) -> EffectResult:
        match effect:
            case CallModel():
                return await self._call_model(effect)
            case RecordStep():
                await self._journal.step_recorded(effect)
            case RunTools(calls=calls):
                return await self._tool_runs.run(calls)
            case ProbeCalls(calls=calls):
                return await self._tool_runs.probe(calls)
            case GateCalls(calls=calls):
                return await self._gate(calls)
            case AskPeople(calls=calls):
                await self._ask(calls)
            case Wait():
                return await self._wait()
            case RecordMessages(messages=messages):
                await self._journal.messages_recorded(messages)
            case DrainInbox():
                return await self._drain()
            case CloseTurn(end=end):
                await self._journal.closed(end)
            case unknown:
                assert_never(unknown)
        return None

    async def _gate(self, calls: tuple[JudgedCall, ...]) -> Gated | Stopped:
        inspected = await self._tool_runs.inspect(calls)
        if isinstance(inspected, Stopped):
            return inspected
        return await self._journal.gated(inspected)

    async def _ask(self, calls: tuple[JudgedCall, ...]) -> None:
        if self._signals.stopped_by is None:  # else the turn ends, and nobody is to decide
            await self._journal.asked(calls)

    async def _wait(self) -> Parked | GoOn | Stopped:
        if self._signals.stopped_by is not None:
            return Stopped(by=self._signals.stopped_by, shown="")
        return await self._journal.waits()

    async def _drain(self) -> Drained:
        if self._signals.stopped_by is not None:  # what waits gets a turn of its own
            return Drained(messages=())
        return Drained(messages=await self._journal.drain())

    async def _call_model(self, effect: CallModel) -> ModelOutcome:
        """Ask along the plan until someone answers, nobody is left, or the call is cut."""
        failures: list[ProviderError] = []
        longest = ""
        while True:
            entry = self._plan.current
            if self._signals.stopped_by is not None:
                return Stopped(by=self._signals.stopped_by, shown="")
            request = self._request(entry, effect.messages)
            quote = entry.pricing.quote(request)
            if not await self._journal.step_opened(effect.step, entry.model, quote):
                return OverBudget()
            self._emit(StepStarted(step=effect.step, model=entry.model))
            attempt = _Attempt(self._emit)
            try:
                outcome = await self._signals.guard(
                    self._attempt(entry, request, attempt),
                    # Before the first word a second request would only be paid twice.
                    interruptible=attempt.has_words,
                )
            except ProviderError as error:
                log.warning("model call failed: %s: %s", error.provider, error)
                failures.append(error)
                began = attempt.answered or (attempt.asked and not _kept_out(error))
                bill = attempt.bill(entry, request) if began else NOTHING_BEGAN
                await self._journal.attempt_ended(
                    effect.step, bill, attempt.record(entry, effect.step)
                )
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
            bill = attempt.bill(entry, request) if attempt.asked else NOTHING_BEGAN
            await self._journal.attempt_ended(effect.step, bill, attempt.record(entry, effect.step))
            if outcome.stopped_by is not None:
                return Stopped(by=outcome.stopped_by, shown=attempt.shown)
            return Interrupted(shown=attempt.shown)

    def _request(self, entry: Entry, messages: tuple[Message, ...]) -> ModelRequest:
        room = entry.context_window - (entry.max_output_tokens or 0)
        return ModelRequest(
            system=self._system,
            messages=history.repair(history.window(messages, budget_tokens=room)),
            tools=self._specs,
            max_output_tokens=entry.max_output_tokens,
            session=self._session,
        )

    async def _attempt(
        self, entry: Entry, request: ModelRequest, attempt: "_Attempt"
    ) -> ModelReplied:
        lease = await entry.credential.lease(session=self._session, model=entry.model)
        attempt.ask()
        async with aclosing(entry.provider.stream(request, lease)) as stream:
            async for event in stream:
                attempt.take(event)
        reply = attempt.reply(entry)
        if reply.usage is not None:
            entry.pricing.learn(request, reply.usage)
        return reply


class _Attempt:
    """What one attempt has given so far; nothing of it counts before the terminal marker."""

    def __init__(self, emit: Callable[[TurnEvent], None]) -> None:
        self._emit = emit
        self._shown: list[str] = []
        self._parts: list[Part] = []
        self._usage: Usage | None = None
        self._stop: Stop | None = None
        self._streamed = 0
        self._asked_at = 0.0
        self.asked = False
        """Whether the provider may have the request, and so may charge for it."""
        self.answered = False
        """Whether it has begun to answer."""

    @property
    def shown(self) -> str:
        """The words the reader has seen of this attempt."""
        return well_formed("".join(self._shown))

    def has_words(self) -> bool:
        """Whether the reader has seen any."""
        return bool(self._shown)

    def ask(self) -> None:
        """From now on the provider may have the request."""
        self.asked = True
        self._asked_at = _now()

    def bill(self, entry: Entry, request: ModelRequest) -> Bill:
        """What it cost at most if it ends here, without a reply.

        A token has at least a byte of what came; of thinking that is not shown nothing comes, so
        the time counts too.
        """
        unseen = math.ceil((_now() - self._asked_at) * WRITTEN_PER_S)
        written = max(self._streamed, sum(map(history.part_size, self._parts)), unseen)
        return Bill(spent=entry.pricing.spent_at_most(request, written=written))

    def record(self, entry: Entry, step: int) -> AttemptRecord:
        """What the books know of it."""
        return AttemptRecord(
            step=step, attempt=1, entry=entry.name, asked=entry.model, outcome="failed"
        )

    def take(self, event: StreamEvent) -> None:
        """Fold one event in; words go on to the reader at once."""
        self.answered = True
        match event:
            case TextReceived(text=text):
                self._shown.append(text)
                self._count(text)
                self._emit(TextDelta(text=text))
            case PartCompleted(part=part):
                self._parts.append(part)
            case UsageReported(usage=usage):
                self._usage = usage
            case StreamCompleted(stop=stop):
                self._stop = stop
            case (
                ReasoningReceived(text=text)
                | ToolCallOpened(name=text)
                | ArgumentsReceived(text=text)
            ):
                self._count(text)
            case StreamOpened() | PulseReceived() | ActionFinished():
                pass
            case unknown:
                assert_never(unknown)

    def _count(self, text: str) -> None:
        self._streamed += len(text.encode(errors="surrogatepass"))

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
        spent = entry.pricing.spent(self._usage) if self._usage is not None else None
        return ModelReplied(message=message, stop=self._stop, usage=self._usage, spent=spent)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _kept_out(error: ProviderError) -> bool:
    """Whether a request that failed before any answer certainly was not taken, nor charged for."""
    if isinstance(error, RequestInvalid | TlsUntrusted):
        return True
    if error.status is not None:
        return 400 <= error.status < 500
    unreached = (ConnectionRefusedError, socket.gaierror)
    return any(isinstance(cause, unreached) for cause in causes_of(error))


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
