"""People decide what the model wants: by button, menu, form and word, on every surface."""

import re
from pathlib import Path

import pytest

from tests.scenarios.cards import Hands
from tests.scenarios.deciding import Desk
from tests.scenarios.tools import tidy, train, wipe


async def test_approved_by_a_button(each_transport: Hands, tmp_path: Path) -> None:
    """The price stands on the card and its button; once it ran, what it cost, and no button."""
    surface = each_transport
    async with Desk(surface, path=tmp_path) as desk:
        card = await desk.asked_for(train())
        for words in ("train run", "$0.30 = 30 minutes x $0.01", "this chat today $0", "train.py"):
            assert words in card.text
        assert desk.shop.ran == []
        desk.answers("It is trained.")
        await surface.choose(card, "Approve once, at most $0.30")
        await desk.sees("It is trained.")
        after = await desk.card("$0.15 (held $0.30, released $0.15)", is_open=False)
        assert after.code == card.code
        assert desk.shop.names() == ["train"]
        assert await desk.read_results(2) == ["train ran"]


async def test_denied_with_and_without_a_reason(surface: Hands, tmp_path: Path) -> None:
    """A no is told to the model with its reason; nothing runs and the card says who it was."""
    async with Desk(surface, path=tmp_path) as desk:
        first = await desk.asked_for(train(ident="one"))
        desk.wants(train("other.py", ident="two"))
        await surface.choose(first, "Deny")
        await desk.card("Denied by", first.code, is_open=False)
        second = await desk.card("other.py", is_open=True)
        desk.answers("I leave it.")
        if surface.form is None:
            await surface.typed("deny", f"{second.code} it is too dear")
        else:
            if not surface.has_menu:
                await surface.choose(second, "More")
                second = await desk.until_label("Deny with a reason")
            await surface.choose(second, "Deny with a reason")
            await surface.fill({"reason": "it is too dear"})
        await desk.sees("I leave it.")
        await desk.card("Denied by", "it is too dear", second.code, is_open=False)
        assert desk.shop.ran == []
        first_result, second_result = await desk.read_results(3)
        assert first_result.startswith("Denied by ")
        assert second_result.startswith("Denied by ")
        assert second_result.endswith(": it is too dear")


async def test_approved_by_a_typed_code(few_surfaces: Hands, tmp_path: Path) -> None:
    """A code in any case decides its card and no other; a wrong one decides nothing."""
    surface = few_surfaces
    async with Desk(surface, path=tmp_path) as desk:
        card = await desk.asked_for(train())
        await surface.typed("approve", "ZZZZZ")
        await desk.reads_or_hears("nothing to decide here")
        assert (await desk.card(card.code)).is_open
        desk.answers("Done so.")
        await surface.typed("approve", card.code.lower())
        await desk.sees("Done so.")
        await desk.card("Done", card.code, is_open=False)
        assert desk.shop.names() == ["train"]


async def test_long_arguments_are_shown_before_they_are_approved(
    surface: Hands, tmp_path: Path
) -> None:
    """What is cut can be approved only by who had all of it shown, and then it reads whole."""
    lines = [f"step {number}: python train.py --seed {number}" for number in range(120)]
    async with Desk(surface, path=tmp_path) as desk:
        card = await desk.asked_for(train("\n".join(lines)))
        assert "step 60:" not in card.text
        await surface.choose(card, "Approve once")
        await desk.reads_or_hears("press Show all first")
        assert desk.shop.ran == []
        await surface.choose(await desk.card(card.code), "Show all")
        await desk.until(
            lambda: all(f"train.py --seed {n}" in whole(surface.shown()) for n in range(120))
        )
        desk.answers("Trained.")
        await surface.choose(await desk.card(card.code), "Approve once")
        await desk.sees("Trained.")
        assert desk.shop.ran[0][1]["script"] == "\n".join(lines)


async def test_destructive_calls_are_confirmed_twice(surface: Hands, tmp_path: Path) -> None:
    """The platform's own question comes first where it has one, else a second button."""
    async with Desk(surface, path=tmp_path) as desk:
        card = await desk.asked_for(wipe())
        assert "destructive" in card.text
        question = card.questions.get(card.label("Approve once"), "")
        assert ("This is destructive" in question) is surface.asks_twice
        desk.answers("It is gone.")
        await desk.approve(card)
        await desk.sees("It is gone.")
        await desk.card("Done", card.code, is_open=False)
        assert desk.shop.names() == ["wipe"]


async def test_destructive_calls_are_typed_twice(few_surfaces: Hands, tmp_path: Path) -> None:
    """One code asks for the second one; both together decide."""
    surface = few_surfaces
    async with Desk(surface, path=tmp_path) as desk:
        card = await desk.asked_for(wipe())
        await surface.typed("approve", card.code)
        await desk.reads_or_hears(f"{surface.mark}approve {card.code} {card.code}")
        assert desk.shop.ran == []
        desk.answers("It is gone.")
        await surface.typed("approve", f"{card.code} {card.code}")
        await desk.sees("It is gone.")
        assert desk.shop.names() == ["wipe"]


async def test_a_batch_is_decided_one_by_one(few_surfaces: Hands, tmp_path: Path) -> None:
    """One card for the step; an approved call starts at once, the others wait for their word."""
    surface, calls = few_surfaces, (train(ident="a"), tidy(ident="b"))
    async with Desk(surface, path=tmp_path) as desk:
        card = await desk.asked_for(*calls)
        assert "2 calls, at most $0.30 together" in card.text
        assert len(surface.cards()) == 1
        await surface.choose(card, "One by one")
        await surface.choose(await desk.card("1 of 2"), "Approve once, at most $0.30")
        await desk.ran("train")
        card = await desk.card("Done: ", "$0.15 (held $0.30", is_open=True)
        assert "Approve all, free" in card.buttons
        desk.answers("As you say.")
        await surface.choose(card, "Deny all")
        await desk.sees("As you say.")
        await desk.card("Done: ", "Denied by", is_open=False)
        results = await desk.read_results(2)
        assert [text.partition(" by")[0] for text in results] == ["train ran", "Denied"]


@pytest.mark.needs("form")
async def test_edited_then_approved(surface: Hands, tmp_path: Path) -> None:
    """A form changes what runs: the card shows how, at its new price, and still asks."""
    async with Desk(surface, path=tmp_path) as desk:
        card = await desk.asked_for(train(size="large"))
        assert "$1.20" in card.text
        if not surface.has_menu:
            await surface.choose(card, "More")
            card = await desk.until_label("Edit")
        await surface.choose(card, "Edit")
        await surface.fill({"size": "small"})
        edited = await desk.card("Edited", "-", '"size": "large"', '"size": "small"', is_open=True)
        assert "at most $0.30" in edited.label("Approve once")
        assert desk.shop.ran == []
        desk.answers("Trained small.")
        await surface.choose(edited, "Approve once, at most $0.30")
        await desk.sees("Trained small.")
        assert desk.shop.ran[0][1]["size"] == "small"
        (result,) = await desk.read_results(2)
        assert "changed" in result and '"size": "small"' in result and "train ran" in result


def whole(texts: list[str]) -> str:
    """What the messages that show all hold, without their titles, bars and breaks."""
    parts = [text for text in texts if "all that runs" in text]
    return "".join(re.sub(r"^.*all that runs.*$|^\| |\n", "", text, flags=re.M) for text in parts)
