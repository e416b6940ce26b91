"""An event loop whose clock jumps: real loopback sockets, and no second is waited for.

While bytes move, time stands still. When nothing is ready, no thread of the pool and no child
process works and no socket has anything for a moment, the clock jumps to the next timer. So a test
meets bounds of minutes in milliseconds, and `loop.time()` tells exactly what was waited for.
A child that sleeps works no more than one that waits for our words.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

QUIET_S = 0.004
"""How long no socket must have anything before the clock jumps."""
QUIET_LOOKS = 2
FAR_S, FAR_LOOKS = 1.0, 8
"""Before a jump so long, which may well be over a deadline, it is looked so much more often."""

_T = TypeVar("_T")


def at_work(leaders: Iterable[int]) -> bool:
    """Whether one of these processes or one below it runs, or a leader's end was not heard of."""
    if not Path("/proc/self/task").exists():
        return False
    states: dict[int, str] = {}
    below: dict[int, list[int]] = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            for state, parent in _threads(process):
                pid = int(process.name)
                states[pid] = states.get(pid, "") + state
                below.setdefault(int(parent), []).append(pid)
    ours = list(leaders)
    if any("Z" in states.get(pid, "Z") for pid in ours):
        return True
    while ours:
        pid = ours.pop()
        if set(states.get(pid, "")) - {"S", "Z"}:
            return True
        ours += set(below.get(pid, ()))
    return False


def _threads(process: Path) -> Iterator[list[str]]:
    """State and parent as each thread tells them; any of them may end at any moment."""
    with suppress(OSError):
        for thread in (process / "task").iterdir():
            with suppress(OSError):
                yield (thread / "stat").read_text().rpartition(")")[2].split()[:2]


class _Selector(selectors.DefaultSelector):
    """Says "nothing" at once where it would wait for a timer, and has the loop's clock jump."""

    loop: "WarpLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0 or self.loop.working:
            return super().select(timeout if timeout is None or timeout <= 0 else 0.001)
        for _ in range(FAR_LOOKS if timeout >= FAR_S else QUIET_LOOKS):
            if ready := super().select(QUIET_S / QUIET_LOOKS):
                return ready
            if self.loop.children and at_work(self.loop.children):
                return []
        self.loop.jump(timeout)
        return []


class WarpLoop(asyncio.SelectorEventLoop):
    """A loop of its own time, that begins at 1,000 seconds."""

    def __init__(self) -> None:
        selector = _Selector()
        self._now = 1_000.0
        self.working = 0
        """Jobs of the thread pool that still run."""
        self.children: set[int] = set()
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

    async def _make_subprocess_transport(self, *args: Any, **more: Any) -> Any:
        transport = await super()._make_subprocess_transport(*args, **more)  # type: ignore[misc]
        self.children.add(transport.get_pid())
        return transport

    def _child_watcher_callback(self, pid: int, *args: Any) -> None:
        super()._child_watcher_callback(pid, *args)  # type: ignore[misc]
        self.children.discard(pid)

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
