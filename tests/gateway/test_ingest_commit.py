"""The seam every adapter calls, over a store that is slow, fails or is closed."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.store.base import Durability, Store, Transition, Tx
from gateway.store.sqlite import SqliteStore
from platforms.events import Ignored, Receipt
from tests.gateway.events import BEN, TOPIC, delivery, edited, in_group, message
from tests.gateway.hand_clock import HandClock
from tests.gateway.intake import Intake
from tests.gateway.records.rows import inbox_states
from tests.transitions import KEPT


class Gate:
    """A unit that holds the writer until it is let go."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._entered = asyncio.Event()
        self._go = threading.Event()

    def __call__(self, tx: Tx) -> None:
        self._loop.call_soon_threadsafe(self._entered.set)
        assert self._go.wait(100)

    async def hold(self, store: Store) -> "asyncio.Task[None]":
        """Hold the writer; the task ends when it is let go."""
        task = asyncio.create_task(store.write(self, transition=KEPT))
        await self._entered.wait()
        return task

    def open(self) -> None:
        """Let the writer go."""
        self._go.set()


async def test_a_slow_store_is_busy_and_nothing_is_lost(
    intake: Intake, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """No commit in time: no acknowledgement. The commit that comes late is handed on, once."""
    intake.ingest = intake.made(commit_limit_s=0.01)
    gate = Gate()
    holding = await gate.hold(store)
    assert await intake.take(message()) is Receipt.BUSY
    assert "no commit within 0.01 s" in caplog.text
    assert intake.ingest.counts == {"busy": 1}
    intake.ingest = intake.made()
    again = asyncio.create_task(intake.take(message()))
    gate.open()
    await holding
    assert await again is Receipt.STORED
    await intake.routing.wait()
    assert len(intake.entered) == 1
    assert len(await inbox_states(store)) == 1


async def test_an_adapter_that_stops_waiting_takes_nothing_back(
    intake: Intake, store: Store
) -> None:
    """A platform's own timer cancels the call: the row is stored, and so it is handed on."""
    gate = Gate()
    holding = await gate.hold(store)
    taking = asyncio.create_task(intake.take(message()))
    await asyncio.sleep(0)
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    gate.open()
    await holding
    async with asyncio.timeout(60):
        await intake.routing.wait()
    assert len(intake.entered) == 1
    assert await intake.take(message()) is Receipt.STORED
    assert len(intake.entered) == 1


async def test_a_store_that_is_closed_is_busy(intake: Intake, store: Store) -> None:
    """Nothing is acknowledged that can't be stored."""
    await store.close()
    assert await intake.take(message()) is Receipt.BUSY
    assert intake.ingest.counts == {"busy": 1}
    assert intake.routed == []


async def test_closed_intake_is_busy_before_the_store(intake: Intake, store: Store) -> None:
    """At shutdown the platform is told to come again."""
    assert intake.ingest.is_open
    intake.ingest.close()
    assert not intake.ingest.is_open
    assert await intake.take(message()) is Receipt.BUSY
    assert await inbox_states(store) == {}


async def test_a_commit_after_closing_waits_for_the_next_start(
    intake: Intake, store: Store
) -> None:
    """What was on its way when intake closed is acknowledged, but starts no work any more."""
    gate = Gate()
    holding = await gate.hold(store)
    taking = asyncio.create_task(intake.take(message()))
    await asyncio.sleep(0)
    intake.ingest.close()
    gate.open()
    await holding
    assert await taking is Receipt.STORED
    assert intake.routed == []
    assert (await inbox_states(store))[1] == ("new", None, None)


class CountingSyncs:
    """A Store that notes with which durability units were written."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.asked: list[Durability] = []
        self.read = store.read
        self.close = store.close
        self.health = store.health

    async def write(self, unit: Callable[[Tx], Any], *, transition: Transition) -> Any:
        self.asked.append(transition.durability)
        return await self._store.write(unit, transition=transition)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (delivery(message()), Durability.POWER),
        (delivery(message("/stpo")), Durability.POWER),
        (delivery(edited("x")), Durability.POWER),
        (delivery(in_group(chat=TOPIC)), Durability.POWER),  # it may be in a joined thread
        (delivery(message(author=BEN)), Durability.PROCESS),
        (delivery(message(author=BEN), message(number=2)), Durability.POWER),
        (delivery(ignored=Ignored(delivery_key="d", reason="malformed")), Durability.PROCESS),
    ],
)
async def test_what_may_enter_survives_power_loss(
    store: SqliteStore, tmp_path: Path, clock: HandClock, given: Any, expected: Durability
) -> None:
    """A sync for what may be admitted; what is surely ignored rides with the next one."""
    counting = CountingSyncs(store)
    intake = Intake(counting, tmp_path, clock)
    await intake.ingest(given)
    assert counting.asked == [expected]
