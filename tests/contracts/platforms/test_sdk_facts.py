"""What the adapters rely on in each SDK, met again at every upgrade: what changes fails here first.

Facts that our own behaviour shows are proven where it is tested; `registry.py` names those.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta

import discord
import pytest
import telegram
from aiohttp import ClientSession, web
from discord.gateway import DiscordWebSocket
from discord.http import Route, json_or_text
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_sdk.web.async_client import AsyncWebClient
from telegram.constants import (
    BotCommandLimit,
    CallbackQueryLimit,
    ChatID,
    FileSizeLimit,
    FloodLimit,
    InlineKeyboardButtonLimit,
    MessageLimit,
    WebhookLimit,
)
from telegram.error import BadRequest, InvalidToken, NetworkError, RetryAfter, TimedOut
from telegram.ext import Updater

from platforms.telegram import limits
from tests.contracts.platforms.benches import listening
from tests.contracts.platforms.journal import PATIENCE_S
from tests.contracts.platforms.posts import GO
from tests.platforms.discord import journal as at_discord
from tests.platforms.slack import journal as at_slack
from tests.platforms.telegram import journal as at_telegram
from tests.wire.discord import DiscordServer
from tests.wire.server import Answer, CutAfter
from tests.wire.slack import SlackServer
from tests.wire.telegram import TelegramServer

# Slack


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    """Slack, with a channel."""
    async with SlackServer() as server:
        server.channel(at_slack.GENERAL)
        yield server


async def test_slacks_own_retry_says_everything_twice(slack: SlackServer) -> None:
    """A connection cut behind a post is tried again by default: hence none of its handlers."""
    client = AsyncWebClient(token=slack.bot_token, base_url=f"{slack.url}/api/")
    assert client.retry_handlers
    assert client.session is None  # one session a call, hence one of ours
    slack.faults.add("chat.postMessage", CutAfter())
    await client.chat_postMessage(channel=at_slack.GENERAL, text="once?")
    assert [shown.text for shown in slack.ours(at_slack.GENERAL)] == ["once?", "once?"]


def test_slacks_client_reads_proxies_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours come from the configuration alone."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert AsyncWebClient(token="x").proxy == "http://127.0.0.1:9"


async def test_bolt_loses_an_event_whose_authorization_fails(slack: SlackServer) -> None:
    """It is answered 200 and never comes again: hence the journal before that."""
    client = AsyncWebClient(token=slack.bot_token, base_url=f"{slack.url}/api/")
    app = AsyncApp(client=client, token=slack.bot_token, signing_secret="x" * 32)
    heard: list[object] = []

    @app.event("message")
    async def hear(event: object) -> None:
        heard.append(event)

    slack.faults.add("auth.test", Answer(status=200, body=b'{"ok":false,"error":"fatal_error"}'))
    body = {"type": "event_callback", "team_id": "T1", "event": {"type": "message", "text": "x"}}
    answer = await app.async_dispatch(AsyncBoltRequest(body=body, mode="socket_mode"))
    assert answer.status == 200
    assert heard == []


async def test_our_hook_ends_bolts_dispatch_before_it_asks_anybody() -> None:
    """Who we are is asked once, at the start, however many events come."""
    async with listening("slack") as (bench, journal):
        assert isinstance(bench.server, SlackServer)
        asked = len(bench.server.requests("auth.test"))
        for number in range(3):
            await bench.say(f"number {number}")
        await journal.heard(3)
        await bench.acknowledged(3)
        assert len(bench.server.requests("auth.test")) == asked


# Discord


def test_discords_roots_belong_to_the_process() -> None:
    """Class attributes: one base address a process."""
    assert "BASE" in vars(Route)
    assert "DEFAULT_GATEWAY" in vars(DiscordWebSocket)


def test_discord_sleeps_out_what_is_at_most_half_a_minute() -> None:
    """The smallest number that its client takes; a longer limit reaches us."""
    client = discord.Client(intents=discord.Intents.none(), max_ratelimit_timeout=1)
    assert client.http.max_ratelimit_timeout == 30


@pytest.mark.parametrize(("kind", "found"), [("", {"a": 1}), ("; charset=utf-8", '{"a": 1}')])
async def test_discord_reads_json_of_one_content_type(kind: str, found: object) -> None:
    """Any other is text, at which logging in crashes: so proxies must leave it alone."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=b'{"a": 1}', headers={"Content-Type": f"application/json{kind}"})

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        async with ClientSession() as http, http.get(f"http://127.0.0.1:{port}/") as response:
            assert await json_or_text(response) == found
    finally:
        await runner.cleanup()


async def test_discords_sequence_is_ahead_of_our_journal() -> None:
    """RESUME names what was received, stored or not: hence our own marks for after a death."""
    async with DiscordServer() as server:
        journal = at_discord.Journal()
        journal.held = asyncio.Event()
        async with at_discord.running(server, journal):
            await server.say(server.general, server.ada, "received, not stored")
            await journal.count(1, PATIENCE_S)
            await server.gateway.abort()
            resumed = await server.seen(lambda seen: seen.operation == "GATEWAY RESUME")
            frame = journal.deliveries[0].raw
            assert f'"s":{resumed.arguments["seq"]}'.encode() in frame.replace(b" ", b"")
            journal.held.set()


async def test_discord_keeps_every_view_that_was_not_stopped() -> None:
    """One a card, for ever: so ours are stopped before they are sent, and none is kept."""
    async with DiscordServer() as server, at_discord.connected(server) as adapter:
        client: discord.Client = vars(adapter)["_client"]
        await adapter.perform(at_discord.post(server.general, "card", controls=((GO,),)))
        assert list(client.persistent_views) == []
        view = discord.ui.View(timeout=None)
        view.add_item(discord.ui.Button(label="Go", custom_id="go"))
        place = client.get_partial_messageable(server.general.id)
        await place.send("card", view=view)
        assert list(client.persistent_views) == [view]
        view.stop()


def test_only_one_warning_of_discord_is_known() -> None:
    """Its import, with every other warning an error."""
    program = (
        "import warnings; warnings.simplefilter('error');"
        "warnings.filterwarnings('ignore', \"'audioop' is deprecated\", DeprecationWarning);"
        "import discord"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


# Telegram


@pytest.fixture
async def tg() -> AsyncIterator[TelegramServer]:
    """Telegram, with somebody to speak."""
    async with TelegramServer() as server:
        server.person(at_telegram.ADA, "ada")
        yield server


def bot_of(server: TelegramServer, token: str | None = None) -> telegram.Bot:
    """The SDK's own client."""
    return telegram.Bot(token=token or server.token, base_url=f"{server.url}/bot")


async def test_one_malformed_update_takes_a_whole_poll_of_the_sdk(tg: TelegramServer) -> None:
    """For ever, because its offset never moves: hence raw polls."""
    async with bot_of(tg) as bot:
        await tg.send_raw({"message": {"message_id": "not a number", "chat": 7}})
        await tg.say(chat=at_telegram.ADA, user=at_telegram.ADA, text="good")
        for _ in range(2):
            with pytest.raises((TypeError, AttributeError, KeyError, ValueError)):
                await bot.get_updates(timeout=0)


async def test_the_sdks_updater_confirms_what_nobody_has_handled(tg: TelegramServer) -> None:
    """Its next poll's offset is above an update that still waits in memory: hence our own loop."""
    waiting: asyncio.Queue[object] = asyncio.Queue()
    async with Updater(bot=bot_of(tg), update_queue=waiting) as updater:
        await updater.start_polling(timeout=timedelta(seconds=1), drop_pending_updates=False)
        await tg.say(chat=at_telegram.ADA, user=at_telegram.ADA, text="not handled")
        confirming = at_telegram.poll_from(100_002)
        await tg.seen(confirming, PATIENCE_S)
        assert waiting.qsize() == 1
        await updater.stop()


def test_errors_of_the_sdk_overlap() -> None:
    """A refusal is a kind of outage there, so it is looked for first."""
    assert issubclass(BadRequest, NetworkError)
    assert issubclass(TimedOut, NetworkError)


@pytest.mark.parametrize("status", [401, 404])
async def test_a_wrong_token_and_a_wrong_address_are_one_error(
    tg: TelegramServer, status: int
) -> None:
    """Nothing tells an unknown method from a refused token."""
    body = f'{{"ok":false,"error_code":{status},"description":"x"}}'.encode()
    tg.faults.add("sendMessage", Answer(status=status, body=body))
    async with bot_of(tg) as bot:
        with pytest.raises(InvalidToken):
            await bot.send_message(at_telegram.ADA, "x")


def test_a_hint_is_read_without_a_warning() -> None:
    """The SDK warns of numbers unless it is told, before its import, to give spans of time."""
    assert RetryAfter(timedelta(seconds=5)).retry_after == timedelta(seconds=5)


def test_ids_and_numbers_of_the_sdk_are_ours() -> None:
    """Who stands for others, and the limits that both of us have from one manual."""
    assert (ChatID.ANONYMOUS_ADMIN, ChatID.FAKE_CHANNEL) == (1087968824, 136817688)
    assert ChatID.SERVICE_CHAT == 777000
    assert limits.TEXT_MAX == MessageLimit.MAX_TEXT_LENGTH
    assert limits.CAPTION_MAX == MessageLimit.CAPTION_LENGTH
    assert limits.ENTITIES_MAX <= MessageLimit.MESSAGE_ENTITIES
    assert limits.CALLBACK_DATA_MAX == InlineKeyboardButtonLimit.MAX_CALLBACK_DATA
    assert limits.CALLBACK_ANSWER_MAX == CallbackQueryLimit.ANSWER_CALLBACK_QUERY_TEXT_LENGTH
    assert limits.COMMANDS_MAX == BotCommandLimit.MAX_COMMAND_NUMBER
    assert limits.COMMAND_SUMMARY_MAX == BotCommandLimit.MAX_DESCRIPTION
    assert limits.DOWNLOAD_MAX >= FileSizeLimit.FILESIZE_DOWNLOAD
    assert limits.UPLOAD_MAX_BYTES >= FileSizeLimit.FILESIZE_UPLOAD
    assert (WebhookLimit.MIN_SECRET_TOKEN_LENGTH, WebhookLimit.MAX_SECRET_TOKEN_LENGTH) == (1, 256)
    assert FloodLimit.MESSAGES_PER_SECOND_PER_CHAT == 1
    assert FloodLimit.MESSAGES_PER_SECOND == 30
    assert FloodLimit.MESSAGES_PER_MINUTE_PER_GROUP == 20
