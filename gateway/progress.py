"""Signs of progress of one turn, and what ends a turn that gives none.

Theory of operation. A turn is not bounded by the wall clock: it may run for hours as long as it
moves. Every event of the model but its bare pulses, every tool event and every write of the
turn's journal is a sign. After `INACTIVITY_S` without one the turn is cancelled; it is given
`CANCEL_WITHIN_S` to clean up. Work that does not even end then is left behind: whatever it
still wants to store is refused as if another process owned its session.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from agent.credentials import Lease
from agent.messages import Origin, Usage
from agent.providers.base import (
    ModelRequest,
    Provider,
    PulseReceived,
    StreamEvent,
    UsageReported,
)
from gateway.clock import Clock
from gateway.store.base import Store, StoreHealth, Transition, Tx
from gateway.store.records.sessions import Fenced

INACTIVITY_S = 900.0
"""Longer than every bound below it, or those would never be met: a local model's first byte
(600 s), the progress of one that thinks over a long input (501 s), a tool's deadline (120 s)."""

CANCEL_WITHIN_S = 5.0

Wait = Callable[[asyncio.Event, float], Awaitable[None]]
"""Waits for an event, or for so many seconds."""

_T = TypeVar("_T")


class NoProgress(Exception):
    """A turn gave no sign of progress for `INACTIVITY_S`; it runs no more."""


class Progress:
    """When a turn last moved, and the tokens it has cost so far as providers report them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._moved_at = clock.monotonic()
        self._over_at: float | None = None
        self.tokens = 0

    def moved(self) -> None:
        """A sign of progress."""
        self._moved_at = self._clock.monotonic()

    def end_in(self, seconds: float) -> None:
        """However it moves, the turn may go on for no longer than so many seconds."""
        self._over_at = self._clock.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether the time that the turn was given is used up."""
        return self._over_at is not None and self._clock.monotonic() >= self._over_at

    @property
    def left_s(self) -> float:
        """Seconds until the turn counts as stuck, or has to end."""
        now = self._clock.monotonic()
        stuck_s = self._moved_at + INACTIVITY_S - now
        return stuck_s if self._over_at is None else min(stuck_s, self._over_at - now)


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, or for so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


async def unless_stuck(work: Coroutine[Any, Any, _T], progress: Progress, wait_for: Wait) -> _T:
    """Run a turn's work while it moves; raises NoProgress when it does not.

    Cancelling the caller cancels the work and waits for its clean-up.
    """
    task = asyncio.ensure_future(work)
    done = asyncio.Event()
    task.add_done_callback(lambda _: done.set())
    try:
        while not task.done():
            if (left_s := progress.left_s) <= 0:
                raise NoProgress
            await wait_for(done, left_s)
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await wait_for(done, CANCEL_WITHIN_S)
            task.add_done_callback(_heard)


def _heard(task: "asyncio.Task[Any]") -> None:
    """Nobody asks any more how the work has ended."""
    if not task.cancelled():
        task.exception()


class WatchedProvider:
    """A provider whose events are signs of progress."""

    def __init__(self, provider: Provider, progress: Progress) -> None:
        self._provider = provider
        self._progress = progress

    @property
    def origin(self) -> Origin:
        """Who answers."""
        return self._provider.origin

    async def stream(
        self, request: ModelRequest, lease: Lease
    ) -> AsyncGenerator[StreamEvent, None]:
        """Hand on every event of one request."""
        usage: Usage | None = None
        try:
            async with aclosing(self._provider.stream(request, lease)) as events:
                async for event in events:
                    if not isinstance(event, PulseReceived):
                        self._progress.moved()
                    if isinstance(event, UsageReported):
                        usage = event.usage
                    yield event
        finally:
            if usage is not None:
                self._progress.tokens += usage.input + usage.output

    async def reset(self) -> None:
        """Let the next request begin on a new connection."""
        await self._provider.reset()

    def leave(self, session: str) -> None:
        """End what a reply has left at work."""
        self._provider.leave(session)

    async def close(self) -> None:
        """Nothing: the provider outlives the turn."""


class WatchedStore:
    """The store as one turn's journal sees it: writes are signs of progress.

    After `only` nobody but that task may write.
    """

    def __init__(self, store: Store, progress: Progress) -> None:
        self._store = store
        self._progress = progress
        self._only: asyncio.Task[Any] | None = None

    def only(self, task: "asyncio.Task[Any] | None") -> None:
        """Whoever else still runs for the turn has been given up."""
        self._only = task

    async def write(self, unit: Callable[[Tx], _T], *, transition: Transition) -> _T:
        """Write one unit; Fenced for work that was given up."""
        if self._only is not None and self._only is not asyncio.current_task():
            raise Fenced("this turn was ended")
        self._progress.moved()
        result = await self._store.write(unit, transition=transition)
        self._progress.moved()
        return result

    async def read(self, query: Callable[[Tx], _T]) -> _T:
        """Run one query."""
        return await self._store.read(query)

    async def close(self) -> None:
        """Nothing: the store outlives the turn."""

    def health(self) -> StoreHealth:
        """The store's own."""
        return self._store.health()
