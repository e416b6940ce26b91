"""The growing reply: that its final text arrives, whatever happened before."""

import asyncio
import threading
from dataclasses import replace
from typing import Any

import pytest

from agent.events import (
    ToolStarted,
)
from gateway.reply import Reply
from gateway.store.base import Tx
from gateway.store.records import outbox, sessions
from gateway.store.records.outbox import OutboxRow
from gateway.store.records.sessions import OpenTurn
from platforms.content import Edit, Post, Typing
from platforms.errors import MessageGone, SendUncertain
from platforms.pacing import Budget
from tests.gateway.growing import ENOUGH, Growing, growing
from tests.gateway.records.rows import NOW, arrival, next_work
from tests.gateway.way_out import WayOut, limited
from tests.transitions import KEPT, SYNCED


class Gate:
    """A unit that holds the writer until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def __call__(self, tx: Tx) -> None:
        assert self.go.wait(100)


async def test_an_end_while_the_placeholder_is_being_stored(way: WayOut) -> None:
    """The row is not lost: the final text becomes an edit of it, and nothing stands twice."""
    it = await growing(way)
    await it.still()
    gate = Gate()
    holding = asyncio.create_task(way.store.write(gate, transition=KEPT))
    await asyncio.sleep(0)
    it.clock.advance(1.5)
    for _ in range(10):  # the post waits for the writer now
        await asyncio.sleep(0)
    ending = asyncio.create_task(it.ends("Done."))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not ending.done()
    gate.go.set()
    await holding
    rows = await ending
    assert [(row.op, row.target_id is not None) for row in rows] == [("edit", True)]
    assert it.adapter.shown("1001") == ["Done."]


async def test_an_end_while_the_placeholder_is_being_sent(way: WayOut) -> None:
    """The final edit waits behind it in the chat's queue."""
    held = asyncio.Event()
    way.adapter.then(Post, held)
    it = await growing(way)
    await it.passes(1.5)
    await it.adapter.performing(1)
    ending = asyncio.create_task(it.ends("Done."))
    await asyncio.sleep(0)
    held.set()
    await ending
    assert it.adapter.shown("1001") == ["Done."]
    assert it.posts() == 1


async def test_an_edit_in_flight_ends_before_the_final_text(way: WayOut) -> None:
    """A late edit never overwrites the answer."""
    it = await growing(way)
    await it.first_post()
    held = asyncio.Event()
    way.adapter.then(Edit, held)
    it.say("And a lot more words behind it.\n")
    await it.passes(1.0)
    await it.adapter.performing(1, Edit)
    ending = asyncio.create_task(it.ends("Done."))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not ending.done()
    assert len(it.adapter.performed) == 2
    held.set()
    await ending
    assert it.adapter.shown("1001") == ["Done."]


async def test_a_placeholder_of_unknown_fate_does_not_hide_the_answer(way: WayOut) -> None:
    """It may stand; the answer is posted anew behind it."""
    way.adapter.then(Post, SendUncertain("cut"))
    it = await growing(way)
    await it.passes(1.5)
    await it.adapter.performing(1)
    it.say(ENOUGH)
    await it.ends("Done.")
    assert it.adapter.shown("1001") == ["Done."]


async def test_a_message_someone_deleted_does_not_hide_the_answer(way: WayOut) -> None:
    """Edits are lost quietly; the final text is posted anew."""
    it = await growing(way)
    await it.first_post()
    way.adapter.then(Edit, MessageGone("gone"), MessageGone("gone"))
    it.say("And a lot more words behind it.\n")
    await it.passes(1.0)
    await it.adapter.performing(1, Edit)
    await it.ends("Done.")
    assert it.adapter.shown("1001")[-1] == "Done."


async def test_a_fault_while_growing_costs_only_the_growth(
    way: WayOut, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged with its turn; the answer arrives."""
    it = await growing(way)
    await it.first_post()
    way.adapter.then(Edit, ZeroDivisionError())
    it.say("And a lot more words behind it.\n")
    await it.passes(1.0)
    await it.adapter.performing(1, Edit)
    await it.ends("Done.")
    assert it.adapter.shown("1001") == ["Done."]
    assert "t1 did not grow to its end" in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_abandoned_it_stands_as_it_is(way: WayOut) -> None:
    """Nothing further is shown, and abandoning twice is once."""
    it = await growing(way)
    await it.first_post()
    before = way.outlet.stream_interval(group=False)
    await it.reply.abandon()
    await it.reply.abandon()
    it.say("And a lot more words behind it.\n")
    it.clock.advance(10)
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(it.adapter.performed) == 1
    assert before == way.outlet.stream_interval(group=False) == 1.0


# Limits.


async def test_a_rate_limit_slows_it_down_and_the_third_ends_it(way: WayOut) -> None:
    """Each one doubles the interval; after three only the final text is sent."""
    it = await growing(way)
    await it.first_post()
    way.adapter.then(Edit, *(limited(0.1) for _ in range(3)))
    for number, interval in enumerate((1.0, 2.0, 4.0), start=1):
        it.say("And a lot more words behind it.\n")
        await it.passes(interval - 0.1)
        await it.still()
        assert len([op for op in it.adapter.performed if isinstance(op, Edit)]) == number - 1
        it.clock.advance(0.1)
        await it.adapter.performing(number, Edit)
    it.say("And a lot more words behind it.\n")
    it.clock.advance(60)
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(it.adapter.performed) == 4
    await it.ends("Done.")
    assert it.adapter.shown("1001") == ["Done."]


async def test_an_edit_that_finds_no_room_is_made_later(make_way: Any) -> None:
    """A full bucket drops the edit; the next interval shows the newest words."""
    budget = Budget(kinds=frozenset({"post", "edit"}), per="chat", rate_per_s=0.5, burst=1.0)
    way = make_way(budgets=(budget,))
    it = await growing(way)
    await it.first_post()
    it.say("And a lot more words behind it.\n")
    await it.passes(1.0)
    await it.still()
    assert len(it.adapter.performed) == 1
    it.clock.advance(1.0)
    await it.adapter.shows("1001", f"{ENOUGH}\n\nAnd a lot more words behind it.")


async def test_too_many_streams_show_placeholder_and_end_only(make_way: Any) -> None:
    """Where the account's edits would not go round, nobody's words flicker."""
    budget = Budget(kinds=frozenset({"edit"}), per="account", rate_per_s=0.01, burst=1.0)
    way = make_way(budgets=(budget,))
    it = await growing(way)
    await it.first_post()
    it.say("And a lot more words behind it.\n")
    it.clock.advance(60)
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(it.adapter.performed) == 1
    await it.ends("Done.")
    assert it.adapter.shown("1001") == ["Done."]


# Signs of life.


async def test_signs_of_life_until_the_first_post(make_way: Any) -> None:
    """Repeated before the platform forgets them, with what runs; taken away with the end."""
    way = make_way(typing_refresh_s=0.5)
    it = await growing(way)
    it.reply.watch(ToolStarted(call_id="c1", label="files: list"))
    await it.adapter.performing(1, Typing)
    for count in (2, 3):
        assert len(await it.clock.asleep(2)) == 2
        it.clock.advance(0.5)
        await it.adapter.performing(count, Typing)
    assert len(await it.clock.asleep(2)) == 2
    it.clock.advance(0.5)
    await it.adapter.performing(1, Post)
    await it.ends("Done.")
    signs = [op for op in await it.adapter.performing(5, Typing) if isinstance(op, Typing)]
    assert [sign.on for sign in signs] == [True] * (len(signs) - 1) + [False]
    assert {sign.label for sign in signs[:-1]} <= {"", "files: list"}


async def test_without_signs_of_life_nothing_is_taken_away(way: WayOut) -> None:
    """A platform that has none is not asked."""
    it = await growing(way)
    await it.ends("Done.")
    assert not any(isinstance(op, Typing) for op in it.adapter.performed)


# A turn that is taken up again.


async def taken_up(way: WayOut) -> Growing:
    """The same turn after a restart, with what the first run has posted."""
    turn = await next_work(way.store)
    assert isinstance(turn, OpenTurn)
    rows = await way.store.read(lambda tx: outbox.of_turn(tx, 1))
    posted = tuple(row for row in rows if row.op == "post" and row.part >= turn.parts_before)
    reply = Reply(
        turn=turn,
        outlet=way.outlet,
        store=way.store,
        clock=way.clock,
        posted=posted,
        wait=way.clock.wait,
    )
    reply.start()
    return Growing(way, reply)


async def test_a_resumed_turn_goes_on_in_its_message(way: WayOut) -> None:
    """The placeholder of the first run is edited at once; nothing is posted twice."""
    first = await growing(way)
    await first.first_post()
    await first.reply.abandon()
    way.outlet = way.made()
    again = await taken_up(way)
    await again.adapter.shows("1001", "Working on it ...")
    again.say("Paris, once more.\n")
    await again.ends("Paris.")
    assert again.adapter.shown("1001") == ["Paris."]
    assert again.posts() == 1


async def test_a_resumed_turn_whose_placeholder_never_left(way: WayOut) -> None:
    """Stored, not sent: the final text finds it whether it was sent meanwhile or not."""
    first = await growing(way)
    way.adapter.then(Post, asyncio.Event())
    await first.passes(1.5)
    await first.adapter.performing(1)
    await first.reply.abandon()
    await way.outlet.close()
    way.outlet = way.made()
    waiting = await way.store.read(lambda tx: outbox.waiting(tx, "telegram:77"))
    way.outlet.enqueue(tuple(waiting))
    again = await taken_up(way)
    await again.ends("Paris.")
    assert again.adapter.shown("1001") == ["Paris."]


# A turn that waits.


async def interim(it: Growing, text: str) -> None:
    """Let the words so far stand, as a turn that begins to wait does."""
    await it.reply.stop_streaming()
    news = it.reply.interim_rows(text)

    def unit(tx: Tx) -> tuple[OutboxRow, ...]:
        sessions.keep_words(tx, 1, words=1, parts=len(news))
        rows = (outbox.insert(tx, new, now=NOW) for new in news)
        return tuple(row for row in rows if row is not None)

    it.way.outlet.enqueue(await it.way.store.write(unit, transition=SYNCED))
    it.reply.rest()
    await it.way.settled()


async def test_words_before_a_wait_stand_whatever_was_shown(way: WayOut) -> None:
    """Nothing yet: they are posted; a part of them: it is edited to the end."""
    it = await growing(way)
    it.say(ENOUGH)
    await interim(it, ENOUGH)
    assert it.adapter.shown("1001") == [ENOUGH]


async def test_a_live_part_becomes_the_words_so_far(way: WayOut) -> None:
    """The placeholder is theirs; its mark of work under way is gone."""
    it = await growing(way)
    await it.first_post()
    it.say("And more.")
    await interim(it, f"{ENOUGH}\n\nAnd more.")
    assert it.adapter.shown("1001") == [f"{ENOUGH}\n\nAnd more."]
    assert it.posts() == 1


async def test_what_comes_after_a_wait_stands_below(way: WayOut) -> None:
    """Another message, even if the answer is short; the first is not touched again."""
    it = await growing(way)
    await it.first_post()
    await interim(it, ENOUGH)
    later = await taken_up(way)
    await later.ends("Done.")
    assert it.adapter.shown("1001") == [ENOUGH, "Done."]
    rows = await way.store.read(lambda tx: outbox.of_turn(tx, 1))
    assert [row.part for row in rows if row.op == "post"] == [0, 1]


async def test_a_turn_that_does_not_wait_after_all_grows_on(way: WayOut) -> None:
    """A decision came between the card and the wait: its words are shown further."""
    it = await growing(way)
    await it.first_post()
    await it.reply.stop_streaming()
    it.reply.go_on()
    await way.settled()
    it.say("And a lot more words behind it.\n")
    await it.passes(1.0)
    await it.adapter.shows("1001", f"{ENOUGH}\n\nAnd a lot more words behind it.")
    await it.ends("Done.")
    assert it.adapter.shown("1001") == ["Done."]


async def test_only_the_first_message_of_a_turn_answers_in_a_group(way: WayOut) -> None:
    """What stands below a card quotes nothing: it is clear by then who is answered."""
    content = replace(arrival(1).content, grouped=True)
    it = await growing(way, content=content)
    await interim(it, ENOUGH)
    later = await taken_up(way)
    await later.ends("Done.")
    posts = [op for op in it.adapter.performed if isinstance(op, Post)]
    assert [post.quote is not None for post in posts] == [True, False]
