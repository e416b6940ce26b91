"""The way out, over the loopback server with the real SDK: one operation, one request, once."""

import asyncio
import logging
import time
import traceback
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from platforms.blocks import plain
from platforms.content import (
    AnswerPress,
    Button,
    Delete,
    Done,
    Edit,
    Post,
    React,
    Typing,
    Upload,
)
from platforms.discord import limits
from platforms.discord.client import DiscordAdapter
from platforms.discord.format import format_blocks
from platforms.errors import (
    ChatUnavailable,
    MessageGone,
    MessageRejected,
    PlatformError,
    PlatformUnavailable,
    PressExpired,
    RateLimited,
    SendUncertain,
    ThreadGone,
    TooLong,
)
from platforms.events import ButtonPressed, CommandHelp, CommandInvoked, MessageRef, PressToken
from platforms.markup import parse
from tests.platforms.discord.journal import (
    ACCOUNT,
    Journal,
    adapter_of,
    chat_of,
    connected,
    post,
    posted,
    ref_of,
    running,
)
from tests.platforms.strategies import PINGS
from tests.wire.discord import DiscordServer, components, rate_limited, refusal, rules
from tests.wire.server import CutAfter, CutBefore, HalfOpen, Hold

POST = "POST /channels/{channel}/messages"
EDIT = "PATCH /channels/{channel}/messages/{message}"
FOLLOW_UP = "POST /webhooks/{application}/{token}"
CALLBACK = "POST /interactions/{interaction}/{token}/callback"
CONTROLS = (
    (
        Button(label="Approve", payload="ap:1", style="primary"),
        Button(label="Deny", payload="dn:1", style="danger"),
    ),
    (Button(label="Later", payload="la:1"),),
)


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as running_server:
        yield running_server


@pytest.fixture
async def adapter(server: DiscordServer) -> AsyncIterator[DiscordAdapter]:
    async with connected(server) as ready:
        yield ready


async def test_a_post_is_one_request_with_everything_switched_off(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """Nonce enforced, no mentions, no embeds; buttons carry their payload byte for byte."""
    message = await posted(adapter, post(server.general, "hello", "n1", controls=CONTROLS))
    [seen] = server.requests(POST)
    body = seen.arguments["body"]
    assert (body["content"], body["nonce"], body["enforce_nonce"]) == ("hello", "n1", True)
    assert body["allowed_mentions"] == {"parse": [], "replied_user": False}
    assert body["flags"] == 4
    [shown] = server.messages(server.general)
    assert shown.buttons == {"Approve": "ap:1", "Deny": "dn:1", "Later": "la:1"}
    styles = [[part["style"] for part in row["components"]] for row in shown.current.components]
    assert styles == [[1, 4], [2]]
    assert message == ref_of(shown)


async def test_a_reply_notifies_nobody(server: DiscordServer, adapter: DiscordAdapter) -> None:
    """A quoted author is not pinged; a quoted message that is gone is no error."""
    asked = await server.say(server.general, server.ada, "question")
    await posted(adapter, post(server.general, "answer", "n1", quote=ref_of(asked)))
    await server.delete(asked)
    await posted(adapter, post(server.general, "too late", "n2", quote=ref_of(asked)))
    first, second = server.bot_messages(server.general)
    assert (first.reference, second.reference) == (asked, None)
    assert server.pinged() == []


@pytest.mark.parametrize("ping", PINGS)
async def test_no_words_ping(server: DiscordServer, adapter: DiscordAdapter, ping: str) -> None:
    """What would be a mention reaches nobody, posted, edited, as caption or private words."""
    words = f"{ping} <@{server.ada.id}> **{ping}**"
    message = await posted(adapter, post(server.general, parse(words)))
    await adapter.perform(Edit(message=message, body=parse(f"more {words}")))
    await adapter.perform(
        Upload(
            chat=message.chat,
            data=b"x",
            name="a.md",
            mime="text/markdown",
            nonce="u",
            caption=words,
        )
    )
    assert len(server.bot_messages(server.general)) == 2
    assert server.pinged() == []


async def test_links_unfold_nowhere(server: DiscordServer, adapter: DiscordAdapter) -> None:
    """Embeds are off on posts and stay off after an edit."""
    body = parse("see https://a.example and [b](https://b.example)")
    message = await posted(adapter, post(server.general, body))
    await adapter.perform(Edit(message=message, body=parse("now https://c.example")))
    [shown] = server.messages(server.general)
    assert all(version.flags & 4 for version in shown.history)
    assert not shown.shows_embed


async def test_silent_posts_say_so(server: DiscordServer, adapter: DiscordAdapter) -> None:
    """A silent post carries the flag that keeps phones quiet."""
    await posted(adapter, post(server.general, "quiet", silent=True))
    assert server.messages(server.general)[0].current.flags == 4 | 1 << 12


async def test_words_for_one_person_need_a_press(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """Discord has no private posts in a channel, so nothing is sent."""
    with pytest.raises(MessageRejected):
        await adapter.perform(post(server.general, "psst", only_for=str(server.ada.id)))
    assert server.requests(POST) == []


async def test_a_repeated_nonce_is_one_message(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """A post whose answer was lost is sent again with its nonce and stands once."""
    server.faults.add(POST, CutAfter())
    operation = post(server.general, "once", "n1")
    with pytest.raises(SendUncertain):
        await adapter.perform(operation)
    message = await posted(adapter, operation)
    [shown] = server.messages(server.general)
    assert message == ref_of(shown)


async def test_cut_before_leaves_nothing(server: DiscordServer, adapter: DiscordAdapter) -> None:
    """A cut before the effect looks the same from here, and the repeat posts it."""
    server.faults.add(POST, CutBefore())
    operation = post(server.general, "once", "n1")
    with pytest.raises(SendUncertain):
        await adapter.perform(operation)
    assert server.messages(server.general) == []
    await posted(adapter, operation)
    assert len(server.messages(server.general)) == 1


async def test_an_edit_is_the_whole_new_state(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """Text and buttons are replaced together; repeating it changes nothing."""
    message = await posted(adapter, post(server.general, "card", controls=CONTROLS))
    edit = Edit(message=message, body=plain("approved"), edit_no=1)
    for _ in range(2):
        assert await adapter.perform(edit) == Done()
    [shown] = server.messages(server.general)
    assert (shown.content, shown.buttons) == ("approved", {})
    assert server.requests(EDIT)[0].arguments["body"]["allowed_mentions"] == {"parse": []}


async def test_a_deletion_twice_is_done(server: DiscordServer, adapter: DiscordAdapter) -> None:
    """What is gone already counts as taken back."""
    message = await posted(adapter, post(server.general, "oops"))
    for _ in range(2):
        assert await adapter.perform(Delete(message=message)) == Done()
    assert server.messages(server.general) == []
    with pytest.raises(MessageGone):
        await adapter.perform(Edit(message=message, body=plain("x")))


async def test_a_file_is_uploaded_with_a_plain_name(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """Bytes, last part of the name and escaped caption arrive; the nonce holds here too."""
    upload = Upload(
        chat=chat_of(server.general),
        data=b"# answer",
        name="../../etc/ans\x00wer.md",
        mime="text/markdown",
        nonce="u1",
        caption="*literal*",
    )
    first, second = await posted(adapter, upload), await posted(adapter, upload)
    assert first == second
    [shown] = server.messages(server.general)
    assert [(file.name, file.data) for file in shown.files] == [("answer.md", b"# answer")]
    assert shown.content == "\\*literal\\*"
    big = Upload(
        chat=chat_of(server.general),
        data=b"x" * (limits.UPLOAD_MAX_BYTES + 1),
        name="big.bin",
        mime="application/octet-stream",
        nonce="u2",
    )
    with pytest.raises(TooLong):
        await adapter.perform(big)


async def test_signs_of_life_and_reactions(server: DiscordServer, adapter: DiscordAdapter) -> None:
    """Typing shows, reactions come and go; taking the sign away is no request."""
    said = await server.say(server.general, server.ada, "hello")
    chat = chat_of(server.general)
    await adapter.perform(Typing(chat=chat))
    await adapter.perform(Typing(chat=chat, on=False))
    assert [channel for channel, _ in server.channels.typing_in] == [server.general]
    for on in (True, True, False):
        await adapter.perform(React(message=ref_of(said), emoji="👀", on=on))
    assert said.reactions == {"👀": set()}


@pytest.mark.warp
async def test_a_hanging_answer_is_given_up(server: DiscordServer) -> None:
    """A post nobody answers is uncertain after the deadline."""
    async with connected(server) as adapter:
        server.faults.add(POST, HalfOpen())
        with pytest.raises(SendUncertain):
            await adapter.perform(post(server.general, "hello"))


async def test_posts_to_one_chat_do_not_wait_for_another(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """A request that is held keeps only its own place."""
    message = await posted(adapter, post(server.general, "one", "n1"))
    released = asyncio.Event()
    server.faults.add(EDIT, Hold(released=released))
    held = asyncio.create_task(adapter.perform(Edit(message=message, body=plain("two"))))
    await posted(adapter, post(server.dm(server.ada), "meanwhile", "n2"))
    await posted(adapter, post(server.general, "here too", "n3"))
    assert not held.done()
    released.set()
    await held


async def test_a_short_429_is_waited_out_by_the_sdk(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """With `Via` and a short wait the SDK repeats the same request, which stands once."""
    server.faults.add(POST, rate_limited(0.05))
    await posted(adapter, post(server.general, "hello"))
    assert [seen.status for seen in server.requests(POST)] == [429, 200]
    assert len(server.messages(server.general)) == 1


async def test_a_long_429_is_handed_to_the_caller(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """Over 30 seconds nobody sleeps inside a call."""
    server.faults.add(POST, rate_limited(31.0))
    with pytest.raises(RateLimited) as caught:
        await adapter.perform(post(server.general, "hello"))
    assert (caught.value.retry_after_s, caught.value.scope) == (31.0, "chat")


async def test_buckets_are_kept_without_a_single_429() -> None:
    """Against real buckets on a fast clock the SDK waits by itself; nothing is refused."""
    async with DiscordServer(rates=0.1) as server, connected(server) as adapter:
        for number in range(12):
            await posted(adapter, post(server.general, str(number), f"n{number}"))
        assert [m.content for m in server.messages(server.general)] == [str(n) for n in range(12)]
        assert server.rates.refused == 0


async def test_old_messages_are_posted_anew() -> None:
    """When edits of an old message are rationed, the caller hears that it is gone."""
    clock = [time.time() - 7_200.0]
    async with DiscordServer(now=lambda: clock[0]) as server, connected(server) as adapter:
        message = await posted(adapter, post(server.general, "old card"))
        clock[0] += 7_200.0
        for number in range(3):
            await adapter.perform(Edit(message=message, body=plain(str(number))))
        with pytest.raises(MessageGone):
            await adapter.perform(Edit(message=message, body=plain("one too many")))


async def test_states_of_a_chat(server: DiscordServer, adapter: DiscordAdapter) -> None:
    """Closed, hidden and locked places are told apart; an archived thread wakes by posting."""
    server.ada.takes_dms = False
    with pytest.raises(ChatUnavailable) as blocked:
        await adapter.perform(post(server.dm(server.ada), "x"))
    assert blocked.value.reason == "blocked"
    server.general.access = "hidden"
    with pytest.raises(ChatUnavailable) as hidden:
        await adapter.perform(post(server.general, "x"))
    assert hidden.value.reason == "no_rights"
    thread = server.world.add_thread(server.add_channel("other"), "thread")
    thread.archived = True
    await posted(adapter, post(thread, "wake up", "n1"))
    thread.locked = True
    with pytest.raises(ThreadGone):
        await adapter.perform(post(thread, "x", "n2"))
    del server.world.channels[thread.id]
    with pytest.raises(ThreadGone):
        await adapter.perform(post(thread, "x", "n3"))


async def test_foreign_ids_are_refused_unsent(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """An id that is no number of Discord makes no request."""
    chat = chat_of(server.general)
    with pytest.raises(MessageRejected):
        await adapter.perform(Edit(message=MessageRef(chat=chat, message_id="x"), body=plain("x")))
    assert server.requests(EDIT) == []


async def test_before_connect_and_after_close_nothing_is_sent(server: DiscordServer) -> None:
    """Without a connection an operation certainly did not happen."""
    adapter = adapter_of(server)
    with pytest.raises(PlatformUnavailable):
        await adapter.perform(post(server.general, "x"))
    await adapter.connect()
    await adapter.close()
    with pytest.raises(PlatformUnavailable):
        await adapter.perform(post(server.general, "x"))


def test_capabilities_are_the_documented_limits() -> None:
    """What we promise, what the limits say and what the server enforces agree."""
    adapter = DiscordAdapter(token="t", base_url="http://127.0.0.1:9")
    found = adapter.capabilities
    assert found.text_max == limits.TEXT_MAX == rules.CONTENT_MAX
    assert found.rows == components.ROWS_MAX
    assert found.buttons_per_row == components.PER_ROW_MAX
    assert found.upload_max_bytes == rules.FILE_MAX
    assert limits.LABEL_MAX == components.LABEL_MAX
    assert limits.NONCE_MAX == rules.NONCE_MAX
    assert limits.COMMANDS_MAX == rules.COMMANDS_MAX
    assert limits.THREAD_NAME_MAX == rules.THREAD_NAME_MAX
    assert found.threads == "join"
    assert DiscordAdapter(token="t", threads=True).capabilities.threads == "start"


@pytest.mark.parametrize("length", [1_949, 1_950, 1_951])
@pytest.mark.parametrize("letter", ["x", "漢", "😀", "*"])
async def test_the_limit_is_where_we_say(
    server: DiscordServer, adapter: DiscordAdapter, length: int, letter: str
) -> None:
    """What fits is taken by Discord, however its letters are counted."""
    body = plain(letter * (length // len(letter.encode("utf-16-le")) * 2))
    if adapter.fits(body):
        await posted(adapter, post(server.general, body))
    assert adapter.fits(body) is (len(format_blocks(body).encode("utf-16-le")) <= 2 * 1_950)


# Private answers.


async def _pressed(
    server: DiscordServer, adapter: DiscordAdapter, journal: Journal, number: int = 1
) -> PressToken:
    await posted(adapter, post(server.general, "card", f"c{number}", controls=CONTROLS))
    await server.press(server.bot_messages(server.general)[-1], server.ada, "ap:1")
    event = await journal.event(number)
    assert isinstance(event, ButtonPressed)
    return event.press


async def test_only_the_presser_sees_an_answer(server: DiscordServer) -> None:
    """Words follow the first answer, privately and without pings; no words are no request."""
    journal = Journal()
    async with running(server, journal) as adapter:
        press = await _pressed(server, adapter, journal)
        await adapter.perform(AnswerPress(press=press))
        assert server.requests(FOLLOW_UP) == []
        await adapter.perform(AnswerPress(press=press, text=f"not for you, <@{server.ada.id}>"))
    private = server.messages(server.general, viewer=server.ada)[-1]
    assert private.private_to is server.ada
    assert private not in server.messages(server.general)
    assert server.pinged() == []


async def test_words_wait_for_the_first_answer(server: DiscordServer) -> None:
    """An answer given while the first one is still on its way comes behind it."""
    journal = Journal()
    async with running(server, journal) as adapter:
        released = asyncio.Event()
        server.faults.add(CALLBACK, Hold(released=released))
        press = await _pressed(server, adapter, journal)
        answering = asyncio.create_task(adapter.perform(AnswerPress(press=press, text="done")))
        await posted(adapter, post(server.dm(server.ada), "meanwhile"))
        assert server.requests(FOLLOW_UP) == []
        released.set()
        await answering
    assert server.messages(server.general, viewer=server.ada)[-1].content == "done"


async def test_a_command_is_answered_where_it_thinks(server: DiscordServer) -> None:
    """Words take the place of "thinking"; without words it goes away."""
    journal = Journal()
    table = (CommandHelp(name="status", summary="what is going on"),)
    async with running(server, journal, commands=table) as adapter:
        await server.seen(lambda seen: seen.operation.startswith("PUT /applications"))
        presses = []
        for number in (1, 2):
            await server.invoke(server.general, server.ada, "status")
            event = await journal.event(number)
            assert isinstance(event, CommandInvoked)
            assert event.press is not None
            presses.append(event.press)
        await adapter.perform(AnswerPress(press=presses[0], text="all is well"))
        await adapter.perform(AnswerPress(press=presses[1]))
        await adapter.perform(AnswerPress(press=presses[1]))
    [private] = server.messages(server.general, viewer=server.ada)
    assert (private.content, private.thinking) == ("all is well", False)


async def test_a_press_outlives_a_restart(server: DiscordServer) -> None:
    """Another adapter, which never saw the press, answers it from the stored token."""
    journal = Journal()
    async with running(server, journal) as adapter:
        press = await _pressed(server, adapter, journal)
        await server.seen(lambda seen: seen.operation == CALLBACK)
    async with connected(server) as other:
        await other.perform(AnswerPress(press=press, text="later"))
    assert server.messages(server.general, viewer=server.ada)[-1].content == "later"


async def test_a_press_that_is_over_is_dropped(
    server: DiscordServer, adapter: DiscordAdapter
) -> None:
    """An unknown, expired or foreign token says so."""
    later = datetime.now(UTC) + timedelta(minutes=15)
    for value in ("7:unknown", "no token"):
        press = PressToken(kind="component", value=value, usable_until=later)
        with pytest.raises(PressExpired):
            await adapter.perform(AnswerPress(press=press, text="hello"))


# Threads that we begin.


async def test_a_mention_is_answered_in_a_thread_of_its_own(server: DiscordServer) -> None:
    """The thread is made with the first sign of life, named by the first line, and only once."""
    journal = Journal()
    async with running(server, journal, threads=True) as adapter:
        asked = await server.say(server.general, server.ada, f"<@{server.bot.id}> plan\nthe week")
        event = await journal.event()
        place = event.reply_to
        assert place.thread_id == str(asked.id)
        await adapter.perform(Typing(chat=place))
        await posted(adapter, Post(chat=place, body=plain("a plan"), nonce="n1"))
        await posted(adapter, Post(chat=place, body=plain("more"), nonce="n2"))
        thread = server.world.channels[asked.id]
        await server.say(thread, server.ada, "thanks")
        follow_up = await journal.event(2)
    assert thread.name == "plan"
    assert [m.content for m in server.bot_messages(thread)] == ["a plan", "more"]
    assert server.bot_messages(server.general) == []
    assert follow_up.chat == place
    made = "POST /channels/{channel}/messages/{message}/threads"
    assert len(server.requests(made)) == 1


async def test_a_thread_that_stands_is_used(server: DiscordServer) -> None:
    """After a restart, with nothing remembered, the thread is found to exist."""
    asked = await server.say(server.general, server.ada, "question")
    thread = await server.start_thread(server.general, "details", of=asked)
    loose = await server.start_thread(server.general, "loose")
    async with connected(server, threads=True) as adapter:
        await posted(adapter, post(thread, "answer", "n1"))
        await posted(adapter, post(loose, "answer", "n2"))
    assert len(server.bot_messages(thread)) == len(server.bot_messages(loose)) == 1


async def test_where_no_thread_can_be_made_the_root_is_left(server: DiscordServer) -> None:
    """A refusal to make the thread is ThreadGone; a lost answer can be tried again."""
    made = "POST /channels/{channel}/messages/{message}/threads"
    asked = await server.say(server.general, server.ada, "question")
    chat = chat_of(server.general)
    place = type(chat)(
        account=ACCOUNT, space=chat.space, chat_id=chat.chat_id, thread_id=str(asked.id)
    )
    operation = Post(chat=place, body=plain("answer"), nonce="n1")
    async with connected(server, threads=True) as adapter:
        server.faults.add(made, refusal(403, 50013))
        with pytest.raises(ThreadGone):
            await adapter.perform(operation)
        server.faults.add(made, CutAfter())
        with pytest.raises(PlatformUnavailable):
            await adapter.perform(operation)
        await posted(adapter, operation)
    assert len(server.bot_messages(server.world.channels[asked.id])) == 1


# Secrets.


async def test_logs_hold_neither_token_nor_words(caplog: pytest.LogCaptureFixture) -> None:
    """At the finest level, through connecting, failing, resuming, pressing and stopping."""
    caplog.set_level(logging.DEBUG)
    async with DiscordServer() as server:
        journal = Journal()
        async with running(server, journal) as adapter:
            press = await _pressed(server, adapter, journal)
            await adapter.perform(AnswerPress(press=press, text="confidential notice"))
            await server.say(server.general, server.ada, "confidential question")
            server.faults.add(EDIT, refusal(503), CutAfter())
            message = ref_of(server.bot_messages(server.general)[0])
            for _ in range(2):
                with suppress(PlatformError):
                    await adapter.perform(Edit(message=message, body=plain("confidential")))
            await server.gateway.close(4000)
            await server.seen(lambda seen: seen.operation == "GATEWAY RESUME")
            secret = press.value.partition(":")[2]
        said = "\n".join(
            record.getMessage() + str(record.exc_info or "")
            for record in caplog.records
            if "wire" not in record.name
        )
        assert server.token not in said
        assert secret not in said
        assert "confidential" not in said
        assert server.token not in repr(adapter) + repr(adapter.liveness())


async def test_failures_do_not_print_secrets(server: DiscordServer) -> None:
    """No error shows the bot's token or a press's, in its words or in those of its causes."""
    failures: list[BaseException] = []
    later = datetime.now(UTC) + timedelta(minutes=15)
    press = PressToken(kind="component", value="7:press-secret", usable_until=later)

    async def fail(awaitable: Any) -> None:
        with pytest.raises(PlatformError) as caught:
            await awaitable
        failures.append(caught.value)

    async with connected(server) as adapter:
        for fault in (CutBefore(), refusal(401), refusal(403), refusal(503), rate_limited(99)):
            server.faults.add(POST, fault)
            await fail(adapter.perform(post(server.general, "hello")))
        for fault in (CutBefore(), refusal(401), refusal(404, 10015)):
            server.faults.add(FOLLOW_UP, fault)
            await fail(adapter.perform(AnswerPress(press=press, text="hello")))
        server.gateway.refuse_identify(4004)
        await fail(adapter.run(Journal()))
    wrong = adapter_of(server, token=server.token + "x")
    await fail(wrong.connect())
    await wrong.close()
    printed = "".join("".join(traceback.format_exception(error)) for error in failures)
    assert server.token not in printed
    assert "press-secret" not in printed
