"""Calls in doubt: what ends the wait for a decision, and what outlives it."""

import asyncio
from dataclasses import replace

import pytest

from agent.messages import ResultStatus
from gateway.store.base import Tx
from gateway.store.records import unowned
from tests.agent.scripted import call
from tests.gateway.core import says
from tests.gateway.doubt import FAR, Story, buttons, code_of, in_topic, people
from tests.gateway.events import BEN, message, press
from tests.gateway.records.rows import inbox_states
from tests.transitions import SYNCED

THREAD = "-100200/7"


async def test_new_words_of_who_asked_take_the_place_of_a_decision(story: Story) -> None:
    """The card says so and has no buttons; the model reads of the doubt and the new words."""
    core = await story.died()
    (card,) = await story.cards()
    await story.waits()
    core.answers("Forgotten.")
    await core.take(message("forget it", number=2))
    await story.stands(card, "Ann")
    await story.says("Forgotten.")
    (result,) = story.results()
    assert (result.status, people(core)) == (ResultStatus.UNKNOWN, ["do it", "forget it"])
    assert len(story.fatal.ids) == 1
    assert "decided already" in await story.press(card, "Run again")
    assert await story.decided() == [("superseded", "Ann")]
    await story.ends(("done", "none"))
    assert {turn for state, _, turn in (await inbox_states(story.store)).values() if turn} == {1}


async def test_words_of_another_wait_for_the_decision(story: Story) -> None:
    """In a thread of several only who asked goes on without deciding; others wait their turn."""
    core = await story.died(event=in_topic("do it", number=1))
    (card,) = await story.cards()
    await story.waits(THREAD)
    also = in_topic("and me?", number=2, author=BEN)
    await core.take(also)
    await story.idle(also)
    assert await story.turns() == [("waiting", None)]
    assert (await inbox_states(story.store))[2] == ("new", None, None)
    core.answers("Both.")
    await story.press(card, "Skip")
    await story.says("Both.", chat=THREAD)
    assert people(core) == ["do it", "and me?"]


async def test_new_ends_the_wait_and_begins_afresh(story: Story) -> None:
    """The card says so, the old turn is over, the next message knows nothing of it."""
    core = await story.died()
    (card,) = await story.cards()
    await story.waits()
    core.answers("Fresh.")
    await core.take(message("/new", number=2))
    await story.stands(card, "Ann")
    await story.says("Fresh session. The old one is kept.")
    await core.take(message("hello", number=3))
    await story.says("Fresh.")
    assert people(core) == ["hello"]
    assert story.results() == []
    assert await story.decided() == [("withdrawn", "Ann")]
    await story.ends(("cancelled", None), ("done", "none"))
    assert len(story.fatal.ids) == 1


async def test_new_of_one_goes_before_words_of_another(story: Story) -> None:
    """Words of others that wait for the decision hold no /new up behind them."""
    core = await story.died(event=in_topic("do it", number=1))
    await story.cards()
    await story.waits(THREAD)
    also = in_topic("and me?", number=2, author=BEN)
    await core.take(also)
    await story.idle(also)
    core.answers("To Ben.")
    await core.take(in_topic("/new", number=3))
    await story.says("Fresh session. The old one is kept.", chat=THREAD)
    assert await story.decided() == [("withdrawn", "Ann")]
    await story.ends(("cancelled", "stopped"), ("done", "none"))
    assert len(story.fatal.ids) == 1


async def test_words_behind_new_are_the_fresh_session_s(story: Story) -> None:
    """They take the place of no decision: the wait ends with /new, before they are read."""
    await story.died()
    await story.cards()
    await story.waits()
    await story.made[-1].close()
    core = story.start()
    core.answers("Fresh.")
    await core.take(message("/new", number=2), message("hello", number=3))
    await core.connect()
    await story.says("Fresh.")
    assert people(core) == ["hello"]
    assert await story.turns() == [("cancelled", None), ("done", "none")]


async def test_stop_ends_the_wait(story: Story) -> None:
    """The turn ends with who said it and without a model call; the model reads of the doubt."""
    core = await story.died()
    (card,) = await story.cards()
    await story.waits()
    await core.take(message("/stop", number=2))
    await story.stands(card, "Ann")
    await story.says("Stopped by Ann.")
    assert (core.model.requests, len(story.fatal.ids)) == ([], 1)
    assert "decided already" in await story.press(card, "Run again")
    core.answers("Next.")
    await core.take(message("next", number=3))
    await story.says("Next.")
    (result,) = story.results()
    assert result.status is ResultStatus.UNKNOWN
    await story.ends(("cancelled", "stopped"), ("done", "none"))


async def test_a_wait_outlives_restarts(story: Story) -> None:
    """Nothing of it is in memory: no second card, no model call, and the press works."""
    await story.died()
    (card,) = await story.cards()
    await story.waits()
    core = await story.restarted()
    core = await story.restarted()
    await story.idle(message())
    assert core.sessions.running() == ()
    await story.cards(1)
    core.answers("Done.")
    await story.press(card, "Run again")
    await story.says("Done.")
    assert story.fatal.ids == [story.fatal.ids[0]] * 2


async def test_dying_between_the_card_and_the_wait_asks_no_second_time(story: Story) -> None:
    """The card is stored, the turn is still open: the next run finds both."""
    await story.died()
    await story.cards()
    await story.waits()

    def reopened(tx: Tx) -> None:
        tx.run("UPDATE turn SET state = 'open'")

    await story.made[-1].close()
    await story.store.write(reopened, transition=SYNCED)
    core = story.start()
    await core.connect()
    await story.idle(message())
    assert await story.turns() == [("waiting", None)]
    (card,) = await story.cards(1)
    core.answers("Done.")
    await story.press(card, "Skip")
    await story.says("Done.")


async def test_a_decision_under_way_when_the_next_comes(story: Story) -> None:
    """What runs again is not decided anew, and is not begun twice."""
    core = await story.died()
    (card,) = await story.cards()
    await story.waits()
    story.fatal.cuts, story.fatal.began = 1, asyncio.Event()
    await story.press(card, "Run again")
    await asyncio.wait_for(story.fatal.began.wait(), 60)
    assert "decided already" in await story.press(card, "Skip")
    assert len(story.fatal.ids) == 2
    assert core.model.requests == []


async def test_dying_in_what_runs_again_asks_anew(story: Story) -> None:
    """A new card for the new doubt; the old one stays decided."""
    await story.died()
    (first,) = await story.cards()
    await story.waits()
    story.fatal.cuts, story.fatal.began = 1, asyncio.Event()
    await story.press(first, "Run again")
    await asyncio.wait_for(story.fatal.began.wait(), 60)
    core = await story.restarted()
    _, second = await story.cards(2)
    assert code_of(first) != code_of(second)
    assert "decided already" in await story.press(first, "Skip")
    core.answers("Done.")
    assert await story.press(second, "Mark done") == "Noted as done."
    await story.says("Done.")
    await story.stands(second, "Ann")
    assert await story.decided() == [("approved", "Ann"), ("answered", "Ann")]
    assert len(story.fatal.ids) == 2


async def test_dying_after_run_again_was_said_runs_it_once(story: Story) -> None:
    """The decision is stored, the call had not begun: the next run begins it."""
    await story.died()
    (card,) = await story.cards()
    await story.waits()
    await story.made[-1].close()
    core = story.start()
    pressed = press(buttons(card)["Run again"].payload, number=90)
    await core.take(replace(pressed, press=replace(pressed.press, usable_until=FAR)))
    await core.router.settled()
    assert await story.turns() == [("open", None)]
    await story.restarted_with("Done.")
    await story.says("Done.")
    assert len(story.fatal.ids) == 2


async def test_nobody_in_time_ends_the_turn(story: Story) -> None:
    """After a day the card closes, the turn ends with a sentence, and the next one reads of it."""
    core = await story.died()
    (card,) = await story.cards()
    await story.waits()
    story.clock.advance(24 * 3600)
    while await core.desk.desk_clock.look():
        pass
    await story.stands(card)
    await story.adapter.until(lambda: "nobody decided" in story.adapter.shown("1001")[-1])
    assert await story.decided() == [("expired", "time")]
    assert "decided already" in await story.press(card, "Run again")
    core.answers("Next.")
    await core.take(message("next", number=3))
    await story.says("Next.")
    (result,) = story.results()
    assert (result.status, len(story.fatal.ids)) == (ResultStatus.UNKNOWN, 1)
    await story.ends(("halted", "halted"), ("done", "none"))


async def test_a_stop_before_a_death_ends_the_turn_at_the_next_start(story: Story) -> None:
    """Whoever said it is named, and no model is asked again."""
    core = story.start()
    await core.connect()
    core.answers(says("Once upon", asyncio.Event()))
    await core.take(message("a story", number=1))
    await core.model.waits.wait()
    await story.store.write(lambda tx: unowned.mark_stopped(tx, 1, "Ann"), transition=SYNCED)
    core = await story.restarted()
    await story.says("Stopped by Ann.")
    assert core.model.requests == []
    await story.ends(("cancelled", "stopped"))


async def test_a_stop_before_a_death_in_a_call_asks_nobody(story: Story) -> None:
    """The turn was to end: its call is in doubt, as it is after any /stop, and nothing waits."""
    core = story.start()
    await core.connect()
    core.answers(says("Look.", calls=(call("once"),)))
    await core.take(message("do it", number=1))
    await asyncio.wait_for(story.fatal.began.wait(), 60)
    await story.store.write(lambda tx: unowned.mark_stopped(tx, 1, "Ann"), transition=SYNCED)
    core = await story.restarted()
    await story.says(
        "Look.\n\nStopped by Ann. This was under way and may have taken effect: once: do."
    )
    core.answers("Next.")
    await core.take(message("next", number=2))
    await story.says("Next.")
    (result,) = story.results()
    assert (result.status, len(story.fatal.ids)) == (ResultStatus.UNKNOWN, 1)
    await story.ends(("cancelled", "stopped"), ("done", "none"))


@pytest.mark.parametrize(
    ("label", "status"),
    [
        ("Mark done", ResultStatus.DONE),
        ("Run again", ResultStatus.REFUSED),
        ("Skip", ResultStatus.UNKNOWN),
    ],
)
async def test_a_tool_that_is_gone_meanwhile(
    story: Story, label: str, status: ResultStatus
) -> None:
    """Its call is still asked about; it can be settled, but not run again."""
    core = story.start()
    await core.connect()
    core.answers(says("Look.", calls=(call("once"),)))
    await core.take(message("do it", number=1))
    await asyncio.wait_for(story.fatal.began.wait(), 60)
    del story.tools["once"]
    core = await story.restarted()
    (card,) = await story.cards()
    core.answers("Done.")
    await story.press(card, label)
    await story.adapter.until(lambda: "Done." in story.adapter.shown("1001")[-1])
    (result,) = story.results()
    assert (result.status, len(story.fatal.ids)) == (status, 1)
    await story.ends(("done", "none"))
