"""Several connections of one bot: each has its guilds, its session, its gap and its back-fill."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from platforms.discord.limits import SHARDS_MAX
from platforms.discord.shards import shard_of
from platforms.discord.start import start_of
from platforms.errors import CredentialsRejected, RightsMissing
from tests.platforms.discord.hand_time import HandTime
from tests.platforms.discord.journal import (
    Journal,
    chat_of,
    connected,
    post,
    posted,
    ref_of,
    running,
)
from tests.platforms.discord.test_gaps import HISTORY, IDENTIFY, RESUME, Gaps, asked, marks_of
from tests.wire.discord import Channel, DiscordServer
from tests.wire.discord.gateway import GUILDS_PER_SHARD
from tests.wire.discord.server import GUILD_ID

SECOND_GUILD = (1 << 22) + 7


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as running_server:
        running_server.gateway.shards = 2
        yield running_server


@pytest.fixture
def afar(server: DiscordServer) -> Channel:
    """A channel of a guild that the second shard serves."""
    guild = server.world.add_guild("Afar", server.ada, ident=SECOND_GUILD)
    return server.add_channel("afar", guild=guild)


def shards_seen(server: DiscordServer) -> list[Any]:
    return sorted(seen.arguments["shard"] for seen in server.requests(IDENTIFY))


@pytest.mark.parametrize(
    ("guild", "shards", "number"),
    [
        (str(GUILD_ID), 2, 0),
        (str(SECOND_GUILD), 2, 1),
        (str(SECOND_GUILD), 1, 0),
        ("197038439483310086", 4, (197038439483310086 >> 22) % 4),
        (None, 4, 0),
    ],
)
def test_a_guild_names_its_shard(guild: str | None, shards: int, number: int) -> None:
    """By the time in its id; direct messages are the first one's."""
    assert shard_of(guild, shards) == number


async def test_every_guild_is_heard_once_over_its_own_connection(
    server: DiscordServer, afar: Channel
) -> None:
    """As many sessions as Discord recommends; words, presses and answers over both."""
    journal = Journal()
    async with running(server, journal) as adapter:
        await server.gateway.ready(2)
        for chat in (server.general, afar, server.dm(server.ada)):
            await server.say(chat, server.ada, f"in {chat.name}")
        await journal.count(3)
        for chat in (server.general, afar, server.dm(server.ada)):
            await posted(adapter, post(chat, "heard", f"n{chat.id}"))
        await journal.heard_own(3)
        alive = adapter.liveness()
        assert (alive.connected, alive.detail) == (True, "2 of 2 shards connected")
    assert shards_seen(server) == [[0, 2], [1, 2]]
    assert sorted(journal.texts()) == ["in ada", "in afar", "in general"]
    assert len(journal.own) == 3


async def test_a_lost_connection_is_resumed_while_the_other_goes_on(
    server: DiscordServer, afar: Channel
) -> None:
    """One gap, of that shard; what was said there is replayed, nothing is read back."""
    journal, gaps = Journal(), Gaps()
    async with running(server, journal, on_gap=gaps) as adapter:
        await server.gateway.ready(2)
        server.gateway.hold()
        await server.gateway.abort(shard=1)
        await server.gateway.knocked()
        await server.say(afar, server.ada, "meanwhile")
        await server.say(server.general, server.ada, "still heard")
        await journal.count(1)
        assert not adapter.liveness().connected
        assert adapter.liveness().detail == "1 of 2 shards connected"
        assert adapter.liveness().gap_since is not None
        server.gateway.release()
        gap = await gaps.next()
        await journal.count(2)
        assert adapter.liveness().connected
    assert (gap.cause, gap.recovered) == ("connection lost (shard 2 of 2)", 1)
    assert journal.texts() == ["still heard", "meanwhile"]
    assert (len(server.requests(IDENTIFY)), len(server.requests(RESUME))) == (2, 1)
    assert server.requests(HISTORY) == []
    assert gaps.over.empty()


async def test_a_session_that_is_over_is_read_back_for_its_guilds_alone(
    server: DiscordServer, afar: Channel
) -> None:
    """It identifies as the same shard; the other shard's chats are not asked for."""
    journal, gaps = Journal(), Gaps()
    async with running(server, journal, on_gap=gaps):
        await server.gateway.ready(2)
        for chat in (server.general, afar):
            await server.say(chat, server.ada, "before")
        await journal.count(2)
        server.gateway.hold()
        await server.gateway.invalidate(shard=1)
        await server.say(afar, server.ada, "missed")
        server.gateway.release()
        gap = await gaps.next()
    assert shards_seen(server) == [[0, 2], [1, 2], [1, 2]]
    assert (gap.cause, gap.recovered) == ("session invalidated (shard 2 of 2)", 1)
    assert asked(server) == [str(afar.id)]
    assert journal.texts() == ["before", "before", "missed"]


async def test_each_shard_takes_up_where_the_last_process_stopped(
    server: DiscordServer, afar: Channel
) -> None:
    """The stored marks are shared out like the guilds."""
    before = [
        await server.say(chat, server.ada, "stored")
        for chat in (server.general, afar, server.dm(server.ada))
    ]
    for message in before:
        await server.say(message.channel, server.ada, f"missed in {message.channel.name}")
    journal, gaps = Journal(), Gaps()
    marks = marks_of(*map(ref_of, before))
    async with running(server, journal, on_gap=gaps, marks=marks):
        causes = {(await gaps.next()).cause for _ in range(2)}
    assert causes == {"not running (shard 1 of 2)", "not running (shard 2 of 2)"}
    assert sorted(journal.texts()) == [f"missed in {name}" for name in ("ada", "afar", "general")]


async def test_sessions_begin_one_after_the_other(server: DiscordServer) -> None:
    """Five seconds apart over all shards, so that neither is refused."""
    time = HandTime()
    async with running(server, Journal(), clock=time.clock, identify_wait_s=5.0):
        await time.sleeping(5.0)
        assert len(server.requests(IDENTIFY)) == 1
        time.advance(5.0)
        await server.gateway.ready(2)
    assert shards_seen(server) == [[0, 2], [1, 2]]


async def test_a_final_close_of_one_stops_both(server: DiscordServer) -> None:
    """The switch is off for the whole bot, so nobody tries again."""
    async with connected(server) as adapter:
        server.gateway.refuse_identify(4014)
        with pytest.raises(RightsMissing):
            await asyncio.wait_for(adapter.run(Journal()), 60)
        await server.gateway.gone()


async def test_a_shard_of_too_many_guilds_is_refused(server: DiscordServer) -> None:
    """2,500 are served, one more is 4011; the words say that a restart asks anew."""
    assert GUILDS_PER_SHARD == 2_500
    server.gateway.shards, server.gateway.guilds_per_shard = 1, 1
    async with running(server, Journal()):
        pass
    server.world.add_guild("one too many", server.ada, ident=GUILD_ID + 1)
    async with connected(server) as adapter:
        with pytest.raises(CredentialsRejected, match="Restart the gateway"):
            await asyncio.wait_for(adapter.run(Journal()), 60)


def test_more_connections_than_one_process_keeps() -> None:
    """The number comes from outside, so it is bounded; at the bound it is taken."""

    def answer(shards: Any) -> dict[str, Any]:
        return {"url": "ws://here", "shards": shards, "session_start_limit": {"remaining": 9}}

    assert [start_of(answer(n)).shards for n in (None, -1, 1, SHARDS_MAX)] == [1, 1, 1, SHARDS_MAX]
    with pytest.raises(CredentialsRejected, match="65 connections"):
        start_of(answer(SHARDS_MAX + 1))


async def test_threads_and_look_ups_know_no_shard(server: DiscordServer, afar: Channel) -> None:
    """A thread of the second shard's guild is judged by its parent like any other."""
    thread = server.world.add_thread(afar, "from before")
    journal = Journal()
    async with running(server, journal):
        await server.gateway.ready(2)
        await server.say(thread, server.ada, "inside")
        event = await journal.event()
    assert event.chat == chat_of(thread)
