"""Tools as an agent would have them: a paid one, a destructive one, one that sends. In memory."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.costs import DOLLAR, FREE, Quote
from agent.messages import JsonObject
from agent.providers.base import ToolSpec
from agent.tools.arguments import checked
from agent.tools.base import (
    CallContext,
    EffectClass,
    Malformed,
    PreparedCall,
    RiskTag,
    ToolOutput,
    Verdict,
)
from tests.wire.openai import CallTool

TRAIN, WIPE, LETTER, TIDY = "train", "wipe", "letter", "tidy"
PER_MINUTE: Mapping[str, int] = {"small": DOLLAR // 100, "large": 4 * DOLLAR // 100, "huge": DOLLAR}
"""What a minute costs, in micro-dollars."""


@dataclass(slots=True)
class Shop:
    """What ran, in order; `gate` holds a run back until it is set."""

    ran: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    def tools(self) -> dict[str, "ShopTool"]:
        """The four tools."""
        return {name: ShopTool(name, self) for name in (TRAIN, WIPE, LETTER, TIDY)}

    def names(self) -> list[str]:
        """Which tools ran."""
        return [name for name, _ in self.ran]


_FIELDS: Mapping[str, Mapping[str, dict[str, Any]]] = {
    TRAIN: {
        "script": {"type": "string"},
        "size": {"type": "string", "default": "small"},
        "minutes": {"type": "integer", "default": 30},
    },
    WIPE: {"what": {"type": "string"}},
    LETTER: {"to": {"type": "string"}, "text": {"type": "string"}},
    TIDY: {"what": {"type": "string"}},
}


class ShopTool:
    """One of the four; all of them ask."""

    def __init__(self, name: str, shop: Shop) -> None:
        self._name = name
        self._shop = shop

    @property
    def spec(self) -> ToolSpec:
        """What the model is shown."""
        properties = dict(_FIELDS[self._name])
        parameters = {"type": "object", "properties": properties, "additionalProperties": False}
        return ToolSpec(name=self._name, description=self._name, parameters=parameters)

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        """Normalise one call."""
        fields = _FIELDS[self._name]
        required = tuple(name for name, each in fields.items() if "default" not in each)
        complete = checked(arguments, fields, fields=tuple(fields), required=required)
        if isinstance(complete, Malformed):
            return complete
        if self._name == TRAIN and complete["size"] not in PER_MINUTE:
            return Malformed(text=f"The field 'size' must be one of {', '.join(PER_MINUTE)}.")
        tags = {WIPE: {RiskTag.DESTRUCTIVE}, LETTER: {RiskTag.OUTWARD}}.get(self._name, set())
        once = self._name in (WIPE, LETTER)
        return PreparedCall(
            tool=self._name,
            operation="run",
            arguments=complete,
            effect=EffectClass.ONCE if once else EffectClass.KEYED,
            label=f"{self._name}: run",
            default=Verdict.ASK,
            reason="it asks",
            tags=frozenset(tags),
            quote=_quote(complete) if self._name == TRAIN else FREE,
            summary=_summary(self._name, complete),
            editable=("size", "minutes", "script") if self._name == TRAIN else (),
            matters=tuple(required),
        )

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Note it; training costs half of its ceiling."""
        self._shop.begun.set()
        if call.arguments.get("script") == "wait":
            await self._shop.gate.wait()
        self._shop.ran.append((self._name, dict(call.arguments)))
        ceiling = call.quote.ceiling
        spent = ceiling // 2 if isinstance(ceiling, int) else None
        return ToolOutput(text=f"{self._name} ran", spent=spent)


def _quote(arguments: Mapping[str, Any]) -> Quote:
    each = PER_MINUTE[arguments["size"]]
    minutes = arguments["minutes"]
    return Quote(
        ceiling=each * minutes, unit="minutes", unit_price=each, quantity=minutes, source="list"
    )


def _summary(name: str, arguments: Mapping[str, Any]) -> str:
    if name == TRAIN:
        return f"train on one {arguments['size']} machine, stopped after {arguments['minutes']} min"
    return f"{name} {arguments.get('what') or arguments.get('to')}"


def train(script: str = "train.py", *, ident: str = "call_train", **more: Any) -> CallTool:
    """The model wants to train: $0.30, or as `size` and `minutes` say."""
    return _call(TRAIN, ident, {"script": script, **more})


def wipe(what: str = "notes", *, ident: str = "call_wipe") -> CallTool:
    """The model wants to delete something."""
    return _call(WIPE, ident, {"what": what})


def letter(to: str = "eve@example.org", *, ident: str = "call_letter") -> CallTool:
    """The model wants to write to somebody."""
    return _call(LETTER, ident, {"to": to, "text": "Hello"})


def tidy(what: str = "desk", *, ident: str = "call_tidy") -> CallTool:
    """The model wants something free that still asks."""
    return _call(TIDY, ident, {"what": what})


def _call(name: str, ident: str, arguments: Mapping[str, Any]) -> CallTool:
    return CallTool(name=name, arguments=json.dumps(arguments), id=ident)
