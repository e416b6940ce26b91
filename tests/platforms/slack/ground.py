"""A server and an adapter in the test's own time, and ways to lose messages between them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from platforms.events import Gap, MessageReceived, MessageRef
from platforms.slack.client import SlackAdapter
from tests.platforms.slack.journal import ADA, GENERAL, Journal, chat_of, connected
from tests.platforms.slack.moments import Moments, settle
from tests.wire.server import Answer
from tests.wire.slack import SlackServer

HISTORY, REPLIES = "conversations.history", "conversations.replies"


@dataclass
class Ground:
    """A server and an adapter that live in the test's own time."""

    time: Moments
    server: SlackServer
    journal: Journal = field(default_factory=Journal)
    gaps: list[Gap] = field(default_factory=list)
    adapter: SlackAdapter | None = None

    async def on_gap(self, gap: Gap) -> None:
        """Keeps what is reported."""
        self.gaps.append(gap)

    @asynccontextmanager
    async def running(self, **settings: Any) -> AsyncIterator[SlackAdapter]:
        """An adapter whose first socket stands."""
        settings = {
            "ping_interval_s": 5.0,
            "stale_s": 20.0,
            "second_after_s": 9_999.0,
            "clock": self.time.clock,
            "now": self.time.now,
            "sleep": self.time.sleep,
            "jitter": lambda: 0.0,
            "on_gap": self.on_gap,
            **settings,
        }
        async with connected(self.server, **settings) as adapter:
            run = asyncio.create_task(adapter.run(self.journal))
            try:
                await self.server.connected()
                await settle()
                self.adapter = adapter
                yield adapter
            finally:
                run.cancel()
                with suppress(asyncio.CancelledError):
                    await run

    async def told(self, text: str, *, chat: str = GENERAL, thread: str | None = None) -> str:
        """A message that arrives by event."""
        ts = await self.server.say(chat=chat, user=ADA, text=text, thread=thread)
        await self.server.settled()
        return ts

    async def untold(self, *texts: str, chat: str = GENERAL, thread: str | None = None) -> str:
        """Messages Slack never tells of; gives the last one's ts."""
        self.server.forgetful = True
        ts = ""
        for text in texts:
            self.time.skip(0.01)
            ts = await self.server.say(chat=chat, user=ADA, text=text, thread=thread)
        self.server.forgetful = False
        return ts

    @asynccontextmanager
    async def cut_off(self) -> AsyncIterator[None]:
        """No socket stands while the block runs, and one does a second later."""
        opened = self.server.transport.opened
        self.server.faults.add("apps.connections.open", Answer(status=500))
        self.server.transport.cut()
        await settle()
        yield
        await self.time.advance(1)
        await self.server.connected(1, opened=opened + 1)
        await settle()

    async def reported(self, number: int = 1) -> Gap:
        """The gap with that number, once it is over."""
        async with asyncio.timeout(60):
            while len(self.gaps) < number:
                await self.time.advance(0.5)
        return self.gaps[number - 1]

    def late(self) -> list[str]:
        """The texts that were read back, in the order they came."""
        return [e.text for e in self.received() if e.late]

    def received(self) -> list[MessageReceived]:
        """Every message that came."""
        return [event for event in self.journal.events if isinstance(event, MessageReceived)]


def mark_of(ground: Ground, ts: str, chat: str = GENERAL, thread: str | None = None) -> MessageRef:
    """What an earlier process stored last in a place."""
    return MessageRef(chat=chat_of(ground.server, chat, thread), message_id=ts)
