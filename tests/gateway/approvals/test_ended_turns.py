"""Turns that end without their run: nothing they asked stays open, their work elsewhere ends."""

import asyncio

import pytest

from gateway import starts
from gateway.desk_assembly import end_of_ended_turns
from platforms.blocks import Blocks, plain_text
from tests.gateway.approvals.house import CAL, DeskAdapter, House
from tests.gateway.events import BEN
from tests.transitions import KEPT


async def quarantine(house: House) -> None:
    """Let the open turn die with three runs within a minute; the next run is about to begin."""
    await house.shut()
    await house.store.write(
        lambda tx: tx.run("UPDATE turn SET state = 'open', start_id = NULL"), transition=KEPT
    )
    taken = "UPDATE turn SET start_id = (SELECT MAX(id) FROM start)"
    for _ in range(3):
        await starts.begin(house.store, house.clock, boot="b")
        await house.store.write(lambda tx: tx.run(taken), transition=KEPT)
    start = await starts.begin(house.store, house.clock, boot="b")
    assert start.quarantined == ("t1",)


async def test_cards_of_a_quarantined_turn_end_when_the_next_run_begins(house: House) -> None:
    """They say so in their chat, and what queued behind them comes before people."""
    card = await house.asks("paid")
    await quarantine(house)
    core = await house.open()
    await end_of_ended_turns(house.store, core.desk.turn_desk.decisions)
    assert await house.states() == ["withdrawn"]
    assert await house.calls() == ["not_run"]
    await house.restart()
    await house.rest()
    assert "Withdrawn" in house.text_of(card)
    assert house.shown() == []


async def test_a_press_before_that_ends_the_card_and_moves_nothing(house: House) -> None:
    """Not even a budget is raised for a turn that is over."""
    house.price.ceiling = 2_000_000
    house.model_says("Hello.")
    await house.says("hello")
    assert "Limit" in house.card().text
    await quarantine(house)
    await house.open()
    assert await house.press("+$5", author=BEN) == "Its turn has ended; there is nothing to decide."
    assert await house.states() == ["withdrawn"]
    assert await house.rows("SELECT kind FROM ledger WHERE kind = 'raise'") == []


async def test_work_elsewhere_of_a_quarantined_turn_is_cancelled(house: House) -> None:
    """The poller of the next run ends what the turn waited for."""
    await house.asks("remote")
    await house.press("Approve once", author=CAL)
    assert await house.calls() == ["running"]
    await quarantine(house)
    await house.open()
    await house.look()
    await house.ticks(60)
    (ran,) = house.remote().ran
    assert ran.call_id in house.remote().cancelled
    assert await house.held() == 0


class Unmeasured(DeskAdapter):
    """A platform that can't measure texts which hold some words."""

    words: tuple[str, ...] = ()

    def fits(self, body: Blocks) -> bool:
        if any(each in plain_text(body) for each in self.words):
            raise ZeroDivisionError
        return super().fits(body)


@pytest.mark.parametrize("words", [("Stopped", "went wrong"), (" ",)])
async def test_a_turn_whose_end_can_not_be_stored_leaves_nothing_open(
    house: House, words: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """Its card ends with it, or at the next start where not even that can be painted."""
    house.adapter = adapter = Unmeasured()
    house.tools["allowed"].waits = asyncio.Event()
    await house.restart()
    house.model_calls("allowed", "paid")
    await house.take(house.words("do it"))
    await house.tools["allowed"].began.wait()
    assert await house.states() == ["pending"]
    adapter.words = words
    await house.command("stop")
    assert await house.turns() == ["failed"]
    assert "can't be stored as it is" in caplog.text
    assert await house.states() == (["pending"] if words == (" ",) else ["withdrawn"])
    adapter.words = ()
    core = await house.restart()
    await end_of_ended_turns(house.store, core.desk.turn_desk.decisions)
    await house.restart()
    await house.rest()
    assert await house.states() == ["withdrawn"]
    assert house.shown() == []
