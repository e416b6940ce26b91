"""Keeps one adapter running: connects it, restarts it after failures, stops it for good ones.

starting --connected--> running --ended, unavailable, fault--> resting --delay--> starting
   '-- credentials rejected, from any --> stopped: only a new start tries again
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from gateway import cancelling
from gateway.clock import Clock
from gateway.delivery import Deliveries
from gateway.notices import Notices
from gateway.refs import account_text
from gateway.router import Router
from platforms.base import Adapter, Ingest
from platforms.errors import CredentialsRejected, PlatformUnavailable
from platforms.events import PlatformName

RESTART_AFTER_S = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)
ALARM_EVERY_S = 10.0
STEADY_S = 60.0
"""An adapter that ran this long starts its delays anew."""

log = logging.getLogger(__name__)

State = Literal["starting", "running", "resting", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterStatus:
    """One adapter as `status` shows it; `frame_age_s` is the age of the last sign of transport."""

    platform: PlatformName
    account: str | None
    state: State
    state_age_s: float
    connected: bool
    frame_age_s: float | None
    problem: str


class Supervisor:
    """The life of one adapter."""

    def __init__(
        self,
        *,
        adapter: Adapter,
        ingest: Ingest,
        deliveries: Deliveries,
        router: Router,
        notices: Notices,
        clock: Clock,
        jitter: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`jitter` gives a random number from 0 up to 1."""
        self.adapter = adapter
        self._ingest = ingest
        self._deliveries = deliveries
        self._router = router
        self._notices = notices
        self._clock = clock
        self._jitter = jitter
        self._sleep = sleep
        self._state: State = "starting"
        self._since = clock.monotonic()
        self._account: str | None = None
        self._problem = ""
        self._told_alarm = ""
        self.settled = asyncio.Event()
        """Set once the first attempt to connect is decided, either way."""

    async def run(self) -> None:
        """Keep the adapter running until cancelled or stopped for good."""
        failures = 0
        while True:
            began = self._clock.monotonic()
            try:
                await self._run_once()
                self._problem = "the connection ended"
            except CredentialsRejected as error:
                self._problem = str(error)
                self._enter("stopped")
                self._stopped(error)
                self.settled.set()
                return
            except PlatformUnavailable as error:
                self._problem = str(error)
                log.warning("%s is not reachable: %s", self.adapter.platform, error)
            except (Exception, asyncio.CancelledError):
                if cancelling.is_ours():
                    raise
                self._problem = "a fault in the adapter; the log has it"
                log.exception("%s failed; the others go on", self.adapter.platform)
            self._enter("resting")
            self.settled.set()
            if self._clock.monotonic() - began > STEADY_S:
                failures = 0
            delay = RESTART_AFTER_S[min(failures, len(RESTART_AFTER_S) - 1)]
            failures += 1
            await self._sleep(delay * (1 + 0.2 * self._jitter()))

    def tell_alarm(self) -> None:
        """Tell owners of an alarm the adapter gives while it goes on; the same one once a day."""
        alarm = self.adapter.liveness().alarm
        if alarm and alarm != self._told_alarm:
            platform = self.adapter.platform
            self._notices.tell(
                self._account or platform, f"alarm:{platform}:{alarm}", f"{platform}: {alarm}"
            )
        self._told_alarm = alarm

    def _stopped(self, error: CredentialsRejected) -> None:
        platform = self.adapter.platform
        log.error("%s is stopped until the next start: %s", platform, error)
        self._notices.tell(
            self._account or platform,
            f"stopped:{platform}",
            f"{platform} is stopped, the others go on: {error}. Mend that, then restart the"
            " gateway or send it SIGHUP.",
        )

    def status(self) -> AdapterStatus:
        """How the adapter does."""
        liveness = self.adapter.liveness()
        age = None
        if liveness.last_frame_at is not None:
            age = max(0.0, self._clock.monotonic() - liveness.last_frame_at)
        return AdapterStatus(
            platform=self.adapter.platform,
            account=self._account,
            state=self._state,
            state_age_s=self._clock.monotonic() - self._since,
            connected=self._state == "running" and liveness.connected,
            frame_age_s=age,
            problem="" if self._state == "running" else self._problem,
        )

    def _enter(self, state: State) -> None:
        self._state = state
        self._since = self._clock.monotonic()

    async def _run_once(self) -> None:
        self._enter("starting")
        account = await self.adapter.connect()
        self._account = account_text(account)
        await self._deliveries.attach(account, self.adapter)
        await self._router.resume(self._account)
        self._notices.retry()
        self._enter("running")
        log.info("%s is connected as %s", self.adapter.platform, self._account)
        self.settled.set()
        await self.adapter.run(self._ingest)


async def watch_alarms(
    supervisors: Iterable[Supervisor], *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Tell owners of every adapter's alarms, until cancelled."""
    while True:
        for supervisor in supervisors:
            supervisor.tell_alarm()
        await sleep(ALARM_EVERY_S)
