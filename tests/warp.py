"""An event loop whose clock jumps: real loopback sockets, and no second is waited for.

While bytes move, time stands still. When nothing is ready, no thread of the pool works and no
socket has anything for a moment, the clock jumps to the next timer. So a test meets bounds of
minutes in milliseconds, and `loop.time()` tells exactly what was waited for.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, TypeVar

QUIET_S = 0.004
"""How long no socket must have anything before the clock jumps."""
QUIET_LOOKS = 2

_T = TypeVar("_T")


class _Selector(selectors.DefaultSelector):
    """Says "nothing" at once where it would wait for a timer, and has the loop's clock jump."""

    loop: "WarpLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0 or self.loop.working:
            return super().select(timeout if timeout is None or timeout <= 0 else 0.001)
        for _ in range(QUIET_LOOKS):
            if ready := super().select(QUIET_S / QUIET_LOOKS):
                return ready
        self.loop.jump(timeout)
        return []


class WarpLoop(asyncio.SelectorEventLoop):
    """A loop of its own time, that begins at 1,000 seconds."""

    def __init__(self) -> None:
        selector = _Selector()
        self._now = 1_000.0
        self.working = 0
        """Jobs of the thread pool that still run."""
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self._now

    def jump(self, seconds: float) -> None:
        """Let so much time have passed."""
        self._now += seconds

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Let time stand still: something works that the loop can't see."""
        self.working += 1
        try:
            yield
        finally:
            self.working -= 1

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., _T], *args: Any
    ) -> "asyncio.Future[_T]":
        future: asyncio.Future[_T] = super().run_in_executor(executor, func, *args)  # type: ignore[arg-type]
        self.working += 1
        future.add_done_callback(self._worked)
        return future

    def _worked(self, future: "asyncio.Future[Any]") -> None:
        self.working -= 1


def warped(test: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end on a loop whose clock jumps."""
    with asyncio.Runner(loop_factory=WarpLoop, debug=True) as runner:
        return runner.run(test)
