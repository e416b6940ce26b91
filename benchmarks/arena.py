"""One process under test between a loopback Telegram and a loopback model, timed from outside.

Both servers live in this process, so their work is not counted as the subject's. All times are
of the system's monotonic clock, which processes share.
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
from aiohttp import web

from tests.wire.openai import OpenAIServer, Reply
from tests.wire.openai.script import StreamStep
from tests.wire.server import Seen
from tests.wire.telegram import TOKEN, TelegramServer

ROOT = Path(__file__).resolve().parent.parent
READY_S = 30.0
HOOK_SECRET = "loopback"
LISTENING = {"getupdates", "setwebhook"}
LAST = "END."
"""The last words of every answer."""


class TimedModel(OpenAIServer):
    """A model server that notes when each request came and when its last byte left."""

    def __init__(self, *, deltas: int, pause_s: float) -> None:
        super().__init__(default=self._script, delta_pause_s=pause_s)
        self.deltas = deltas
        self.began: dict[str, float] = {}
        self.ended: dict[str, float] = {}

    def _script(self, body: Any) -> Reply:
        text = _asked(body)
        self.began[text] = time.monotonic()
        # Short, so that a thousand of them still fit into the one message the floor can send.
        return Reply(deltas=(*["ab "] * (self.deltas - 1), LAST))

    async def _play_steps(
        self, request: web.Request, steps: Sequence[StreamStep], content_type: str
    ) -> web.StreamResponse:
        response = await super()._play_steps(request, steps, content_type)
        body = await request.json()
        self.ended[_asked(body)] = time.monotonic()
        return response


class Arena:
    """`async with Arena(...) as arena:` starts the servers and the floor, ready for messages."""

    def __init__(self, *, deltas: int = 8, pause_s: float = 0.0) -> None:
        self.telegram = TelegramServer(longest_poll_s=50.0)
        self.model = TimedModel(deltas=deltas, pause_s=pause_s)
        self.ready_s = 0.0
        self._marks: dict[int, int] = {}
        self.process: psutil.Process
        self._child: asyncio.subprocess.Process

    def command(self) -> Sequence[str]:
        """What Python runs; called once the servers listen."""
        return ("-m", "benchmarks.floor", self.telegram.url, TOKEN, self.model.base_url)

    async def __aenter__(self) -> Self:
        await self.telegram.__aenter__()
        await self.model.__aenter__()
        began = time.monotonic()
        self._child = await asyncio.create_subprocess_exec(
            sys.executable,
            *self.command(),
            cwd=ROOT,
            stderr=None if os.environ.get("BENCH_LOG") else asyncio.subprocess.DEVNULL,
        )
        seen = await self.telegram.seen(lambda s: s.operation.lower() in LISTENING, READY_S)
        self.ready_s = seen.at - began
        self.process = psutil.Process(self._child.pid)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._child.kill()
        await self._child.wait()
        await self.telegram.close()
        await self.model.close()

    def cpu_s(self) -> float:
        """Processor time of the subject so far, all threads."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def rss_mib(self) -> float:
        """Resident memory of the subject."""
        return float(self.process.memory_info().rss) / 1024 / 1024

    async def turn(self, chat: int, text: str) -> tuple[float, float, float]:
        """One message and its whole answer: seconds to the model, after it, and in all."""
        began = time.monotonic()
        await self.telegram.say(chat=chat, user=chat, text=text)
        sent = await self._final(chat)
        return (
            self.model.began[text] - began,
            sent - self.model.ended.get(text, sent),
            sent - began,
        )

    async def burst(self, chats: Sequence[int], text: str) -> float:
        """One message in every chat at once; seconds until the last answer stands whole."""
        began = time.monotonic()
        for chat in chats:
            await self.telegram.say(chat=chat, user=chat, text=f"{text} {chat}")
        return max(await asyncio.gather(*(self._final(chat) for chat in chats))) - began

    async def answers(self, chats: Sequence[int], *, within_s: float) -> dict[int, float]:
        """When each of many new chats had its whole answer; those without one are missing."""
        at: dict[int, float] = {}
        left = set(chats)

        def answered(seen: Seen) -> bool:
            chat = int(seen.arguments.get("chat_id") or 0)
            if chat in left and _is_whole(seen):
                left.discard(chat)
                at[chat] = seen.at
            return not left

        with suppress(AssertionError):  # not all of them in time
            await self.telegram.seen(answered, within_s)
        return at

    async def _final(self, chat: int) -> float:
        """When a message that holds the answer's last word reached a chat."""
        seen = await self.telegram.seen(
            lambda s: str(s.arguments.get("chat_id")) == str(chat) and _is_whole(s),
            120.0,
            since=self._mark(chat),
        )
        self._marks[chat] = self.telegram.record.index(seen) + 1
        return seen.at

    def _mark(self, chat: int) -> int:
        return self._marks.get(chat, 0)


class GatewayArena(Arena):
    """The gateway in the arena, on a state directory of its own."""

    def __init__(
        self,
        directory: Path,
        *,
        paced: bool = False,
        hook_port: int = 0,
        deltas: int = 8,
        pause_s: float = 0.0,
    ) -> None:
        """`hook_port`: where updates are posted to; 0 lets the gateway poll."""
        super().__init__(deltas=deltas, pause_s=pause_s)
        self._directory = directory
        self._paced = paced
        self._hook_port = hook_port

    def command(self) -> Sequence[str]:
        """The gateway, on a configuration that names the servers."""
        self._directory.mkdir(parents=True, exist_ok=True)
        config = self._directory / "gatepost.toml"
        text = CONFIG.format(
            telegram=self.telegram.url, model=self.model.base_url, port=self._hook_port
        )
        config.write_text(text.replace("# hook: ", "") if self._hook_port else text)
        command = ("-m", "benchmarks.subject", str(config))
        return command if self._paced else (*command, "--unpaced")


CONFIG = f"""
[gateway]
state_dir = "state"
[web]
listen = "127.0.0.1:{{port}}"
[platforms.telegram]
token = "{TOKEN}"
base_url = "{{telegram}}"
# hook: mode = "webhook"
# hook: webhook_url = "https://gateway.example"
# hook: webhook_secret = "{HOOK_SECRET}"
[access]
dm = "open"
[[providers]]
name = "main"
api = "openai-chat"
base_url = "{{model}}"
model = "loopback-1"
api_key = "sk-loopback"
[tools]
workspace = "workspace"
"""


def _is_whole(seen: Seen) -> bool:
    """Whether it brought an answer's last word into a chat."""
    return (
        seen.operation in {"sendMessage", "editMessageText"}
        and seen.status == 200
        and LAST in str(seen.arguments.get("text"))
    )


def _asked(body: Any) -> str:
    return str([m["content"] for m in body["messages"] if m["role"] == "user"][-1])
