"""hikari, a client this project does not use, performs whatever the loopback Discord offers."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hikari
import pytest
from hikari.api import RESTClient

from tests.wire.discord import APPLICATION_ID, BOT_ID, DiscordServer
from tests.wire.discord.interactions import Interaction
from tests.wire.discord.world import FORUM, PRIVATE_THREAD
from tests.wire.steps import Steps, performed

ADAPTER = Path(__file__).parents[2] / "platforms" / "discord"
CALLBACK = "POST /interactions/{interaction}/{token}/callback"
HOOK = "/webhooks/{application}/{token}"
COMMANDS = "/applications/{application}/commands"
MESSAGE = "/channels/{channel}/messages/{message}"
SPECIFIED = {
    "GET /users/@me",
    "GET /oauth2/applications/@me",
    "GET /gateway/bot",
    "GET /channels/{channel}",
    "POST /channels/{channel}/messages",
    f"PATCH {MESSAGE}",
    f"DELETE {MESSAGE}",
    "GET /channels/{channel}/messages",
    "POST /channels/{channel}/typing",
    f"PUT {MESSAGE}/reactions/{{emoji}}/@me",
    f"POST {MESSAGE}/threads",
    "POST /users/@me/channels",
    f"PUT {COMMANDS}",
    CALLBACK,
    f"POST {HOOK}",
    "GET /attachments/{channel}/{file}/{name}",
}
"""What the specification's table of loopback servers names for Discord's REST API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The server and a client of its REST API."""

    server: DiscordServer
    rest: RESTClient

    async def card(self) -> hikari.Message:
        """A message of ours with a button."""
        row = self.rest.build_message_action_row()
        row.add_interactive_button(hikari.ButtonStyle.PRIMARY, "ap:1", label="Approve")
        return await self.rest.create_message(self.server.general.id, "card", component=row)

    async def pressed(self) -> Interaction:
        """Ada has pressed the button of such a message."""
        await self.card()
        card = self.server.bot_messages(self.server.general)[-1]
        return await self.server.press(card, self.server.ada, "ap:1")

    def private(self) -> list[str]:
        """What stands in the channel before Ada alone."""
        shown = self.server.messages(self.server.general, viewer=self.server.ada)
        return [each.content for each in shown if each.private_to is self.server.ada]


@asynccontextmanager
async def ground() -> AsyncIterator[Ground]:
    """A guild with a channel and a member, and hikari's REST client without a gateway."""
    app = hikari.RESTApp()
    async with DiscordServer() as server:
        await app.start()
        app_settings: Any = app
        app_settings._url = server.api_url
        try:
            async with app.acquire(server.token, hikari.TokenType.BOT) as rest:
                yield Ground(server=server, rest=rest)
        finally:
            await app.close()


step = Steps[Ground]()


# -- who we are, and who others are


@step("GET /users/@me", "GET /users/{user}", "GET /users/@me/guilds")
async def _(on: Ground) -> None:
    assert (await on.rest.fetch_my_user()).id == BOT_ID
    assert (await on.rest.fetch_user(on.server.ada.id)).username == "ada"
    guilds = await on.rest.fetch_my_guilds()
    assert [each.id for each in guilds] == [on.server.guild.id]


@step("GET /guilds/{guild}/members/{user}")
async def _(on: Ground) -> None:
    role = on.server.world.add_role(on.server.guild, "crew")
    eve = on.server.add_person("eve", roles=(role,))
    member = await on.rest.fetch_member(on.server.guild.id, eve.id)
    assert (member.id, role.id in member.role_ids) == (eve.id, True)
    stranger = on.server.add_person("mallory", member=False)
    with pytest.raises(hikari.NotFoundError):
        await on.rest.fetch_member(on.server.guild.id, stranger.id)


@step("GET /oauth2/applications/@me", "GET /gateway", "GET /gateway/bot")
async def _(on: Ground) -> None:
    assert (await on.rest.fetch_application()).id == APPLICATION_ID
    start = await on.rest.fetch_gateway_bot_info()
    assert start.url == await on.rest.fetch_gateway_url()
    assert (start.shard_count, start.session_start_limit.remaining) == (1, 1_000)


# -- channels, threads, forums


@step("GET /channels/{channel}", "POST /users/@me/channels")
async def _(on: Ground) -> None:
    general = await on.rest.fetch_channel(on.server.general.id)
    assert isinstance(general, hikari.GuildTextChannel) and general.name == "general"
    direct = await on.rest.create_dm_channel(on.server.ada.id)
    assert direct.id == on.server.dm(on.server.ada).id
    assert isinstance(await on.rest.fetch_channel(direct.id), hikari.DMChannel)


@step(f"POST {MESSAGE}/threads", "POST /channels/{channel}/threads")
async def _(on: Ground) -> None:
    """On a message, once; beside them, private if wished; a post of a forum."""
    general = on.server.general
    asked = await on.server.say(general, on.server.ada, "plans")
    thread = await on.rest.create_message_thread(general.id, asked.id, "plans")
    assert (thread.id, thread.parent_id) == (asked.id, general.id)
    with pytest.raises(hikari.BadRequestError, match="already been created"):
        await on.rest.create_message_thread(general.id, asked.id, "again")
    private = await on.rest.create_thread(
        general.id, hikari.ChannelType.GUILD_PRIVATE_THREAD, "quiet"
    )
    assert private.type == hikari.ChannelType.GUILD_PRIVATE_THREAD
    assert on.server.world.channels[private.id].kind == PRIVATE_THREAD
    forum = on.server.add_channel("ideas", kind=FORUM)
    post = await on.rest.create_forum_post(forum.id, "an idea", "what about this?")
    shown = on.server.bot_messages(on.server.world.channels[post.id])
    assert [(each.id, each.content) for each in shown] == [(post.id, "what about this?")]
    with pytest.raises(hikari.BadRequestError, match="non-text channel"):
        await on.rest.create_message(forum.id, "not here")
    on.server.world.channels[thread.id].archived = True
    await on.rest.create_message(thread.id, "awake again")
    assert not on.server.world.channels[thread.id].archived


# -- messages, files both ways, reactions


@step("POST /channels/{channel}/messages", f"PATCH {MESSAGE}", f"DELETE {MESSAGE}")
async def _(on: Ground) -> None:
    """A reply with a button; the same nonce is the same message; changed, then taken back."""
    general = on.server.general
    asked = await on.server.say(general, on.server.ada, "hello")
    row = on.rest.build_message_action_row()
    row.add_interactive_button(hikari.ButtonStyle.PRIMARY, "ap:1", label="Approve")
    sent = await on.rest.create_message(
        general.id,
        "card",
        component=row,
        reply=asked.id,
        mentions_everyone=False,
        user_mentions=False,
        flags=hikari.MessageFlag.SUPPRESS_EMBEDS,
    )
    assert sent.message_reference is not None and sent.message_reference.id == asked.id
    [shown] = on.server.bot_messages(general)
    assert (shown.buttons, shown.embeds_suppressed) == ({"Approve": "ap:1"}, True)
    edited = await on.rest.edit_message(general.id, sent, "done", component=None)
    assert (edited.content, edited.edited_timestamp is not None) == ("done", True)
    assert shown.buttons == {}
    await on.rest.delete_message(general.id, sent)
    assert on.server.bot_messages(general) == []


@step(f"GET {MESSAGE}", "GET /channels/{channel}/messages")
async def _(on: Ground) -> None:
    """One, and those after and before another one."""
    general, ada = on.server.general, on.server.ada
    said = [await on.server.say(general, ada, text) for text in ("one", "two", "three")]
    assert (await on.rest.fetch_message(general.id, said[0].id)).content == "one"
    after = await on.rest.fetch_messages(general.id, after=said[0].id)
    assert sorted(each.content or "" for each in after) == ["three", "two"]
    before = await on.rest.fetch_messages(general.id, before=said[1].id)
    assert [each.content for each in before] == ["one"]


@step("GET /attachments/{channel}/{file}/{name}")
async def _(on: Ground) -> None:
    """What the bot sent is fetched from the address its message names."""
    file = hikari.Bytes(b"words", "answer.md")
    sent = await on.rest.create_message(on.server.general.id, "here", attachment=file)
    [attachment] = sent.attachments
    assert (attachment.filename, attachment.size) == ("answer.md", 5)
    assert await attachment.read() == b"words"
    [shown] = on.server.bot_messages(on.server.general)
    assert [each.data for each in shown.files] == [b"words"]


@step("POST /channels/{channel}/typing")
async def _(on: Ground) -> None:
    await on.rest.trigger_typing(on.server.general.id)
    assert [channel for channel, _ in on.server.channels.typing_in] == [on.server.general]


@step(f"PUT {MESSAGE}/reactions/{{emoji}}/@me", f"DELETE {MESSAGE}/reactions/{{emoji}}/@me")
async def _(on: Ground) -> None:
    said = await on.server.say(on.server.general, on.server.ada, "hello")
    place = (on.server.general.id, said.id)
    await on.rest.add_reaction(*place, "👀")
    [reaction] = (await on.rest.fetch_message(*place)).reactions
    assert (reaction.emoji, reaction.count, reaction.is_me) == ("👀", 1, True)
    await on.rest.delete_my_reaction(*place, "👀")
    assert list((await on.rest.fetch_message(*place)).reactions) == []


# -- commands


@step(f"PUT {COMMANDS}", f"GET {COMMANDS}")
async def _(on: Ground) -> None:
    """All at once, with an option and in two languages; the second list replaces the first."""
    build = on.rest.slash_command_builder("status", "What is going on")
    build.set_description_localizations({hikari.Locale.DE: "Was los ist"})
    build.add_option(
        hikari.CommandOption(
            type=hikari.OptionType.STRING,
            name="text",
            description="What",
            description_localizations={hikari.Locale.DE: "Was"},
        )
    )
    for wanted in ([build, on.rest.slash_command_builder("help", "What I do")], [build]):
        await on.rest.set_application_commands(APPLICATION_ID, wanted)
        known = await on.rest.fetch_application_commands(APPLICATION_ID)
        assert {each.name for each in known} == {each.name for each in wanted}
    [status] = known
    assert isinstance(status, hikari.SlashCommand)
    assert status.description_localizations == {"de": "Was los ist"}
    assert status.options is not None and status.options[0].name == "text"


# -- answers to interactions


@step(CALLBACK)
async def _(on: Ground) -> None:
    """Each first answer there is, once: a second one is refused, a form opens before the person."""
    rest, server = on.rest, on.server
    for kind in (hikari.ResponseType.DEFERRED_MESSAGE_UPDATE, hikari.ResponseType.MESSAGE_UPDATE):
        press = await on.pressed()
        words = "done" if kind == hikari.ResponseType.MESSAGE_UPDATE else hikari.UNDEFINED
        await rest.create_interaction_response(press.id, press.token, kind, words)
    assert server.bot_messages(server.general)[-1].content == "done"
    with pytest.raises(hikari.BadRequestError, match="already been acknowledged"):
        await rest.create_interaction_response(
            press.id, press.token, hikari.ResponseType.MESSAGE_UPDATE, "again"
        )
    press = await on.pressed()
    private = hikari.MessageFlag.EPHEMERAL
    await rest.create_interaction_response(
        press.id, press.token, hikari.ResponseType.MESSAGE_CREATE, "only you", flags=private
    )
    assert on.private() == ["only you"]
    press = await on.pressed()
    fields = rest.build_modal_action_row()
    fields.add_text_input("reason", "Why?", max_length=500)
    await rest.create_modal_response(
        press.id, press.token, title="Deny", custom_id="form:1", component=fields
    )
    assert (await server.form_of(press))["title"] == "Deny"
    sent = await server.fill(press, {"reason": "too dear"})
    await rest.create_interaction_response(
        sent.id, sent.token, hikari.ResponseType.DEFERRED_MESSAGE_CREATE, flags=private
    )
    assert server.open_forms() == []


@step(
    f"POST {HOOK}",
    f"GET {HOOK}/messages/{{message}}",
    f"PATCH {HOOK}/messages/{{message}}",
    f"DELETE {HOOK}/messages/{{message}}",
)
async def _(on: Ground) -> None:
    """Later words before the presser alone, and the first answer itself, by the press's token."""
    rest, press = on.rest, await on.pressed()
    private = hikari.MessageFlag.EPHEMERAL
    deferred = hikari.ResponseType.DEFERRED_MESSAGE_CREATE
    await rest.create_interaction_response(press.id, press.token, deferred, flags=private)
    await rest.edit_interaction_response(APPLICATION_ID, press.token, "here")
    first = await rest.fetch_interaction_response(APPLICATION_ID, press.token)
    assert first.content == "here"
    place = (APPLICATION_ID, press.token)
    later = await rest.execute_webhook(*place, "and more", flags=private)
    await rest.edit_webhook_message(*place, later, "and less")
    assert (await rest.fetch_webhook_message(*place, later)).content == "and less"
    assert on.private() == ["here", "and less"]
    await rest.delete_webhook_message(*place, later)
    await rest.delete_interaction_response(*place)
    assert on.private() == []


@pytest.mark.parametrize("operations", step.together(DiscordServer().offered), ids=" ".join)
async def test_another_client_performs_each_operation(operations: tuple[str, ...]) -> None:
    """Whatever the server offers is performed by hikari and read back."""
    async with ground() as on:
        await step.by_operation[operations[0]](on)
        assert set(operations) <= performed(on.server)


def test_steps_are_those_of_the_server() -> None:
    """A new operation needs a step, no step stands for one that is gone, all specified exist."""
    offered = DiscordServer().offered
    assert (step.undone(offered), step.unmade(offered)) == (set(), set())
    assert offered >= SPECIFIED


def test_the_adapter_calls_nothing_else() -> None:
    """Every path that the adapter writes out is one that the server offers."""
    text = "".join(path.read_text() for path in ADAPTER.glob("*.py"))
    families = "channels|gateway|users|applications|guilds|interactions|webhooks"
    called = {_bare(found) for found in re.findall(rf'"(/(?:{families})[/"][^" ]*)"', text)}
    assert "/channels/{}/messages" in called
    assert called <= {_bare(each.partition(" ")[2]) for each in DiscordServer().offered}


def _bare(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)
