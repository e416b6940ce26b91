"""What a terminal missed, read from rows, and how far it is noted as shown."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway import outgoing
from gateway.errors import StoreFailed
from gateway.store import migrate
from gateway.store.base import Store, Tx
from gateway.store.records import cursors, outbox
from gateway.store.sqlite import SqliteStore, open_sqlite
from gateway.terminal_history import ROWS_READ, TerminalHistory
from platforms.blocks import plain, plain_text
from platforms.content import Button
from platforms.errors import PlatformUnavailable
from platforms.terminal.limits import FILES_MAX_BYTES, RECALLED_MAX
from platforms.terminal.parse import chat_of
from platforms.terminal.wire import File, MessageGone, MessageShown
from tests.gateway.records import rows

CHAT = chat_of(1000)
PLACE = f"terminal:{CHAT.chat_id}"
NOBODY: frozenset[str] = frozenset()


def new(key: str, content: outgoing.Content, **fields: Any) -> outbox.NewOutbox:
    """A row for the chat; `key` is its nonce too."""
    base = rows.new_outbox(
        key, account="terminal:local", chat=PLACE, content=outgoing.dump(content), nonce=key
    )
    return replace(base, **fields)


async def sent(store: Store, key: str, content: outgoing.Content | str, **fields: Any) -> int:
    """A row that was carried out; its id."""
    if isinstance(content, str):
        content = outgoing.Words(body=plain(content))
    row = await rows.inserted(store, new(key, content, **fields))
    await settled(store, row)
    return row.id


async def settled(store: Store, row: outbox.OutboxRow) -> None:
    """A row is carried out."""
    message_id = None if row.target_id else row.nonce
    await rows.write(
        store,
        lambda tx: outbox.settle(
            tx, row.id, state="sent", message_id=message_id, reason=None, now=rows.NOW
        ),
    )


async def texts(history: TerminalHistory) -> list[str]:
    """The words of what was missed."""
    missed = await history.missed(CHAT, NOBODY)
    return [plain_text(push.body) for push in missed if isinstance(push, MessageShown)]


async def test_what_was_missed_is_shown_until_it_is_noted(store: SqliteStore) -> None:
    """In order, for this chat alone, and not what stands there for sure already."""
    history = TerminalHistory(store)
    await sent(store, "n1", "one")
    await sent(store, "n2", "two")
    await sent(store, "x1", "elsewhere", chat="terminal:1000-work")
    await rows.inserted(store, new("n3", outgoing.Words(body=plain("not yet"))))
    assert await texts(history) == ["one", "two"]
    assert [m.message_id for m in await history.missed(CHAT, {"n1"})] == ["n2"]
    await history.shown(CHAT)
    assert await texts(history) == []
    await sent(store, "n4", "four")
    assert await texts(history) == ["four"]


async def test_the_position_stops_before_what_is_on_its_way(store: SqliteStore) -> None:
    """Rows of another line may be settled first; nothing is passed over."""
    history = TerminalHistory(store)
    late = await rows.inserted(store, new("n1", outgoing.Words(body=plain("late"))))
    await sent(store, "n2", "early")
    assert not await history.shown(CHAT)
    await settled(store, late)
    assert await texts(history) == ["late", "early"]
    assert await history.shown(CHAT)
    assert await texts(history) == []


async def test_other_chats_hold_up_no_position(store: SqliteStore) -> None:
    """Only what goes to this chat is waited for."""
    history = TerminalHistory(store)
    words = outgoing.Words(body=plain("elsewhere"))
    await rows.inserted(store, new("x1", words, chat="terminal:1000-work"))
    await sent(store, "n1", "one")
    assert await history.shown(CHAT)
    assert await texts(history) == []


async def test_a_message_is_shown_as_its_last_change_left_it(store: SqliteStore) -> None:
    """At the place of its post; one that was seen and changed since is shown again, once."""
    history = TerminalHistory(store)
    post = await sent(store, "n1", "half")
    card = await sent(store, "n2", "Again?")
    await history.shown(CHAT)
    go = ((Button(label="Go", payload="p", style="primary"),),)
    asked = outgoing.Words(body=plain("Again, please?"), controls=go)
    await sent(store, "e2", asked, op="edit", target_id=card)
    await sent(store, "e1", "most", op="edit", target_id=post)
    await sent(store, "e3", "whole", op="edit", target_id=post)
    assert await history.missed(CHAT, NOBODY) == (
        MessageShown(message_id="n1", body=plain("whole")),
        MessageShown(message_id="n2", body=plain("Again, please?"), controls=go),
    )


async def test_a_message_that_was_taken_back_is_gone(store: SqliteStore) -> None:
    """A terminal that kept its screen takes it away."""
    history = TerminalHistory(store)
    post = await sent(store, "n1", "surplus")
    await history.shown(CHAT)
    await sent(store, "d1", outgoing.Nothing(), op="delete", target_id=post)
    assert await history.missed(CHAT, NOBODY) == (MessageGone(message_id="n1"),)


async def test_files_come_with_their_bytes(store: SqliteStore) -> None:
    """The newest, as far as memory goes; of the others it is said."""
    history = TerminalHistory(store)
    data = bytes(FILES_MAX_BYTES // 2)
    for number in range(3):
        file = outgoing.File(data=data, name=f"{number}.bin", mime="a/b", caption="Here.")
        await sent(store, f"f{number}", file, op="upload")
    first, second, third = await history.missed(CHAT, NOBODY)
    assert isinstance(first, MessageShown)
    assert first.file is None
    assert (
        plain_text(first.body)
        == "Here.\n\nThe file 0.bin is not shown: there were too many at once."
    )
    for number, push in ((1, second), (2, third)):
        whole = File(name=f"{number}.bin", mime="a/b", data=data)
        assert push == MessageShown(message_id=f"f{number}", body=plain("Here."), file=whole)


@pytest.mark.parametrize("purpose", ["anchor", "part"])
async def test_an_answer_that_still_grows_is_not_missed(store: SqliteStore, purpose: str) -> None:
    """Its stored words are only the first; its end is a row of its own."""
    history = TerminalHistory(store)
    turn = await rows.opened(store, rows.arrival())
    post = await sent(store, "n1", "The fir", purpose=purpose, turn_id=turn.turn_id)
    assert await texts(history) == []
    await history.shown(CHAT)
    await rows.closed(store, turn)
    await sent(store, "e1", "The first.", op="edit", target_id=post, purpose="final")
    assert await texts(history) == ["The first."]


async def test_only_the_newest_are_shown(store: SqliteStore) -> None:
    """Nobody reads a month of messages at an opening."""

    def unit(tx: Tx) -> None:
        for number in range(ROWS_READ + 10):
            row = outbox.insert(
                tx, new(f"n{number}", outgoing.Words(body=plain(str(number)))), now=rows.NOW
            )
            assert row is not None
            outbox.settle(tx, row.id, state="sent", message_id=row.nonce, reason=None, now=rows.NOW)

    await rows.write(store, unit)
    newest = range(ROWS_READ + 10 - RECALLED_MAX, ROWS_READ + 10)
    assert await texts(TerminalHistory(store)) == [str(number) for number in newest]


async def test_what_was_pruned_is_not_shown(store: SqliteStore) -> None:
    """There is nothing left to show."""
    await sent(store, "n1", "old")
    await rows.write(store, lambda tx: tx.run("UPDATE outbox SET content = '', pruned_at = 1"))
    assert await texts(TerminalHistory(store)) == []


async def test_a_store_that_is_closed(store: SqliteStore) -> None:
    """Nobody is told that nothing was missed; what was shown is shown once more later."""
    await store.close()
    history = TerminalHistory(store)
    with pytest.raises(PlatformUnavailable):
        await history.missed(CHAT, NOBODY)
    assert await history.shown(CHAT)


async def test_what_was_sent_before_positions_were_kept_counts_as_shown(tmp_path: Path) -> None:
    """An upgrade shows nobody what they have read long ago."""

    def unexpected(failure: StoreFailed) -> None:
        raise AssertionError(failure)

    older = await open_sqlite(tmp_path / "state", migrate.packaged()[:1], on_failure=unexpected)
    insert = (
        "INSERT INTO outbox (dedupe_key, account, chat, purpose, op, content, nonce, state,"
        " message_id, created_at) VALUES (?, ?, ?, 'send', 'post', ?, ?, ?, ?, 1)"
    )
    content = outgoing.dump(outgoing.Words(body=plain("old")))
    for key, state in (("n1", "sent"), ("n2", "sent"), ("n3", "pending")):
        row = (key, "terminal:local", PLACE, content, key, state, key)
        await rows.write(older, lambda tx: tx.run(insert, *row))  # noqa: B023 - runs at once
    await older.close()
    store = await open_sqlite(tmp_path / "state", migrate.packaged(), on_failure=unexpected)
    try:
        position = await store.read(
            lambda tx: cursors.shown(tx, account="terminal:local", chat=PLACE)
        )
        assert position == 2
        await sent(store, "n4", "new")
        assert await texts(TerminalHistory(store)) == ["new"]
    finally:
        await store.close()
