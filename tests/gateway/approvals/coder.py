"""A house whose model is a coding agent: the loopback child, scripted turn by turn."""

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.failover import Entry
from agent.providers.codex.pool import CodexPool
from gateway.codex_entries import codex_entry, tools_of
from gateway.config.values import ProviderConfig
from tests.agent.scripted import entry
from tests.gateway.approvals.house import House
from tests.wire.codex.stage import CHILD, QUICK

COMMAND = "item/commandExecution/requestApproval"
FILES = "item/fileChange/requestApproval"
PERMISSIONS = "item/permissions/requestApproval"
MAKE: dict[str, Any] = {
    "type": "commandExecution",
    "id": "c1",
    "command": "make all",
    "cwd": "/srv/shop",
    "status": "inProgress",
}
MADE = {**MAKE, "status": "completed", "exitCode": 0, "aggregatedOutput": "built"}
REFUSED = {**MAKE, "status": "declined"}


def asks(
    method: str = COMMAND, item: dict[str, Any] = MAKE, **answers: Any
) -> list[dict[str, Any]]:
    """The agent begins an action and asks for it; what follows each answer."""
    given = {name: item[name] for name in ("command", "cwd") if name in item}
    after: dict[str, Any] = {"accept": [{"finished": MADE}], "decline": [{"finished": REFUSED}]}
    after |= answers
    ask = {"ask": method, "params": {"itemId": item["id"], **given}, "answers": after}
    return [{"started": item}, ask]


class Coder:
    """The agent of a house, and what reached it."""

    def __init__(self, house: House, directory: Path) -> None:
        self.house = house
        self.times = QUICK
        self.pool = CodexPool(times=self.times)
        self._directory = directory
        self._script = directory / "coder.json"

    async def plays(self, *turns: list[dict[str, Any]], **times: float) -> None:
        """Let the agent's turns go so, and begin a run of the gateway with it."""
        self._script.write_text(json.dumps({"turns": list(turns)}))
        self.times = replace(self.times, **times)
        await self.restart()

    async def restart(self, *behind: Entry) -> None:
        """End the run with its children, as the gateway does, and begin the next one.

        `behind` it stand others in the chain.
        """
        await self.house.shut()
        await self.pool.close()
        self.pool = CodexPool(times=self.times)
        argv = (sys.executable, "-I", "-S", str(CHILD), str(self._script), "app-server")
        config = ProviderConfig(
            name="coder", api="codex-app-server", model="gpt-test", command=argv, price="included"
        )
        made = codex_entry(
            config,
            home=self._directory / "codex",
            workspace=self._directory / "workspace",
            pool=self.pool,
        )
        entries = (entry(made, "coder", api=config.api, pricing=self.house.price),)
        self.house.entries = (*entries, *behind)
        self.house.brought = dict(tools_of(entries))
        await self.house.open()

    async def until(self, seen: Callable[["Coder"], bool]) -> None:
        """Wait until something has reached the agent; another process logs it."""
        async with asyncio.timeout(60):
            while not seen(self):  # noqa: ASYNC110 - there is no event in a file
                await asyncio.sleep(0.005)

    def log(self) -> list[dict[str, Any]]:
        """Everything that children have logged."""
        path = self._script.with_suffix(".log")
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def decisions(self) -> list[str]:
        """What the agent's own requests were answered, in order."""
        answered = [each["in"].get("result", {}) for each in self.log() if "in" in each]
        return [result["decision"] for result in answered if "decision" in result]

    def methods(self) -> list[str]:
        """The requests that reached it, in order."""
        return [each["in"]["method"] for each in self.log() if "method" in each.get("in", {})]

    def told(self, method: str = "turn/start") -> list[str]:
        """The words of each request of a method."""
        found = [each["in"] for each in self.log() if each.get("in", {}).get("method") == method]
        return [each["params"]["input"][0]["text"] for each in found]

    def started(self) -> int:
        """How many children there were."""
        return sum("started" in each for each in self.log())
