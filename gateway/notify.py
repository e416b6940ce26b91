"""What the service manager is told: ready, reloading, stopping, and that the gateway is well.

The watchdog is fed by what is really so. Nothing is sent while the writer does not write or a
surface is deaf and nobody sees to it; the service manager then ends the process and starts it
again. An outage elsewhere is no reason for that: a surface that knows it is cut off and tries
again on its schedule is well, and so is one that is stopped because its token is refused.

Protocol: datagrams of NAME=value lines to the socket in $NOTIFY_SOCKET.
Source: sd_notify(3), sd_watchdog_enabled(3).
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from gateway.store.base import Durability, Store, StoreHealth, Transition, Tx
from gateway.web.health import HealthReport

if TYPE_CHECKING:
    from gateway.operator import SurfaceStatus

log = logging.getLogger(__name__)

SEND_WITHIN_S = 0.25
"""A service manager that takes longer to read is not waited for; it hears the next sign."""

STUCK_S = 10.0
"""A probe that the writer has not committed for so long counts as a writer that is stuck."""

DEAF_S = 180.0
"""Silence after which a transport that claims to be connected is deaf. Adapters find out and
replace theirs well before; this catches one whose own watch has failed."""

OVERDUE_S = 150.0
"""A surface that starts or rests for so long has lost the task that should go on with it: rests
are at most 72 s, and connecting has its own limits."""

CHECK_WITHIN_S = 5.0

PROBE = Transition(name="writer.probed", durability=Durability.PROCESS)
"""Stores nothing, so it is no durable transition: a commit of no rows shows that commits end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """A service manager's socket, or nobody's. Sending never raises and never waits for long."""

    address: str | None = None

    def ready(self, status: str = "") -> bool:
        """The start, or a reload, is done."""
        return self.send("READY=1", *_status(status))

    def status(self, text: str) -> bool:
        """What `systemctl status` shows in one line."""
        return self.send(*_status(text))

    def reloading(self) -> bool:
        """A reload has begun; `ready` ends it."""
        return self.send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, *, within_s: float, status: str = "") -> bool:
        """The stop has begun and may take so long."""
        return self.send("STOPPING=1", _extension(within_s), *_status(status))

    def extend(self, seconds: float) -> bool:
        """The start, reload or stop under way takes up to so much longer from now."""
        return self.send(_extension(seconds))

    def patience(self, seconds: float) -> bool:
        """Let the watchdog wait so long from now on, until told otherwise; for a reload."""
        return self.send(f"WATCHDOG_USEC={int(seconds * 1e6)}")

    def well(self) -> bool:
        """Feed the watchdog."""
        return self.send("WATCHDOG=1")

    def send(self, *lines: str) -> bool:
        """Send lines in one datagram; whether it has left."""
        if not self.address or not lines:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.settimeout(SEND_WITHIN_S)
                out.connect(_path(self.address))
                out.send("\n".join(lines).encode())
        except (OSError, ValueError) as error:
            log.debug("the service manager could not be told: %s", error)
            return False
        return True


def notifier(environ: Mapping[str, str]) -> Notifier:
    """The service manager that started us, by the environment."""
    address = environ.get("NOTIFY_SOCKET", "")
    return Notifier(address=address if address[:1] in {"/", "@"} else None)


def watchdog_s(environ: Mapping[str, str], pid: int) -> float | None:
    """Seconds without a sign of life after which the service manager ends us; None if never."""
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None  # meant for the process that started us
    try:
        micros = int(environ.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return micros / 1e6 if micros > 0 else None


class Probe:
    """Asks the writer for a commit of nothing, one at a time, and tells how long it has waited."""

    def __init__(self, store: Store, *, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._monotonic = monotonic
        self._task: asyncio.Task[None] | None = None
        self._asked = 0.0

    async def stuck_s(self, *, patience_s: float = 0.5) -> float:
        """Seconds the probe under way has waited for its commit, 0.0 once it is there."""
        if self._task is None or self._task.done():
            self._asked = self._monotonic()
            self._task = asyncio.create_task(self._store.write(_nothing, transition=PROBE))
        await asyncio.wait((self._task,), timeout=patience_s)
        if not self._task.done():
            return self._monotonic() - self._asked
        # Why it failed stands in the store's own health; a closed store is not a stuck one.
        if not self._task.cancelled():
            self._task.exception()
        return 0.0


def healthy(
    *, store: StoreHealth, stuck_s: float, surfaces: Iterable["SurfaceStatus"]
) -> HealthReport:
    """Whether this process should be left running, and the reason part by part.

    `stuck_s` is how long the writer has owed a commit; whoever asks proves that the loop turns.
    """
    parts = {"loop": "ok", "store": _store_ailment(store, stuck_s) or "ok"}
    parts.update((surface.platform, _surface_ailment(surface) or "ok") for surface in surfaces)
    return HealthReport(ok=all(word == "ok" for word in parts.values()), parts=parts)


async def watch(
    tell: Notifier,
    *,
    watchdog_s: float,
    alive: Callable[[], Awaitable[HealthReport]],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Feed the watchdog at half its time while `alive` says so, until cancelled.

    That this loop runs at all is the proof that the event loop turns.
    """
    last = ""
    while True:
        report = await _asked(alive)
        ailing = "; ".join(f"{part}: {word}" for part, word in report.parts.items() if word != "ok")
        if report.ok:
            tell.well()
        if ailing != last:
            if ailing:
                log.error("not well, the watchdog is not fed: %s", ailing)
            tell.status(ailing or "running")
            last = ailing
        await sleep(watchdog_s / 2)


async def _asked(alive: Callable[[], Awaitable[HealthReport]]) -> HealthReport:
    try:
        async with asyncio.timeout(CHECK_WITHIN_S):
            return await alive()
    except TimeoutError:
        return HealthReport(ok=False, parts={"gateway": f"no answer in {CHECK_WITHIN_S:g} s"})
    except Exception:
        log.exception("the health check failed; the watchdog is not fed by it")
        return HealthReport(ok=False, parts={"gateway": "the health check failed"})


def _store_ailment(store: StoreHealth, stuck_s: float) -> str:
    if store.failed is not None:
        return store.failed
    return f"no commit for {stuck_s:.0f} s" if stuck_s > STUCK_S else ""


def _surface_ailment(surface: "SurfaceStatus") -> str:
    """Why a surface counts as sick, without words of its platform; "" if it does not."""
    match surface.state:
        case "running":
            # Not connected, it is at work on that itself. Where no evidence comes by itself
            # (webhooks, the page), silence says nothing.
            if surface.connected and (surface.frame_age_s or 0.0) > DEAF_S:
                return f"deaf for {surface.frame_age_s:.0f} s and not replaced"
        case "starting" | "resting":
            if (surface.state_age_s or 0.0) > OVERDUE_S:
                return f"{surface.state} for {surface.state_age_s:.0f} s"
        case "stopped":
            pass
        case unknown:
            assert_never(unknown)
    return ""


def _nothing(_tx: Tx) -> None:
    """Change nothing."""


def _status(text: str) -> tuple[str, ...]:
    return (f"STATUS={' '.join(text.split())}",) if text else ()


def _extension(seconds: float) -> str:
    return f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}"


def _path(address: str) -> bytes:
    """The socket's address; @ at its begin stands for the zero byte of an abstract one."""
    raw = os.fsencode(address)
    return b"\0" + raw[1:] if raw[:1] == b"@" else raw
