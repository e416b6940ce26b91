"""What becomes of answers and questions when connections, tokens or adapters fail."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.faults.ground import Answers, Ground, everywhere
from tests.faults.wires import DiscordWire, SlackWire, TelegramWire, TerminalWire, WebWire, Wire
from tests.wire.openai import Reply
from tests.wire.server import Answer, CutBefore

BEGINNING = "This is the beginning of a longer answer"
WHOLE = f"{BEGINNING}, and this is its end."


@pytest.mark.needs("cuts")
async def test_cut_in_an_answer_and_in_a_question(wire: Wire, tmp_path: Path) -> None:
    """Nothing is lost and nothing comes twice, in the middle of an answer and of a question."""
    held = asyncio.Event()
    async with Ground(wire, path=tmp_path) as stage:
        stage.model.reply(Reply(deltas=(f"{BEGINNING}, ", held, "and this is its end.")))
        stage.answers("Yes.", "You are welcome.")
        await wire.say("Tell me.")
        await stage.sees(BEGINNING)
        await wire.cut(stage)
        held.set()
        await stage.reads(WHOLE)
        cutting = asyncio.create_task(wire.cut(stage))
        if wire.orders:  # what is kept for the gateway is written while it is away
            await wire.say("Is that all?")
        await cutting
        if not wire.orders:
            await wire.say("Is that all?")
        await stage.reads(WHOLE, "Yes.")
        await wire.say("Thank you.")
        await stage.reads(WHOLE, "Yes.", "You are welcome.")
        assert len(stage.model.asked) == 3


@pytest.mark.slow
async def test_adapters_that_crash_again_and_again(tmp_path: Path) -> None:
    """Two platforms fail at every attempt; the three others answer, and the two come back.

    Slow: a failed adapter rests for seconds.
    """
    telegram, discord = TelegramWire(), DiscordWire()
    well: tuple[Wire, ...] = (WebWire(), TerminalWire(), SlackWire())
    answers = Answers()

    async def answered(stage: Ground, wire: Any) -> None:
        await wire.say(answers.ask(wire, f"Hello {wire.name}."))
        await stage.until(lambda: f"Hello {wire.name}." in wire.shown(), at=wire)

    async with Ground(*well, telegram, discord, path=tmp_path, default=answers) as stage:
        telegram.server.faults.add("getUpdates", *(CutBefore() for _ in range(3)))
        telegram.server.faults.add("getMe", Answer(status=200, body=b'{"ok":true,"result":7}'))
        telegram.server.updates.release()
        discord.server.gateway.refuse_upgrades(2)
        await discord.server.gateway.abort()
        for wire in well:
            await answered(stage, wire)
        assert not (await stage.surface_status("telegram")).connected
        assert not (await stage.surface_status("discord")).connected
        await everywhere(stage, answered)
        status = await stage.running.operator.status()
        assert all(each.connected for each in status.platforms)
        assert len(telegram.server.requests("getMe")) == 3
        assert len(stage.model.asked) == 2 * len(well) + 2


@pytest.mark.slow
async def test_token_revoked(sender: Any, tmp_path: Path) -> None:
    """That platform stops, `status` and the owner elsewhere say so, the rest answers.

    Slow where that is noticed at the next question only.
    """
    page = WebWire()
    well = Reply(deltas=("Well.",))
    async with Ground(page, sender, path=tmp_path, owned=True, default=lambda _: well) as stage:
        await sender.refuse_token()
        told = await stage.owner_reads(f"{sender.name} is stopped, the others go on")
        assert "token" in told
        await page.say("And you?")
        await stage.reads("Well.", at=page)
        status = await stage.surface_status(sender.name)
        assert (status.state, status.connected) == ("stopped", False)
        assert "token" in status.problem
        assert sum(f"{sender.name} is stopped" in text for text in stage.owner.shown()) == 1
