"""Posts in doubt are looked up, our own messages recognised, and people found."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from platforms.blocks import plain
from platforms.content import Edit, Post, Sent, Upload
from platforms.errors import (
    ChatUnavailable,
    PlatformError,
    PlatformUnavailable,
    RateLimited,
    RightsMissing,
    SendUncertain,
)
from platforms.events import Ignored, MessageReceived
from platforms.slack.client import SlackAdapter
from tests.platforms.slack.journal import (
    ADA,
    DM,
    GENERAL,
    Journal,
    adapter_of,
    chat_of,
    connected,
    post,
    posted,
    running,
)
from tests.wire.server import Answer, CutAfter, CutBefore, Fault
from tests.wire.slack import SlackServer


def ago(seconds: float) -> datetime:
    """A moment of the past."""
    return datetime.now(UTC) - timedelta(seconds=seconds)


def upload_of(server: SlackServer, **more: Any) -> Upload:
    """A file to upload."""
    given = {"data": b"abc", "name": "a.txt", "mime": "text/plain", "nonce": "f1"}
    return Upload(chat=chat_of(server, GENERAL), **(given | more))


async def in_doubt(adapter: SlackAdapter, operation: Post | Upload) -> None:
    """Perform it and be left in doubt."""
    with pytest.raises(SendUncertain):
        await adapter.perform(operation)


@pytest.mark.parametrize("threaded", [False, True], ids=["channel", "thread"])
@pytest.mark.parametrize(("fault", "stands"), [(CutAfter(), True), (CutBefore(), False)])
async def test_a_post_in_doubt_is_found_or_not(threaded: bool, fault: Fault, stands: bool) -> None:
    """By the nonce in its metadata, among others of ours and the same words of somebody else."""
    async with SlackServer() as server, connected(server) as adapter:
        root = await server.say(chat=GENERAL, user=ADA, text="root")
        place = chat_of(server, GENERAL, root if threaded else None)
        await posted(adapter, post(place, "words", nonce="other"))
        await server.say(chat=GENERAL, user=ADA, text="words", thread=place.thread_id)
        operation = post(place, "words", nonce="0123abcd")
        since = ago(0)
        server.faults.add("chat.postMessage", fault)
        await in_doubt(adapter, operation)
        await posted(adapter, post(place, "words", nonce="another"))
        found = await adapter.find(operation, since)
        assert (found is not None) is stands
        if found is not None:
            assert found.chat == place
            await adapter.perform(Edit(message=found, body=plain("edited")))
            assert "edited" in [message.text for message in server.ours(GENERAL)]
            assert await adapter.find(operation, since) == found
        (read,) = [seen for seen in server.record if seen.operation.startswith("conversations.")][
            :1
        ]
        assert read.arguments["include_all_metadata"] in {"1", "True", "true"}
        assert len(server.requests("chat.postMessage")) == 3


async def test_a_look_up_begins_five_seconds_before() -> None:
    """Clocks differ a little; where ours is far ahead the newest messages are read after all."""
    async with SlackServer() as server, connected(server) as adapter:
        server.channel(GENERAL)
        operation = post(chat_of(server, GENERAL), "words", nonce="n7")
        message = await posted(adapter, operation)
        assert await adapter.find(operation, ago(-4)) == message
        assert await adapter.find(operation, ago(-60)) == message
        oldest = [float(s.arguments["oldest"]) for s in server.requests("conversations.history")]
        assert oldest[1] - oldest[0] == pytest.approx(56, abs=1)
        assert oldest[2] == 0


async def test_a_busy_channel_is_read_to_the_post() -> None:
    """Hundreds of messages later it is still found, over several pages."""
    async with SlackServer() as server, connected(server) as adapter:
        server.channel(GENERAL)
        operation = post(chat_of(server, GENERAL), "words", nonce="n7")
        message = await posted(adapter, operation)
        for number in range(450):
            await server.say(chat=GENERAL, user=ADA, text=str(number))
        assert await adapter.find(operation, ago(60)) == message
        assert len(server.requests("conversations.history")) == 3


async def test_what_was_deleted_or_never_public_is_not_found() -> None:
    """A deleted post, words for one person only, and a thread whose root is gone."""
    async with SlackServer() as server, connected(server) as adapter:
        root = await server.say(chat=GENERAL, user=ADA, text="root")
        place = chat_of(server, GENERAL, root)
        private = post(place, "psst", only_for=ADA)
        assert isinstance(await adapter.perform(private), Sent)
        assert await adapter.find(private, ago(60)) is None
        operation = post(place, "words", nonce="n7")
        message = await posted(adapter, operation)
        server.world.channels[GENERAL].messages[message.message_id].deleted = True
        assert await adapter.find(operation, ago(60)) is None
        await server.remove(chat=GENERAL, ts=root)
        assert await adapter.find(operation, ago(60)) is None


@pytest.mark.parametrize("again", [False, True], ids=["same-process", "after-a-restart"])
async def test_a_file_in_doubt_is_found(again: bool) -> None:
    """By its id while the process lives, else by name and size; its reference can be deleted."""
    async with SlackServer() as server, connected(server) as first, connected(server) as second:
        server.channel(GENERAL)
        await first.perform(upload_of(server, nonce="f0", data=b"other"))
        operation = upload_of(server)
        server.faults.add("files.completeUploadExternal", CutAfter())
        await in_doubt(first, operation)
        adapter = second if again else first
        found = await adapter.find(operation, ago(60))
        assert found is not None
        file = server.world.files[found.message_id]
        assert (file.data, file.name) == (b"abc", "a.txt")
        renamed = await adapter.find(upload_of(server, name="b.txt"), ago(60))
        assert renamed == (None if again else found)
        assert await adapter.find(upload_of(server, nonce="f9", name="b"), ago(60)) is None


async def test_a_file_that_never_was_shared_is_not_found() -> None:
    """Cut before its last call had an effect: nobody sees it."""
    async with SlackServer() as server, connected(server) as adapter:
        server.channel(GENERAL)
        server.faults.add("files.completeUploadExternal", CutBefore())
        operation = upload_of(server)
        await in_doubt(adapter, operation)
        assert await adapter.find(operation, ago(60)) is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(status=500), SendUncertain),
        (Answer(status=429, headers={"Retry-After": "7"}), RateLimited),
        (CutAfter(), SendUncertain),
        (Answer(status=200, body=b'{"ok":false,"error":"request_timeout"}'), PlatformUnavailable),
        (Answer(status=200, body=b'{"ok":false,"error":"not_in_channel"}'), ChatUnavailable),
        (
            Answer(
                status=200,
                body=b'{"ok":false,"error":"missing_scope","needed":"channels:history"}',
            ),
            RightsMissing,
        ),
    ],
)
async def test_a_look_up_that_fails_says_so(answer: Fault, error: type[PlatformError]) -> None:
    """No answer is not the answer no: nothing may be sent again on the strength of it."""
    async with SlackServer() as server, connected(server) as adapter:
        server.channel(GENERAL)
        server.faults.add("conversations.history", answer)
        with pytest.raises(error):
            await adapter.find(post(chat_of(server, GENERAL), "words"), ago(60))


async def test_looking_up_is_promised() -> None:
    """The capability says what `find` does."""
    async with SlackServer() as server:
        adapter = adapter_of(server)
        assert adapter.capabilities.read_back
        with pytest.raises(PlatformUnavailable):
            await adapter.find(post(chat_of(server, GENERAL), "words"), ago(60))
        await adapter.close()


# -- people


async def test_a_direct_message_is_opened() -> None:
    """Whoever has none yet gets one, the same one every time, and it can be written to."""
    async with SlackServer() as server, connected(server) as adapter:
        server.person("U77", "una")
        chat = await adapter.direct("U77")
        assert chat == await adapter.direct("U77")
        assert (chat.chat_id, chat.space, chat.thread_id) == ("D77", "T1", None)
        await posted(adapter, post(chat, "hello"))
        assert [message.text for message in server.ours("D77")] == ["hello"]


@pytest.mark.parametrize(
    ("user", "reason"), [("U404", "not_found"), ("U0BOT", "blocked"), ("U8", "blocked")]
)
async def test_people_nobody_can_write_to(user: str, reason: str) -> None:
    """Unknown, a bot, or deactivated: there is no chat with them."""
    async with SlackServer() as server, connected(server) as adapter:
        server.person("U8", "gone").deleted = True
        with pytest.raises(ChatUnavailable) as raised:
            await adapter.direct(user)
        assert raised.value.reason == reason


async def test_opening_needs_its_right() -> None:
    """The sentence names it; an answer that never came means only that it can be asked again."""
    async with SlackServer() as server, connected(server) as adapter:
        server.person(ADA, "ada")
        server.faults.add("conversations.open", CutAfter())
        with pytest.raises(PlatformUnavailable):
            await adapter.direct(ADA)
        server.methods.scopes.discard("im:write")
        with pytest.raises(RightsMissing, match="im:write"):
            await adapter.direct(ADA)


# -- our own messages


@pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])
async def test_our_own_message_comes_with_its_nonce(http: bool) -> None:
    """A post, a file and a foreign writer's post reach ingest; edits and deletions are echoes."""
    async with SlackServer() as server:
        server.channel(GENERAL)
        journal = Journal()
        async with (
            running(server, journal, http=http) as adapter,
            connected(server) as other_process,
        ):
            chat = chat_of(server, GENERAL)
            message = await posted(adapter, post(chat, "ours", nonce="0123abcd"))
            await adapter.perform(upload_of(server, caption="file", nonce="4567ef"))
            await other_process.perform(upload_of(server, caption="foreign file"))
            arguments = {"channel": GENERAL, "text": "foreign"}
            server.methods.call("chat.postMessage", arguments, server.bot_token)
            await adapter.perform(Edit(message=message, body=plain("edited")))
            server.methods.call(
                "chat.delete", {"channel": GENERAL, "ts": message.message_id}, server.bot_token
            )
            await server.settled()
            received = [e for e in journal.events if isinstance(e, MessageReceived)]
            assert {e.text: e.nonce for e in received} == {
                "ours": "0123abcd",
                "file": "4567ef",
                "foreign file": None,
                "foreign": None,
            }
            assert all(event.author.is_us for event in received)
            reasons = [
                delivery.events.reason
                for delivery in journal.deliveries
                if isinstance(delivery.events, Ignored)
            ]
            assert reasons == ["own_echo", "own_echo"]


async def test_other_peoples_metadata_is_no_nonce() -> None:
    """Only of our own messages it is read."""
    async with SlackServer() as server:
        journal = Journal()
        async with running(server, journal):
            metadata = {"event_type": "gatepost_0123", "event_payload": {"id": "0123"}}
            await server.say(chat=DM, user=ADA, text="sly", extra={"metadata": metadata})
            await server.settled()
            (event,) = journal.events
            assert isinstance(event, MessageReceived)
            assert (event.author.is_us, event.nonce) == (False, None)
