"""The caller's side of a Source: takes deliveries and answers with the receipts a test asks for."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import web

from platforms.base import Ingest
from platforms.blocks import Blocks, plain
from platforms.content import Post, Sent
from platforms.events import Account, ChatRef, Delivery, InboundEvent, MessageRef, Receipt
from platforms.slack.client import SlackAdapter
from tests.wire.slack import SlackServer

ADA = "U1"
GENERAL = "C1"
DM = "D1"
PING_S, STALE_S = 0.2, 60.0
"""Often asked, and given long to answer: what a slow machine says late is no silence."""


class Journal:
    """Stores every delivery unless told otherwise; `held` keeps one waiting for its receipt."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.next_receipts: deque[Receipt] = deque()
        self.held: asyncio.Event | None = None
        self.stored = 0
        self._changed = asyncio.Condition()

    async def __call__(self, delivery: Delivery) -> Receipt:
        async with self._changed:
            self.deliveries.append(delivery)
            self._changed.notify_all()
        if self.held is not None:
            await self.held.wait()
        receipt = self.next_receipts.popleft() if self.next_receipts else Receipt.STORED
        self.stored += receipt is Receipt.STORED
        return receipt

    async def count(self, number: int) -> list[Delivery]:
        """The deliveries, once there are that many."""
        async with self._changed, asyncio.timeout(60):
            await self._changed.wait_for(lambda: len(self.deliveries) >= number)
        return self.deliveries

    @property
    def events(self) -> list[InboundEvent]:
        """Every event so far."""
        return [
            event
            for delivery in self.deliveries
            if isinstance(delivery.events, tuple)
            for event in delivery.events
        ]


def adapter_of(server: SlackServer, *, http: bool = False, **settings: Any) -> SlackAdapter:
    """An adapter pointed at the server, with short pauses."""
    if http:
        way: dict[str, Any] = {"signing_secret": server.signing_secret}
    else:
        way = {"app_token": server.app_token, "ping_interval_s": PING_S, "stale_s": STALE_S}
    way |= {"ack_limit_s": STALE_S, "names_within_s": STALE_S}
    return SlackAdapter(
        **({"bot_token": server.bot_token, "base_url": f"{server.url}/api/"} | way | settings)
    )


def warping() -> dict[str, Any]:
    """Settings of an adapter on a loop whose clock jumps: as in earnest, by that clock."""
    clock = asyncio.get_running_loop().time
    return {"clock": clock, "ping_interval_s": 5.0, "stale_s": 20.0}


@asynccontextmanager
async def connected(server: SlackServer, **settings: Any) -> AsyncIterator[SlackAdapter]:
    """A connected adapter that takes no events."""
    adapter = adapter_of(server, **settings)
    try:
        await adapter.connect()
        yield adapter
    finally:
        await adapter.close()


@asynccontextmanager
async def running(
    server: SlackServer, journal: Ingest, *, http: bool = False, **settings: Any
) -> AsyncIterator[SlackAdapter]:
    """An adapter that feeds the journal while the block runs, and can be reached by the server."""
    async with connected(server, http=http, **settings) as adapter, listening(adapter) as url:
        task = asyncio.create_task(adapter.run(journal))
        try:
            if http:
                await asyncio.sleep(0)  # `run` takes requests before it first waits for anything
                assert adapter.liveness().connected
                server.push_to(url)
            else:
                await server.connected()
            yield adapter
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@asynccontextmanager
async def listening(adapter: SlackAdapter) -> AsyncIterator[str]:
    """The adapter's routes on a listener; gives the address of the events."""
    app = web.Application()
    for route in adapter.routes():
        app.router.add_route(route.method, route.path, route.handler)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.2)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    finally:
        await runner.cleanup()


def chat_of(server: SlackServer, chat: str, thread: str | None = None) -> ChatRef:
    """A chat of the server's bot."""
    account = Account(platform="slack", id=server.world.app_id)
    return ChatRef(account=account, space=server.world.team, chat_id=chat, thread_id=thread)


def post(chat: ChatRef, body: Blocks | str, **more: Any) -> Post:
    """A message to post."""
    blocks = plain(body) if isinstance(body, str) else body
    return Post(chat=chat, body=blocks, **({"nonce": "n1"} | more))


async def posted(adapter: SlackAdapter, operation: Post) -> MessageRef:
    """Post and return where it stands."""
    outcome = await adapter.perform(operation)
    assert isinstance(outcome, Sent)
    return outcome.message
