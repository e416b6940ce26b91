"""A model server that fails in every way: a sentence or the answer, and the session is free."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.ground import Answers, Ground, everywhere
from tests.faults.wires import DiscordWire, SlackWire, TelegramWire, TerminalWire, WebWire, Wire
from tests.wire.openai import CHAT, Cut, Pings, Reply, Reset, Silence, Stream, chunk, stream_of
from tests.wire.openai.script import Script
from tests.wire.server import Answer, HalfOpen

BEGINNING = "This is the beginning of a longer answer"
WHOLE = f"{BEGINNING}, and this is its end."
OPENING = (chunk({"role": "assistant"}), chunk({"content": f"{BEGINNING}, and"}))


def dripping() -> Stream:
    """A good answer, byte by byte."""
    steps = stream_of(Reply(deltas=(WHOLE,)), {"model": "loopback-1"})
    whole = b"".join(step for step in steps if isinstance(step, bytes))
    return Stream(steps=tuple(whole[at : at + 1] for at in range(len(whole))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What the server does, what people read in the end, and whether they must say /stop."""

    name: str
    does: Callable[[], Script | HalfOpen]
    reads: str
    stopped: bool = False


TROUBLES = (
    Trouble(name="slow drip", does=dripping, reads=WHOLE),
    Trouble(
        name="torn in a frame",
        does=lambda: Stream(steps=(*OPENING, chunk({"content": " more"})[:40], Cut())),
        reads="this is not the whole answer",
    ),
    Trouble(
        name="reset",
        does=lambda: Stream(steps=(*OPENING, Reset())),
        reads="(ref t",
    ),
    Trouble(
        name="garbage in the stream",
        does=lambda: Stream(steps=(*OPENING, b"data: {no JSON\n\n")),
        reads="this is not the whole answer",
    ),
    Trouble(
        name="ends without its marker",
        does=lambda: Stream(steps=OPENING),
        reads="this is not the whole answer",
    ),
    Trouble(
        name="500",
        does=lambda: Answer(status=500, body=b'{"error":{"message":"overloaded"}}'),
        reads="(ref t",
    ),
    Trouble(
        name="a page of somebody else",
        does=lambda: Answer(status=502, body=b"<html>Bad gateway</html>", content_type="text/html"),
        reads="(ref t",
    ),
    Trouble(name="never answers", does=HalfOpen, reads="topped", stopped=True),
    Trouble(
        name="never begins",
        does=lambda: Stream(steps=(Silence(),)),
        reads="topped",
        stopped=True,
    ),
    Trouble(
        name="never ends",
        does=lambda: Stream(steps=(*OPENING, Pings())),
        reads="topped",
        stopped=True,
    ),
)


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
async def test_trouble(tmp_path: Path, trouble: Trouble) -> None:
    """Everywhere the turn ends with its sentence or the answer, and the next one is answered."""
    wires: tuple[Wire, ...] = (
        WebWire(),
        TerminalWire(),
        TelegramWire(),
        DiscordWire(),
        SlackWire(),
    )
    answers = Answers()

    async def story(stage: Ground, wire: Wire) -> None:
        does, since = trouble.does(), len(stage.model.record)
        question = f"Tell me at {wire.name}."
        if isinstance(does, HalfOpen):
            stage.model.faults.add(CHAT, does)
        else:
            answers[question] = does
        await wire.say(question)
        if trouble.stopped:
            await stage.model.seen(lambda seen: seen.operation == CHAT, since=since)
            await wire.command("stop")
        await stage.until(lambda: any(trouble.reads in text for text in wire.shown()), at=wire)
        await wire.say(answers.ask(wire, "And on we go."))
        await stage.until(lambda: "And on we go." in wire.shown(), at=wire)

    alone = asyncio.Lock()

    async def one_by_one(stage: Ground, wire: Wire) -> None:
        """A fault is that of the next request, whoever sends it."""
        async with alone:
            await story(stage, wire)

    async with Ground(*wires, path=tmp_path, default=answers) as stage:
        await everywhere(stage, one_by_one if trouble.does is HalfOpen else story)
        assert not (await stage.running.operator.status()).running
