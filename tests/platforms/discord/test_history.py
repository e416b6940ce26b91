"""What was said before a message: one call, oldest first, with whose words they are."""

import json
from collections.abc import AsyncIterator

import pytest

from platforms.base import History
from platforms.discord.client import DiscordAdapter
from platforms.errors import ChatUnavailable, PlatformUnavailable
from tests.platforms.discord.journal import (
    Journal,
    adapter_of,
    connected,
    post,
    posted,
    ref_of,
    running,
)
from tests.wire.discord import DiscordServer, refusal
from tests.wire.discord.world import FORUM, UploadedFile
from tests.wire.server import Answer

PAGE = "GET /channels/{channel}/messages"


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as running_server:
        yield running_server


@pytest.fixture
async def adapter(server: DiscordServer) -> AsyncIterator[DiscordAdapter]:
    async with running(server, Journal()) as ready:
        yield ready


async def test_what_stood_there_before(server: DiscordServer, adapter: DiscordAdapter) -> None:
    """People's words and ours, files by their names, and nothing that came later."""
    bob = server.add_person("bob")
    await server.say(server.general, server.ada, f"<@{bob.id}> lunch?")
    await posted(adapter, post(server.general, "I do not eat."))
    plan = UploadedFile(id=9, name="plan.pdf", mime="application/pdf", data=b"x")
    await server.say(server.general, bob, "here", files=[plan])
    asked = await server.say(server.general, server.ada, "and now?")
    await server.say(server.general, bob, "later")
    found = await adapter.earlier(ref_of(asked), 20)
    assert isinstance(adapter, History)
    assert [(said.author.name, said.author.is_us, said.text) for said in found] == [
        ("Ada", False, "@Bob lunch?"),
        ("gatepost", True, "I do not eat."),
        ("Bob", False, "here (document: plan.pdf)"),
    ]
    assert {said.message.chat for said in found} == {ref_of(asked).chat}
    assert len(server.requests(PAGE)) == 1


async def test_no_more_than_asked_for(server: DiscordServer, adapter: DiscordAdapter) -> None:
    """The newest of them, in the order in which they were said."""
    for number in range(25):
        await server.say(server.general, server.ada, str(number))
    asked = await server.say(server.general, server.ada, "and now?")
    found = await adapter.earlier(ref_of(asked), 20)
    assert [said.text for said in found] == [str(number) for number in range(5, 25)]


async def test_a_thread_is_read_by_itself(server: DiscordServer, adapter: DiscordAdapter) -> None:
    """Of the channel around it nothing, of a forum post its first message too."""
    await server.say(server.general, server.ada, "outside")
    thread = await server.start_thread(server.general, "plans")
    await server.say(thread, server.ada, "inside")
    asked = await server.say(thread, server.ada, "and now?")
    assert [said.text for said in await adapter.earlier(ref_of(asked), 20)] == ["inside"]
    begun = await server.begin_post(
        server.add_channel("help", kind=FORUM), server.ada, "Disk", "it is full"
    )
    asked = await server.say(begun.channel, server.ada, "and now?")
    assert [said.text for said in await adapter.earlier(ref_of(asked), 20)] == ["it is full"]


async def test_what_is_no_word_of_people_is_left_out(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """Service messages and what makes no sense; a thread's starter stands for its message."""
    asked = await server.say(server.general, server.ada, "and now?")
    author = {"id": "42", "username": "ada"}
    starter = {"id": "5", "type": 0, "channel_id": "4101", "content": "so it began"}
    file = {"id": "77", "filename": "a.png", "content_type": "image/png", "size": 1}
    page = [
        {"id": "9", "type": 7, "channel_id": "4101", "author": author, "content": ""},
        {"id": "x", "type": 0},
        {"id": "8", "type": 0, "channel_id": "4101", "author": author, "content": "hello"},
        {"id": "7", "type": 21, "channel_id": "4101", "referenced_message": None},
        {
            "id": "6",
            "type": 21,
            "referenced_message": {**starter, "author": author, "attachments": [file]},
        },
        "nonsense",
    ]
    server.faults.add(PAGE, Answer(status=200, body=json.dumps(page).encode()))
    found = await adapter.earlier(ref_of(asked), 20)
    assert [said.text for said in found] == ["so it began (image: a.png)", "hello"]
    assert found[0].message.message_id == "5"  # that of its thread
    assert [each.file for each in found[0].attachments] == ["4101/5/77"]


async def test_what_can_not_be_read_is_an_error(server: DiscordServer) -> None:
    """A missing right says where it is granted; without a connection there is nothing to ask."""
    asked = await server.say(server.general, server.ada, "and now?")
    async with connected(server) as adapter:
        server.faults.add(PAGE, refusal(403, 50013))
        with pytest.raises(ChatUnavailable) as caught:
            await adapter.earlier(ref_of(asked), 20)
    assert "Permissions > Read Message History" in caught.value.remedy
    with pytest.raises(PlatformUnavailable):
        await adapter_of(server).earlier(ref_of(asked), 20)
