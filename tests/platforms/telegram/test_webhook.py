"""The way in by webhook: secret before body, journal before 200, and again what was not stored."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from aiohttp import web

from platforms.events import Ignored, Receipt
from platforms.telegram.client import TelegramAdapter
from tests.platforms.telegram.journal import ADA, Journal, adapter_of
from tests.wire.telegram import TelegramServer

SECRET = "s3cret_of-the_hook"
HEADER = "X-Telegram-Bot-Api-Secret-Token"


@asynccontextmanager
async def listening(server: TelegramServer, journal: Journal) -> AsyncIterator[str]:
    """An adapter with its route on a web listener; gives the webhook's address."""
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
    adapter = adapter_of(server, webhook_url=url, webhook_secret=SECRET)
    holder.append(adapter)
    await adapter.connect()
    task = asyncio.create_task(adapter.run(journal))
    try:
        await server.seen(lambda seen: seen.operation == "setWebhook")
        yield url
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
