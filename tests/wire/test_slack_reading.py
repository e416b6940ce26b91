"""What the loopback Slack lets an app read, and of what it tells by itself."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.wire.slack import BOT_TOKEN, SlackServer
from tests.wire.test_slack_server import ADA, GENERAL, Client


@pytest.fixture
async def server() -> AsyncIterator[SlackServer]:
    """A server with a channel and nobody connected."""
    async with SlackServer(echoes=False) as server:
        server.channel(GENERAL)
        yield server


@pytest.fixture
async def client(server: SlackServer) -> AsyncIterator[Client]:
    """A client of it."""
    async with aiohttp.ClientSession() as session:
        yield Client(server, session)


async def test_a_message_event_tells_the_type_of_metadata_only() -> None:
    """What it holds is for those who ask, or whose manifest declares it."""
    async with SlackServer() as server:
        server.channel(GENERAL)
        metadata = {"event_type": "gatepost", "event_payload": {"id": "n1"}}
        arguments = {"channel": GENERAL, "text": "x", "metadata": metadata}
        server.methods.call("chat.postMessage", arguments, BOT_TOKEN)
        (delivery,) = server.deliveries
        told = delivery.payload["event"]["metadata"]
        assert told == {"event_type": "gatepost", "event_payload": {}}


async def test_reading_needs_the_right_for_that_kind_of_chat(
    server: SlackServer, client: Client
) -> None:
    """Each kind of conversation has its own scope, which the refusal names."""
    server.channel("C7", private=True)
    server.world.channel("G7")
    server.world.dm(ADA)
    scopes = {"C7": "groups:history", "G7": "mpim:history", "D1": "im:history"}
    for channel, scope in scopes.items():
        assert (await client.call("conversations.history", channel=channel))["ok"]
        server.methods.scopes.discard(scope)
        answer = await client.call("conversations.history", channel=channel)
        assert (answer["error"], answer["needed"]) == ("missing_scope", scope)
    assert (await client.call("conversations.history", channel=GENERAL))["ok"]


async def test_a_thread_is_given_with_its_root(server: SlackServer, client: Client) -> None:
    """Whatever `oldest` says; history tells of its latest reply; a deleted root is no thread."""
    root = await server.say(chat=GENERAL, user=ADA, text="root")
    replies = [await server.say(chat=GENERAL, user=ADA, text="r", thread=root) for _ in range(3)]
    answer = await client.call("conversations.replies", channel=GENERAL, ts=root, oldest=replies[1])
    assert [message["ts"] for message in answer["messages"]] == [root, replies[2]]
    shown = (await client.call("conversations.history", channel=GENERAL))["messages"]
    assert shown[0]["latest_reply"] == replies[2]
    await server.remove(chat=GENERAL, ts=root)
    assert await client.error("conversations.replies", channel=GENERAL, ts=root) == (
        "thread_not_found"
    )


async def test_direct_messages_are_opened_with_people(server: SlackServer, client: Client) -> None:
    """Once each; not with bots, strangers or who has left."""
    server.person(ADA, "ada")
    server.person("U8", "gone").deleted = True
    first = await client.call("conversations.open", users=ADA)
    assert first["channel"]["id"] == "D1"
    assert await client.call("conversations.open", users=ADA) == first
    for users, error in (
        ("", "users_list_not_supplied"),
        ("U404", "user_not_found"),
        ("U0BOT", "cannot_dm_bot"),
        ("U8", "user_disabled"),
    ):
        assert await client.error("conversations.open", users=users) == error


async def test_what_is_forgotten_stands_but_is_not_told(server: SlackServer) -> None:
    """As if Slack had given up on every delivery."""
    server.forgetful = True
    await server.say(chat=GENERAL, user=ADA, text="silent")
    server.forgetful = False
    await server.say(chat=GENERAL, user=ADA, text="loud")
    assert [message.text for message in server.messages(GENERAL)] == ["silent", "loud"]
    assert [each.payload["event"]["text"] for each in server.deliveries] == ["loud"]
