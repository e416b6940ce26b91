"""The life of the process: start, ready, reload, stop, and what each signal means.

SIGTERM, SIGINT    stop: no new messages, open turns reach a stored step, what is queued leaves
a second one       stop at once; what was open is taken up by the next start
SIGHUP             read the configuration again: kept as it was if it has a fault
"""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from enum import Enum

from gateway.app import Gateway, Running
from gateway.config import Config
from gateway.equipment import providers
from gateway.errors import GatewayError
from gateway.notify import Notifier, notifier, watch, watchdog_s

EXIT_CLEAN = 0
EXIT_RESTART = 75

SAME_SIGNAL_S = 1.0
STOP_MARGIN_S = 30.0
"""What a stop takes beside `drain_s`: the outbox, the platforms' goodbyes, the last checkpoint."""

log = logging.getLogger(__name__)

Make = Callable[[Config], Gateway]
Reload = Callable[[], Config]


class _Woken(Enum):
    STOP = "stop"
    RELOAD = "reload"
    FAILED = "failed"


def run(
    config: Config,
    *,
    demo: bool,
    ready: Callable[[Running], None],
    reload: Reload | None = None,
    make: Make = Gateway,
) -> int:
    """Run the gateway in a fresh event loop; returns the exit code.

    Raises GatewayError with the sentence to show when it can't start.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(serve(config, demo=demo, ready=ready, reload=reload, make=make))


async def serve(
    config: Config,
    *,
    demo: bool,
    ready: Callable[[Running], None],
    reload: Reload | None = None,
    make: Make = Gateway,
) -> int:
    """Run until a signal to stop, or until the store fails; returns the exit code.

    `ready` is called each time messages are taken: after the start and after each reload.
    `reload` reads the configuration anew and raises GatewayError with everything wrong in it.
    """
    life = _Life(demo=demo, ready=ready, reload=reload, make=make)
    return await life.live(config)


class _Life:
    """One process from its start to its end."""

    def __init__(
        self, *, demo: bool, ready: Callable[[Running], None], reload: Reload | None, make: Make
    ) -> None:
        self._demo = demo
        self._ready = ready
        self._reload = reload
        self._make = make
        self._tell: Notifier = notifier(os.environ)
        self._watchdog_s = watchdog_s(os.environ, os.getpid())
        self._signals = _Signals()

    async def live(self, config: Config) -> int:
        """Start, run, and stop in order."""
        self._signals.install()  # before the start: a stop or reload meanwhile is done after it
        gateway, running = await self._started(config)
        while True:
            woken = await self._running(gateway, running)
            if woken is not _Woken.RELOAD:
                break
            fresh = self._read_again()
            if fresh is None:
                continue
            if fresh == config:
                log.info("the configuration is unchanged; surfaces that are stopped try again")
                gateway.retry_stopped()
                continue
            self._tell.reloading()
            log.info("the configuration has changed; starting afresh with it")
            self._tell.extend(config.gateway.drain_s + STOP_MARGIN_S)
            if self._watchdog_s is not None:  # nobody feeds it meanwhile
                longest = config.gateway.drain_s + 2 * STOP_MARGIN_S
                self._tell.patience(max(self._watchdog_s, longest))
            await gateway.stop()
            if self._signals.stopping.is_set():
                return EXIT_CLEAN
            gateway, running, config = await self._started_again(fresh, config)
        drain_s = config.gateway.drain_s
        log.info("stopping: no new messages, open turns get %g s", drain_s)
        self._tell.stopping(within_s=drain_s + STOP_MARGIN_S, status="stopping")
        await gateway.stop()
        return EXIT_RESTART if woken is _Woken.FAILED else EXIT_CLEAN

    async def _started(self, config: Config) -> tuple[Gateway, Running]:
        gateway = self._make(config)
        return gateway, await gateway.start(await providers(config, demo=self._demo))

    async def _started_again(self, fresh: Config, old: Config) -> tuple[Gateway, Running, Config]:
        """Start with a new configuration, or with the old one where the new one can't be."""
        try:
            return *await self._started(fresh), fresh
        except GatewayError as error:
            log.error("can't start with the new configuration, so the old one stays: %s", error)
        return *await self._started(old), old

    async def _running(self, gateway: Gateway, running: Running) -> _Woken:
        """Say that the gateway is ready, and wait for what ends or changes that."""
        self._ready(running)
        self._tell.ready("running")
        if self._watchdog_s is not None:
            self._tell.patience(self._watchdog_s)
        tasks = {
            asyncio.create_task(gateway.failed()): _Woken.FAILED,
            asyncio.create_task(self._signals.stopping.wait()): _Woken.STOP,
            asyncio.create_task(self._signals.reloading.wait()): _Woken.RELOAD,
        }
        feeding = asyncio.create_task(self._feed(running))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            self._signals.reloading.clear()
            return next(woken for task, woken in tasks.items() if task.done())
        finally:
            for task in (*tasks, feeding):
                task.cancel()
            await asyncio.gather(*tasks, feeding, return_exceptions=True)

    async def _feed(self, running: Running) -> None:
        """Feed the service manager's watchdog while all is well; not at all without one."""
        if self._watchdog_s is not None:
            await watch(self._tell, watchdog_s=self._watchdog_s, alive=running.operator.alive)

    def _read_again(self) -> Config | None:
        if self._reload is None:
            log.warning("SIGHUP: there is no configuration file to read again")
            return None
        try:
            return self._reload()
        except GatewayError as error:
            for line in str(error).splitlines():
                log.error("the configuration stays as it was: %s", line)
            return None


class _Signals:
    """The first signal asks for a stop, a later one ends the process at once.

    What comes within a second is the same signal: a key press reaches a whole process group, and
    some parents hand on what their children have had already.
    """

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self.reloading = asyncio.Event()
        self._first_at = 0.0

    def install(self) -> None:
        """Listen to the process's signals."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self.reloading.set)

    def _stop(self) -> None:
        now = asyncio.get_running_loop().time()
        if not self.stopping.is_set():
            self._first_at = now
            self.stopping.set()
        elif now - self._first_at > SAME_SIGNAL_S:
            os._exit(EXIT_RESTART)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
