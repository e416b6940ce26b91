"""The seam every adapter calls: on disk before it is acknowledged, once, with its reason."""

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from gateway.config.ids import parse_user
from gateway.config.values import SessionsConfig
from gateway.crowding import PERSON_A_MINUTE, SESSION_MAX
from gateway.ingest import UNWANTED_KEPT
from gateway.store.base import Store
from gateway.store.records import freezes, inbox
from gateway.store.records.explain import explain
from gateway.store.records.freezes import Freeze
from gateway.store.records.sessions import OpenTurn
from platforms import blocks
from platforms.events import (
    Author,
    CommandInvoked,
    Ignored,
    MessageReceived,
    PressToken,
    Receipt,
)
from tests.gateway.events import (
    ANN,
    AT,
    BEN,
    GROUP,
    OUR_MENTION,
    TOPIC,
    command,
    deleted,
    edited,
    in_group,
    message,
    press,
    quote_of,
)
from tests.gateway.hand_clock import START
from tests.gateway.intake import CONFIG, Intake
from tests.gateway.records.rows import closed, inbox_states, next_work, write


async def raw_of(store: Store, ident: int = 1) -> str:
    """The payload kept with an event."""
    row = await store.read(lambda tx: tx.row("SELECT raw FROM inbox WHERE id = ?", ident))
    assert row is not None
    return str(row[0])


async def words_out(store: Store) -> list[tuple[str, str, str, str]]:
    """Key, purpose, chat and words of every outbox row."""
    rows = await store.read(
        lambda tx: tx.rows("SELECT dedupe_key, purpose, chat, content FROM outbox ORDER BY id")
    )
    return [
        (key, purpose, chat, blocks.plain_text(blocks.from_json(orjson.loads(content)["body"])))
        for key, purpose, chat, content in rows
    ]


async def test_a_message_is_stored_and_handed_on(intake: Intake, store: Store) -> None:
    """The receipt says stored, the row waits, and the lane is told of exactly that row."""
    assert await intake.take(message("hello"), raw=b'{"update": 1}') is Receipt.STORED
    (row,) = intake.entered
    assert row == inbox.Waiting(
        id=1,
        account="telegram:77",
        chat="telegram:1001",
        lane="turn",
        session_key="telegram:77|telegram:1001",
        message_id="1",
        content=inbox.Content(
            kind="message",
            author="telegram:1001",
            author_name="Ann",
            reply_to="telegram:1001",
            text="hello",
        ),
        received_at=START,
    )
    assert await store.read(lambda tx: inbox.waiting_in(tx, row.session_key)) == [row]
    assert await raw_of(store) == '{"update": 1}'
    assert intake.ingest.counts == {"admitted": 1}
    assert intake.ingest.admitted_at == {"telegram:77": 1_000.0}


async def test_everything_of_an_event_is_kept(intake: Intake) -> None:
    """Quote, attachments, who shares the session, and where the answer goes."""
    event = in_group("look", chat=TOPIC, mentions=(OUR_MENTION,), quote=quote_of(BEN, "the past"))
    await intake.take(event)
    (row,) = intake.entered
    assert row.chat == "telegram:-100200/7"
    assert row.content == inbox.Content(
        kind="message",
        author="telegram:1001",
        author_name="Ann",
        reply_to="telegram:-100200/7",
        grouped=True,
        shared=True,
        text="look",
        quote="the past",
        quote_author="Ben",
        quote_by="telegram:1002",
    )


@pytest.mark.parametrize(
    ("event", "content"),
    [
        (
            message("/model spare"),
            {"kind": "command", "command": "model", "args": "spare", "text": "/model spare"},
        ),
        (
            command("model", "spare"),
            {"kind": "command", "command": "model", "args": "spare"},
        ),
        (
            command("stop", press=PressToken(kind="i", value="tok", usable_until=AT)),
            {
                "kind": "command",
                "command": "stop",
                "press_kind": "i",
                "press_value": "tok",
                "press_until": int(AT.timestamp() * 1_000_000),
            },
        ),
        (
            press("approve"),
            {
                "kind": "press",
                "args": "approve",
                "press_kind": "callback",
                "press_value": "cb1",
                "press_until": int(AT.timestamp() * 1_000_000),
            },
        ),
    ],
)
async def test_commands_and_presses_are_kept_whole(
    intake: Intake, event: Any, content: dict[str, Any]
) -> None:
    """What later carries them out needs nothing but the row."""
    await intake.take(event)
    (row,) = intake.entered
    common = {"author": "telegram:1001", "author_name": "Ann", "reply_to": "telegram:1001"}
    assert row.content == inbox.Content(**(common | content))


@pytest.mark.parametrize(
    "again",
    [message(), message(number=2, delivery_key="d1"), message(number=2, logical_key="l1")],
)
async def test_a_repeat_is_stored_once_and_not_handed_on(
    intake: Intake, store: Store, again: MessageReceived
) -> None:
    """Either key; the platform may acknowledge it all the same."""
    await intake.take(message())
    assert await intake.take(again) is Receipt.STORED
    assert len(intake.entered) == 1
    assert len(await inbox_states(store)) == 1
    assert intake.ingest.counts == {"admitted": 1, "duplicate": 1}


async def test_the_same_delivery_many_times_at_once(intake: Intake, store: Store) -> None:
    """Two transports and a retry in the same moment are one message."""
    receipts = await asyncio.gather(*(intake.take(message()) for _ in range(5)))
    assert set(receipts) == {Receipt.STORED}
    assert len(intake.entered) == 1
    assert len(await inbox_states(store)) == 1


async def test_a_chat_nobody_listed_is_counted_and_not_stored(
    intake: Intake, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """No row of it, no words in the log; the log names the chat once."""
    other = replace(GROUP, chat_id="-100999")
    with caplog.at_level(logging.INFO):
        for number in (1, 2):
            event = in_group("secret words", number=number, chat=other)
            assert await intake.take(event) is Receipt.UNWANTED
    assert await inbox_states(store) == {}
    assert intake.routed == []
    assert intake.ingest.counts == {"chat_not_listed": 2}
    assert set(intake.ingest.unwanted) == {
        "telegram:-100999",
        "telegram:-100999/1",
        "telegram:-100999/2",
    }
    assert caplog.text.count("telegram:-100999") == 1
    assert "secret" not in caplog.text


async def test_what_is_unwanted_is_remembered_for_a_while(intake: Intake) -> None:
    """The newest ten thousand names can be explained; memory stays bounded."""
    for number in range(UNWANTED_KEPT):
        await intake.take(in_group(number=number, chat=replace(GROUP, chat_id="-100999")))
    assert len(intake.ingest.unwanted) == UNWANTED_KEPT
    assert f"telegram:-100999/{UNWANTED_KEPT - 1}" in intake.ingest.unwanted
    assert "telegram:-100999/0" not in intake.ingest.unwanted


async def test_who_was_ignored_is_known_until_they_are_let_in(intake: Intake) -> None:
    """A person and a chat, each with the key that would let them in."""
    await intake.take(message(author=BEN))
    await intake.take(in_group(number=2, chat=replace(GROUP, chat_id="-100999")))
    known = {"telegram:1002": "access.users", "telegram:-100999": "access.chats"}
    assert intake.ingest.unlisted == known
    listed = replace(CONFIG, access=replace(CONFIG.access, users=(parse_user("telegram:1002"),)))
    intake.ingest = intake.made(listed)
    intake.ingest.unlisted.update(known)
    await intake.take(message(author=BEN, number=3))
    assert intake.ingest.unlisted == {"telegram:-100999": "access.chats"}


async def test_edits_in_a_chat_nobody_listed_are_not_stored(intake: Intake, store: Store) -> None:
    """An edit can't tell its kind of chat; of a message we never stored, nothing is kept."""
    other = replace(GROUP, chat_id="-100999")
    assert await intake.take(edited("secret", of=1, chat=other)) is Receipt.STORED
    assert await intake.take(deleted(1, 2, chat=other)) is Receipt.STORED
    assert await inbox_states(store) == {}
    assert intake.ingest.counts == {"amends_nothing": 2}


async def test_an_event_beside_an_unwanted_one_is_stored(intake: Intake, store: Store) -> None:
    """A delivery of several events is taken as a whole when one of them is wanted."""
    other = in_group(number=1, chat=replace(GROUP, chat_id="-100999"))
    assert await intake.take(other, message(number=2)) is Receipt.STORED
    assert await inbox_states(store) == {
        1: ("ignored", "chat_not_listed", None),
        2: ("new", None, None),
    }
    assert len(intake.entered) == 1


async def test_nothing_in_a_delivery_is_stored_as_nothing(intake: Intake, store: Store) -> None:
    """A payload without events may be acknowledged."""
    assert await intake.take() is Receipt.STORED
    assert await inbox_states(store) == {}


async def test_what_says_nothing_to_us_is_kept_with_its_reason(
    intake: Intake, store: Store
) -> None:
    """Once, however often it is delivered, and `why` tells of it."""
    ignored = Ignored(delivery_key="d9", reason="unsupported_kind")
    for _ in range(2):
        assert await intake.take(ignored=ignored, raw=b"\xff{") is Receipt.STORED
    assert await inbox_states(store) == {1: ("ignored", "unsupported_kind", None)}
    assert await raw_of(store) == "\N{REPLACEMENT CHARACTER}{"
    story = await store.read(lambda tx: explain(tx, "e1"))
    assert "unsupported_kind" in story[1]
    assert intake.entered == []


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (message(author=BEN), "sender_not_listed"),
        (in_group(), "not_addressed"),
    ],
)
async def test_an_ignored_event_is_silent(
    intake: Intake, store: Store, event: MessageReceived, reason: str
) -> None:
    """Stored with its reason, counted, and nobody is told."""
    assert await intake.take(event) is Receipt.STORED
    assert await inbox_states(store) == {1: ("ignored", reason, None)}
    assert intake.entered == []
    assert await words_out(store) == []
    assert intake.ingest.counts == {reason: 1}


async def test_an_own_message_is_looked_up_not_stored(intake: Intake, store: Store) -> None:
    """It is counted and handed to whoever knows what we sent; one read back is only counted."""
    own = message(author=replace(ANN, is_us=True))
    assert await intake.take(own) is Receipt.UNWANTED
    assert await intake.take(replace(own, late=True)) is Receipt.UNWANTED
    assert await inbox_states(store) == {}
    assert intake.own == [own]
    assert intake.ingest.counts == {"own_echo": 2}


async def test_an_own_edit_that_comes_back_is_not_stored(intake: Intake, store: Store) -> None:
    """A growing answer comes back whole with every edit of it; that would fill the disk."""
    edited = Ignored(delivery_key="k1", reason="own_echo")
    assert await intake.take(ignored=edited) is Receipt.UNWANTED
    assert await inbox_states(store) == {}
    assert intake.ingest.counts == {"own_echo": 1}


@pytest.mark.parametrize("event", [command("help", author=BEN), command("hlep")])
async def test_a_command_turned_away_is_not_left_thinking(
    intake: Intake, event: CommandInvoked
) -> None:
    """A native command shows as being worked on until it is answered, if only by silence."""
    late = PressToken(kind="i", value="tok", usable_until=AT + timedelta(days=36_500))
    await intake.take(replace(event, press=late))
    assert [left for stored in intake.routed for left in stored.turned_away] == [
        ("telegram:77", late)
    ]
    assert intake.entered == []


async def test_a_refusal_is_stored_with_its_words(intake: Intake, store: Store) -> None:
    """In one commit: whoever is refused reads why, once, where they wrote."""
    event = in_group("/stpo", chat=TOPIC, mentions=(OUR_MENTION,))
    for _ in range(2):
        assert await intake.take(event) is Receipt.STORED
    assert await inbox_states(store) == {1: ("refused", "unknown_command", None)}
    words = "There is no command /stpo. Did you mean /stop?"
    assert await words_out(store) == [("e1:refusal", "notice", "telegram:-100200/7", words)]
    replies = [row for stored in intake.routed for row in stored.replies]
    assert [row.id for row in replies] == [1]
    assert intake.entered == []


async def test_a_thread_is_joined_by_an_answer(intake: Intake, store: Store) -> None:
    """Once a turn was opened there, words in the thread need no mention; also after /new."""
    await intake.take(in_group("hi", number=1, chat=TOPIC))
    await intake.take(in_group("hi", number=2, chat=TOPIC, mentions=(OUR_MENTION,)))
    key = "telegram:77|telegram:-100200/7"
    turn = await next_work(store, key=key)
    assert turn is not None
    await intake.take(in_group("more", number=3, chat=TOPIC, author=BEN))
    assert [s for s, _, _ in (await inbox_states(store)).values()] == ["ignored", "claimed", "new"]


async def test_a_group_is_not_joined_by_an_answer(intake: Intake, store: Store) -> None:
    """Outside threads everyone addresses us anew, also who was answered before."""
    await intake.take(in_group("hi", number=1, mentions=(OUR_MENTION,)))
    (row,) = intake.entered
    assert await next_work(store, key=row.session_key) is not None
    await intake.take(in_group("not for the bot", number=2))
    assert (await inbox_states(store))[2] == ("ignored", "not_addressed", None)
    shared = replace(CONFIG, sessions=SessionsConfig(group="shared"))
    intake.ingest = intake.made(shared)
    await intake.take(in_group("hi", number=3, mentions=(OUR_MENTION,)))
    assert await next_work(store, key=intake.entered[-1].session_key) is not None
    await intake.take(in_group("not for the bot", number=4))
    assert (await inbox_states(store))[4] == ("ignored", "not_addressed", None)


async def test_an_edit_reaches_a_message_that_waits(intake: Intake, store: Store) -> None:
    """The turn reads the new text; the edit itself is kept as a row of its own."""
    await intake.take(message("old"))
    assert await intake.take(edited("new")) is Receipt.STORED
    (row,) = await store.read(lambda tx: inbox.waiting_in(tx, "telegram:77|telegram:1001"))
    assert row.content.text == "new"
    assert (await inbox_states(store))[2] == ("ignored", "amendment", None)
    assert intake.ingest.counts == {"admitted": 1, "amendment": 1}


async def test_a_deletion_takes_waiting_messages_out(intake: Intake, store: Store) -> None:
    """All messages it names; those that are unknown cost nothing."""
    await intake.take(message(number=1))
    await intake.take(message(number=2))
    assert await intake.take(deleted(1, 2, 9)) is Receipt.STORED
    assert [reason for _, reason, _ in (await inbox_states(store)).values()] == [
        "deleted_by_author",
        "deleted_by_author",
        "amendment",
    ]


async def test_an_edit_after_the_answer_changes_nothing(intake: Intake, store: Store) -> None:
    """What was answered stands as it was asked."""
    await intake.take(message("old"))
    turn = await next_work(store)
    assert isinstance(turn, OpenTurn)
    await closed(store, turn)
    await intake.take(edited("new"))
    row = await store.read(lambda tx: tx.row("SELECT content, state FROM inbox WHERE id = 1"))
    assert row is not None
    assert (inbox.Content.from_json(row[0]).text, row[1]) == ("old", "done")


async def test_a_large_payload_goes_to_a_file(intake: Intake, store: Store) -> None:
    """Over 64 KiB the row names the file; the file holds every byte."""
    raw = b'{"big": "' + b"x" * (64 * 1024) + b'"}'
    await intake.take(message(), raw=raw)
    kind, _, name = (await raw_of(store)).partition(":")
    assert kind == "blob"
    assert await intake.blobs.get(name) == raw


@pytest.mark.parametrize(
    "event",
    [
        message("half a pair: \ud83d"),
        message(author=Author(id="1001", name="\ud800")),
        message(delivery_key="d\udfff"),
    ],
)
async def test_an_event_that_cannot_be_stored_is_kept_as_malformed(
    intake: Intake, store: Store, event: MessageReceived, caplog: pytest.LogCaptureFixture
) -> None:
    """One poisoned event neither raises nor comes back for ever; others go on."""
    for _ in range(2):
        assert await intake.take(event, raw=b'{"poison": 1}') is Receipt.STORED
    assert await intake.take(message(number=7)) is Receipt.STORED
    states = (await inbox_states(store)).values()
    assert list(states) == [("ignored", "malformed", None), ("new", None, None)]
    assert await raw_of(store) == '{"poison": 1}'
    assert "can't be stored" in caplog.text


def at_minute(number: int, **fields: Any) -> MessageReceived:
    """A message of a day of its own minute: nobody is too fast."""
    return message(number=number, occurred_at=AT + timedelta(minutes=number), **fields)


async def test_a_full_session_says_so_once(intake: Intake, store: Store) -> None:
    """The first that finds no room is told, the next ones are kept with their reason alone."""
    for number in range(1, SESSION_MAX + 3):
        assert await intake.take(at_minute(number)) is Receipt.STORED
    states = await inbox_states(store)
    assert [s for s, _, _ in states.values()] == ["new"] * SESSION_MAX + ["refused"] * 2
    assert {reason for s, reason, _ in states.values() if s == "refused"} == {"queue_full"}
    words = "I have 50 messages waiting here; please send this again later."
    (out,) = await words_out(store)
    assert out == (f"e{SESSION_MAX + 1}:refusal", "notice", "telegram:1001", words)
    assert len(intake.entered) == SESSION_MAX
    assert intake.ingest.counts == {"admitted": SESSION_MAX, "queue_full": 2}
    story = await store.read(lambda tx: explain(tx, f"e{SESSION_MAX + 2}"))
    assert "queue_full (too much was waiting already" in story[2]


async def test_a_full_session_takes_again_what_has_room(intake: Intake, store: Store) -> None:
    """As soon as a turn has claimed what waits; commands beside turns never wait for room."""
    for number in range(1, SESSION_MAX + 1):
        await intake.take(at_minute(number))
    await intake.take(at_minute(90, text="/stop"))
    assert (await inbox_states(store))[SESSION_MAX + 1][0] == "new"
    assert await next_work(store) is not None
    await intake.take(at_minute(91))
    assert (await inbox_states(store))[SESSION_MAX + 2][0] == "new"


async def test_who_is_too_fast_is_told(intake: Intake, store: Store) -> None:
    """Over twenty messages in a minute; a repeat of one that was taken is none of them."""
    for number in range(1, PERSON_A_MINUTE + 1):
        for _ in range(2):
            await intake.take(message(number=number))
    await intake.take(message(number=99), message(number=100))
    assert intake.ingest.counts["duplicate"] == PERSON_A_MINUTE
    assert intake.ingest.counts["rate_user"] == 2
    ((_, _, _, words),) = await words_out(store)
    assert words.startswith("I take 20 messages a minute from one person")


async def test_a_refused_native_command_is_not_left_thinking(intake: Intake) -> None:
    """A queued one that finds no room: its press is answered, if only by silence."""
    for number in range(PERSON_A_MINUTE):
        await intake.take(message(number=number))
    late = PressToken(kind="i", value="tok", usable_until=AT + timedelta(days=36_500))
    await intake.take(command("new", number=99, press=late))
    assert intake.routed[-1].turned_away == (("telegram:77", late),)
    assert intake.routed[-1].entered == ()


async def test_what_may_belong_together_is_kept_as_facts(intake: Intake) -> None:
    """Album, forwarded, and a length at which the platform's clients cut."""
    await intake.take(message("x" * 4_000, album="a1", forwarded=True))
    (row,) = intake.entered
    assert (row.content.album, row.content.forwarded, row.content.long) == ("a1", True, True)


HELPER = Author(id="1009", name="Helper", kind="bot")


async def test_a_listed_bot_is_answered_while_people_are_there(intake: Intake) -> None:
    """Three times, after somebody has written; the fourth is a loop."""
    access = replace(CONFIG.access, bots=(parse_user("telegram:1009"),))
    intake.ingest = intake.made(replace(CONFIG, access=access))
    numbers = iter(range(1, 20))
    for author in (HELPER, ANN, HELPER, HELPER, HELPER, HELPER):
        await intake.take(
            in_group("hi", author=author, mentions=(OUR_MENTION,), number=next(numbers))
        )
    assert intake.ingest.counts == {"bot_loop": 2, "admitted": 4}


async def test_who_hides_is_told_once_a_day(intake: Intake, store: Store) -> None:
    """In each chat; the rest is refused in silence."""
    hidden = Author(id="1087968824", name="Team", kind="anonymous_admin")
    for number in (1, 2):
        await intake.take(in_group("/help", author=hidden, number=number))
    assert intake.ingest.counts == {"anonymous_sender": 2}
    ((_, _, chat, words),) = await words_out(store)
    assert chat == "telegram:-100200"
    assert words.startswith("I can't tell who you are")


async def test_a_frozen_chat_is_told_once_in_a_while(intake: Intake, store: Store) -> None:
    """Everything said meanwhile is refused; commands still work."""
    freeze = Freeze(scope="all", by="shell:ann", name="Ann", reason="x", at=1)
    await write(store, lambda tx: freezes.freeze(tx, freeze))
    await intake.take(message("one"))
    await intake.take(message("two", number=2))
    await intake.take(message("/help", number=3))
    assert intake.ingest.counts == {"frozen": 2, "admitted": 1}
    ((_, _, _, words),) = await words_out(store)
    assert words.startswith("Spending is stopped here")
