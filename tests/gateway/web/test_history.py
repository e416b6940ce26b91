"""What the page shows of the past, read from rows."""

from dataclasses import replace

import orjson

from agent.credentials import StaticKey
from agent.failover import Entry
from agent.providers.demo import Demo
from gateway import outgoing
from gateway.store.base import Tx
from gateway.store.records import inbox, outbox, retention
from gateway.store.sqlite import SqliteStore
from gateway.web.history import StoredHistory
from platforms import blocks
from platforms.blocks import plain
from platforms.content import Button
from platforms.events import ChatRef
from platforms.web.history import StoredFile
from platforms.web.parse import ACCOUNT, notices_of
from tests.gateway.records import rows

CHAT = ChatRef(account=ACCOUNT, chat_id="0b8b4b0e-64ba-4e4b-9a3c-0d8f2b6c1a11")
PLACE = f"web:{CHAT.chat_id}"
DEMO = Entry(
    name="demo",
    provider=Demo(),
    credential=StaticKey(label="demo", key=""),
    context_window=1000,
    max_output_tokens=None,
)


def history(store: SqliteStore) -> StoredHistory:
    """The history of a gateway with the demonstration behind it."""
    return StoredHistory(store=store, entries=(DEMO,))


def written(number: int, text: str, **fields: object) -> inbox.Arrival:
    """Words of the person at the page, `number` microseconds in."""
    plain_row = rows.arrival(
        number,
        text,
        account="web:local",
        chat=PLACE,
        author="web:local",
        session_key=f"web:local|{PLACE}",
        received_at=rows.NOW + number,
    )
    return replace(plain_row, **fields)  # type: ignore[arg-type]


async def answered(store: SqliteStore, number: int, text: str) -> None:
    """A message of ours that stands, `number` microseconds in."""
    content = orjson.dumps({"body": blocks.to_json(plain(text)), "quote": None, "only_for": None})
    new = rows.new_outbox(
        f"k{number}", account="web:local", chat=PLACE, content=content.decode(), nonce=f"n{number}"
    )

    def unit(tx: Tx) -> None:
        row = outbox.insert(tx, new, now=rows.NOW + number)
        assert row is not None
        outbox.settle(
            tx, row.id, state="sent", message_id=f"n{number}", reason=None, now=rows.NOW + number
        )

    await rows.write(store, unit)


async def test_words_stand_in_the_order_they_came(store: SqliteStore) -> None:
    """What was refused with a word stands before that word; what was ignored is not shown."""
    await rows.arrived(
        store,
        written(1, "hello"),
        written(3, "/nope", state="refused", reason="unknown_command", lane=None),
        written(5, "an echo", state="ignored", reason="own_echo", lane=None),
    )
    await answered(store, 2, "Hello.")
    await answered(store, 4, "There is no command /nope.")
    items = await history(store).messages(CHAT)
    shown = [
        (item.speaker, item.body if isinstance(item.body, str) else blocks.plain_text(item.body))
        for item in items
    ]
    assert shown == [
        ("user", "hello"),
        ("assistant", "Hello."),
        ("user", "/nope"),
        ("assistant", "There is no command /nope."),
    ]


async def test_what_a_clock_says_nobody_wrote(store: SqliteStore) -> None:
    """Neither what a job is told nor its posts as later turns read them stand there as words."""
    await rows.arrived(
        store,
        written(0, "What is open?", author=""),
        written(1, "Two questions.", author="job:standup"),
        written(2, "which?"),
    )
    shown = await history(store).messages(CHAT)
    assert [item.body for item in shown] == ["which?"]


async def test_what_was_pruned_is_not_shown(store: SqliteStore) -> None:
    """The chat stays with the words that are left; an edit whose words went leaves the post's."""
    await rows.arrived(store, written(1, "old", state="done"), written(5, "new"))
    await answered(store, 2, "Old answer.")
    await answered(store, 6, "New answer.")

    def unit(tx: Tx) -> None:
        change = rows.new_outbox("edit", op="edit", target_id=2, content="{}")
        edit = outbox.insert(tx, change, now=rows.NOW)
        assert edit is not None
        outbox.settle(tx, edit.id, state="sent", message_id=None, reason=None, now=rows.NOW)
        retention.forget_events(tx, (1,), now=rows.NOW)
        retention.forget_sends(tx, (1, edit.id), now=rows.NOW)

    await rows.write(store, unit)
    items = await history(store).messages(CHAT)
    shown = [
        item.body if isinstance(item.body, str) else blocks.plain_text(item.body) for item in items
    ]
    assert shown == ["new", "New answer."]
    assert len(await history(store).chats("local")) == 1


async def test_a_chat_has_a_title_from_its_first_words_on(store: SqliteStore) -> None:
    """Before its first turn has begun, and where only commands were given; cut to one line."""
    await rows.arrived(store, written(1, f"What is\n\n this? {'x' * 80}"))
    (summary,) = await history(store).chats("local")
    assert summary.chat == CHAT
    assert summary.title == f"What is this? {'x' * 46}"
    assert await history(store).chats("somebody-else") == ()


async def test_the_demonstration_is_named(store: SqliteStore) -> None:
    """The page is told that nobody but a script answers, and what can be tried."""
    answering = await history(store).answering(CHAT)
    assert answering.demo
    assert "What can you do?" in answering.examples


async def sent(store: SqliteStore, content: outgoing.Content, **fields: object) -> int:
    """A row of ours that was carried out; its id."""
    base = rows.new_outbox("k", account="web:local", chat=PLACE, content=outgoing.dump(content))
    new = replace(base, **fields)  # type: ignore[arg-type]
    message_id = None if new.target_id else new.nonce

    def unit(tx: Tx) -> int:
        row = outbox.insert(tx, new, now=rows.NOW)
        assert row is not None
        outbox.settle(tx, row.id, state="sent", message_id=message_id, reason=None, now=rows.NOW)
        return row.id

    return await rows.write(store, unit)


async def test_files_and_buttons_are_those_of_the_rows(store: SqliteStore) -> None:
    """A message stands as its last change left it; a file's bytes are read when asked for."""
    file = outgoing.File(data=b"a;b", name="a.csv", mime="text/csv", caption="Here.")
    go = ((Button(label="Go", payload="p", style="primary"),),)
    await sent(store, file, op="upload", nonce="f1", dedupe_key="k1")
    question = outgoing.Words(body=plain("Again?"), controls=go)
    asked = await sent(store, question, nonce="q1", dedupe_key="k2")
    stored = history(store)
    shown = {item.message_id: item for item in await stored.messages(CHAT)}
    assert (shown["f1"].file_name, shown["f1"].body) == ("a.csv", plain("Here."))
    assert shown["q1"].controls == go
    assert await stored.file(CHAT, "f1") == StoredFile(name="a.csv", data=b"a;b")
    answer = outgoing.Words(body=plain("Done."))
    await sent(store, answer, op="edit", target_id=asked, nonce="e1", dedupe_key="k3")
    shown = {item.message_id: item for item in await stored.messages(CHAT)}
    assert (shown["q1"].body, shown["q1"].controls) == (plain("Done."), ())
    assert shown["q1"].boxed  # it was asked once, and still looks like it
    assert not shown["f1"].boxed


async def test_a_file_is_of_its_chat_and_not_for_ever(store: SqliteStore) -> None:
    """Another chat, an ordinary message, a file taken back and one let go give nothing."""
    file = outgoing.File(data=b"x", name="a", mime="a/b")
    words = outgoing.Words(body=plain("x"))
    taken_back = await sent(store, file, op="upload", nonce="f1", dedupe_key="k1")
    await sent(store, file, op="upload", nonce="f2", dedupe_key="k2")
    await sent(store, words, nonce="m1", dedupe_key="k3")
    stored = history(store)
    assert await stored.file(CHAT, "f1") is not None
    await sent(
        store,
        outgoing.Nothing(),
        op="delete",
        target_id=taken_back,
        nonce="d1",
        dedupe_key="k4",
    )
    other = replace(CHAT, chat_id="1b8b4b0e-64ba-4e4b-9a3c-0d8f2b6c1a11")
    for chat, ident in ((other, "f2"), (CHAT, "m1"), (CHAT, "f1"), (CHAT, "nothing")):
        assert await stored.file(chat, ident) is None
    assert await stored.file(CHAT, "f2") is not None
    await rows.write(store, lambda tx: tx.run("UPDATE outbox SET content = '', pruned_at = 1"))
    assert await stored.file(CHAT, "f2") is None
    assert await stored.messages(CHAT) == ()


async def test_notices_are_listed_once_there_are_any(store: SqliteStore) -> None:
    """Each user's own, by their time among the others, also after the person answered there."""
    stored = history(store)
    notices = notices_of("local")
    place = f"web:{notices.chat_id}"
    await rows.arrived(store, written(1, "hello"))
    assert [chat.title for chat in await stored.chats("local")] == ["hello"]
    words = outgoing.Words(body=plain("Slack is stopped."))
    await sent(store, words, chat=place, nonce="n1", dedupe_key="k1")
    assert [chat.title for chat in await stored.chats("local")] == ["hello", "Notices"]
    assert await stored.chats("ann") == ()
    answer = written(2, "Why?", chat=place, session_key=f"web:local|{place}")
    await rows.arrived(store, answer)
    newest, _ = await stored.chats("local")
    assert (newest.chat, newest.title) == (notices, "Notices")
    assert len(await stored.messages(notices)) == 2
