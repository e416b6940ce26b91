"""Work that is done once for everybody who asks for it meanwhile."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class SingleFlight:
    """Runs work as a task of its own: a caller that is cancelled does not tear it."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    @property
    def flying(self) -> bool:
        """Whether it runs."""
        return self._task is not None and not self._task.done()

    async def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Wait for the work in flight, beginning it if there is none; its exception is ours."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(work())
            self._task.add_done_callback(_looked_at)
        await asyncio.shield(self._task)


def _looked_at(task: "asyncio.Task[None]") -> None:
    """Nobody may be left to hear of a failure."""
    if not task.cancelled():
        task.exception()
