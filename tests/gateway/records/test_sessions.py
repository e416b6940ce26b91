"""What a session should do next: open a turn, take one up again, carry out a command."""

from dataclasses import replace

import pytest

from agent.messages import PartialReply, UserMessage
from gateway.attached import Attached
from gateway.errors import ConstraintViolated
from gateway.store.base import Store
from gateway.store.records import inbox, sessions
from gateway.store.records.sessions import CommandDue, OpenTurn, user_message
from tests.agent.scripted import assistant
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


def words(turn: OpenTurn) -> list[str]:
    """The people's words a turn has in view."""
    return [m.text for m in turn.rows.messages if isinstance(m, UserMessage)]


async def test_nothing_waits(store: Store) -> None:
    """A session that is not there has nothing to do."""
    assert await next_work(store) is None
    assert await store.read(lambda tx: sessions.current(tx, KEY)) is None


async def test_a_turn_claims_everything_that_waits(store: Store) -> None:
    """All messages become one input in platform order; the last one is answered."""
    turn = await opened(store, arrival(2, "world"), arrival(1, "hello"))
    assert words(turn) == ["hello", "world"]
    assert turn == OpenTurn(
        session_id=1,
        session_key=KEY,
        epoch=1,
        turn_id=1,
        number=1,
        account=ACCOUNT,
        reply_to=CHAT,
        grouped=False,
        requester=ANN,
        requester_name="Ann",
        asked="2",
        said=(),
        settings={},
        rows=turn.rows,
        resumed=False,
    )
    assert (turn.rows.session, turn.rows.turn, turn.rows.steps) == ("1", 1, 0)
    assert await inbox_states(store) == {1: ("claimed", None, 1), 2: ("claimed", None, 1)}


async def test_one_by_one_each_message_gets_its_turn(store: Store) -> None:
    """With `busy = "queue"` the second message waits for the first one's turn to end."""
    await arrived(store, arrival(1), arrival(2))
    first = await next_work(store, one_by_one=True)
    assert isinstance(first, OpenTurn)
    assert words(first) == ["message 1"]
    await closed(store, first)
    second = await next_work(store, one_by_one=True)
    assert isinstance(second, OpenTurn)
    assert (words(second), second.number) == (["message 1", "message 2"], 2)


async def test_a_queued_command_divides_what_waits(store: Store) -> None:
    """Messages before /new belong to the old session, those behind it to the fresh one."""
    await arrived(store, arrival(1), queued_command(2), arrival(3))
    first = await next_work(store)
    assert isinstance(first, OpenTurn)
    assert words(first) == ["message 1"]
    await closed(store, first)
    due = await next_work(store)
    assert isinstance(due, CommandDue)
    assert due.row.content.command == "new"
    assert await write(store, lambda tx: sessions.begin_fresh(tx, due.row, now=NOW)) is None
    last = await next_work(store)
    assert isinstance(last, OpenTurn)
    assert words(last) == ["message 3"]
    assert last.session_id != first.session_id


async def test_a_turn_that_stayed_open_is_taken_up_again(store: Store) -> None:
    """Before anything that waits; with a new epoch, and with what was said so far."""
    first = await opened(store, arrival(1))
    await write(
        store,
        lambda tx: sessions.append(
            tx, first, (PartialReply(text="half"), assistant("more")), now=NOW
        ),
    )
    await arrived(store, arrival(2))
    again = await next_work(store)
    assert isinstance(again, OpenTurn)
    assert again.resumed
    assert (again.turn_id, again.epoch, again.number) == (1, 2, 1)
    assert again.said == ("half", "more")
    assert words(again) == ["message 1"]
    row = await store.read(lambda tx: tx.row("SELECT attempt FROM turn"))
    assert row == (2,)


async def test_said_is_of_this_turn_alone(store: Store) -> None:
    """Answers of earlier turns are in view, but not part of this turn's reply."""
    first = await opened(store, arrival(1))
    await write(store, lambda tx: sessions.append(tx, first, (assistant("one"),), now=NOW))
    await closed(store, first)
    second = await opened(store, arrival(2))
    assert second.said == ()
    assert second.rows.messages[1] == assistant("one")
    assert (second.rows.turn, second.rows.calls_made) == (2, 0)


async def test_a_flood_is_taken_in_portions(store: Store) -> None:
    """Fifty messages make one turn, the rest the next."""
    turn = await opened(store, *(arrival(number) for number in range(1, 56)))
    assert len(words(turn)) == 50
    await closed(store, turn)
    rest = await next_work(store)
    assert isinstance(rest, OpenTurn)
    assert words(rest)[-5:] == [f"message {n}" for n in range(51, 56)]


async def test_sessions_keep_apart(store: Store) -> None:
    """Another key is another session with its own numbers."""
    await opened(store, arrival(1))
    await arrived(store, arrival(2, session_key="other"))
    other = await next_work(store, key="other")
    assert isinstance(other, OpenTurn)
    assert (other.number, other.epoch, words(other)) == (1, 1, ["message 2"])
    assert other.session_id != 1


async def test_drain_joins_what_came_meanwhile(store: Store) -> None:
    """Up to the next command; claimed, stored and answered with the turn."""
    turn = await opened(store, arrival(1))
    await arrived(store, arrival(2), queued_command(3), arrival(4))
    joined = await write(store, lambda tx: sessions.drain(tx, turn, now=NOW))
    assert joined == (UserMessage(text="message 2"),)
    assert await write(store, lambda tx: sessions.drain(tx, turn, now=NOW)) == ()
    await closed(store, turn)
    assert {i: state for i, (state, _, _) in (await inbox_states(store)).items()} == {
        1: "done",
        2: "done",
        3: "new",
        4: "new",
    }


async def test_new_with_words_opens_the_fresh_sessions_turn(store: Store) -> None:
    """`/new TEXT` is a fresh session whose first input is the text."""
    old = await opened(store, arrival(1))
    await closed(store, old)
    await arrived(store, queued_command(2, args="Plan a trip."))
    due = await next_work(store)
    assert isinstance(due, CommandDue)
    turn = await write(store, lambda tx: sessions.begin_fresh(tx, due.row, now=NOW))
    assert turn is not None
    assert words(turn) == ["Plan a trip."]
    assert (turn.number, turn.session_id) == (1, 2)
    assert (await inbox_states(store))[2] == ("claimed", None, turn.turn_id)
    info = await store.read(lambda tx: sessions.current(tx, KEY))
    assert info is not None
    assert (info.id, info.title, info.turns) == (2, "Plan a trip.", 1)


async def test_new_without_words_leaves_no_session(store: Store) -> None:
    """The old one is kept but closed; the next message begins a fresh one."""
    await closed(store, await opened(store, arrival(1)))
    await arrived(store, queued_command(2))
    due = await next_work(store)
    assert isinstance(due, CommandDue)
    assert await write(store, lambda tx: sessions.begin_fresh(tx, due.row, now=NOW)) is None
    assert await store.read(lambda tx: sessions.current(tx, KEY)) is None
    assert (await inbox_states(store))[2][0] == "done"
    fresh = await opened(store, arrival(3))
    assert words(fresh) == ["message 3"]


async def test_a_title_is_the_first_words(store: Store) -> None:
    """One line of at most 60 characters."""
    await opened(store, arrival(1, "  What   is\n\nthe plan " + "x" * 80))
    info = await store.read(lambda tx: sessions.current(tx, KEY))
    assert info is not None
    assert info.title == ("What is the plan " + "x" * 80)[:60]
    assert info.turns == 1


async def test_settings_belong_to_the_session(store: Store) -> None:
    """A choice is there for the next turn."""
    turn = await opened(store, arrival(1))
    await write(store, lambda tx: sessions.change_settings(tx, turn.session_id, {"model": "spare"}))
    await closed(store, turn)
    assert (await opened(store, arrival(2))).settings == {"model": "spare"}


async def test_one_session_in_force_for_a_key(store: Store) -> None:
    """The schema itself refuses a second one."""
    await opened(store, arrival(1))
    await arrived(store, arrival(2))
    (row,) = await store.read(lambda tx: inbox.waiting_in(tx, KEY))
    with pytest.raises(ConstraintViolated):
        await write(store, lambda tx: sessions.create(tx, row, NOW))


async def test_open_sessions_oldest_turn_first(store: Store) -> None:
    """What a start takes up again, and only that."""
    for number, key in enumerate(("c", "a", "b"), start=1):
        await arrived(store, arrival(number, session_key=key))
    turns = {key: await next_work(store, key=key) for key in ("b", "c", "a")}
    assert await store.read(sessions.open_sessions) == ["b", "c", "a"]
    done = turns["c"]
    assert isinstance(done, OpenTurn)
    await closed(store, done)
    assert await store.read(sessions.open_sessions) == ["b", "a"]


async def test_a_thread_is_joined_once_we_answered_there(store: Store) -> None:
    """A session's key is known from its first turn on, also after /new."""
    assert not await store.read(lambda tx: sessions.knows(tx, KEY))
    await closed(store, await opened(store, arrival(1)))
    assert await store.read(lambda tx: sessions.knows(tx, KEY))
    await write(store, lambda tx: sessions.retire(tx, KEY, NOW))
    assert await store.read(lambda tx: sessions.knows(tx, KEY))
    assert not await store.read(lambda tx: sessions.knows(tx, "other"))


CONTENT = arrival(1, "words").content


STICKER = Attached(kind="sticker", file="s1")
CAT = replace(STICKER, name="cat")
OLD_FILE = Attached.from_fields("a.png")


@pytest.mark.parametrize(
    ("content", "text", "author"),
    [
        (CONTENT, "words", ""),
        (replace(CONTENT, shared=True), "words", "Ann"),
        (replace(CONTENT, kind="command", args="plan"), "plan", ""),
        (
            replace(CONTENT, quote="one\ntwo", quote_author="Ben"),
            "[in reply to Ben]\n> one\n> two\n\nwords",
            "",
        ),
        (replace(CONTENT, quote="one"), "[in reply to an earlier message]\n> one\n\nwords", ""),
        (
            replace(CONTENT, text="", attachments=(STICKER, CAT, OLD_FILE)),
            "[sticker cat]\n\n[attached: a.png; it can't be read any more]",
            "",
        ),
    ],
)
def test_what_the_model_reads_of_a_message(content: inbox.Content, text: str, author: str) -> None:
    """Words, what they answer, what was attached, and who speaks where several do."""
    assert user_message(content) == UserMessage(text=text, author=author)
