"""A whole gateway with every library at its most talkative: no secret leaves the process."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import orjson
import pytest

from tests.wire.discord import TOKEN as DISCORD_TOKEN
from tests.wire.discord import DiscordServer
from tests.wire.openai import CHAT, OpenAIServer, Reply, converse
from tests.wire.server import Answer, CutAfter, CutBefore
from tests.wire.slack import APP_TOKEN, BOT_TOKEN, SlackServer
from tests.wire.telegram import TOKEN as TELEGRAM_TOKEN
from tests.wire.telegram import TelegramServer

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60
KEY = "sk-secret-of-the-loopback"
PAGE_TOKEN = "page-token-that-is-long-enough-to-be-one"
SECRETS = (TELEGRAM_TOKEN, BOT_TOKEN, APP_TOKEN, DISCORD_TOKEN, KEY, PAGE_TOKEN)
ANN = 1001

# Nobody may turn a logger down: what is kept out of the log must be kept out by other means.
PROGRAM = """
import logging, sys
logging.root.level = logging.DEBUG
logging.Logger.setLevel = lambda self, level: None
from gateway.cli.main import main
sys.exit(main(sys.argv[1:]))
"""

pytestmark = pytest.mark.slow  # a whole process with every SDK, and its end


def config(
    place: Path,
    telegram: TelegramServer,
    slack: SlackServer,
    discord: DiscordServer,
    model: OpenAIServer,
) -> str:
    """Every surface, every secret."""
    return f"""
[gateway]
state_dir = "{place}/state"
drain_s = 2
[web]
listen = "127.0.0.1:0"
token = "{PAGE_TOKEN}"
[platforms.telegram]
token = "{TELEGRAM_TOKEN}"
base_url = "{telegram.url}"
[platforms.slack]
bot_token = "{BOT_TOKEN}"
app_token = "{APP_TOKEN}"
base_url = "{slack.url}/api/"
[platforms.discord]
token = "{DISCORD_TOKEN}"
base_url = "{discord.api_url}"
[access]
dm = "open"
[[providers]]
name = "main"
api = "openai-chat"
base_url = "{model.base_url}"
model = "loopback-1"
api_key = "{KEY}"
price = "included"
[tools]
workspace = "{place}/workspace"
"""


class Process:
    """A `gatepost` process, and what it has said so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.said = ""
        self.process = process
        self._changed = asyncio.Event()
        self._reading = asyncio.gather(*map(self._read, (process.stdout, process.stderr)))

    @classmethod
    async def start(cls, place: Path, *arguments: str) -> "Process":
        """Start a command, its output in pipes."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        environ = {**kept, "HOME": str(place), "PYTHONPATH": str(ROOT), "PYTHONASYNCIODEBUG": "1"}
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                PROGRAM,
                *arguments,
                cwd=place,
                env=environ,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        )

    async def says(self, text: str) -> None:
        """Wait until it has said something."""
        async with asyncio.timeout(PATIENCE_S):
            while text not in self.said:
                self._changed.clear()
                await self._changed.wait()

    async def ends(self) -> str:
        """Wait for its end and return everything."""
        async with asyncio.timeout(PATIENCE_S):
            await self._reading
            await self.process.wait()
        return self.said

    async def _read(self, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None
        while data := await stream.read(65_536):
            self.said += data.decode(errors="replace")
            self._changed.set()


async def test_no_secret_leaves_the_process(tmp_path: Path) -> None:
    """Not with answers, not with cut connections, refused keys, a revoked token, nor on disk."""
    telegram, slack, discord = TelegramServer(), SlackServer(), DiscordServer()
    model = OpenAIServer(key=KEY, default=converse)
    async with AsyncExitStack() as stack:
        for server in (telegram, slack, discord, model):
            await stack.enter_async_context(server)
        file = tmp_path / "gatepost.toml"
        file.write_text(config(tmp_path, telegram, slack, discord, model))
        file.chmod(0o600)
        run = await Process.start(tmp_path, "run", "--config", str(file))
        await run.says("Gatepost is running")

        async def ours(holds: Callable[[str], bool]) -> None:
            async with asyncio.timeout(PATIENCE_S):
                while not any(holds(shown.text) for shown in telegram.ours(ANN)):
                    await telegram.seen(lambda _: True, PATIENCE_S, since=len(telegram.record))

        model.reply(Reply(deltas=("All is well.",)))
        telegram.faults.add("sendMessage", CutBefore())
        await telegram.say(chat=ANN, user=ANN, text="How are you?")
        await ours(lambda text: text == "All is well.")

        refused = {"error": {"message": f"Incorrect API key provided: {KEY}.", "code": "bad_key"}}
        model.faults.add(CHAT, *[Answer(status=401, body=orjson.dumps(refused))] * 2)
        telegram.faults.add("sendMessage", CutAfter())
        await telegram.say(chat=ANN, user=ANN, text="And now?")
        await ours(lambda text: "ref t2" in text)

        unauthorized = b'{"ok":false,"error_code":401,"description":"Unauthorized"}'
        telegram.faults.add("getUpdates", *[Answer(status=401, body=unauthorized)] * 3)
        await telegram.say(chat=ANN, user=ANN, text="Wake up the poll")
        await run.says("is stopped until the next start")

        for command in (["status"], ["status", "--json"], ["why", "t2"], ["why", "e1"], ["check"]):
            asked = await Process.start(tmp_path, *command, "--config", str(file))
            run.said += await asked.ends()
        run.process.send_signal(signal.SIGTERM)
        said = await run.ends()
        shown = "\n".join(message.text for message in telegram.ours(ANN))
    assert run.process.returncode == 0
    assert "debug" in said
    assert "[hidden]" in said  # the libraries did try
    for secret in SECRETS:
        assert secret not in said
        assert secret not in shown
        for path in (tmp_path / "state").rglob("*"):
            assert not path.is_file() or secret.encode() not in path.read_bytes(), path
