"""Each way a request can fail gives its class: recorded answers through the real SDK."""

import json
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from platforms import errors
from platforms.blocks import plain
from platforms.content import AnswerPress, Delete, Done, Edit, Operation, Upload
from platforms.discord.client import DiscordAdapter
from platforms.discord.errors import CLOSE_REASONS, classify_close, classify_error
from platforms.errors import CredentialsRejected, PlatformError, PlatformUnavailable, RightsMissing
from platforms.events import MessageRef, PressToken
from tests.platforms.discord.journal import chat_of, connected, post
from tests.wire.discord import DiscordServer
from tests.wire.server import Answer, CutAfter, CutBefore

FOLDER = Path(__file__).parents[2] / "fixtures" / "discord" / "errors"
CASES = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as running:
        yield running


@pytest.fixture
async def adapter(server: DiscordServer) -> AsyncIterator[DiscordAdapter]:
    async with connected(server) as ready:
        yield ready


def operation_of(name: str, server: DiscordServer) -> Operation:
    """An operation of that name on something that looks real."""
    chat = chat_of(server.general)
    message = MessageRef(chat=chat, message_id=str(server.world.ids.next()))
    match name:
        case "post":
            return post(server.general, "hello")
        case "post_in_thread":
            return post(server.world.add_thread(server.general, "thread"), "hello")
        case "edit":
            return Edit(message=message, body=plain("hello"))
        case "delete":
            return Delete(message=message)
        case "upload":
            return Upload(chat=chat, data=b"x", name="a.md", mime="text/markdown", nonce="n")
        case "answer":
            later = datetime.now(UTC) + timedelta(minutes=15)
            press = PressToken(kind="component", value="7:token", usable_until=later)
            return AnswerPress(press=press, text="hello")
        case _:
            raise AssertionError(name)


def answer_of(case: dict[str, Any]) -> Answer:
    body = case["body"]
    if isinstance(body, str):
        data, kind = body.encode(), "text/html"
    else:
        data, kind = json.dumps(body).encode(), "application/json"
    return Answer(status=case["status"], body=data, headers=case["headers"], content_type=kind)


@pytest.mark.parametrize("name", CASES)
async def test_answer_becomes_its_class(
    server: DiscordServer, adapter: DiscordAdapter, name: str
) -> None:
    """A recorded answer gives the class, and the facts, that its fixture names."""
    case = CASES[name]
    operation = operation_of(case["operation"], server)
    server.faults.add("*", answer_of(case))
    if case["becomes"] == "Done":
        assert await adapter.perform(operation) == Done()
        return
    with pytest.raises(PlatformError) as caught:
        await adapter.perform(operation)
    assert type(caught.value) is getattr(errors, case["becomes"])
    assert {key: getattr(caught.value, key) for key in case["with"]} == case["with"]


@pytest.mark.parametrize("name", ["post", "edit", "upload", "answer"])
async def test_a_cut_connection_is_uncertain(
    server: DiscordServer, adapter: DiscordAdapter, name: str
) -> None:
    """Cut before the request had an effect or after it: nobody can know, once it was written."""
    for fault in (CutBefore(), CutAfter()):
        server.faults.add("*", fault)
        with pytest.raises((errors.SendUncertain, errors.PlatformUnavailable)) as caught:
            await adapter.perform(operation_of(name, server))
        assert isinstance(caught.value, errors.SendUncertain)


async def test_no_connection_is_certainly_not_sent() -> None:
    """When nobody listens any more, nothing was sent; the kept connection is found dead once."""
    server = DiscordServer()
    async with server, connected(server) as adapter:
        await server.close()
        with pytest.raises(errors.SendUncertain):
            await adapter.perform(post(server.general, "hello"))
        with pytest.raises(PlatformUnavailable):
            await adapter.perform(post(server.general, "hello"))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (aiohttp.ConnectionTimeoutError(), errors.PlatformUnavailable),
        (aiohttp.ServerTimeoutError(), errors.SendUncertain),
        (aiohttp.ServerDisconnectedError(), errors.SendUncertain),
        (ConnectionResetError(), errors.SendUncertain),
        (TimeoutError(), errors.SendUncertain),
        (KeyError("id"), errors.SendUncertain),
        (
            aiohttp.ClientConnectorSSLError(
                ConnectionKey("a.example", 443, True, True, None, None, None), ssl.SSLError()
            ),
            errors.PlatformUnavailable,
        ),
        (errors.TooLong("x"), errors.TooLong),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_what_the_network_raises(error: Exception, kind: type[PlatformError]) -> None:
    """Connecting is apart from everything later; what is unknown may have been done."""
    assert type(classify_error(error)) is kind


@pytest.mark.parametrize("code", [4004, 4010, 4011, 4012, 4013, 4014])
def test_final_closes_say_what_to_do(code: int) -> None:
    """A close that no attempt can follow stops the adapter with a sentence for the operator."""
    error = classify_close(code)
    assert isinstance(error, CredentialsRejected)
    assert CLOSE_REASONS[code] in str(error)
    assert isinstance(error, RightsMissing) is (code == 4014)


def test_the_missing_switch_is_named() -> None:
    """Close 4014 tells the click path of the Message Content Intent."""
    assert "Bot > Privileged Gateway Intents > Message Content Intent: switch it on" in str(
        classify_close(4014)
    )
