"""hikari, a client this project does not use, hears whatever the loopback gateway tells."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import hikari
import pytest
from hikari.impl import GatewayShardImpl

from platforms.discord.directory import Directory
from platforms.discord.parse import KINDS
from tests.wire.discord import DiscordServer
from tests.wire.discord.world import FORUM
from tests.wire.steps import Steps

Found = TypeVar("Found", bound=hikari.Event)
INTENTS = hikari.Intents.ALL_UNPRIVILEGED | hikari.Intents.MESSAGE_CONTENT
HEARD = {
    "MESSAGE_CREATE": (hikari.GuildMessageCreateEvent, hikari.DMMessageCreateEvent),
    "MESSAGE_UPDATE": (hikari.GuildMessageUpdateEvent,),
    "MESSAGE_DELETE": (hikari.GuildMessageDeleteEvent,),
    "MESSAGE_DELETE_BULK": (hikari.GuildBulkMessageDeleteEvent,),
    "INTERACTION_CREATE": (hikari.InteractionCreateEvent,),
    "MESSAGE_REACTION_ADD": (hikari.GuildReactionAddEvent,),
    "MESSAGE_REACTION_REMOVE": (hikari.GuildReactionDeleteEvent,),
    "CHANNEL_CREATE": (hikari.GuildChannelCreateEvent,),
    "CHANNEL_UPDATE": (hikari.GuildChannelUpdateEvent,),
    "CHANNEL_DELETE": (hikari.GuildChannelDeleteEvent,),
    "THREAD_CREATE": (hikari.GuildThreadCreateEvent,),
    "THREAD_UPDATE": (hikari.GuildThreadUpdateEvent,),
    "THREAD_DELETE": (hikari.GuildThreadDeleteEvent,),
    "THREAD_LIST_SYNC": (hikari.ThreadListSyncEvent,),
    "GUILD_ROLE_CREATE": (hikari.RoleCreateEvent,),
    "GUILD_ROLE_UPDATE": (hikari.RoleUpdateEvent,),
    "GUILD_CREATE": (hikari.GuildAvailableEvent, hikari.GuildJoinEvent),
    "GUILD_DELETE": (hikari.GuildUnavailableEvent, hikari.GuildLeaveEvent),
}
"""What hikari makes of each event that the adapter reads or learns from."""


def bot_of(server: DiscordServer) -> hikari.GatewayBot:
    """A bot that was not started."""
    return hikari.GatewayBot(
        server.token,
        rest_url=server.api_url,
        banner=None,
        logs=None,
        intents=INTENTS,
        suppress_optimization_warning=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The server, a started bot, and what that heard of the event under test."""

    server: DiscordServer
    bot: hikari.GatewayBot
    heard: asyncio.Queue[hikari.Event]

    async def next(self, kind: type[Found]) -> Found:
        """What came next; it is of this kind."""
        async with asyncio.timeout(60):
            event = await self.heard.get()
        assert isinstance(event, kind), event
        return event


@asynccontextmanager
async def ground(*kinds: type[hikari.Event], plain: bool = False) -> AsyncIterator[Ground]:
    """A bot that listens to these kinds of events."""
    async with DiscordServer(plain=plain) as server:
        bot, heard = bot_of(server), asyncio.Queue[hikari.Event]()
        await bot.start(check_for_updates=False)
        for kind in kinds:
            bot.subscribe(kind, heard.put)
        try:
            yield Ground(server=server, bot=bot, heard=heard)
        finally:
            await bot.close()


hears = Steps[Ground]()


@hears("MESSAGE_CREATE")
async def _(on: Ground) -> None:
    """In a channel, in a direct message, and as the first of a forum's post."""
    server = on.server
    said = await server.say(server.general, server.ada, "hello")
    assert (await on.next(hikari.GuildMessageCreateEvent)).content == "hello"
    await server.say(server.general, server.ada, "yes", reply_to=said)
    reply = (await on.next(hikari.GuildMessageCreateEvent)).message
    assert reply.referenced_message is not None and reply.referenced_message.id == said.id
    await server.say(server.dm(server.ada), server.ada, "psst")
    assert (await on.next(hikari.DMMessageCreateEvent)).content == "psst"
    forum = server.add_channel("ideas", kind=FORUM)
    post = await server.begin_post(forum, server.ada, "an idea", "what about this?")
    first = await on.next(hikari.GuildMessageCreateEvent)
    assert (first.channel_id, first.message_id) == (post.id, post.id)


@hears("MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK")
async def _(on: Ground) -> None:
    server = on.server
    said = [await server.say(server.general, server.ada, text) for text in "abc"]
    await server.edit(said[0], "hello")
    assert (await on.next(hikari.GuildMessageUpdateEvent)).content == "hello"
    await server.delete(said[0])
    assert (await on.next(hikari.GuildMessageDeleteEvent)).message_id == said[0].id
    await server.delete_all(said[1:])
    gone = await on.next(hikari.GuildBulkMessageDeleteEvent)
    assert gone.message_ids == {each.id for each in said[1:]}


@hears("MESSAGE_REACTION_ADD", "MESSAGE_REACTION_REMOVE")
async def _(on: Ground) -> None:
    server = on.server
    said = await server.say(server.general, server.ada, "hello")
    await server.react(said, server.ada, "👍")
    added = await on.next(hikari.GuildReactionAddEvent)
    assert (added.message_id, added.emoji_name) == (said.id, "👍")
    await server.react(said, server.ada, "👍", on=False)
    assert (await on.next(hikari.GuildReactionDeleteEvent)).user_id == server.ada.id


@hears("INTERACTION_CREATE")
async def _(on: Ground) -> None:
    """A command in the client's language, a press, a choice, and a form that was sent."""
    server, rest = on.server, on.bot.rest
    command = rest.slash_command_builder("status", "What is going on")
    application = await rest.fetch_application()
    await rest.set_application_commands(application, [command])
    server.ada.locale = "de"
    await server.invoke(server.general, server.ada, "status")
    used = (await on.next(hikari.InteractionCreateEvent)).interaction
    assert isinstance(used, hikari.CommandInteraction)
    assert (used.command_name, used.locale) == ("status", "de")
    rows = [rest.build_message_action_row(), rest.build_message_action_row()]
    rows[0].add_interactive_button(hikari.ButtonStyle.PRIMARY, "ap:1", label="Approve")
    rows[1].add_text_menu("more").add_option("Deny", "dn:1")
    await rest.create_message(server.general.id, "card", components=rows)
    [card] = server.bot_messages(server.general)
    press = await server.press(card, server.ada, "ap:1")
    pressed = (await on.next(hikari.InteractionCreateEvent)).interaction
    assert isinstance(pressed, hikari.ComponentInteraction) and pressed.custom_id == "ap:1"
    await server.choose(card, server.ada, "dn:1")
    chosen = (await on.next(hikari.InteractionCreateEvent)).interaction
    assert isinstance(chosen, hikari.ComponentInteraction) and list(chosen.values) == ["dn:1"]
    fields = rest.build_modal_action_row()
    fields.add_text_input("reason", "Why?")
    await pressed.create_modal_response("Deny", "form:1", component=fields)
    await server.fill(press, {"reason": "too dear"})
    sent = (await on.next(hikari.InteractionCreateEvent)).interaction
    assert isinstance(sent, hikari.ModalInteraction) and sent.custom_id == "form:1"
    [[field]] = sent.components
    assert field.value == "too dear"


@hears("CHANNEL_CREATE", "CHANNEL_UPDATE", "CHANNEL_DELETE")
async def _(on: Ground) -> None:
    server = on.server
    made = await server.make_channel("plans")
    assert (await on.next(hikari.GuildChannelCreateEvent)).channel.name == "plans"
    await server.rename(made, "old plans")
    assert (await on.next(hikari.GuildChannelUpdateEvent)).channel.name == "old plans"
    await server.remove_channel(made)
    assert (await on.next(hikari.GuildChannelDeleteEvent)).channel_id == made.id


@hears("THREAD_CREATE", "THREAD_UPDATE", "THREAD_DELETE", "THREAD_LIST_SYNC")
async def _(on: Ground) -> None:
    server = on.server
    thread = await server.start_thread(server.general, "plans")
    started = await on.next(hikari.GuildThreadCreateEvent)
    assert (started.thread.parent_id, started.thread.name) == (server.general.id, "plans")
    await server.rename(thread, "old plans")
    assert (await on.next(hikari.GuildThreadUpdateEvent)).thread.name == "old plans"
    await server.show_threads()
    assert thread.id in (await on.next(hikari.ThreadListSyncEvent)).threads
    await server.remove_channel(thread)
    gone = await on.next(hikari.GuildThreadDeleteEvent)
    assert (gone.thread_id, gone.parent_id) == (thread.id, server.general.id)


@hears("GUILD_ROLE_CREATE", "GUILD_ROLE_UPDATE")
async def _(on: Ground) -> None:
    role = await on.server.make_role("crew")
    assert (await on.next(hikari.RoleCreateEvent)).role.name == "crew"
    role.name = "old crew"
    await on.server.change_role(role)
    assert (await on.next(hikari.RoleUpdateEvent)).role.name == "old crew"


@hears("GUILD_CREATE", "GUILD_DELETE")
async def _(on: Ground) -> None:
    """Out of reach and back; let into another one and shown out of it."""
    server, guild = on.server, on.server.guild
    await server.lose(guild, outage=True)
    assert (await on.next(hikari.GuildUnavailableEvent)).guild_id == guild.id
    await server.find(guild)
    assert (await on.next(hikari.GuildAvailableEvent)).guild_id == guild.id
    other = server.world.add_guild("Other", server.ada)
    del server.world.guilds[other.id]
    await server.find(other)
    assert (await on.next(hikari.GuildJoinEvent)).guild.name == "Other"
    await server.lose(other)
    assert (await on.next(hikari.GuildLeaveEvent)).guild_id == other.id


async def test_another_client_hears_each_event() -> None:
    """What the adapter reads and learns from comes as hikari's strict models want it.

    One bot for all, for hikari takes half a second to start and stop.
    """
    async with ground() as shared:
        for events in hears.together(HEARD):
            on = replace(shared, heard=asyncio.Queue())
            kinds = [kind for event in events for kind in HEARD[event]]
            for kind in kinds:
                on.bot.subscribe(kind, on.heard.put)
            await hears.by_operation[events[0]](on)
            assert on.heard.empty(), events
            for kind in kinds:
                on.bot.unsubscribe(kind, on.heard.put)
        # Ops 10, 1 and 11: the interval, a heartbeat when asked for, its acknowledgement.
        before = on.server.gateway.heartbeats
        await on.server.gateway.ask_heartbeat()
        assert on.server.gateway.heartbeats > before


def test_each_event_of_the_adapter_is_heard() -> None:
    """A new kind that the adapter reads needs an act of the server's and a step here."""
    read = {*KINDS, *Directory.LESSONS}
    assert (hears.undone(read), hears.unmade(read)) == (set(), set())


# -- op codes and close codes


@pytest.mark.slow
async def test_an_invalid_session_begins_anew() -> None:
    """Op 9: nothing is resumed, a new IDENTIFY comes; hikari itself waits before it does."""
    async with ground(hikari.GuildMessageCreateEvent) as on:
        await on.server.gateway.invalidate()
        await on.server.seen(lambda _: len(on.server.requests("GATEWAY IDENTIFY")) == 2, 60)
        await on.server.gateway.ready()
        await on.server.say(on.server.general, on.server.ada, "hello again")
        assert (await on.next(hikari.GuildMessageCreateEvent)).content == "hello again"
        assert on.server.requests("GATEWAY RESUME") == []


@pytest.mark.parametrize("code", [4004, 4014])
async def test_a_close_code_that_is_final_ends_the_client(code: int) -> None:
    """A wrong token, an intent that is switched off: no reconnecting, by its number."""
    async with DiscordServer() as server:
        bot = bot_of(server)
        server.gateway.refuse_identify(code)
        try:
            with pytest.raises(hikari.GatewayServerClosedConnectionError) as refused:
                await bot.start(check_for_updates=False)
        finally:
            if bot.is_alive:
                await bot.close()
        assert refused.value.code == code
        assert len(server.requests("GATEWAY IDENTIFY")) == 1


async def test_two_shards_share_the_guilds() -> None:
    """Each is told of its own; direct messages come to the first."""
    async with DiscordServer() as server:
        second = server.world.add_guild("Second", server.ada, ident=server.guild.id + (1 << 22))
        bots = [bot_of(server), bot_of(server)]
        told: list[set[int]] = [set(), set()]
        for number, bot in enumerate(bots):
            heard: asyncio.Queue[hikari.GuildAvailableEvent] = asyncio.Queue()
            bot.subscribe(hikari.GuildAvailableEvent, heard.put)
            await bot.start(check_for_updates=False, shard_ids=[number], shard_count=2)
            async with asyncio.timeout(60):
                told[number].add((await heard.get()).guild_id)
        for bot in bots:
            await bot.close()
        assert told == [{server.guild.id}, {second.id}]


async def test_text_frames_for_who_asks_for_no_compression() -> None:
    """The same events as plain JSON; the other tests here read one zlib stream."""
    async with DiscordServer() as server:
        bot, heard = bot_of(server), asyncio.Queue[hikari.GuildMessageCreateEvent]()
        bot.subscribe(hikari.GuildMessageCreateEvent, heard.put)
        shard = GatewayShardImpl(
            compression=None,
            intents=INTENTS,
            http_settings=bot.http_settings,
            proxy_settings=bot.proxy_settings,
            event_manager=bot.event_manager,
            event_factory=bot.event_factory,
            token=server.token,
            url=server.url.replace("http", "ws", 1) + "/gateway",
        )
        await shard.start()
        try:
            [connection] = server.gateway.connections
            assert connection.deflate is None
            await server.say(server.general, server.ada, "plainly")
            async with asyncio.timeout(60):
                assert (await heard.get()).content == "plainly"
        finally:
            await shard.close()
