"""The shell's desk over a gateway between its seams, and what it decides there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agent.tools.base import Tool
from agent.tools.demo_job import DemoJobTool
from gateway.control_requests import Decide
from gateway.logins import shell_owners
from gateway.redaction import Redaction
from gateway.shell_desk import Decided, ShellDesk
from gateway.store.base import Store
from gateway.store.records import queue
from gateway.store.records.queue import OpenCard
from tests.agent.scripted import call
from tests.gateway.core import Core, says
from tests.gateway.events import message
from tests.gateway.hand_clock import HandClock

JOB = "demo_job"
SHELL = min(shell_owners())
SECRET = "swordfish-of-the-loopback"


class Shell:
    """A connected gateway with a job that costs money, and whoever sits at its shell."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.desk = ShellDesk(
            store=core.store,
            clock=core.clock,
            desk=core.desk.desk,
            painter=core.desk.painter,
            grants=core.desk.grants,
            spending=core.desk.spending,
            limits=core.desk.rules.money.limits,
            account_of=lambda platform: "telegram:77" if platform == "telegram" else None,
            freeze=core.freeze,
            hide=Redaction((SECRET,)),
        )
        self._numbers = iter(range(1, 100))

    async def asked(self, *calls: Any, text: str = "train it") -> OpenCard:
        """Let ann's turn ask for calls; the newest card of the queue."""
        self.core.answers(says("Look.", calls=calls or (call(JOB),)), "All done.")
        before = {card.code for card in await self.cards()}
        posted = self._posted()
        await self.core.take(message(text, number=next(self._numbers)))
        await self.core.adapter.until(lambda: self._posted() > posted)
        (new,) = [card for card in await self.cards() if card.code not in before]
        return new

    def _posted(self) -> int:
        shown = self.core.adapter.shown("1001")
        return sum(text.startswith("Approval ") for text in shown)

    async def cards(self) -> tuple[OpenCard, ...]:
        """What can be decided."""
        return await self.core.store.read(queue.listed)

    async def decides(self, verb: Any, code: str, words: str = "", **fields: Any) -> Decided:
        """Decide by code."""
        order = Decide(verb=verb, code=code, words=words, **fields)
        return await self.desk.decide(order, by=SHELL)

    async def ends(self) -> None:
        """Wait until the turn has said its last word and everything has left."""
        shown = self.core.adapter.shown
        await self.core.adapter.until(lambda: any("All done." in text for text in shown("1001")))
        await self.core.finish()

    async def says(self, text: str) -> None:
        """Let ann write, and wait until a command is done."""
        await self.core.take(message(text, number=next(self._numbers)))
        await self.core.router.settled()

    async def states(self) -> list[str]:
        """States of all calls, in order."""
        rows = await self.core.store.read(
            lambda tx: tx.rows("SELECT state FROM tool_call ORDER BY turn_id, step, ordinal")
        )
        return [str(state) for (state,) in rows]


@asynccontextmanager
async def at_the_shell(
    store: Store, path: Path, clock: HandClock, **tools: Tool
) -> AsyncIterator[Shell]:
    """A gateway that ends with the test."""
    core = Core(store, path, clock, tools={JOB: DemoJobTool(), **tools})
    await core.connect()
    try:
        yield Shell(core)
    finally:
        await core.close()
