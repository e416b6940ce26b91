"""What an offset confirms, whatever the ids and however often the adapter dies in between."""

import asyncio
import itertools
import json
from collections import defaultdict
from contextlib import suppress
from typing import Any

import pytest

from platforms.events import Delivery, Ignored, InboundEvent, MessageReceived, Receipt
from platforms.telegram.limits import POLL_BATCH
from tests.platforms.telegram.journal import (
    ADA,
    Journal,
    connected,
    offsets,
    poll_from,
    running,
)
from tests.wire.server import Answer
from tests.wire.telegram import TelegramServer


class Rows:
    """A journal that knows both keys of what it has stored, and dies where a test wants it."""

    def __init__(self) -> None:
        self.events: dict[str, InboundEvent] = {}
        self.logical: set[str] = set()
        self.taken = 0
        self.dies_at = 0
        self.died = asyncio.Event()

    async def __call__(self, delivery: Delivery) -> Receipt:
        """Store each event once; from the fatal delivery on nothing is stored or answered."""
        self.taken += 1
        if self.taken == self.dies_at:
            self.died.set()
        if self.died.is_set():
            await asyncio.Event().wait()
        if not isinstance(delivery.events, Ignored):
            for event in delivery.events:
                if event.logical_key not in self.logical:
                    self.logical.add(event.logical_key)
                    self.events.setdefault(event.delivery_key, event)
        return Receipt.STORED

    def texts(self) -> list[str]:
        """What is stored, in order of arrival."""
        return [e.text for e in self.events.values() if isinstance(e, MessageReceived)]


async def batch(server: TelegramServer, *payloads: Any) -> None:
    """The next poll is answered with exactly these updates."""
    body = json.dumps({"ok": True, "result": payloads}).encode()
    server.faults.add("getUpdates", Answer(status=200, body=body))


def update(number: int, text: str, *, message_id: int = 0) -> dict[str, Any]:
    """A message of Ada's under an update id."""
    ada = {"id": ADA, "is_bot": False, "first_name": "Ada"}
    chat = {"id": ADA, "type": "private", "first_name": "Ada"}
    message = {"message_id": message_id or number, "date": 1_760_000_000, "text": text}
    return {"update_id": number, "message": {**message, "from": ada, "chat": chat}}


@pytest.mark.parametrize("dies_at", range(1, 7))
async def test_a_kill_at_any_update_loses_and_doubles_nothing(dies_at: int) -> None:
    """A new process polls from nothing; what was stored unconfirmed is known by its keys."""
    texts = [f"message {number}" for number in range(6)]
    rows = Rows()
    rows.dies_at = dies_at
    async with TelegramServer() as server:
        for text in texts[:3]:
            await server.say(chat=ADA, user=ADA, text=text)
        async with connected(server) as killed:
            run = asyncio.create_task(killed.run(rows))
            if dies_at > 3:  # after one confirmed batch
                await server.seen(poll_from(100_004))
            for text in texts[3:]:
                await server.say(chat=ADA, user=ADA, text=text)
            await asyncio.wait_for(rows.died.wait(), 60)
            run.cancel()
            with suppress(asyncio.CancelledError):
                await run
        rows.dies_at = 0
        rows.died.clear()
        async with running(server, rows):
            await server.seen(poll_from(100_007))
        assert server.updates.pending == {}
    assert rows.texts() == texts


@pytest.mark.parametrize("number", [-1, -5, 0, 2_000_000_001, 2**62, 2**70, True, 1.5, "7", None])
async def test_a_senseless_id_never_becomes_an_offset(number: Any) -> None:
    """A negative one would drop the backlog, a huge one would confirm what is still to come."""
    rows = Rows()
    async with TelegramServer() as server:
        await batch(server, {"update_id": number, "message": {}})
        await batch(server, update(100_001, "one"), {"update_id": number, "message": {}})
        await server.say(chat=ADA, user=ADA, text="one")
        await server.say(chat=ADA, user=ADA, text="two")
        async with running(server, rows):
            await server.seen(poll_from(100_003))
        assert set(offsets(server.record)) == {100_002, 100_003}
    assert rows.texts()[:2] == ["one", "two"]


async def test_one_poisoned_update_among_a_hundred() -> None:
    """Whatever stands in its place, ninety-nine are stored and the offset moves on."""
    poisons: tuple[Any, ...] = (
        {"update_id": 50},
        {"update_id": 50, "message": "text"},
        {"update_id": 50, "message": {"chat": {"id": 2**70, "type": "private"}}},
        {"update_id": 50, "message": {"text": ["x"], "chat": {"id": 1}, "from": {}}},
        {"update_id": 50, "message": update(50, "\ud83d\x00" * 3)["message"] | {"date": -1}},
        {"update_id": 50, "callback_query": {"id": None, "data": "x" * 65}},
        [1, [2, [3]]],
        None,
    )
    for poison in poisons:
        rows = Rows()
        updates = [update(number, f"{number}") for number in range(1, 101)]
        updates[49] = poison
        async with TelegramServer() as server:
            await batch(server, *updates)
            async with running(server, rows):
                await server.seen(poll_from(101))
        assert rows.texts() == [f"{n}" for n in range(1, 101) if n != 50]


async def test_duplicates_and_reordering_in_one_batch() -> None:
    """One row an update; the offset is above the highest; `order` restores the order."""
    rows = Rows()
    async with TelegramServer() as server:
        await batch(
            server, update(9, "c"), update(7, "a"), update(8, "b"), update(7, "a"), update(9, "c")
        )
        async with running(server, rows):
            await server.seen(poll_from(10))
    stored = [e for e in rows.events.values() if isinstance(e, MessageReceived)]
    assert [e.text for e in sorted(stored, key=lambda e: e.order)] == ["a", "b", "c"]


async def test_one_act_under_two_update_ids() -> None:
    """The same message under a new update id is the same act."""
    rows = Rows()
    async with TelegramServer() as server:
        await batch(server, update(7, "once", message_id=3))
        await batch(server, update(8, "once", message_id=3))
        async with running(server, rows):
            await server.seen(poll_from(9))
    assert rows.texts() == ["once"]


async def test_an_old_id_that_comes_late() -> None:
    """Neither it nor what comes after is lost or doubled, however far the offset had come."""
    rows = Rows()
    async with TelegramServer() as server, running(server, rows):
        await server.say(chat=ADA, user=ADA, text="one")
        await server.seen(poll_from(100_002))
        await server.redeliver(update(40, "late"))
        await server.seen(poll_from(41))
        await server.say(chat=ADA, user=ADA, text="two")
        await server.seen(poll_from(100_003))
    assert rows.texts() == ["one", "late", "two"]


async def test_a_drawn_id_that_was_used_before() -> None:
    """After an idle week ids are drawn anew; one of them may name another message."""
    rows = Rows()
    async with TelegramServer() as server, running(server, rows):
        await server.say(chat=ADA, user=ADA, text="before")
        await server.seen(poll_from(100_002))
        server.jump_ids(60_000)
        await server.say(chat=ADA, user=ADA, text="lower")
        await server.seen(poll_from(60_001))
        server.jump_ids(100_001)
        since = len(server.record)
        await server.say(chat=ADA, user=ADA, text="the same id")
        await server.seen(poll_from(100_002), since=since)
    assert rows.texts() == ["before", "lower", "the same id"]


async def test_a_busy_journal_gets_the_same_batch_until_it_stores_it() -> None:
    """The offset stands still for as long as anything of the batch is not stored."""
    # Within half a second the server would answer the same offset with one update only.
    ticks = itertools.count()
    async with TelegramServer(clock=lambda: float(next(ticks))) as server:
        journal = Journal()
        for text in ("one", "two", "three"):
            await server.say(chat=ADA, user=ADA, text=text)
        journal.next_receipts.extend([Receipt.STORED, Receipt.BUSY] * 5)
        async with running(server, journal):
            await server.seen(poll_from(100_004))
        assert set(offsets(server.record)) == {0, 100_004}
        assert journal.texts()[-1] == "three"


class Gauge:
    """Counts what is under way at once, and what comes for each chat."""

    def __init__(self) -> None:
        self.under_way = self.most = self.count = 0
        self.order: dict[str, list[int]] = defaultdict(list)

    async def __call__(self, delivery: Delivery) -> Receipt:
        """Store after a turn of the loop."""
        assert isinstance(delivery.events, tuple)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        (event,) = delivery.events
        self.order[event.chat.chat_id].append(event.order[0])
        self.under_way -= 1
        self.count += 1
        return Receipt.STORED


async def test_a_backlog_of_ten_thousand() -> None:
    """One batch at a time is in memory, no update is dropped, every chat keeps its order."""
    gauge = Gauge()
    async with TelegramServer() as server:
        for number in range(10_000):
            user = ADA + number % 37
            await server.say(chat=user, user=user, text="x")
        async with running(server, gauge):
            await server.seen(poll_from(110_001))
        assert server.updates.pending == {}
        answered = [s for s in server.record if s.operation == "getUpdates" and s.status == 200]
        assert len(answered) >= 10_000 / POLL_BATCH
    assert (gauge.count, gauge.under_way) == (10_000, 0)
    assert gauge.most <= POLL_BATCH
    assert all(order == sorted(set(order)) for order in gauge.order.values())
