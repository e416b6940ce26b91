"""Tools whose runs are counted in a file, outside of everything a crash takes along.

What the far side of a priced tool charges is in that file too: the books must cover it.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.costs import FREE, Quote
from agent.messages import JsonObject, ResultStatus
from agent.providers.base import ToolSpec
from agent.tools.base import (
    CallContext,
    EffectClass,
    Malformed,
    PreparedCall,
    RemoteJob,
    RiskTag,
    Run,
    Runs,
    Tool,
    ToolOutput,
    Verdict,
)
from gateway.store.base import Tx

LOOK, NOTE, STAMP, ORDER, MAIL = "look", "note", "stamp", "order", "mail"
BUY, RENT, KEEP, REPEAT = "buy", "rent", "keep", "repeat"
FIND = "find"
EFFECTS: Mapping[str, EffectClass] = {
    LOOK: EffectClass.PURE,
    NOTE: EffectClass.LOCAL,
    STAMP: EffectClass.KEYED,
    ORDER: EffectClass.PROBE,
    MAIL: EffectClass.ONCE,
}
"""Tools that run unasked and are free, one of each class."""

JOBS = (RENT, KEEP, REPEAT)
NEVER_TWICE = (ORDER, MAIL, BUY, *JOBS)
ACCOUNT = "kill:test"
"""Under which the local tool keeps its rows."""

CANCELLED = "cancelled"
LASTS_S, LOOKED_AT_S = 0.4, 0.5
"""How long work elsewhere may go on, and when it is looked at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one run costs at most, and what the far side charges, in micro-dollars."""

    ceiling: int
    charged: int


PRICES: Mapping[str, Price] = {
    BUY: Price(ceiling=300_000, charged=120_000),
    RENT: Price(ceiling=600_000, charged=250_000),
    KEEP: Price(ceiling=500_000, charged=90_000),
    REPEAT: Price(ceiling=400_000, charged=150_000),
    FIND: Price(ceiling=50_000, charged=50_000),
}
"""The priced tools; reading is the only one that is not asked about."""

ASKED = frozenset(PRICES) - {FIND}


class CountingTool:
    """A tool of one effect class; every run appends its name, call id and price to a file."""

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
        price = PRICES.get(self._name)
        return PreparedCall(
            tool=self._name,
            operation="run",
            arguments={},
            effect=self._effect,
            label=f"{self._name}: run",
            resource="counted",
            default=Verdict.ASK if self._name in ASKED else Verdict.ALLOW,
            reason="it costs money" if self._name in ASKED else "",
            tags=frozenset({RiskTag.RECURRING} if self._name == REPEAT else ()),
            quote=Quote(ceiling=price.ceiling, source="declared") if price else FREE,
        )

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Count."""
        self._count(self._name, context.call_id)
        return self._ran(context.call_id)

    def _count(self, name: str, call_id: str) -> None:
        price = PRICES.get(name)
        line = f"{name} {call_id} {price.charged if price else 0}\n".encode()
        descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)

    def _ran(self, call_id: str) -> ToolOutput:
        price = PRICES.get(self._name)
        return ToolOutput(
            text=f"{self._name} ran", spent=price.charged if price else None, record=call_id
        )

    def _has(self, name: str, call_id: str) -> bool:
        return runs(self._file)[(name, call_id)] > 0


class ProbedTool(CountingTool):
    """The same, and it knows whether a call took effect."""

    async def probe(self, call: PreparedCall, context: CallContext) -> ToolOutput | None:
        """Look into the file."""
        return self._ran(context.call_id) if self._has(self._name, context.call_id) else None


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
            return self._ran(context.call_id)

        return note


class RentingTool(ProbedTool):
    """Work elsewhere that has ended when it is looked at."""

    def _ran(self, call_id: str) -> ToolOutput:
        job = RemoteJob(
            handle=call_id, label=self._name, deadline_s=60.0, poll_s=LOOKED_AT_S, record=call_id
        )
        return ToolOutput(text=f"{self._name} began", remote=job)

    async def poll(self, handle: str) -> ToolOutput | None:
        """It is over."""
        return super()._ran(handle)

    async def cancel(self, handle: str) -> None:
        """It would be heeded."""
        self._count(CANCELLED, handle)


class KeepingTool(RentingTool):
    """Work elsewhere that goes on until it is told to end."""

    def _ran(self, call_id: str) -> ToolOutput:
        job = RemoteJob(
            handle=call_id, label=self._name, deadline_s=LASTS_S, poll_s=LOOKED_AT_S, record=call_id
        )
        return ToolOutput(text=f"{self._name} began", remote=job)

    async def poll(self, handle: str) -> ToolOutput | None:
        """It ends once it was cancelled."""
        if not self._has(CANCELLED, handle):
            return None
        spent = PRICES[self._name].charged
        return ToolOutput(
            text="its time was over", status=ResultStatus.FAILED, spent=spent, record=handle
        )


class RepeatingTool(RentingTool):
    """Work that begins again and again: one run of it is over when it is looked at, then all is."""

    def _ran(self, call_id: str) -> ToolOutput:
        job = RemoteJob(
            handle=call_id,
            label=self._name,
            deadline_s=60.0,
            poll_s=LOOKED_AT_S,
            waits=False,
            recurring=True,
        )
        return ToolOutput(text=f"{self._name} is set up", remote=job)

    async def poll(self, handle: str) -> ToolOutput | None:
        """One run is over; so is the whole."""
        spent = PRICES[self._name].charged
        return ToolOutput(text=f"{self._name} is over.", spent=spent, record=handle)

    async def runs(self, handle: str, *, since: int) -> Runs:
        """One run has begun."""
        most = PRICES[self._name].ceiling
        run = Run(handle=f"{handle}-1", record=f"{handle}-1", ceiling=most)
        return Runs(begun=(run,), each=most)


_KINDS: Mapping[str, type[CountingTool]] = {
    NOTE: NotingTool,
    ORDER: ProbedTool,
    RENT: RentingTool,
    KEEP: KeepingTool,
    REPEAT: RepeatingTool,
}


def counting_tools(file: Path) -> dict[str, Tool]:
    """One free tool of each class and the priced ones; their runs are counted in `file`."""
    priced = {BUY: EffectClass.ONCE, FIND: EffectClass.PURE}
    effects = {**EFFECTS, **priced, **dict.fromkeys(JOBS, EffectClass.PROBE)}
    return {
        name: _KINDS.get(name, CountingTool)(name, effect, file) for name, effect in effects.items()
    }


def runs(file: Path) -> Counter[tuple[str, str]]:
    """How often each tool ran, by its name and call id."""
    return Counter((name, call) for name, call, _ in _lines(file))


def charged(file: Path) -> Counter[str]:
    """What the far side has charged for each call, in micro-dollars."""
    sums: Counter[str] = Counter()
    for _, call, price in _lines(file):
        sums[call] += int(price)
    return +sums


def _lines(file: Path) -> list[list[str]]:
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []
