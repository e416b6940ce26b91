"""The caller's side of a Source: takes deliveries and answers with the receipts a test asks for."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from platforms.blocks import Blocks, plain
from platforms.content import Post, Sent
from platforms.events import Account, ChatRef, Delivery, MessageReceived, MessageRef, Receipt
from platforms.telegram.client import TelegramAdapter
from platforms.telegram.polling import Pace
from tests.wire.server import Seen
from tests.wire.telegram import TelegramServer

ADA = 1001
TEAM = -1001500
QUICK = Pace(wait_s=1, busy_s=0, retry_s=0, conflict_s=0)


class Journal:
    """Stores every delivery unless told otherwise; `held` keeps one waiting for its receipt."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.next_receipts: deque[Receipt] = deque()
        self.held: asyncio.Event | None = None
        self._changed = asyncio.Condition()

    async def __call__(self, delivery: Delivery) -> Receipt:
        async with self._changed:
            self.deliveries.append(delivery)
            self._changed.notify_all()
        if self.held is not None:
            await self.held.wait()
        return self.next_receipts.popleft() if self.next_receipts else Receipt.STORED

    async def count(self, number: int) -> list[Delivery]:
        """The deliveries, once there are that many."""
        async with self._changed, asyncio.timeout(60):
            await self._changed.wait_for(lambda: len(self.deliveries) >= number)
        return self.deliveries

    def texts(self) -> list[str]:
        """The texts of the messages so far."""
        return [
            event.text
            for delivery in self.deliveries
            if isinstance(delivery.events, tuple)
            for event in delivery.events
            if isinstance(event, MessageReceived)
        ]


def adapter_of(server: TelegramServer, **settings: Any) -> TelegramAdapter:
    """An adapter pointed at the server, with short pauses."""
    return TelegramAdapter(token=server.token, base_url=server.url, **({"pace": QUICK} | settings))


@asynccontextmanager
async def connected(server: TelegramServer, **settings: Any) -> AsyncIterator[TelegramAdapter]:
    """A connected adapter that takes no updates."""
    adapter = adapter_of(server, **settings)
    try:
        await adapter.connect()
        yield adapter
    finally:
        await adapter.close()


@asynccontextmanager
async def running(
    server: TelegramServer, journal: Callable[[Delivery], Any], **settings: Any
) -> AsyncIterator[TelegramAdapter]:
    """An adapter that feeds the journal while the block runs."""
    async with connected(server, **settings) as adapter:
        task = asyncio.create_task(adapter.run(journal))
        try:
            yield adapter
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def chat_of(server: TelegramServer, chat: int, thread: int | None = None) -> ChatRef:
    """A chat of the server's bot."""
    account = Account(platform="telegram", id=str(server.world.us.id))
    return ChatRef(
        account=account, chat_id=str(chat), thread_id=None if thread is None else str(thread)
    )


def post(chat: ChatRef, body: Blocks | str, **more: Any) -> Post:
    """A message to post."""
    blocks = plain(body) if isinstance(body, str) else body
    return Post(chat=chat, body=blocks, nonce="n", **more)


async def posted(adapter: TelegramAdapter, operation: Post) -> MessageRef:
    """Post and return where it stands."""
    outcome = await adapter.perform(operation)
    assert isinstance(outcome, Sent)
    return outcome.message


def offsets(record: list[Seen]) -> list[int]:
    """The offsets of all polls that the server understood; one that a fault took has none."""
    polls = (seen.arguments for seen in record if seen.operation == "getUpdates")
    return [int(arguments["offset"]) for arguments in polls if arguments]


def poll_from(offset: int) -> Callable[[Seen], bool]:
    """Whether a request is a poll that confirms everything below `offset`."""
    return lambda seen: offsets([seen]) == [offset]
