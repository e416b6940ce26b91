"""What the page shows of the past, read from rows."""

from dataclasses import replace

import orjson

from agent.credentials import StaticKey
from agent.failover import Entry
from agent.providers.demo import Demo
from gateway.store.base import Tx
from gateway.store.records import inbox, outbox, retention
from gateway.store.sqlite import SqliteStore
from gateway.web.history import StoredHistory
from platforms import blocks
from platforms.blocks import plain
from platforms.events import ChatRef
from platforms.web.parse import ACCOUNT
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
