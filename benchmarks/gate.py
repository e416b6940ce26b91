"""What the gate costs: from a press to its tool, a turn with calls beside one without, one verdict.

The floor of a press is a bot that begins the same work in its callback handler. The floor of a
call is its tool run directly.
"""

import asyncio
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from agent.policy import Facts, Policy, judge
from agent.predicates import Predicate, PredicateKind
from agent.rules import Rule
from agent.tools.base import CallContext, Malformed, PreparedCall, RiskTag, Verdict
from benchmarks import gated
from benchmarks.arena import DO, Arena, GatewayArena
from benchmarks.growth import Series

PRESSES = 60
TURNS = 20
ROUNDS = 3  # over all kinds in turn, so that a busy moment of the machine meets them all
CALLS = (0, 1, 4, 16)
RULES = (0, 10, 100)
SAMPLES, PER_SAMPLE = 15, 200
LOOKS_S = 0.2
"""From a card to its press: people look first, and the turn has come to rest by then."""


async def presses(arena: Arena) -> tuple[tuple[float, float], ...]:
    """Seconds from each press to the start of its tool, and to the answer of its callback.

    One card after the other, each in a chat of its own.
    """
    async with arena:
        for chat in range(2_000, 2_005):
            await _pressed(arena, chat)
        return tuple([await _pressed(arena, chat) for chat in range(3_000, 3_000 + PRESSES)])


async def _pressed(arena: Arena, chat: int) -> tuple[float, float]:
    await arena.card(chat, f"{DO} {gated.ASKED} 1 {chat}")
    await asyncio.sleep(LOOKS_S)
    return await arena.press(chat)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Turns with calls in one step, in ms: processor time by round, and the time of each."""

    cpu_by_reads: dict[int, tuple[float, ...]]
    time_by_reads: dict[int, tuple[float, ...]]
    cpu_by_price: dict[str, tuple[float, ...]]
    time_by_price: dict[str, tuple[float, ...]]


async def calls(places: Iterator[Path]) -> Calls:
    """A turn with so many free reads, and one with a change that is free or paid.

    A turn with calls asks the model twice.
    """
    reads = [(gated.READ, number) for number in CALLS]
    changes = [(kind, 1) for kind in (gated.FREE_CHANGE, gated.PAID)]
    found = await _turns(next(places), (*reads, *changes))
    return Calls(
        cpu_by_reads={number: found[kind, number][0] for kind, number in reads},
        time_by_reads={number: found[kind, number][1] for kind, number in reads},
        cpu_by_price={kind: found[kind, 1][0] for kind, _ in changes},
        time_by_price={kind: found[kind, 1][1] for kind, _ in changes},
    )


def one_more(by_reads: dict[int, tuple[float, ...]]) -> float:
    """What one more call adds to a step that has one."""
    few, many = CALLS[1], CALLS[-1]
    more = statistics.median(by_reads[many]) - statistics.median(by_reads[few])
    return more / (many - few)


_Found = dict[tuple[str, int], tuple[tuple[float, ...], tuple[float, ...]]]


async def _turns(place: Path, wanted: tuple[tuple[str, int], ...]) -> _Found:
    """Processor time a turn and the time of each, in ms, every turn in a chat of its own."""
    found: _Found = dict.fromkeys(wanted, ((), ()))
    chats = count(10_000)
    async with GatewayArena(place, gated=True) as arena:
        for number in range(ROUNDS + 1):  # the first one warms up
            for kind, calls in wanted:
                before = arena.cpu_s()
                spans = [await _turn(arena, next(chats), kind, calls) for _ in range(TURNS)]
                await asyncio.sleep(0.3)
                cpu = (arena.cpu_s() - before) / TURNS * 1_000
                if number:
                    cpus, took = found[kind, calls]
                    found[kind, calls] = ((*cpus, cpu), (*took, *spans))
    return found


async def _turn(arena: Arena, chat: int, kind: str, calls: int) -> float:
    """One turn with so many calls, in ms."""
    text = f"{DO} {kind} {calls} {chat}" if calls else f"hello {chat}"
    _, _, whole = await arena.turn(chat, text)
    return whole * 1_000


async def alone() -> tuple[float, ...]:
    """The tool of these calls prepared and run directly, in microseconds."""
    tool = gated.WorkTool()
    context = CallContext(call_id="call_1", session="1")
    samples = []
    for _ in range(SAMPLES):
        began = time.perf_counter()
        for number in range(PER_SAMPLE):
            prepared = tool.prepare({"kind": gated.READ, "number": number})
            if isinstance(prepared, Malformed):
                raise TypeError(prepared.text)
            await tool.run(prepared, context)
        samples.append((time.perf_counter() - began) / PER_SAMPLE * 1e6)
    return tuple(samples)


def verdicts() -> Series:
    """The pure part of the gate, for one call, by the rules about its very tool."""
    call = gated.WorkTool().prepare({"kind": gated.PAID, "number": 1})
    if isinstance(call, Malformed):
        raise TypeError(call.text)
    facts = Facts(requester="telegram:2000", chat="telegram:2000", said="hello " * 100)
    values = {rules: _timed(call, facts, _policy(rules)) for rules in RULES}
    return Series(name="one verdict, by rules about its tool", unit="us", values=values)


def _timed(call: PreparedCall, facts: Facts, policy: Policy) -> tuple[float, ...]:
    samples = []
    for _ in range(SAMPLES):
        began = time.perf_counter()
        for _ in range(PER_SAMPLE):
            judge(call, facts, policy)
        samples.append((time.perf_counter() - began) / PER_SAMPLE * 1e6)
    return tuple(samples)


def _policy(rules: int) -> Policy:
    """Rules that look at operation, arguments, price and tags; every second one matches."""
    return Policy(rules=tuple(map(_rule, range(rules))), version="bench")


def _rule(number: int) -> Rule:
    most = Predicate(kind=PredicateKind.MAX, value=number % 2)
    kinds = Predicate(kind=PredicateKind.IN, value=(gated.FREE_CHANGE, gated.PAID))
    return Rule(
        id=f"rule-{number}",
        tool=gated.NAME,
        verdict=Verdict.ALLOW,
        operations=frozenset({gated.FREE_CHANGE, gated.PAID}),
        when={"number": (most,), "kind": (kinds,)},
        ceiling_max=gated.CEILING,
        tags_none=frozenset({RiskTag.OUTWARD, RiskTag.TAINTED}),
    )
