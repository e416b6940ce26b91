"""How people reach into a running turn from outside: /stop, and new words that interrupt."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Work was cut short. `stopped_by` is None when new words interrupted it."""

    stopped_by: str | None


class TurnSignals:
    """The stop and interrupt flags of one turn; a later turn never inherits them.

    A stop stays set until the turn ends. An interrupt cuts work that allows it; at any other
    moment it does nothing, since new words join before the next model call anyway.
    """

    def __init__(self) -> None:
        self._stopped_by: str | None = None
        self._parking = False
        self._task: asyncio.Task[Any] | None = None
        self._interruptible: Callable[[], bool] = _never
        self._waits = False
        self._words = asyncio.Event()

    @property
    def stopped_by(self) -> str | None:
        """Who said /stop, or None."""
        return self._stopped_by

    @property
    def guarding(self) -> bool:
        """Whether work is guarded now; what it does inside is cut with it."""
        return self._task is not None

    @property
    def parking(self) -> bool:
        """Whether the turn is to be left at its next stored step."""
        return self._parking

    def park(self) -> None:
        """Begin no further model call and no tool; what runs now may end, a mere wait is cut."""
        self._parking = True
        if self._task is not None and self._waits:
            self._task.cancel()

    def stop(self, by: str) -> None:
        """End the turn now; the first name wins."""
        if self._stopped_by is None:
            self._stopped_by = by
        if self._task is not None:
            self._task.cancel()

    def interrupt(self) -> None:
        """Cut what runs, if it can be interrupted now; the turn goes on with the new words."""
        if self._task is not None and self._interruptible():
            self._task.cancel()

    def say(self) -> None:
        """New words wait to join the turn; whoever works for it may take them in at once."""
        self._words.set()

    def heard(self) -> None:
        """What waited until now is looked for; only what comes from here on is news."""
        self._words.clear()

    async def said(self) -> None:
        """Wait until new words may wait."""
        await self._words.wait()
        self._words.clear()

    async def pause(self, wait: Coroutine[Any, Any, None]) -> Cut | None:
        """Wait for nothing but time: a stop, new words and the end of the process cut it."""
        if self._parking:
            wait.close()
            return Cut(stopped_by=None)
        self._waits = True
        try:
            return await self.guard(wait, interruptible=lambda: True)
        finally:
            self._waits = False

    async def guard(
        self, work: Coroutine[Any, Any, _T], *, interruptible: Callable[[], bool] | None = None
    ) -> _T | Cut:
        """Run `work` until it ends or is cut; what it raises is raised.

        `interruptible` is asked when new words come; without it only a stop cuts. Cancelling the
        caller cancels the work and waits for its clean-up.
        """
        if self._stopped_by is not None:
            work.close()
            return Cut(stopped_by=self._stopped_by)
        task = asyncio.ensure_future(work)
        self._task = task
        self._interruptible = interruptible or _never
        try:
            await asyncio.wait((task,))
            return Cut(stopped_by=self._stopped_by) if task.cancelled() else task.result()
        finally:
            self._task = None
            if not task.done():
                task.cancel()
                await asyncio.wait((task,))


def _never() -> bool:
    return False
