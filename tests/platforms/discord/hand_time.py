"""Time that stands still until a test moves it: an adapter's `Clock`, and who sleeps by it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from platforms.discord.clock import Clock


@dataclass(slots=True, eq=False)
class _Sleeper:
    until: float
    seconds: float
    future: asyncio.Future[None] = field(default_factory=asyncio.Future)


class HandTime:
    """Begins at the real time of day, which the ids of the loopback server are made of."""

    def __init__(self) -> None:
        self._began = datetime.now(UTC)
        self._passed = 0.0
        self._sleepers: list[_Sleeper] = []
        self._changed = asyncio.Event()

    @property
    def clock(self) -> Clock:
        """What the adapter is given."""
        return Clock(monotonic=lambda: 1_000.0 + self._passed, now=self.now, sleep=self._sleep)

    def now(self) -> datetime:
        """The time of day."""
        return self._began + timedelta(seconds=self._passed)

    async def sleeping(self, seconds: float) -> None:
        """Wait until someone sleeps for exactly so long."""
        await self._until(lambda found: abs(found - seconds) < 1e-6)

    async def pausing(self, seconds: float) -> None:
        """Wait until someone sleeps for about so long, by a random share more or less."""
        await self._until(lambda found: found != seconds and 0.8 <= found / seconds <= 1.2)

    async def _until(self, wanted: Callable[[float], bool]) -> None:
        async with asyncio.timeout(60):
            while not any(wanted(sleeper.seconds) for sleeper in self._sleepers):
                self._changed.clear()
                await self._changed.wait()

    def advance(self, seconds: float) -> None:
        """Move the clock and wake whoever is due."""
        self._passed = round(self._passed + seconds, 6)
        for sleeper in [s for s in self._sleepers if s.until <= self._passed + 1e-9]:
            self._sleepers.remove(sleeper)
            if not sleeper.future.done():
                sleeper.future.set_result(None)

    async def _sleep(self, seconds: float) -> None:
        if seconds < 1e-6:
            return
        sleeper = _Sleeper(self._passed + seconds, seconds)
        self._sleepers.append(sleeper)
        self._changed.set()
        try:
            await sleeper.future
        finally:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)
