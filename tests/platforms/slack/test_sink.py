"""The way out, over the server and the real SDK: one operation, one visible effect, no pings."""

import json

import pytest

from platforms.blocks import Blocks, Code, Paragraph, Table, Text, plain
from platforms.content import (
    AnswerPress,
    Button,
    Delete,
    Done,
    Edit,
    Post,
    React,
    Sent,
    Typing,
    Upload,
)
from platforms.errors import MessageGone, MessageRejected, ThreadGone, TooLong
from platforms.events import ButtonPressed, MessageRef
from platforms.markup import parse
from platforms.slack.limits import CAPABILITIES, LABEL_MAX, PART_SOFT, UPLOAD_MAX_BYTES
from platforms.slack.metadata import metadata_of
from platforms.text import split
from tests.platforms import strategies
from tests.platforms.slack.journal import (
    ADA,
    DM,
    GENERAL,
    Journal,
    chat_of,
    connected,
    post,
    posted,
    running,
)
from tests.wire.slack import SlackServer, controls, rules


async def test_a_post_stands_in_its_thread_and_unfurls_nothing() -> None:
    """One request with blocks, escaped text, and our id where it can be read back."""
    async with SlackServer() as server, connected(server) as adapter:
        root = await server.say(chat=GENERAL, user=ADA, text="root")
        place = chat_of(server, GENERAL, root)
        message = await posted(adapter, post(place, "a < b", nonce="outbox-1"))
        (shown,) = server.ours(GENERAL)
        assert (shown.text, shown.thread_ts, shown.ts) == ("a < b", root, message.message_id)
        version = shown.history[0]
        assert (version.text, version.unfurls) == ("a &lt; b", False)
        assert version.metadata == {
            "event_type": "gatepost_outbox-1",
            "event_payload": {"id": "outbox-1"},
        }
        (seen,) = server.requests("chat.postMessage")
        assert (seen.arguments["parse"], seen.arguments["link_names"]) == ("none", False)


async def test_an_edit_replaces_everything() -> None:
    """Words and buttons are the new state; blocks get new ids, and the metadata stays."""
    async with SlackServer() as server, connected(server) as adapter:
        server.channel(GENERAL)
        rows = ((Button(label="Yes", payload="y"), Button(label="No", payload="n")),)
        message = await posted(adapter, post(chat_of(server, GENERAL), "sure?", controls=rows))
        assert server.ours(GENERAL)[0].labels == ("Yes", "No")
        edit = Edit(message=message, body=plain("done"))
        for _ in range(2):
            assert isinstance(await adapter.perform(edit), Done)
        (shown,) = server.ours(GENERAL)
        assert (shown.text, shown.labels) == ("done", ())
        assert shown.history[-1].metadata == shown.history[0].metadata
        ids = [block["block_id"] for version in shown.history for block in version.blocks]
        assert len(ids) == len(set(ids))
        (first, _) = server.requests("chat.update")
        assert (first.arguments["parse"], first.arguments["link_names"]) == ("none", False)


async def test_what_is_gone_is_told_apart() -> None:
    """An edit of nothing is to be posted anew, a deletion of nothing is done."""
    async with SlackServer() as server, connected(server) as adapter:
        server.channel(GENERAL)
        message = await posted(adapter, post(chat_of(server, GENERAL), "x"))
        for _ in range(2):
            assert isinstance(await adapter.perform(Delete(message=message)), Done)
        assert server.ours(GENERAL) == ()
        with pytest.raises(MessageGone):
            await adapter.perform(Edit(message=message, body=plain("y")))


async def test_a_thread_that_is_gone() -> None:
    """Without its root a thread takes nothing; the caller goes to the channel."""
    async with SlackServer() as server, connected(server) as adapter:
        server.channel(GENERAL)
        with pytest.raises(ThreadGone):
            await adapter.perform(post(chat_of(server, GENERAL, "1795262400.000100"), "x"))


@pytest.mark.parametrize("words", strategies.PINGS)
async def test_words_never_notify(words: str) -> None:
    """Whatever looks like a mention stays words, in posts, edits, labels, files and answers."""
    async with SlackServer() as server, connected(server) as adapter:
        server.person("U7", "some_user")
        server.person("U8", "room")
        chat = chat_of(server, GENERAL)
        ts = await server.say(chat=GENERAL, user=ADA, text="root")
        code = Code(language=words, text=words)
        row = ((Text(text=words),),)
        table = Table(header=row, rows=(row,), alignments=(None,))
        body = (*plain(f"{words} {words}"), *parse(words), code, table)
        rows = ((Button(label=words[:LABEL_MAX], payload="p"),),)
        message = await posted(adapter, post(chat, body, controls=rows))
        await adapter.perform(Edit(message=message, body=body, controls=rows))
        await adapter.perform(post(chat, body, only_for=ADA))
        upload = Upload(
            chat=chat, data=b"x", name=words, mime="text/plain", nonce="n", caption=words
        )
        await adapter.perform(upload)
        typing = Typing(chat=chat_of(server, GENERAL, ts), label=words)
        await adapter.perform(typing)
        assert server.pings() == ()
        assert all(each.version.pings == () for each in server.ephemerals)


async def test_private_words() -> None:
    """Only one person sees them; a direct message is private already."""
    async with SlackServer() as server, connected(server) as adapter:
        root = await server.say(chat=GENERAL, user=ADA, text="root")
        await server.say(chat=DM, user=ADA, text="hello")
        place = chat_of(server, GENERAL, root)
        assert isinstance(await adapter.perform(post(place, "psst", only_for=ADA)), Sent)
        await adapter.perform(post(chat_of(server, DM), "hello", only_for=ADA))
        assert [(each.user, each.text, each.thread_ts) for each in server.ephemerals] == [
            (ADA, "psst", root)
        ]
        assert [message.text for message in server.ours(DM)] == ["hello"]


async def test_an_upload_is_a_message() -> None:
    """Three calls, one visible effect; its reference can be deleted but not edited."""
    async with SlackServer() as server, connected(server) as adapter:
        root = await server.say(chat=GENERAL, user=ADA, text="root")
        place = chat_of(server, GENERAL, root)
        upload = Upload(
            chat=place,
            data=b"abc",
            name="../../etc/pass\x00wd",
            mime="text/plain",
            nonce="n",
            caption="here: <it>",
        )
        outcome = await adapter.perform(upload)
        assert isinstance(outcome, Sent)
        (shown,) = server.ours(GENERAL)
        (file,) = shown.files
        assert (file.data, file.name, shown.text) == (b"abc", "passwd", "here: <it>")
        assert shown.thread_ts == root
        with pytest.raises(MessageGone):
            await adapter.perform(Edit(message=outcome.message, body=plain("x")))
        for _ in range(2):
            await adapter.perform(Delete(message=outcome.message))
        assert server.ours(GENERAL) == ()


async def test_a_large_file_is_uploaded_whole() -> None:
    """Megabytes go up without holding the loop."""
    async with SlackServer() as server, connected(server) as adapter:
        server.channel(GENERAL)
        data = bytes(range(256)) * 4 * 2_100
        upload = Upload(
            chat=chat_of(server, GENERAL), data=data, name="a.bin", mime="x/y", nonce="n"
        )
        await adapter.perform(upload)
        assert server.ours(GENERAL)[0].files[0].data == data


@pytest.mark.parametrize(
    ("data", "error"), [(b"", MessageRejected), (b"x" * (UPLOAD_MAX_BYTES + 1), TooLong)]
)
async def test_files_slack_would_not_take(data: bytes, error: type[Exception]) -> None:
    """They are refused before anything is sent."""
    async with SlackServer() as server, connected(server) as adapter:
        asked = len(server.record)
        upload = Upload(chat=chat_of(server, GENERAL), data=data, name="a", mime="x/y", nonce="n")
        with pytest.raises(error):
            await adapter.perform(upload)
        assert server.record[asked:] == []


async def test_the_sign_of_life() -> None:
    """It stands under the thread until it is taken away; a chat without thread has none."""
    async with SlackServer() as server, connected(server) as adapter:
        root = await server.say(chat=GENERAL, user=ADA, text="root")
        place = chat_of(server, GENERAL, root)
        for label, shown in (("reads the log", "reads the log"), ("", "is thinking...")):
            await adapter.perform(Typing(chat=place, label=label))
            assert server.status(GENERAL, root) == shown
        await adapter.perform(Typing(chat=place, on=False))
        assert server.status(GENERAL, root) == ""
        await adapter.perform(Typing(chat=chat_of(server, GENERAL), label="x"))
        assert len(server.requests("assistant.threads.setStatus")) == 3
        server.methods.scopes.discard("chat:write")
        assert isinstance(await adapter.perform(Typing(chat=place, label="x")), Done)


async def test_reactions() -> None:
    """Known emoji are put on and off, repeats are fine, unknown ones are left out."""
    async with SlackServer() as server, connected(server) as adapter:
        ts = await server.say(chat=GENERAL, user=ADA, text="root")
        message = MessageRef(chat=chat_of(server, GENERAL), message_id=ts)
        for emoji in ("👀", "👀", "⚠️", "🦖"):
            await adapter.perform(React(message=message, emoji=emoji))
        assert server.messages(GENERAL)[0].reactions == ("eyes", "warning")
        for _ in range(2):
            await adapter.perform(React(message=message, emoji="👀", on=False))
        assert len(server.requests("reactions.add")) == 3


async def test_an_answer_to_a_press_is_private() -> None:
    """Only the presser sees it, the card stays as it is, and no words need no call."""
    async with SlackServer(echoes=False) as server:
        server.channel(GENERAL)
        journal = Journal()
        async with running(server, journal) as adapter:
            rows = ((Button(label="Yes", payload="y"),),)
            card = await posted(adapter, post(chat_of(server, GENERAL), "?", controls=rows))
            await server.press(chat=GENERAL, ts=card.message_id, user=ADA, label="Yes")
            await journal.count(1)
            await server.settled()
            (event,) = journal.events
            assert isinstance(event, ButtonPressed)
            await adapter.perform(AnswerPress(press=event.press))
            await adapter.perform(AnswerPress(press=event.press, text="too <late>"))
            assert [(each.user, each.text) for each in server.ephemerals] == [(ADA, "too <late>")]
            assert server.ours(GENERAL)[0].labels == ("Yes",)


LONG: dict[str, str] = {
    "prose": "All work and no play. " * 5_000,
    "code": "```python\n" + "print('hello, world')  # and so on\n" * 900 + "```",
    "table": "| a | b |\n|---|---|\n" + "| one | two |\n" * 400,
    "links": " ".join(f"[link {n}](https://a.example/{n}?q={'x' * 60})" for n in range(200)),
    "emoji": "👨‍👩‍👧‍👦🇩🇪👍🏽 " * 2_000,
    "list": "".join(f"{n}. point {n}\n   - below\n" for n in range(600)),
}


@pytest.mark.parametrize("name", LONG)
async def test_long_answers_are_taken(name: str) -> None:
    """Split by `fits`, every part is taken by the server as post and as edit."""
    async with SlackServer() as server, connected(server) as adapter:
        server.channel(GENERAL)
        chat = chat_of(server, GENERAL)
        parts = split(parse(LONG[name]), adapter.fits)
        assert len(parts) > 1
        for part in parts:
            message = await posted(adapter, post(chat, part))
            await adapter.perform(Edit(message=message, body=part))


def test_capabilities_are_within_what_the_server_enforces() -> None:
    """What we promise to keep is what Slack asks for."""
    assert CAPABILITIES.text_max == rules.TEXT_MAX
    assert CAPABILITIES.part_soft == PART_SOFT < rules.UPDATE_TEXT_MAX
    assert LABEL_MAX == controls.LABEL_MAX
    assert CAPABILITIES.rows + 45 <= rules.BLOCKS_MAX


async def test_an_empty_body_is_refused_by_class() -> None:
    """There is nothing to say: given up, not repeated."""
    async with SlackServer() as server, connected(server) as adapter:
        server.channel(GENERAL)
        empty: Blocks = (Paragraph(spans=()),)
        with pytest.raises(MessageRejected):
            await adapter.perform(Post(chat=chat_of(server, GENERAL), body=empty, nonce="n"))


def test_metadata_is_small() -> None:
    """The longest nonce is far from Slack's limit."""
    assert len(json.dumps(metadata_of("x" * 25))) < rules.METADATA_MAX / 10
