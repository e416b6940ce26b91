"""A whole gateway whose disk fails: it stops, says why, and the next one finds everything."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.gateway.processes import environment
from tests.wire.openai import OpenAIServer, Reply
from tests.wire.telegram import TOKEN, TelegramServer

pytestmark = pytest.mark.slow  # whole processes start, one after the other

CONFIG = """
[gateway]
state_dir = "state"
[web]
enabled = false
[platforms.telegram]
token = "{token}"
base_url = "{telegram}"
[access]
dm = "open"
[[providers]]
name = "main"
api = "openai-chat"
base_url = "{model}"
model = "loopback-1"
api_key = "sk-loopback"
price = "included"
[tools]
enabled = []
"""
PATIENCE_S = 60
EXIT_RESTART = 75
CHATS = range(2001, 2021)


@asynccontextmanager
async def running(place: Path, fault: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A gateway on a disk that will fail; killed at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.gateway.failing_gateway",
        fault,
        "run",
        cwd=place,
        env=environment(place),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def answered(telegram: TelegramServer, chat: int) -> None:
    """Wait until a chat has its answer."""
    await telegram.seen(
        lambda seen: (
            seen.operation in {"sendMessage", "editMessageText"}
            and seen.status == 200
            and str(seen.arguments.get("chat_id")) == str(chat)
            and "Paris." in str(seen.arguments.get("text"))
        ),
        PATIENCE_S,
    )


@pytest.mark.parametrize("fault", ["full", "syncs"])
async def test_a_failing_disk_stops_the_gateway_and_loses_nothing(
    tmp_path: Path, fault: str
) -> None:
    """It ends by itself, non-zero and with the reason; after a restart each chat has its answer."""
    async with (
        TelegramServer(longest_poll_s=1.0) as telegram,
        OpenAIServer(default=lambda _request: Reply(deltas=("Paris.",))) as model,
    ):
        text = CONFIG.format(telegram=telegram.url, model=model.base_url, token=TOKEN)
        (tmp_path / "gatepost.toml").write_text(text)
        async with running(tmp_path, fault) as process:
            await telegram.say(chat=1001, user=1001, text="Capital of France?")
            await answered(telegram, 1001)
            process.send_signal(signal.SIGUSR1)
            for chat in CHATS:
                await telegram.say(chat=chat, user=chat, text="Capital of France?")
            async with asyncio.timeout(PATIENCE_S):
                _, err = await process.communicate()
            assert process.returncode == EXIT_RESTART
            assert "the store has failed" in err.decode()
            assert "check the disk" in err.decode()
        async with running(tmp_path, "none"):
            for chat in CHATS:
                await answered(telegram, chat)
        for chat in (1001, *CHATS):
            texts = [shown.text for shown in telegram.ours(chat)]
            assert set(texts) == {"Paris."}
            assert len(texts) <= 2  # a post in doubt is made again, once
