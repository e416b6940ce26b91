"""Thousands of events at once: one in progress, few read ahead, none lost, each chat in order."""

import asyncio
from collections import defaultdict

import pytest

from platforms.discord.client import DiscordAdapter
from platforms.events import Delivery, MessageReceived, Receipt
from tests.platforms.discord.journal import running
from tests.wire.discord import DiscordServer

CHATS = 37
ROOM = 100


class Gauge:
    """Counts what is under way and read ahead at once, and keeps the order of each chat."""

    def __init__(self) -> None:
        self.under_way = self.most = self.ahead = 0
        self.adapter: DiscordAdapter | None = None
        self.order: dict[str, list[tuple[int, ...]]] = defaultdict(list)
        self._changed = asyncio.Condition()

    async def __call__(self, delivery: Delivery) -> Receipt:
        """Store after a turn of the loop."""
        if not isinstance(delivery.events, tuple):
            return Receipt.STORED
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        if self.adapter is not None:
            waiting = self.adapter.liveness().facts.get("waiting", "0")
            self.ahead = max(self.ahead, int(waiting))
        await asyncio.sleep(0)
        (event,) = delivery.events
        assert isinstance(event, MessageReceived)
        self.order[event.chat.chat_id].append(event.order)
        self.under_way -= 1
        async with self._changed:
            self._changed.notify_all()
        return Receipt.STORED

    @property
    def count(self) -> int:
        """How many were stored."""
        return sum(map(len, self.order.values()))

    async def stored(self, number: int) -> None:
        """Return once that many are."""
        async with self._changed, asyncio.timeout(120):
            await self._changed.wait_for(lambda: self.count >= number)


async def test_a_backlog_of_thousands() -> None:
    """One is in progress, a bounded number waits, each is stored once, every chat in order."""
    await _all_are_stored(1_000)


@pytest.mark.soak
async def test_a_backlog_of_ten_thousand() -> None:
    """The same of ten thousand."""
    await _all_are_stored(10_000)


async def _all_are_stored(number: int) -> None:
    gauge = Gauge()
    async with DiscordServer() as server:
        channels = [server.add_channel(f"room{each}") for each in range(CHATS)]
        async with running(server, gauge, room=ROOM) as adapter:
            gauge.adapter = adapter
            for each in range(number):
                await server.say(channels[each % CHATS], server.ada, "x")
            await gauge.stored(number)
    assert (gauge.count, gauge.under_way, gauge.most) == (number, 0, 1)
    assert ROOM / 2 < gauge.ahead <= ROOM
    assert all(order == sorted(set(order)) for order in gauge.order.values())
