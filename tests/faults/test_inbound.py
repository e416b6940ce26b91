"""What comes twice, late, out of order or broken: one turn for each message, and none lost."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.faults.ground import Answers, Ground, everywhere, heard, listening, locked
from tests.faults.wires import Wire
from tests.scenarios.stage import words
from tests.wire.openai import Reply


async def test_delivered_over_and_over(wire: Wire, tmp_path: Path) -> None:
    """Four deliveries at once and another after the answer are one turn and one answer."""
    held = asyncio.Event()
    async with Ground(wire, path=tmp_path) as stage:
        stage.model.reply(Reply(deltas=(held, "Once.")))
        stage.answers("Twice, now.")
        message = await wire.say("How often?")
        await asyncio.gather(*(wire.redeliver(message) for _ in range(3)))
        held.set()
        await stage.reads("Once.")
        await wire.redeliver(message)
        await wire.say("And now?")
        await stage.reads("Once.", "Twice, now.")
        await stage.outcome("duplicate", 4 * wire.repeats)
        assert len(stage.model.asked) == 2


@pytest.mark.needs("orders")
async def test_out_of_order(wire: Wire, tmp_path: Path) -> None:
    """What waits is answered in the order in which it was written, not in which it came."""
    held = asyncio.Event()
    async with Ground(wire, path=tmp_path, sessions='busy = "queue"') as stage:
        stage.model.reply(Reply(deltas=(held, "Zero.")))
        stage.answers("One.", "Two.")
        await wire.say("0?")
        await stage.asked(1)
        for message in reversed([await wire.unheard(f"{number}?") for number in (1, 2)]):
            await wire.redeliver(message)
        await stage.queued(2)
        held.set()
        await stage.reads("Zero.", "One.", "Two.")
        asked = [text for role, text in words(await stage.asked(3)) if role == "user"]
        assert asked == ["0?", "1?", "2?"]


@pytest.mark.needs("orders")
async def test_an_old_id_comes_late(wire: Wire, tmp_path: Path) -> None:
    """What was written before the last answer and comes after it is answered: no watermark."""
    async with Ground(wire, path=tmp_path) as stage:
        stage.answers("To the new one.", "To the old one.")
        old = await wire.unheard("Old?")
        await wire.say("New?")
        await stage.reads("To the new one.")
        await wire.redeliver(old)
        await stage.reads("To the new one.", "To the old one.")


async def test_malformed_among_good_ones(wire: Wire, tmp_path: Path) -> None:
    """Nonsense is stored as ignored and can be explained; before and after it all are answered."""
    async with Ground(wire, path=tmp_path) as stage:
        stage.answers("Before.", "After.")
        await wire.say("One?")
        await stage.reads("Before.")
        await wire.malformed()
        await wire.say("Two?")
        await stage.reads("Before.", "After.")
        if wire.name != "web":  # a form that makes no sense is refused at once
            await stage.outcome("malformed")
            assert "malformed" in await stage.story("e2")


@pytest.mark.slow
async def test_a_busy_journal(wires: tuple[Wire, ...], tmp_path: Path) -> None:
    """Not stored, not acknowledged, delivered again, answered once.

    Slow: only after two seconds a commit counts as late.
    """
    answers = Answers()
    questions = {wire.name: answers.ask(wire, f"Hello {wire.name}.") for wire in wires}
    written: dict[str, Any] = {}

    async def write(stage: Ground, wire: Wire) -> None:
        written[wire.name] = await wire.say_in_vain(questions[wire.name])

    async def read(stage: Ground, wire: Wire) -> None:
        await wire.come_again(written[wire.name])
        await stage.reads(f"Hello {wire.name}.", at=wire)
        await wire.say(answers.ask(wire, "And on we go."))
        await stage.reads(f"Hello {wire.name}.", "And on we go.", at=wire)

    async with Ground(*wires, path=tmp_path, default=answers) as stage:
        with listening("gateway.ingest", "not acknowledged", times=len(wires)) as turned_away:
            async with locked(tmp_path / "state"):
                await everywhere(stage, write)
                await heard(turned_away)
                assert not any(wire.shown() for wire in wires)
        await everywhere(stage, read)
        assert len(stage.model.asked) == 2 * len(wires)
