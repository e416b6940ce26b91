"""The protocol of a tool, its effect classes, and what it is told about its call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol, runtime_checkable

from agent.costs import FREE, Ceiling, Quote
from agent.messages import JsonObject, ResultStatus
from agent.providers.base import ToolSpec


class EffectClass(Enum):
    """What a crash between intent and result means for a call.

    PURE runs again; KEYED runs again with the same key; LOCAL is one transaction with its
    result; PROBE is asked whether it happened; ONCE (undeclared calls too) is never run again
    without a person's word.
    """

    PURE = "pure"
    KEYED = "keyed"
    LOCAL = "local"
    PROBE = "probe"
    ONCE = "once"


class RiskTag(Enum):
    """Why a person cares about a call, computed for each call. A tool adds, nobody removes."""

    PAID = "paid"  # the ceiling is above zero or unknown; set by the gate from the quote
    DESTRUCTIVE = "destructive"
    RECURRING = "recurring"
    OUTWARD = "outward"
    TAINTED = "tainted"  # set by the gate, which knows what the turn has read


class Verdict(Enum):
    """What the gate says of a call; the strictest of several holds."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Bytes a call runs, taken before anyone is asked; those bytes run and no others."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A question to people that a call consists of: their choice or words are its result."""

    question: str
    options: tuple[str, ...] = ()
    free_text: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCall:
    """A parsed and normalised call: what will run, and nothing else runs.

    `arguments` holds only known fields with defaults filled in; `label` is a few plain words
    for people ("files: read notes.md"). Calls of one step that share a `resource` run in the
    model's order, all others side by side.

    For the gate: `default` is the tool's own verdict where no rule speaks, with `reason` in plain
    words; `when_tainted` is its verdict in a turn that has read what no entitled person typed, if
    that is another. `declared` is False where nobody has declared the effect (then people are
    asked, and no grant or mode helps); `firm` asks by hand in every mode. `summary` is one line
    for the card.
    `taints` names what a result brings into the turn that no entitled person typed ("web page");
    `finds` says that it is the world's own words: an address that stands there may be followed.
    `matters` are arguments not at their default that an allow rule must constrain; `editable`
    arguments may be changed on the card; `urls` are addresses the call reaches; `warnings` stand
    on the card. `deadline_s` bounds the run (120 s if None).
    """

    tool: str
    operation: str
    arguments: JsonObject
    effect: EffectClass
    label: str
    resource: str | None = None
    default: Verdict = Verdict.ALLOW
    reason: str = ""
    when_tainted: Verdict | None = None
    firm: bool = False
    declared: bool = True
    tags: frozenset[RiskTag] = frozenset()
    quote: Quote = FREE
    summary: str = ""
    taints: str = ""
    finds: bool = False
    matters: tuple[str, ...] = ()
    editable: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    asking: Asking | None = None
    deadline_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """The arguments do not fit; `text` tells the model position and expected shape."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """Who calls: our call id (the idempotency key), the session, and for whom.

    `account` and `chat` are where the turn answers, `requester` whose message opened it (empty
    for a clock), each as configuration writes them. `snapshots` are the stored bytes by name.
    """

    call_id: str
    session: str
    account: str = ""
    chat: str = ""
    requester: str = ""
    snapshots: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteJob:
    """Work that goes on elsewhere: `handle` finds it again after any restart.

    Without a handle nobody has seen it: it may have begun, is found by the id of its call, and is
    ended then.
    `deadline_s` from now on it is cancelled; `poll_s` is how often it is looked at, at first.
    `record` is the provider's own id of its bill. `waits`: the turn waits for its end; else the
    call has its result beside it, and only the money waits. `recurring`: it begins again and again
    (see RecurringTool) until the hold of its call is used up; nobody waits for that.
    """

    handle: str
    label: str
    deadline_s: float
    poll_s: float = 15.0
    record: str = ""
    waits: bool = True
    recurring: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of recurring work: `handle` is for `poll` and `cancel`, `record` names its bill."""

    handle: str
    record: str
    ceiling: Ceiling


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """What recurring work has begun, oldest first, and what a further run can cost at most."""

    begun: tuple[Run, ...]
    each: Ceiling


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutput:
    """What a call gave; `text` is what the model reads (bounded by the tool).

    `spent` is the actual cost in micro-dollars: None where nobody knows it (the hold stays),
    and not looked at for a call that was quoted as free. `record` is the provider's own id of
    the bill. `remote`: the work only began; the turn waits for it as rows.
    """

    text: str
    status: ResultStatus = ResultStatus.DONE
    spent: int | None = None
    record: str = ""
    remote: RemoteJob | None = None


class Tool(Protocol):
    """A tool. `prepare` is pure and total; `run` may block on I/O and be cancelled."""

    @property
    def spec(self) -> ToolSpec: ...

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        """Normalise the arguments; never raises."""

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Perform the call; raises ToolError for failures the model should read.

        NotStarted (a ToolError) says that the effect certainly did not begin: nothing is paid.
        """


@runtime_checkable
class PlacedTool(Tool, Protocol):
    """A tool whose calls go where configuration says: what is decided holds for that place."""

    @property
    def place(self) -> str:
        """The address or command line, as it enters fingerprints; may hold a key, is not shown."""


@runtime_checkable
class InspectingTool(Tool, Protocol):
    """A tool whose calls need a look at the world before they can be judged."""

    async def inspect(
        self, call: PreparedCall, context: CallContext
    ) -> PreparedCall | Malformed | None:
        """Complete a call with snapshots, quote, payer and tags; reads only, within 5 s.

        None: the facts could not be had. Then the call asks, whatever its default is. Raises
        nothing but CancelledError.
        """


@runtime_checkable
class QuotingTool(Tool, Protocol):
    """A tool whose prices may change between a card and its press."""

    def requote(self, call: PreparedCall, quote: Quote) -> Quote:
        """The quote of an inspected call at the prices known now; no I/O, never raises."""


@runtime_checkable
class ReaskedTool(Tool, Protocol):
    """A tool that gives NOT_RUN where an approval comes too late, and whose caller asks again."""

    def bound(self, arguments: JsonObject) -> str:
        """What the approval was for: it holds for one more call of the turn that equals this."""


@runtime_checkable
class PayingTool(Tool, Protocol):
    """A tool whose calls one of several accounts may pay for."""

    async def paid_by(
        self, call: PreparedCall, context: CallContext, *, payer: str
    ) -> PreparedCall | Malformed | None:
        """Inspect a call for an account that a person chose; see InspectingTool."""


@runtime_checkable
class RemoteTool(Tool, Protocol):
    """A tool whose calls may go on elsewhere after `run` has returned."""

    async def poll(self, handle: str) -> ToolOutput | None:
        """The end of a job with what it cost, or None while it goes on. ToolError: can't tell."""

    async def cancel(self, handle: str) -> None:
        """Ask for the end of a job; may be repeated. The end itself is seen by `poll`."""


@runtime_checkable
class RecurringTool(RemoteTool, Protocol):
    """A remote tool some of whose work begins again and again without a new call.

    Of that work `cancel` asks for no further run, and `poll` has an end once there is none;
    its runs are polled and cancelled like any other work.
    """

    async def runs(self, handle: str, *, since: int) -> Runs:
        """The runs begun since a time (microseconds since 1970). ToolError: can't tell."""


@runtime_checkable
class LocalTool(Tool, Protocol):
    """A tool whose calls of effect LOCAL change the gateway's own rows and nothing else."""

    def unit(self, call: PreparedCall, context: CallContext) -> Callable[[Any], ToolOutput]:
        """The call as one unit of work; it is committed together with its result.

        The unit's argument is the transaction of whoever stores the turn. It raises ToolError,
        then nothing of it is kept and the error is the result.
        """


@runtime_checkable
class ProbingTool(Tool, Protocol):
    """A tool whose calls of effect PROBE can be asked about after a crash."""

    async def probe(self, call: PreparedCall, context: CallContext) -> ToolOutput | None:
        """Say what a call gave if it took effect, None if it certainly did not.

        Raises ToolError where that can't be told. Changes nothing; may be asked again.
        """
