"""What becomes of messages that come while an answer is being made, as `[sessions] busy` says."""

import asyncio
from pathlib import Path

from gateway.busy import BUSY_LINE
from tests.scenarios.stage import Stage, Surface, words
from tests.wire.openai import CallTool, Reply


async def test_join(surface: Surface, tmp_path: Path) -> None:
    """What arrives while a step runs is read before the next model request: one turn, one reply."""
    held = asyncio.Event()
    async with Stage(surface, path=tmp_path) as stage:
        call = CallTool(name="files", arguments='{"operation": "list"}')
        stage.model.reply(Reply(deltas=("Looking at the files first.", held), calls=(call,)))
        stage.answers("Done, in French.")
        await surface.say("List my files.")
        await stage.sees("Looking")
        await surface.say("And answer in French.")
        await stage.queued()
        held.set()
        await stage.sees("Done, in French.")
        roles = [role for role, _ in words(await stage.asked(2))]
        assert roles == ["user", "assistant", "tool", "user"]
        assert len(stage.model.asked) == 2


async def test_queue(surface: Surface, tmp_path: Path) -> None:
    """Every message has its own answer, in the order in which they came."""
    held = asyncio.Event()
    async with Stage(surface, path=tmp_path, sessions='busy = "queue"') as stage:
        stage.model.reply(Reply(deltas=("The first answer, which takes", held, " its time.")))
        stage.answers("Second.", "Third.")
        await surface.say("One?")
        await stage.sees("The first answer")
        await surface.say("Two?")
        await surface.say("Three?")
        await stage.queued(2)
        held.set()
        # Where nothing can be pressed under a message, a line says that it was seen.
        seen = (BUSY_LINE,) if surface.name == "terminal" else ()
        first = "The first answer, which takes its time."
        await stage.reads(first, *seen, "Second.", "Third.")
        asked = [text for role, text in words(await stage.asked(3)) if role == "user"]
        assert asked == ["One?", "Two?", "Three?"]


async def test_interrupt(surface: Surface, tmp_path: Path) -> None:
    """The running call is cut, and the turn goes on with the new words."""
    beginning = "Let me begin at the very beginning"
    held = asyncio.Event()
    async with Stage(surface, path=tmp_path, sessions='busy = "interrupt"') as stage:
        stage.model.reply(Reply(deltas=(f"{beginning}: once", held, " nobody reads this.")))
        stage.answers("In short: no.")
        await surface.say("Is it true?")
        await stage.sees(beginning)
        await surface.say("Shorter, please.")
        await stage.model.hung_up()
        await stage.sees("In short: no.")
        assert not any("nobody reads this" in text for text in surface.shown())
        (_, first), (role, said), (_, second) = words(await stage.asked(2))
        assert (first, role, second) == ("Is it true?", "assistant", "Shorter, please.")
        assert said.startswith(beginning)
