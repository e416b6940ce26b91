"""The protocol of a tool, its effect classes, and what it is told about its call."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, runtime_checkable

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


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCall:
    """A parsed and normalised call: what will run, and nothing else runs.

    `arguments` holds only known fields with defaults filled in; `label` is a few plain words
    for people ("files: read notes.md"). Calls of one step that share a `resource` run in the
    model's order, all others side by side.
    """

    tool: str
    operation: str
    arguments: JsonObject
    effect: EffectClass
    label: str
    resource: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """The arguments do not fit; `text` tells the model position and expected shape."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """Who calls: our call id (the idempotency key) and the session the call belongs to."""

    call_id: str
    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutput:
    """What a call gave; `text` is what the model reads (bounded by the tool)."""

    text: str
    status: ResultStatus = ResultStatus.DONE


class Tool(Protocol):
    """A tool. `prepare` is pure and total; `run` may block on I/O and be cancelled."""

    @property
    def spec(self) -> ToolSpec: ...

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        """Normalise the arguments; never raises."""

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Perform the call; raises ToolError for failures the model should read."""


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
