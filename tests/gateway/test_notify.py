"""What the service manager hears, received on real sockets, and when it hears nothing."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gateway.notify import (
    DEAF_S,
    OVERDUE_S,
    STUCK_S,
    Notifier,
    Probe,
    healthy,
    notifier,
    watch,
    watchdog_s,
)
from gateway.operator import SurfaceStatus
from gateway.store.base import Durability, Store, StoreHealth, Transition, Tx
from gateway.store.sqlite import SqliteStore
from gateway.web.health import HealthReport

T = TypeVar("T")

STORE = StoreHealth(
    queue_depth=0,
    last_commit_age_s=None,
    commits=0,
    syncs=0,
    wal_bytes=0,
    durability=Durability.POWER,
    failed=None,
)
SURFACE = SurfaceStatus(
    platform="telegram",
    account="telegram:77",
    state="running",
    state_age_s=10.0,
    connected=True,
    frame_age_s=3.0,
    gap_age_s=None,
    problem="",
    alarm="",
    detail="",
)


class Manager:
    """The service manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1))
        self.socket.settimeout(60)

    def hears(self) -> list[str]:
        """The lines of the next datagram."""
        return self.socket.recv(4096).decode().split("\n")

    def hears_nothing(self) -> bool:
        """Whether no datagram waits."""
        self.socket.setblocking(False)
        try:
            self.socket.recv(4096)
        except BlockingIOError:
            return True
        finally:
            self.socket.settimeout(60)
        return False


@contextmanager
def managed(address: str) -> Iterator[Manager]:
    """A manager that listens."""
    manager = Manager(address)
    try:
        yield manager
    finally:
        manager.socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """A manager at a path."""
    with managed(str(tmp_path / "notify")) as listening:
        yield listening


@pytest.fixture
def tell(manager: Manager) -> Notifier:
    """What speaks to that manager."""
    return notifier({"NOTIFY_SOCKET": manager.address})


def test_each_word_is_one_datagram(manager: Manager, tell: Notifier) -> None:
    """Names and values as the protocol has them; a status is one line whatever it held."""
    assert tell.ready("3 surfaces\nare up")
    assert manager.hears() == ["READY=1", "STATUS=3 surfaces are up"]
    assert tell.status("busy")
    assert manager.hears() == ["STATUS=busy"]
    assert tell.stopping(within_s=35.5)
    assert manager.hears() == ["STOPPING=1", "EXTEND_TIMEOUT_USEC=35500000"]
    assert tell.extend(2)
    assert manager.hears() == ["EXTEND_TIMEOUT_USEC=2000000"]
    assert tell.patience(90)
    assert manager.hears() == ["WATCHDOG_USEC=90000000"]
    assert tell.well()
    assert manager.hears() == ["WATCHDOG=1"]


def test_a_reload_says_when_it_began(manager: Manager, tell: Notifier) -> None:
    """Microseconds of the monotonic clock, by which systemd tells one reload from another."""
    before = time.clock_gettime(time.CLOCK_MONOTONIC)
    assert tell.reloading()
    first, moment = manager.hears()
    assert first == "RELOADING=1"
    name, _, micros = moment.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before - 1e-6 <= int(micros) / 1e6 <= time.clock_gettime(time.CLOCK_MONOTONIC)


def test_an_abstract_socket_is_reached() -> None:
    """Its name begins with @ in the environment and with a zero byte in the kernel."""
    with managed(f"@gatepost-test-{os.getpid()}") as manager:
        assert notifier({"NOTIFY_SOCKET": manager.address}).ready()
        assert manager.hears() == ["READY=1"]


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"NOTIFY_SOCKET": ""},
        {"NOTIFY_SOCKET": "vsock:2:1"},
        {"NOTIFY_SOCKET": "/nowhere/notify"},
        {"NOTIFY_SOCKET": "/" + "x" * 200},
    ],
)
def test_without_a_listener_nothing_happens(environ: dict[str, str]) -> None:
    """No service manager, one of another kind, a dead socket: nothing is raised."""
    tell = notifier(environ)
    said = (
        tell.ready("x"), tell.status("x"), tell.reloading(), tell.stopping(within_s=1), tell.well(),
    )  # fmt: skip
    assert not any(said)


def test_a_manager_that_does_not_read_is_not_waited_for(manager: Manager, tell: Notifier) -> None:
    """Its queue is full: what comes then is dropped within a moment."""
    began = time.monotonic()
    while tell.status("x" * 4000):
        assert time.monotonic() - began < 60
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "42"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_ours_or_nobody_s(environ: dict[str, str], expected: float | None) -> None:
    """A time of zero, no time, or one meant for our parent feeds no watchdog."""
    assert watchdog_s(environ, 42) == expected


@pytest.mark.parametrize(
    ("store", "stuck_s", "word"),
    [
        ({}, 0.0, "ok"),
        ({"last_commit_age_s": 86_400.0}, 0.0, "ok"),
        ({"queue_depth": 900}, STUCK_S - 1, "ok"),
        ({}, STUCK_S + 1, "no commit for 11 s"),
        ({"failed": "disk full"}, 0.0, "disk full"),
    ],
)
def test_the_writer_is_well_while_it_commits(
    store: dict[str, Any], stuck_s: float, word: str
) -> None:
    """Idle for a day or behind is well; stuck or failed is not."""
    report = healthy(store=replace(STORE, **store), stuck_s=stuck_s, surfaces=())
    assert (report.ok, report.parts["store"]) == (word == "ok", word)


DEAF = DEAF_S + 20


@pytest.mark.parametrize(
    ("surface", "word"),
    [
        ({}, "ok"),
        ({"frame_age_s": None}, "ok"),
        ({"frame_age_s": DEAF}, "deaf for 200 s and not replaced"),
        ({"frame_age_s": DEAF, "connected": False}, "ok"),
        ({"state": "resting", "connected": False, "problem": "no route"}, "ok"),
        ({"state": "resting", "state_age_s": OVERDUE_S + 10}, "resting for 160 s"),
        ({"state": "starting", "state_age_s": OVERDUE_S + 10}, "starting for 160 s"),
        ({"state": "resting", "state_age_s": None}, "ok"),
        ({"state": "stopped", "state_age_s": 1e6, "problem": "token refused"}, "ok"),
    ],
)
def test_a_surface_is_well_unless_deaf_and_unattended(surface: dict[str, Any], word: str) -> None:
    """Connected, at work on its connection, on its schedule, or stopped for a known reason."""
    report = healthy(store=STORE, stuck_s=0.0, surfaces=(replace(SURFACE, **surface),))
    assert (report.ok, report.parts["telegram"]) == (word == "ok", word)


class Steps:
    """A sleep that the test lets end, one at a time."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self._began = asyncio.Event()
        self._go = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        """Wait for the test."""
        self.asked.append(seconds)
        self._began.set()
        await self._go.wait()
        self._go.clear()

    async def slept(self) -> None:
        """Wait until the watch sleeps."""
        async with asyncio.timeout(60):
            await self._began.wait()

    async def next(self) -> None:
        """End this sleep and wait for the next."""
        self._began.clear()
        self._go.set()
        await self.slept()


class Patient:
    """Health as a test wants it."""

    def __init__(self) -> None:
        self.report = HealthReport(ok=True, parts={"loop": "ok"})
        self.error: Exception | None = None

    async def alive(self) -> HealthReport:
        """See Health."""
        if self.error is not None:
            raise self.error
        return self.report


@pytest.fixture
async def watched(tell: Notifier) -> AsyncIterator[tuple[Patient, Steps]]:
    """A watch with a watchdog of 30 s."""
    patient, steps = Patient(), Steps()
    task = asyncio.create_task(watch(tell, watchdog_s=30.0, alive=patient.alive, sleep=steps))
    await steps.slept()
    yield patient, steps
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_watchdog_is_fed_at_half_its_time_while_all_is_well(
    watched: tuple[Patient, Steps], manager: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    """Sick, it starves and `systemctl status` says why, once; well again, it is fed again."""
    patient, steps = watched
    assert manager.hears() == ["WATCHDOG=1"]
    await steps.next()
    assert manager.hears() == ["WATCHDOG=1"]
    patient.report = HealthReport(ok=False, parts={"loop": "ok", "store": "no commit for 11 s"})
    await steps.next()
    assert manager.hears() == ["STATUS=store: no commit for 11 s"]
    await steps.next()
    assert manager.hears_nothing()
    assert caplog.text.count("the watchdog is not fed") == 1
    patient.report = HealthReport(ok=True, parts={"loop": "ok"})
    await steps.next()
    assert manager.hears() == ["WATCHDOG=1"]
    assert manager.hears() == ["STATUS=running"]
    assert set(steps.asked) == {15.0}


async def test_a_health_check_that_fails_does_not_feed_it(
    watched: tuple[Patient, Steps], manager: Manager
) -> None:
    """Nor does it end the watch."""
    patient, steps = watched
    assert manager.hears() == ["WATCHDOG=1"]
    patient.error = ZeroDivisionError()
    await steps.next()
    assert manager.hears() == ["STATUS=gateway: the health check failed"]
    patient.error = None
    await steps.next()
    assert manager.hears() == ["WATCHDOG=1"]


class Stuck:
    """A store whose commits end when the test says so."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self.asked = 0
        self.go = asyncio.Event()

    async def write(self, unit: Callable[[Tx], T], *, transition: Transition) -> T:
        """Commit once it may."""
        self.asked += 1
        await self.go.wait()
        return await self._inner.write(unit, transition=transition)

    async def read(self, query: Callable[[Tx], T]) -> T:
        """See Store."""
        return await self._inner.read(query)

    async def close(self) -> None:
        """See Store."""

    def health(self) -> StoreHealth:
        """See Store."""
        return self._inner.health()


async def test_a_stuck_writer_owes_one_commit(store: SqliteStore) -> None:
    """The probe is asked once however often one looks, and is done when the commit is."""
    stuck, moments = Stuck(store), iter((100.0, 103.0, 111.0))
    probe = Probe(stuck, monotonic=lambda: next(moments))
    assert await probe.stuck_s(patience_s=0) == 3.0
    assert await probe.stuck_s(patience_s=0) == 11.0
    assert stuck.asked == 1
    stuck.go.set()
    assert await probe.stuck_s(patience_s=5) == 0.0


async def test_a_probe_stores_nothing(store: SqliteStore) -> None:
    """It is a commit, and the database is as before."""
    probe = Probe(store, monotonic=time.monotonic)
    assert await probe.stuck_s(patience_s=5) == 0.0
    before = store.health()
    assert await probe.stuck_s(patience_s=5) == 0.0
    after = store.health()
    assert (after.commits, after.syncs) == (before.commits + 1, before.syncs)
    assert after.wal_bytes == before.wal_bytes
    await store.close()
    assert await Probe(store, monotonic=time.monotonic).stuck_s(patience_s=5) == 0.0
