"""The caller's side of a Source: takes deliveries and answers with the receipts a test asks for."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from platforms.blocks import Blocks, plain
from platforms.content import Operation, Post, Sent
from platforms.discord.client import DiscordAdapter
from platforms.events import (
    Account,
    Author,
    ChatRef,
    Delivery,
    InboundEvent,
    MessageReceived,
    MessageRef,
    Receipt,
)
from tests.wire.discord import APPLICATION_ID, Channel, DiscordServer, Message

ACCOUNT = Account(platform="discord", id=str(APPLICATION_ID))


class Journal:
    """Stores every delivery unless told otherwise; `held` keeps them waiting for their receipt.

    Our own words are UNWANTED, as for the gateway, and listed apart.
    """

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.own: list[MessageReceived] = []
        self.next_receipts: deque[Receipt] = deque()
        self.held: asyncio.Event | None = None
        self._changed = asyncio.Condition()

    async def __call__(self, delivery: Delivery) -> Receipt:
        own = _own_message(delivery)
        async with self._changed:
            if own is None:
                self.deliveries.append(delivery)
            else:
                self.own.append(own)
            self._changed.notify_all()
        if own is not None:
            return Receipt.UNWANTED
        if self.held is not None:
            await self.held.wait()
        return self.next_receipts.popleft() if self.next_receipts else Receipt.STORED

    async def count(self, number: int, timeout: float = 60.0) -> list[Delivery]:
        """The deliveries, once there are that many."""
        async with self._changed, asyncio.timeout(timeout):
            await self._changed.wait_for(lambda: len(self.deliveries) >= number)
        return self.deliveries

    async def heard_own(self, number: int, timeout: float = 60.0) -> list[MessageReceived]:
        """Our own messages, once there are that many."""
        async with self._changed, asyncio.timeout(timeout):
            await self._changed.wait_for(lambda: len(self.own) >= number)
        return self.own

    async def event(self, number: int = 1) -> InboundEvent:
        """The one event of the delivery with this number, counted from 1."""
        delivery = (await self.count(number))[number - 1]
        assert isinstance(delivery.events, tuple), delivery.events
        [event] = delivery.events
        return event

    def texts(self) -> list[str]:
        """The texts of the messages so far."""
        return [
            event.text
            for delivery in self.deliveries
            if isinstance(delivery.events, tuple)
            for event in delivery.events
            if isinstance(event, MessageReceived)
        ]


def _own_message(delivery: Delivery) -> MessageReceived | None:
    match delivery.events:
        case (MessageReceived(author=Author(is_us=True)) as event,):
            return event
        case _:
            return None


def adapter_of(server: DiscordServer, **settings: Any) -> DiscordAdapter:
    """An adapter pointed at the server, that identifies again without a pause."""
    settings.setdefault("token", server.token)
    settings.setdefault("identify_wait_s", 0.0)
    return DiscordAdapter(base_url=server.api_url, **settings)


@asynccontextmanager
async def connected(server: DiscordServer, **settings: Any) -> AsyncIterator[DiscordAdapter]:
    """A connected adapter that takes no events."""
    adapter = adapter_of(server, **settings)
    try:
        await adapter.connect()
        yield adapter
    finally:
        await adapter.close()


@asynccontextmanager
async def running(
    server: DiscordServer, journal: Callable[[Delivery], Awaitable[Receipt]], **settings: Any
) -> AsyncIterator[DiscordAdapter]:
    """An adapter that feeds the journal while the block runs, its gateway ready."""
    async with connected(server, **settings) as adapter:
        task = asyncio.create_task(adapter.run(journal))
        try:
            await server.gateway.ready()
            yield adapter
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def chat_of(channel: Channel) -> ChatRef:
    """A channel, thread or direct message as the adapter names it."""
    space = str(channel.guild.id) if channel.guild is not None else None
    if channel.parent is not None:
        parent, thread = str(channel.parent.id), str(channel.id)
        return ChatRef(account=ACCOUNT, space=space, chat_id=parent, thread_id=thread)
    return ChatRef(account=ACCOUNT, space=space, chat_id=str(channel.id))


def ref_of(message: Message) -> MessageRef:
    """A message as the adapter names it."""
    return MessageRef(chat=chat_of(message.channel), message_id=str(message.id))


def post(channel: Channel, body: Blocks | str, nonce: str = "n", **more: Any) -> Post:
    """A message to post."""
    blocks = plain(body) if isinstance(body, str) else body
    return Post(chat=chat_of(channel), body=blocks, nonce=nonce, **more)


async def posted(adapter: DiscordAdapter, operation: Operation) -> MessageRef:
    """Perform and return where it stands."""
    outcome = await adapter.perform(operation)
    assert isinstance(outcome, Sent)
    return outcome.message
