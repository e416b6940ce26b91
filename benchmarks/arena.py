"""One process under test between a loopback Telegram and a loopback model, timed from outside.

Both servers live in this process, so their work is not counted as the subject's. All times are
of the system's monotonic clock, which processes share.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
from aiohttp import web

from benchmarks.gated import BEGAN, NAME
from benchmarks.subject import TASKS
from tests.wire.openai import CallTool, OpenAIServer, Reply
from tests.wire.openai.script import StreamStep
from tests.wire.server import Seen
from tests.wire.telegram import TOKEN, TelegramServer

ROOT = Path(__file__).resolve().parent.parent
READY_S = 100.0
HOOK_SECRET = "loopback"
LISTENING = {"getupdates", "setwebhook"}
LAST = "END."
"""The last words of every answer."""

LET = "Approve"
"""How the label of a button that lets a call run begins."""

DO = "do"
"""`do KIND NUMBER ...` makes the model want so many calls of one kind before it answers."""


class TimedModel(OpenAIServer):
    """A model server that notes when a message first came to it and when its last byte left.

    An answer after calls repeats the first result.
    """

    def __init__(self, *, deltas: int, pause_s: float) -> None:
        super().__init__(default=self._script, delta_pause_s=pause_s)
        self.deltas = deltas
        self.began: dict[str, float] = {}
        self.ended: dict[str, float] = {}

    def _script(self, body: Any) -> Reply:
        text = _asked(body)
        self.began.setdefault(text, time.monotonic())
        results = [f"{m['content']} " for m in body["messages"] if m["role"] == "tool"]
        if text.startswith(f"{DO} ") and not results:
            return Reply(calls=_calls(text))
        # Short, so that a thousand of them still fit into the one message the floor can send.
        words = [*["ab "] * (self.deltas - 1), LAST]
        return Reply(deltas=(*results[:1], *words[len(results[:1]) :]))

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
        await self.end(signal.SIGKILL)
        await self.telegram.close()
        await self.model.close()

    async def end(self, how: signal.Signals) -> None:
        """End the subject and wait until it has."""
        if self._child.returncode is None:
            self._child.send_signal(how)
            await self._child.wait()

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
        sent = (await self._final(chat)).at
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
        answers = await asyncio.gather(*(self._final(chat) for chat in chats))
        return max(answer.at for answer in answers) - began

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

    async def card(self, chat: int, text: str) -> None:
        """One message whose answer is a card; back once that has its buttons."""
        await self.telegram.say(chat=chat, user=chat, text=text)
        await self.telegram.seen(
            lambda s: (
                str(s.arguments.get("chat_id")) == str(chat)
                and LET in str(s.arguments.get("reply_markup"))
            ),
            READY_S,
        )

    async def press(self, chat: int) -> tuple[float, float]:
        """Let the call of the newest card run: seconds until it began, and to the callback answer.

        Back once the whole answer stands.
        """
        card = self.telegram.ours(chat)[-1]
        label = next(k.label for row in card.keyboard for k in row if k.label.startswith(LET))
        since = len(self.telegram.record)
        pressed = time.monotonic()
        callback = await self.telegram.press(
            chat=chat, message_id=card.message_id, user=chat, label=label
        )
        answer = str((await self._final(chat)).arguments["text"])
        answered = await self.telegram.seen(
            lambda s: str(s.arguments.get("callback_query_id")) == callback, READY_S, since=since
        )
        return float(answer.partition(BEGAN)[2].split()[0]) - pressed, answered.at - pressed

    async def _final(self, chat: int) -> Seen:
        """The message that holds the answer's last word, once it has reached a chat."""
        seen = await self.telegram.seen(
            lambda s: str(s.arguments.get("chat_id")) == str(chat) and _is_whole(s),
            120.0,
            since=self._mark(chat),
        )
        self._marks[chat] = self.telegram.record.index(seen) + 1
        return seen

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
        gated: bool = False,
        deltas: int = 8,
        pause_s: float = 0.0,
    ) -> None:
        """`hook_port`: where updates are posted to; 0 lets the gateway poll.

        `gated`: the model has the tool of `benchmarks.gated`.
        """
        super().__init__(deltas=deltas, pause_s=pause_s)
        self._gated = gated
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
        flags = {"--unpaced": not self._paced, "--gated": self._gated}
        wanted = (flag for flag, is_set in flags.items() if is_set)
        return ("-m", "benchmarks.subject", str(config), *wanted)

    async def tasks(self) -> int:
        """How many asyncio tasks the gateway has now, by its own count."""
        told = self._directory / TASKS
        told.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        while True:
            try:
                return int(told.read_text())
            except FileNotFoundError:
                await asyncio.sleep(0.01)


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
price = "included"
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


def _calls(text: str) -> tuple[CallTool, ...]:
    """The calls that a message asks for."""
    _, kind, number, *_ = text.split()
    return tuple(
        CallTool(
            name=NAME,
            arguments=json.dumps({"kind": kind, "number": each}),
            id=f"call_{each}",
            piece=64,
        )
        for each in range(int(number))
    )


def _asked(body: Any) -> str:
    return str([m["content"] for m in body["messages"] if m["role"] == "user"][-1])
