"""Somebody nobody has listed writes directly, and an owner lets them in by a button."""

from pathlib import Path

import pytest

from tests.scenarios.cards import Hands
from tests.scenarios.stage import Stage


@pytest.mark.needs("has_strangers")
async def test_a_stranger_is_let_in(surface: Hands, tmp_path: Path) -> None:
    """Held, asked about on a card, let in by its button, answered; the card says who did it."""
    people = surface
    platform = people.person("ann").partition(":")[0]
    pairing = f'[access.{platform}]\ndm = "pairing"\n'
    async with Stage(people, path=tmp_path, extra=pairing, owners=(people.me,)) as stage:
        await people.say("May I ask something?", by="mallory")
        await stage.sees("Somebody new writes to me")
        await stage.until(lambda: bool(people.cards()))
        (card,) = people.cards()
        assert "May I ask something?" in card.text
        assert stage.model.asked == []
        stage.answers("You may.")
        await people.choose(card, "Allow")
        await stage.sees(f"allowed by {people.me}")
        assert "May I ask something?" in str(await stage.asked(1))
        await stage.outcome("held", 1)
        assert people.cards() == []
