"""Thousands of events at once: few in progress, few read ahead, none lost, each chat in order."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from platforms.events import CommandInvoked, Delivery, MessageReceived, Receipt
from platforms.slack.client import SlackAdapter
from platforms.slack.limits import EVENTS_AHEAD_MAX, EVENTS_AT_ONCE_MAX
from tests.platforms.slack.journal import ADA, GENERAL, Journal, connected, running
from tests.wire.slack import SlackServer

CHATS = 37


class Gauge:
    """Counts what is under way at once, and keeps the order of each chat."""

    def __init__(self) -> None:
        self.under_way = self.most = self.count = 0
        self.order: dict[str, list[tuple[int, ...]]] = defaultdict(list)

    async def __call__(self, delivery: Delivery) -> Receipt:
        """Store after a turn of the loop."""
        assert isinstance(delivery.events, tuple)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        (event,) = delivery.events
        assert isinstance(event, MessageReceived)
        self.order[event.chat.chat_id].append(event.order)
        self.under_way -= 1
        self.count += 1
        return Receipt.STORED


@asynccontextmanager
async def taking(adapter: SlackAdapter, gauge: Gauge) -> AsyncIterator[None]:
    """The adapter feeds the gauge while the block runs."""
    task = asyncio.create_task(adapter.run(gauge))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_backlog_at_the_start() -> None:
    """A bounded number is in progress, each is stored once, every chat keeps its order."""
    await _all_are_stored(2_000)


@pytest.mark.soak
async def test_a_backlog_of_ten_thousand() -> None:
    """The same of ten thousand."""
    await _all_are_stored(10_000)


async def _all_are_stored(number: int) -> None:
    gauge = Gauge()
    async with SlackServer() as server, connected(server) as adapter:
        async with taking(adapter, gauge):  # who Ada is costs one question, not in this order
            await server.say(chat=GENERAL, user=ADA, text="x")
            await server.settled()
        await server.connected(0)
        for each in range(number):
            await server.say(chat=f"C{10 + each % CHATS}", user=ADA, text="x")
        async with taking(adapter, gauge):
            await server.settled(timeout=600)
        assert [each.tries for each in server.deliveries] == [1] * (number + 1)
    assert (gauge.count, gauge.under_way) == (number + 1, 0)
    assert 1 < gauge.most <= EVENTS_AT_ONCE_MAX
    assert all(order == sorted(set(order)) for order in gauge.order.values())


async def test_a_socket_lives_while_nobody_reads_it() -> None:
    """With the journal held no more is read; pings go on, and all is stored once there is room."""
    room = EVENTS_AT_ONCE_MAX + EVENTS_AHEAD_MAX
    async with SlackServer() as server:
        journal = Journal()
        async with running(server, journal):
            await server.say(chat=GENERAL, user=ADA, text="x")
            await server.settled()
            journal.held = asyncio.Event()
            for _ in range(room):
                await server.say(chat=GENERAL, user=ADA, text="x")
            await journal.count(1 + EVENTS_AT_ONCE_MAX)
            [socket] = server.transport.sockets
            pings = socket.pings
            await server.transport.wait(lambda: socket.pings > pings + 2, 60)
            assert len(journal.deliveries) == 1 + EVENTS_AT_ONCE_MAX
            journal.held.set()
            await server.settled()
            assert (server.transport.sockets, server.transport.opened) == ([socket], 1)
        assert len(journal.deliveries) == 1 + room


async def test_a_command_does_not_wait_in_the_line() -> None:
    """Somebody waits three seconds for it, and it comes once."""
    async with SlackServer() as server:
        journal = Journal()
        async with running(server, journal):
            await server.say(chat=GENERAL, user=ADA, text="x")
            await server.settled()
            journal.held = asyncio.Event()
            for _ in range(EVENTS_AT_ONCE_MAX + 20):
                await server.say(chat=GENERAL, user=ADA, text="x")
            await journal.count(1 + EVENTS_AT_ONCE_MAX)
            await server.command(chat=GENERAL, user=ADA, text="status")
            await journal.count(2 + EVENTS_AT_ONCE_MAX)
            assert isinstance(journal.events[-1], CommandInvoked)
            journal.held.set()
            await server.settled()
