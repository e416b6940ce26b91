"""`python -m tests.kill.victim CONFIG TRANSITION before|after [NTH]`: a gateway that is killed.

It is the whole gateway as `gatepost run` composes it; its store kills the process with SIGKILL
right before a unit of the named transition is handed on, or right after its commit and before
its caller hears of it. With `--armed FILE` writes count only while that file exists. The standard
output says "ready" when messages are taken, and the name of each write that is committed. Lines
of the standard input: "prune" lets what is older than a day be pruned, two days from now;
"pass SECONDS" lets time pass. Its end ends the process.
"""

import argparse
import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeVar, get_args

from agent.tools.base import Tool
from gateway import logs
from gateway.app import Gateway, Running
from gateway.clock import SystemClock
from gateway.config import Config, load
from gateway.process import serve
from gateway.retention import DAY, Pruned, Retention
from gateway.store import transitions
from gateway.store.base import Store, StoreHealth, Transition, Tx
from gateway.store.blobs import Blobs
from tests.generous import generous
from tests.kill.effects import counting_tools

T = TypeVar("T")

Moment = Literal["before", "after"]
MOMENTS: tuple[Moment, ...] = get_args(Moment)


HURRIED_STEP_S, HURRIED_REST_S = 2.0, 0.01


class WatchedStore:
    """Store over a real one; somebody hears of every write before and after it."""

    def __init__(
        self,
        store: Store,
        *,
        before: Callable[[Transition], None],
        after: Callable[[Transition], None],
    ) -> None:
        """`before` is called before a unit is handed on, `after` before its caller is answered."""
        self._store = store
        self._before = before
        self._after = after

    async def write(self, unit: Callable[[Tx], T], *, transition: Transition) -> T:
        """See Store."""
        self._before(transition)
        result = await self._store.write(unit, transition=transition)
        self._after(transition)
        return result

    async def read(self, query: Callable[[Tx], T]) -> T:
        """See Store."""
        return await self._store.read(query)

    async def close(self) -> None:
        """See Store."""
        await self._store.close()

    def health(self) -> StoreHealth:
        """See Store."""
        return self._store.health()


class Fate:
    """Kills this process around the nth write of a name; says the name of every other."""

    def __init__(
        self, transition: str, moment: Moment, nth: int, armed: Callable[[], bool]
    ) -> None:
        """`nth` counts from 1; writes that begin while it is not `armed` don't count."""
        self._transition = transition
        self._moment = moment
        self._left = nth
        self._armed = armed

    def before(self, transition: Transition) -> None:
        """A write begins."""
        if transition.name != self._transition or not self._armed():
            return
        self._left -= 1
        if self._left == 0 and self._moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)

    def after(self, transition: Transition) -> None:
        """A write is committed."""
        if transition.name == self._transition and self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        print(transition.name, flush=True)


class Hours:
    """The machine's running clock, which can be hurried."""

    def __init__(self) -> None:
        self._real = time.monotonic
        self._passed = 0.0
        time.monotonic = self._now

    def _now(self) -> float:
        return self._real() + self._passed

    def hurry(self, seconds: float, loop: asyncio.AbstractEventLoop) -> None:
        """Let time pass in small steps, each long enough for what is due in it."""
        for _ in range(int(seconds / HURRIED_STEP_S)):
            self._passed += HURRIED_STEP_S
            loop.call_soon_threadsafe(lambda: None)
            time.sleep(HURRIED_REST_S)


class Victim:
    """Composes the gateway, and does what the standard input says."""

    def __init__(self, fate: Fate, tools: Mapping[str, Tool]) -> None:
        self._fate = fate
        self._hours = Hours()
        self._tools = tools
        self._pruning: asyncio.Task[Pruned] | None = None
        self._store: Store
        self._config: Config

    def make(self, config: Config) -> Gateway:
        """The gateway."""
        self._config = config
        return Gateway(config, wrap_store=self._wrap, extra_tools=self._tools, budgets=generous)

    def _wrap(self, store: Store) -> Store:
        self._store = WatchedStore(store, before=self._fate.before, after=self._fate.after)
        return self._store

    def ready(self, _: Running) -> None:
        """Messages are taken."""
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._listen, args=(loop,), daemon=True).start()
        print("ready", flush=True)

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        for line in sys.stdin:
            match line.split():
                case ["prune"]:
                    loop.call_soon_threadsafe(self._prune)
                case ["pass", seconds]:
                    self._hours.hurry(float(seconds), loop)
        os._exit(1)  # whoever started us is gone

    def _prune(self) -> None:
        clock = SystemClock()
        retention = Retention(
            store=self._store,
            blobs=Blobs(self._config.gateway.state_dir / "blobs"),
            clock=clock,
            keep_days=1,
        )
        self._pruning = asyncio.create_task(retention.prune(now=clock.now() + 2 * DAY))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until killed."""
    parser = argparse.ArgumentParser(prog="python -m tests.kill.victim", description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("transition", choices=[each.name for each in transitions.ALL])
    parser.add_argument("moment", choices=MOMENTS)
    parser.add_argument("nth", type=int, nargs="?", default=1)
    parser.add_argument("--armed", type=Path, help="count only while this file exists")
    parser.add_argument("--effects", type=Path, help="where the tools count their runs")
    options = parser.parse_args(arguments)
    config = load(options.config, os.environ)
    logs.set_up("text", secrets=())
    fate = Fate(
        options.transition,
        options.moment,
        options.nth,
        options.armed.exists if options.armed else lambda: True,
    )
    victim = Victim(fate, counting_tools(options.effects) if options.effects else {})
    # On Python's own loop, whatever is installed: others have clocks of their own.
    return asyncio.run(serve(config, demo=False, ready=victim.ready, make=victim.make))


if __name__ == "__main__":
    sys.exit(main())
