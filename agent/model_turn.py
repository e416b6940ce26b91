"""The model calls of one turn: what they share, and how one attempt of them is made."""

from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from agent.attempts import CallKind
from agent.effects import (
    CallModel,
    Interrupted,
    ModelOutcome,
    ModelReplied,
    OverBudget,
    Stopped,
    TurnEnd,
)
from agent.errors import ProviderError
from agent.events import TurnEvent, Waiting
from agent.failover import Entry, FailoverPlan
from agent.folding import Folding
from agent.journal import Bill, TurnJournal
from agent.messages import AssistantMessage, Message, Usage
from agent.model_attempt import ModelAttempt
from agent.model_request import Requests
from agent.model_room import ModelRoom
from agent.providers.base import ModelRequest, Stop, ToolSpec
from agent.signals import Cut, TurnSignals

_T = TypeVar("_T")

TOLD_AFTER_S = 20.0
"""A longer wait is shown to the chat."""

Made = tuple[AssistantMessage, Stop] | Cut | ProviderError
"""What came of an attempt: a complete reply, a cut by people, or why there is none."""


class ModelTurn:
    """What the model calls of one turn share: its plan, its waiting, its folding.

    `step` is the one under way, `served` the model that gave the last reply.
    """

    def __init__(
        self,
        *,
        session: str,
        system: str,
        specs: tuple[ToolSpec, ...],
        plan: FailoverPlan,
        journal: TurnJournal,
        signals: TurnSignals,
        emit: Callable[[TurnEvent], None],
        room: ModelRoom,
        effort: str | None = None,
    ) -> None:
        """`effort` is what the chat prefers, one of EFFORTS, None if it has said nothing."""
        self.session = session
        self.system = system
        self.specs = specs
        self.plan = plan
        self.journal = journal
        self.signals = signals
        self.emit = emit
        self.room = room
        self.effort = effort
        self.waited_s = 0.0
        self.barred: set[str] = set()
        self.served = ""
        self.step = 0
        self._joined: tuple[Message, ...] = ()
        self.folding = Folding(
            session=session,
            journal=journal,
            ask=self._ask_beside,
            rests=room.summaries,
            clock=room.clock,
        )

    def signed(self, end: TurnEnd) -> TurnEnd:
        """The end with who answered and who was to."""
        return replace(end, served=self.served, primary=self.plan.primary.model)

    def leave(self) -> None:
        """Nobody asks on for now."""
        self.plan.leave(self.session)

    async def unless_stopped(self, work: Coroutine[Any, Any, _T]) -> _T | Stopped:
        """Do something that only /stop ends early."""
        done = await self.signals.guard(work)
        if isinstance(done, Cut):
            return Stopped(by=done.stopped_by or "", shown="")
        return done

    async def wait(self, seconds: float, entry: Entry) -> Cut | None:
        """Wait before an entry is asked again; new words and /stop cut it."""
        if seconds <= 0:
            return None
        if seconds > TOLD_AFTER_S:
            until = self.room.now() + int(seconds * 1_000_000)
            self.emit(Waiting(provider=entry.name, until=until))
        self.waited_s += seconds
        return await self.signals.pause(self.room.sleep(seconds))

    async def booked(self, effect: CallModel) -> None:
        """Book a reply that was of no use, if this call comes after one."""
        wasted = effect.wasted
        if wasted is not None and wasted.attempt is not None:
            bill = Bill(spent=wasted.spent)
            await self.journal.attempt_ended(effect.step, bill, wasted.attempt)

    async def made(self, attempt: ModelAttempt, requests: Requests | None = None) -> Made:
        """Make one attempt, whatever comes of it; its key is free again.

        `requests` is that of the call whose reply it is; what is asked beside it is not cut by
        new words. Before the first word nothing is: a second request would only be paid twice.
        """
        try:
            return await self.signals.guard(
                self._stream(attempt, requests),
                interruptible=attempt.has_words if requests is not None else None,
            )
        except ProviderError as error:
            if attempt.lease is not None:
                error.credential = error.credential or attempt.lease.label
            return error
        finally:
            attempt.end(self.room.superseded)
            if attempt.lease is not None:
                attempt.entry.credential.release(attempt.lease)

    async def _stream(
        self, attempt: ModelAttempt, requests: Requests | None
    ) -> tuple[AssistantMessage, Stop]:
        entry, request = attempt.entry, attempt.request
        lease = await entry.credential.lease(session=self.session, model=entry.model)
        attempt.ask(lease)
        if requests is not None:
            request = requests.for_key(request, entry, lease)
            request = replace(request, joins=_Joining(self, requests))
            if not attempt.free:
                request = replace(request, spend=partial(self._spend, attempt))
        async with aclosing(entry.provider.stream(request, lease)) as stream:
            async for event in stream:
                attempt.take(event)
        return attempt.reply()

    async def join(self, requests: Requests) -> tuple[Message, ...]:
        """Let what was said meanwhile join the turn in the middle of a call."""
        if self.signals.stopped_by is not None or self.signals.parking:
            return ()
        said = await self.journal.drain()
        requests.joined += said
        self._joined += said
        return said

    def with_joined(self, outcome: ModelOutcome) -> ModelOutcome:
        """What came of a call, with what joined during it."""
        joined, self._joined = self._joined, ()
        if joined and isinstance(outcome, ModelReplied | Interrupted):
            return replace(outcome, joined=joined)
        return outcome

    async def _spend(self, attempt: ModelAttempt, usage: Usage) -> bool:
        """Book what a reply has used so far; whether the next call within it is paid for."""
        found = attempt.within(usage)
        if found is None:
            return False
        spent, needs = found
        return await self.journal.spent_so_far(self.step, spent, needs)

    async def answered(self, attempt: ModelAttempt) -> None:
        """Book that a model has answered, and what it has counted."""
        entry, now = attempt.entry, self.room.clock()
        self.room.health.succeeded(entry.provider.origin, attempt.first_byte_s, now)
        if attempt.lease is not None:
            await entry.credential.succeeded(attempt.lease)
        if attempt.counted is not None:
            entry.pricing.learn(attempt.request, attempt.counted)

    async def _ask_beside(
        self, entry: Entry, request: ModelRequest, *, kind: CallKind
    ) -> str | Stopped | OverBudget:
        """Make a call that is not the turn's reply; nobody sees its words grow."""
        quote = entry.pricing.quote(request)
        if not await self.journal.step_opened(self.step, entry.model, quote, kind=kind):
            return OverBudget()
        attempt = ModelAttempt(
            entry,
            request,
            emit=_unseen,
            clock=self.room.clock,
            step=self.step,
            number=1,
            kind=kind,
            quote=quote,
        )
        made = await self.made(attempt)
        if isinstance(made, ProviderError):
            record = attempt.record(made.reason, status=made.status)
            await self.journal.attempt_ended(self.step, attempt.bill(made), record)
            if attempt.lease is not None:
                await entry.credential.failed(attempt.lease, made)
            raise made
        if isinstance(made, Cut):
            await self.journal.attempt_ended(self.step, attempt.bill(), attempt.record("cancelled"))
            return Stopped(by=made.stopped_by or "", shown="")
        message, stop = made
        await self.answered(attempt)
        bill = Bill(spent=attempt.spent())
        await self.journal.attempt_ended(self.step, bill, attempt.record(stop.value))
        return message.text if stop is Stop.DONE else ""


class _Joining:
    """The way into one model call for what people say meanwhile; see Joining."""

    def __init__(self, turn: ModelTurn, requests: Requests) -> None:
        self._turn = turn
        self._requests = requests

    async def said(self) -> None:
        """Wait until something may have been said."""
        await self._turn.signals.said()

    async def take(self) -> tuple[Message, ...]:
        """Let it join."""
        return await self._turn.join(self._requests)


def _unseen(event: TurnEvent) -> None:
    pass
