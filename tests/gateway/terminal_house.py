"""A gateway but for its agent and its store, which the test plays: terminals come and go, and so
does it."""

import asyncio
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.control import ControlServer
from gateway.errors import GatewayError
from platforms.blocks import plain
from platforms.content import Edit, Post
from platforms.events import ButtonPressed, Delivery, Ignored, MessageReceived, MessageRef, Receipt
from platforms.terminal.client import TerminalAdapter
from platforms.terminal.parse import chat_of
from tests.keeping import Keeping

CHAT = chat_of(os.getuid())
SESSION = f"terminal:local|terminal:{CHAT.chat_id}"


@dataclass(slots=True)
class Desk:
    """A gateway's state as `status` tells it; `asked` is set at each question."""

    running: list[dict[str, str]] = field(default_factory=list)
    waiting: dict[str, int] = field(default_factory=dict)
    outbox: dict[str, int] = field(default_factory=dict)
    open_turns: list[dict[str, str]] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def status(self) -> Any:
        """See Operator."""
        self.asked.set()
        return {
            "running": self.running,
            "waiting": self.waiting,
            "outbox": self.outbox,
            "rows": {"turns": self.open_turns},
        }

    async def why(self, ident: str) -> tuple[str, ...]:
        """See Operator."""
        return ()

    async def send(self, chat: str, text: str, key: str | None) -> Any:
        """See Operator."""
        raise GatewayError("nobody sends here")

    async def questioned(self) -> None:
        """Return once somebody asks anew."""
        self.asked.clear()
        async with asyncio.timeout(60):
            await self.asked.wait()


class House:
    """One state directory, in which a gateway runs from `open` to `shut`."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.desk = Desk()
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        """The text of each message, the payload of each press, as often as it came."""
        self.keys: list[str] = []
        self.receipt = Receipt.STORED
        self.stored = asyncio.Event()
        """Cleared, nothing that comes is confirmed."""

        self.stored.set()
        self.adapter: TerminalAdapter
        self._running: asyncio.Task[None] | None = None
        self._server: ControlServer | None = None

    async def open(self) -> None:
        """Start a gateway."""
        self.adapter = TerminalAdapter(now=lambda: datetime.now(UTC), keep=Keeping())
        self._running = asyncio.create_task(self.adapter.run(self._ingest))
        self._server = ControlServer(self.place, operator=self.desk, terminals=self.adapter)
        await self._server.start()

    async def shut(self) -> None:
        """End it, if one runs."""
        if self._server is None or self._running is None:
            return
        server, self._server = self._server, None
        await self.adapter.close()
        await server.close()
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    async def post(self, text: str, nonce: str) -> None:
        """Show a message."""
        await self.adapter.perform(Post(chat=CHAT, body=plain(text), nonce=nonce))

    async def edit(self, text: str, nonce: str) -> None:
        """Change it."""
        message = MessageRef(chat=CHAT, message_id=nonce)
        await self.adapter.perform(Edit(message=message, body=plain(text)))

    async def _ingest(self, delivery: Delivery) -> Receipt:
        if isinstance(delivery.events, Ignored):
            return Receipt.STORED
        (event,) = delivery.events
        self.keys.append(event.delivery_key)
        if isinstance(event, MessageReceived):
            self.heard.put_nowait(event.text)
        elif isinstance(event, ButtonPressed):
            self.heard.put_nowait(event.payload)
        await self.stored.wait()
        return self.receipt
