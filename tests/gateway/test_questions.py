"""Calls in doubt: one card each, and what every button of it does."""

import asyncio
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from agent.messages import ResultStatus
from agent.tools.base import EffectClass
from gateway.questions import ARGUMENTS_SHOWN
from platforms import blocks
from platforms.content import AnswerPress, Edit
from tests.agent.scripted import ScriptedTool, call
from tests.gateway.doubt import CAL, CARD, FAR, Freely, Story, buttons
from tests.gateway.events import BEN, press
from tests.gateway.records.rows import inbox_states

OUTCOMES = {
    "Mark done": (
        "Noted as done.",
        ResultStatus.DONE,
        "The gateway stopped while this ran. Ann confirmed that it took effect; its output was"
        " lost.",
        "Ann says it took effect.",
    ),
    "Run again": ("It runs again.", ResultStatus.DONE, "ran", "Ann lets it run again."),
    "Skip": (
        "Skipped.",
        ResultStatus.UNKNOWN,
        "The gateway stopped while this ran, so it may or may not have taken effect. Ann decided"
        " not to run it again.",
        "Ann skipped it; it was not run again.",
    ),
}
"""What each button says to its presser, makes the model read, and leaves on the card."""


def _kinds(body: Any) -> set[str]:
    """The kinds of everything in a message."""
    return set(re.findall(r"([A-Z]\w+)\(", repr(body)))


async def test_a_call_in_doubt_becomes_one_card(story: Story) -> None:
    """Four buttons, none longer than any platform takes; nothing runs and no model is asked."""
    core = await story.died()
    (card,) = await story.cards()
    await story.says(CARD)
    assert list(buttons(card)) == ["Show evidence", "Mark done", "Run again", "Skip"]
    assert all(len(button.payload) <= 64 for button in buttons(card).values())
    assert all(len(row) <= story.adapter.capabilities.buttons_per_row for row in card.controls)
    await story.ends(("waiting", None))
    assert (len(story.fatal.ids), core.model.requests) == (1, [])
    assert core.sessions.running() == ()


@pytest.mark.parametrize("label", OUTCOMES)
async def test_a_press_decides(story: Story, label: str) -> None:
    """The card says who decided and has no buttons, the model reads it, the turn is answered."""
    said, status, words, outcome = OUTCOMES[label]
    core = await story.died()
    (card,) = await story.cards()
    core.answers("Done.")
    assert await story.press(card, label) == said
    await core.shows(f"once: do\n\n{outcome}", "Look.\n\nDone.")
    (result,) = story.results()
    assert (result.status, result.text) == (status, words)
    assert story.fatal.ids == [result.call_id] * (2 if label == "Run again" else 1)
    edits = [op for op in story.adapter.performed if isinstance(op, Edit)]
    assert [edit.controls for edit in edits] == [()]
    await story.ends(("done", "none"))
    assert (await inbox_states(story.store))[1][0] == "done"


async def test_evidence_is_shown_once(story: Story) -> None:
    """Tool, call, times and the exact arguments; it decides nothing, and a second press says so."""
    story.tools["once"] = Freely(name="once", effect=EffectClass.ONCE, does=story.fatal)
    await story.died(call("once", '{"to": "*all* @here"}'))
    (card,) = await story.cards()
    assert await story.press(card, "Show evidence") == "What is known is in the chat."
    await story.adapter.until(lambda: len(story.adapter.shown("1001")) == 2)
    evidence = story.adapter.shown("1001")[1]
    assert evidence == (
        f"Tool once, call {story.fatal.ids[0]}, turn t1, asked for by Ann.\n"
        "Begun: 2025-10-09 08:53:20 UTC. The gateway stopped before it ended; no result was"
        " stored. Found at: 2025-10-09 08:53:20 UTC.\n"
        'Arguments:\n\n{"to": "*all* @here"}'
    )
    told = "What is known stands in the chat already."
    assert await story.press(card, "Show evidence") == told
    assert await story.questions() == [("open", None)]
    assert len(story.adapter.shown("1001")) == 2


async def test_long_arguments_are_cut(story: Story) -> None:
    """People see the beginning, and that it is one."""
    story.tools["once"] = Freely(name="once", effect=EffectClass.ONCE, does=story.fatal)
    arguments = json.dumps({"to": "x" * 5_000})
    await story.died(call("once", arguments))
    (card,) = await story.cards()
    await story.press(card, "Show evidence")
    await story.adapter.until(lambda: len(story.adapter.shown("1001")) == 2)
    facts, _, shown = story.adapter.shown("1001")[1].rpartition("\n\n")
    assert facts.endswith("Arguments (first 1,500 characters):")
    assert shown == arguments[:ARGUMENTS_SHOWN]


async def test_words_of_a_model_are_only_words(story: Story) -> None:
    """A label with marks, mentions and lines stands as it is, on one line."""
    label = "**mail** @here <!channel>\n# [x](http://y)"
    story.tools["once"] = Freely(name="once", effect=EffectClass.ONCE, does=story.fatal, says=label)
    core = await story.died()
    (card,) = await story.cards()
    plain = "**mail** @here <!channel> # [x](http://y)"
    assert story.adapter.shown("1001")[0].startswith(f"This may have run already: {plain}\n\n")
    assert _kinds(card.body) == {"Paragraph", "Strong", "Text"}
    core.answers("Done.")
    await story.press(card, "Skip")
    await story.says(f"{plain}\n\nAnn skipped it; it was not run again.")


async def test_a_card_keeps_its_buttons_whatever_the_label(story: Story) -> None:
    """A label as long as a model likes is cut: as a file the card could not be pressed."""
    label = "x" * 20_000
    story.tools["once"] = Freely(name="once", effect=EffectClass.ONCE, does=story.fatal, says=label)
    await story.died()
    (card,) = await story.cards()
    assert story.adapter.fits(card.body)
    assert len(blocks.plain_text(card.body)) < 500


async def test_a_second_press_is_told_what_was_decided(story: Story) -> None:
    """Whatever it wants, and whoever pressed first is named."""
    core = await story.died()
    (card,) = await story.cards()
    core.answers("Done.")
    await story.press(card, "Mark done")
    told = "This is decided already: marked as done by Ann."
    for label in buttons(card):
        assert await story.press(card, label) == told
    await story.says("Look.\n\nDone.")
    assert len(story.fatal.ids) == 1


async def test_two_presses_at_once_decide_once(story: Story) -> None:
    """They come in one moment; the first wins and the second hears of it."""
    core = await story.died()
    (card,) = await story.cards()
    core.answers("Done.")
    answers = await asyncio.gather(
        story.press(card, "Skip"), story.press(card, "Run again", author=CAL)
    )
    assert sorted(answers) in (
        ["Skipped.", "This is decided already: skipped by Ann."],
        ["It runs again.", "This is decided already: run again by Cal."],
    )
    await story.says("Look.\n\nDone.")
    assert len(await story.questions()) == 1


async def test_a_press_is_answered_again_after_a_crash(story: Story) -> None:
    """It was decided and the process died before it said so: the decision stands."""
    await story.died()
    (card,) = await story.cards()
    await story.made[-1].close()
    core = story.start()
    pressed = press(buttons(card)["Skip"].payload, number=90)
    await core.take(replace(pressed, press=replace(pressed.press, usable_until=FAR)))
    await core.router.settled()  # not connected: decided, and nobody to tell
    assert await story.questions() == [("skip", "Ann")]
    core.answers("Done.")
    await core.connect()
    await core.shows("once: do\n\nAnn skipped it; it was not run again.", "Look.\n\nDone.")


async def test_only_who_asked_and_owners_decide(story: Story) -> None:
    """A stranger is told who may, sees no evidence and changes nothing; an owner decides."""
    core = await story.died()
    (card,) = await story.cards()
    told = "Only Ann or an owner of this bot can decide this."
    for label in buttons(card):
        assert await story.press(card, label, author=BEN) == told
    assert await story.questions() == [("open", None)]
    assert story.adapter.shown("1001") == [CARD]
    core.answers("Done.")
    assert await story.press(card, "Skip", author=CAL) == "Skipped."
    await core.shows("once: do\n\nCal skipped it; it was not run again.", "Look.\n\nDone.")


async def test_a_card_of_another_life_is_told_off(story: Story) -> None:
    """A token nobody knows decides nothing."""
    core = story.start()
    await core.connect()
    pressed = press("q:ffffffffffffffffffffffff:again", number=7)
    await core.take(replace(pressed, press=replace(pressed.press, usable_until=FAR)))
    (answer,) = await story.adapter.performing(1, AnswerPress)
    assert isinstance(answer, AnswerPress)
    assert answer.text == "This question is gone."


async def test_two_calls_in_doubt_need_two_decisions(story: Story) -> None:
    """The turn goes on with the last of them; each call gets what was decided about it."""
    story.fatal.cuts = 2
    core = await story.died(call("once", '{"n": 1}'), call("once", '{"n": 2}'))
    one, two = await story.cards(2)
    core.answers("Done.")
    first, second = story.fatal.ids
    await story.press(two, "Run again")
    assert await story.turns() == [("waiting", None)]
    assert (len(story.fatal.ids), core.model.requests) == (2, [])
    await story.press(one, "Mark done")
    await story.says("Look.\n\nDone.")
    assert story.fatal.ids == [first, second, second]
    assert [(r.call_id, r.text.startswith("ran")) for r in story.results()] == [
        (first, False),
        (second, True),
    ]
    assert await story.questions() == [("done", "Ann"), ("again", "Ann")]
    await story.ends(("done", "none"))


async def test_calls_that_had_not_begun_run_before_people_are_asked(story: Story) -> None:
    """What is harmless to repeat runs; only what may have run already is asked about."""
    pure = ScriptedTool(name="pure", effect=EffectClass.PURE)
    story.tools["pure"] = pure
    core = await story.died(call("once"), call("pure"))
    (card,) = await story.cards()
    core.answers("Done.")
    await story.press(card, "Skip")
    await story.says("Look.\n\nDone.")
    assert [result.name for result in story.results()] == ["once", "pure"]
    assert len(story.fatal.ids) == 1
