"""The `codex-app-server` provider: one step is what the child does until it ends or asks people.

Theory of operation. A step either begins a turn of the child or reads on in the one that is open.
It ends where the turn ends, or with the calls that people must decide on; then the turn stays open,
its questions unanswered, until the tool answers one or the next step finds a result that says no.

The child asks its model again after each action, and nobody can hold it back for a moment. So each
of its reports is paid at once (`ModelRequest.spend`), and the same commit puts aside for its next
call at its dearest. Where that does not fit, the turn is interrupted as soon as the actions under
way have ended, for only then would the child ask again: an action that is killed half-way would be
one more question to people. The step ends with what was done, and the next one asks for money.
If nobody comes back to an open turn, `leave` interrupts it at once.
Whatever goes wrong with the child retires it; its thread is resumed by the next.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agent.credentials import Lease
from agent.errors import ContextOverflow, ProviderError
from agent.messages import Message, Origin, ResultStatus, ToolCall, ToolResult, Usage
from agent.providers.attempt import Attempt
from agent.providers.base import (
    ActionFinished,
    ModelRequest,
    PartCompleted,
    Stop,
    StreamCompleted,
    StreamEvent,
    StreamOpened,
    TextReceived,
    ToolCallOpened,
    UsageReported,
)
from agent.providers.codex import asks, faults, prelude, protocol
from agent.providers.codex.asks import Question
from agent.providers.codex.conversation import Conversation
from agent.providers.codex.items import NOTHING, TurnEnded
from agent.providers.codex.losses import ChildLost, RpcRefused
from agent.providers.codex.opening import Launch, Wanted, open_conversation
from agent.providers.codex.pool import CodexPool, Seat
from agent.providers.codex.prelude import Known, Mark
from agent.providers.codex.steering import Steering

log = logging.getLogger(__name__)

_ANSWERED = " answered: "
INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One step: what was asked for, and how its failures are named."""

    request: ModelRequest
    known: Known
    attempt: Attempt
    key: str


class _Spending:
    """Pays for what the child asks its model, and says where its turn has to end for money.

    Right after an action: what comes after words, if anything does, is the end of the turn.
    """

    def __init__(self, spend: Callable[[Usage], Awaitable[bool]] | None) -> None:
        self.over = False
        self._spend = spend
        self._paid = NOTHING
        self._short = False
        self._acted = False

    async def take(self, event: StreamEvent) -> None:
        """Pay for a report; look where the turn is."""
        match event:
            case ActionFinished():
                self._acted = True
            case TextReceived() | PartCompleted():
                self._acted = False
            case UsageReported(usage=usage) if self._spend is not None and usage != self._paid:
                self._paid = usage
                self._short = not await self._spend(usage)
            case _:
                pass

    @property
    def ends_here(self) -> bool:
        """Whether the child is about to make a call that is not paid for."""
        return self._short and self._acted and not self.over


class CodexProvider:
    """One entry of the plan that is a coding agent on this machine.

    `directory_for` gives a session its work directory.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        launch: Launch,
        pool: CodexPool,
        directory_for: Callable[[str], Path],
    ) -> None:
        self._origin = origin
        self._launch = launch
        self._pool = pool
        self._directory_for = directory_for

    @property
    def origin(self) -> Origin:
        """Who answers; the endpoint is this kind's own name unless another is configured."""
        return self._origin

    async def reset(self) -> None:
        """End children that nobody uses; what runs goes on."""
        await self._pool.reset(self._origin.provider)

    def leave(self, session: str) -> None:
        """Interrupt what would go on unread; what people are asked stays open."""
        self._pool.leave((self._origin.provider, session))

    async def close(self) -> None:
        """The children belong to the pool, which is closed by whoever made it."""

    async def stream(
        self, request: ModelRequest, lease: Lease
    ) -> AsyncGenerator[StreamEvent, None]:
        """Make one step."""
        step = _Step(
            request=request,
            known=prelude.known(request.messages, self._origin, replay=request.adjustments.replay),
            attempt=Attempt(self._origin, lease),
            key=_key_of(lease),
        )
        async with (
            self._pool.seat((self._origin.provider, request.session)) as seat,
            aclosing(self._held(seat, step)) as events,
        ):
            async for event in events:
                yield event

    async def _held(self, seat: Seat, step: _Step) -> AsyncGenerator[StreamEvent, None]:
        whole = False
        steering = Steering(step.request.joins)
        media = step.request.adjustments.media
        try:
            conversation = await self._begin(seat, step)
            steering.begin(seat, conversation, partial(prelude.turn_input, media=media))
            yield StreamOpened(request_id=conversation.turn, model=conversation.model)
            async with aclosing(self._read(seat, conversation, step, steering)) as events:
                async for event in events:
                    yield event
            whole = True
        except ChildLost as lost:
            whole = True
            doubts, words = _left_by(seat.conversation)
            await self._pool.retire(seat)
            for doubt in doubts:
                yield doubt
            log.warning("codex was retired: %s", lost)
            raise faults.of_loss(lost, words, step.attempt) from lost
        except RpcRefused as refused:
            whole = True
            await self._pool.retire(seat)
            raise faults.of_refusal(refused, step.attempt) from refused
        except ProviderError as error:
            whole = True
            seat.overflowed = isinstance(error, ContextOverflow)
            if seat.conversation is not None:
                seat.conversation.close_turn()
            raise
        finally:
            try:
                await steering.end(cut=not whole)
            finally:
                if not whole:
                    self._pool.stop(seat)

    # -- a turn begins, or goes on

    async def _begin(self, seat: Seat, step: _Step) -> Conversation:
        if seat.stopping is not None:
            await asyncio.wait((seat.stopping,))
            seat.stopping = None
        conversation = seat.conversation
        if conversation is not None:
            await conversation.settled()
            mark = step.known.mark
            here = mark is not None and mark.thread == conversation.thread
            here = here and mark is not None and mark.turn == conversation.turn
            if here and conversation.alive:
                await self._go_on(seat, conversation, step)
                return conversation
            if here and conversation.unread:  # it died meanwhile; what it did is told first
                seat.unsaid = step.known.said_since()
                return conversation
        seat.unsaid = ()
        conversation = await self._free(seat, step)
        messages: tuple[Message, ...] = prelude.reopened(step.known)
        if conversation is None:
            conversation, messages = await self._open(seat, step)
        await self._fold(seat, conversation, step)
        await self._start(conversation, step, messages)
        return conversation

    async def _free(self, seat: Seat, step: _Step) -> Conversation | None:
        """The child that lives, without an open turn and with what the transcript has of it.

        None where another must be started.
        """
        conversation = seat.conversation
        if conversation is None:
            return None
        mark = step.known.mark
        other = mark is not None and mark.thread != conversation.thread
        begun_anew = mark is None and len(conversation.turns) > 1
        usable = conversation.alive and seat.key == step.key and not other and not begun_anew
        if usable and await conversation.interrupt() and await self._take_back(conversation, step):
            return conversation
        await self._pool.retire(seat)
        return None

    async def _take_back(self, conversation: Conversation, step: _Step) -> bool:
        """Take back the newest turns of which nothing stands in the transcript (any more)."""
        count = 0
        for turn in reversed(conversation.turns):
            if turn in step.known.turns:
                break
            count += 1
        if not count:
            return True
        try:
            await conversation.take_back(count)
        except RpcRefused as error:
            log.info("codex can't take turns back, its thread is left: %s", error)
            return False
        return True

    async def _open(self, seat: Seat, step: _Step) -> tuple[Conversation, tuple[Message, ...]]:
        """A new child with the stored thread, or with a new one that is told everything."""
        mark = step.known.mark
        everything = step.request.messages
        if mark is None:
            return await self._launched(seat, step, None), everything
        try:
            conversation = await self._launched(seat, step, mark.thread)
        except ChildLost as lost:
            if lost.why != "thread":
                raise
            log.info("codex begins a new thread: %s", lost)
            return await self._launched(seat, step, None), everything
        if await self._take_back(conversation, step):
            return conversation, prelude.reopened(step.known)
        await self._pool.retire(seat)
        return await self._launched(seat, step, None), everything

    async def _launched(self, seat: Seat, step: _Step, thread: str | None) -> Conversation:
        wanted = Wanted(
            thread=thread,
            cwd=self._directory_for(step.request.session),
            instructions=step.request.system,
            key=step.key,
        )
        seat.conversation = await open_conversation(self._launch, wanted, times=self._pool.times)
        seat.key = step.key
        return seat.conversation

    async def _fold(self, seat: Seat, conversation: Conversation, step: _Step) -> None:
        """Have the thread folded where the chat was, or where it did not fit its window."""
        mark = step.known.mark
        folded = mark is not None and mark.summary != step.known.summary
        if not conversation.turns or not (folded or seat.overflowed):
            return
        seat.overflowed = False
        try:
            await conversation.compact()
        except RpcRefused as error:
            log.info("codex does not fold its thread: %s", error)

    async def _start(
        self,
        conversation: Conversation,
        step: _Step,
        messages: tuple[Message, ...],
        *,
        follows: bool = False,
    ) -> None:
        adjustments = step.request.adjustments
        params = protocol.turn_params(
            thread=conversation.thread,
            items=prelude.turn_input(messages, media=adjustments.media),
            model=self._launch.model,
            cwd=str(self._directory_for(step.request.session)),
            effort=adjustments.effort,
        )
        await conversation.start_turn(params, first_s=adjustments.first_byte_s, follows=follows)

    async def _go_on(self, seat: Seat, conversation: Conversation, step: _Step) -> None:
        """Answer what people have decided, say what came meanwhile, and read on."""
        results = {call.provider_id: (call, result) for call, result in step.known.results()}
        refused: list[tuple[ToolCall, ToolResult]] = []
        declined = []
        for each in tuple(conversation.asks.values()):
            if not each.emitted:
                continue
            found = results.get(each.key)
            answered = found is not None and found[1].status is ResultStatus.DONE
            if isinstance(each.ask, Question) and found is not None and answered:
                conversation.reply(each, each.ask, _words_of(found[1].text))
                continue
            declined.append(each)
            refused += [found] if found is not None else []
        said = step.known.said_since()
        words = prelude.steer_words(refused, said)
        told = (prelude.text_item(words),) if words else ()
        taken = not told or (conversation.open and await conversation.steer(told))
        seat.unsaid = () if taken else said
        for each in declined:
            conversation.decline(each)

    # -- reading

    async def _read(
        self, seat: Seat, conversation: Conversation, step: _Step, steering: Steering
    ) -> AsyncGenerator[StreamEvent, None]:
        while True:
            async with aclosing(self._read_turn(conversation, step)) as events:
                async for event in events:
                    yield event
            await steering.rest()
            ended = conversation.ended
            if ended is None and conversation.items.pays_later:
                yield UsageReported(usage=NOTHING, later=True)
            conversation.items.step_began()
            yield self._mark(conversation, step, untold=len(seat.unsaid))
            if ended is None:
                yield StreamCompleted(stop=Stop.TOOL_CALLS)
                return
            if conversation.items.others:
                log.info("codex also did: %s", dict(conversation.items.others))
            conversation.close_turn()
            if ended.status == INTERRUPTED:
                yield StreamCompleted(stop=Stop.TOOL_CALLS)
                return
            if not seat.unsaid:
                yield StreamCompleted(stop=Stop.DONE)
                return
            messages, seat.unsaid = seat.unsaid, ()
            await self._start(conversation, step, messages, follows=True)
            steering.go_on()

    async def _read_turn(
        self, conversation: Conversation, step: _Step
    ) -> AsyncGenerator[StreamEvent, None]:
        """Events until the turn ends well, people are asked, or there is no money to go on."""
        spending = _Spending(step.request.spend)
        with conversation.working():
            while True:
                while conversation.events:
                    event = conversation.events.popleft()
                    await spending.take(event)
                    yield event
                if (ended := conversation.ended) is not None:
                    if not (spending.over and ended.status == INTERRUPTED):
                        self._check(ended, step.attempt)
                    return
                if spending.ends_here and not conversation.acts:
                    spending.over = True
                    await conversation.break_off()
                    continue
                fresh = [each for each in conversation.asks.values() if not each.emitted]
                if not fresh:
                    await conversation.changed()
                elif await conversation.quiet():
                    break
            for ordinal, each in enumerate(fresh):
                each.emitted = True
                call = asks.call_of(each.ask, each.key)
                yield ToolCallOpened(ordinal=ordinal, name=call.name)
                yield PartCompleted(part=call)

    def _mark(self, conversation: Conversation, step: _Step, *, untold: int) -> PartCompleted:
        mark = Mark(
            thread=conversation.thread,
            turn=conversation.turn or "",
            summary=step.known.summary,
            untold=untold,
        )
        return PartCompleted(part=mark.part(self._origin))

    def _check(self, ended: TurnEnded, attempt: Attempt) -> None:
        """Raises what a turn that did not complete means."""
        if ended.status == "completed":
            return
        if ended.status == "failed":
            raise faults.of_turn(ended.error, attempt)
        raise attempt.broken(f"the agent's turn ended as {ended.status!r}")


def _left_by(conversation: Conversation | None) -> tuple[list[ActionFinished], str]:
    """Actions of a lost child that nobody has a result of, and the last words of its program."""
    if conversation is None:
        return [], ""
    return list(conversation.items.open_actions()), conversation.child.last_words()


def _key_of(lease: Lease) -> str:
    """The key itself, out of the header it would be sent in; empty for the child's own login."""
    value = next(iter(lease.headers.values()), "")
    return value.rpartition(" ")[2]


def _words_of(text: str) -> str:
    """What a person said, without who did."""
    return text.partition(_ANSWERED)[2] or text
