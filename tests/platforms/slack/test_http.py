"""The route for signed events: who cannot prove to be Slack causes nothing at all."""

import asyncio
import json
import time
from io import BytesIO
from typing import Any

import aiohttp
import pytest

from platforms.inbound_http import BODY_MAX_BYTES
from platforms.slack.limits import REQUESTS_MAX
from tests.platforms.slack.journal import ADA, DM, Journal, connected, listening, running
from tests.wire.slack import SIGNING_SECRET, SlackServer
from tests.wire.slack.payloads import signature

BODY = json.dumps({"type": "event_callback", "event_id": "Ev1", "team_id": "T1"}).encode()
FORM = "application/x-www-form-urlencoded"


def signed(
    body: bytes, *, secret: str = SIGNING_SECRET, at: float = 0.0, kind: str = "application/json"
) -> dict[str, str]:
    """Headers as Slack makes them, `at` seconds from now."""
    timestamp = str(int(time.time() + at))
    return {
        "Content-Type": kind,
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": signature(secret, timestamp, body),
    }


def without(headers: dict[str, str], *names: str) -> dict[str, str]:
    """The headers without some."""
    return {name: value for name, value in headers.items() if name not in names}


GOOD = signed(BODY)
FORGED: dict[str, dict[str, str]] = {
    "no headers": {},
    "no signature": without(GOOD, "X-Slack-Signature"),
    "no timestamp": without(GOOD, "X-Slack-Request-Timestamp"),
    "other secret": signed(BODY, secret="ffffffffffffffffffffffffffffffff"),
    "empty secret": signed(BODY, secret=""),
    "other body": signed(BODY + b" "),
    "too old": signed(BODY, at=-301),
    "from the future": signed(BODY, at=3_600),
    "a word for a time": GOOD | {"X-Slack-Request-Timestamp": "now"},
    "a huge time": GOOD | {"X-Slack-Request-Timestamp": "9" * 400},
    "a negative time": GOOD | {"X-Slack-Request-Timestamp": "-1"},
    "digits of another script": GOOD | {"X-Slack-Request-Timestamp": "١٧٩"},
    "an empty signature": GOOD | {"X-Slack-Signature": ""},
    "a signature of letters beyond ASCII": GOOD | {"X-Slack-Signature": "v0=é" + "0" * 63},
    "another version": GOOD | {"X-Slack-Signature": "v1=" + "0" * 64},
}


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_request_is_refused(name: str) -> None:
    """401 and no delivery, whatever is wrong about it."""
    async with SlackServer() as server:
        journal = Journal()
        async with running(server, journal, http=True) as adapter, listening(adapter) as url:
            status, _ = await send(url, BODY, FORGED[name])
            assert status == 401
            assert journal.deliveries == []


async def send(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """One request."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=BytesIO(body), headers=headers) as response,
    ):
        return response.status, await response.read()


async def test_a_stale_request_is_refused_before_its_body_is_read() -> None:
    """Nobody fills our memory with a body that could not be genuine anyway."""
    async with SlackServer() as server:
        journal = Journal()
        async with running(server, journal, http=True) as adapter, listening(adapter) as url:
            host, port = url.split("/")[2].split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            headers = signed(BODY, at=-310) | {"Host": "x", "Content-Length": "1000000"}
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            writer.write(f"POST /slack/events HTTP/1.1\r\n{lines}\r\n".encode())
            answer = await asyncio.wait_for(reader.readline(), 60)
            assert b" 401 " in answer
            writer.close()
            await writer.wait_closed()


async def test_a_wrong_signing_secret_is_told_until_a_request_is_proven() -> None:
    """Before Slack ever called, the way to its page; once it is proven, forgery is no alarm."""
    async with (
        SlackServer() as server,
        running(server, Journal(), http=True) as adapter,
        listening(adapter) as url,
    ):
        assert "must lead over https to /slack/events" in adapter.liveness().detail
        forged = signed(BODY, secret="ffffffffffffffffffffffffffffffff")
        await send(url, BODY, forged)
        assert "Basic Information > Signing Secret" in adapter.liveness().alarm
        await send(url, BODY, signed(BODY))
        await send(url, BODY, forged)
        assert adapter.liveness().alarm == adapter.liveness().detail == ""


async def test_url_verification_is_echoed() -> None:
    """The handshake of a new address succeeds and stores nothing."""
    async with SlackServer() as server:
        journal = Journal()
        async with running(server, journal, http=True):
            status, body = await server.verify_url("hello there")
            assert (status, json.loads(body)) == (200, {"challenge": "hello there"})
            assert journal.deliveries == []


async def test_a_body_that_is_too_large_is_refused() -> None:
    """At the limit it is read, one byte over it is not."""
    async with SlackServer() as server:
        journal = Journal()
        async with running(server, journal, http=True) as adapter, listening(adapter) as url:
            for size, status in ((BODY_MAX_BYTES, 200), (BODY_MAX_BYTES + 1, 413)):
                body = BODY + b" " * (size - len(BODY))
                assert (await send(url, body, signed(body)))[0] == status
            assert len(journal.deliveries) == 1


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "application/json"),
        (b"[1,2]", "application/json"),
        (b"null", "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"payload=%7B", FORM),
        (b"payload=[]", FORM),
        (b"payload=%22x%22", FORM),
        (b"", FORM),
        (b"a=b", "text/plain"),
        (b"[" * 200_000, "application/json"),
    ],
)
async def test_a_genuine_request_nobody_understands_is_stored(body: bytes, kind: str) -> None:
    """It is kept as malformed and answered 200, so that Slack does not send it for ever."""
    async with SlackServer() as server:
        journal = Journal()
        async with running(server, journal, http=True) as adapter, listening(adapter) as url:
            assert (await send(url, body, signed(body, kind=kind)))[0] == 200
            assert len(journal.deliveries) == 1


async def test_nobody_running_is_busy() -> None:
    """Before `run` and after it requests are turned away for later."""
    async with (
        SlackServer() as server,
        connected(server, http=True) as adapter,
        listening(adapter) as url,
    ):
        assert (await send(url, BODY, signed(BODY)))[0] == 503


async def test_too_many_at_once_are_turned_away() -> None:
    """So many requests are read at a time; Slack comes again with the others."""
    async with SlackServer() as server:
        journal = Journal()
        journal.held = asyncio.Event()
        async with running(server, journal, http=True) as adapter, listening(adapter) as url:
            headers = signed(BODY)
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

                async def one() -> int:
                    async with session.post(url, data=BODY, headers=headers) as response:
                        return response.status

                calls = [asyncio.create_task(one()) for _ in range(REQUESTS_MAX)]
                await journal.count(REQUESTS_MAX)
                assert await one() == 503
                journal.held.set()
                assert set(await asyncio.gather(*calls)) == {200}


async def test_presses_and_commands_come_through_the_same_path() -> None:
    """Events, forms with a payload and plain forms are told apart by what they are."""
    async with SlackServer() as server:
        journal = Journal()
        async with running(server, journal, http=True):
            await server.say(chat=DM, user=ADA, text="hello")
            command = await server.command(chat=DM, user=ADA, text="status")
            await journal.count(2)
            await server.settled()
            assert {type(event).__name__ for event in journal.events} == {
                "MessageReceived",
                "CommandInvoked",
            }
            assert command.answers == [""]


async def test_the_verification_token_is_not_kept() -> None:
    """The old shared secret in every payload does not reach the journal."""
    async with SlackServer() as server:
        journal = Journal()
        async with running(server, journal, http=True):
            await server.say(chat=DM, user=ADA, text="hello")
            (delivery,) = await journal.count(1)
            await server.settled()
            stored: dict[str, Any] = json.loads(delivery.raw)
            assert "token" not in stored
            assert stored["event"]["text"] == "hello"
