"""Performs the effects of one turn: the only awaiting code around `turn_flow`."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import assert_never

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
    Parked,
    ProbeCalls,
    RecordMessages,
    RecordStep,
    RunTools,
    Stopped,
    TurnEnd,
    Wait,
)
from agent.events import TurnEvent
from agent.failover import FailoverPlan
from agent.journal import TurnJournal
from agent.model_call import ModelCall
from agent.model_room import ModelRoom
from agent.model_turn import ModelTurn
from agent.providers.base import ToolSpec
from agent.signals import TurnSignals
from agent.tool_runs import CUT_S, INSPECT_S, TOOL_DEADLINE_S, Room, ToolRuns
from agent.tools.base import CallContext, Tool
from agent.turn import TurnFlow


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
        models: ModelRoom | None = None,
        effort: str | None = None,
    ) -> None:
        """`models` is shared by the turns of a process; `effort` is what the chat prefers."""
        shown = (tools[name] for name in sorted(tools) if not getattr(tools[name], "hidden", False))
        specs: tuple[ToolSpec, ...] = tuple(tool.spec for tool in shown)
        self._journal = journal
        self._signals = signals
        self._models = ModelTurn(
            session=origin.session,
            system=system,
            specs=specs,
            plan=plan,
            journal=journal,
            signals=signals,
            emit=emit,
            room=models or ModelRoom(),
            effort=effort,
        )
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
        """Drive the flow to its end, or to where it is parked; then nobody works on for it."""
        try:
            return await self._run(flow)
        finally:
            self._models.leave()

    async def _run(self, flow: TurnFlow) -> TurnEnd | Parked:
        result: EffectResult = None
        try:
            effect = next(flow)
            while not (
                self._signals.parking and isinstance(effect, CallModel | GateCalls | RunTools)
            ):
                result = await self._perform(effect)
                effect = flow.send(result)
            if isinstance(effect, CallModel):
                await self._models.booked(effect)
        except StopIteration as end:
            ended: TurnEnd | Parked = end.value
            return self._models.signed(ended) if isinstance(ended, TurnEnd) else ended
        flow.close()
        return Parked(asked=False)

    async def _perform(self, effect: Effect) -> EffectResult:
        match effect:
            case CallModel():
                return self._models.with_joined(await ModelCall(self._models, effect).run())
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
                await self._journal.closed(self._models.signed(end))
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
        self._signals.heard()
        return Drained(messages=await self._journal.drain())
