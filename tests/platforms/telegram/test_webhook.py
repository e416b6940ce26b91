"""The way in by webhook: secret before body, journal before 200, and again what was not stored."""

import asyncio
import io
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from platforms.errors import CredentialsRejected
from platforms.events import Delivery, Ignored, MessageReceived, Receipt
from platforms.telegram.client import TelegramAdapter
from platforms.telegram.webhook_info import same_address
from tests.platforms.telegram.journal import ADA, QUICK, Journal, adapter_of, running
from tests.platforms.telegram.test_hearing import Times
from tests.wire.server import Answer, CutBefore
from tests.wire.telegram import TelegramServer

SECRET = "s3cret_of-the_hook"
HEADER = "X-Telegram-Bot-Api-Secret-Token"


@asynccontextmanager
async def listening(
    server: TelegramServer, journal: Callable[[Delivery], Any], **settings: Any
) -> AsyncIterator[str]:
    """An adapter with its route on a web listener; gives the webhook's address."""
    async with pushed_to(server, journal, **settings) as (_, url):
        yield url


@asynccontextmanager
async def pushed_to(
    server: TelegramServer, journal: Callable[[Delivery], Any], **settings: Any
) -> AsyncIterator[tuple[TelegramAdapter, str]]:
    """The same with its adapter."""
    app = web.Application()
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    holder: list[TelegramAdapter] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        (route,) = holder[0].routes()
        return await route.handler(request)

    app.router.add_post("/telegram/webhook", handle)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/telegram/webhook"
    adapter = adapter_of(server, webhook_url=url, webhook_secret=SECRET, **settings)
    holder.append(adapter)
    await adapter.connect()
    task = asyncio.create_task(adapter.run(journal))
    try:
        await server.seen(lambda seen: seen.operation == "setWebhook")
        yield adapter, url
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await adapter.close()
        await runner.cleanup()


async def pushes(server: TelegramServer, number: int) -> None:
    """Waits until the server has had the answers to that many pushes."""
    while len(server.requests("webhook")) < number:
        await server.seen(lambda seen: seen.operation == "webhook", since=len(server.record))


async def test_an_update_is_stored_before_it_is_answered() -> None:
    """The push is answered with an empty 200 only after the journal has it."""
    async with TelegramServer() as server:
        journal = Journal()
        journal.held = asyncio.Event()
        async with listening(server, journal):
            await server.say(chat=ADA, user=ADA, text="one")
            await journal.count(1)
            assert server.requests("webhook") == []
            journal.held.set()
            push = await server.seen(lambda seen: seen.operation == "webhook")
            assert push.status == 200
            assert server.updates.pending == {}


async def test_what_was_not_stored_comes_again_in_order() -> None:
    """BUSY is 503; the chat's next update waits behind the one that is repeated."""
    async with TelegramServer() as server:
        journal = Journal()
        journal.next_receipts.extend([Receipt.BUSY, Receipt.BUSY])
        async with listening(server, journal):
            await server.say(chat=ADA, user=ADA, text="one")
            await server.say(chat=ADA, user=ADA, text="two")
            await pushes(server, 2)
            server.advance(2)
            await pushes(server, 4)
        statuses = [seen.status for seen in server.requests("webhook")]
        assert statuses == [503, 503, 200, 200]
        assert journal.texts() == ["one", "one", "one", "two"]


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET + "x", SECRET[:-1], "größe"])
async def test_a_bad_secret_is_turned_away_before_the_body(secret: str | None) -> None:
    """401 comes while the body is still unsent, and nothing reaches the journal."""
    async with TelegramServer() as server, aiohttp.ClientSession() as session:
        journal = Journal()
        async with listening(server, journal) as url:
            answered = asyncio.Event()

            async def body() -> AsyncIterator[bytes]:
                yield b'{"update_id": 1,'
                await answered.wait()

            headers = {} if secret is None else {HEADER: secret}
            async with session.post(url, data=body(), headers=headers) as response:
                assert response.status == 401
                assert await response.read() == b""
                answered.set()
        assert journal.deliveries == []


async def test_a_senseless_body_is_kept_as_malformed() -> None:
    """With the right secret anything is acknowledged, or it would come again for ever."""
    async with TelegramServer() as server, aiohttp.ClientSession() as session:
        journal = Journal()
        async with listening(server, journal) as url:
            for body in (b"", b"{", b"[]", b'"\xff"', b'{"update_id": 1}'):
                async with session.post(url, data=body, headers={HEADER: SECRET}) as response:
                    assert response.status == 200
        assert all(isinstance(delivery.events, Ignored) for delivery in journal.deliveries)
        assert len(journal.deliveries) == 5


async def test_an_oversize_body_is_refused() -> None:
    """One mebibyte is far above any update."""
    async with TelegramServer() as server, aiohttp.ClientSession() as session:
        journal = Journal()
        async with listening(server, journal) as url:
            body = io.BytesIO(b'"' + b"x" * (1 << 20) + b'"')
            async with session.post(url, data=body, headers={HEADER: SECRET}) as response:
                assert response.status == 413
        assert journal.deliveries == []


async def test_nothing_is_taken_while_it_does_not_run() -> None:
    """503 before the run, so Telegram keeps the update."""
    async with TelegramServer() as server, aiohttp.ClientSession() as session:
        adapter = adapter_of(server, webhook_url="https://x.example", webhook_secret=SECRET)
        (route,) = adapter.routes()
        app = web.Application()
        app.router.add_route(route.method, route.path, route.handler)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}{route.path}"
        async with session.post(url, data=b"{}", headers={HEADER: SECRET}) as response:
            assert response.status == 503
        await runner.cleanup()
        await adapter.close()


async def test_the_secret_is_set_and_polls_are_not_made() -> None:
    """Telegram is told the address and the secret; long polls would conflict."""
    async with TelegramServer() as server:
        async with listening(server, Journal()) as url:
            hook = server.updates.webhook
            assert hook is not None
            assert (hook.url, hook.secret) == (url, SECRET)
        assert server.requests("getUpdates") == []


def test_a_webhook_without_a_secret_is_refused() -> None:
    """Anybody could send updates otherwise."""
    with pytest.raises(ValueError, match="secret"):
        TelegramAdapter(token="1:x", webhook_url="https://x.example", webhook_secret="")


async def test_pushes_again_in_order_per_chat() -> None:
    """Every third is refused; each chat still gets its own in order, each stored once."""
    stored: dict[str, list[str]] = defaultdict(list)
    count = 0

    async def journal(delivery: Delivery) -> Receipt:
        nonlocal count
        count += 1
        if count % 3 == 0:
            return Receipt.BUSY
        assert isinstance(delivery.events, tuple)
        (event,) = delivery.events
        assert isinstance(event, MessageReceived)
        stored[event.chat.chat_id].append(event.text)
        return Receipt.STORED

    async with TelegramServer() as server, listening(server, journal):
        for number in range(20):
            for user in (ADA, 2002, 3003):
                await server.say(chat=user, user=user, text=str(number))
        while server.updates.pending:
            since = len(server.record)
            server.advance(60)
            await server.seen(lambda seen: seen.operation == "webhook", since=since)
    wanted = [str(number) for number in range(20)]
    assert dict(stored) == {"1001": wanted, "2002": wanted, "3003": wanted}


async def test_what_was_meant_for_the_webhook_is_polled() -> None:
    """A gateway that changes its mode deletes the webhook and keeps what waits for it."""
    async with TelegramServer() as server:
        busy = Journal()
        busy.next_receipts.extend([Receipt.BUSY] * 3)
        async with listening(server, busy):
            await server.say(chat=ADA, user=ADA, text="one")
            await pushes(server, 1)
        await server.say(chat=ADA, user=ADA, text="two")
        journal = Journal()
        async with running(server, journal):
            await journal.count(2)
        assert journal.texts() == ["one", "two"]
        assert server.updates.webhook is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:9/secret-path", "set the webhook of this token to 127.0.0.1: stop it"),
        ("", "the webhook of this token was deleted, probably by another process that polls"),
    ],
)
async def test_a_webhook_somebody_else_took_is_an_alarm(url: str, words: str) -> None:
    """The adapter goes on and sets nothing again; the time until it is ours again is a gap."""
    times = Times()
    async with TelegramServer() as server:
        async with pushed_to(server, Journal(), **times.settings()) as (adapter, ours):
            await times.sleeps(60)
            assert (adapter.liveness().connected, adapter.liveness().alarm) == (True, "")
            server.take_webhook(url)
            for _ in range(2):
                since = len(server.record)
                times.hand.advance(60)
                await server.seen(lambda seen: seen.operation == "getWebhookInfo", since=since)
                await times.sleeps(60)
            alive = adapter.liveness()
            assert words in alive.alarm
            assert "secret-path" not in alive.alarm
            assert (alive.connected, alive.gap_since, alive.last_frame_at) == (False, 1000, 1000)
            assert len(server.requests("setWebhook")) == 1
            server.take_webhook(ours)
            times.hand.advance(60)
            await times.told()
        (gap,) = times.gaps
        assert (gap.cause, gap.recovered) == ("webhook taken over", None)
        assert gap.until - gap.since == timedelta(seconds=180)
        assert adapter.liveness().alarm == ""


async def test_pushes_that_never_arrive_are_an_alarm() -> None:
    """Twice in a row something waits, Telegram names an error and nothing came."""
    times = Times()
    async with TelegramServer() as server:
        async with pushed_to(server, Journal(), **times.settings()) as (adapter, _):
            await times.sleeps(60)
            hook = server.updates.webhook
            assert hook is not None
            hook.url, reachable = hook.url.replace("/webhook", "/elsewhere"), hook.url
            await server.say(chat=ADA, user=ADA, text="one")
            await pushes(server, 2)  # the first repetition comes at once
            hook.url = reachable
            alarms = []
            for _ in range(3):
                since = len(server.record)
                times.hand.advance(60)
                await server.seen(lambda seen: seen.operation == "getWebhookInfo", since=since)
                await times.sleeps(60)
                alarms.append(adapter.liveness().alarm)
                if len(alarms) == 2:
                    server.advance(60)
                    await pushes(server, 3)
        assert [bool(alarm) for alarm in alarms] == [False, True, False]
        assert "cannot deliver to the webhook (Wrong response" in alarms[1]


async def test_a_look_that_fails_is_no_sign_of_life() -> None:
    """While getWebhookInfo is not answered, the adapter does not claim to be connected."""
    times = Times()
    async with TelegramServer() as server:
        async with pushed_to(server, Journal(), **times.settings()) as (adapter, _):
            await times.sleeps(60)
            server.faults.add("getWebhookInfo", CutBefore(), Answer(status=200, body=b"<html>"))
            states = []
            for _ in range(3):
                since = len(server.record)
                times.hand.advance(60)
                await server.seen(lambda seen: seen.operation == "getWebhookInfo", since=since)
                await times.sleeps(60)
                states.append((adapter.liveness().connected, adapter.liveness().last_frame_at))
        assert states == [(False, 1000), (False, 1000), (True, 1180)]


async def test_a_token_revoked_behind_a_webhook_stops_it() -> None:
    """The look at the webhook is refused, and so is the adapter."""
    async with TelegramServer() as server:
        adapter = adapter_of(
            server,
            webhook_url="http://127.0.0.1:9/x",
            webhook_secret=SECRET,
            pace=replace(QUICK, probe_s=0),
        )
        await adapter.connect()
        unauthorized = b'{"ok":false,"error_code":401,"description":"Unauthorized"}'
        server.faults.add("getWebhookInfo", Answer(status=401, body=unauthorized))
        with pytest.raises(CredentialsRejected):
            await adapter.run(Journal())
        await adapter.close()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://Bot.Example/hook", "https://bot.example:443/hook", True),
        ("https://bot.example", "https://bot.example/", True),
        ("https://bot.example/hook?a=1", "https://bot.example/hook?a=2", False),
        ("https://bot.example/hook", "https://bot.example:8443/hook", False),
        ("https://bot.example/hook", "", False),
        ("https://bot.example/hook", "https://[broken", False),
    ],
)
def test_addresses_are_compared_as_the_server_writes_them(one: str, other: str, same: bool) -> None:
    """Letters of the host and a default port make no other place."""
    assert same_address(one, other) is same
