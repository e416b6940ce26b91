"""Tools of several people's turns in one chat: eight run at once, the others wait their turn."""

import asyncio
from dataclasses import dataclass, field

from agent.tool_room import TOOLS_OF_CHAT
from agent.tools.base import CallContext, EffectClass, PreparedCall, ToolOutput, Verdict
from tests.gateway.approvals.house import EVE, House, made_calls
from tests.gateway.approvals.house_tools import HouseTool
from tests.gateway.core import says
from tests.gateway.events import ANN, BEN


@dataclass(kw_only=True)
class CountedTool(HouseTool):
    """A tool that knows how many of it run, and how many ran at most; `full` once eight do."""

    now: int = 0
    most: int = 0
    full: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        self.now += 1
        self.most = max(self.most, self.now)
        if self.now == TOOLS_OF_CHAT:
            self.full.set()
        try:
            return await super().run(call, context)
        finally:
            self.now -= 1


async def test_eight_tools_of_a_chat_run_side_by_side(house: House) -> None:
    """Three turns with four calls each: twelve have begun, eight run, and all end."""
    tool = house.tools["many"] = CountedTool(
        name="many", default=Verdict.ALLOW, effect=EffectClass.KEYED, waits=asyncio.Event()
    )
    await house.restart()
    four = made_calls(*(f'many {{"n":{n}}}' for n in range(4)))
    house.model_says(*(says("a", calls=four) for _ in range(3)), *("done" for _ in range(3)))
    for author in (ANN, BEN, EVE):
        await house.take(house.words("do it", author=author))
    async with asyncio.timeout(60):
        await tool.full.wait()
        while await house.calls() != ["intent"] * 12:
            pass
    assert (tool.now, len(tool.ran)) == (TOOLS_OF_CHAT, TOOLS_OF_CHAT)
    assert tool.waits is not None
    tool.waits.set()
    await house.rest()
    assert (len(tool.ran), tool.most) == (12, TOOLS_OF_CHAT)
    assert await house.turns() == ["done"] * 3
