"""An edit looks at the world for seconds; what is decided of its item meanwhile stands."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from agent.tools.base import CallContext, EffectClass, PreparedCall
from gateway.acts import Act
from gateway.approvals import CHANGED
from gateway.store.records.cards import Card
from gateway.tokens import Decision
from platforms.events import Author
from tests.gateway.approvals.house import House
from tests.gateway.approvals.house_tools import HouseTool
from tests.gateway.events import ANN, BEN

HELD = 500_000


@dataclass(kw_only=True)
class SlowTool(HouseTool):
    """A tool whose looks may be held up."""

    held_up: asyncio.Event | None = None
    looks: asyncio.Event = field(default_factory=asyncio.Event)

    async def inspect(self, call: PreparedCall, context: CallContext) -> PreparedCall:
        if self.held_up is not None:
            self.looks.set()
            await self.held_up.wait()
        return call


def act(house: House, person: Author, decision: Decision, **more: Any) -> Act:
    """What somebody does on the pages."""
    return Act(
        account="",
        chat="",
        message=None,
        person=f"telegram:{person.id}",
        name=person.name,
        source="web",
        at=house.clock.now(),
        decision=decision,
        rev=1,
        confirmed=True,
        anywhere=True,
        **more,
    )


async def editing(house: House, *, option: int) -> tuple[Card, SlowTool, asyncio.Task[Any]]:
    """Two calls on one card, and Ann's edit of one, whose look goes on."""
    tool = SlowTool(name="slow", effect=EffectClass.KEYED, price=HELD, spent=100_000)
    house.tools["slow"] = tool
    await house.restart()
    await house.asks('slow {"text":"a"}', 'slow {"text":"b"}')
    tool.held_up = asyncio.Event()
    ((card, _),) = await house.cards()
    edit = act(house, ANN, Decision.EDIT, option=option, values={"text": "other"})
    task = asyncio.create_task(house.now.desk.desk.typed(card.code, edit))
    await asyncio.wait_for(tool.looks.wait(), 60)
    return card, tool, task


@pytest.mark.parametrize(("option", "why"), [(0, CHANGED), (1, "This is decided already")])
async def test_an_item_approved_while_its_edit_looks_is_not_edited(
    house: House, option: int, why: str
) -> None:
    """It runs as approved, on the money that was put aside, and the turn goes on."""
    card, tool, edit = await editing(house, option=option)
    tool.waits = asyncio.Event()
    approve = act(house, BEN, Decision.APPROVE, option=1)
    assert (await house.now.desk.desk.typed(card.code, approve)).text == "Approved."
    assert tool.held_up is not None
    tool.held_up.set()
    assert (await edit).text.startswith(why)
    tool.waits.set()
    await house.rest()
    assert await house.states() == ["approved", "pending"]
    assert (await house.calls(), await house.held()) == (["done", "asked"], 0)
    assert [orjson.loads(ran.arguments)["text"] for ran in tool.ran] == ["a"]
    await house.press("Deny", author=BEN)
    assert await house.turns() == ["done"]


async def test_of_two_edits_that_look_at_once_the_first_stands(house: House) -> None:
    """The second was made of contents that are not on the card any more."""
    card, tool, first = await editing(house, option=1)
    again = act(house, BEN, Decision.EDIT, option=1, values={"text": "mine"})
    second = asyncio.create_task(house.now.desk.desk.typed(card.code, again))
    assert tool.held_up is not None
    tool.held_up.set()
    told = {(await first).text, (await second).text}
    assert told == {"The card shows it now; it still needs its own approval.", CHANGED}
