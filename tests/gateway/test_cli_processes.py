"""The command line as people run it: real processes, a real terminal, the demonstration model."""

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.gateway.processes import (
    CONFIG,
    PATIENCE_S,
    Person,
    environment,
    gatepost,
    running,
)
from tests.wire.openai.server import OpenAIServer
from tests.wire.telegram.server import TelegramServer

pytestmark = pytest.mark.slow  # whole processes start, and the demonstration types at its own pace


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with a configuration."""
    (tmp_path / "gatepost.toml").write_text(CONFIG)
    return tmp_path


async def test_one_stop_that_arrives_twice_is_one_stop(place: Path) -> None:
    """A parent that hands on what the whole group got does not turn a stop into a kill."""
    async with running(place) as process:
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(PATIENCE_S):
            await process.wait()
        assert process.returncode == 0


async def test_a_gateway_is_asked_from_outside(place: Path) -> None:
    """Status, send, why, chat and a second start, against one running gateway."""
    async with running(place) as process:
        status = await gatepost(place, "status", "--json")
        assert status.code == 0
        fields = json.loads(status.out)
        assert [platform["platform"] for platform in fields["platforms"]] == ["terminal", "web"]
        assert "survives power loss" in (await gatepost(place, "status")).out

        chat = f"terminal:{os.getuid()}"
        sent = await gatepost(place, "send", chat, "**good** morning", "--key", "k1")
        again = await gatepost(place, "send", chat, "-", "--key", "k1", given="**good** morning")
        assert sent.code == again.code == 0
        assert sent.out == again.out
        row = re.findall(r"gatepost why (o\d+)", sent.out)[0]
        why = await gatepost(place, "why", row)
        assert (why.code, chat in why.out) == (0, True)
        assert json.loads((await gatepost(place, "why", row, "--json")).out)["id"] == row
        assert (await gatepost(place, "why", "e999")).code == 1

        answer = await gatepost(place, "chat", "--once", "what is the *first* thing?")
        assert answer.code == 0
        assert "what is the first thing?" in answer.out
        assert "\x1b" not in answer.out
        assert answer.err == "good morning\n"

        second = await gatepost(place, "run")
        assert second.code == 78
        assert f"{place}/state is in use by process {process.pid}" in second.err
    assert process.returncode == 0


async def test_a_chat_brings_its_own_gateway_and_its_memory_stays(place: Path) -> None:
    """Lines of the input are messages one after another; the next chat remembers them."""
    first = await gatepost(place, "chat", given="my name is Ann\n\nsecond thing\n")
    assert first.code == 0, first.err
    assert first.out.index("my name is Ann") < first.out.index("second thing")
    second = await gatepost(place, "chat", "--once", "third thing")
    assert "second thing" in second.out, second
    assert first.err == second.err == ""


def open_to_all(folder: Path) -> None:
    """A folder as `mkdir` would make it."""
    folder.mkdir()
    folder.chmod(0o755)


async def test_a_state_directory_open_to_others_is_refused(place: Path) -> None:
    """`run` ends with 78 and the command that mends it, `chat` likewise."""
    open_to_all(place / "state")
    for command in ("run", "chat"):
        ended = await gatepost(place, command)
        assert (ended.code, ended.out) == (78, "")
        assert f"chmod 700 {place}/state" in ended.err


async def test_a_start_imports_only_what_it_uses(place: Path) -> None:
    """No chat SDK, no model SDK, no table printer for a gateway that uses none of them."""
    (place / "gatepost.toml").unlink()
    code = (
        "import sys, threading, os, signal\n"
        "from gateway.cli.main import main\n"
        "import logging\n"
        "class Ready(logging.Handler):\n"
        "    def emit(self, record):\n"
        "        if record.getMessage().startswith('ready'):\n"
        "            print(' '.join(sorted(sys.modules)))\n"
        "            os.kill(os.getpid(), signal.SIGTERM)\n"
        "logging.getLogger('gateway.cli.run').addHandler(Ready())\n"
        "sys.exit(main(['run', '--demo', '--log-format', 'json']))\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        cwd=place,
        env=environment(place),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate()
    if b"already taken" in err:
        pytest.skip("another program holds the default port of the page")
    assert process.returncode == 0, err.decode()
    unused = {"rich", "typer", "pydantic", "openai", "httpx", "telegram", "discord", "slack_bolt"}
    assert unused & set(out.decode().split()) == set()


async def test_check_online_asks_everyone(place: Path) -> None:
    """Who we are on each platform, whether each key works, and what fails by name."""
    async with OpenAIServer() as models, TelegramServer() as telegram:
        config = place / "gatepost.toml"
        provider = f"""
[[providers]]
name = "main"
api = "openai-chat"
base_url = "{models.base_url}"
"""
        head = f"""
[platforms.telegram]
token = "{telegram.token}"
base_url = "{telegram.url}"
"""
        config.write_text(f'{head}{provider}model = "loopback-1"\napi_key = "sk-loopback"\n')
        good = await gatepost(place, "check", "--online")
        assert good.code == 0, good
        assert "telegram: connected as telegram:" in good.out
        assert "provider main: the key works, loopback-1 is there" in good.out
        config.write_text(
            head.replace(telegram.token, "1:wrong")
            + f'{provider}model = "loopback-1"\napi_key = "sk-wrong"\n'
            + f'{provider.replace("main", "other")}model = "gone"\napi_key = "sk-loopback"\n'
            + provider.replace("main", "away").replace(models.base_url, "http://127.0.0.1:9")
            + 'model = "x"\n'
        )
        bad = await gatepost(place, "check", "--online")
    assert bad.code == 1
    for line in (
        "telegram: FAILED: ",
        "provider main: FAILED: the key is refused",
        "provider other: FAILED: the key works, but there is no model gone",
        "provider away: FAILED: http://127.0.0.1:9 is not reachable",
    ):
        assert line in bad.out
    assert "sk-wrong" not in bad.out + bad.err
    assert "1:wrong" not in bad.out + bad.err


async def test_a_conversation_at_a_terminal(place: Path) -> None:
    """Type, correct, read the answer above the line; stop a long one; leave."""
    person = Person(place, "chat")
    await person.sees(r"Write a message.*\n> *\Z")
    person.type("helo\x1b[Dl")
    await person.sees(r"> hello")
    person.type("\r")
    rows = await person.sees(r"You said:\n\n│ hello\n.*\n> *\Z")
    assert rows.count("> hello") == 1
    person.type("long\r")
    await person.sees(r"Section 5.*Ctrl-C stops.*\n>")
    person.type("\x03")
    rows = await person.sees(r"Stopped by .*\n\n(.*leave.\n)?> *\Z")
    sections = re.findall(r"Section (\d+) of", rows)
    assert sections == [str(number + 1) for number in range(len(sections))]
    person.type("\x1b[200~two\nlines\x1b[201~\r")
    await person.sees(r"> two\n> lines\n.*You said:\n\n│ two\n│ lines")
    person.type("\x04")
    assert await person.leaves() == 0


async def test_ctrl_c_twice_leaves(place: Path) -> None:
    """The first one says so."""
    person = Person(place, "chat")
    await person.sees(r"Write a message.*\n> *\Z")
    person.type("half typed\x03")
    await person.sees(r"Press Ctrl-C again to leave.\n> *\Z")
    person.type("\x03")
    assert await person.leaves() == 0


async def test_a_terminal_sees_what_is_sent_to_it(place: Path) -> None:
    """A message from outside comes above what is being typed."""
    async with running(place):
        person = Person(place, "chat")
        await person.sees(r"Write a message.*\n> *\Z")
        person.type("unfinished")
        await person.sees(r"> unfinished")
        await gatepost(place, "send", f"terminal:{os.getuid()}", "ping \x1b[31m pong")
        await person.sees(r"ping .*pong\n\n> unfinished *\Z")
        person.type("\x15\x04")
        assert await person.leaves() == 0
