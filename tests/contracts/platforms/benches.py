"""Every real adapter on loopback, behind one way of speaking to it.

A bench is what a person and a gateway can do at one adapter. Chats are direct ones, with ann.
Remote platforms are the servers of `tests/wire`; the page and the terminal are their own servers,
so what stands there is what an open page or terminal was pushed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, Protocol

from platforms.base import Adapter, Ingest
from platforms.events import ChatRef, MessageRef
from tests.contracts.platforms.journal import PATIENCE_S, Journal
from tests.contracts.platforms.own_benches import TerminalBench, WebBench
from tests.platforms.discord import journal as at_discord
from tests.platforms.discord.reader import show
from tests.platforms.slack import journal as at_slack
from tests.platforms.telegram import journal as at_telegram
from tests.wire.discord import DiscordServer
from tests.wire.server import LoopbackServer
from tests.wire.slack import SlackServer, payloads
from tests.wire.slack.controls import buttons, menus
from tests.wire.telegram import TelegramServer


class Bench(Protocol):
    """One adapter, connected and not yet running."""

    name: str
    adapter: Adapter
    chat: ChatRef

    server: LoopbackServer | None
    """Somebody else's server; None where the adapter is its own."""

    post: str
    edit: str
    typing: str
    """Names of operations in the server's record."""

    async def say(self, text: str) -> Any:
        """Ann writes; gives what `again` and `ref` take. Nobody waits for an acknowledgement."""

    async def again(self, said: Any) -> None:
        """The same words are delivered once more."""

    async def nonsense(self) -> None:
        """Something that makes no sense is delivered."""

    async def acknowledged(self, number: int) -> None:
        """Wait until that many deliveries were acknowledged as stored."""

    @property
    def acknowledgements(self) -> int:
        """How many were so far."""

    def ref(self, said: Any) -> MessageRef:
        """Where ann's words stand."""

    async def press(self, message: MessageRef, payload: str) -> None:
        """Ann presses the button with that payload."""

    async def newest(self) -> MessageRef:
        """Our newest message in the chat, as people's clients name it."""

    async def shown(self, number: int) -> list[str]:
        """What ann sees of ours, once there are that many messages."""

    async def payloads(self) -> list[str]:
        """What the buttons and choices of our newest message carry, rows after rows."""

    async def files(self) -> list[tuple[str, bytes]]:
        """Name and bytes of every file of ours that stands in the chat."""


class SlackBench:
    """Socket Mode; one channel of a direct message."""

    name = "slack"
    post, edit = "chat.postMessage", "chat.update"
    typing = "assistant.threads.setStatus"

    def __init__(self, server: SlackServer, adapter: Adapter) -> None:
        self.server = server
        self.adapter = adapter
        self.chat = at_slack.chat_of(server, at_slack.DM)

    async def say(self, text: str) -> Any:
        return await self.server.say(chat=at_slack.DM, user=at_slack.ADA, text=text)

    async def again(self, said: Any) -> None:
        channel = self.server.world.channels[at_slack.DM]
        body = payloads.message_event(self.server.world, channel, channel.messages[said])
        self.server.send_event(body)

    async def nonsense(self) -> None:
        self.server.send_event({"type": "message", "channel": 7, "ts": "yesterday"})

    async def acknowledged(self, number: int) -> None:
        while self.acknowledgements < number:
            await self.server.seen(_is_ack, PATIENCE_S, since=len(self.server.record))

    @property
    def acknowledgements(self) -> int:
        return sum(map(_is_ack, self.server.record))

    def ref(self, said: Any) -> MessageRef:
        return MessageRef(chat=self.chat, message_id=said)

    async def press(self, message: MessageRef, payload: str) -> None:
        place = {"chat": message.chat.chat_id, "ts": message.message_id}
        await self.server.press(**place, user=at_slack.ADA, value=payload)

    async def newest(self) -> MessageRef:
        return MessageRef(chat=self.chat, message_id=self.server.ours(at_slack.DM)[-1].ts)

    async def shown(self, number: int) -> list[str]:
        return [each.text for each in self.server.ours(at_slack.DM)]

    async def payloads(self) -> list[str]:
        blocks = [dict(block) for block in self.server.ours(at_slack.DM)[-1].blocks]
        found = [str(one["value"]) for _, one in buttons(blocks)]
        return found + [str(o["value"]) for _, menu in menus(blocks) for o in menu["options"]]

    async def files(self) -> list[tuple[str, bytes]]:
        ours = self.server.ours(at_slack.DM)
        return [(file.name, file.data) for each in ours for file in each.files]


class DiscordBench:
    """One direct channel; nothing is acknowledged there but presses."""

    name = "discord"
    post = "POST /channels/{channel}/messages"
    edit = "PATCH /channels/{channel}/messages/{message}"
    typing = "POST /channels/{channel}/typing"
    callback = "POST /interactions/{interaction}/{token}/callback"

    def __init__(self, server: DiscordServer, adapter: Adapter) -> None:
        self.server = server
        self.adapter = adapter
        self._direct = server.dm(server.ada)
        self.chat = at_discord.chat_of(self._direct)

    async def say(self, text: str) -> Any:
        return await self.server.say(self._direct, self.server.ada, text)

    async def again(self, said: Any) -> None:
        await self.server.redeliver(said)

    async def nonsense(self) -> None:
        await self.server.send_event("MESSAGE_CREATE", {"id": "not a number", "channel_id": 7})

    async def acknowledged(self, number: int) -> None:
        while self.acknowledgements < number:
            since = len(self.server.record)
            await self.server.seen(
                lambda seen: seen.operation == self.callback, PATIENCE_S, since=since
            )

    @property
    def acknowledgements(self) -> int:
        return len(self.server.requests(self.callback))

    def ref(self, said: Any) -> MessageRef:
        return at_discord.ref_of(said)

    async def press(self, message: MessageRef, payload: str) -> None:
        shown = next(
            each
            for each in self.server.bot_messages(self._direct)
            if str(each.id) == message.message_id
        )
        await self.server.press(shown, self.server.ada, payload)

    async def newest(self) -> MessageRef:
        return at_discord.ref_of(self.server.bot_messages(self._direct)[-1])

    async def shown(self, number: int) -> list[str]:
        return [show(each.content).text for each in self.server.bot_messages(self._direct)]

    async def payloads(self) -> list[str]:
        newest = self.server.bot_messages(self._direct)[-1]
        choices = [value for menu in newest.menus.values() for value in menu.values()]
        return [*newest.buttons.values(), *choices]

    async def files(self) -> list[tuple[str, bytes]]:
        ours = self.server.bot_messages(self._direct)
        return [(file.name, file.data) for each in ours for file in each.files]


class TelegramBench:
    """Long polls; ann's private chat."""

    name = "telegram"
    post, edit, typing = "sendMessage", "editMessageText", "sendChatAction"

    def __init__(self, server: TelegramServer, adapter: Adapter) -> None:
        self.server = server
        self.adapter = adapter
        self.chat = at_telegram.chat_of(server, at_telegram.ADA)
        server.person(at_telegram.ADA, "ann")
        server.world.room(at_telegram.ADA)
        self._first = server.updates.next_id

    async def say(self, text: str) -> Any:
        return await self.server.say(chat=at_telegram.ADA, user=at_telegram.ADA, text=text)

    async def again(self, said: Any) -> None:
        message = self.server.world.room(at_telegram.ADA).messages[said]
        await self.server.send_raw({"message": message.json()})

    async def nonsense(self) -> None:
        await self.server.send_raw({"message": {"message_id": "not a number", "chat": 7}})

    async def acknowledged(self, number: int) -> None:
        while self.acknowledgements < number:
            await self.server.seen(
                lambda seen: seen.operation == "getUpdates",
                PATIENCE_S,
                since=len(self.server.record),
            )

    @property
    def acknowledgements(self) -> int:
        offsets = at_telegram.offsets(self.server.record)
        return max(max(offsets, default=0) - self._first, 0)

    def ref(self, said: Any) -> MessageRef:
        return MessageRef(chat=self.chat, message_id=str(said))

    async def press(self, message: MessageRef, payload: str) -> None:
        place = {"chat": int(message.chat.chat_id), "message_id": int(message.message_id)}
        await self.server.press(**place, user=at_telegram.ADA, data=payload)

    async def newest(self) -> MessageRef:
        newest = self.server.ours(at_telegram.ADA)[-1]
        return MessageRef(chat=self.chat, message_id=str(newest.message_id))

    async def shown(self, number: int) -> list[str]:
        return [each.text for each in self.server.ours(at_telegram.ADA)]

    async def payloads(self) -> list[str]:
        keyboard = self.server.ours(at_telegram.ADA)[-1].keyboard
        return [key.data for row in keyboard for key in row]

    async def files(self) -> list[tuple[str, bytes]]:
        ours = self.server.ours(at_telegram.ADA)
        return [(each.file.name, each.file.data) for each in ours if each.file]


def _is_ack(seen: Any) -> bool:
    return seen.operation == "ack" and seen.status == 200


@asynccontextmanager
async def slack_bench() -> AsyncIterator[SlackBench]:
    """Slack, connected."""
    async with SlackServer() as server, at_slack.connected(server) as adapter:
        server.person(at_slack.ADA, "ann")
        server.channel(at_slack.DM)
        yield SlackBench(server, adapter)


@asynccontextmanager
async def discord_bench() -> AsyncIterator[DiscordBench]:
    """Discord, connected."""
    async with DiscordServer() as server, at_discord.connected(server) as adapter:
        yield DiscordBench(server, adapter)


@asynccontextmanager
async def telegram_bench() -> AsyncIterator[TelegramBench]:
    """Telegram, connected."""
    async with TelegramServer() as server, at_telegram.connected(server) as adapter:
        yield TelegramBench(server, adapter)


BENCHES: dict[str, Callable[[], AbstractAsyncContextManager[Any]]] = {
    "slack": slack_bench,
    "discord": discord_bench,
    "telegram": telegram_bench,
    "web": WebBench.open,
    "terminal": TerminalBench.open,
}
REMOTE = ("slack", "discord", "telegram")


async def _ready(bench: Bench) -> None:
    """Wait until what is said from now on is heard."""
    match bench.server:
        case SlackServer() as slack:
            await slack.connected(1, opened=slack.transport.opened or 1)
        case DiscordServer() as discord:
            await discord.gateway.ready()
        case TelegramServer() as telegram:
            await telegram.seen(lambda seen: seen.operation == "getUpdates", PATIENCE_S)
        case _:
            await asyncio.sleep(0)  # `run` takes what comes before it first waits for anything


async def _left(bench: Bench) -> None:
    """Wait until the platform has seen us go, so that what comes next is said to nobody."""
    match bench.server:
        case SlackServer() as slack:
            await slack.connected(0)
        case DiscordServer() as discord:
            await discord.gateway.gone()
        case _:
            pass


@asynccontextmanager
async def running(bench: Bench, ingest: Ingest) -> AsyncIterator[None]:
    """The adapter feeds the journal while the block runs; cancelled behind it."""
    task = asyncio.create_task(bench.adapter.run(ingest))
    try:
        await _ready(bench)
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await _left(bench)


@asynccontextmanager
async def listening(name: str) -> AsyncIterator[tuple[Bench, Journal]]:
    """A bench whose adapter runs, and its journal."""
    journal = Journal()
    async with BENCHES[name]() as bench, running(bench, journal):
        yield bench, journal


def elsewhere(chat: ChatRef) -> ChatRef:
    """A chat of the same account that does not exist."""
    missing = {"slack": "C404", "discord": "404", "telegram": "404404"}
    return replace(chat, chat_id=missing.get(chat.account.platform, "nobody"))
