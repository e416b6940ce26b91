"""Random failures over a chain of three real model servers, through the whole gateway.

Whatever they do, a turn ends with one answer or one sentence, nothing one model said stands before
another's words, no tool runs twice, the next turn asks the primary first, and the books are right.
"""

import asyncio
import random
import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.model_prices import ModelPricing, configured
from agent.model_room import ModelRoom
from agent.providers.bounds import CLOUD
from agent.providers.openai_chat import ChatEndpoint, OpenAIChat
from agent.tools.base import EffectClass
from gateway.store import migrate
from gateway.store.base import Tx
from gateway.store.sqlite import open_sqlite
from tests.agent.chain import MODELS, refusal
from tests.agent.scripted import ScriptedTool, entry
from tests.gateway.core import Core
from tests.gateway.events import message
from tests.gateway.hand_clock import START, HandClock
from tests.gateway.scripted_adapter import ScriptedAdapter
from tests.gateway.steady import SteadyStore
from tests.warp import warped
from tests.wire.openai import CallTool, Cut, OpenAIServer, Reply, Stream, chunk
from tests.wire.openai.script import Reset, Script, Silence

SEEDS, SOAKED = 10, 200
TURNS = 3
REST_S = 70
"""Longer than any rest of a breaker: the primary is on trial again, so it is asked first."""
ROLE = chunk({"role": "assistant"})


class LoopClock(HandClock):
    """The clock of the loop that jumps, also for the store's own thread."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()

    def now(self) -> int:
        return START + int(self.monotonic() * 1_000_000)

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            pass


@dataclass
class Mood:
    """How one server answers: what it does next is drawn, its words carry its name."""

    name: str
    rng: random.Random
    sick: float
    asked: list[float] = field(default_factory=list)

    def __call__(self, body: object) -> Script:
        self.asked.append(asyncio.get_running_loop().time())
        if self.rng.random() >= self.sick:
            return self._well()
        return self.rng.choice(FAILURES)(self.name)

    def _well(self) -> Script:
        if self.rng.random() < 0.25:
            number = self.rng.randrange(1_000_000)
            return Reply(calls=(CallTool(name="once", arguments=f'{{"n": {number}}}'),))
        finish = self.rng.choice(["", "", "", "length"])
        return Reply(deltas=(f"{self.name} says ", f"{self.name} again."), finish=finish)


def half(name: str, end: Cut | Reset | Silence) -> Stream:
    """A stream that breaks after some words."""
    return Stream(steps=(ROLE, chunk({"content": f"{name} broke "}), end))


FAILURES: tuple[Callable[[str], Script], ...] = (
    lambda name: half(name, Cut()),
    lambda name: half(name, Reset()),
    lambda name: half(name, Silence()),
    lambda name: Stream(steps=(ROLE, chunk({"content": f"{name} clean end "}))),
    lambda name: Stream(steps=(b"data: {\n\n",) * 5),
    lambda name: Stream(steps=()),
    lambda name: refusal(503),
    lambda name: refusal(500),
    lambda name: refusal(429, "slow down", "rate_limit_error", retry_after="3"),
    lambda name: refusal(429, "slow down", "rate_limit_error"),
    lambda name: refusal(401, "bad key", "authentication_error"),
    lambda name: refusal(404, "The model does not exist", "not_found"),
    lambda name: refusal(402, "out of credits", "billing"),
    lambda name: refusal(400, "unknown parameter: x", "invalid_request_error"),
    lambda name: Reply(deltas=(f"{name} forbidden ",), finish="content_filter"),
    lambda name: Reply(
        deltas=(f"{name} lost ",),
        calls=(CallTool(name="once", arguments='{"n": 0}'),),
        finish="length",
    ),
    lambda name: Reply(),
)


@pytest.mark.parametrize(
    "seed",
    [*range(SEEDS), *(pytest.param(n, marks=pytest.mark.soak) for n in range(SEEDS, SOAKED))],
)
def test_a_turn_ends_once_whatever_the_models_do(seed: int, tmp_path: Path) -> None:
    """One answer or one sentence, by one model, with each tool run once and the books right."""
    warped(_story(random.Random(seed), tmp_path))


async def _story(rng: random.Random, path: Path) -> None:
    tool = ScriptedTool(name="once", effect=EffectClass.ONCE)
    async with AsyncExitStack() as stack:
        moods = [Mood(name, rng, rng.choice([0.2, 0.6, 1.0])) for name in MODELS]
        entries = []
        for mood in moods:
            server = OpenAIServer(models=(mood.name,), default=mood)
            await stack.enter_async_context(server)
            endpoint = ChatEndpoint(name=mood.name, base_url=server.base_url, model=mood.name)
            provider = OpenAIChat(endpoint, bounds=CLOUD)
            stack.push_async_callback(provider.close)
            price = configured(input_micros=1_000_000, output_micros=2_000_000, cached_micros=None)
            pricing = ModelPricing(price, max_output_tokens=4_096)
            entries.append(entry(provider, mood.name, pricing=pricing, max_output_tokens=4_096))
        opened = await open_sqlite(path / "state", migrate.packaged(), on_failure=_unexpected)
        stack.push_async_callback(opened.close)
        store = SteadyStore(opened)
        loop = asyncio.get_running_loop()
        models = ModelRoom(now=lambda: START + int(loop.time() * 1e6), jitter=lambda: 0.0)
        core = Core(
            store,
            path,
            LoopClock(),
            tools={"once": tool},
            adapter=ScriptedAdapter(),
            entries=tuple(entries),
            models=models,
        )
        await core.connect()
        for turn in range(1, TURNS + 1):
            before = [len(mood.asked) for mood in moods]
            await core.take(message(f"question {turn}", number=turn))
            await _until(lambda turn=turn: len(core.adapter.shown("1001")) == turn)
            await _until(lambda: not core.sessions.running())
            _asked_first(moods, before)
            _said_once(core.adapter.shown("1001")[-1])
            await asyncio.sleep(REST_S)
        await asyncio.sleep(700)  # what may still be written elsewhere is settled by then
        ran = [ident for ident, _ in await store.read(_calls)]
        assert len(tool.ran) == len(set(tool.ran)) <= len(ran)
        settled = await store.read(_money)
        assert all(paid <= held for paid, held in settled)
        await core.close()


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 (the clock jumps: nobody waits here)
        await asyncio.sleep(0.5)


def _asked_first(moods: list[Mood], before: list[int]) -> None:
    """The first request of the turn went to the primary."""
    firsts = [
        (mood.asked[count], place)
        for place, (mood, count) in enumerate(zip(moods, before, strict=True))
        if len(mood.asked) > count
    ]
    assert min(firsts)[1] == 0


def _said_once(text: str) -> None:
    """Each step in one model's words, or one sentence with its reference."""
    body = re.sub(r"\n\n(Answered by|Back on) .*", "", text)
    for step in body.split("\n\n"):
        assert sum(f"{name} " in step for name in MODELS) <= 1, text
    assert any(f"{name} " in body for name in MODELS) or "ref t" in body, text
    assert body.count("ref t") <= 1, text


def _calls(tx: Tx) -> list[tuple[str, str]]:
    return [(str(i), str(s)) for i, s in tx.rows("SELECT id, state FROM tool_call")]


def _money(tx: Tx) -> list[tuple[int, int]]:
    rows = tx.rows("SELECT COALESCE(actual, 0), amount FROM reservation")
    return [(int(a), int(c)) for a, c in rows]


def _unexpected(failure: Exception) -> None:
    raise AssertionError(failure)
