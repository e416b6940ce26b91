"""What one surface needs is paid for by those who use it: what a start with a file imports."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.wire.discord import DiscordServer
from tests.wire.openai import OpenAIServer
from tests.wire.slack import SlackServer
from tests.wire.telegram import TelegramServer

PATIENCE_S = 60
ROOT = Path(__file__).parents[2]

SDKS = frozenset(
    {"telegram", "discord", "slack_bolt", "slack_sdk", "openai", "httpx", "rich", "PIL"}
)
PROGRAM = """
import logging, os, signal, sys
from gateway.cli.main import main
class Ready(logging.Handler):
    def emit(self, record):
        if record.getMessage().startswith("ready"):
            print("modules", *sorted(sys.modules))
            os.kill(os.getpid(), signal.SIGTERM)
logging.getLogger("gateway.cli.run").addHandler(Ready())
sys.exit(main(["run", "--log-format", "json"]))
"""
CONFIG = """
[gateway]
state_dir = "state"
[web]
listen = "127.0.0.1:0"
[tools]
enabled = []
"""
DEMO = '[[providers]]\nname = "demo"\napi = "demo"\n'

pytestmark = pytest.mark.slow  # a whole process starts

Surface = Callable[[], AsyncIterator[str]]


async def _web() -> AsyncIterator[str]:
    yield DEMO


async def _telegram() -> AsyncIterator[str]:
    async with TelegramServer() as server:
        yield f'[platforms.telegram]\ntoken = "{server.token}"\nbase_url = "{server.url}"\n{DEMO}'


async def _slack() -> AsyncIterator[str]:
    async with SlackServer() as server:
        yield (
            f'[platforms.slack]\nbot_token = "{server.bot_token}"\n'
            f'app_token = "{server.app_token}"\nbase_url = "{server.url}/api/"\n{DEMO}'
        )


async def _discord() -> AsyncIterator[str]:
    async with DiscordServer() as server:
        yield (
            f'[platforms.discord]\ntoken = "{server.token}"\nbase_url = "{server.api_url}"\n{DEMO}'
        )


async def _openai() -> AsyncIterator[str]:
    async with OpenAIServer() as server:
        yield (
            f'[[providers]]\nname = "main"\napi = "openai-chat"\nmodel = "loopback-1"\n'
            f'base_url = "{server.base_url}"\napi_key = "sk-loopback"\nprice = "included"\n'
        )


SURFACES: Mapping[str, tuple[Surface, frozenset[str]]] = {
    "web": (_web, frozenset()),
    # Its SDK imports httpx whether or not it is used, and httpx what draws its own command line.
    "telegram": (_telegram, frozenset({"telegram", "httpx", "rich"})),
    "slack": (_slack, frozenset({"slack_bolt", "slack_sdk"})),
    "discord": (_discord, frozenset({"discord"})),
    # The client may be imported before the first question; that of a chat platform never.
    "openai": (_openai, frozenset({"openai", "httpx", "rich"})),
}


async def modules(place: Path, config: str) -> set[str]:
    """Start a gateway, and give what it had imported when it took messages."""
    file = place / "gatepost.toml"
    file.write_text(CONFIG + config)
    file.chmod(0o600)
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        cwd=place,
        env={**kept, "HOME": str(place), "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    (line,) = (line for line in out.decode().splitlines() if line.startswith("modules "))
    return set(line.split())


@pytest.mark.parametrize("name", SURFACES)
async def test_a_start_imports_what_its_file_names(tmp_path: Path, name: str) -> None:
    """One platform's SDK comes without the others', and nobody's without being asked for."""
    surface, own = SURFACES[name]
    async with asynccontextmanager(surface)() as config:
        imported = await modules(tmp_path, config)
    assert SDKS & imported <= own
    if name not in {"web", "openai"}:
        assert own <= imported
    assert not imported & {"typer", "hypothesis", "pytest", "tests"}
