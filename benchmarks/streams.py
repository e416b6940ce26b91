"""What reading a model's stream costs: per delta, and with 800 streams at once in one process."""

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import orjson

from agent.credentials import StaticKey
from agent.messages import UserMessage
from agent.providers.base import ModelRequest, TextReceived
from agent.providers.openai_chat import ChatEndpoint, OpenAIChat
from benchmarks.arena import ROOT

DELTAS = 20_000
ROUNDS = 3
STREAMS = 800
PER_S = 40
SECONDS = 6
TICK_S = 0.01
WARM_S = 1.5

Read = Callable[[str], Awaitable[int]]
"""Reads one stream that was asked for in these words; how many deltas it had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """How late the loop was with so many streams, in seconds, and whether every delta came."""

    late: tuple[float, ...]
    whole: bool


async def cpu_per_delta() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Processor time of a delta in microseconds: ours, and a bare reader's of the same bytes."""
    async with _firehose() as url, _readers(url) as (ours, bare):
        return (
            tuple([await _cost(ours) for _ in range(ROUNDS)]),
            tuple([await _cost(bare) for _ in range(ROUNDS)]),
        )


async def crowd() -> tuple[Crowd, Crowd]:
    """800 streams of 40 deltas a second: ours, and the bare reader's."""
    async with _firehose() as url, _readers(url) as (ours, bare):
        return await _crowded(ours), await _crowded(bare)


async def _cost(read: Read) -> float:
    await read("deltas=1000 every_ms=0")
    before = time.process_time()
    count = await read(f"deltas={DELTAS} every_ms=0")
    return (time.process_time() - before) / count * 1e6


async def _crowded(read: Read) -> Crowd:
    deltas = PER_S * SECONDS
    wanted = f"deltas={deltas} every_ms={1_000 // PER_S}"
    late: list[float] = []
    ticking = asyncio.create_task(_tick(late))
    counts = await asyncio.gather(
        *(_after(number / STREAMS, read, wanted) for number in range(STREAMS))
    )
    ticking.cancel()
    settled = late[int(WARM_S / TICK_S / 2) :]
    return Crowd(late=tuple(settled), whole=all(count == deltas for count in counts))


async def _after(seconds: float, read: Read, wanted: str) -> int:
    await asyncio.sleep(seconds)
    return await read(wanted)


async def _tick(late: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(TICK_S)
        late.append(max(0.0, time.perf_counter() - began - TICK_S))


@asynccontextmanager
async def _readers(url: str) -> AsyncIterator[tuple[Read, Read]]:
    provider = OpenAIChat(ChatEndpoint(name="bench", base_url=url, model="firehose"))
    connector = aiohttp.TCPConnector(limit=0)
    session = aiohttp.ClientSession(connector=connector)
    lease = await StaticKey(label="k", key="k").lease()

    async def ours(wanted: str) -> int:
        request = ModelRequest(
            system="", messages=(UserMessage(text=wanted),), tools=(), max_output_tokens=None
        )
        count = 0
        async for event in provider.stream(request, lease):
            count += isinstance(event, TextReceived)
        return count

    async def bare(wanted: str) -> int:
        body = orjson.dumps({"messages": [{"role": "user", "content": wanted}]})
        count = 0
        async with session.post(url + "/chat/completions", data=body) as response:
            async for line in response.content:
                if line.startswith(b"data: {"):
                    choices = orjson.loads(line[6:])["choices"]
                    count += bool(choices and choices[0]["delta"])
        return count

    try:
        yield ours, bare
    finally:
        await provider.close()
        await session.close()


@asynccontextmanager
async def _firehose() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.firehose",
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()


def p99(values: tuple[float, ...]) -> float:
    """The 99th percentile."""
    return statistics.quantiles(values, n=100)[98]
