"""The few children that may live: one for a session, the least recently used goes first.

Theory of operation. A seat is a session's place; whoever uses it (a step, a tool that carries an
action out) holds it. A seat that nobody holds may be given up: after `idle_s`, or for another
session when all are taken. Where all are held, the next session waits.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from agent.errors import LostTrack
from agent.messages import JsonObject, Message, ResultStatus
from agent.providers.codex import asks, prelude
from agent.providers.codex.asks import OpenAsk
from agent.providers.codex.conversation import Conversation
from agent.providers.codex.losses import ChildLost
from agent.providers.codex.times import LIVE_MAX, TIMES, CodexTimes
from agent.tools.base import ToolOutput

log = logging.getLogger(__name__)

Key = tuple[str, str]
"""The entry's name and the session."""


@dataclass(slots=True, eq=False)
class Seat:
    """A session's place; `key` is what its child was given as a key.

    `unsaid` are messages the child did not take in the middle of its turn, `overflowed` that the
    last turn did not fit its window. `stopping` interrupts the turn of a step that was cut.
    """

    of: Key
    conversation: Conversation | None = None
    key: str = field(default="", repr=False)
    unsaid: tuple[Message, ...] = ()
    overflowed: bool = False
    holders: int = 0
    used_at: float = 0.0
    idle: asyncio.TimerHandle | None = None
    stopping: asyncio.Task[None] | None = None


class CodexPool:
    """Every child of the process, shared by all entries of this kind."""

    def __init__(self, *, times: CodexTimes = TIMES, most: int = LIVE_MAX) -> None:
        self.times = times
        self._most = most
        self._seats: dict[Key, Seat] = {}
        self._freed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending: dict[Key, asyncio.Event] = {}

    @property
    def live(self) -> int:
        """How many children there are."""
        return sum(seat.conversation is not None for seat in self._seats.values())

    @asynccontextmanager
    async def seat(self, of: Key) -> AsyncIterator[Seat]:
        """The session's seat, held until the end of the block; may wait for one to be free."""
        seat = await self._take(of)
        try:
            yield seat
        finally:
            self._leave(seat)

    async def carry_out(self, session: str, name: str, arguments: JsonObject) -> ToolOutput:
        """Accept the open request for exactly this, once, and wait for what it gives.

        If that request is closed by now nothing runs, and the child is to ask again: the gate
        keeps the leave for that. Raises LostTrack for a child that is lost in the middle of it.
        """
        bound = asks.fingerprint(name, arguments)
        for seat in tuple(self._seats.values()):
            conversation = seat.conversation
            if seat.of[1] != session or conversation is None or not conversation.alive:
                continue
            if (found := conversation.waiting(name, bound)) is not None:
                return await self._accept(seat, conversation, found)
        return ToolOutput(text=prelude.later(name), status=ResultStatus.NOT_RUN)

    async def _accept(self, seat: Seat, conversation: Conversation, found: OpenAsk) -> ToolOutput:
        self._hold(seat)
        try:
            with conversation.working():
                finished = await conversation.finished(conversation.accept(found))
        except ChildLost as lost:
            log.warning("codex was lost while it carried out an action: %s", lost)
            await self.retire(seat)
            raise LostTrack(str(lost)) from lost
        except asyncio.CancelledError:
            self.stop(seat)
            raise
        finally:
            self._leave(seat)
        return ToolOutput(text=finished.text, status=finished.status)

    def stop(self, seat: Seat) -> None:
        """Interrupt the turn, or kill the child; nobody waits for it but the next step."""
        self._hold(seat)
        seat.stopping = self._spawn(self._stop(seat))

    async def retire(self, seat: Seat) -> None:
        """Kill the child. Its thread is found again by the transcript."""
        conversation, seat.conversation = seat.conversation, None
        if conversation is not None:
            await conversation.end(within_s=0)

    async def reset(self, entry: str) -> None:
        """End the children of an entry that nobody uses."""
        for seat in tuple(self._seats.values()):
            if seat.of[0] == entry and not seat.holders:
                await self._give_up(seat)

    def leave(self, of: Key) -> None:
        """Give the session's turn up at once where its child would go on, and spend, unread."""
        seat = self._seats.get(of)
        if seat is not None and not seat.holders and seat.conversation is not None:
            seat.conversation.leave()

    async def close(self) -> None:
        """End every child."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))
        for seat in tuple(self._seats.values()):
            await self._give_up(seat)

    # -- seats

    async def _take(self, of: Key) -> Seat:
        async with self._freed:
            while True:
                if (ending := self._ending.get(of)) is not None:
                    await ending.wait()  # two children must not write to one thread
                seat = self._seats.get(of)
                if seat is None and len(self._seats) < self._most:
                    seat = Seat(of=of)
                    self._seats[of] = seat
                if seat is not None:
                    self._hold(seat)
                    return seat
                free = [each for each in self._seats.values() if not each.holders]
                if free:
                    await self._give_up(min(free, key=lambda each: each.used_at))
                else:
                    await self._freed.wait()

    def _hold(self, seat: Seat) -> None:
        seat.holders += 1
        if seat.idle is not None:
            seat.idle.cancel()
            seat.idle = None

    def _leave(self, seat: Seat) -> None:
        seat.holders -= 1
        loop = asyncio.get_running_loop()
        seat.used_at = loop.time()
        if not seat.holders:
            seconds = self.times.idle_s if seat.conversation is not None else 0.0
            seat.idle = loop.call_later(seconds, self._idle, seat)
        self._spawn(self._tell())

    def _idle(self, seat: Seat) -> None:
        seat.idle = None
        if not seat.holders:
            self._spawn(self._give_up_idle(seat))

    async def _tell(self) -> None:
        async with self._freed:
            self._freed.notify_all()

    async def _give_up_idle(self, seat: Seat) -> None:
        if not seat.holders:
            await self._give_up(seat)

    async def _give_up(self, seat: Seat) -> None:
        """End a child that nobody uses; what it asks is cancelled."""
        if self._seats.get(seat.of) is seat:
            del self._seats[seat.of]
        if seat.idle is not None:
            seat.idle.cancel()
            seat.idle = None
        conversation, seat.conversation = seat.conversation, None
        if conversation is None:
            return
        ended = self._ending[seat.of] = asyncio.Event()
        try:
            await conversation.settled()
            gone = not conversation.alive or not await conversation.withdraw()
            await conversation.end(within_s=0 if gone else self.times.close_s)
        finally:
            ended.set()
            if self._ending.get(seat.of) is ended:
                del self._ending[seat.of]

    async def _stop(self, seat: Seat) -> None:
        try:
            conversation = seat.conversation
            if conversation is None:
                return
            await conversation.settled()
            if not await conversation.interrupt():
                await self.retire(seat)
        finally:
            self._leave(seat)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
