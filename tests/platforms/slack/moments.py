"""Time that only a test moves, for the adapter and the server alike."""

import asyncio
import heapq
import itertools
from datetime import UTC, datetime

from tests.warp import WarpLoop

NOON = 1_795_262_400.0
_A_MOMENT_S = 1e-6
"""On a loop whose clock jumps: it has passed when nobody can do anything any more."""


class Moments:
    """A clock, and the sleeps on it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._sleeping: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def clock(self) -> float:
        """Seconds that only grow; nothing was at 0."""
        return 1_000.0 + self.seconds

    def wall(self) -> float:
        """Seconds since 1970."""
        return NOON + self.seconds

    def now(self) -> datetime:
        """The same as a date."""
        return datetime.fromtimestamp(self.wall(), tz=UTC)

    async def sleep(self, seconds: float) -> None:
        """Until the test has moved on that far."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (self.seconds + seconds, next(self._numbers), woken)
        heapq.heappush(self._sleeping, entry)
        if seconds <= 0:
            woken.set_result(None)
        await woken

    def skip(self, seconds: float) -> None:
        """Move on without letting anybody act."""
        self.seconds += seconds

    async def advance(self, seconds: float) -> None:
        """Move on; who sleeps less wakes in order, and what they send arrives."""
        until = self.seconds + seconds
        await settle()
        while self._sleeping and self._sleeping[0][0] <= until:
            due, _, woken = heapq.heappop(self._sleeping)
            self.seconds = max(self.seconds, due)
            if not woken.done():
                woken.set_result(None)
                await settle()
        self.seconds = until
        await settle()


async def settle() -> None:
    """Let everybody do what they can do now; the test is marked `warp`."""
    assert isinstance(asyncio.get_running_loop(), WarpLoop)
    await asyncio.sleep(_A_MOMENT_S)
