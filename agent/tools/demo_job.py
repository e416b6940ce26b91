"""The `demo_job` tool of the demonstration: a pretended paid job, to see a card and a price.

Nothing runs and nobody is charged; the budgets of the demonstration count it all the same, so
that what a card, a limit and `/spend` show can be tried without an account anywhere.
"""

from collections.abc import Mapping
from typing import Any, Final

from agent.costs import Quote
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

NAME: Final = "demo_job"
MINUTE: Final = 7_000
START_MINUTES: Final = 5

_PROPERTIES: Final[Mapping[str, dict[str, Any]]] = {
    "minutes": {"type": "integer", "minimum": 1, "maximum": 120, "default": 25},
    "note": {"type": "string", "maxLength": 200, "default": "train a small model"},
}
SPEC: Final = ToolSpec(
    name=NAME,
    description="Pretend to run a job that costs money.",
    parameters={"type": "object", "properties": _PROPERTIES, "additionalProperties": False},
)


class DemoJobTool:
    """A Tool whose calls cost pretended money."""

    @property
    def spec(self) -> ToolSpec:
        """What the model is shown."""
        return SPEC

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        """Normalise one call; see Tool."""
        complete = checked(arguments, _PROPERTIES, fields=tuple(_PROPERTIES), required=())
        if isinstance(complete, Malformed):
            return complete
        minutes = complete["minutes"] + START_MINUTES
        return PreparedCall(
            tool=NAME,
            operation="run",
            arguments=complete,
            effect=EffectClass.KEYED,
            label=f"{NAME}: {complete['note']}",
            default=Verdict.ASK,
            reason="it costs money",
            quote=Quote(
                ceiling=minutes * MINUTE,
                unit="min",
                unit_price=MINUTE,
                quantity=minutes,
                source="declared",
                payer="demo",
                note=f"{complete['minutes']} min + {START_MINUTES} to start; nobody is charged",
            ),
            summary=f"pretends to run for {complete['minutes']} min: nothing runs, nobody pays",
            matters=("minutes",),
            editable=("minutes", "note"),
        )

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Say what a real job would have said."""
        ran = max(1, call.arguments["minutes"] // 2)
        text = (
            f"The pretended job ran for {ran} minutes. Nothing was run and nobody was charged; the"
            " card above shows what was put aside, and what of it was given back."
        )
        return ToolOutput(text=text, spent=ran * MINUTE, record=context.call_id)
