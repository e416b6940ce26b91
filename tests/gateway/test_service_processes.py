"""Backup, restore and doctor as an operator runs them, against real gateway processes."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from gateway.control import socket_address
from gateway.control_requests import SendText, request_line
from tests.wire.openai.server import OpenAIServer
from tests.wire.telegram.server import TelegramServer

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60

CONFIG = """\
[gateway]
state_dir = "{state}"
[web]
listen = "127.0.0.1:0"
[tools]
enabled = ["files"]
[[providers]]
name = "demo"
api = "demo"
"""

pytestmark = pytest.mark.slow  # whole processes start


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int | None
    out: str
    err: str


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with two configurations that differ in their state directory."""
    for name in ("here", "there"):
        file = tmp_path / f"{name}.toml"
        file.write_text(CONFIG.format(state=name))
        file.chmod(0o600)
    return tmp_path


def environment(place: Path) -> Mapping[str, str]:
    """Nothing of the developer's own configuration."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {**kept, "HOME": str(place), "PYTHONPATH": str(ROOT)}


async def start(place: Path, *arguments: str) -> asyncio.subprocess.Process:
    """A `gatepost` process with pipes."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        *arguments,
        cwd=place,
        env=environment(place),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def gatepost(place: Path, *arguments: str) -> Ended:
    """Run a command to its end."""
    process = await start(place, *arguments)
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate()
    return Ended(code=process.returncode, out=out.decode(), err=err.decode())


@asynccontextmanager
async def running(place: Path, config: str = "here.toml") -> AsyncIterator[None]:
    """A gateway that is ready; ended kindly, else by force."""
    process = await start(place, "run", "--config", config)
    assert process.stderr is not None
    seen = ""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while "Gatepost is running" not in seen:
                line = (await process.stderr.readline()).decode()
                assert line, f"it ended before it was ready: {seen}"
                seen += line
        yield
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            await process.communicate()
        assert process.returncode == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


class Sender:
    """Sends messages over one control connection, each acknowledged before the next."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.acknowledged: list[int] = []

    async def send(self) -> None:
        """Send one; its row is on disk when this returns."""
        number = len(self.acknowledged)
        request = SendText(chat=f"terminal:{os.getuid()}", text=f"m{number}", key=f"k{number}")
        self._writer.write(request_line(request))
        async with asyncio.timeout(PATIENCE_S):
            answer = orjson.loads(await self._reader.readline())
        self.acknowledged.append(answer["ok"])

    async def until(self, stopped: asyncio.Event) -> None:
        """Send on and on."""
        while not stopped.is_set():
            await self.send()


@asynccontextmanager
async def sending(state: Path) -> AsyncIterator[Sender]:
    """A sender to the gateway that runs over a state directory."""
    with socket_address(state) as address:
        reader, writer = await asyncio.open_unix_connection(address)
    try:
        yield Sender(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


def names(folder: Path) -> list[str]:
    """What stands in a folder."""
    return sorted(path.name for path in folder.iterdir())


async def test_a_running_gateway_is_backed_up_and_restored_elsewhere(place: Path) -> None:
    """Nothing acknowledged before the backup is missing there, and the load went on."""
    async with running(place), sending(place / "here") as sender:
        for _ in range(50):
            await sender.send()
        stopped = asyncio.Event()
        loading = asyncio.create_task(sender.until(stopped))
        before = list(sender.acknowledged)
        made = await gatepost(place, "backup", "--config", "here.toml", "one.tar")
        stopped.set()
        await loading
        assert (made.code, made.err) == (0, ""), made
        assert "one.tar: " in made.out
        assert len(sender.acknowledged) > len(before)
        assert "backup" not in names(place / "here")

        refused = await gatepost(place, "restore", "--config", "here.toml", "one.tar")
        assert refused.code == 78
        assert "is in use by process" in refused.err
        status = await gatepost(place, "status", "--config", "here.toml", "--json")
        assert json.loads(status.out)["backup_age_s"] < 60

    restored = await gatepost(place, "restore", "--config", "there.toml", "one.tar")
    assert restored.code == 0, restored.err
    async with running(place, "there.toml"):
        for row in (before[0], before[-1]):
            why = await gatepost(place, "why", "--config", "there.toml", f"o{row}")
            assert why.out.startswith(f"outbox o{row}: post (send)"), why
        async with sending(place / "there") as sender:
            for _ in before:  # the same keys: what it knows is stored once
                await sender.send()
        assert sender.acknowledged == before


async def test_a_stopped_gateway_is_backed_up_and_put_back(place: Path) -> None:
    """Into a directory for the timer, keeping two; replaced on demand, the old state beside."""
    async with running(place), sending(place / "here") as sender:
        await sender.send()
    os.mkdir(place / "kept")  # noqa: PTH102
    for day in ("01", "02", "03"):
        with open(place / "kept" / f"gatepost-202501{day}T000000Z.tar", "w"):  # noqa: ASYNC230, PTH123
            pass
    made = await gatepost(place, "backup", "--config", "here.toml", "--keep", "2", "kept")
    assert made.code == 0, made.err
    first, last = names(place / "kept")
    assert first == "gatepost-20250103T000000Z.tar"
    file = f"kept/{last}"

    full = await gatepost(place, "restore", "--config", "here.toml", file)
    assert (full.code, "--replace" in full.err) == (1, True)
    replaced = await gatepost(place, "restore", "--config", "here.toml", "--replace", file)
    assert replaced.code == 0, replaced.err
    (aside,) = (name for name in names(place / "here") if name.startswith("replaced-"))
    assert "gatepost.db" in names(place / "here" / aside)
    async with running(place):
        why = await gatepost(place, "why", "--config", "here.toml", "o1")
        assert why.code == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("backup", "one.tar"), "there is no gateway's state in"),
        (("backup", "one.zip"), "no file that ends in .tar"),
        (("backup", "missing/one.tar"), "there is no directory missing"),
        (("restore", "missing.tar"), "cannot be read as a backup"),
        (("restore", "here.toml"), "cannot be read as a backup"),
    ],
    ids=" ".join,
)
async def test_what_cannot_be_done_is_one_sentence(
    place: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    """Exit code 1, nothing on standard output, no state made."""
    command, *rest = arguments
    ended = await gatepost(place, command, "--config", "here.toml", *rest)
    assert (ended.code, ended.out) == (1, "")
    assert complaint in ended.err
    assert ended.err.count("\n") == 1
    assert "gatepost.db" not in (names(place / "here") if (place / "here").exists() else [])


def findings(ended: Ended) -> dict[str, list[tuple[str, str]]]:
    """What doctor found, by check."""
    found: dict[str, list[tuple[str, str]]] = {}
    for finding in json.loads(ended.out):
        found.setdefault(finding["check"], []).append((finding["severity"], finding["finding"]))
    return found


async def test_doctor_looks_at_a_running_and_a_stopped_gateway(place: Path) -> None:
    """The same checks of the same store, asked for or read from its files; fine is 0."""
    fresh = await gatepost(place, "doctor", "--offline", "--config", "here.toml")
    assert fresh.code == 0, fresh
    async with running(place):
        up = await gatepost(place, "doctor", "--offline", "--config", "here.toml", "--json")
    down = await gatepost(place, "doctor", "--offline", "--config", "here.toml", "--json")
    assert (up.code, down.code) == (0, 0), (up, down)
    live, files = findings(up), findings(down)
    assert live["gateway"][0][1].startswith("running for")
    assert files["gateway"][0][1].startswith("not running")
    assert live["web"] == live["terminal"] == [("ok", "connected")]
    for check in ("config", "disk", "store", "clock", "backup", "workspace"):
        assert live[check][0][0] == files[check][0][0] == "ok", check
    assert names(place / "here") == ["blobs", "gatepost.db", "gatepost.lock"]


async def test_doctor_finds_what_is_wrong(place: Path) -> None:
    """Loose rights, a damaged file, a demonstration: the worst decides the exit code."""
    async with running(place):
        pass
    demo = await gatepost(place, "doctor", "--config", "here.toml")
    assert demo.code == 1
    assert "a scripted demonstration answers" in demo.out
    os.chmod(place / "here" / "gatepost.db", 0o644)  # noqa: PTH101
    with open(place / "here" / "gatepost.db", "r+b") as file:  # noqa: ASYNC230, PTH123
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 20)
    ill = await gatepost(place, "doctor", "--offline", "--config", "here.toml")
    assert ill.code == 2
    assert f"-> chmod 600 {place}/here/gatepost.db" in ill.out
    assert "store           damaged: " in ill.out
    with open(place / "here.toml", "a") as file:  # noqa: ASYNC230, PTH123
        file.write("[webb]\n")
    faulty = await gatepost(place, "doctor", "--offline", "--config", "here.toml", "--json")
    assert faulty.code == 2
    assert "webb" in findings(faulty)["config"][0][1]
    assert "store" in findings(faulty)


async def test_doctor_asks_everyone(place: Path) -> None:
    """Who we are and what we may on each platform; which key is refused; never the key."""
    async with OpenAIServer() as models, TelegramServer() as telegram:
        text = f"""
[gateway]
state_dir = "here"
owners = ["telegram:1001"]
[web]
listen = "127.0.0.1:0"
[platforms.telegram]
token = "{telegram.token}"
base_url = "{telegram.url}"
[[providers]]
name = "main"
api = "openai-chat"
base_url = "{models.base_url}"
model = "loopback-1"
api_key = "sk-loopback"
price = "included"
"""
        with open(place / "good.toml", "w") as file:  # noqa: ASYNC230, PTH123
            file.write(text)
        good = await gatepost(place, "doctor", "--config", "good.toml", "--json")
        assert good.code == 0, good
        found = findings(good)
        assert "privacy mode" in found["telegram"][0][1]
        assert found["provider main"] == [("ok", "the key works, loopback-1 is there")]
        with open(place / "bad.toml", "w") as file:  # noqa: ASYNC230, PTH123
            bad_text = text.replace(telegram.token, "1:wrong").replace("sk-loopback", "sk-wrong")
            file.write(bad_text)
        bad = await gatepost(place, "doctor", "--config", "bad.toml", "--json")
    assert bad.code == 2
    found = findings(bad)
    assert found["telegram"][0][0] == found["provider main"][0][0] == "error"
    assert "sk-wrong" not in bad.out + bad.err
    assert "1:wrong" not in bad.out + bad.err
