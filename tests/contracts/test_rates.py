"""Every platform's documented rates are kept by construction: full load, real server, no 429.

The limiter decides in a time of its own who leaves when. Then each operation goes through the real
SDK to the loopback server, whose clock shows the moment it would have arrived, now sooner, now
later than the one before.
"""

import heapq
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import pytest

from platforms.base import Adapter, Capabilities
from platforms.blocks import plain
from platforms.content import Edit, Post, Sent
from platforms.discord.limits import CAPABILITIES as DISCORD
from platforms.events import ChatRef, MessageRef
from platforms.pacing import Kind, Limiter
from platforms.slack.limits import CAPABILITIES as SLACK
from platforms.telegram.limits import CAPABILITIES as TELEGRAM
from tests.platforms.discord import journal as discord
from tests.platforms.slack import journal as slack
from tests.platforms.telegram import journal as telegram
from tests.wire.discord import DiscordServer
from tests.wire.server import LoopbackServer
from tests.wire.slack import Rates as SlackRates
from tests.wire.slack import SlackServer
from tests.wire.telegram import Rates as TelegramRates
from tests.wire.telegram import TelegramServer

START = 1_000_000.0
JITTER_S = 0.05
"""How much later than another a request may arrive."""


@dataclass(slots=True)
class Clock:
    """What the server reads."""

    now: float = START

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A chat, its limits' name for it, and whether it is a group."""

    chat: ChatRef
    group: bool

    @property
    def name(self) -> str:
        return f"{self.chat.space}/{self.chat.chat_id}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Departure:
    """One operation that was let go."""

    at: float
    number: int
    kind: Kind = field(compare=False)
    place: Place = field(compare=False)


Chats = Callable[[int, bool], Place]
"""The chat of a number, direct or a group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A connected adapter before a server that keeps its documented rates."""

    server: LoopbackServer
    adapter: Adapter
    clock: Clock
    chats: Chats


@asynccontextmanager
async def _telegram() -> AsyncIterator[Ground]:
    clock = Clock()
    async with (
        TelegramServer(rates=TelegramRates(), clock=clock) as server,
        telegram.connected(server) as adapter,
    ):

        def chats(number: int, group: bool) -> Place:
            ident = -1_000_000 - number if group else 1_000 + number
            server.world.room(ident)
            return Place(chat=telegram.chat_of(server, ident), group=group)

        yield Ground(server=server, adapter=adapter, clock=clock, chats=chats)


@asynccontextmanager
async def _slack() -> AsyncIterator[Ground]:
    clock = Clock()
    async with (
        SlackServer(rates=SlackRates(clock=clock)) as server,
        slack.connected(server) as adapter,
    ):

        def chats(number: int, group: bool) -> Place:
            channel = f"{'C' if group else 'D'}{number + 1}"
            server.world.channel(channel, user="U1")
            return Place(chat=slack.chat_of(server, channel), group=group)

        yield Ground(server=server, adapter=adapter, clock=clock, chats=chats)


@asynccontextmanager
async def _discord() -> AsyncIterator[Ground]:
    clock = Clock()
    async with (
        DiscordServer(rates=1.0, now=clock) as server,
        discord.connected(server) as adapter,
    ):
        places: dict[tuple[int, bool], Place] = {}

        def chats(number: int, group: bool) -> Place:
            if (number, group) not in places:
                channel = server.add_channel(f"room{number}")
                places[number, group] = Place(chat=discord.chat_of(channel), group=group)
            return places[number, group]

        yield Ground(server=server, adapter=adapter, clock=clock, chats=chats)


GROUNDS = {
    "telegram": (_telegram, TELEGRAM),
    "slack": (_slack, SLACK),
    "discord": (_discord, DISCORD),
}


def departures(can: Capabilities, wanted: list[tuple[float, Kind, Place, int]]) -> list[Departure]:
    """Let a limiter decide on (time, kind, place, priority); what may not leave at once is dropped.

    Everything of one place leaves in the order it was wanted.
    """
    limiter = Limiter(can.budgets)
    numbers = itertools.count()
    queues: dict[tuple[str, bool], list[tuple[float, Kind, Place, int]]] = {}
    for entry in wanted:
        queues.setdefault((entry[2].name, entry[3] >= 4), []).append(entry)
    heap = [(queue[0][0], next(numbers), queue, 0) for queue in queues.values()]
    heapq.heapify(heap)
    left: list[Departure] = []
    while heap:
        now, number, queue, at = heapq.heappop(heap)
        since, kind, place, priority = queue[at]
        wait = limiter.admit(
            kind, place.name, group=place.group, priority=priority, since=since, now=now
        )
        if wait:
            heapq.heappush(heap, (now + wait, number, queue, at))
            continue
        if wait == 0:
            left.append(Departure(at=now, number=number, kind=kind, place=place))
        if at + 1 < len(queue):
            heapq.heappush(heap, (max(now, queue[at + 1][0]), next(numbers), queue, at + 1))
    return left


async def perform(ground: Ground, left: list[Departure], random: Random) -> None:
    """Carry out what left, in the order it arrives; a 429 raises RateLimited."""
    messages: dict[str, MessageRef] = {}
    arriving = sorted(
        (START + one.at + random.uniform(0, JITTER_S), one.number, one) for one in left
    )
    for at, number, one in arriving:
        ground.clock.now = at
        message = messages.get(one.place.name)
        if one.kind == "edit" and message is not None:
            await ground.adapter.perform(Edit(message=message, body=plain(f"words {number}")))
            continue
        outcome = await ground.adapter.perform(
            Post(chat=one.place.chat, body=plain("words"), nonce=f"{number:024x}")
        )
        assert isinstance(outcome, Sent)
        messages[one.place.name] = outcome.message


def flood(chats: Chats) -> list[tuple[float, Kind, Place, int]]:
    """A burst into one chat, another into one group, and one to everybody."""
    posts: list[tuple[float, Kind, Place, int]] = []
    posts += [(0.0, "post", chats(0, False), 1)] * 12
    posts += [(0.0, "post", chats(1, True), 1)] * 30
    posts += [(5.0, "post", chats(number, False), 1) for number in range(2, 62)]
    return posts


def streams(chats: Chats) -> list[tuple[float, Kind, Place, int]]:
    """Answers that grow side by side for half a minute, each ended by its final edit."""
    wanted: list[tuple[float, Kind, Place, int]] = []
    for number in range(8):
        place = chats(number, number % 2 == 0)
        wanted.append((0.0, "post", place, 3))
        wanted += [(1.0 + 0.25 * step, "edit", place, 4) for step in range(120)]
        wanted.append((31.0, "edit", place, 1))
        wanted += [(31.0, "post", place, 1)] * 4
    return wanted


@pytest.mark.parametrize("load", [flood, streams])
@pytest.mark.parametrize("name", GROUNDS)
async def test_full_load_meets_no_limit(
    name: str, load: Callable[[Chats], list[tuple[float, Kind, Place, int]]]
) -> None:
    """What our budgets let go, the server takes: every post, every final edit, no 429."""
    ground_of, can = GROUNDS[name]
    async with ground_of() as ground:
        wanted = load(ground.chats)
        left = departures(can, wanted)
        must = sum(1 for _, _, _, priority in wanted if priority < 4)
        assert len(left) >= must
        await perform(ground, left, Random(7))
        assert not [seen for seen in ground.server.record if seen.status == 429]
