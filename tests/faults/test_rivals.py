"""Somebody else uses our token: it is noticed, said elsewhere, and nothing is answered twice."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.faults.ground import Answers, Ground, everywhere
from tests.faults.wires import FOREIGN, DiscordWire, SlackWire, TelegramWire
from tests.wire.openai import Reply


def well(_: Any) -> Reply:
    """The model says this to everything."""
    return Reply(deltas=("Well.",))


class Guest(TelegramWire):
    """The same Telegram, for a second gateway; the first one opens and closes it."""

    def __init__(self, host: TelegramWire) -> None:
        super().__init__()
        self.server = host.server

    async def open(self) -> None:
        """It is."""

    async def close(self) -> None:
        """It stays."""


@pytest.mark.slow
async def test_two_gateways_poll_with_one_token(tmp_path: Path) -> None:
    """One of them stops with the sentence and tells its owner elsewhere; the other answers.

    Slow: a conflict is forgiven once, and the second one comes after a second.
    """
    host = TelegramWire()
    host.server.updates.conflict_gap_s = 0.0
    ways = (tmp_path / "first", tmp_path / "second")
    for way in ways:
        way.mkdir()
    async with (
        Ground(host, path=ways[0], owned=True, default=well) as first,
        Ground(Guest(host), path=ways[1], owned=True, default=well) as second,
    ):
        loser, winner = await _decided(first, second)
        told = await loser.owner_reads("telegram is stopped")
        assert "another process polls with this token" in told
        status = await loser.surface_status("telegram")
        assert (status.state, "another process" in status.problem) == ("stopped", True)
        assert (await winner.surface_status("telegram")).state == "running"
        await host.say("Anybody there?")
        await first.until(lambda: host.shown() == ["Well."])
        assert len(first.model.asked) + len(second.model.asked) == 1


async def _decided(*stages: Ground) -> tuple[Ground, Ground]:
    """The one whose owner is told that it has stopped, and the other one."""
    told = {asyncio.create_task(stage.owner_reads("is stopped")): stage for stage in stages}
    done, left = await asyncio.wait(told, return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    (ended,) = done
    ended.result()
    (other,) = left
    return told[ended], told[other]


@pytest.mark.slow
async def test_another_process_takes_the_webhook(tmp_path: Path) -> None:
    """A poll against a webhook somebody else has set stops the surface, with the sentence.

    Slow: as for two polls.
    """
    telegram = TelegramWire()
    telegram.server.updates.conflict_gap_s = 0.0
    async with Ground(telegram, path=tmp_path, owned=True, default=well) as stage:
        telegram.server.take_webhook("http://127.0.0.1:9/theirs")
        told = await stage.owner_reads("telegram is stopped")
        assert "another process has set a webhook for this token" in told
        telegram.server.take_webhook("")


@pytest.mark.slow
async def test_another_gateway_listens_and_writes(tmp_path: Path) -> None:
    """Its sockets are an alarm; the chat it writes in is paused; owners hear; the rest goes on.

    The next start ends the pause. Slow: an own message has ten seconds to be explained, and
    alarms are looked at as often.
    """
    discord, slack = DiscordWire(), SlackWire()
    slack.server.transport.extra_connections = 1
    answers = Answers()

    async def intruded(stage: Ground, wire: Any) -> None:
        await wire.intrude()
        told = await stage.owner_reads(f"Somebody else writes with my token in {wire.chats[0]}")
        assert "I send nothing there" in told
        sent = await stage.running.operator.send(wire.chats[0], "Held back.", None)
        assert sent.outbox_id is not None
        await wire.say(answers.ask(wire, "Elsewhere all is well."))
        await stage.reads("Elsewhere all is well.", at=wire)
        assert _ours(wire) == []
        assert "pending" in await stage.story(f"o{sent.outbox_id}")

    async def resumed(stage: Ground, wire: Any) -> None:
        await stage.until(lambda: _ours(wire) == ["Held back."], at=wire)

    async with Ground(discord, slack, path=tmp_path, owned=True, default=answers) as stage:
        await everywhere(stage, intruded)
        told = await stage.owner_reads("another process uses Slack's app-level token")
        assert "2 sockets are open, 1 of them ours" in told
        assert "another process" in (await stage.surface_status("slack")).alarm
        slack.server.transport.extra_connections = 0
        await stage.halt()
        await stage.start()
        await everywhere(stage, resumed)
        assert (await stage.surface_status("slack")).alarm == ""


def _ours(wire: Any) -> list[str]:
    return [text for text in wire.shown(group=True) if text != FOREIGN]
