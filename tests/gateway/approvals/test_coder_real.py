"""The real `codex` program at the real desk: one command, approved by a person."""

from pathlib import Path

import pytest

from agent.providers.codex.tools import codex_tools
from tests.agent.providers.test_codex_real import calls, program, real, says
from tests.agent.scripted import entry
from tests.gateway.approvals.house import House

__all__ = ["program"]  # a fixture


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_an_approval_of_the_real_program(house: House, program: Path, tmp_path: Path) -> None:
    """The card names the command, the press runs it once, the answer comes."""
    async with real(program, tmp_path) as here:
        made = here.work / "made.txt"
        command = "touch made.txt && echo ok"
        here.model.script = [[calls(command, escalated=True)], [says("Made.")]]
        await house.shut()
        coder = entry(here.provider, "coder", api="codex-app-server")
        house.entries = (coder,)
        house.brought = {tool.spec.name: tool for tool in codex_tools(here.pool)}
        await house.open()
        await house.says("make it")
        card = house.card()
        assert command in card.text
        assert not made.exists()
        await house.press("Approve once")
        assert await house.press("Yes: Approve once") == "Approved."
        assert made.exists()
        assert "Made." in house.texts()[-1]
        assert await house.calls() == ["done"]
        assert here.model.script == []
        await house.shut()
