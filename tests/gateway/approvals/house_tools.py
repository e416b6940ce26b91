"""Tools whose effect, price, tags and ends a test decides, with a record of what they ran."""

import asyncio
from dataclasses import dataclass, field, replace

from agent.canonical import canonical
from agent.costs import DOLLAR, Ceiling, Quote, Unknown
from agent.errors import ToolError
from agent.messages import JsonObject, ResultStatus
from agent.providers.base import ToolSpec
from agent.tools.base import (
    Asking,
    CallContext,
    EffectClass,
    Malformed,
    PreparedCall,
    RemoteJob,
    RiskTag,
    Snapshot,
    ToolOutput,
    Verdict,
)

FIELDS = frozenset({"n", "text", "minutes", "url", "script", "question", "options", "resource"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One run: which call, and exactly what."""

    call_id: str
    arguments: str
    script: bytes | None = None


@dataclass(kw_only=True)
class HouseTool:
    """A tool as the test makes it; `price` is micro-dollars per minute asked for.

    `waits` holds a run until it is set; `spent` is what a run costs, `fails` what it raises.
    """

    name: str
    effect: EffectClass = EffectClass.ONCE
    default: Verdict = Verdict.ASK
    price: Ceiling = 0
    tags: frozenset[RiskTag] = frozenset()
    taints: str = ""
    finds: bool = False
    declared: bool = True
    firm: bool = False
    spent: int | None = None
    text: str = "ran"
    schema: int = 1
    payer: str = ""
    place: str = ""
    scripts: dict[str, bytes] = field(default_factory=dict)
    waits: asyncio.Event | None = None
    began: asyncio.Event = field(default_factory=asyncio.Event)
    fails: list[Exception] = field(default_factory=list)
    blind: bool = False
    ran: list[Ran] = field(default_factory=list)

    @property
    def spec(self) -> ToolSpec:
        parameters = {"type": "object", "title": str(self.schema)}
        return ToolSpec(name=self.name, description=self.name, parameters=parameters)

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        if unknown := set(arguments) - FIELDS:
            return Malformed(text=f"There is no field {sorted(unknown)[0]!r}.")
        asking = None
        if "question" in arguments:
            options = tuple(arguments.get("options", ()))
            asking = Asking(question=str(arguments["question"]), options=options)
        minutes = arguments.get("minutes", 1)
        if not isinstance(minutes, int) or minutes < 1:
            return Malformed(text="The field 'minutes' is a whole number from 1 on.")
        return PreparedCall(
            tool=self.name,
            operation="do",
            arguments={**arguments, "minutes": minutes},
            effect=self.effect,
            label=f"{self.name}: do",
            resource=arguments.get("resource"),
            default=self.default,
            reason="" if self.default is Verdict.ALLOW else f"{self.name} is asked",
            firm=self.firm,
            declared=self.declared,
            tags=self.tags,
            quote=self._quote(minutes),
            summary=f"does it for {minutes} min",
            taints=self.taints,
            finds=self.finds,
            editable=("minutes", "text"),
            urls=(str(arguments["url"]),) if "url" in arguments else (),
            asking=asking,
        )

    def _quote(self, minutes: int) -> Quote:
        if isinstance(self.price, Unknown):
            return Quote(ceiling=self.price, payer=self.payer)
        unit = self.price
        return Quote(
            ceiling=unit * minutes,
            unit="minute",
            unit_price=unit,
            quantity=minutes,
            source="live",
            payer=self.payer,
        )

    async def inspect(
        self, call: PreparedCall, context: CallContext
    ) -> PreparedCall | Malformed | None:
        """Take the script a call names, as it is now."""
        if self.blind:
            return None
        name = call.arguments.get("script")
        if name is None:
            return call
        found = self.scripts.get(str(name))
        if found is None:
            return Malformed(text=f"There is no script {name}.")
        return replace(call, snapshots=(Snapshot(name=str(name), data=found),))

    def requote(self, call: PreparedCall, quote: Quote) -> Quote:
        return replace(self._quote(call.arguments["minutes"]), payer=quote.payer)

    async def paid_by(
        self, call: PreparedCall, context: CallContext, *, payer: str
    ) -> PreparedCall | Malformed | None:
        found = await self.inspect(call, context)
        if not isinstance(found, PreparedCall):
            return found
        return replace(found, quote=replace(found.quote, payer=payer))

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        script = context.snapshots.get(str(call.arguments.get("script")))
        text = canonical(call.arguments).decode()
        self.ran.append(Ran(call_id=context.call_id, arguments=text, script=script))
        self.began.set()
        if self.waits is not None:
            await self.waits.wait()
        if self.fails:
            raise self.fails.pop(0)
        return self.output(context)

    def output(self, context: CallContext) -> ToolOutput:
        return ToolOutput(text=self.text, spent=self.spent, record=f"bill-{context.call_id}")


@dataclass(kw_only=True)
class RemoteHouseTool(HouseTool):
    """A tool whose runs go on elsewhere until the test ends them."""

    effect: EffectClass = EffectClass.PROBE
    price: Ceiling = 2 * DOLLAR
    lasts_s: float = 600.0
    ends: dict[str, ToolOutput] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    looked: int = 0
    heeds: bool = True
    probed: ToolOutput | Exception | None = None

    def output(self, context: CallContext) -> ToolOutput:
        job = RemoteJob(handle=context.call_id, label=f"{self.name} job", deadline_s=self.lasts_s)
        return ToolOutput(text="begun", remote=job)

    def end(self, spent: int | None, text: str = "job done") -> None:
        """Let every job that began end with this bill."""
        for each in self.ran:
            self.ends.setdefault(
                each.call_id, ToolOutput(text=text, spent=spent, record=f"bill-{each.call_id}")
            )

    async def poll(self, handle: str) -> ToolOutput | None:
        self.looked += 1
        return self.ends.get(handle)

    async def cancel(self, handle: str) -> None:
        self.cancelled.append(handle)
        if self.heeds and handle not in self.ends:
            self.ends[handle] = ToolOutput(
                text="cancelled", status=ResultStatus.FAILED, spent=DOLLAR // 2
            )

    async def probe(self, call: PreparedCall, context: CallContext) -> ToolOutput | None:
        if isinstance(self.probed, Exception):
            raise self.probed
        return self.probed


def house_tools() -> dict[str, HouseTool]:
    """One tool for each reason to be asked, named after it."""
    once = EffectClass.ONCE
    made = (
        HouseTool(name="free"),
        HouseTool(
            name="paid",
            effect=EffectClass.KEYED,
            price=DOLLAR // 2,
            spent=DOLLAR // 10,
            payer="acme",
            scripts={"train.py": b"print(1)\n"},
        ),
        HouseTool(name="dear", effect=EffectClass.KEYED, price=5 * DOLLAR, spent=DOLLAR),
        HouseTool(name="cheap", effect=EffectClass.KEYED, price=100_000, spent=50_000),
        HouseTool(name="destroys", tags=frozenset({RiskTag.DESTRUCTIVE})),
        HouseTool(name="repeats", tags=frozenset({RiskTag.RECURRING})),
        HouseTool(name="tells", tags=frozenset({RiskTag.OUTWARD})),
        HouseTool(name="allowed", default=Verdict.ALLOW, effect=EffectClass.KEYED),
        HouseTool(
            name="budgeted",
            default=Verdict.ALLOW,
            effect=EffectClass.KEYED,
            price=300_000,
            spent=300_000,
        ),
        HouseTool(
            name="reads",
            default=Verdict.ALLOW,
            effect=EffectClass.PURE,
            taints="web page",
            finds=True,
        ),
        HouseTool(name="links", default=Verdict.ALLOW, effect=EffectClass.PURE),
        HouseTool(name="never", default=Verdict.DENY),
        HouseTool(name="foreign", declared=False),
        HouseTool(name="asks", effect=EffectClass.LOCAL),
        HouseTool(name="once", effect=once, price=DOLLAR // 4, spent=DOLLAR // 5),
        RemoteHouseTool(name="remote"),
    )
    return {tool.name: tool for tool in made}


UNREACHED = ToolError("the list can't be read")
