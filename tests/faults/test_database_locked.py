"""Another process holds the database for seconds: what is being done goes on after it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.faults.ground import Answers, Ground, everywhere, locked
from tests.faults.latch import Latch
from tests.faults.wires import Wire
from tests.scenarios.stage import WAIT_S
from tests.wire.openai import Reply
from tests.wire.server import Hold

LOCKED_S = 5.0

pytestmark = [
    pytest.mark.slow,  # five seconds are what is to be outlived
]


async def test_during_turns(wires: tuple[Wire, ...], tmp_path: Path) -> None:
    """Answers become ready while nothing can be stored: each stands once, after the lock."""
    answers = Answers()
    held = {wire.name: asyncio.Event() for wire in wires}

    async def ask(stage: Ground, wire: Wire) -> None:
        question = f"Think at {wire.name}."
        answers[question] = Reply(deltas=("Let me ", held[wire.name], "think."))
        await wire.say(question)

    async def read(stage: Ground, wire: Wire) -> None:
        await stage.until(lambda: any("think." in t or "(ref" in t for t in wire.shown()), at=wire)
        assert wire.shown() == ["Let me think."]
        await wire.say(answers.ask(wire, "Next."))
        await stage.reads("Let me think.", "Next.", at=wire)

    async with Ground(*wires, path=tmp_path, default=answers) as stage:
        await everywhere(stage, ask)
        await stage.asked(len(wires))
        async with locked(tmp_path / "state"):
            for event in held.values():
                event.set()
            await _failed(stage, within_s=LOCKED_S)
        await everywhere(stage, read)
        assert len(stage.model.asked) == 2 * len(wires)


async def test_during_posts(senders: tuple[Any, ...], tmp_path: Path) -> None:
    """Posts succeed while nothing can be stored: none is made again with the next answer."""
    answers = Answers()
    posts = {sender.name: Latch() for sender in senders}

    async def ask(stage: Ground, sender: Any) -> None:
        sender.server.faults.add(sender.post, Hold(released=posts[sender.name]))
        await sender.say(answers.ask(sender, "Once."))
        await asyncio.wait_for(posts[sender.name].met.wait(), WAIT_S)

    async def read(stage: Ground, sender: Any) -> None:
        await sender.say(answers.ask(sender, "Next."))
        await stage.until(lambda: "Next." in sender.shown(), at=sender)
        assert sender.shown() == ["Once.", "Next."]

    async with Ground(*senders, path=tmp_path, default=answers) as stage:
        await everywhere(stage, ask)
        async with locked(tmp_path / "state"):
            for post in posts.values():
                post.set()
            await _failed(stage, within_s=LOCKED_S)
        await everywhere(stage, read)


async def _failed(stage: Ground, *, within_s: float) -> None:
    """The gateway must not give itself up meanwhile."""
    failing = asyncio.ensure_future(stage.gateway.failed())
    await asyncio.wait([failing], timeout=within_s)
    assert not failing.done()
    failing.cancel()
