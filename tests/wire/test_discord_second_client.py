"""hikari, a client this project does not use, lives with the loopback Discord."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import hikari
import pytest

from tests.wire.discord import BOT_ID, DiscordServer


@asynccontextmanager
async def connected(
    server: DiscordServer,
) -> AsyncIterator[tuple[hikari.GatewayBot, asyncio.Queue[hikari.Event]]]:
    """A started hikari bot and the messages and interactions it hears."""
    bot = hikari.GatewayBot(
        server.token,
        rest_url=server.api_url,
        banner=None,
        logs=None,
        intents=hikari.Intents.ALL_UNPRIVILEGED | hikari.Intents.MESSAGE_CONTENT,
        suppress_optimization_warning=True,
    )
    heard: asyncio.Queue[hikari.Event] = asyncio.Queue()
    bot.subscribe(hikari.MessageCreateEvent, heard.put)
    bot.subscribe(hikari.InteractionCreateEvent, heard.put)
    await bot.start(check_for_updates=False)
    try:
        yield bot, heard
    finally:
        await bot.close()


async def next_message(heard: asyncio.Queue[hikari.Event]) -> hikari.MessageCreateEvent:
    event = await asyncio.wait_for(heard.get(), 60)
    assert isinstance(event, hikari.MessageCreateEvent)
    return event


async def test_a_message_is_heard_over_zlib_and_answered() -> None:
    """A mention comes in, a reply with a button goes out, is edited and taken back."""
    async with DiscordServer() as server, connected(server) as (bot, heard):
        asked = await server.say(server.general, server.ada, f"<@{BOT_ID}> hello")
        event = await next_message(heard)
        assert event.content == f"<@{BOT_ID}> hello"
        assert event.message.user_mentions_ids == [BOT_ID]

        row = bot.rest.build_message_action_row()
        row.add_interactive_button(hikari.ButtonStyle.PRIMARY, "ap:1", label="Approve")
        sent = await bot.rest.create_message(
            event.channel_id, "hi", component=row, reply=event.message, nonce="n1"
        )
        [action_row] = sent.components
        assert isinstance(action_row, hikari.ActionRowComponent)
        [approve] = action_row.components
        assert isinstance(approve, hikari.ButtonComponent)
        assert approve.custom_id == "ap:1"
        assert (await next_message(heard)).author_id == BOT_ID
        await bot.rest.edit_message(event.channel_id, sent, "hi there", component=None)
        [shown] = server.bot_messages(server.general)
        assert shown.content == "hi there"
        assert shown.buttons == {}
        assert shown.reference is asked
        await bot.rest.trigger_typing(event.channel_id)
        await bot.rest.add_reaction(event.channel_id, asked.id, "👀")
        await bot.rest.delete_message(event.channel_id, sent.id)
        assert server.bot_messages(server.general) == []
        assert server.pinged() == []


async def test_a_press_is_answered_in_private() -> None:
    """A press is acknowledged and followed by words that only the presser sees."""
    async with DiscordServer() as server, connected(server) as (bot, heard):
        row = bot.rest.build_message_action_row()
        row.add_interactive_button(hikari.ButtonStyle.DANGER, "dn:1", label="Deny")
        await bot.rest.create_message(server.general.id, "card", component=row)
        await next_message(heard)
        await server.press(server.bot_messages(server.general)[0], server.ada, "dn:1")
        event = await asyncio.wait_for(heard.get(), 60)
        assert isinstance(event, hikari.InteractionCreateEvent)
        press = event.interaction
        assert isinstance(press, hikari.ComponentInteraction)
        assert press.custom_id == "dn:1"
        await press.create_initial_response(hikari.ResponseType.DEFERRED_MESSAGE_UPDATE)
        await press.execute("too late", flags=hikari.MessageFlag.EPHEMERAL)
        assert [m.content for m in server.messages(server.general)] == ["card"]
        private = server.messages(server.general, viewer=server.ada)[-1]
        assert private.content == "too late"


async def test_commands_threads_and_direct_messages() -> None:
    """Commands are registered and used; a thread and a direct message are opened and read."""
    async with DiscordServer() as server, connected(server) as (bot, heard):
        application = await bot.rest.fetch_application()
        option = hikari.CommandOption(
            type=hikari.OptionType.STRING, name="text", description="What", is_required=False
        )
        command = bot.rest.slash_command_builder("status", "What is going on").add_option(option)
        await bot.rest.set_application_commands(application, [command])
        await server.invoke(server.general, server.ada, "status", "all")
        event = await asyncio.wait_for(heard.get(), 60)
        assert isinstance(event, hikari.InteractionCreateEvent)
        used = event.interaction
        assert isinstance(used, hikari.CommandInteraction)
        assert used.options is not None
        assert used.options[0].value == "all"
        await used.create_initial_response(
            hikari.ResponseType.DEFERRED_MESSAGE_CREATE, flags=hikari.MessageFlag.EPHEMERAL
        )
        await used.edit_initial_response("all is well")
        assert server.messages(server.general) == []
        [private] = server.messages(server.general, viewer=server.ada)
        assert private.content == "all is well"

        thread = await bot.rest.create_thread(
            server.general.id, hikari.ChannelType.GUILD_PUBLIC_THREAD, "details"
        )
        await bot.rest.create_message(thread, "in the thread")
        await next_message(heard)
        direct = await bot.rest.create_dm_channel(server.ada.id)
        await server.say(server.dm(server.ada), server.ada, "psst")
        assert (await next_message(heard)).channel_id == direct.id
        history = await bot.rest.fetch_messages(direct.id, after=1)
        assert [message.content for message in history] == ["psst"]


async def test_refusals_reach_the_client_as_what_they_are() -> None:
    """Too long, unknown and forbidden have the status that a strict client expects."""
    async with DiscordServer() as server, connected(server) as (bot, _):
        with pytest.raises(hikari.BadRequestError):
            await bot.rest.create_message(server.general.id, "x" * 2_001)
        with pytest.raises(hikari.NotFoundError):
            await bot.rest.create_message(1234567890123456789, "hello")
        server.general.access = "read_only"
        with pytest.raises(hikari.ForbiddenError):
            await bot.rest.create_message(server.general.id, "hello")


async def test_a_menu_opens_a_form_that_is_sent() -> None:
    """An option is chosen, its first answer is a form, and what was filled in comes back."""
    async with DiscordServer() as server, connected(server) as (bot, heard):
        row = bot.rest.build_message_action_row()
        menu = row.add_text_menu("more", placeholder="More")
        menu.add_option("Deny with a reason", "dn:1")
        await bot.rest.create_message(server.general.id, "card", component=row)
        await next_message(heard)
        opening = await server.choose(server.bot_messages(server.general)[0], server.ada, "dn:1")
        event = await asyncio.wait_for(heard.get(), 60)
        assert isinstance(event, hikari.InteractionCreateEvent)
        chosen = event.interaction
        assert isinstance(chosen, hikari.ComponentInteraction)
        assert (chosen.custom_id, list(chosen.values)) == ("more", ["dn:1"])
        fields = bot.rest.build_modal_action_row()
        fields.add_text_input("reason", "Why?", required=True, max_length=500)
        await chosen.create_modal_response("Deny", "form:1", component=fields)
        await server.fill(opening, {"reason": "too dear"})
        event = await asyncio.wait_for(heard.get(), 60)
        assert isinstance(event, hikari.InteractionCreateEvent)
        sent = event.interaction
        assert isinstance(sent, hikari.ModalInteraction)
        assert sent.custom_id == "form:1"
        [[field]] = sent.components
        assert (field.custom_id, field.value) == ("reason", "too dear")
        await sent.create_initial_response(
            hikari.ResponseType.MESSAGE_CREATE, "denied", flags=hikari.MessageFlag.EPHEMERAL
        )
        private = server.messages(server.general, viewer=server.ada)[-1]
        assert private.content == "denied"
        member = await bot.rest.fetch_member(server.guild.id, server.ada.id)
        assert member.id == server.ada.id


@pytest.mark.slow
async def test_a_session_is_resumed_without_loss() -> None:
    """What was said while the client was away is replayed; hikari itself waits 1 to 2 s."""
    async with DiscordServer() as server, connected(server) as (_, heard):
        await server.gateway.ask_reconnect()
        await server.gateway.gone()
        await server.say(server.general, server.ada, "while you were away")
        assert (await next_message(heard)).content == "while you were away"
        assert len(server.requests("GATEWAY RESUME")) == 1
        assert server.gateway.connections[0].path == "/gateway/resume"
