"""A reply that grows in ann's chat on a scripted platform, its time moved by hand."""

from typing import Any

from agent.events import (
    TextDelta,
)
from gateway.reply import Reply
from gateway.store.base import Tx
from gateway.store.records import outbox
from gateway.store.records.outbox import OutboxRow
from platforms.content import Post
from tests.gateway.records.rows import NOW, arrival, opened
from tests.gateway.way_out import WayOut
from tests.transitions import SYNCED

ENOUGH = "Paris is the capital of France."
"""More than the 24 characters that are worth a first post."""


class Growing:
    """The reply of one turn, and the chat it grows in ("1001")."""

    def __init__(self, way: WayOut, reply: Reply) -> None:
        self.way = way
        self.reply = reply
        self.clock = way.clock
        self.adapter = way.adapter

    def say(self, *deltas: str) -> None:
        """More words."""
        for text in deltas:
            self.reply.watch(TextDelta(text=text))

    async def still(self) -> None:
        """Wait until the reply itself waits for time to pass."""
        await self.clock.asleep()

    async def passes(self, seconds: float) -> None:
        """Let time pass once somebody waits for it."""
        await self.still()
        self.clock.advance(seconds)

    async def first_post(self) -> None:
        """Let the first words be seen."""
        self.say(f"{ENOUGH}\n\n")
        await self.passes(0.5)
        await self.adapter.shows("1001", ENOUGH)

    def posts(self) -> int:
        """How many messages were posted."""
        return sum(isinstance(operation, Post) for operation in self.adapter.performed)

    async def ends(self, text: str) -> tuple[OutboxRow, ...]:
        """End the turn as its closing commit does, and deliver."""
        await self.reply.stop_streaming()
        news = self.reply.final_rows(text)

        def unit(tx: Tx) -> tuple[OutboxRow, ...]:
            rows = [outbox.insert(tx, new, now=NOW) for new in news]
            assert None not in rows
            return tuple(row for row in rows if row is not None)

        rows = await self.way.store.write(unit, transition=SYNCED)
        self.way.outlet.enqueue(rows)
        self.reply.rest()
        await self.way.settled()
        return rows


async def growing(way: WayOut, *, posted: tuple[OutboxRow, ...] = (), **fields: Any) -> Growing:
    """A reply to ann's first message, growing."""
    turn = await opened(way.store, arrival(1, **fields))
    reply = Reply(
        turn=turn,
        outlet=way.outlet,
        store=way.store,
        clock=way.clock,
        posted=posted,
        wait=way.clock.wait,
    )
    reply.start()
    return Growing(way, reply)
