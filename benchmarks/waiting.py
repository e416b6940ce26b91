"""Ten thousand cards that wait for people, and the moment at which all of them expire.

Waiting is rows: the floor is the same gateway without them. Turns are measured in chats that
have no card.
"""

import asyncio
import shutil
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from benchmarks import gated, stored
from benchmarks.arena import DO, LET, GatewayArena
from benchmarks.growth import Series
from benchmarks.stored import WaitingCard
from gateway.store.directory import DATABASE
from tests.wire.telegram.rules import Key
from tests.wire.telegram.world import Message, Version

CARDS = 10_000
ROUNDS = 3
SETTLED_S = 3.0
IDLE_S = 8.0
TURNS = 20
PRESSES = 20

WAVE_AFTER_S = 8.0
"""For so long turns elsewhere are measured before the wave."""

EVERY_S = 0.2
"""How often somebody writes in a chat of their own meanwhile."""

LOOK_EVERY_S = 0.25
WITHIN_S = 600.0
PACED_S = 90.0
ANSWERED_WITHIN_S = 60.0
OTHER_CHAT = 50_000
CARD = 2
"""The number of a card's message in its chat, after the one that led to it."""


async def left_waiting(place: Path) -> Path:
    """The state of a gateway that was stopped while one card waits."""
    chat = stored.WAITING_CHAT
    async with GatewayArena(place, gated=True) as arena:
        await arena.card(chat, f"{DO} {gated.ASKED} 1 {chat}")
        await asyncio.sleep(SETTLED_S)  # until it is noted that the card stands
        await arena.end(signal.SIGTERM)
    return place / "state"


async def with_cards(
    place: Path,
    left: Path,
    *,
    cards: int = CARDS,
    paced: bool = False,
) -> tuple[GatewayArena, tuple[WaitingCard, ...]]:
    """A gateway that will find so many cards, and a Telegram in which those of its account stand.

    `left` is the state of a gateway that was stopped while one card waits.
    """
    shutil.copytree(left, place / "state")
    standing = await stored.with_waiting_cards(place / "state", cards)
    arena = GatewayArena(place, gated=True, paced=paced)
    world = arena.telegram.world
    for card in standing:
        room = world.room(card.chat)
        shown = Version(text="Approval", keyboard=((Key(label=LET, data=card.payload),),))
        room.messages[CARD] = Message(id=CARD, room=room, sender=world.us, date=0, versions=[shown])
    return arena, standing


async def waiting(places: Iterator[Path], left: Path) -> AsyncIterator[Series]:
    """The gateway at rest and a turn elsewhere, with none and with CARDS cards."""
    by_size = _BySize()
    presses: tuple[float, ...] = ()
    for number in range(ROUNDS):
        for size in (0, CARDS):
            place = next(places)
            cards: tuple[WaitingCard, ...] = ()
            arena = GatewayArena(place, gated=True)
            if size:
                arena, cards = await with_cards(place, left)
            async with arena:
                await by_size.measure(size, arena, OTHER_CHAT + 100 * number)
                presses += tuple(
                    [(await arena.press(card.chat))[0] * 1_000 for card in cards[:PRESSES]]
                )
    for name, (unit, values) in by_size.found.items():
        yield Series(name=name, unit=unit, values=values)
    yield Series(name="  press of one of them to tool start", unit="ms", values={CARDS: presses})


class _BySize:
    """What was measured at each size."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[str, dict[int, tuple[float, ...]]]] = {}

    async def measure(self, size: int, arena: GatewayArena, chat: int) -> None:
        """One round with one gateway."""
        self._add("start to ready, by waiting cards", "ms", size, arena.ready_s * 1_000)
        await asyncio.sleep(SETTLED_S)
        self._add("  memory", "MiB", size, arena.rss_mib())
        self._add("  asyncio tasks", "", size, await arena.tasks())
        before = arena.cpu_s()
        await asyncio.sleep(IDLE_S)
        cpu = (arena.cpu_s() - before) / IDLE_S * 1_000
        self._add("  processor time at rest", "ms a second", size, cpu)
        await arena.turn(chat, f"warm {chat}")
        before = arena.cpu_s()
        for other in range(chat + 1, chat + 1 + TURNS):
            _, _, whole = await arena.turn(other, f"hello {other}")
            self._add("  a turn elsewhere, message to answer", "ms", size, whole * 1_000)
        await asyncio.sleep(0.2)
        cpu = (arena.cpu_s() - before) / TURNS * 1_000
        self._add("  its processor time", "ms", size, cpu)

    def _add(self, name: str, unit: str, size: int, value: float) -> None:
        _, values = self.found.setdefault(name, (unit, {}))
        values[size] = (*values.get(size, ()), value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """How an expiry of CARDS cards at once went, in seconds from that moment; None: not by the end.

    `before` and `during` are turns in other chats: message to whole answer, by when it was sent;
    `unanswered` had none a minute after the end. `tasks` and `memory_mib` are the most there was.
    """

    cards_s: float | None
    turns_s: float | None
    told_s: float | None
    left: int
    before: tuple[float, ...]
    during: tuple[float, ...]
    unanswered: int
    tasks: int
    memory_mib: float
    cpu_s: float


def series(wave: Wave, *, paced: bool) -> list[Series]:
    """How far a wave went and what it took, for the table of what grows."""
    how = ", at Telegram's own pace" if paced else ""
    found = {
        "wave: all cards ended": ("s", wave.cards_s),
        "  all their turns ended": ("s", wave.turns_s),
        "  all chats told": ("s", wave.told_s),
        f"wave: cards left after {PACED_S:.0f} s": ("", float(wave.left) if paced else None),
        "  answers elsewhere that did not come": ("", float(wave.unanswered)),
        "  asyncio tasks at most": ("", float(wave.tasks)),
        "  memory at most": ("MiB", wave.memory_mib),
        "  processor time meanwhile": ("s", wave.cpu_s),
    }
    return [
        Series(name=f"{name}{how}", unit=unit, values={CARDS: (value,)})
        for name, (unit, value) in found.items()
        if value is not None
    ]


async def wave(place: Path, left: Path, *, paced: bool) -> Wave:
    """Let all cards expire at once while people write elsewhere.

    `paced`: at the platform's own rates, at which it takes a quarter of an hour to tell all chats;
    so only its beginning is looked at.
    """
    arena, _ = await with_cards(place, left, paced=paced)
    async with arena:
        await arena.turn(OTHER_CHAT, "warm")
        _expire(place, in_s=WAVE_AFTER_S)
        due = time.monotonic() + WAVE_AFTER_S
        sent: dict[int, float] = {}
        writing = asyncio.create_task(_write_elsewhere(arena, sent))
        watch = _Watch(place, arena, due)
        await asyncio.sleep(due - time.monotonic())
        before = arena.cpu_s()
        await watch.until_over(PACED_S if paced else WITHIN_S)
        cpu = arena.cpu_s() - before
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        spans = await _answered(arena, sent)
    return Wave(
        cards_s=watch.found.get("cards"),
        turns_s=watch.found.get("turns"),
        told_s=watch.found.get("told"),
        left=watch.left,
        before=tuple(spans[chat] for chat, at in sent.items() if at < due and chat in spans),
        during=tuple(spans[chat] for chat, at in sent.items() if at >= due and chat in spans),
        unanswered=len(sent) - len(spans),
        tasks=watch.tasks,
        memory_mib=watch.memory_mib,
        cpu_s=cpu,
    )


def _expire(place: Path, *, in_s: float) -> None:
    """Let all cards expire then, their reminders being out."""
    with closing(sqlite3.connect(place / "state" / DATABASE)) as database, database:
        until = time.time_ns() // 1_000 + int(in_s * 1_000_000)
        database.execute("UPDATE card SET expires_at = ?, remind_at = NULL", (until,))


async def _write_elsewhere(arena: GatewayArena, sent: dict[int, float]) -> None:
    """One message after the other, each in a new chat, whatever became of the last one."""
    for chat in count(OTHER_CHAT + 1):
        sent[chat] = time.monotonic()
        await arena.telegram.say(chat=chat, user=chat, text=f"hello {chat}")
        await asyncio.sleep(EVERY_S)


async def _answered(arena: GatewayArena, sent: dict[int, float]) -> dict[int, float]:
    """Seconds from each message to its whole answer; those without one a minute later are out."""
    at = await arena.answers(tuple(sent), within_s=ANSWERED_WITHIN_S)
    return {chat: answered - sent[chat] for chat, answered in at.items()}


_LEFT = {
    "cards": "SELECT COUNT(*) FROM card WHERE state = 'open'",
    "turns": "SELECT COUNT(*) FROM turn JOIN session ON session.id = turn.session_id"
    f" WHERE session.account = '{stored.ACCOUNT}' AND session.id <= {CARDS}"
    " AND turn.state IN ('open', 'waiting')",
    "told": f"SELECT COUNT(*) FROM outbox WHERE account = '{stored.ACCOUNT}'"
    " AND state IN ('pending', 'in_flight')",
}
"""What is left: cards that wait, turns that were asked for, and messages to connected chats."""


class _Watch:
    """Looks into the database from outside until nothing of the wave is left."""

    def __init__(self, place: Path, arena: GatewayArena, due: float) -> None:
        self._path = place / "state" / DATABASE
        self._arena = arena
        self._due = due
        self.found: dict[str, float] = {}
        self.tasks = 0
        self.memory_mib = 0.0
        self.left = CARDS

    async def until_over(self, within_s: float) -> None:
        """Note when the last card, turn and message was done, in seconds from the wave."""
        while len(self.found) < len(_LEFT) and time.monotonic() < self._due + within_s:
            self.tasks = max(self.tasks, await self._arena.tasks())
            self.memory_mib = max(self.memory_mib, self._arena.rss_mib())
            for name, sql in _LEFT.items():
                if name not in self.found and not self._count(sql):
                    self.found[name] = time.monotonic() - self._due
                if name not in self.found:
                    break  # what comes later is not over either
            await asyncio.sleep(LOOK_EVERY_S)
        self.left = self._count(_LEFT["cards"])

    def _count(self, sql: str) -> int:
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as database:
            (left,) = database.execute(sql).fetchone()
        return int(left)
