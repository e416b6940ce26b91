"""A clock that stands still until a test moves it, and what waits by it."""

import asyncio
from dataclasses import dataclass, field

START = 1_760_000_000_000_000
"""Microseconds since 1970 at which every test begins."""


@dataclass(slots=True, eq=False)
class _Sleeper:
    until: float
    seconds: float
    future: asyncio.Future[None] = field(default_factory=asyncio.Future)


class HandClock:
    """A `gateway.clock.Clock`; `sleep` and `wait` take the place of the loop's own."""

    def __init__(self) -> None:
        self._monotonic = 1_000.0
        self._nonces = 0
        self._sleepers: list[_Sleeper] = []
        self._changed = asyncio.Event()

    def now(self) -> int:
        """Microseconds since 1970."""
        return START + int((self._monotonic - 1_000.0) * 1_000_000)

    def monotonic(self) -> float:
        """Seconds since long ago."""
        return self._monotonic

    def nonce(self) -> str:
        """The next id."""
        self._nonces += 1
        return f"{self._nonces:024x}"

    async def sleep(self, seconds: float) -> None:
        """Sleep until the test has moved the clock so far; a rounding error is no time."""
        if seconds < 1e-6:
            return
        sleeper = _Sleeper(self._monotonic + seconds, seconds)
        self._sleepers.append(sleeper)
        self._changed.set()
        try:
            await sleeper.future
        finally:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """Wait for an event, or for so long."""
        either = (
            asyncio.ensure_future(event.wait()),
            asyncio.ensure_future(self.sleep(seconds)),
        )
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in either:
                task.cancel()
            await asyncio.wait(either)

    async def asleep(self, count: int = 1) -> list[float]:
        """Wait until so many sleep; for how long each meant to."""
        async with asyncio.timeout(60):
            while len(self._sleepers) < count:
                self._changed.clear()
                await self._changed.wait()
        return [sleeper.seconds for sleeper in self._sleepers]

    async def asleep_until(self, moment: float) -> None:
        """Wait until somebody sleeps to this moment of running time."""
        async with asyncio.timeout(60):
            while all(abs(sleeper.until - moment) > 1e-4 for sleeper in self._sleepers):
                self._changed.clear()
                await self._changed.wait()

    def advance(self, seconds: float) -> None:
        """Move the clock and wake whoever is due."""
        self._monotonic = round(self._monotonic + seconds, 6)
        for sleeper in [s for s in self._sleepers if s.until <= self._monotonic + 1e-9]:
            self._sleepers.remove(sleeper)
            if not sleeper.future.done():
                sleeper.future.set_result(None)
