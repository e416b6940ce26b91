"""Inbox rows: dedupe, order, and what may still change while a message waits."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.attached import Attached
from gateway.store.base import Store
from gateway.store.records import due, inbox
from gateway.store.records.inbox import Content
from gateway.store.records.sessions import OpenTurn
from tests.gateway.records.rows import (
    ACCOUNT,
    ANN,
    CHAT,
    KEY,
    NOW,
    arrival,
    arrived,
    closed,
    inbox_states,
    next_work,
    opened,
    queued_command,
    write,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
CONTENTS = st.builds(
    Content,
    kind=st.sampled_from(["message", "command", "press", "amendment", "none"]),
    author=TEXT,
    author_name=TEXT,
    reply_to=TEXT,
    grouped=st.booleans(),
    shared=st.booleans(),
    text=TEXT,
    quote=TEXT,
    quote_author=TEXT,
    attachments=st.lists(
        st.builds(Attached, kind=st.just("image"), name=TEXT, bytes=st.integers(0, 9), file=TEXT),
        max_size=3,
    ).map(tuple),
    command=TEXT,
    args=TEXT,
    press_kind=TEXT,
    press_value=TEXT,
    press_until=st.integers(0, 2**60),
    album=TEXT,
    forwarded=st.booleans(),
    long=st.booleans(),
)


@given(content=CONTENTS)
def test_content_comes_back_as_it_was(content: Content) -> None:
    """What is written is what is read."""
    assert Content.from_json(content.to_json()) == content


def test_no_content_is_read_as_none() -> None:
    """A row without content says nothing."""
    assert Content.from_json(None) == Content(kind="none")


@pytest.mark.parametrize(
    "again",
    [
        arrival(1),
        arrival(2, delivery_key="d1"),
        arrival(2, logical_key="l1"),
        arrival(1, state="ignored", reason="own_echo", lane=None),
    ],
)
async def test_either_key_makes_a_repeat(store: Store, again: inbox.Arrival) -> None:
    """The same delivery or the same act is stored once and counted on its first row."""
    await arrived(store, arrival(1))
    assert await write(store, lambda tx: inbox.insert(tx, again)) is None
    rows = await store.read(lambda tx: tx.rows("SELECT state, repeats FROM inbox"))
    assert rows == [("new", 1)]


async def test_keys_of_another_account_are_other_keys(store: Store) -> None:
    """Two bots in one chat do not take each other's messages for repeats."""
    await arrived(store, arrival(1), arrival(1, account="telegram:78"))
    assert len(await inbox_states(store)) == 2


async def test_a_repeat_that_joins_two_rows_is_counted_on_both(store: Store) -> None:
    """A delivery known by one key and an act known by the other is still one repeat."""
    await arrived(store, arrival(1), arrival(2))
    crossed = arrival(3, delivery_key="d1", logical_key="l2")
    assert await write(store, lambda tx: inbox.insert(tx, crossed)) is None
    rows = await store.read(lambda tx: tx.rows("SELECT repeats FROM inbox ORDER BY id"))
    assert rows == [(1,), (1,)]


async def test_waiting_comes_in_platform_order(store: Store) -> None:
    """Order of the chat, not of arrival; equal places by arrival."""
    await arrived(store, arrival(3), arrival(1), arrival(2, order=(1, 5)), arrival(4, order=(1, 5)))
    rows = await store.read(lambda tx: inbox.waiting_in(tx, KEY))
    assert [row.message_id for row in rows] == ["1", "2", "4", "3"]


async def test_waiting_is_only_what_this_session_may_start(store: Store) -> None:
    """Other sessions, other lanes and settled rows are not in it."""
    await arrived(
        store,
        arrival(1),
        arrival(2, session_key="other"),
        arrival(3, lane="now"),
        arrival(4, lane="press"),
        arrival(5, state="ignored", reason="not_addressed", lane=None),
    )
    rows = await store.read(lambda tx: inbox.waiting_in(tx, KEY))
    assert [row.message_id for row in rows] == ["1"]
    assert rows[0] == inbox.Waiting(
        id=1,
        account=ACCOUNT,
        chat=CHAT,
        lane="turn",
        session_key=KEY,
        message_id="1",
        content=arrival(1).content,
        received_at=NOW,
    )


async def test_the_oldest_fifty_wait_first(store: Store) -> None:
    """A flood is taken in portions."""
    await arrived(store, *(arrival(number) for number in range(60, 0, -1)))
    rows = await store.read(lambda tx: inbox.waiting_in(tx, KEY))
    assert [row.message_id for row in rows] == [str(number) for number in range(1, 51)]


async def test_waiting_now_are_commands_and_presses(store: Store) -> None:
    """What a restart takes up at once, oldest first."""
    await arrived(store, arrival(1), arrival(2, lane="press"), arrival(3, lane="now"))
    rows = await store.read(inbox.waiting_now)
    assert [(row.id, row.lane) for row in rows] == [(2, "press"), (3, "now")]


async def test_sessions_waiting_oldest_first(store: Store) -> None:
    """Each session once, the one that has waited longest first."""
    await arrived(
        store,
        arrival(1, session_key="b"),
        arrival(2, session_key="a"),
        arrival(3, session_key="b"),
        arrival(4, session_key="c", lane="now"),
    )
    assert await store.read(inbox.sessions_waiting) == ["b", "a"]


async def test_only_what_waits_is_claimed(store: Store) -> None:
    """A row that was withdrawn between look and claim stays withdrawn."""
    ids = await arrived(store, arrival(1), arrival(2))
    await write(store, lambda tx: inbox.withdraw(tx, account=ACCOUNT, chat=CHAT, message_id="1"))
    await write(store, lambda tx: inbox.claim(tx, ids, 9))
    await write(store, lambda tx: inbox.finish_turn(tx, 9))
    assert await inbox_states(store) == {
        1: ("ignored", "deleted_by_author", None),
        2: ("done", None, 9),
    }


async def test_finish_says_whether_the_row_waited(store: Store) -> None:
    """A command that is settled twice is settled once."""
    (ident,) = await arrived(store, arrival(1, lane="now"))
    assert await write(store, lambda tx: inbox.finish(tx, ident))
    assert not await write(store, lambda tx: inbox.finish(tx, ident))


async def test_a_command_keeps_its_answer_until_it_is_done(store: Store) -> None:
    """So that a crash between what it did and its answer does not do it again."""
    (ident,) = await arrived(store, arrival(1, lane="now"))
    assert await write(store, lambda tx: inbox.kept_answer(tx, ident)) is None
    await write(store, lambda tx: inbox.keep_answer(tx, ident, "It is raised."))
    assert await write(store, lambda tx: inbox.kept_answer(tx, ident)) == "It is raised."
    assert await write(store, lambda tx: inbox.finish(tx, ident))
    assert await write(store, lambda tx: inbox.kept_answer(tx, ident)) is None


async def edited(store: Store, **fields: str) -> bool:
    """Edit message 1 as ann would."""
    given = {"account": ACCOUNT, "chat": CHAT, "message_id": "1", "author": ANN, "text": "edited"}
    return await write(store, lambda tx: inbox.replace_text(tx, **(given | fields)))


async def text_of(store: Store, ident: int = 1) -> str:
    """The text of an inbox row."""
    row = await store.read(lambda tx: tx.row("SELECT content FROM inbox WHERE id = ?", ident))
    assert row is not None
    return Content.from_json(row[0]).text


async def test_an_edit_replaces_the_text_that_waits(store: Store) -> None:
    """Everything else of the message stays as it was."""
    await arrived(store, arrival(1))
    assert await edited(store)
    (row,) = await store.read(lambda tx: inbox.waiting_in(tx, KEY))
    assert row.content == replace(arrival(1).content, text="edited")


@pytest.mark.parametrize(
    "fields",
    [
        {"author": "telegram:2"},
        {"chat": "telegram:2"},
        {"account": "telegram:78"},
        {"message_id": "2"},
    ],
)
async def test_an_edit_reaches_only_its_own_message(store: Store, fields: dict[str, str]) -> None:
    """Another author, chat, account or message changes nothing."""
    await arrived(store, arrival(1))
    assert not await edited(store, **fields)
    assert await text_of(store) == "message 1"


@pytest.mark.parametrize(
    "given",
    [
        queued_command(1),
        arrival(1, lane="now"),
        arrival(1, state="refused", reason="too_large", lane=None),
    ],
)
async def test_an_edit_makes_and_changes_no_command(store: Store, given: inbox.Arrival) -> None:
    """A command stays what it was when it came, and what was refused stays refused."""
    await arrived(store, given)
    before = await text_of(store)
    assert not await edited(store)
    assert await text_of(store) == before


async def test_an_edit_after_the_claim_is_too_late(store: Store) -> None:
    """The turn has read the message."""
    ids = await arrived(store, arrival(1))
    await write(store, lambda tx: inbox.claim(tx, ids, 1))
    assert not await edited(store)


async def test_withdrawn_is_what_waits_and_nothing_else(store: Store) -> None:
    """A deletion takes its message out of the queue, once, and leaves a reason."""
    await arrived(store, arrival(1), arrival(2), arrival(3, lane="now"))

    async def withdraw(ident: str) -> bool:
        return await write(
            store, lambda tx: inbox.withdraw(tx, account=ACCOUNT, chat=CHAT, message_id=ident)
        )

    assert [await withdraw(i) for i in ("1", "1", "3", "9")] == [True, False, False, False]
    assert [state for state, _, _ in (await inbox_states(store)).values()] == [
        "ignored",
        "new",
        "new",
    ]


async def test_stop_all_withdraws_what_waits_in_the_session(store: Store) -> None:
    """Queued commands too; what runs and other sessions are left alone."""
    ids = await arrived(
        store, arrival(1), arrival(2), queued_command(3), arrival(4, session_key="other")
    )
    await write(store, lambda tx: inbox.claim(tx, ids[:1], 1))
    assert await write(store, lambda tx: inbox.withdraw_session(tx, KEY)) == 2
    assert await inbox_states(store) == {
        1: ("claimed", None, 1),
        2: ("ignored", "withdrawn_by_stop", None),
        3: ("ignored", "withdrawn_by_stop", None),
        4: ("new", None, None),
    }


async def test_counts_by_lane(store: Store) -> None:
    """Status shows how much waits in each lane; settled rows don't count."""
    await arrived(
        store,
        arrival(1),
        arrival(2),
        arrival(3, lane="press"),
        arrival(4, state="ignored", reason="own_echo", lane=None),
    )
    assert await store.read(inbox.counts) == {"turn": 2, "press": 1}


def picture(number: int, at_s: float, caption: str = "") -> inbox.Arrival:
    """A picture of one album."""
    plain = arrival(number)
    content = replace(plain.content, text=caption, album="a1")
    return replace(plain, content=content, received_at=NOW + int(at_s * 1_000_000))


async def test_what_belongs_together_waits_as_one_message(store: Store) -> None:
    """While more of it may come it can be left out; the rows themselves stay as they are."""
    await arrived(store, arrival(1), picture(2, 0.0, "Sea"), picture(3, 0.5, "Sun"))

    async def texts(now: int | None) -> list[str]:
        found = await store.read(lambda tx: inbox.waiting_in(tx, KEY, now=now))
        return [row.content.text for row in found]

    assert await texts(None) == ["message 1", "Sea\nSun"]
    assert await texts(NOW + 1_200_000) == ["message 1"]
    assert await texts(NOW + 1_300_000) == ["message 1", "Sea\nSun"]
    rows = await store.read(lambda tx: inbox.rows_in(tx, KEY))
    assert [row.content.text for row in rows] == ["message 1", "Sea", "Sun"]


async def test_a_turn_claims_every_row_of_an_input(store: Store) -> None:
    """Named by its first; the transcript has one message for it."""
    turn = await opened(store, picture(1, 0.0, "Sea"), picture(2, 0.5, "Sun"), arrival(3))
    assert [m.text for m in turn.rows.messages] == ["Sea\nSun", "message 3"]
    assert set((await inbox_states(store)).values()) == {("claimed", None, turn.turn_id)}


async def test_one_by_one_means_one_input(store: Store) -> None:
    """With `queue` an album is answered once."""
    await arrived(store, picture(1, 0.0), picture(2, 0.5), arrival(3))
    await next_work(store, one_by_one=True)
    assert [s for s, _, _ in (await inbox_states(store)).values()] == ["claimed", "claimed", "new"]


async def test_an_edit_and_a_deletion_reach_one_row_of_an_input(store: Store) -> None:
    """The others of the album wait on."""
    await arrived(store, picture(1, 0.0, "Sea"), picture(2, 0.1, "Sun"), picture(3, 0.2, "Sky"))
    await write(
        store,
        lambda tx: inbox.replace_text(
            tx, account=ACCOUNT, chat=CHAT, message_id="2", author=ANN, text="Moon"
        ),
    )
    await write(store, lambda tx: inbox.withdraw(tx, account=ACCOUNT, chat=CHAT, message_id="1"))
    (row,) = await store.read(lambda tx: inbox.waiting_in(tx, KEY))
    assert (row.id, row.content.text) == (2, "Moon\nSky")


async def test_an_input_is_withdrawn_whole(store: Store) -> None:
    """By its first row, and nothing else with it."""
    await arrived(store, picture(1, 0.0), picture(2, 0.1), arrival(3))
    await write(store, lambda tx: inbox.withdraw_inputs(tx, [1]))
    gone = ("ignored", "withdrawn_by_stop", None)
    assert await inbox_states(store) == {1: gone, 2: gone, 3: ("new", None, None)}


async def test_waiting_rows_are_counted(store: Store) -> None:
    """Up to a limit in one session, or in all of them at once; only what still waits."""
    elsewhere = replace(arrival(4), session_key="other")
    await arrived(store, arrival(1), arrival(2), arrival(3), elsewhere)
    await write(store, lambda tx: inbox.refuse(tx, 1, "queue_full"))
    assert await store.read(lambda tx: inbox.waiting_count(tx, KEY, 10)) == 2
    assert await store.read(lambda tx: inbox.waiting_count(tx, KEY, 1)) == 1
    assert await store.read(inbox.waiting_by_session) == {KEY: 2, "other": 1}
    assert (await inbox_states(store))[1] == ("refused", "queue_full", None)


async def test_what_is_due(store: Store) -> None:
    """Nothing, an input that is complete or not, and an open turn before either."""

    async def look(now: int = NOW) -> due.Due | None:
        return await store.read(lambda tx: due.look(tx, KEY, now=now))

    assert await look() is None
    await arrived(store, picture(1, 0.0))
    assert await look() == due.Due(person=ANN, wait_s=0.8)
    assert await look(NOW + 800_000) == due.Due(person=ANN)
    turn = await next_work(store)
    assert isinstance(turn, OpenTurn)
    await arrived(store, picture(2, 0.1))
    assert await look() == due.Due(person=ANN, opened=True)
    assert await store.read(lambda tx: due.is_open(tx, turn.turn_id))
    await closed(store, turn)
    assert not await store.read(lambda tx: due.is_open(tx, turn.turn_id))
    assert await look(NOW + 100_000) == due.Due(person=ANN, wait_s=0.8)
