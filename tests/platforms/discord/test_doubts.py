"""A post whose answer was lost is looked up; a person's direct messages are found."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from platforms.blocks import plain
from platforms.content import Button, Post, Upload
from platforms.discord.client import DiscordAdapter
from platforms.discord.limits import NONCE_LIFE_S
from platforms.errors import (
    ChatUnavailable,
    PlatformError,
    PlatformUnavailable,
    RateLimited,
    SendUncertain,
)
from platforms.markup import parse
from tests.platforms.discord.journal import (
    ACCOUNT,
    adapter_of,
    chat_of,
    connected,
    post,
    posted,
    ref_of,
)
from tests.wire.discord import DiscordServer, UploadedFile, refusal
from tests.wire.server import CutAfter, CutBefore

POST = "POST /channels/{channel}/messages"
HISTORY = "GET /channels/{channel}/messages"


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as running_server:
        yield running_server


@pytest.fixture
async def adapter(server: DiscordServer) -> AsyncIterator[DiscordAdapter]:
    async with connected(server) as ready:
        yield ready


def now() -> datetime:
    return datetime.now(UTC)


async def lost(server: DiscordServer, adapter: DiscordAdapter, operation: Post | Upload) -> None:
    """Perform an operation whose effect stands and whose answer never comes."""
    server.faults.add(POST, CutAfter())
    with pytest.raises(SendUncertain):
        await adapter.perform(operation)


async def test_a_fresh_doubt_is_settled_by_the_nonce(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """The capability says how long; within it the same post again stands once."""
    assert adapter.capabilities.nonce_life_s == NONCE_LIFE_S == 120.0
    assert server.channels.nonce_memory_s > NONCE_LIFE_S
    operation = post(server.general, "once", "n1")
    await lost(server, adapter, operation)
    assert await posted(adapter, operation) == ref_of(server.messages(server.general)[0])
    assert len(server.messages(server.general)) == 1
    assert server.requests(POST)[-1].arguments["body"]["enforce_nonce"] is True


async def test_an_old_doubt_is_settled_by_looking(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """The words, formatted as they were sent, are found among what was said since."""
    assert adapter.capabilities.read_back
    since = now()
    body = parse("**bold** words, `code`, @everyone and\n\n- a list\n- <@42>\n\n```\nx\n```")
    operation = post(server.general, body, "n1")
    await lost(server, adapter, operation)
    await server.say(server.general, server.ada, "behind it")
    [ours] = server.bot_messages(server.general)
    assert "nonce" not in server.channels.json(ours)  # so that was not what found it
    assert await adapter.find(operation, since) == ref_of(ours)


async def test_what_does_not_stand_is_not_found(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """Neither what was said before, nor by others, nor other words or buttons."""
    operation = post(server.general, "hello", "n1")
    before = first = now() - timedelta(seconds=10)
    await posted(adapter, replace(operation, nonce="before"))
    [old] = server.bot_messages(server.general)
    later = now() + timedelta(seconds=60)
    server.faults.add(POST, CutBefore())
    with pytest.raises(SendUncertain):
        await adapter.perform(replace(operation, nonce="n2"))
    await server.say(server.general, server.ada, "hello")
    assert await adapter.find(operation, later) is None
    assert await adapter.find(operation, before) == ref_of(old)
    assert await adapter.find(post(server.general, "hello, again"), first) is None
    card = post(server.general, "hello", controls=((Button(label="Go", payload="go:1"),),))
    assert await adapter.find(card, first) is None
    assert (
        await adapter.find(replace(operation, chat=chat_of(server.dm(server.ada))), first) is None
    )


async def test_of_two_cards_the_right_one_is_found(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """Equal words under other buttons are another card."""
    since = now()
    cards = [
        post(server.general, "card", f"n{n}", controls=((Button(label="Go", payload=f"go:{n}"),),))
        for n in range(3)
    ]
    for card in cards:
        await lost(server, adapter, card)
    for card, message in zip(cards, server.bot_messages(server.general), strict=True):
        assert await adapter.find(card, since) == ref_of(message)


async def test_a_post_behind_many_others_is_found(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """Looking goes on for some pages; it begins a little before the first attempt."""
    since = now() + timedelta(seconds=4)
    for number in range(230):
        await server.say(server.general, server.ada, str(number))
    operation = post(server.general, "late", "n1")
    await lost(server, adapter, operation)
    assert await adapter.find(operation, since) == ref_of(server.bot_messages(server.general)[0])
    assert len(server.requests(HISTORY)) == 3


@pytest.mark.parametrize("caption", ["", "the *file*"])
async def test_a_file_is_found_by_size_and_name(
    server: DiscordServer, adapter: DiscordAdapter, caption: str
) -> None:
    """Discord writes names its own way, so that letters and digits count."""
    since = now()
    upload = Upload(
        chat=chat_of(server.general),
        data=b"# answer",
        name="out/my answer (1).md",
        mime="text/markdown",
        nonce="u1",
        caption=caption,
    )
    assert await adapter.find(upload, since) is None
    await lost(server, adapter, upload)
    [ours] = server.bot_messages(server.general)
    [file] = ours.files
    ours.files = (UploadedFile(id=file.id, name="my_answer_1.md", mime=file.mime, data=file.data),)
    assert await adapter.find(upload, since) == ref_of(ours)
    for other in (
        replace(upload, data=b"# answer!"),
        replace(upload, name="other.md"),
        replace(upload, caption="other words"),
    ):
        assert await adapter.find(other, since) is None


async def test_a_thread_that_was_never_made_holds_nothing(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """An unknown thread is an answer, an unknown or closed chat is not."""
    chat = replace(chat_of(server.general), thread_id=str(server.world.ids.next()))
    assert await adapter.find(replace(post(server.general, "x"), chat=chat), now()) is None
    server.general.access = "hidden"
    with pytest.raises(ChatUnavailable):
        await adapter.find(post(server.general, "x"), now())


async def test_looking_may_fail_and_be_done_again(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """A failure says nothing about the post; the adapter repeats nothing."""
    server.faults.add(HISTORY, refusal(503))
    with pytest.raises(PlatformError):
        await adapter.find(post(server.general, "x"), now())
    assert len(server.requests(HISTORY)) == 1
    assert await adapter.find(post(server.general, "x"), now()) is None


# Direct messages.


async def test_a_person_has_one_direct_chat(server: DiscordServer, adapter: DiscordAdapter) -> None:
    """Opened by their id, the same again, and words go there."""
    chat = await adapter.direct(str(server.ada.id))
    assert chat == await adapter.direct(str(server.ada.id)) == chat_of(server.dm(server.ada))
    assert (chat.account, chat.space) == (ACCOUNT, None)
    await posted(adapter, Post(chat=chat, body=plain("psst"), nonce="n1"))
    assert server.bot_messages(server.dm(server.ada))[0].content == "psst"


@pytest.mark.parametrize("person", ["nobody", "", "77", "0", str(2**70)])
async def test_nobody_has_no_direct_chat(
    server: DiscordServer, adapter: DiscordAdapter, person: str
) -> None:
    """What is no id, or nobody's, is no chat."""
    with pytest.raises(ChatUnavailable) as caught:
        await adapter.direct(person)
    assert caught.value.reason == "not_found"


async def test_direct_chats_that_cannot_be_had(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """Closed to us, opened too fast, or nobody answers: each its own class."""
    opening = "POST /users/@me/channels"
    server.faults.add(opening, refusal(403, 50007), refusal(400, 50033), refusal(400, 40003))
    for reason in ("blocked", "not_found"):
        with pytest.raises(ChatUnavailable) as caught:
            await adapter.direct(str(server.ada.id))
        assert caught.value.reason == reason
    with pytest.raises(RateLimited):
        await adapter.direct(str(server.ada.id))
    with pytest.raises(PlatformUnavailable):
        await adapter_of(server).direct(str(server.ada.id))
    with pytest.raises(PlatformUnavailable):
        await adapter_of(server).find(post(server.general, "x"), now())
