"""What people say while the child is in a turn reaches it at once.

Theory of operation. New words join the turn first: they are stored with it, and nobody else
answers them. Then the child is told. So after a crash they stand in the transcript without a mark
of the thread behind them, and are told once, with all that it does not know. What the child does
not take, because its turn has just ended, begins a further turn of it in the same step.

    listening    words are passed on one after the other, each to its end
    resting      the step looks at what the turn has come to; new words wait for the next step
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from agent.messages import JsonObject, Message
from agent.providers.base import Joining
from agent.providers.codex.conversation import Conversation
from agent.providers.codex.losses import ChildLost
from agent.providers.codex.pool import Seat

AGAIN_S: Final = (0.0, 1.5, 3.0)
"""When is looked for words whose further messages may still come (an album, a long paste)."""

log = logging.getLogger(__name__)


class Steering:
    """Passes on what is said during one step."""

    def __init__(self, joins: Joining | None) -> None:
        self._joins = joins
        self._round = asyncio.Lock()
        self._resting = False
        self._task: asyncio.Task[None] | None = None

    def begin(
        self,
        seat: Seat,
        conversation: Conversation,
        items: Callable[[tuple[Message, ...]], tuple[JsonObject, ...]],
    ) -> None:
        """Listen from now on; `items` are messages as the child takes them."""
        if self._joins is not None:
            work = self._listen(self._joins, seat, conversation, items)
            self._task = asyncio.create_task(work)

    async def rest(self) -> None:
        """Wait until what is being passed on is, and pass on nothing more.

        Raises what storing it has raised.
        """
        await self._round.acquire()
        self._resting = True
        if self._task is not None and self._task.done():
            self._task.result()

    def go_on(self) -> None:
        """Pass on what is said again."""
        self._resting = False
        self._round.release()

    async def end(self, *, cut: bool) -> None:
        """The step is over; unless it was `cut`, what is being passed on is so first."""
        if self._task is None:
            return
        if not cut and not self._resting:
            await self.rest()
        self._task.cancel()
        await asyncio.wait((self._task,))
        if not self._task.cancelled():
            self._task.exception()  # whoever reads on has raised it, or something worse

    async def _listen(
        self,
        joins: Joining,
        seat: Seat,
        conversation: Conversation,
        items: Callable[[tuple[Message, ...]], tuple[JsonObject, ...]],
    ) -> None:
        while True:
            await joins.said()
            for again_s in AGAIN_S:
                await asyncio.sleep(again_s)
                async with self._round:
                    if not conversation.open or await _passed_on(joins, seat, conversation, items):
                        break


async def _passed_on(
    joins: Joining,
    seat: Seat,
    conversation: Conversation,
    items: Callable[[tuple[Message, ...]], tuple[JsonObject, ...]],
) -> bool:
    """Let new words join and tell the child; False if there are none (yet)."""
    said = await joins.take()
    if not said:
        return False
    try:
        taken = conversation.open and await conversation.steer(items(said))
    except ChildLost as lost:  # whoever reads on finds out
        log.info("codex was lost while it was told something: %s", lost)
        return True
    if not taken:
        seat.unsaid += said
    return True
