"""The way out: order in a chat, and what each outcome makes of a row."""

import asyncio
from collections.abc import Callable

import pytest

from gateway import outgoing
from gateway.errors import ConstraintViolated, QueryTooLong, StoreError
from gateway.outlet import STORE_AGAIN_S
from gateway.sending import BETWEEN_LOOKS_S, RETRY_FIRST_S
from gateway.store.base import Store
from platforms.content import AnswerPress, Edit, Post, React, Typing
from platforms.errors import (
    ChatUnavailable,
    MessageGone,
    MessageRejected,
    PlatformError,
    PlatformUnavailable,
    PressExpired,
    RateLimited,
    SendUncertain,
)
from platforms.events import MessageRef, PressToken
from platforms.pacing import Budget
from tests.gateway.events import AT, DM, GROUP
from tests.gateway.faltering import Faltering
from tests.gateway.hand_clock import HandClock
from tests.gateway.scripted_adapter import ScriptedAdapter
from tests.gateway.way_out import ANN, WayOut, limited


async def test_a_row_is_sent_and_settled(way: WayOut) -> None:
    """Its words stand in the chat, its row holds the platform's id, nothing is left."""
    (row,) = await way.send("hello")
    await way.settled()
    assert way.adapter.shown("1001") == ["hello"]
    assert await way.fate(row) == ("sent", "1", None)
    assert (await way.row(row)).attempts == 1
    assert way.outlet.depth == 0


async def test_the_intent_is_stored_before_the_send(way: WayOut) -> None:
    """While the request is out the row says so, for whoever starts after a crash."""
    held = asyncio.Event()
    way.adapter.then(Post, held)
    (row,) = await way.send("hello")
    await way.adapter.performing(1)
    assert await way.fate(row) == ("in_flight", None, None)
    held.set()
    await way.settled()


async def test_rows_of_a_chat_leave_in_order(way: WayOut) -> None:
    """The second waits for the first, also when the first needs a second try."""
    way.adapter.then(Post, PlatformUnavailable("down"))
    await way.send("one", "two")
    await way.slept(1.0)
    await way.send("three")
    await way.settled()
    assert way.adapter.shown("1001") == ["one", "two", "three"]


async def test_a_slow_chat_delays_no_other(way: WayOut) -> None:
    """Each chat has a queue of its own, threads too."""
    way.adapter.then(Post, asyncio.Event())
    await way.send("slow")
    await way.adapter.performing(1)
    await way.send("quick", chat="telegram:2")
    await way.send("in a thread", chat=f"{ANN}/7")
    await way.adapter.shows("2", "quick")
    await way.adapter.shows("1001/7", "in a thread")
    assert way.adapter.shown("1001") == []


async def test_a_row_that_breaks_our_code_holds_up_nobody(way: WayOut) -> None:
    """It is dead with a reason; the rows behind it in its chat leave."""
    broken = await way.stored(chat=ANN)
    await way._write(lambda tx: tx.run("UPDATE outbox SET content = '{' WHERE id = ?", broken.id))
    way.outlet.enqueue((await way.row(broken),))
    await way.send("after it")
    await way.settled()
    assert way.adapter.shown("1001") == ["after it"]
    assert await way.fate(broken) == ("dead", None, "a fault in the gateway")


@pytest.mark.parametrize("transition", ["row.departed", "row.settled"])
async def test_what_the_store_did_not_do_is_tried_again(
    store: Store, clock: HandClock, transition: str
) -> None:
    """A line does not wait for its next row; what may have left is looked for first."""
    faltering = Faltering(store)
    way = WayOut(faltering, clock, ScriptedAdapter(read_back=True))
    faltering.writes.append((transition, StoreError("busy")))
    if transition == "row.settled":
        way.adapter.found.append(MessageRef(chat=DM, message_id="1"))
    (row,) = await way.send("hello")
    await way.slept(STORE_AGAIN_S)
    if transition == "row.departed":
        await way.slept(BETWEEN_LOOKS_S, RETRY_FIRST_S)
    await way.settled()
    assert way.adapter.shown("1001") == ["hello"]
    assert (await way.fate(row))[:2] == ("sent", "1")
    await way.outlet.close()


async def test_a_read_that_took_too_long_is_made_again(store: Store, clock: HandClock) -> None:
    """It says nothing about what has left, so nothing is in doubt."""
    faltering = Faltering(store)
    way = WayOut(faltering, clock, ScriptedAdapter())
    (post,) = await way.send("hello")
    await way.settled()
    way.outlet = way.made()
    faltering.reads.append(QueryTooLong("a read took more than 1 s and was stopped"))
    await way.send("hello again", op="edit", target=post)
    await way.slept(STORE_AGAIN_S)
    await way.settled()
    assert way.adapter.shown("1001") == ["hello again"]
    await way.outlet.close()


async def test_a_row_that_breaks_a_rule_of_the_store_holds_up_nobody(
    store: Store, clock: HandClock
) -> None:
    """It would break it for ever."""
    faltering = Faltering(store)
    way = WayOut(faltering, clock, ScriptedAdapter())
    faltering.writes.append(("row.departed", ConstraintViolated("no")))
    broken, _ = await way.send("one", "two")
    await way.settled()
    assert await way.fate(broken) == ("dead", None, "a fault in the gateway")
    assert way.adapter.shown("1001") == ["two"]
    await way.outlet.close()


async def test_a_fault_in_an_adapter_costs_one_row(way: WayOut) -> None:
    """An error that is none of the platform's is ours: logged, dead, and the next one leaves."""
    way.adapter.then(Post, ZeroDivisionError())
    first, _ = await way.send("one", "two")
    await way.settled()
    assert await way.fate(first) == ("dead", None, "a fault in the gateway")
    assert way.adapter.shown("1001") == ["two"]


async def test_a_message_is_edited_by_its_id(way: WayOut) -> None:
    """An edit stored before its post was confirmed finds the id when it leaves."""
    held = asyncio.Event()
    way.adapter.then(Post, held)
    (anchor,) = await way.send("Working", purpose="anchor", turn_id=1)
    await way.adapter.performing(1)
    final = (await way.send("Done.", op="edit", target=anchor, turn_id=1))[0]
    held.set()
    await way.settled()
    assert way.adapter.shown("1001") == ["Done."]
    assert await way.fate(final) == ("sent", "1", None)


async def test_an_edit_finds_a_message_of_an_earlier_run(way: WayOut) -> None:
    """After a restart the id is in the store."""
    (anchor,) = await way.send("Working", purpose="anchor", turn_id=1)
    await way.settled()
    way.outlet = way.made()
    await way.send("Done.", op="edit", target=anchor, turn_id=1)
    await way.settled()
    assert way.adapter.shown("1001") == ["Done."]


async def test_an_edit_to_what_stands_is_not_sent(way: WayOut) -> None:
    """The row is sent without a request."""
    (anchor,) = await way.send("Done.", purpose="anchor", turn_id=1)
    (final,) = await way.send("Done.", op="edit", target=anchor, turn_id=1)
    await way.settled()
    assert len(way.adapter.performed) == 1
    assert await way.fate(final) == ("sent", None, "nothing to change")


async def test_the_same_id_in_another_chat_is_another_message(way: WayOut) -> None:
    """Where ids count from one in every chat, a final text is not taken for another chat's."""
    (here,) = await way.send("Working", purpose="anchor", turn_id=1)
    (there,) = await way.send("Working", purpose="anchor", turn_id=2, chat="telegram:2")
    await way.settled()
    assert (await way.row(here)).message_id == (await way.row(there)).message_id
    await way.send("Done.", op="edit", target=here, turn_id=1)
    await way.settled()
    await way.send("Done.", op="edit", target=there, turn_id=2, chat="telegram:2")
    await way.settled()
    assert way.adapter.shown("1001") == way.adapter.shown("2") == ["Done."]


async def test_taking_back_what_never_stood_needs_no_request(way: WayOut) -> None:
    """The post died, so its delete is settled by itself."""
    way.adapter.then(Post, MessageRejected("no"))
    (part,) = await way.send("part", purpose="part", turn_id=1)
    (gone,) = await way.send("", op="delete", target=part, content=outgoing.Nothing(), turn_id=1)
    await way.settled()
    assert await way.fate(gone) == ("sent", None, "nothing to change")


async def test_post_tells_its_id(way: WayOut) -> None:
    """Whoever waits for a placeholder learns its id, or that there is none."""
    good = way.outlet.post(await way.stored(purpose="anchor"))
    assert await good == "1"
    way.adapter.then(Post, ChatUnavailable("no", reason="kicked"))
    bad = way.outlet.post(await way.stored(purpose="anchor"))
    assert await bad is None


async def test_an_answer_goes_before_a_placeholder(make_way: Callable[..., WayOut]) -> None:
    """Where the account's rate is short, what is final leaves first, in another chat too."""
    budget = Budget(kinds=frozenset({"post"}), per="account", rate_per_s=1.0, burst=1.0)
    way = make_way(budgets=(budget,))
    await way.send("first")
    await way.settled()
    await way.send("Working", purpose="anchor", turn_id=1, chat="telegram:2")
    await way.clock.asleep()
    await way.send("Answer", chat="telegram:3")
    await way.clock.asleep(2)
    way.clock.advance(1.0)
    await way.adapter.shows("3", "Answer")
    await way.clock.asleep()
    assert way.adapter.shown("2") == []
    way.clock.advance(5.0)
    await way.adapter.shows("2", "Working")


# Beside the rows.


async def test_a_stream_edit_shows_progress(way: WayOut) -> None:
    """It stands, is no row, and the final edit to the same words is not sent again."""
    (anchor,) = await way.send("Working", purpose="anchor", turn_id=1)
    await way.settled()
    body = outgoing.load(await way.stored("Done."))
    assert isinstance(body, outgoing.Words)
    assert await way.outlet.stream_edit(anchor, "1", body.body)
    assert way.adapter.shown("1001") == ["Done."]
    (final,) = await way.send("Done.", op="edit", target=anchor, turn_id=1)
    await way.settled()
    assert await way.fate(final) == ("sent", None, "nothing to change")


@pytest.mark.parametrize(
    "error", [PlatformUnavailable("down"), SendUncertain("cut"), MessageGone("gone")]
)
async def test_a_lost_stream_edit_costs_only_itself(way: WayOut, error: PlatformError) -> None:
    """Whatever the reason; and the final edit is sent, since nobody knows what stands."""
    (anchor,) = await way.send("Working", purpose="anchor", turn_id=1)
    await way.settled()
    way.adapter.then(Edit, error)
    assert not await way.outlet.stream_edit(anchor, "1", ())
    (final,) = await way.send("Working", op="edit", target=anchor, turn_id=1)
    await way.settled()
    assert await way.fate(final) == ("sent", "1", None)


async def test_a_stream_edit_tells_of_a_rate_limit(way: WayOut) -> None:
    """The reply slows down; until the limit is over no edit is even tried."""
    (anchor,) = await way.send("Working", purpose="anchor", turn_id=1)
    await way.settled()
    way.adapter.then(Edit, limited(7.0))
    with pytest.raises(RateLimited):
        await way.outlet.stream_edit(anchor, "1", ())
    assert not await way.outlet.stream_edit(anchor, "1", ())
    assert len(await way.adapter.performing(1, Edit)) == 1
    way.clock.advance(7.0)
    assert await way.outlet.stream_edit(anchor, "1", ())


@pytest.mark.parametrize(
    "error", [PlatformUnavailable("down"), limited(7.0), MessageRejected("no")]
)
async def test_a_sign_of_life_costs_nothing(way: WayOut, error: PlatformError) -> None:
    """It is made or dropped, and nobody hears of it."""
    way.adapter.then(Typing, error)
    await way.outlet.sign(Typing(chat=DM))
    await way.outlet.sign(React(message=MessageRef(chat=GROUP, message_id="1"), emoji="x"))
    assert len(way.adapter.performed) == 2


PRESS = AnswerPress(press=PressToken(kind="callback", value="cb1", usable_until=AT), text="Done.")


@pytest.mark.parametrize(
    ("turns", "answered", "requests"),
    [
        ((), True, 1),
        ((PlatformUnavailable("down"),), True, 2),
        ((PlatformUnavailable("down"), PlatformUnavailable("down")), False, 2),
        ((PressExpired("too late"),), False, 1),
        ((SendUncertain("cut"),), False, 1),
    ],
)
async def test_a_press_is_answered_twice_at_most(
    way: WayOut, turns: tuple[PlatformError, ...], answered: bool, requests: int
) -> None:
    """Within its life; an uncertain answer is not repeated blindly."""
    way.adapter.then(AnswerPress, *turns)
    assert await way.outlet.answer(PRESS) is answered
    assert len(way.adapter.performed) == requests


async def test_closing_leaves_rows_to_the_store(way: WayOut) -> None:
    """What is being sent stays in flight, what waits stays pending."""
    way.adapter.then(Post, asyncio.Event())
    first, second = await way.send("one", "two")
    await way.adapter.performing(1)
    waiting = way.outlet.post(await way.stored(purpose="anchor"))
    await way.outlet.close()
    assert [(await way.fate(row))[0] for row in (first, second)] == ["in_flight", "pending"]
    assert waiting.cancelled()
