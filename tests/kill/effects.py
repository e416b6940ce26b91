"""Tools whose runs are counted in a file, outside of everything a crash takes along."""

import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from agent.messages import JsonObject
from agent.providers.base import ToolSpec
from agent.tools.base import CallContext, EffectClass, Malformed, PreparedCall, Tool, ToolOutput
from gateway.store.base import Tx

LOOK, NOTE, STAMP, ORDER, MAIL = "look", "note", "stamp", "order", "mail"
EFFECTS: Mapping[str, EffectClass] = {
    LOOK: EffectClass.PURE,
    NOTE: EffectClass.LOCAL,
    STAMP: EffectClass.KEYED,
    ORDER: EffectClass.PROBE,
    MAIL: EffectClass.ONCE,
}
ACCOUNT = "kill:test"
"""Under which the local tool keeps its rows."""


class CountingTool:
    """A tool of one effect class; every run appends its name and call id to a file."""

    def __init__(self, name: str, effect: EffectClass, file: Path) -> None:
        self._name = name
        self._effect = effect
        self._file = file

    @property
    def spec(self) -> ToolSpec:
        """It takes nothing."""
        return ToolSpec(
            name=self._name,
            description=f"A tool that is {self._effect.value}.",
            parameters={"type": "object", "properties": {}},
        )

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        """All calls share a resource, so they run in the model's order."""
        return PreparedCall(
            tool=self._name,
            operation="run",
            arguments={},
            effect=self._effect,
            label=f"{self._name}: run",
            resource="counted",
        )

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Count."""
        line = f"{self._name} {context.call_id}\n".encode()
        descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)
        return self._ran()

    def _ran(self) -> ToolOutput:
        return ToolOutput(text=f"{self._name} ran")


class ProbedTool(CountingTool):
    """The same, and it knows whether a call took effect."""

    async def probe(self, call: PreparedCall, context: CallContext) -> ToolOutput | None:
        """Look into the file."""
        return self._ran() if runs(self._file)[(self._name, context.call_id)] else None


class NotingTool(CountingTool):
    """The same with a row of the gateway's own instead of a line in the file."""

    def unit(self, call: PreparedCall, context: CallContext) -> Callable[[Tx], ToolOutput]:
        """A second row of one call can't be stored."""

        def note(tx: Tx) -> ToolOutput:
            tx.run(
                "INSERT INTO cursor (account, name, value, position) VALUES (?, ?, '', 0)",
                ACCOUNT,
                context.call_id,
            )
            return self._ran()

        return note


def counting_tools(file: Path) -> dict[str, Tool]:
    """One tool of each class; their runs are counted in `file`."""
    kinds = {NOTE: NotingTool, ORDER: ProbedTool}
    return {
        name: kinds.get(name, CountingTool)(name, effect, file) for name, effect in EFFECTS.items()
    }


def runs(file: Path) -> Counter[tuple[str, str]]:
    """How often each tool ran, by its name and call id."""
    lines = file.read_text().splitlines() if file.exists() else []
    return Counter((name, call) for name, call in (line.split() for line in lines))
