"""The life of one adapter: connected, restarted after failures, stopped for good ones."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.outgoing import Words, dump
from gateway.store.sqlite import SqliteStore
from gateway.supervise import AdapterStatus, Supervisor
from platforms.base import Ingest
from platforms.content import Post
from platforms.errors import (
    CredentialsRejected,
    PlatformError,
    PlatformUnavailable,
    RightsMissing,
)
from platforms.events import Receipt
from platforms.markup import parse
from tests.gateway.core import Core
from tests.gateway.events import delivery, message
from tests.gateway.hand_clock import HandClock
from tests.gateway.records.rows import arrival, arrived, inserted, new_outbox


class Watched:
    """A supervisor that runs beside the test."""

    def __init__(self, core: Core, jitter: float = 0.0) -> None:
        self.core = core
        self.adapter = core.adapter
        self.clock = core.clock
        self.supervisor: Supervisor = core.supervised(core.adapter, jitter)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Run it, and wait until its first attempt is decided."""
        self._task = asyncio.create_task(self.supervisor.run())
        async with asyncio.timeout(60):
            await self.supervisor.settled.wait()

    async def runs(self, times: int = 1) -> None:
        """Wait until the adapter was run so often."""
        await self.adapter.until(lambda: self.adapter.ran >= times)
        assert self.status.state == "running"

    async def ended(self) -> None:
        """Wait until it has stopped for good."""
        assert self._task is not None
        async with asyncio.timeout(60):
            await self._task

    async def stop(self) -> None:
        """Cancel it as shutdown does."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def status(self) -> AdapterStatus:
        return self.supervisor.status()


@pytest.fixture
async def core(store: SqliteStore, tmp_path: Path, clock: HandClock) -> AsyncIterator[Core]:
    core = Core(store, tmp_path, clock)
    yield core
    await core.close()


@pytest.fixture
async def watched(core: Core) -> AsyncIterator[Watched]:
    watched = Watched(core)
    yield watched
    await watched.stop()


async def test_a_connected_adapter_runs(watched: Watched) -> None:
    """Its state is told, with the age of the last frame."""
    assert watched.status.state == "starting"
    await watched.start()
    assert watched.status == AdapterStatus(
        platform="telegram",
        account="telegram:77",
        state="running",
        connected=True,
        frame_age_s=10.0,
        state_age_s=0.0,
        problem="",
    )


async def test_what_it_delivers_is_taken(watched: Watched) -> None:
    """The adapter's way in is the gateway's intake."""
    receipts: list[Receipt] = []

    async def run(ingest: Ingest) -> None:
        receipts.append(await ingest(delivery(message())))
        await asyncio.Event().wait()

    watched.core.answers("Hello Ann.")
    watched.adapter.runs.append(run)
    await watched.start()
    await watched.core.shows("Hello Ann.")
    assert receipts == [Receipt.STORED]


async def test_connecting_takes_up_what_was_stored(watched: Watched) -> None:
    """Rows that waited leave, messages that waited are answered, commands are carried out."""
    core = watched.core
    await inserted(core.store, new_outbox("k1", content=dump(Words(body=parse("stored")))))
    await arrived(core.store, arrival(1))
    core.answers("Hello Ann.")
    await watched.start()
    await core.adapter.until(lambda: set(core.adapter.shown("1001")) == {"stored", "Hello Ann."})


async def test_unreachable_it_is_tried_again_ever_more_slowly(watched: Watched) -> None:
    """1, 2, 5, 15, 30, 60, 60 seconds; the first failure already lets the start go on."""
    watched.adapter.connects.extend(PlatformUnavailable("no route") for _ in range(7))
    await watched.start()
    assert (watched.status.state, watched.status.problem) == ("resting", "no route")
    assert not watched.status.connected
    for seconds in (1.0, 2.0, 5.0, 15.0, 30.0, 60.0, 60.0):
        assert await watched.clock.asleep() == [seconds]
        watched.clock.advance(seconds)
    await watched.runs(1)


async def test_restarts_are_spread(core: Core) -> None:
    """Up to a fifth later, so that not everybody comes back at once."""
    watched = Watched(core, jitter=0.5)
    core.adapter.connects.append(PlatformUnavailable("no route"))
    await watched.start()
    assert await watched.clock.asleep() == [pytest.approx(1.1)]
    await watched.stop()


async def test_an_adapter_that_ends_is_started_again(watched: Watched) -> None:
    """A connection that just ends is a failure too."""

    async def ends(ingest: Ingest) -> None:
        return

    watched.adapter.runs.append(ends)
    await watched.start()
    assert await watched.clock.asleep() == [1.0]
    assert (watched.status.state, watched.status.problem) == ("resting", "the connection ended")
    watched.clock.advance(1.0)
    await watched.runs(2)


async def test_a_steady_run_starts_the_delays_anew(watched: Watched) -> None:
    """After a minute of running the next failure is the first again."""
    lost = asyncio.Event()

    async def runs(ingest: Ingest) -> None:
        await lost.wait()
        raise PlatformUnavailable("cut")

    watched.adapter.connects.append(PlatformUnavailable("no route"))
    watched.adapter.runs.append(runs)
    await watched.start()
    assert await watched.clock.asleep() == [1.0]
    watched.clock.advance(1.0)
    await watched.runs(1)
    watched.clock.advance(61.0)
    lost.set()
    assert await watched.clock.asleep() == [1.0]


@pytest.mark.parametrize("kind", [CredentialsRejected, RightsMissing])
@pytest.mark.parametrize("connected", [False, True])
async def test_rejected_credentials_stop_it_for_good(
    watched: Watched, kind: type[PlatformError], connected: bool
) -> None:
    """Nobody knocks again with a token that was refused."""
    (watched.adapter.runs if connected else watched.adapter.connects).append(kind("bad token"))
    await watched.start()
    await watched.ended()
    assert (watched.status.state, watched.status.problem) == ("stopped", "bad token")
    assert not watched.status.connected


@pytest.mark.parametrize("fault", [ZeroDivisionError(), asyncio.CancelledError()])
async def test_a_fault_in_an_adapter_is_logged_and_rested(
    watched: Watched, caplog: pytest.LogCaptureFixture, fault: BaseException
) -> None:
    """A bug of one platform leaves the others alone; so does a cancellation inside an SDK."""
    watched.adapter.runs.append(fault)
    await watched.start()
    assert await watched.clock.asleep() == [1.0]
    assert watched.status.problem == "a fault in the adapter; the log has it"
    assert type(fault).__name__ in caplog.text


async def test_connected_anew_it_sends_what_was_held(watched: Watched) -> None:
    """Rows a refused token held back leave with the next connection, by the same way out."""
    core = watched.core

    async def cut(ingest: Ingest) -> None:
        await lost.wait()

    lost = asyncio.Event()
    core.adapter.runs.append(cut)
    await watched.start()
    core.adapter.then(Post, CredentialsRejected("revoked"))
    result = await core.operator.send("telegram:1001", "hello", None)
    assert result.outbox_id == 1
    await core.adapter.performing(1)
    for outlet in core.deliveries.outlets():
        await outlet.flush()
    lost.set()
    assert await watched.clock.asleep() == [1.0]
    watched.clock.advance(1.0)
    await core.shows("hello")
    assert len(core.deliveries.outlets()) == 1
