"""Five hundred connections that say nothing, and a few that do: they are served as ever."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from platforms.base import Adapter
from platforms.terminal.limits import LINE_MAX_BYTES, WORDS_MAX_BYTES
from tests.contracts.platforms.benches import listening
from tests.contracts.platforms.journal import PATIENCE_S, Journal
from tests.contracts.platforms.own_benches import TerminalBench, WebBench
from tests.platforms.slack import journal as at_slack
from tests.platforms.telegram import journal as at_telegram
from tests.scenarios.stage import free_port
from tests.wire.slack import SlackServer
from tests.wire.telegram import TelegramServer

IDLE, BEGUN = 500, 20
SECRET = "loopback-secret"
HALF = b"POST /slack/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{"


@asynccontextmanager
async def crowd(port: int) -> AsyncIterator[None]:
    """Connections that are silent, some of them in the middle of a request."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * IDLE if hard == resource.RLIM_INFINITY else min(4 * IDLE, hard)
    if soft < wanted:  # both ends of every connection are ours here
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    loop = asyncio.get_running_loop()
    with_all: list[socket.socket] = []
    try:
        for number in range(IDLE):
            silent = socket.socket()
            with_all.append(silent)
            silent.setblocking(False)
            await loop.sock_connect(silent, ("127.0.0.1", port))
            if number < BEGUN:
                await loop.sock_sendall(silent, HALF)
        yield
    finally:
        for silent in with_all:
            silent.close()


@asynccontextmanager
async def taking(adapter: Adapter, journal: Journal) -> AsyncIterator[None]:
    """The adapter runs."""
    run = asyncio.create_task(adapter.run(journal))
    try:
        await asyncio.sleep(0)
        yield
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)


@pytest.mark.slow
async def test_who_speaks_is_answered_in_a_crowd() -> None:
    """Slack's event, Telegram's update and a message of the page are stored and acknowledged.

    Slow: five hundred connections are opened.
    """
    journal, port = Journal(), free_port()
    root = f"http://127.0.0.1:{port}"
    hook = {"webhook_url": f"{root}/telegram/webhook", "webhook_secret": SECRET}
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(SlackServer())
        telegram = await stack.enter_async_context(TelegramServer())
        signed = await stack.enter_async_context(at_slack.connected(slack, http=True))
        pushed = await stack.enter_async_context(at_telegram.connected(telegram, **hook))
        routes = (*signed.routes(), *pushed.routes())
        page = await stack.enter_async_context(WebBench.open(*routes, port=port))
        await stack.enter_async_context(crowd(port))
        for adapter in (signed, pushed, page.adapter):
            await stack.enter_async_context(taking(adapter, journal))
        await telegram.seen(lambda seen: seen.operation == "setWebhook", PATIENCE_S)
        slack.push_to(f"{root}/slack/events")
        await slack.say(chat=at_slack.DM, user=at_slack.ADA, text="of slack")
        await telegram.say(chat=at_telegram.ADA, user=at_telegram.ADA, text="of telegram")
        await page.say("of the page")
        heard = await journal.heard(3)
        assert sorted(heard) == ["of slack", "of telegram", "of the page"]
        await slack.seen(lambda seen: (seen.operation, seen.status) == ("ack", 200), PATIENCE_S)
        await page.acknowledged(1)


async def test_a_line_that_is_too_long_costs_a_terminal_nothing_else() -> None:
    """It is refused with a sentence, whichever bound it breaks, and the next one is taken."""
    async with listening("terminal") as (bench, journal):
        assert isinstance(bench, TerminalBench)
        for number, size in enumerate((WORDS_MAX_BYTES + 1, LINE_MAX_BYTES + 1)):
            await bench.say("x" * size)
            await bench.say("hello")
            await bench.acknowledged(number + 1)
        assert await journal.heard(2) == ["hello", "hello"]
        assert len(bench.refused) >= 2
        assert "MiB" in bench.refused[0].reason
