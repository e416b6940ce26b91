"""A file that people send is found by its adapter, fetched, and refused where it has to be."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from agent.messages import UserMessage
from gateway.attached import Attached, quoted_of
from gateway.file_fetch import FileFetcher
from gateway.files import Files
from gateway.store.blobs import Blobs
from gateway.taken_files import Taken
from platforms.base import Adapter
from platforms.discord.client import DiscordAdapter
from platforms.events import Delivery, MessageReceived, Receipt
from platforms.slack.client import SlackAdapter
from platforms.telegram.client import TelegramAdapter
from tests.gateway.fetching import at_once, for_nothing
from tests.pictures import drawn
from tests.scenarios.discord import DiscordSurface
from tests.scenarios.slack import SlackSurface
from tests.scenarios.telegram import PEOPLE, TelegramSurface
from tests.wire.discord.server import TOKEN as DISCORD_TOKEN
from tests.wire.server import Answer
from tests.wire.slack.server import APP_TOKEN, BOT_TOKEN
from tests.wire.telegram import TOKEN as TELEGRAM_TOKEN

Surface = TelegramSurface | SlackSurface | DiscordSurface


def adapter_of(surface: Surface) -> Adapter:
    """The real adapter of a loopback platform."""
    match surface:
        case TelegramSurface():
            return TelegramAdapter(token=TELEGRAM_TOKEN, base_url=surface.server.url)
        case SlackSurface():
            base_url = f"{surface.server.url}/api/"
            return SlackAdapter(bot_token=BOT_TOKEN, app_token=APP_TOKEN, base_url=base_url)
        case DiscordSurface():
            return DiscordAdapter(token=DISCORD_TOKEN, base_url=surface.server.api_url)


@dataclass
class Sent:
    """A platform with an adapter that hears of files, and what fetches them."""

    surface: Surface
    files: Files
    heard: "asyncio.Queue[MessageReceived]"

    async def file(self, data: bytes, name: str = "a.png", mime: str = "image/png") -> Attached:
        """What the gateway hears of a file that a person sends."""
        await self.surface.attach("Look", name, data, mime)
        async with asyncio.timeout(60):
            event = await self.heard.get()
        (attachment,) = event.attachments
        return Attached.of(attachment, event.message)

    async def asked_about(self, data: bytes) -> tuple[Attached, ...]:
        """What the gateway hears of when somebody answers their own picture with a question."""
        await self.file(data)
        match self.surface:
            case TelegramSurface(server=server):
                (*_, last) = server.messages(PEOPLE["ann"])
                place = {"chat": PEOPLE["ann"], "user": PEOPLE["ann"]}
                await server.say(**place, text="What is this?", reply_to=last.message_id)
            case DiscordSurface(server=server, direct=direct, people=people):
                last = max(direct["ann"].messages.values(), key=lambda each: each.id)
                await server.say(direct["ann"], people["ann"], "What is this?", reply_to=last)
            case SlackSurface():
                raise NotImplementedError("replies are threads")
        async with asyncio.timeout(60):
            event = await self.heard.get()
        assert event.attachments == ()
        assert event.quote is not None
        return quoted_of(event.quote.attachments, event.quote.message, event.quote.author)

    async def taken(self, attached: Attached) -> Taken:
        """What becomes of it."""
        message = UserMessage(text="", media=(attached.to_media(),))
        (taken,) = await self.files.taken(message, "chat", for_nothing)
        return taken


@asynccontextmanager
async def sending(surface: Surface, path: Path) -> AsyncIterator[Sent]:
    """Somebody can send files at a surface."""
    heard: asyncio.Queue[MessageReceived] = asyncio.Queue()

    async def ingest(delivery: Delivery) -> Receipt:
        for event in delivery.events if isinstance(delivery.events, tuple) else ():
            if isinstance(event, MessageReceived) and (event.attachments or event.quote):
                heard.put_nowait(event)
        return Receipt.STORED

    async with surface.server:
        adapter = adapter_of(surface)
        account = await adapter.connect()
        run = asyncio.create_task(adapter.run(ingest))
        blobs = Blobs(path / "blobs")
        fetcher = FileFetcher(blobs, sleep=at_once)
        named = f"{account.platform}:{account.id}"
        files = Files(blobs=blobs, fetcher=fetcher, adapter_of={named: adapter}.get)
        try:
            await ready(surface)
            yield Sent(surface=surface, files=files, heard=heard)
        finally:
            run.cancel()
            with suppress(asyncio.CancelledError):
                await run
            await adapter.close()


async def ready(surface: Surface) -> None:
    """Wait until the adapter hears what is said."""
    match surface:
        case TelegramSurface():
            await surface.server.seen(lambda seen: seen.operation == "getUpdates")
        case SlackSurface():
            await surface.server.connected()
        case DiscordSurface():
            await surface.server.seen(lambda seen: seen.operation == "GATEWAY IDENTIFY")


@pytest.mark.parametrize("make", [TelegramSurface, SlackSurface, DiscordSurface])
async def test_a_picture_is_fetched_and_what_is_gone_is_told(
    make: Callable[[], Any], tmp_path: Path
) -> None:
    """The same on every platform; the first try meets a server that is busy."""
    surface = make()
    fetched = {"telegram": "file", "slack": "download"}.get(
        surface.name, "GET /attachments/{channel}/{file}/{name}"
    )
    async with sending(surface, tmp_path) as sent:
        surface.server.faults.add(fetched, Answer(status=503))
        taken = await sent.taken(await sent.file(drawn()))
        assert taken.media is not None
        assert (taken.media.mime, taken.media.name) == ("image/png", "a.png")
        text = await sent.taken(await sent.file(b"words\n", "a.txt", "text/plain"))
        assert "```\nwords\n```" in text.words
        surface.server.faults.add(fetched, Answer(status=404))
        gone = await sent.taken(await sent.file(drawn(shade=7)))
        assert str(gone.told) == "it is no longer there"


@pytest.mark.parametrize("make", [TelegramSurface, DiscordSurface])
async def test_a_picture_in_what_is_replied_to_is_fetched(
    make: Callable[[], Any], tmp_path: Path
) -> None:
    """From where its own message has it, marked as quoted."""
    async with sending(make(), tmp_path) as sent:
        (attached,) = await sent.asked_about(drawn())
        taken = await sent.taken(attached)
        assert taken.media is not None
        assert taken.media.mime == "image/png"
        assert taken.words.startswith("[attached to a quoted message: ")


async def test_slack_without_the_right_shows_a_page_to_sign_in(tmp_path: Path) -> None:
    """With status 200, behind a redirect that the token does not follow."""
    surface = SlackSurface()
    async with sending(surface, tmp_path) as sent:
        attached = await sent.file(drawn())
        surface.server.methods.scopes.discard("files:read")
        taken = await sent.taken(attached)
        assert str(taken.told) == "the gateway has no right to read it"
        (page,) = surface.server.requests("signin")
        assert "Authorization" not in page.headers


async def test_a_file_kept_outside_slack_is_not_asked_for(tmp_path: Path) -> None:
    """Its address would be given the bot's token."""
    surface = SlackSurface()
    async with sending(surface, tmp_path) as sent:
        attached = replace(await sent.file(drawn()), file="https://files.example/T1-F1/a.png")
        assert str((await sent.taken(attached)).told) == "its platform does not hand it out"


async def test_discord_is_asked_for_an_address_that_is_still_good(tmp_path: Path) -> None:
    """The one that came with the message has expired by then; a deleted message has none."""
    surface = DiscordSurface()
    async with sending(surface, tmp_path) as sent:
        attached = await sent.file(drawn())
        surface.server.world.links += 1
        assert (await sent.taken(attached)).media is not None
        message = max(surface.direct["ann"].messages.values(), key=lambda each: each.id)
        await surface.server.delete(message)
        assert str((await sent.taken(attached)).told) == "it is no longer there"


async def test_telegram_says_what_it_does_not_hand_out(tmp_path: Path) -> None:
    """What is declared too large is not asked for; what is found to be is told the same way."""
    surface = TelegramSurface()
    async with sending(surface, tmp_path) as sent:
        attached = await sent.file(drawn())
        body = b'{"ok":false,"error_code":400,"description":"Bad Request: file is too big"}'
        surface.server.faults.add("getFile", Answer(status=400, body=body))
        assert str((await sent.taken(attached)).told) == "it is larger than its platform hands out"
