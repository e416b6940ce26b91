"""The tool that benchmarks let the model call: it does nothing but say when it began."""

import time
from collections.abc import Mapping

from agent.costs import DOLLAR, FREE, Quote
from agent.messages import JsonObject
from agent.providers.base import ToolSpec
from agent.tools.arguments import checked
from agent.tools.base import (
    CallContext,
    EffectClass,
    Malformed,
    PreparedCall,
    ToolOutput,
    Verdict,
)

NAME = "work"
READ, FREE_CHANGE, PAID, ASKED = "read", "free", "paid", "asked"
BEGAN = "began "
"""What comes before the time in a result."""

CEILING = DOLLAR // 10_000
"""So little that thousands of calls fit into every limit."""

_FIELDS: Mapping[str, JsonObject] = {"kind": {"type": "string"}, "number": {"type": "integer"}}
_PRICED = Quote(ceiling=CEILING, unit="calls", unit_price=CEILING, quantity=1, source="list")


class WorkTool:
    """`read` is pure and free, `free` and `paid` change something, `asked` is paid and asks."""

    spec = ToolSpec(
        name=NAME,
        description=NAME,
        parameters={"type": "object", "properties": _FIELDS, "additionalProperties": False},
    )

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        """Normalise one call."""
        complete = checked(arguments, _FIELDS, fields=tuple(_FIELDS), required=tuple(_FIELDS))
        if isinstance(complete, Malformed):
            return complete
        kind = complete["kind"]
        asks = kind == ASKED
        return PreparedCall(
            tool=NAME,
            operation=kind,
            arguments=complete,
            effect=EffectClass.PURE if kind == READ else EffectClass.KEYED,
            label=f"{NAME}: {kind}",
            default=Verdict.ASK if asks else Verdict.ALLOW,
            reason="it asks" if asks else "",
            quote=_PRICED if kind in (PAID, ASKED) else FREE,
        )

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Say when it began, on the clock that all processes share."""
        began = time.monotonic()
        return ToolOutput(text=f"{BEGAN}{began}", spent=CEILING // 2)
