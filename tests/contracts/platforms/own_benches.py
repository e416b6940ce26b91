"""The page and the terminal, whose server is the adapter itself."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from html import unescape
from typing import Any, Self
from uuid import uuid4

import aiohttp

from gateway.config import Listen, WebConfig
from gateway.web import WebServer
from platforms.base import Adapter, Route
from platforms.blocks import plain_text
from platforms.events import ChatRef, MessageRef
from platforms.terminal.client import TerminalAdapter
from platforms.terminal.limits import LINE_MAX_BYTES
from platforms.terminal.parse import Person
from platforms.terminal.parse import chat_of as terminal_chat
from platforms.terminal.wire import (
    MessageGone,
    MessageShown,
    NotStored,
    Press,
    Push,
    Say,
    Stored,
    Working,
    act_line,
    read_push,
    unfolded,
)
from platforms.web.client import WebAdapter
from platforms.web.parse import chat_of as web_chat
from tests.contracts.platforms.journal import PATIENCE_S
from tests.keeping import Keeping
from tests.platforms.web.browser_model import BrowserModel, EventReader
from tests.platforms.web.stand_in import StandInGateway
from tests.platforms.web.strict_html import read_strictly

CONVERSATION = "0b8b4b0e-64ba-4e4b-9a3c-0d8f2b6c1a11"
ANN = Person(uid=1000, login="ann")


def now() -> datetime:
    """The time of both surfaces."""
    return datetime.now(UTC)


class _Own:
    """The part of a bench that surfaces without a server share: pushes are waited for."""

    server = None
    post = edit = typing = ""

    def __init__(self) -> None:
        self._came = asyncio.Condition()
        self._stored: list[str] = []

    async def _push_came(self) -> None:
        async with self._came:
            self._came.notify_all()

    async def _until(self, wanted: Any) -> None:
        async with self._came, asyncio.timeout(PATIENCE_S):
            await self._came.wait_for(wanted)

    async def acknowledged(self, number: int) -> None:
        await self._until(lambda: len(self._stored) >= number)

    @property
    def acknowledgements(self) -> int:
        return len(self._stored)


class WebBench(_Own):
    """An open page: its forms go as the script sends them, its log is what was pushed."""

    name = "web"

    def __init__(self, adapter: Adapter, http: aiohttp.ClientSession, token: str) -> None:
        super().__init__()
        self.adapter = adapter
        self.chat = web_chat("local", CONVERSATION)
        self.refused: list[int] = []
        self.http = http
        self.url = ""
        self._token = token
        self._log = BrowserModel()
        self._mine: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, *more: Route, port: int = 0) -> AsyncIterator[Self]:
        """The page, and a browser on it; `more` routes of others are on the same listener."""
        adapter = WebAdapter(
            history=StandInGateway(),
            secret=b"test",
            now=now,
            new_id=lambda: str(uuid4()),
            keep=Keeping(),
        )
        config = WebConfig(listen=Listen(host="127.0.0.1", port=port), token=None)
        routes = (*adapter.routes(), *more)
        server = WebServer(config, routes=routes, health=StandInGateway(), now=now)
        await server.start()
        jar = aiohttp.CookieJar(unsafe=True)
        try:
            async with aiohttp.ClientSession(server.url, cookie_jar=jar) as http:
                async with http.get("/form") as answer:
                    token = str((await answer.json())["token"])
                bench = cls(adapter, http, token)
                bench.url = server.url
                reading = asyncio.create_task(bench._read())
                try:
                    yield bench
                finally:
                    reading.cancel()
                    await asyncio.gather(reading, *bench._tasks, return_exceptions=True)
        finally:
            await adapter.close()
            await server.stop()

    async def _read(self) -> None:
        events, path = EventReader(), f"/chat/{CONVERSATION}/events"
        endless = aiohttp.ClientTimeout()
        while True:
            headers = {"Last-Event-ID": events.last_id}
            async with self.http.get(path, headers=headers, timeout=endless) as response:
                async for piece in response.content.iter_any():
                    for event in events.feed(piece):
                        self._log.take(event)
                    await self._push_came()

    def _send(self, act: str, fields: dict[str, str]) -> None:
        task = asyncio.create_task(self._sent(act, fields))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sent(self, act: str, fields: dict[str, str]) -> None:
        body = {"token": self._token, **fields}
        async with self.http.post(f"/chat/{CONVERSATION}/{act}", json=body) as answer:
            if answer.status == 202:
                self._stored.append(fields["key"])
            else:
                self.refused.append(answer.status)
        await self._push_came()

    async def say(self, text: str) -> Any:
        said = {"key": str(uuid4()), "text": text}
        self._mine.add(said["key"])
        self._send("messages", said)
        return said

    async def again(self, said: Any) -> None:
        self._send("messages", said)

    async def nonsense(self) -> None:
        refused = len(self.refused)
        self._send("messages", {"key": "this is no UUID", "text": "Hello?"})
        await self._until(lambda: len(self.refused) > refused)

    def ref(self, said: Any) -> MessageRef:
        return MessageRef(chat=self.chat, message_id=said["key"])

    async def press(self, message: MessageRef, payload: str) -> None:
        pressed = {"key": str(uuid4()), "message": message.message_id, "payload": payload}
        self._send("press", pressed)

    async def newest(self) -> MessageRef:
        await self.shown(1)
        return MessageRef(chat=self.chat, message_id=list(self._ours())[-1])

    def _ours(self) -> dict[str, list[str]]:
        return {name: html for name, html in self._log.messages.items() if name not in self._mine}

    async def shown(self, number: int) -> list[str]:
        await self._until(lambda: len(self._ours()) >= number)
        return ["\n".join("".join(read_strictly(b).text) for b in each) for each in self.pieces()]

    def pieces(self) -> list[list[str]]:
        """The blocks of every message of ours."""
        return list(self._ours().values())

    async def payloads(self) -> list[str]:
        newest = await self.newest()
        foot = self._log.feet[newest.message_id]
        found = re.findall(r'<button[^>]* value="([^"]*)"', foot)
        return [unescape(value) for value in found]

    async def files(self) -> list[tuple[str, bytes]]:
        """As the links below messages lead to them."""
        await self.shown(1)
        found = []
        for name in self._ours():
            async with self.http.get(f"/chat/{CONVERSATION}/files/{name}") as answer:
                disposition = answer.content_disposition
                assert disposition is not None
                found.append((disposition.filename or "", await answer.read()))
        return found


class TerminalBench(_Own):
    """An open terminal of ann's; its screen is what was pushed."""

    name = "terminal"

    def __init__(
        self, adapter: Adapter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        super().__init__()
        self.adapter = adapter
        self.chat: ChatRef = terminal_chat(ANN.uid)
        self.refused: list[NotStored] = []
        self.writer = writer
        self._reader = reader
        self._screen: dict[str, MessageShown] = {}
        self._working: str | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        """The adapter at one end of a socket, ann at the other."""
        adapter = TerminalAdapter(now=now, keep=Keeping())
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours, limit=64 << 20)
        their_reader, their_writer = await asyncio.open_connection(
            sock=theirs, limit=LINE_MAX_BYTES
        )
        served = asyncio.create_task(adapter.serve(ANN, "", their_reader, their_writer))
        bench = cls(adapter, reader, writer)
        reading = asyncio.create_task(bench._read())
        try:
            await asyncio.sleep(0)  # it takes its place
            yield bench
        finally:
            await adapter.close()
            writer.close()
            reading.cancel()
            await asyncio.gather(served, reading, return_exceptions=True)
            their_writer.close()

    async def works(self, label: str | None) -> None:
        """Wait until the screen says so; None is that nothing is at work."""
        await self._until(lambda: self._working == label)

    async def _read(self) -> None:
        while line := await self._reader.readline():
            self._take(read_push(line))
            await self._push_came()

    def _take(self, push: Push) -> None:
        match push:
            case Stored(key=key):
                self._stored.append(key)
            case NotStored():
                self.refused.append(push)
            case MessageShown(message_id=ident):
                self._screen[ident] = push
            case MessageGone(message_id=ident):
                del self._screen[ident]
            case Working(label=label):
                self._working = label
            case _:
                pass

    async def say(self, text: str) -> Any:
        said = Say(key=str(uuid4()), text=text)
        self.writer.write(act_line(said))
        return said

    async def again(self, said: Any) -> None:
        self.writer.write(act_line(said))

    async def nonsense(self) -> None:
        refused = len(self.refused)
        self.writer.write(b'{"say": {"key": 7}}\n')
        await self._until(lambda: len(self.refused) > refused)

    def ref(self, said: Any) -> MessageRef:
        return MessageRef(chat=self.chat, message_id=said.key)

    async def press(self, message: MessageRef, payload: str) -> None:
        pressed = Press(key=str(uuid4()), message_id=message.message_id, payload=payload)
        self.writer.write(act_line(pressed))

    async def newest(self) -> MessageRef:
        await self.shown(1)
        return MessageRef(chat=self.chat, message_id=list(self._screen)[-1])

    async def shown(self, number: int) -> list[str]:
        await self._until(lambda: len(self._screen) >= number)
        return [plain_text(each.body) for each in self._screen.values()]

    async def payloads(self) -> list[str]:
        newest = await self.newest()
        rows = self._screen[newest.message_id].controls
        return [one.payload for row in rows for one in unfolded(row)]

    async def files(self) -> list[tuple[str, bytes]]:
        await self.shown(1)
        return [(m.file.name, m.file.data) for m in self._screen.values() if m.file is not None]
