"""Chats over a gateway that is killed and started again: real processes, real terminals."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway import outgoing
from gateway.errors import StoreFailed
from gateway.store import migrate
from gateway.store.records import outbox
from gateway.store.sqlite import open_sqlite
from platforms.blocks import plain
from platforms.content import Button, Post
from platforms.events import Receipt
from tests.gateway.processes import CONFIG, PATIENCE_S, Person, gatepost, running, start
from tests.gateway.terminal_house import CHAT, House
from tests.transitions import SYNCED
from tests.wire.openai.converse import last_user_text
from tests.wire.openai.script import Reply
from tests.wire.openai.server import CHAT as ASKED
from tests.wire.openai.server import OpenAIServer

ME = f"terminal:{os.getuid()}"
INCLUDED = 'price = "included"\n'
PROMPT = r"\n> *\Z"
AWAY = r"The gateway is away; trying again \.\.\."

pytestmark = pytest.mark.slow  # whole processes start, die and start again


@pytest.fixture
async def hold() -> asyncio.Event:
    """Keeps the model in the middle of its answer to `one`."""
    return asyncio.Event()


@pytest.fixture
async def models(hold: asyncio.Event) -> AsyncIterator[OpenAIServer]:
    """A model server."""

    def reply(request: Mapping[str, Any]) -> Reply:
        said = last_user_text(request["messages"])
        if said == "one":
            return Reply(deltas=("The answer begins here,", hold, " and it ends here."))
        return Reply(deltas=(f"Heard {said}.",))

    async with OpenAIServer(default=reply) as server:
        yield server
        hold.set()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with a configuration."""
    (tmp_path / "gatepost.toml").write_text(CONFIG)
    return tmp_path


@pytest.fixture
def modelled(place: Path, models: OpenAIServer) -> Path:
    """The same with the model server as the provider."""
    provider = f'api = "openai-chat"\nbase_url = "{models.base_url}"\nmodel = "loopback-1"\n'
    config = CONFIG.replace('api = "demo"\n', f'{provider}api_key = "sk-loopback"\n{INCLUDED}')
    (place / "gatepost.toml").write_text(config)
    return place


async def asked(models: OpenAIServer, count: int) -> None:
    """Wait until the model was asked so often."""
    await models.seen(lambda _: len(models.requests(ASKED)) >= count, PATIENCE_S)


def said(models: OpenAIServer) -> list[str]:
    """What each request to the model ended with."""
    return [last_user_text(request["messages"]) for request in models.asked]


async def killed(process: asyncio.subprocess.Process) -> None:
    """It ends without a word."""
    process.kill()
    await process.wait()


async def test_a_chat_goes_on_after_the_gateway_died_in_an_answer(
    modelled: Path, models: OpenAIServer, hold: asyncio.Event
) -> None:
    """The answer is finished where it stands, and what was typed meanwhile is answered once."""
    async with running(modelled) as process:
        person = Person(modelled, "chat")
        await person.sees(f"Write a message.*{PROMPT}")
        person.type("one\r")
        await person.sees("The answer begins here")
        await killed(process)
    rows = await person.sees(f"> one\n\nThe answer begins here\n\n{AWAY}{PROMPT}")
    person.type("two\rhalf typed")
    await person.sees(rf"> two\n\n{AWAY}\n> half typed\Z")
    async with running(modelled):
        await asked(models, 2)
        await person.sees(rf"> two\n\n(?!{AWAY})")
        hold.set()
        rows = await person.sees(
            r"> one\n\nThe answer begins here, and it ends here\.\n\n> two\n\n"
            r".*Heard two\.\n\n> half typed\Z"
        )
        assert rows.count("The answer begins here") == 1
        assert rows.count("Heard two.") == 1
        assert said(models) == ["one", "one", "two"]
        person.type("\x15\x04")
        assert await person.leaves() == 0


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
@pytest.mark.parametrize(
    "way",
    [
        (("--once", "one"), "", "The answer begins here, and it ends here.\n"),
        ((), "one\ntwo\n", "The answer begins here, and it ends here.\nHeard two.\n"),
    ],
    ids=["once", "piped"],
)
async def test_whoever_waits_for_an_answer_gets_it(
    modelled: Path,
    models: OpenAIServer,
    hold: asyncio.Event,
    stop: signal.Signals,
    way: tuple[tuple[str, ...], str, str],
) -> None:
    """Whole, once, and with nothing else, although the gateway ended in the middle of it."""
    arguments, given, answers = way
    async with running(modelled) as process:
        chat = await start(modelled, "chat", *arguments)
        assert chat.stdin is not None
        chat.stdin.write(given.encode())
        chat.stdin.write_eof()
        await asked(models, 1)
        process.send_signal(stop)
        hold.set()
        await process.wait()
    async with running(modelled), asyncio.timeout(PATIENCE_S):
        out, err = await chat.communicate()
    assert (chat.returncode, err.decode()) == (0, "")
    assert out.decode() == answers


async def test_acts_that_were_not_confirmed_are_sent_again(place: Path, tmp_path: Path) -> None:
    """A press, words, and what is entered while the gateway is away: once each, in order."""
    house = House(tmp_path / "state")
    house.place.mkdir(mode=0o700)
    await house.open()
    person = Person(place, "chat")
    await person.sees(f"Write a message.*{PROMPT}")
    go = ((Button(label="Go on", payload="go", style="primary"),),)
    await house.adapter.perform(Post(chat=CHAT, body=plain("Well?"), nonce="n1", controls=go))
    await person.sees(r"\[1\] Go on")
    house.stored.clear()
    person.type("1\r")
    assert await house.heard.get() == "go"
    person.type("words\r")
    await person.sees("> words")
    await house.shut()
    await person.sees(AWAY)
    person.type("more words\r")
    await person.sees("> more words")
    house.stored.set()
    await house.open()
    assert [await house.heard.get() for _ in range(3)] == ["go", "words", "more words"]
    first, *again = house.keys
    assert first == again[0]
    assert len(set(again)) == 3
    house.receipt = Receipt.BUSY
    person.type("not now\r")
    await person.sees(r"The gateway takes nothing just now; trying again \.\.\.")
    house.receipt = Receipt.STORED
    await person.sees(rf"> not now\n\nwaiting +\(Ctrl-C stops\){PROMPT}")
    await house.shut()
    person.type("\x04")
    assert await person.leaves() == 0


@pytest.mark.parametrize("keys", ["\x03\x03", "\x04", "/quit\r"], ids=["Ctrl-C", "Ctrl-D", "quit"])
async def test_one_can_leave_while_the_gateway_is_away(place: Path, keys: str) -> None:
    """At once, and is told what did not arrive."""
    house = House(place / "state")
    house.place.mkdir(mode=0o700)
    await house.open()
    person = Person(place, "chat")
    await person.sees(f"Write a message.*{PROMPT}")
    await house.shut()
    await person.sees(AWAY)
    person.type("lost words\r")
    await person.sees("> lost words")
    for key in re.findall(r"\x03|[^\x03]+", keys):
        person.type(key)
        if key == "\x03":
            await person.sees(r"Ctrl-C again to leave|has not got")
    assert await person.leaves() == 0
    assert "has not got what you last said (1 message)." in "\n".join(person.screen.visible())


async def test_what_came_while_no_terminal_was_open_outlives_a_restart(place: Path) -> None:
    """Words and a file, shown once, in order, before what has come since."""
    await file_waits(place / "state")
    async with running(place) as process:
        await gatepost(place, "send", ME, "good **morning**")
        await delivered(place)
        await killed(process)
    async with running(place):
        await gatepost(place, "send", ME, "good evening")
        await delivered(place)
        person = Person(place, "chat")
        rows = await person.sees(
            r"Here it is\.\n\[file saved as report\.csv, 4 bytes\]\n\n"
            rf"good morning\n\ngood evening\n{PROMPT}"
        )
        assert [rows.count(word) for word in ("report", "morning", "evening")] == [1, 1, 1]
        assert (place / "report.csv").read_bytes() == b"a;b\n"
        person.type("\x04")
        assert await person.leaves() == 0
        second = await gatepost(place, "chat", "--once", "hello")
        assert second.err == ""
    async with running(place):
        third = await gatepost(place, "chat", "--once", "hello")
        assert (third.code, third.err) == (0, "")
    assert not (place / "report-2.csv").exists()


async def file_waits(state: Path) -> None:
    """A file for our chat is stored, and no gateway has sent it yet."""
    file = outgoing.File(data=b"a;b\n", name="report.csv", mime="text/csv", caption="Here it is.")
    row = outbox.NewOutbox(
        dedupe_key="file",
        account="terminal:local",
        chat=ME,
        turn_id=None,
        part=0,
        purpose="send",
        op="upload",
        target_id=None,
        content=outgoing.dump(file),
        nonce="f" * 24,
    )
    store = await open_sqlite(state, migrate.packaged(), on_failure=_unexpected)
    try:
        await store.write(lambda tx: outbox.insert(tx, row, now=1), transition=SYNCED)
    finally:
        await store.close()


def _unexpected(failure: StoreFailed) -> None:
    raise AssertionError(failure)


async def delivered(place: Path) -> None:
    """Wait until the gateway has sent all it has to send."""
    async with asyncio.timeout(PATIENCE_S):
        while "all arrived" not in (await gatepost(place, "status")).out:
            pass
