"""A limiter under load: sixty operations a second, a server that halves its limits, live streams.

As in `test_rates`, the limiter decides in a time of its own, and what leaves goes through the real
SDK to the loopback server, whose clock shows that time; a 429 goes back to the limiter.
"""

import heapq
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import pytest

from platforms.base import Capabilities
from platforms.blocks import plain
from platforms.content import Edit, Post, Sent
from platforms.discord.limits import CAPABILITIES as DISCORD
from platforms.errors import RateLimited
from platforms.events import MessageRef
from platforms.pacing import FASTER_EVERY_S, SLOWED_KNOWN_S, Budget, Kind, Limiter
from platforms.slack.limits import CAPABILITIES as SLACK
from platforms.telegram.limits import CAPABILITIES as TELEGRAM
from tests.contracts.test_rates import GROUNDS, START, Clock, Ground, Place
from tests.platforms.discord import journal as discord
from tests.platforms.slack import journal as slack
from tests.platforms.telegram import journal as telegram
from tests.wire.discord import DiscordServer
from tests.wire.slack import Rates as SlackRates
from tests.wire.slack import SlackServer
from tests.wire.telegram import Rates as TelegramRates
from tests.wire.telegram import TelegramServer

SECONDS = 12
WANTED_PER_S = 60
CHATS = 40
STREAMS = 6


@dataclass(slots=True)
class Wanted:
    """One operation somebody wants, in the order of a queue; the lowest priorities are dropped."""

    since: float
    kind: Kind
    place: Place
    priority: int


@dataclass(slots=True)
class Load:
    """What came of a load: how many left, how many 429s, and how late the finals were."""

    left: int = 0
    refused: int = 0
    late: list[float] = field(default_factory=list)


def mixed(places: list[Place], random: Random) -> list[Wanted]:
    """Sixty a second: streams that grow and end, answers to many, reactions and signs of life."""
    wanted: list[Wanted] = []
    for number in range(SECONDS * WANTED_PER_S):
        at = number / WANTED_PER_S
        share = random.random()
        if share < 0.55:
            wanted.append(Wanted(at, "edit", places[number % STREAMS], 4))
        elif share < 0.6:
            wanted.append(Wanted(at, "post", random.choice(places[STREAMS:]), 1))
        else:
            wanted.append(Wanted(at, "typing", random.choice(places), 5))
    wanted += [Wanted(SECONDS, "edit", place, 1) for place in places[:STREAMS]]
    return wanted


async def drive(ground: Ground, can: Capabilities, wanted: list[Wanted]) -> Load:
    """Let all leave as the limiter allows it; what meets a 429 comes again."""
    limiter = Limiter(can.budgets)
    numbers, load = itertools.count(), Load()
    messages: dict[str, MessageRef] = {}
    heap = [(each.since, next(numbers), each) for each in wanted]
    heapq.heapify(heap)
    while heap:
        now, number, each = heapq.heappop(heap)
        wait = limiter.admit(
            each.kind,
            each.place.name,
            group=each.place.group,
            priority=each.priority,
            since=each.since,
            now=now,
        )
        if wait:
            heapq.heappush(heap, (now + wait, number, each))
        if wait != 0 or each.kind == "typing":
            continue
        ground.clock.now = START + now
        try:
            await _performed(ground, each, messages, number)
        except RateLimited as error:
            load.refused += 1
            limiter.penalise(
                each.kind,
                each.place.name,
                scope=error.scope,
                until=now + error.retry_after_s,
                now=now,
                group=each.place.group,
            )
            heapq.heappush(heap, (now, number, each))
            continue
        load.left += 1
        if each.priority == 1:
            load.late.append(now - each.since)
    return load


async def _performed(
    ground: Ground, each: Wanted, messages: dict[str, MessageRef], number: int
) -> None:
    message = messages.get(each.place.name)
    if each.kind == "edit" and message is not None:
        await ground.adapter.perform(Edit(message=message, body=plain(f"words {number}")))
        return
    post = Post(chat=each.place.chat, body=plain("words"), nonce=f"{number:024x}")
    outcome = await ground.adapter.perform(post)
    assert isinstance(outcome, Sent)
    messages[each.place.name] = outcome.message


@pytest.mark.parametrize("name", GROUNDS)
async def test_sixty_a_second(name: str) -> None:
    """No 429, and the last words of a stream are there within a second of the last token."""
    ground_of, can = GROUNDS[name]
    async with ground_of() as ground:
        places = [ground.chats(number, False) for number in range(CHATS)]
        load = await drive(ground, can, mixed(places, Random(7)))
    assert load.refused == 0
    assert not [seen for seen in ground.server.record if seen.status == 429]
    finals = sorted(load.late[-STREAMS:])
    assert len(finals) == STREAMS
    if name != "slack":  # all edits of a workspace share one budget
        assert finals[-1] <= 1.0 / 0.75  # one edit of its own chat may have gone just before


@asynccontextmanager
async def _halved_telegram() -> AsyncIterator[Ground]:
    clock = Clock()
    rates = TelegramRates(all_per_s=15)
    async with (
        TelegramServer(rates=rates, clock=clock) as server,
        telegram.connected(server) as adapter,
    ):

        def chats(number: int, group: bool) -> Place:
            server.world.room(1_000 + number)
            return Place(chat=telegram.chat_of(server, 1_000 + number), group=False)

        yield Ground(server=server, adapter=adapter, clock=clock, chats=chats)


@asynccontextmanager
async def _halved_slack() -> AsyncIterator[Ground]:
    clock = Clock()
    async with (
        SlackServer(rates=SlackRates(clock=clock, scale=0.5)) as server,
        slack.connected(server) as adapter,
    ):

        def chats(number: int, group: bool) -> Place:
            server.world.channel(f"D{number + 1}", user="U1")
            return Place(chat=slack.chat_of(server, f"D{number + 1}"), group=False)

        yield Ground(server=server, adapter=adapter, clock=clock, chats=chats)


@asynccontextmanager
async def _halved_discord() -> AsyncIterator[Ground]:
    clock = Clock()
    async with (
        DiscordServer(rates=2.0, now=clock) as server,
        discord.connected(server) as adapter,
    ):
        channels = [server.add_channel(f"room{number}") for number in range(100)]

        def chats(number: int, group: bool) -> Place:
            return Place(chat=discord.chat_of(channels[number]), group=False)

        yield Ground(server=server, adapter=adapter, clock=clock, chats=chats)


@pytest.mark.parametrize(
    ("ground_of", "can", "per_s"),
    [
        (_halved_telegram, TELEGRAM, 40.0),
        (_halved_slack, SLACK, 4.0),
        (_halved_discord, DISCORD, 80.0),
    ],
    ids=["telegram", "slack", "discord"],
)
async def test_a_server_that_halves_its_limits(
    ground_of: Callable[[], AbstractAsyncContextManager[Ground]], can: Capabilities, per_s: float
) -> None:
    """It refuses at most one in two hundred: whoever was refused goes on at half the rate."""
    async with ground_of() as ground:
        places = [ground.chats(number, False) for number in range(100)]
        wanted = [Wanted(number / per_s, "post", places[number % 100], 1) for number in range(600)]
        load = await drive(ground, can, wanted)
    assert load.left == len(wanted)
    assert 0 < load.refused <= 0.005 * load.left


def edits(
    can: Capabilities, streams: int, base: float, *, group: bool
) -> tuple[float, list[float]]:
    """The interval for so many live streams, and what lay between two edits of one of them."""
    limiter = Limiter(can.budgets)
    interval = limiter.stream_interval(base, streams=streams)
    assert interval is not None
    heap = [(number * interval / streams, number) for number in range(streams)]
    heapq.heapify(heap)
    last: dict[int, float] = {}
    between: list[float] = []
    while heap:
        now, number = heapq.heappop(heap)
        if now > 60 * interval:
            break
        chat = 0 if group else number
        left = limiter.admit("edit", chat, group=group, priority=4, since=now, now=now) == 0
        if left:
            if number in last:
                between.append(now - last[number])
            last[number] = now
        heapq.heappush(heap, (now + (interval if left else interval / 10), number))
    return interval, between


@pytest.mark.parametrize(
    ("can", "streams", "group"),
    [
        (SLACK, 1, False),
        (SLACK, 7, False),
        (SLACK, 20, False),
        (TELEGRAM, 1, False),
        (TELEGRAM, 10, False),
        (TELEGRAM, 1, True),
        (DISCORD, 1, False),
        (DISCORD, 20, False),
    ],
    ids=lambda value: "" if isinstance(value, Capabilities) else str(value),
)
def test_streams_keep_their_interval(can: Capabilities, streams: int, group: bool) -> None:
    """Of the edits of live streams 95 % come within 1.25 of the interval; chats share a budget."""
    base = can.edit_interval_group_s if group else can.edit_interval_s
    interval, between = edits(can, streams, base, group=group)
    assert len(between) > 20
    within = sum(gap <= 1.25 * interval for gap in between)
    assert within >= 0.95 * len(between)


def test_edits_of_a_slack_workspace_share_one_budget() -> None:
    """Forty-two a minute over all its chats, however many grow."""
    interval, between = edits(SLACK, 14, SLACK.edit_interval_s, group=False)
    assert interval == pytest.approx(20.0)
    per_minute = 14 * 60 / (sum(between) / len(between))
    assert per_minute <= 42.0 + 1e-6


ACCOUNT = Budget(kinds=frozenset({"post"}), per="account", rate_per_s=10.0, burst=1.0)


def test_what_was_slowed_is_tried_a_little_faster_from_time_to_time() -> None:
    """Half the rate after a 429, a quarter more every ten minutes, and never more than before."""
    limiter = Limiter((ACCOUNT,))

    def rate(now: float) -> float:
        """What leaves in ten seconds from now, all the rest of the time being busy."""
        at = since = now
        count = 0
        while at < now + 10.0:
            wait = limiter.admit("post", "a", group=False, priority=1, since=since, now=at)
            if wait:
                at += wait
                continue
            count += 1
            since = at
        return count / 10

    assert rate(0.0) == pytest.approx(10.0, abs=0.3)
    limiter.penalise("post", "a", scope="account", until=20.0, now=20.0, group=False)
    limiter.penalise("post", "a", scope="account", until=20.0, now=21.0, group=False)
    assert rate(30.0) == pytest.approx(5.0, abs=0.3)
    found = []
    for at in range(60, 3_600, 60):
        found.append(rate(float(at)))
        assert found[-1] <= 10.3
    assert found[int(FASTER_EVERY_S / 60)] == pytest.approx(6.25, abs=0.3)
    assert found[-1] == pytest.approx(10.0, abs=0.3)


def test_a_chat_that_was_slowed_is_forgotten() -> None:
    """One 429 of a chat is no reason to know it for ever."""
    limiter = Limiter((Budget(kinds=frozenset({"post"}), per="chat", rate_per_s=1.0),))
    limiter.penalise("post", "a", scope="chat", until=5.0, now=0.0, group=False)
    assert limiter.admit("post", "a", group=False, priority=1, since=5.0, now=5.0) == 0
    assert limiter.admit("post", "a", group=False, priority=1, since=6.0, now=6.0) == 1.0
    later = 10.0 + SLOWED_KNOWN_S + 60.0
    assert limiter.admit("post", "b", group=False, priority=1, since=later, now=later) == 0
    assert limiter.admit("post", "a", group=False, priority=1, since=later, now=later) == 0
    since = later + 1.0
    assert limiter.admit("post", "a", group=False, priority=1, since=since, now=since) == 0
