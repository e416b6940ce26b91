"""Cards that are no calls: the model's questions, used-up budgets; and leave for several calls."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenarios.cards import Hands
from tests.scenarios.deciding import Desk
from tests.scenarios.discord import DiscordSurface
from tests.scenarios.slack import SlackSurface
from tests.scenarios.tools import train
from tests.wire.openai import CallTool, Reply

PRICED = "price = { input = 1.0, output = 10.0 }\nmax_output_tokens = 1000"
"""Dollars a million tokens: an answer is held at about a cent and a little for what it reads."""


def question(*options: str) -> CallTool:
    """The model asks which way to go."""
    arguments = {"question": "Which way shall I go?", "options": list(options)}
    return CallTool(name="ask_user", arguments=json.dumps(arguments), id="call_question")


async def test_a_question_is_answered_by_a_button(surface: Hands, tmp_path: Path) -> None:
    """The chosen answer is the result, marked as the person's; the card says who and what."""
    async with Desk(surface, path=tmp_path, enabled=("ask_user",)) as desk:
        card = await desk.asked_for(question("Left", "Right"))
        assert "Which way shall I go?" in card.text
        desk.answers("Off we go.")
        await surface.choose(card, "2: Right")
        await desk.sees("Off we go.")
        await desk.card("Answered by", "Right", is_open=False)
        (result,) = await desk.read_results(2)
        assert result.endswith("answered: Right")


async def test_a_question_is_answered_in_words(surface: Hands, tmp_path: Path) -> None:
    """A form takes the words, or /answer does."""
    async with Desk(surface, path=tmp_path, enabled=("ask_user",)) as desk:
        card = await desk.asked_for(question("Left", "Right"))
        desk.answers("Straight on, then.")
        if surface.form is None:
            await surface.typed("answer", f"{card.code} straight on")
        else:
            await surface.choose(card, "Answer in words")
            await surface.fill({"answer": "straight on"})
        await desk.sees("Straight on, then.")
        await desk.card("Answered by", "straight on", is_open=False)
        (result,) = await desk.read_results(2)
        assert result.endswith("answered: straight on")


async def test_a_used_up_budget_is_raised(surface: Hands, tmp_path: Path) -> None:
    """The reply so far stays, the turn waits on a card, and a raise lets it go on from there."""
    limits = "[budget]\nturn = 0.02"
    async with Desk(surface, path=tmp_path, price=PRICED, extra=limits) as desk:
        call = CallTool(name="files", arguments='{"operation": "list"}')
        usage = {"prompt_tokens": 1000, "completion_tokens": 900, "total_tokens": 1900}
        desk.model.reply(Reply(deltas=("Let me look.",), calls=(call,), usage=usage))
        await surface.say("What is there?")
        card = await desk.card("Limit ", is_open=True)
        await desk.sees("Let me look.")
        assert len(desk.model.asked) == 1
        desk.answers("There is nothing.")
        await surface.choose(card, "Raise by")
        await desk.sees("There is nothing.")
        await desk.card(card.code, is_open=False)
        assert len(desk.model.asked) == 2


async def test_approved_for_this_chat(few_surfaces: Hands, tmp_path: Path) -> None:
    """What the grant allows is shown before the second press; the same call then runs unasked."""
    surface = few_surfaces
    async with Desk(surface, path=tmp_path) as desk:
        card = await desk.asked_for(train(ident="one"))
        if not surface.has_menu:
            await surface.choose(card, "More")
            card = await desk.until_label("Approve for this chat")
        await surface.choose(card, "Approve for this chat")
        asked = await desk.until_label("Yes: approve, and for this chat")
        assert "For this chat" in asked.text
        assert desk.shop.ran == []
        desk.answers("Trained.")
        await surface.choose(asked, "Yes: approve, and for this chat")
        await desk.sees("Trained.")
        desk.wants(train(ident="two"))
        desk.answers("Trained again.")
        await surface.say("Once more.")
        await desk.sees("Trained again.")
        assert desk.shop.names() == ["train", "train"]
        assert len(surface.cards()) == 1
        await surface.typed("grants", "")
        await desk.reads_or_hears("train")


@pytest.mark.parametrize("made", [SlackSurface, DiscordSurface])
async def test_two_people_approve_what_is_dear(made: Callable[[], Hands], tmp_path: Path) -> None:
    """The requester's yes is none, the first other one is a vote, the second one decides."""
    surface = made()
    people = {
        "approvers": [surface.person(name) for name in ("ann", "bob")],
        "owners": [surface.person("mallory")],
    }
    async with Desk(surface, path=tmp_path, approvals="two_person_above = 1", **people) as desk:
        card = await desk.asked_for(train(size="large"), group=True)
        assert "two of: " in card.text
        await surface.choose(card, "Approve once")
        await desk.hears("can decide this")
        card = await desk.approve(card, by="bob", group=True)
        await desk.hears("one more person", by="bob")
        assert desk.shop.ran == []
        desk.answers("Trained.")
        await desk.approve(await desk.card("Votes", group=True), by="mallory", group=True)
        await desk.ran("train")


async def test_auto_lets_calls_run_under_a_cap(few_surfaces: Hands, tmp_path: Path) -> None:
    """After `/auto $5 2h` a priced call runs unasked; after `/auto off` it asks again."""
    surface = few_surfaces
    async with Desk(surface, path=tmp_path) as desk:
        desk.answers("Hello.")
        await surface.say("Hello")
        await desk.sees("Hello.")
        await surface.typed("auto", "$5 2h")
        await desk.reads_or_hears("$5.00")
        desk.wants(train(ident="one"))
        desk.answers("Trained.")
        await surface.say("Train.")
        await desk.sees("Trained.")
        assert desk.shop.names() == ["train"]
        assert surface.cards() == []
        await surface.typed("auto", "off")
        card = await desk.asked_for(train(ident="two"))
        assert card.is_open
        assert desk.shop.names() == ["train"]
