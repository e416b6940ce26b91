"""What an ill primary costs a turn, on a clock that jumps: only waiting counts."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from agent.messages import Message, ResultStatus, ToolResult
from benchmarks.growth import Series
from tests.agent.chain import Chain, chain
from tests.agent.scripted import ScriptedProvider, assistant, call, entry, turn_rows, user
from tests.agent.test_runner import Turn
from tests.gateway.core import says
from tests.warp import warped
from tests.wire.openai import Reply
from tests.wire.server import HalfOpen

TURNS = 100
APART_S = 10.0
HISTORIES = (10, 200, 1_000)
ROUNDS = 7


def to_fallback() -> dict[str, float]:
    """Seconds until the fallback has answered: a dead port, a silent server, a healthy primary."""
    return {
        "a healthy primary": warped(_one(_healthy)),
        "a dead port": warped(_one(_dead)),
        "a silent server": warped(_one(_silent)),
    }


def tax() -> tuple[float, float]:
    """Seconds that a silent primary costs over 100 turns in all, and the most it costs one turn."""
    spent = warped(_hundred())
    return sum(spent), max(spent)


def requests() -> Series:
    """Processor time of one more model call, by the messages before it; no socket in between."""
    values = {count: tuple(_cost(count) for _ in range(ROUNDS)) for count in HISTORIES}
    return Series(name="a model call by messages of history, CPU", unit="ms", values=values)


async def _one(ail: Callable[[Chain], Awaitable[None]]) -> float:
    async with chain() as house:
        for server in house.servers:
            server.default = _answers
        await ail(house)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await house.run()
        return loop.time() - began


async def _hundred() -> list[float]:
    async with chain() as house:
        _, spare = house.servers
        spare.default = _answers
        await _silent(house)
        loop = asyncio.get_running_loop()
        spent = []
        for _ in range(TURNS):
            began = loop.time()
            await house.run()
            spent.append(loop.time() - began)
            await asyncio.sleep(APART_S)
        return spent


def _answers(body: object) -> Reply:
    return Reply(deltas=("Here.",))


async def _healthy(house: Chain) -> None:
    pass


async def _dead(house: Chain) -> None:
    await house.servers[0].close()


async def _silent(house: Chain) -> None:
    house.servers[0].faults.add("*", *[HalfOpen()] * 1_000)


def _cost(count: int) -> float:
    past: list[Message] = []
    while len(past) < count:
        number = len(past)
        ident, text = f"c{number}", "some output of a tool " * 10
        said = ToolResult(call_id=ident, name="pure", status=ResultStatus.DONE, text=text)
        past += [user(f"question {number}"), assistant("I look.", call(ident=ident)), said]
        past.append(assistant("An answer of a few dozen words, as they are in chats. " * 4))

    async def one() -> float:
        provider = ScriptedProvider(*[says("Yes.")] * 3)
        asked = entry(provider, context_window=10_000_000)
        for _ in range(2):
            await Turn(asked, rows=turn_rows(*past[:count], user("now?"))).run()
        turn = Turn(asked, rows=turn_rows(*past[:count], user("now?")))
        before = time.process_time()
        await turn.run()
        return (time.process_time() - before) * 1_000

    return asyncio.run(one())
