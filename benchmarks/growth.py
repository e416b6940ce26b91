"""What grows with use, and whether the cost of a turn does: each figure at several sizes.

The floor of these is the gateway itself at the smallest size; the ratio is the largest to it.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import stored
from benchmarks.arena import GatewayArena

TURNS = 15  # with the warm ones fewer than one person may send in a minute
WARM_TURNS = 3
PAST_MESSAGES = (10, 1_000, 10_000)
STORED_SESSIONS = (10, 100_000)
ROUNDS = 3  # over all sizes in turn, so that a busy moment of the machine meets them all
CHAT = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One measurement at several sizes, the smallest first; lower is better."""

    name: str
    unit: str
    values: dict[int, tuple[float, ...]]

    @property
    def ratio(self) -> float | None:
        """The median at the largest size to that at the smallest; None without both."""
        first, *others = (statistics.median(values) for values in self.values.values())
        return others[-1] / first if others and first else None


async def recovery(places: Iterator[Path]) -> AsyncIterator[Series]:
    """Start to ready, with nothing stored and with 10,000 rows that want something."""
    empty, full = [], []
    for _ in range(ROUNDS):
        async with GatewayArena(next(places)) as arena:
            empty.append(arena.ready_s * 1_000)
        async with await _in_arrears(next(places)) as arena:
            full.append(arena.ready_s * 1_000)
    values = {0: tuple(empty), stored.OPEN_ROWS: tuple(full)}
    yield Series(name="start to ready, by open rows", unit="ms", values=values)
    async with await _in_arrears(next(places)) as arena:
        began = time.monotonic()
        served = await arena.answers(stored.OPEN_CHATS, within_s=120.0)
        if len(served) < len(stored.OPEN_CHATS):
            print(f"not served: {len(stored.OPEN_CHATS) - len(served)} chats with open rows")
        took = (max(served.values()) - began,)
    yield Series(name="ready to all of them done", unit="s", values={stored.OPEN_ROWS: took})


async def _in_arrears(place: Path) -> GatewayArena:
    """A gateway that will find 10,000 open rows."""
    await stored.with_open_rows(_state(place))
    arena = GatewayArena(place)
    for chat in stored.OPEN_CHATS:
        arena.telegram.world.room(chat)
    return arena


async def past(places: Iterator[Path]) -> AsyncIterator[Series]:
    """A turn in a chat with a past, of which the model is shown the newest 400 messages."""
    by_size = _Turns()
    for _ in range(ROUNDS):
        for size in PAST_MESSAGES:
            place = next(places)
            await stored.with_past(_state(place), CHAT, size)
            by_size.add(size, *await _turns(place, range(CHAT, CHAT + 1)))
    for series in by_size.series("past messages of the chat"):
        yield series
        shown = {size: series.values[size] for size in PAST_MESSAGES[1:]}
        yield Series(name="  beyond what the model is shown", unit=series.unit, values=shown)


async def sessions(places: Iterator[Path]) -> AsyncIterator[Series]:
    """A turn in a new chat beside so many stored ones."""
    by_size = _Turns()
    kept = {size: next(places) for size in STORED_SESSIONS}
    for size, place in kept.items():
        await stored.with_sessions(_state(place), size)
    for number in range(ROUNDS):
        chats = range(CHAT + 100 * number, CHAT + 100 * number + TURNS + WARM_TURNS)
        for size, place in kept.items():
            by_size.add(size, *await _turns(place, chats))
    for series in by_size.series("stored sessions"):
        yield series


class _Turns:
    """What turns cost at each size."""

    def __init__(self) -> None:
        self._cpu: dict[int, tuple[float, ...]] = {}
        self._to_model: dict[int, tuple[float, ...]] = {}

    def add(self, size: int, cpu: float, to_model: tuple[float, ...]) -> None:
        """One more round."""
        self._cpu[size] = (*self._cpu.get(size, ()), cpu)
        self._to_model[size] = self._to_model.get(size, ()) + to_model

    def series(self, what: str) -> Iterator[Series]:
        """All rounds."""
        yield Series(name=f"CPU per turn, by {what}", unit="ms", values=self._cpu)
        name = f"message in to model request, by {what}"
        yield Series(name=name, unit="ms", values=self._to_model)


def _state(place: Path) -> Path:
    """Where the gateway of a place keeps its rows."""
    place.mkdir(parents=True, exist_ok=True)
    return place / "state"


async def _turns(place: Path, chats: range) -> tuple[float, tuple[float, ...]]:
    """In ms: processor time a turn, and message in to model request; chats take turns."""
    async with GatewayArena(place) as arena:
        for number in range(WARM_TURNS):
            await arena.turn(chats[number % len(chats)], f"warm {number}")
        await asyncio.sleep(0.5)
        before = arena.cpu_s()
        spans = []
        for number in range(WARM_TURNS, WARM_TURNS + TURNS):
            to_model, _, _ = await arena.turn(chats[number % len(chats)], f"hello {number}")
            spans.append(to_model * 1_000)
        await asyncio.sleep(0.2)
        return (arena.cpu_s() - before) / TURNS * 1_000, tuple(spans)
