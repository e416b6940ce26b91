"""What is missing is named with the way to it, click by click, where an operator looks."""

import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path

import discord
import pytest

from gateway import render
from platforms.content import Delete, Edit, Operation, React, Typing, Upload
from platforms.discord import rights
from platforms.discord.client import DiscordAdapter
from platforms.errors import ChatUnavailable, RightsMissing, ThreadGone
from platforms.events import MessageRef
from tests.platforms.discord.journal import Journal, chat_of, connected, post
from tests.wire.discord import APPLICATION_ID, Channel, DiscordServer, refusal

POST = "POST /channels/{channel}/messages"
SWITCH = (
    "Developer Portal > Applications > Gatepost > Bot > Privileged Gateway Intents >"
    " Message Content Intent: switch it on, Save Changes"
    f" (https://discord.com/developers/applications/{APPLICATION_ID}/bot)"
)


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as running_server:
        yield running_server


@pytest.fixture
async def adapter(server: DiscordServer) -> AsyncIterator[DiscordAdapter]:
    async with connected(server) as ready:
        yield ready


async def test_the_switch_is_named_where_the_gateway_refuses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Close 4014 says every click of this very application; the log said so before."""
    async with DiscordServer(content_allowed=False) as server, connected(server) as adapter:
        assert SWITCH in adapter.liveness().alarm
        assert SWITCH in caplog.text
        with pytest.raises(RightsMissing) as caught:
            await adapter.run(Journal())
        assert SWITCH in str(caught.value)
        assert adapter.liveness().alarm == ""  # its status has the sentence now, once


def _operation(name: str, place: Channel) -> Operation:
    chat = chat_of(place)
    message = MessageRef(chat=chat, message_id="7")
    match name:
        case "post":
            return post(place, "hello")
        case "typing":
            return Typing(chat=chat)
        case "upload":
            return Upload(chat=chat, data=b"x", name="a.md", mime="text/markdown", nonce="n")
        case "react":
            return React(message=message, emoji="👍")
        case "edit":
            return Edit(message=message, body=())
        case _:
            return Delete(message=message)


@pytest.mark.parametrize(
    ("name", "thread", "code", "right"),
    [
        ("post", False, 50013, "Send Messages"),
        ("post", True, 50013, "Send Messages in Threads"),
        ("post", False, 50001, "View Channels"),
        ("typing", False, 50013, "Send Messages"),
        ("react", False, 50013, "Add Reactions"),
        ("edit", False, 50013, "View Channels"),
        ("delete", False, 50001, "View Channels"),
        ("upload", False, 50001, "View Channels"),
    ],
)
async def test_a_refused_operation_names_its_right(
    server: DiscordServer,
    adapter: DiscordAdapter,
    *,
    name: str,
    thread: bool,
    code: int,
    right: str,
) -> None:
    """The class is that of a chat that is closed to us; the remedy is where to grant the right."""
    place = server.world.add_thread(server.general, "plans") if thread else server.general
    server.faults.add("*", refusal(403, code))
    with pytest.raises(ChatUnavailable) as caught:
        await adapter.perform(_operation(name, place))
    assert caught.value.reason == "no_rights"
    assert caught.value.remedy == rights.right_path(right, "gatepost")
    assert f"{right!r} is missing" in str(caught.value)


async def test_without_the_right_to_files_the_chat_still_lives(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """Only the upload fails, and says what to switch on."""
    server.faults.add(POST, refusal(403, 50013))
    with pytest.raises(RightsMissing, match="Roles > gatepost > Permissions > Attach Files"):
        await adapter.perform(_operation("upload", server.general))
    await adapter.perform(post(server.general, "words go"))
    assert [message.content for message in server.bot_messages(server.general)] == ["words go"]


async def test_by_the_servers_own_rules(server: DiscordServer, adapter: DiscordAdapter) -> None:
    """A channel one may only read, one that is hidden, and a person who takes no messages."""
    read_only, hidden = server.add_channel("news"), server.add_channel("board")
    read_only.access, hidden.access = "read_only", "hidden"
    server.ada.takes_dms = False
    found = {}
    for place in (read_only, hidden, server.dm(server.ada)):
        with pytest.raises(ChatUnavailable) as caught:
            await adapter.perform(post(place, "hello"))
        found[place.name] = (caught.value.reason, caught.value.remedy)
    assert found == {
        "news": ("no_rights", rights.right_path("Send Messages", "gatepost")),
        "board": ("no_rights", rights.right_path("View Channels", "gatepost")),
        "ada": ("blocked", ""),
    }


async def test_a_thread_that_may_not_be_made_says_why(
    server: DiscordServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer goes to the channel; the log has the right that a thread would want."""
    asked = await server.say(server.general, server.ada, "question")
    place = server.world.add_thread(server.general, "question", of=asked)
    del server.world.channels[place.id]
    made = "POST /channels/{channel}/messages/{message}/threads"
    async with connected(server, threads=True) as adapter:
        server.faults.add(made, refusal(403, 50013))
        with caplog.at_level(logging.WARNING), pytest.raises(ThreadGone):
            await adapter.perform(post(place, "answer"))
    assert "Permissions > Create Public Threads" in caplog.text


def test_owners_are_told_the_way() -> None:
    """What stands behind the colon of a stored reason is the last sentence."""
    told = render.dead_chat_text("discord:4100/4101", "no_rights: Server Settings > Roles")
    assert told.startswith("discord:4100/4101 can't be written to any more (no_rights); ")
    assert told.endswith("writes to me in it. Server Settings > Roles.")
    assert render.dead_chat_text("slack:T1/C1", "archived").endswith("writes to me in it.")


def test_the_manual_asks_for_what_is_used() -> None:
    """The number in the link is the sum of the rights it names, each with its bit."""
    page = (Path(__file__).parents[3] / "docs" / "platforms.md").read_text(encoding="utf-8")
    needed = discord.Permissions(
        view_channel=True,
        send_messages=True,
        send_messages_in_threads=True,
        read_message_history=True,
        add_reactions=True,
        attach_files=True,
    )
    assert f"without threads of its own {needed.value}." in page
    needed.update(create_public_threads=True)
    assert f"permissions={needed.value}" in page
    table = dict(re.findall(r"^\| \*([A-Z][\w ]+)\* \| (\d+) \|", page, re.MULTILINE))
    assert sum(map(int, table.values())) == needed.value
    named = {rights.VIEW, rights.HISTORY, rights.THREADS, "Attach Files", "Add Reactions"}
    assert named < table.keys()
