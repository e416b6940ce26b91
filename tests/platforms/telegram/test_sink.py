"""The way out, over the real SDK and the loopback server: one operation, one call, one effect."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from platforms import errors
from platforms.blocks import Code, Link, Paragraph, Strong, Text, plain
from platforms.content import (
    AnswerPress,
    Button,
    Delete,
    Done,
    Edit,
    Operation,
    React,
    Sent,
    Typing,
    Upload,
)
from platforms.events import ButtonPressed, ChatRef, MessageRef, PressToken
from tests.platforms.telegram.journal import (
    ADA,
    TEAM,
    Journal,
    adapter_of,
    chat_of,
    connected,
    post,
    posted,
    running,
)
from tests.wire.server import Answer, CutAfter, CutBefore, HalfOpen
from tests.wire.telegram import CutInside, Drip, Rates, TelegramServer
from tests.wire.telegram.shapes import Shape

GO = Button(label="Go", payload="v1:" + "A" * 61)


async def test_a_post_stands_as_it_was_written() -> None:
    """Text, entities, buttons, reply and silence arrive; previews are off and nobody is pinged."""
    async with TelegramServer() as server, connected(server) as adapter:
        said = await server.say(chat=ADA, user=ADA, text="hello")
        chat = chat_of(server, ADA)
        bold = Strong(spans=(Text(text="🎉 @somebody"),))
        link = Link(url="https://a.example/", spans=(Text(text="link"),))
        body = (Paragraph(spans=(bold, Text(text=" "), link)), Code(language="py", text="x = 1"))
        quote = MessageRef(chat=chat, message_id=str(said))
        outcome = await adapter.perform(
            post(chat, body, controls=((GO,),), quote=quote, silent=True)
        )
        (shown,) = server.ours(ADA)
        assert isinstance(outcome, Sent)
        assert outcome.message.message_id == str(shown.message_id)
        assert shown.text == "🎉 @\u2060somebody link\n\nx = 1"
        assert [(e["type"], e["offset"], e["length"]) for e in shown.entities] == [
            ("bold", 0, 13),
            ("text_link", 14, 4),
            ("pre", 20, 5),
        ]
        assert shown.mentions == ()
        assert [[key.data for key in row] for row in shown.keyboard] == [[GO.payload]]
        assert (shown.reply_to, shown.silent, shown.preview) == (said, True, False)


async def test_an_edit_is_the_whole_new_state() -> None:
    """The text changes, absent buttons go, the preview stays off; the same edit again is done."""
    async with TelegramServer() as server, connected(server) as adapter:
        await server.say(chat=ADA, user=ADA, text="hello")
        message = await posted(
            adapter, post(chat_of(server, ADA), "one", controls=((GO, GO), (GO,)))
        )
        edit = Edit(message=message, body=plain("https://a.example two"))
        assert isinstance(await adapter.perform(edit), Done)
        assert isinstance(await adapter.perform(edit), Done)
        (shown,) = server.ours(ADA)
        assert [state.text for state in shown.history] == ["one", "https://a.example two"]
        assert (shown.keyboard, shown.preview) == ((), False)


async def test_a_message_that_is_gone() -> None:
    """Deleting twice is done; editing what is gone says so."""
    async with TelegramServer() as server, connected(server) as adapter:
        await server.say(chat=ADA, user=ADA, text="hello")
        message = await posted(adapter, post(chat_of(server, ADA), "one"))
        for _ in range(2):
            assert isinstance(await adapter.perform(Delete(message=message)), Done)
        assert server.ours(ADA) == ()
        with pytest.raises(errors.MessageGone):
            await adapter.perform(Edit(message=message, body=plain("two")))


async def test_topics_and_general() -> None:
    """A topic is named when writing; General is not, but the sign of life there needs its id."""
    async with TelegramServer() as server:
        journal = Journal()
        async with running(server, journal) as adapter:
            server.group(TEAM, forum=True)
            topic = server.topic(TEAM, "News")
            await server.say(chat=TEAM, user=ADA, text="hi", thread=topic)
            await journal.count(1)
            in_topic = chat_of(server, TEAM, topic)
            await adapter.perform(Typing(chat=in_topic))
            await adapter.perform(post(in_topic, "in the topic"))
            for general in (chat_of(server, TEAM), chat_of(server, TEAM, 1)):
                await adapter.perform(Typing(chat=general))
                await adapter.perform(post(general, "in General"))
            assert server.methods.actions == [
                (TEAM, topic, "typing"),
                (TEAM, 1, "typing"),
                (TEAM, 1, "typing"),
            ]
            assert [message.thread for message in server.ours(TEAM)] == [topic, None, None]
            server.world.room(TEAM).topics[topic].closed = True
            with pytest.raises(errors.ThreadGone):
                await adapter.perform(post(in_topic, "too late"))


async def test_a_reply_to_a_missing_message_is_a_message() -> None:
    """What we answer to may be deleted meanwhile; the answer is posted all the same."""
    async with TelegramServer() as server, connected(server) as adapter:
        await server.say(chat=ADA, user=ADA, text="hello")
        chat = chat_of(server, ADA)
        gone = MessageRef(chat=chat, message_id="999")
        await adapter.perform(post(chat, "answer", quote=gone))
        (shown,) = server.ours(ADA)
        assert shown.reply_to is None


async def test_a_press_is_answered_once() -> None:
    """The presser sees the words; a second answer finds the press expired."""
    async with TelegramServer() as server:
        journal = Journal()
        async with running(server, journal) as adapter:
            await server.say(chat=ADA, user=ADA, text="hello")
            message = await posted(adapter, post(chat_of(server, ADA), "?", controls=((GO,),)))
            callback = await server.press(
                chat=ADA, user=ADA, message_id=int(message.message_id), label="Go"
            )
            deliveries = await journal.count(2)
            assert isinstance(deliveries[1].events, tuple)
            (press,) = deliveries[1].events
            assert isinstance(press, ButtonPressed)
            assert (press.payload, press.card) == (GO.payload, message)
            answer = AnswerPress(press=press.press, text="approved", alert=True)
            await adapter.perform(answer)
            seen = server.answer(callback)
            assert (seen.answered, seen.text, seen.alert) == (True, "approved", True)
            with pytest.raises(errors.PressExpired):
                await adapter.perform(answer)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 199 + "…"),
        ("🎉" * 100, "🎉" * 100),
        ("🎉" * 101, "🎉" * 99 + "…"),
        ("x" * 198 + "🎉🎉", "x" * 198 + "…"),
        ("x" * 190 + "👨‍👩‍👧‍👦" * 2, "x" * 190 + "…"),
        ("word " * 41, "word " * 39 + "word…"),
        ("words " * 40, ("words " * 33).rstrip() + "…"),
        ("x" * 150 + " " + "y" * 90, "x" * 150 + "…"),
        ("x" * 50 + " " + "y" * 190, "x" * 50 + " " + "y" * 148 + "…"),
        ("x" * 199 + " y", "x" * 199 + "…"),
    ],
)
async def test_the_answer_to_a_press_is_cut_to_what_fits(words: str, shown: str) -> None:
    """Two hundred UTF-16 units, cut behind a word unless that would leave too little."""
    async with TelegramServer() as server:
        journal = Journal()
        async with running(server, journal) as adapter:
            await server.say(chat=ADA, user=ADA, text="hello")
            message = await posted(adapter, post(chat_of(server, ADA), "?", controls=((GO,),)))
            callback = await server.press(chat=ADA, user=ADA, message_id=int(message.message_id))
            deliveries = await journal.count(2)
            assert isinstance(deliveries[1].events, tuple)
            (press,) = deliveries[1].events
            assert isinstance(press, ButtonPressed)
            await adapter.perform(AnswerPress(press=press.press, text=words))
            assert server.answer(callback).text == shown


async def test_reactions_come_and_go() -> None:
    """An emoji with its style mark is understood; an unknown one is refused."""
    async with TelegramServer() as server, connected(server) as adapter:
        said = await server.say(chat=ADA, user=ADA, text="hello")
        message = MessageRef(chat=chat_of(server, ADA), message_id=str(said))
        await adapter.perform(React(message=message, emoji="❤\ufe0f"))
        assert server.messages(ADA)[0].reactions == ("❤",)
        await adapter.perform(React(message=message, emoji="❤", on=False))
        assert server.messages(ADA)[0].reactions == ()
        with pytest.raises(errors.MessageRejected):
            await adapter.perform(React(message=message, emoji="🧾"))


@pytest.mark.parametrize(
    ("name", "shown_name"),
    [
        ("answer.md", "answer.md"),
        ("../../etc/passwd", ".._.._etc_passwd"),
        ('a"b\x00c\r\n.md', "a_b_c_.md"),
        ("größe 漢字.md", "größe 漢字.md"),
        ("x" * 300 + ".md", "x" * 197 + ".md"),
    ],
)
async def test_an_upload_is_a_document(name: str, shown_name: str) -> None:
    """Bytes, name and caption arrive; a name cannot be a path or break the request."""
    async with TelegramServer() as server, connected(server) as adapter:
        await server.say(chat=ADA, user=ADA, text="hello")
        upload = Upload(
            chat=chat_of(server, ADA),
            data="wörds\n".encode(),
            name=name,
            mime="text/markdown",
            nonce="n",
            caption="for @somebody",
        )
        outcome = await adapter.perform(upload)
        (shown,) = server.ours(ADA)
        assert isinstance(outcome, Sent)
        assert shown.file is not None
        assert (shown.file.name, shown.file.data) == (shown_name, upload.data)
        assert (shown.text, shown.mentions) == ("for @\u2060somebody", ())


async def test_a_large_upload() -> None:
    """Three mebibytes go out and come back unchanged."""
    async with TelegramServer() as server, connected(server) as adapter:
        await server.say(chat=ADA, user=ADA, text="hello")
        data = bytes(range(256)) * (3 << 12)
        chat = chat_of(server, ADA)
        upload = Upload(chat=chat, data=data, name="x.bin", mime="x/y", nonce="n")
        await adapter.perform(upload)
        (shown,) = server.ours(ADA)
        assert shown.file is not None
        assert shown.file.data == data


@pytest.mark.parametrize("tail", ["", "🎉", "🇩🇪", "e\u0301"])
async def test_text_at_the_limit(tail: str) -> None:
    """4,096 UTF-16 units are taken, one more is TooLong."""
    async with TelegramServer() as server, connected(server) as adapter:
        await server.say(chat=ADA, user=ADA, text="hello")
        chat = chat_of(server, ADA)
        fill = "x" * (4_096 - len(tail.encode("utf-16-le")) // 2)
        await adapter.perform(post(chat, fill + tail))
        with pytest.raises(errors.TooLong):
            await adapter.perform(post(chat, "x" + fill + tail))


async def test_dead_and_moved_chats() -> None:
    """Blocked, unknown and moved chats each have their own class."""
    async with TelegramServer() as server, connected(server) as adapter:
        with pytest.raises(errors.ChatUnavailable) as unknown:
            await adapter.perform(post(chat_of(server, ADA), "first word"))
        assert unknown.value.reason == "not_found"
        await server.say(chat=ADA, user=ADA, text="hello")
        await server.set_bot_status(ADA, "blocked")
        with pytest.raises(errors.ChatUnavailable) as blocked:
            await adapter.perform(post(chat_of(server, ADA), "again"))
        assert blocked.value.reason == "blocked"
        server.group(-7)
        new = await server.migrate(-7)
        with pytest.raises(errors.ChatMoved) as moved:
            await adapter.perform(post(chat_of(server, -7), "hi"))
        assert moved.value.to == chat_of(server, new)
        await adapter.perform(post(moved.value.to, "hi"))
        assert [message.text for message in server.ours(new)] == ["hi"]


async def test_private_words_in_a_group_are_refused() -> None:
    """What only one person may read is not posted where others read."""
    async with TelegramServer() as server, connected(server) as adapter:
        server.group(TEAM)
        with pytest.raises(errors.MessageRejected):
            await adapter.perform(post(chat_of(server, TEAM), "secret", only_for=str(ADA)))
        await server.say(chat=ADA, user=ADA, text="hello")
        await adapter.perform(post(chat_of(server, ADA), "secret", only_for=str(ADA)))
        assert (server.ours(TEAM), len(server.ours(ADA))) == ((), 1)


async def test_no_connection_is_certainly_not_sent() -> None:
    """Nobody listens: the caller may send again without a second thought."""
    async with TelegramServer() as server:
        await server.close()
        adapter = adapter_of(server)
        with pytest.raises(errors.PlatformUnavailable):
            await adapter.connect()
        with pytest.raises(errors.PlatformUnavailable):
            await adapter.perform(post(chat_of(server, ADA), "hello"))
        await adapter.close()


@pytest.mark.warp
@pytest.mark.parametrize(("fault", "stands"), [(CutBefore, 0), (CutAfter, 1), (HalfOpen, 0)])
async def test_a_connection_that_breaks_leaves_doubt(fault: Callable[[], Any], stands: int) -> None:
    """After the request left, nobody knows; the SDK does not send it again by itself."""
    async with (
        TelegramServer() as server,
        connected(server) as adapter,
    ):
        await server.say(chat=ADA, user=ADA, text="hello")
        server.faults.add("sendMessage", fault())
        with pytest.raises(errors.SendUncertain):
            await adapter.perform(post(chat_of(server, ADA), "once"))
        assert len(server.requests("sendMessage")) == 1
        assert len(server.ours(ADA)) == stands


@pytest.mark.warp
@pytest.mark.parametrize("shape", [CutInside(), Drip(drops=asyncio.Semaphore(3))])
async def test_an_answer_that_begins_and_does_not_end_leaves_doubt(shape: Shape) -> None:
    """The head says 200 and the message stands, but which one it is nobody learns."""
    async with TelegramServer() as server, connected(server) as adapter:
        await server.say(chat=ADA, user=ADA, text="hello")
        server.shapes["sendMessage"].append(shape)
        with pytest.raises(errors.SendUncertain):
            await adapter.perform(post(chat_of(server, ADA), "once"))
        assert len(server.requests("sendMessage")) == len(server.ours(ADA)) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("body", [b"<html>busy</html>", b'{"ok":false,"description":"x"}'])
async def test_a_server_error_leaves_doubt(status: int, body: bytes) -> None:
    """Any 5xx on a post may have come after the message stood."""
    async with TelegramServer() as server, connected(server) as adapter:
        server.faults.add("sendMessage", Answer(status=status, body=body))
        with pytest.raises(errors.SendUncertain):
            await adapter.perform(post(chat_of(server, ADA), "words"))
        assert len(server.requests("sendMessage")) == 1


async def test_a_connection_that_closed_while_idle_leaves_doubt() -> None:
    """A pooled connection may die just as we write: then nobody knows, and nothing is repeated."""
    async with TelegramServer() as server, connected(server) as adapter:
        await server.say(chat=ADA, user=ADA, text="hello")
        await adapter.perform(post(chat_of(server, ADA), "one"))
        server.faults.add("sendMessage", CutBefore())
        with pytest.raises(errors.SendUncertain):
            await adapter.perform(post(chat_of(server, ADA), "two"))
        await adapter.perform(post(chat_of(server, ADA), "three"))
        assert [shown.text for shown in server.ours(ADA)] == ["one", "three"]


async def test_the_chat_with_one_person() -> None:
    """Who has written to us reads a word out of turn; who has not cannot be reached."""
    async with TelegramServer() as server, connected(server) as adapter:
        await server.say(chat=ADA, user=ADA, text="hello")
        chat = await adapter.direct(str(ADA))
        assert chat == chat_of(server, ADA)
        before = len(server.record)
        await adapter.perform(post(chat, "a notice"))
        assert [shown.text for shown in server.ours(ADA)] == ["a notice"]
        assert len(server.record) == before + 1
        with pytest.raises(errors.ChatUnavailable) as unavailable:
            await adapter.perform(post(await adapter.direct("2002"), "a notice"))
        assert unavailable.value.reason == "not_found"


@pytest.mark.parametrize("person", ["", "-1001500", "@ada", "0", "1.5", "U024", "9" * 30])
async def test_who_is_no_person_has_no_chat(person: str) -> None:
    """A name, a group or nonsense is refused without a request."""
    async with TelegramServer() as server, connected(server) as adapter:
        before = len(server.record)
        with pytest.raises(errors.ChatUnavailable):
            await adapter.direct(person)
        assert len(server.record) == before


async def test_nobody_is_reached_before_we_know_who_we_are() -> None:
    """Without the account there is no chat to name."""
    async with TelegramServer() as server:
        adapter = adapter_of(server)
        with pytest.raises(errors.PlatformUnavailable):
            await adapter.direct(str(ADA))
        await adapter.close()


async def test_rates_are_told_with_their_hint() -> None:
    """A 429 names the seconds and the chat; nothing is repeated."""
    rates = Rates(chat_burst=1)
    async with TelegramServer(rates=rates) as server, connected(server) as adapter:
        await server.say(chat=ADA, user=ADA, text="hello")
        chat = chat_of(server, ADA)
        await adapter.perform(post(chat, "one"))
        with pytest.raises(errors.RateLimited) as limited:
            await adapter.perform(post(chat, "two"))
        assert (limited.value.retry_after_s, limited.value.scope) == (1.0, "chat")
        assert len(server.requests("sendMessage")) == 2


async def test_every_operation_is_one_request() -> None:
    """No look-up before, no repeat after; a sign of life that ends by itself costs none."""
    async with TelegramServer() as server, connected(server) as adapter:
        said = await server.say(chat=ADA, user=ADA, text="hello")
        chat = chat_of(server, ADA)
        theirs = MessageRef(chat=chat, message_id=str(said))
        ours = await posted(adapter, post(chat, "one"))
        for operation, requests in _operations(chat, theirs, ours):
            before = len(server.record)
            await adapter.perform(operation)
            assert len(server.record) - before == requests


def _operations(chat: ChatRef, theirs: MessageRef, ours: MessageRef) -> list[tuple[Operation, int]]:
    return [
        (post(chat, "two"), 1),
        (Edit(message=ours, body=plain("three")), 1),
        (Upload(chat=chat, data=b"x", name="x.txt", mime="text/plain", nonce="n"), 1),
        (Typing(chat=chat, label="thinking"), 1),
        (Typing(chat=chat, on=False), 0),
        (React(message=theirs, emoji="👀"), 1),
        (Delete(message=ours), 1),
    ]


async def test_ids_that_are_no_telegram_ids() -> None:
    """A foreign reference is refused without a request."""
    async with TelegramServer() as server, connected(server) as adapter:
        before = len(server.record)
        foreign = ChatRef(account=chat_of(server, ADA).account, chat_id="C024BE91L")
        with pytest.raises(errors.ChatUnavailable):
            await adapter.perform(post(foreign, "x"))
        with pytest.raises(errors.MessageRejected):
            ref = MessageRef(chat=chat_of(server, ADA), message_id="1699.01")
            await adapter.perform(Delete(message=ref))
        assert len(server.record) == before


async def test_many_operations_at_once() -> None:
    """A hundred chats are written to side by side over the pool of connections."""
    async with TelegramServer() as server, connected(server) as adapter:
        users = range(2001, 2101)
        for user in users:
            await server.say(chat=user, user=user, text="hello")
        await asyncio.gather(
            *(adapter.perform(post(chat_of(server, user), f"for {user}")) for user in users)
        )
        assert [server.ours(user)[0].text for user in users] == [f"for {user}" for user in users]


async def test_an_expired_press_token() -> None:
    """A press of another life is expired, not an outage."""
    async with TelegramServer() as server, connected(server) as adapter:
        old = PressToken(kind="callback", value="12", usable_until=datetime(2026, 1, 1, tzinfo=UTC))
        with pytest.raises(errors.PressExpired):
            await adapter.perform(AnswerPress(press=old))
