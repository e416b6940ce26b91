"""Calls on the gateway's own rows whose tools have faults: a result, and the turn goes on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from agent.tools.base import CallContext, EffectClass, PreparedCall, ToolOutput, Verdict
from tests.gateway.approvals.house import House
from tests.gateway.approvals.house_tools import HouseTool


@dataclass(kw_only=True)
class FaultyTool(HouseTool):
    """A tool whose unit fails after it has written, or can't even be made."""

    made: bool

    def unit(self, call: PreparedCall, context: CallContext) -> Callable[[Any], ToolOutput]:
        if not self.made:
            raise KeyError("a fault of the tool")

        def apply(tx: Any) -> ToolOutput:
            tx.run("INSERT INTO memory (place, text, author, at) VALUES ('p', 'tea', 'ann', 1)")
            raise KeyError("a fault of the tool")

        return apply


@pytest.mark.parametrize("made", [True, False])
async def test_a_fault_of_a_local_tool_is_its_result(house: House, *, made: bool) -> None:
    """Nothing it wrote stays, its sibling has its own result, and the model answers."""
    house.tools["faulty"] = FaultyTool(
        name="faulty", default=Verdict.ALLOW, effect=EffectClass.LOCAL, made=made
    )
    await house.restart()
    house.model_calls("allowed", "faulty", "allowed")
    await house.says("do it")
    assert (await house.calls(), await house.turns()) == (["done", "failed", "done"], ["done"])
    assert house.results()[1].text == "The tool failed inside the gateway."
    assert await house.rows("SELECT 1 FROM memory") == []
