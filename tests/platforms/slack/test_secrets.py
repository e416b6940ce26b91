"""No token, ticket, secret or response address in any log line, error or repr."""

import asyncio
import logging
import traceback
from contextlib import suppress
from typing import Any

import pytest

from platforms.content import AnswerPress, Button
from platforms.errors import PlatformError
from platforms.events import ButtonPressed
from platforms.slack.client import SlackAdapter
from platforms.slack.logs import redact
from tests.platforms.slack.journal import (
    ADA,
    DM,
    GENERAL,
    Journal,
    adapter_of,
    chat_of,
    connected,
    listening,
    post,
    posted,
    running,
    warping,
)
from tests.platforms.slack.test_http import BODY, send, signed
from tests.wire.server import Answer, CutBefore
from tests.wire.slack import SlackServer

TICKET = "of-nothing"
ADDRESS = "/response/secret"


def secrets(server: SlackServer) -> tuple[str, ...]:
    """What must not be shown."""
    return (server.bot_token, server.app_token, server.signing_secret, TICKET, ADDRESS)


def shown(caplog: pytest.LogCaptureFixture) -> str:
    """Every log line with its traceback."""
    formatter = logging.Formatter("%(name)s %(message)s")
    return "\n".join(formatter.format(record) for record in caplog.records)


async def test_a_bad_day_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Broken sockets, garbage, forged requests, failing journals: none of it shows a secret."""
    caplog.set_level(logging.DEBUG)
    async with SlackServer() as server:
        journal = Journal()
        async with (
            running(server, journal, signing_secret=server.signing_secret) as adapter,
            listening(adapter) as url,
        ):
            assert "Token" not in repr(adapter) and "xox" not in repr(adapter)
            await server.transport.frame("{")
            server.faults.add("socket", Answer(status=403), CutBefore())
            server.transport.cut()
            await server.connected(opened=2)
            await send(url, BODY, signed(BODY, secret="wrong"))
            await send(url, b"{", signed(b"{"))
            rows = ((Button(label="Yes", payload="y"),),)
            server.channel(GENERAL)
            card = await posted(adapter, post(chat_of(server, GENERAL), "?", controls=rows))
            await server.press(chat=GENERAL, ts=card.message_id, user=ADA, label="Yes")
            await server.say(chat=DM, user=ADA, text="hello")
            await server.settled()
            for event in journal.events:
                if isinstance(event, ButtonPressed):
                    await failing_answer(server, adapter, event)
        text = shown(caplog)
        assert text
        for secret in secrets(server):
            assert secret not in text


async def failing_answer(server: SlackServer, adapter: SlackAdapter, event: ButtonPressed) -> None:
    """An answer that finds its address gone."""
    server.faults.add("response_url", Answer(status=404))
    with pytest.raises(PlatformError) as raised:
        await adapter.perform(AnswerPress(press=event.press, text="late"))
    text = "".join(traceback.format_exception(raised.value))
    assert not any(secret in text for secret in secrets(server))


@pytest.mark.parametrize("wrong", ["bot_token", "app_token"])
async def test_refused_tokens_are_not_repeated(
    wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The error says which token was refused, not what it was."""
    caplog.set_level(logging.DEBUG)
    tokens = {"bot_token": "xoxb-verysecret", "app_token": "xapp-verysecret"}
    settings: dict[str, Any] = {wrong: tokens[wrong]}
    async with SlackServer() as server:
        adapter = adapter_of(server, **settings)
        text = ""
        try:
            await adapter.connect()
            await adapter.run(Journal())
        except PlatformError as error:
            text = "".join(traceback.format_exception(error))
        assert "refuses" in text
        assert "verysecret" not in text + shown(caplog)
        await adapter.close()


@pytest.mark.warp
async def test_a_broken_socket_mode_start_shows_no_ticket(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The address that could not be opened is not in the log; what went wrong is."""
    caplog.set_level(logging.DEBUG)
    async with SlackServer() as server, connected(server, **warping()) as adapter:
        server.faults.add("socket", *[Answer(status=403)] * 20)
        with suppress(PlatformError):
            await asyncio.wait_for(adapter.run(Journal()), 60)
        assert "could not be opened (WSServerHandshakeError)" in shown(caplog)
        assert TICKET not in shown(caplog)


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("token xoxb-1-a was bad", "token (redacted) was bad"),
        ("xapp-1-A-2-b", "(redacted)"),
        ("wss://x/link/?ticket=abc-1&app_id=A", "wss://x/link/?ticket=(redacted)&app_id=A"),
        ("at https://hooks.slack.com/actions/T1/1/x now", "at (redacted) now"),
        ("two\nlines", "two lines"),
    ],
)
def test_redacted_lines(line: str, kept: str) -> None:
    """Each kind of secret is taken out where it stands."""
    assert redact(line) == kept
