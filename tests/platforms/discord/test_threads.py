"""Threads and forum posts: whose rules hold there, how they wake, and what ours are called."""

import pytest

from gateway import admission
from gateway.config.ids import ChatPattern
from gateway.config.values import AccessConfig
from platforms.blocks import plain
from platforms.content import Button, Edit, Post
from platforms.discord.threads import FALLBACK_NAME
from platforms.errors import MessageGone, MessageRejected
from platforms.events import MessageReceived
from tests.platforms.discord.journal import (
    Journal,
    chat_of,
    connected,
    post,
    posted,
    running,
)
from tests.platforms.discord.test_gaps import Gaps, broken_off
from tests.wire.discord import BOT_ID, Channel, DiscordServer
from tests.wire.discord.world import FORUM

LOOK_UP = "GET /channels/{channel}"
MADE = "POST /channels/{channel}/messages/{message}/threads"


async def _messages(journal: Journal, count: int) -> list[MessageReceived]:
    found = [await journal.event(number) for number in range(1, count + 1)]
    return [event for event in found if isinstance(event, MessageReceived)]


def _access(place: Channel) -> AccessConfig:
    assert place.guild is not None
    return AccessConfig(
        chats=(ChatPattern(platform="discord", parts=(str(place.guild.id), str(place.id))),)
    )


async def test_a_forum_post_is_a_thread_under_its_forum() -> None:
    """Begun before, while we listen, or asleep since long: the forum's listing decides."""
    async with DiscordServer() as server:
        forum, other = server.add_channel("help", kind=FORUM), server.add_channel("ideas")
        old = server.world.add_thread(forum, "from before")
        asleep = server.world.add_thread(forum, "long ago")
        asleep.archived = True
        journal = Journal()
        async with running(server, journal) as adapter:
            begun = await server.begin_post(forum, server.ada, "Disk full", "what now?")
            for thread in (old, asleep):
                await server.say(thread, server.ada, "and here?")
            events = await _messages(journal, 3)
            await posted(adapter, post(begun.channel, "empty the bin"))
        for event, thread in zip(events, (begun.channel, old, asleep), strict=True):
            assert event.chat == event.reply_to == chat_of(thread)
            assert (event.chat.chat_id, event.thread_kind) == (str(forum.id), "topic")
            assert admission.chat_listed(event.chat, _access(forum))
            assert not admission.chat_listed(event.chat, _access(other))
        assert events[0].message.message_id == events[0].chat.thread_id
        assert [m.content for m in server.bot_messages(begun.channel)] == ["empty the bin"]
        asked = [seen.arguments["channel"] for seen in server.requests(LOOK_UP)]
        assert asked == [str(asleep.id)]  # the others were told; this one by one GET


async def test_a_mention_in_a_forum_post_needs_no_thread_of_its_own() -> None:
    """With `threads` too, the answer goes where the question stands; nothing is made."""
    async with DiscordServer() as server:
        forum = server.add_channel("help", kind=FORUM)
        journal = Journal()
        async with running(server, journal, threads=True) as adapter:
            begun = await server.begin_post(forum, server.ada, "Disk full", f"<@{BOT_ID}> help")
            [event] = await _messages(journal, 1)
            assert event.reply_to == chat_of(begun.channel)
            await posted(adapter, post(begun.channel, "here"))
        assert [seen.status for seen in server.requests(MADE)] == []
        assert len(server.bot_messages(begun.channel)) == 1


async def test_a_forum_itself_takes_no_message() -> None:
    """Its root is no place for words; that chat is not taken for dead."""
    async with DiscordServer() as server, connected(server) as adapter:
        forum = server.add_channel("help", kind=FORUM)
        with pytest.raises(MessageRejected):
            await adapter.perform(post(forum, "hello"))


async def test_a_thread_that_sleeps_wakes_by_posting() -> None:
    """A card in it can't be edited, so its outcome is posted anew, and that wakes the thread."""
    async with DiscordServer() as server, connected(server) as adapter:
        thread = server.world.add_thread(server.general, "plans")
        controls = ((Button(label="Approve", payload="ap:1"),),)
        card = await posted(adapter, post(thread, "card", "n1", controls=controls))
        thread.archived = True
        with pytest.raises(MessageGone):
            await adapter.perform(Edit(message=card, body=plain("approved")))
        await posted(adapter, post(thread, "approved", "n2"))
        assert not thread.archived
        await adapter.perform(Edit(message=card, body=plain("(see below)")))
        assert [m.content for m in server.bot_messages(thread)] == ["(see below)", "approved"]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("x" * 100, "x" * 100),
        ("x" * 101, "x" * 100),
        ("👨‍👩‍👧 plan\nthe week", "👨‍👩‍👧 plan"),
        ("\n\n  second line \nthird", "second line"),
        ("", FALLBACK_NAME),
    ],
)
async def test_a_thread_is_called_by_its_first_line(words: str, name: str) -> None:
    """A hundred characters and no more: the server refuses the one above."""
    async with DiscordServer() as server:
        journal = Journal()
        async with running(server, journal, threads=True) as adapter:
            asked = await server.say(server.general, server.ada, f"<@{BOT_ID}> {words}")
            [event] = await _messages(journal, 1)
            assert event.reply_to.thread_id == str(asked.id)
            await posted(adapter, Post(chat=event.reply_to, body=plain("an answer"), nonce="n1"))
        assert server.world.channels[asked.id].name == name


async def test_a_forum_post_begun_while_we_were_away_is_read_back() -> None:
    """The new session tells of its thread; its first message comes late, under its forum."""
    async with DiscordServer() as server:
        forum = server.add_channel("help", kind=FORUM)
        journal, gaps = Journal(), Gaps()
        async with running(server, journal, on_gap=gaps, listed=lambda _: True):
            await server.say(server.general, server.ada, "before")
            await journal.count(1)
            await broken_off(server)
            begun = await server.begin_post(forum, server.ada, "Disk full", "what now?")
            server.gateway.release()
            gap = await gaps.next()
        event = await journal.event(2)
        assert isinstance(event, MessageReceived)
        assert (event.text, event.late, gap.recovered) == ("what now?", True, 1)
        assert event.chat == chat_of(begun.channel)
