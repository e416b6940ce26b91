"""A gateway small enough to script, behind the real listener and the real page.

It journals into a list, keeps the history the page reads, and lets a test answer by hand through
the adapter, exactly as delivery would.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

import aiohttp

from gateway.config import Listen, Secret, WebConfig
from gateway.web import HealthReport, WebServer
from platforms.blocks import Blocks
from platforms.content import Controls, Edit, Post, Typing
from platforms.errors import PlatformUnavailable
from platforms.events import (
    ChatRef,
    Delivery,
    Ignored,
    InboundEvent,
    MessageReceived,
    MessageRef,
    Receipt,
)
from platforms.markup import parse
from platforms.web.client import WebAdapter
from platforms.web.feed import Patience
from platforms.web.history import Answering, ChatSummary, HistoryItem, StoredFile
from platforms.web.parse import ACCOUNT
from tests.keeping import Keeping

AT_ONCE_S = 25.0
"""Ample for what takes milliseconds, less than the slow are given before they are dropped."""

LOOPBACK = Listen(host="127.0.0.1", port=0)
MODEL = Answering(provider="main", model="gpt-5")


@dataclass(slots=True)
class StandInGateway:
    """What the page sees of a gateway: it fulfils `Ingest`, `History` and `Health`."""

    answering_now: Answering = MODEL
    receipt: Receipt = Receipt.STORED
    deliveries: list[Delivery] = field(default_factory=list)
    items: dict[str, dict[str, HistoryItem]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    files: dict[str, StoredFile] = field(default_factory=dict)
    keep: Keeping = field(default_factory=Keeping)
    well: bool = True
    readable: bool = True
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    admits: asyncio.Event = field(default_factory=asyncio.Event)
    on_event: Callable[[InboundEvent], Awaitable[None]] | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.admits.set()

    async def ingest(self, delivery: Delivery) -> Receipt:
        """Journal; wait while the test holds `admits`; answer `receipt`."""
        self.asked.set()
        await self.admits.wait()
        if self.receipt is not Receipt.STORED:
            return self.receipt
        async with self.arrived:
            self.deliveries.append(delivery)
            self.arrived.notify_all()
        assert not isinstance(delivery.events, Ignored)
        for event in delivery.events:
            if isinstance(event, MessageReceived):
                self._keep(event)
            if self.on_event is not None:
                task = asyncio.ensure_future(self.on_event(event))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
        return Receipt.STORED

    def _keep(self, event: MessageReceived) -> None:
        chat_id = event.chat.chat_id
        self.owners[chat_id] = event.author.id
        item = HistoryItem(
            message_id=event.message.message_id,
            speaker="user",
            body=event.text,
            at=event.occurred_at,
        )
        self.items.setdefault(chat_id, {}).setdefault(item.message_id, item)

    def remember(
        self,
        message: MessageRef,
        body: Blocks,
        controls: Controls = (),
        file: StoredFile | None = None,
    ) -> None:
        """An answer is stored as it finally stands."""
        if file is not None:
            self.files[message.message_id] = file
        item = HistoryItem(
            message_id=message.message_id,
            speaker="assistant",
            body=body,
            at=datetime.now(UTC),
            controls=controls,
            file_name=file.name if file else None,
        )
        self.items.setdefault(message.chat.chat_id, {})[item.message_id] = item

    async def event(self, number: int) -> InboundEvent:
        """The event of the delivery with this number, from 0, once it has arrived."""
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.deliveries) > number)
        events = self.deliveries[number].events
        assert not isinstance(events, Ignored)
        return events[0]

    async def chats(self, user: str) -> tuple[ChatSummary, ...]:
        """`History.chats`: titled by the first message."""
        found = [
            ChatSummary(
                chat=ChatRef(account=ACCOUNT, chat_id=chat_id),
                title=next(
                    (str(x.body) for x in items.values() if x.speaker == "user"), "untitled"
                ),
                changed_at=max(item.at for item in items.values()),
            )
            for chat_id, items in self.items.items()
            if self.owners[chat_id] == user
        ]
        return tuple(sorted(found, key=lambda one: one.changed_at, reverse=True))

    async def messages(self, chat: ChatRef) -> tuple[HistoryItem, ...]:
        """`History.messages`."""
        if not self.readable:
            raise PlatformUnavailable("the store is away")
        return tuple(self.items.get(chat.chat_id, {}).values())

    async def file(self, chat: ChatRef, message_id: str) -> StoredFile | None:
        """`History.file`."""
        if not self.readable:
            raise PlatformUnavailable("the store is away")
        known = message_id in self.items.get(chat.chat_id, {})
        return self.files.get(message_id) if known else None

    async def answering(self, chat: ChatRef) -> Answering:
        """`History.answering`."""
        return self.answering_now

    async def alive(self) -> HealthReport:
        """`Health.alive`."""
        return HealthReport(ok=True, parts={"loop": "turns", "writer": "writes"})

    async def ready(self) -> HealthReport:
        """`Health.ready`."""
        return HealthReport(ok=self.well, parts={"store": "open" if self.well else "closed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The page, up: its address, its adapter, the gateway behind it, and a client on it."""

    url: str
    adapter: WebAdapter
    gateway: StandInGateway
    server: WebServer
    client: aiohttp.ClientSession
    taking: asyncio.Task[None]

    async def stop_taking(self) -> None:
        """End `run` of the adapter, as the supervisor would."""
        self.taking.cancel()
        await asyncio.wait([self.taking])

    async def show(self, message: MessageRef, text: str, *, last: bool = False) -> None:
        """One state of a growing answer; the last one is stored as well."""
        body = parse(text)
        if last:
            self.gateway.remember(message, body)
        await self.adapter.perform(Edit(message=message, body=body))

    async def answer(self, chat: ChatRef, *states: str) -> MessageRef:
        """A whole turn: working, growing through `states`, done."""
        first, *rest = states
        await self.adapter.perform(Typing(chat=chat))
        message = MessageRef(chat=chat, message_id=uuid4().hex[:20])
        await self.adapter.perform(Post(chat=chat, body=parse(first), nonce=message.message_id))
        for state in rest:
            await self.show(message, state)
        await self.show(message, states[-1], last=True)
        await self.adapter.perform(Typing(chat=chat, on=False))
        return message


def new_conversation() -> str:
    """The address of a chat that does not exist yet."""
    return str(uuid4())


@asynccontextmanager
async def running_page(
    gateway: StandInGateway | None = None,
    *,
    token: str | None = None,
    listen: Listen = LOOPBACK,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    patience: Patience | None = None,
) -> AsyncIterator[Running]:
    """The whole web surface on a free port of this machine."""
    gateway = gateway or StandInGateway()
    adapter = WebAdapter(
        history=gateway,
        secret=b"test",
        now=now,
        new_id=lambda: str(uuid4()),
        keep=gateway.keep,
        patience=patience,
    )
    config = WebConfig(listen=listen, token=Secret(token) if token else None)
    server = WebServer(config, routes=adapter.routes(), health=gateway, now=now)
    await server.start()
    taking = asyncio.create_task(adapter.run(gateway.ingest))
    # One turn of the loop, so that the adapter takes messages before the first request.
    await asyncio.sleep(0)
    jar = aiohttp.CookieJar(unsafe=True)
    try:
        async with aiohttp.ClientSession(server.url, cookie_jar=jar) as client:
            yield Running(
                url=server.url,
                adapter=adapter,
                gateway=gateway,
                server=server,
                client=client,
                taking=taking,
            )
    finally:
        taking.cancel()
        await asyncio.gather(taking, *gateway.tasks, return_exceptions=True)
        await adapter.close()
        await server.stop()
