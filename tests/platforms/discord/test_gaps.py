"""What was said without transport comes later: nothing lost, nothing twice, and the gap is told."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from platforms.base import Marks
from platforms.content import Button
from platforms.discord.backfill import MESSAGES_MAX, PAUSES_S
from platforms.discord.fields import first_snowflake
from platforms.discord.limits import HISTORY_PAGE
from platforms.events import (
    Account,
    ButtonPressed,
    ChatRef,
    Gap,
    MessageEdited,
    MessageReceived,
    MessageRef,
    Receipt,
)
from tests.platforms.discord.hand_time import HandTime
from tests.platforms.discord.journal import (
    ACCOUNT,
    Journal,
    chat_of,
    connected,
    post,
    posted,
    ref_of,
    running,
)
from tests.wire.discord import Channel, DiscordServer, Message, rate_limited, refusal
from tests.wire.server import CutBefore, Hold

HISTORY = "GET /channels/{channel}/messages"
IDENTIFY, RESUME = "GATEWAY IDENTIFY", "GATEWAY RESUME"


class Gaps:
    """Takes the gaps that are over."""

    def __init__(self) -> None:
        self.over: asyncio.Queue[Gap] = asyncio.Queue()

    async def __call__(self, gap: Gap) -> None:
        self.over.put_nowait(gap)

    async def next(self) -> Gap:
        return await asyncio.wait_for(self.over.get(), 60)


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as running_server:
        yield running_server


@pytest.fixture
def gaps() -> Gaps:
    return Gaps()


def marks_of(*messages: MessageRef) -> Marks:
    """What a store tells of these messages."""

    async def marks(_: Account) -> tuple[MessageRef, ...]:
        return messages

    return marks


async def broken_off(server: DiscordServer) -> None:
    """The session is over, and nobody can connect until `release`."""
    server.gateway.hold()
    await server.gateway.invalidate()
    await server.gateway.gone()


def asked(server: DiscordServer) -> list[str]:
    """The channels that were read, one entry a call."""
    return [seen.arguments["channel"] for seen in server.requests(HISTORY)]


def once(journal: Journal) -> list[str]:
    """The texts by their keys, as a store keeps them: the second of a key is no message."""
    texts: dict[str, str] = {}
    for delivery in journal.deliveries:
        for event in delivery.events if isinstance(delivery.events, tuple) else ():
            if isinstance(event, MessageReceived):
                texts.setdefault(event.logical_key, event.text)
    return list(texts.values())


# What a gap is.


async def test_a_resumed_connection_is_a_gap_that_was_replayed(
    server: DiscordServer, gaps: Gaps
) -> None:
    """It lasts until everything missed is stored, and nothing is read back for it."""
    journal = Journal()
    async with running(server, journal, on_gap=gaps) as adapter:
        await server.say(server.general, server.ada, "before")
        await journal.count(1)
        assert adapter.liveness().gap_since is None
        server.gateway.hold()
        await server.gateway.abort()
        await server.gateway.gone()
        for text in ("one", "two"):
            await server.say(server.general, server.ada, text)
        server.gateway.release()
        gap = await gaps.next()
        assert adapter.liveness().gap_since is None
    assert (gap.account, gap.cause, gap.recovered) == (ACCOUNT, "connection lost", 2)
    assert timedelta(0) < gap.until - gap.since < timedelta(seconds=5)
    assert journal.texts() == ["before", "one", "two"]
    assert server.requests(HISTORY) == []


@pytest.mark.parametrize(
    ("how", "cause"), [("op 7", "reconnect asked for"), ("op 9", "session invalidated")]
)
async def test_each_gap_says_why(server: DiscordServer, gaps: Gaps, how: str, cause: str) -> None:
    """What Discord asked for is told apart from what just broke."""
    async with running(server, Journal(), on_gap=gaps):
        await (server.gateway.ask_reconnect() if how == "op 7" else server.gateway.invalidate())
        assert (await gaps.next()).cause == cause


async def test_a_deaf_connection_is_a_gap_since_it_was_last_heard(
    server: DiscordServer, gaps: Gaps
) -> None:
    """The gap begins with the last frame, not with the moment we noticed."""
    time = HandTime()
    journal = Journal()
    async with running(server, journal, on_gap=gaps, clock=time.clock) as adapter:
        await server.say(server.general, server.ada, "heard")
        await journal.count(1)
        heard_at = adapter.liveness().last_frame_at
        server.gateway.hold()
        server.gateway.mute()
        time.advance(60)
        await server.gateway.gone()
        assert adapter.liveness().gap_since == heard_at
        assert not adapter.liveness().connected
        server.gateway.release()
        gap = await gaps.next()
    assert gap.cause == "connection deaf"
    assert gap.until - gap.since == timedelta(seconds=60)


async def test_a_new_session_is_a_gap_until_all_is_read(server: DiscordServer, gaps: Gaps) -> None:
    """Open while a chat is still being read; it counts what came back."""
    journal = Journal()
    async with running(server, journal, on_gap=gaps) as adapter:
        await server.say(server.general, server.ada, "before")
        await journal.count(1)
        await broken_off(server)
        await server.say(server.general, server.ada, "missed")
        reading = asyncio.Event()
        server.faults.add(HISTORY, Hold(released=reading))
        server.gateway.release()
        await server.gateway.ready()
        await server.say(server.dm(server.ada), server.ada, "live elsewhere")
        await journal.count(2)
        assert adapter.liveness().gap_since is not None
        assert gaps.over.empty()
        reading.set()
        gap = await gaps.next()
    assert (gap.cause, gap.recovered) == ("session invalidated", 1)
    assert journal.texts() == ["before", "live elsewhere", "missed"]
    late = [e.late for d in journal.deliveries if isinstance(d.events, tuple) for e in d.events]
    assert late == [False, False, True]


async def test_a_start_is_a_gap_since_the_newest_stored_message(
    server: DiscordServer, gaps: Gaps
) -> None:
    """While nothing ran nothing was heard; a first start ever has no gap."""
    stored = await server.say(server.general, server.ada, "stored")
    await server.say(server.general, server.ada, "missed")
    journal = Journal()
    async with running(server, journal, marks=marks_of(ref_of(stored)), on_gap=gaps):
        gap = await gaps.next()
    assert (gap.cause, gap.recovered) == ("not running", 1)
    assert abs(gap.since - datetime.now(UTC)) < timedelta(seconds=10)
    async with running(server, Journal(), marks=marks_of(), on_gap=gaps) as adapter:
        assert adapter.liveness().gap_since is None
    assert gaps.over.empty()


async def test_what_is_lost_again_is_the_same_gap(server: DiscordServer, gaps: Gaps) -> None:
    """A second loss while a chat is being read makes no second row, and loses nothing."""
    journal = Journal()
    async with running(server, journal, on_gap=gaps) as adapter:
        await server.say(server.general, server.ada, "before")
        await journal.count(1)
        await broken_off(server)
        await server.say(server.general, server.ada, "one")
        reading = asyncio.Event()
        server.faults.add(HISTORY, Hold(released=reading))
        server.gateway.release()
        await server.gateway.ready()
        since = adapter.liveness().gap_since
        await server.gateway.close(4000)
        await server.seen(lambda seen: seen.operation == RESUME)
        await server.say(server.general, server.ada, "two")
        reading.set()
        gap = await gaps.next()
        assert since is not None
    assert gap.cause == "session invalidated"
    assert once(journal) == ["before", "one", "two"]
    assert gaps.over.empty()


async def test_an_adapter_started_again_by_its_supervisor_reads_on(
    server: DiscordServer, gaps: Gaps
) -> None:
    """`connect` and `run` anew on the same adapter: what was said between is read back."""
    journal = Journal()
    async with connected(server, on_gap=gaps) as adapter:
        for text in ("before", "after"):
            await adapter.connect()
            task = asyncio.create_task(adapter.run(journal))
            await server.gateway.ready()
            await server.say(server.general, server.ada, text)
            await journal.count(1 if text == "before" else 3)
            task.cancel()
            await asyncio.wait([task])
            await server.gateway.gone()
            if text == "before":
                await server.say(server.general, server.ada, "between")
    assert once(journal) == ["before", "between", "after"]
    assert (await gaps.next()).cause == "stopped"


async def test_a_full_backlog_whose_session_ends_is_read_back(
    server: DiscordServer, gaps: Gaps
) -> None:
    """What the unread socket held when the session was given up is in the history."""
    journal = Journal()
    journal.held = asyncio.Event()
    texts = [str(number) for number in range(300)]
    async with running(server, journal, room=8, on_gap=gaps):
        for text in texts[:200]:
            await server.say(server.general, server.ada, text)
        await journal.count(1)
        server.gateway.forget_sessions()
        await server.gateway.abort()
        for text in texts[200:]:
            await server.say(server.general, server.ada, text)
        journal.held.set()
        gap = await gaps.next()
        while len(once(journal)) < 300:
            await journal.count(len(journal.deliveries) + 1)
    assert once(journal) == texts
    assert len(journal.texts()) == 300
    assert gap.recovered is not None
    assert gap.recovered >= 100


# Order, and what does not wait.


async def test_the_present_of_a_chat_waits_for_its_past(server: DiscordServer) -> None:
    """A live message, its edit and the past of its chat are stored in the order of the chat.

    So a death in between leaves nothing newer stored than what is still to be read.
    """
    journal = Journal()
    async with running(server, journal):
        await server.say(server.general, server.ada, "before")
        await journal.count(1)
        await broken_off(server)
        await server.say(server.general, server.ada, "missed")
        reading = asyncio.Event()
        server.faults.add(HISTORY, Hold(released=reading))
        server.gateway.release()
        await server.gateway.ready()
        live = await server.say(server.general, server.ada, "live")
        await server.edit(live, "live, edited")
        await server.say(server.dm(server.ada), server.ada, "elsewhere")
        await journal.count(2)
        assert journal.texts() == ["before", "elsewhere"]
        reading.set()
        await journal.count(5)
    assert journal.texts() == ["before", "elsewhere", "missed", "live"]
    assert isinstance(await journal.event(5), MessageEdited)
    assert (await journal.event(4)).late is False  # it came live as well
    assert len(journal.deliveries) == 5


async def test_a_press_does_not_wait_for_the_past(server: DiscordServer) -> None:
    """A card stands since before the gap; its press is stored and answered while we read."""
    journal = Journal()
    async with running(server, journal) as adapter:
        await server.say(server.general, server.ada, "before")
        await journal.count(1)
        controls = ((Button(label="Approve", payload="ap:1"),),)
        await posted(adapter, post(server.general, "card", controls=controls))
        await broken_off(server)
        server.faults.add(HISTORY, Hold(released=asyncio.Event()))
        server.gateway.release()
        await server.gateway.ready()
        pressed = await server.press(server.bot_messages(server.general)[-1], server.ada, "ap:1")
        event = await journal.event(2)
        await server.seen(lambda seen: "/callback" in seen.operation)
    assert isinstance(event, ButtonPressed)
    assert pressed.answer == 6


async def test_a_chat_where_someone_waits_is_read_first(server: DiscordServer) -> None:
    """Of many chats the one with a live message comes next."""
    people = [server.add_person(f"p{number}") for number in range(4)]
    stored = [await server.say(server.dm(person), person, "stored") for person in people]
    reading = asyncio.Event()
    server.faults.add(HISTORY, Hold(released=reading))
    journal = Journal()
    async with running(server, journal, marks=marks_of(*map(ref_of, stored))):
        await server.seen(lambda seen: seen.operation == IDENTIFY)
        await server.gateway.ready()
        await server.say(server.dm(people[0]), people[0], "live")
        await server.say(server.add_channel("other"), server.ada, "the live one was read")
        await journal.count(1)
        reading.set()
        await journal.count(2)
    assert str(server.dm(people[0]).id) in asked(server)[:2]
    assert journal.texts() == ["the live one was read", "live"]


async def test_a_death_while_reading_loses_nothing(server: DiscordServer) -> None:
    """The next process begins where the store ends, whatever the last one held in memory."""
    stored = await server.say(server.general, server.ada, "0")
    missed = [await server.say(server.general, server.ada, str(n)) for n in range(1, 150)]
    journal = Journal()
    server.faults.add(HISTORY, Hold(released=_set()), Hold(released=asyncio.Event()))
    async with running(server, journal, marks=marks_of(ref_of(stored))):
        await server.gateway.ready()
        await server.say(server.general, server.ada, "live")
        await journal.count(HISTORY_PAGE)
    assert journal.texts() == [str(n) for n in range(1, 101)]  # and not the live one
    newest = marks_of(ref_of(missed[len(journal.deliveries) - 1]))
    async with running(server, journal, marks=newest):
        await journal.count(150)
    assert journal.texts() == [*(str(n) for n in range(1, 150)), "live"]


# Which chats, how far, how fast.


async def test_a_quiet_direct_chat_is_read_and_a_quiet_thread_is_not(
    server: DiscordServer,
) -> None:
    """Chats are read however long they were quiet, from 24 hours ago on; threads are not."""
    old = first_snowflake(datetime.now(UTC) - timedelta(days=3))
    thread = await server.start_thread(server.general, "old thing")
    dm, general = server.dm(server.ada), server.general
    for chat in (dm, general, thread):
        await server.say(chat, server.ada, "too long ago", ident=old + chat.id % 1000 + 1)
        await server.say(chat, server.ada, "while nothing ran")
    marks = [MessageRef(chat=chat_of(chat), message_id=str(old)) for chat in (dm, general, thread)]
    journal = Journal()
    async with running(server, journal, marks=marks_of(*marks)):
        await journal.count(2)
    assert journal.texts() == ["while nothing ran"] * 2
    assert sorted(asked(server)) == sorted([str(dm.id), str(general.id)])


async def test_only_listed_chats_of_a_guild_are_read(server: DiscordServer, gaps: Gaps) -> None:
    """A chat nobody lists any more is left; listed ones are found though nothing was stored."""
    quiet, unlisted = server.add_channel("quiet"), server.add_channel("unlisted")
    stored = await server.say(unlisted, server.ada, "stored when it was listed")
    dm = await server.say(server.dm(server.ada), server.ada, "stored")
    await server.say(quiet, server.ada, "the first words here")
    thread = await server.start_thread(quiet, "new")
    await server.say(thread, server.ada, "the first words there")
    await server.say(unlisted, server.ada, "nobody asked")
    await server.say(server.general, server.ada, "nor here")

    def listed(chat: ChatRef) -> bool:
        return chat.chat_id == str(quiet.id)

    journal = Journal()
    marks = marks_of(ref_of(stored), ref_of(dm))
    async with running(server, journal, marks=marks, listed=listed, on_gap=gaps):
        gap = await gaps.next()
    assert sorted(journal.texts()) == ["the first words here", "the first words there"]
    assert gap.recovered == 2
    assert sorted(asked(server)) == sorted(
        str(c.id) for c in (server.dm(server.ada), quiet, thread)
    )
    events = [await journal.event(number) for number in (1, 2)]
    assert {event.chat for event in events} == {chat_of(quiet), chat_of(thread)}


async def test_a_thread_that_began_in_the_gap_is_read(server: DiscordServer, gaps: Gaps) -> None:
    """Its channel is known, so its words count, though nobody listed anything."""
    journal = Journal()
    async with running(server, journal, on_gap=gaps):
        await server.say(server.general, server.ada, "before")
        await journal.count(1)
        await broken_off(server)
        thread = await server.start_thread(server.general, "new")
        await server.say(thread, server.ada, "in the thread")
        server.gateway.release()
        await gaps.next()
    assert journal.texts() == ["before", "in the thread"]
    assert (await journal.event(2)).chat == chat_of(thread)


async def test_at_most_500_messages_of_a_chat(server: DiscordServer, gaps: Gaps) -> None:
    """Beyond that a chat goes on without the rest."""
    stored = await server.say(server.general, server.ada, "stored")
    for number in range(MESSAGES_MAX + 20):
        await server.say(server.general, server.ada, str(number))
    journal = Journal()
    async with running(server, journal, marks=marks_of(ref_of(stored)), on_gap=gaps):
        gap = await gaps.next()
        await server.say(server.general, server.ada, "live")
        await journal.count(MESSAGES_MAX + 1)
    assert gap.recovered == MESSAGES_MAX
    assert journal.texts() == [*(str(n) for n in range(MESSAGES_MAX)), "live"]
    assert len(asked(server)) == MESSAGES_MAX // HISTORY_PAGE


async def test_at_most_100_calls_a_minute(server: DiscordServer, gaps: Gaps) -> None:
    """The rest of the chats waits for the next minute; what is live does not."""
    time = HandTime()
    people = [server.add_person(f"p{number}", member=False) for number in range(103)]
    stored = [await server.say(server.dm(person), person, "stored") for person in people]
    journal = Journal()
    marks = marks_of(*map(ref_of, stored))
    async with running(server, journal, marks=marks, on_gap=gaps, clock=time.clock):
        await time.sleeping(60.0)
        assert len(asked(server)) == 100
        await server.say(server.general, server.ada, "live")
        await journal.count(1)
        time.advance(59)
        await server.gateway.ask_heartbeat()
        time.advance(1)
        await gaps.next()
    assert sorted(asked(server)) == sorted(str(server.dm(person).id) for person in people)


# When history can't be had.


async def test_a_chat_that_may_not_be_read_is_left(server: DiscordServer, gaps: Gaps) -> None:
    """Without the right, or gone: it goes on without its past, and the others are read."""
    hidden, gone = server.add_channel("hidden"), server.add_channel("gone")
    stored = [
        await server.say(chat, server.ada, "stored") for chat in (server.general, hidden, gone)
    ]
    await server.say(server.general, server.ada, "missed")
    hidden.access = "hidden"
    del server.world.channels[gone.id], server.guild.channels[gone.id]
    journal = Journal()
    async with running(server, journal, marks=marks_of(*map(ref_of, stored)), on_gap=gaps):
        gap = await gaps.next()
        hidden.access = "full"
        await server.say(hidden, server.ada, "live")
        await journal.count(2)
    assert gap.recovered == 1
    assert journal.texts() == ["missed", "live"]


async def test_failures_of_reading_are_tried_again(server: DiscordServer, gaps: Gaps) -> None:
    """A lost answer, a 5xx and a limit cost time and no message."""
    time = HandTime()
    journal = Journal()
    stored = await server.say(server.general, server.ada, "stored")
    await server.say(server.general, server.ada, "missed")
    cut = (CutBefore(), CutBefore())  # a GET on a dead connection is repeated once
    server.faults.add(HISTORY, *cut, refusal(503), rate_limited(31.0))
    marks = marks_of(ref_of(stored))
    async with running(server, journal, marks=marks, on_gap=gaps, clock=time.clock):
        for pause in (*PAUSES_S[:2], 31.0):
            await time.sleeping(pause)
            time.advance(pause)
        gap = await gaps.next()
    assert gap.recovered == 1
    assert journal.texts() == ["missed"]


async def test_what_is_unwanted_counts_for_nothing(server: DiscordServer, gaps: Gaps) -> None:
    """A chat the gateway does not want is no recovered message."""
    stored = await server.say(server.general, server.ada, "stored")
    await server.say(server.general, server.ada, "unwanted")
    await posted_by_us(server, server.general)
    journal = Journal()
    journal.next_receipts.append(Receipt.UNWANTED)
    async with running(server, journal, marks=marks_of(ref_of(stored)), on_gap=gaps):
        gap = await gaps.next()
    assert gap.recovered == 0
    assert len(journal.deliveries) == 1
    assert journal.own == []  # history does not tell whose nonce it was


async def posted_by_us(server: DiscordServer, chat: Channel) -> Message:
    """A message of the bot's."""
    return await server.say(chat, server.bot, "ours")


def _set() -> asyncio.Event:
    released = asyncio.Event()
    released.set()
    return released
