"""Fault scripts of the loopback server: what each of them may cost, and what it must not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from platforms.content import Post
from platforms.discord.fields import first_snowflake
from platforms.discord.gateway import PAUSES_S
from platforms.errors import CredentialsRejected, SendUncertain
from platforms.events import MessageReceived
from tests.platforms.discord.hand_time import HandTime
from tests.platforms.discord.journal import Journal, connected, post, posted, running
from tests.wire.discord import DiscordServer, refusal

POST = "POST /channels/{channel}/messages"
Fault = Callable[[DiscordServer], Awaitable[None]]


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as running_server:
        yield running_server


def keys(journal: Journal) -> list[str]:
    """The logical key of each message that came, repeats included."""
    return [
        event.logical_key
        for delivery in journal.deliveries
        if isinstance(delivery.events, tuple)
        for event in delivery.events
        if isinstance(event, MessageReceived)
    ]


async def _garbage(server: DiscordServer) -> None:
    await server.gateway.send_garbage(b"\x00garbage\xff" * 9 + b"\x00\x00\xff\xff")


async def _torn_zlib(server: DiscordServer) -> None:
    """Half a compressed frame, and then the next one in the same stream."""
    await server.gateway.send_garbage(b"x\x9c")


async def _torn(server: DiscordServer) -> None:
    await server.gateway.tear()


async def _no_json(server: DiscordServer) -> None:
    await server.send_raw('{"op": 0, "t": "MESSAGE_CREATE", "d": {"id": "1"')


async def _no_object(server: DiscordServer) -> None:
    await server.send_raw("[1, 2, 3]")


async def _odd_numbers(server: DiscordServer) -> None:
    await server.send_raw({"op": "ten", "s": None, "d": 7})
    await server.gateway.abort()


async def _cut(server: DiscordServer) -> None:
    await server.gateway.abort()


async def _refused(server: DiscordServer) -> None:
    server.gateway.refuse_upgrades(1)
    await server.gateway.abort()


_PLAIN = (_garbage, _torn, _no_json, _no_object, _odd_numbers, _cut, _refused)
_FAULTS = (*_PLAIN, _torn_zlib)


@pytest.mark.parametrize(
    ("plain", "fault"),
    [(plain, fault) for plain in (True, False) for fault in (_PLAIN if plain else _FAULTS)],
    ids=lambda value: getattr(value, "__name__", f"_plain_{value}").strip("_"),
)
async def test_a_broken_stream_costs_a_connection_and_no_message(plain: bool, fault: Fault) -> None:
    """Said before, meanwhile and after: each message comes once and in order, in one session."""
    async with DiscordServer(plain=plain) as server:
        journal = Journal()
        async with running(server, journal):
            await server.say(server.general, server.ada, "before")
            await journal.count(1)
            await fault(server)
            await server.say(server.general, server.ada, "meanwhile")
            await server.seen(lambda seen: seen.operation == "GATEWAY RESUME")
            await server.gateway.ready()
            await server.say(server.general, server.ada, "after")
            await journal.count(3)
        assert journal.texts() == ["before", "meanwhile", "after"]
        assert len(server.requests("GATEWAY IDENTIFY")) == 1


async def test_many_broken_streams_in_a_row() -> None:
    """Fault after fault, with words in between, and not one lost or doubled."""
    time = HandTime()
    async with DiscordServer() as server:
        journal = Journal()
        async with running(server, journal, clock=time.clock):
            for number, fault in enumerate((_garbage, _torn, _cut)):
                await server.say(server.general, server.ada, f"{number} before")
                await fault(server)
                await server.say(server.general, server.ada, f"{number} meanwhile")
                if pause := PAUSES_S[number]:
                    await time.pausing(pause)
                    time.advance(1.2 * pause)
                await server.seen(
                    lambda _, wanted=number + 1: (  # type: ignore[misc]
                        len(server.requests("GATEWAY RESUME")) >= wanted
                    )
                )
                await server.gateway.ready()
            await journal.count(6)
        assert journal.texts() == [
            f"{number} {when}" for number in range(3) for when in ("before", "meanwhile")
        ]


async def test_duplicates_have_the_keys_of_the_first(server: DiscordServer) -> None:
    """The same message three times, and again from a resumed session, is one by its keys."""
    journal = Journal()
    async with running(server, journal):
        said = await server.say(server.general, server.ada, "once")
        for _ in range(2):
            await server.redeliver(said)
        await server.gateway.close(4000)
        await server.redeliver(said)
        await journal.count(4)
    assert len(set(keys(journal))) == 1
    assert len({d.events[0].delivery_key for d in journal.deliveries if d.events}) == 1  # type: ignore[index]


async def test_reordered_events_are_put_in_order_by_theirs(server: DiscordServer) -> None:
    """Sent last first they come last first; `order` tells how they were said."""
    journal = Journal()
    async with running(server, journal):
        server.gateway.reverse_next = 5
        for number in range(5):
            await server.say(server.general, server.ada, str(number))
        await journal.count(5)
        events = [await journal.event(number) for number in range(1, 6)]
    assert journal.texts() == ["4", "3", "2", "1", "0"]
    in_order = sorted(events, key=lambda event: event.order)
    assert [e.text for e in in_order if isinstance(e, MessageReceived)] == list("01234")


async def test_an_old_id_that_comes_late_is_a_message(server: DiscordServer) -> None:
    """Nothing is taken for known because something newer was: neither live nor read back."""
    old = first_snowflake(datetime.now(UTC) - timedelta(hours=1))
    journal = Journal()
    async with running(server, journal):
        await server.say(server.general, server.ada, "new")
        await server.say(server.general, server.ada, "old", ident=old)
        await journal.count(2)
        # The mark is the newest one still, so that a gap does not bring an hour again.
        await server.gateway.invalidate()
        await server.seen(lambda seen: seen.operation.startswith("GET /channels"))
        await server.say(server.general, server.ada, "newer")
        await journal.count(3)
    assert journal.texts() == ["new", "old", "newer"]


async def test_a_5xx_leaves_a_doubt_that_the_nonce_settles(server: DiscordServer) -> None:
    """Whatever the status, the same post again stands once."""
    async with connected(server) as adapter:
        for status in (500, 503, 520):
            operation = post(server.general, str(status), f"n{status}")
            if status == 500:
                server.faults.add(POST, refusal(500))  # the SDK repeats it by itself
            else:
                server.faults.add(POST, refusal(status))
                with pytest.raises(SendUncertain):
                    await adapter.perform(operation)
            await posted(adapter, operation)
    assert [m.content for m in server.messages(server.general)] == ["500", "503", "520"]


async def test_a_slow_answer_delays_no_other_chat(server: DiscordServer) -> None:
    """An answer that drips keeps one call, not the events nor other chats."""
    journal = Journal()
    async with running(server, journal) as adapter:
        server.breaks.add(POST, "dripping")
        slow = asyncio.create_task(adapter.perform(post(server.general, "slow", "n1")))
        await server.seen(lambda seen: seen.operation == POST)
        await server.say(server.general, server.ada, "heard")
        await journal.count(1)
        await posted(adapter, _elsewhere(server))
        assert not slow.done()
        slow.cancel()
        await asyncio.wait([slow])


async def test_a_token_refused_at_the_door_stops_the_run(server: DiscordServer) -> None:
    """A 401 where a new session asks for its budget ends it, and nobody identifies."""
    async with connected(server) as adapter:
        task = asyncio.create_task(adapter.run(Journal()))
        await server.gateway.ready()
        server.faults.add("GET /gateway/bot", refusal(401))
        await server.gateway.invalidate()
        with pytest.raises(CredentialsRejected, match="Reset Token"):
            await asyncio.wait_for(task, 60)
    assert len(server.requests("GATEWAY IDENTIFY")) == 1


def _elsewhere(server: DiscordServer) -> Post:
    return post(server.dm(server.ada), "elsewhere", "n2")
