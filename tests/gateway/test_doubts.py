"""Calls in doubt: one card each, and what every button of it does."""

import asyncio
import json
from collections import Counter
from dataclasses import replace

import pytest

from agent.messages import ResultStatus
from agent.tools.base import EffectClass
from gateway.approvals import NOTHING
from gateway.painting import EVIDENCE_SHOWN
from platforms import blocks
from platforms.content import AnswerPress
from tests.agent.scripted import ScriptedTool, call
from tests.gateway.doubt import CAL, FAR, Freely, Story, buttons, code_of
from tests.gateway.events import BEN, message, press
from tests.gateway.records.rows import inbox_states

OUTCOMES = {
    "Mark done": (
        ResultStatus.DONE,
        "This was cut off while it ran. Ann confirmed that it took effect; its output was lost.",
        "answered",
    ),
    "Run again": (ResultStatus.DONE, "ran", "approved"),
    "Skip": (
        ResultStatus.UNKNOWN,
        "This was cut off while it ran, so it may or may not have taken effect. Ann decided"
        " not to run it again.",
        "denied",
    ),
}
"""What each decision makes the model read, and what its row says."""


async def test_a_call_in_doubt_becomes_one_card(story: Story) -> None:
    """Four buttons, none longer than any platform takes; nothing runs and no model is asked."""
    core = await story.died()
    (card,) = await story.cards()
    text = blocks.plain_text(card.body)
    assert text.startswith("In doubt ")
    assert "once: do" in text
    assert "was not run again" in text
    assert list(buttons(card)) == ["Show evidence", "Mark done", "Run again", "Skip"]
    assert all(len(button.payload) <= 64 for button in buttons(card).values())
    assert all(len(row) <= story.adapter.capabilities.buttons_per_row for row in card.controls)
    await story.ends(("waiting", None))
    assert (len(story.fatal.ids), core.model.requests) == (1, [])
    assert core.sessions.running() == ()


@pytest.mark.parametrize("label", OUTCOMES)
async def test_a_press_decides(story: Story, label: str) -> None:
    """The card says who decided and has no buttons, the model reads it, the turn is answered."""
    status, words, decided = OUTCOMES[label]
    core = await story.died()
    (card,) = await story.cards()
    await story.waits()
    core.answers("Done.")
    await story.press(card, label)
    await story.says("Done.")
    await story.stands(card, "" if label == "Run again" else "Ann")
    (result,) = story.results()
    assert (result.status, result.text) == (status, words)
    assert story.fatal.ids == [result.call_id] * (2 if label == "Run again" else 1)
    assert await story.decided() == [(decided, "Ann")]
    await story.ends(("done", "none"))
    assert (await inbox_states(story.store))[1][0] == "done"


async def test_what_was_said_before_stands_above_the_answer(story: Story) -> None:
    """The words before the doubt are not said again below the card."""
    core = await story.died()
    (card,) = await story.cards()
    await story.says("Look.")
    core.answers("Done.")
    await story.press(card, "Skip")
    await story.says("Done.")
    assert story.adapter.shown("1001").count("Look.") == 1
    assert story.adapter.shown("1001")[-1] == "Done."


async def test_run_again_is_judged_like_a_new_call(story: Story) -> None:
    """What asks by its own default asks again: no card in doubt approves anything."""
    core = await story.died(call("once", '{"verdict": "ask"}'), approve=True)
    doubt = (await story.cards(2))[1]
    core.answers("Done.")
    await story.press(doubt, "Run again")
    again = (await story.cards(3))[2]
    assert blocks.plain_text(again.body).startswith("Approval ")
    assert len(story.fatal.ids) == 1
    await story.press(again, "Approve once")
    await story.says("Done.")
    assert story.fatal.ids == [story.fatal.ids[0]] * 2


async def test_evidence_is_shown_once(story: Story) -> None:
    """Tool, call, times and the exact arguments; it decides nothing, and a second press says so."""
    story.tools["once"] = Freely(name="once", effect=EffectClass.ONCE, does=story.fatal)
    await story.died(call("once", '{"to": "*all* @here"}'))
    (card,) = await story.cards()
    await story.waits()
    before = len(story.adapter.shown("1001"))
    first = await story.press(card, "Show evidence")
    await story.adapter.until(lambda: len(story.adapter.shown("1001")) == before + 1)
    evidence = story.adapter.shown("1001")[-1]
    for part in (f"Tool once, call {story.fatal.ids[0]}, turn t1, asked for by Ann", "08:53"):
        assert part in evidence
    assert evidence.endswith('\n\n{"to":"*all* @here"}')
    assert await story.press(card, "Show evidence") != first
    assert await story.decided() == [("pending", None)]
    assert len(story.adapter.shown("1001")) == before + 1


async def test_long_arguments_are_cut(story: Story) -> None:
    """People see the beginning; the card tells how long the whole is."""
    story.tools["once"] = Freely(name="once", effect=EffectClass.ONCE, does=story.fatal)
    arguments = json.dumps({"to": "x" * 3_000})
    await story.died(call("once", arguments))
    (card,) = await story.cards()
    await story.waits()
    assert "3,009 bytes" in blocks.plain_text(card.body)
    await story.press(card, "Show evidence")
    await story.adapter.until(lambda: "no result was" in story.adapter.shown("1001")[-1])
    shown = story.adapter.shown("1001")[-1].rpartition("\n\n")[2]
    assert shown == arguments.replace(" ", "")[:EVIDENCE_SHOWN]


async def test_words_of_a_model_are_only_words(story: Story) -> None:
    """A label with marks, mentions and lines stands as it is, on one line."""
    label = "**mail** @here <!channel>\n# [x](http://y)"
    story.tools["once"] = Freely(name="once", effect=EffectClass.ONCE, does=story.fatal, says=label)
    await story.died()
    (card,) = await story.cards()
    kinds = Counter(type(block).__name__ for block in card.body)
    assert set(kinds) <= {"Paragraph", "Code"}
    text = blocks.plain_text(card.body)
    assert "\n# [x]" not in text
    assert "**mail** @here <!channel>" in text


async def test_a_card_keeps_its_buttons_whatever_the_label(story: Story) -> None:
    """A label as long as a model likes is cut: as a file the card could not be pressed."""
    label = "x" * 20_000
    story.tools["once"] = Freely(name="once", effect=EffectClass.ONCE, does=story.fatal, says=label)
    await story.died()
    (card,) = await story.cards()
    assert story.adapter.fits(card.body)
    assert len(buttons(card)) == 4


async def test_a_second_press_is_told_what_was_decided(story: Story) -> None:
    """Whatever it wants, and whoever pressed first is named."""
    core = await story.died()
    (card,) = await story.cards()
    core.answers("Done.")
    await story.press(card, "Mark done")
    for label in set(buttons(card)) - {"Mark done"}:
        told = await story.press(card, label)
        assert "decided already" in told
        assert "Ann" in told
    await story.says("Done.")
    assert len(story.fatal.ids) == 1
    assert await story.decided() == [("answered", "Ann")]


async def test_two_presses_at_once_decide_once(story: Story) -> None:
    """They come in one moment; the first wins and the second hears of it."""
    core = await story.died()
    (card,) = await story.cards()
    core.answers("Done.")
    answers = await asyncio.gather(
        story.press(card, "Skip"), story.press(card, "Run again", author=CAL)
    )
    assert sum("decided already" in answer for answer in answers) == 1
    await story.says("Done.")
    ((state, by),) = await story.decided()
    assert (state, by) in (("denied", "Ann"), ("approved", "Cal"))
    assert len(story.fatal.ids) == (1 if state == "denied" else 2)


async def test_a_press_is_answered_again_after_a_crash(story: Story) -> None:
    """It was decided and the process died before it said so: the decision stands."""
    await story.died()
    (card,) = await story.cards()
    await story.waits()
    await story.made[-1].close()
    core = story.start()
    pressed = press(buttons(card)["Skip"].payload, number=90)
    await core.take(replace(pressed, press=replace(pressed.press, usable_until=FAR)))
    await core.router.settled()  # not connected: decided, and nobody to tell
    assert await story.decided() == [("denied", "Ann")]
    core.answers("Done.")
    await core.connect()
    await story.says("Done.")
    await story.stands(card, "Ann")


async def test_only_who_asked_and_owners_decide(story: Story) -> None:
    """A stranger is told who may, sees no evidence and changes nothing; an owner decides."""
    core = await story.died()
    (card,) = await story.cards()
    await story.waits()
    shown = story.adapter.shown("1001")
    for label in buttons(card):
        assert "can decide this" in await story.press(card, label, author=BEN)
    assert await story.decided() == [("pending", None)]
    assert story.adapter.shown("1001") == shown
    core.answers("Done.")
    assert await story.press(card, "Skip", author=CAL) == "Skipped."
    await story.stands(card, "Cal")
    await story.says("Done.")


async def test_a_card_of_another_life_is_told_off(story: Story) -> None:
    """A payload nobody sealed decides nothing, nor does what buttons carried before cards did."""
    core = story.start()
    await core.connect()
    for number, payload in enumerate(("q:ffffffffffffffffffffffff:again", "A" * 39, ""), start=7):
        pressed = press(payload, number=number)
        await core.take(replace(pressed, press=replace(pressed.press, usable_until=FAR)))
        told = await story.adapter.performing(number - 6, AnswerPress)
        answer = told[-1]
        assert isinstance(answer, AnswerPress)
        assert answer.text == NOTHING


async def test_words_never_decide(story: Story) -> None:
    """A typed yes, or a code of another chat, is no press; the code here is."""
    core = await story.died()
    (card,) = await story.cards()
    await story.waits()
    code = code_of(card)
    await core.take(message(f"/approve {code}", number=2))
    await story.says("Choose: mark done, run again, or skip.")
    assert await story.decided() == [("pending", None)]
    assert len(story.fatal.ids) == 1


async def test_two_calls_in_doubt_need_two_decisions(story: Story) -> None:
    """The turn goes on with the last of them; each call gets what was decided about it."""
    story.fatal.cuts = 2
    core = await story.died(call("once", '{"n": 1}'), call("once", '{"n": 2}'))
    cards = await story.cards(2)
    await story.waits()
    core.answers("Done.")
    first, second = story.fatal.ids
    by_number = {"1" if '"n":1' in blocks.plain_text(c.body) else "2": c for c in cards}
    await story.press(by_number["2"], "Run again")
    await story.adapter.until(lambda: len(story.fatal.ids) == 3)
    assert core.model.requests == []
    await story.press(by_number["1"], "Mark done")
    await story.says("Done.")
    assert story.fatal.ids == [first, second, second]
    by_call = {result.call_id: result.text.startswith("ran") for result in story.results()}
    assert by_call == {first: False, second: True}
    assert sorted(await story.decided()) == [("answered", "Ann"), ("approved", "Ann")]
    await story.ends(("done", "none"))


async def test_calls_that_had_not_begun_run_before_people_are_asked(story: Story) -> None:
    """What is harmless to repeat runs; only what may have run already is asked about."""
    pure = ScriptedTool(name="pure", effect=EffectClass.PURE)
    story.tools["pure"] = pure
    core = await story.died(call("once"), call("pure"))
    (card,) = await story.cards()
    core.answers("Done.")
    await story.press(card, "Skip")
    await story.says("Done.")
    assert [result.name for result in story.results()] == ["once", "pure"]
    assert len(story.fatal.ids) == 1
