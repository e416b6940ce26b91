"""What a turn asks of whoever keeps its records."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from agent.attempts import AttemptRecord, CallKind
from agent.calls import JudgedCall
from agent.compaction import Fold
from agent.costs import Quote
from agent.effects import Gated, GoOn, Parked, RecordStep, TurnEnd
from agent.messages import Message, ToolResult
from agent.tools.base import RemoteJob, ToolOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What a call turned out to cost in micro-dollars; None where nobody knows.

    `began` is False if its effect certainly never started: then nothing is paid. `record` is
    the provider's own id of the bill. For `hold_s` seconds the whole hold stays, since whoever
    serves may still be writing; then `spent` is booked as an estimate, or all of it if nobody
    knows.
    """

    spent: int | None = None
    record: str = ""
    began: bool = True
    hold_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Intended:
    """Which calls may begin now, and results of those that may not; others were asked anew."""

    begun: frozenset[str]
    results: tuple[ToolResult, ...] = ()


class TurnJournal(Protocol):
    """The durable side of one turn, fulfilled by the gateway.

    Every method returns once its record is as durable as its sentence says, and raises when the
    session has another owner by now: then the turn must end without another effect.
    """

    async def affords(self, quote: Quote) -> bool:
        """Whether a call with this ceiling would be paid for now; nothing is put aside."""

    async def step_opened(
        self,
        step: int,
        model: str,
        quote: Quote,
        *,
        kind: CallKind = CallKind.MAIN,
        instead_of: str = "",
    ) -> bool:
        """The intent to call the model, with its money put aside, on disk before the call.

        False: there is not enough left. Then people are asked and the turn waits, in one commit.
        `instead_of` names the primary where a fallback is to answer: the card says so.
        """

    async def spent_so_far(self, step: int, spent: int, needs: int) -> bool:
        """Book what the call under way has cost by now, all in all, and put `needs` aside again.

        For a provider that calls its model again within one reply; both are micro-dollars. On disk
        before that call. False: there is no room for it, and it must not be made.
        """

    async def attempt_ended(self, step: int, bill: Bill, record: AttemptRecord) -> None:
        """A model call that is no reply by itself: it failed, or the same step goes on.

        What was put aside for it is free, unless it began. Then the bill says what it cost at
        most, by as much as came of it.
        """

    async def folded(self, fold: Fold) -> None:
        """What stands in place of older messages from now on, on disk; they stay stored."""

    async def step_recorded(self, record: RecordStep) -> None:
        """The reply, its usage, its calls and the refused calls' results in one commit."""

    async def gated(self, calls: tuple[JudgedCall, ...]) -> Gated:
        """The verdict on calls, money put aside for those allowed, cards for those asked (D2)."""

    async def waits(self) -> Parked | GoOn:
        """Let the turn wait, in one commit with the look whether there is still a reason to."""

    async def calls_intended(self, calls: tuple[JudgedCall, ...]) -> Intended:
        """The last check of calls, and the intent to run those that pass it.

        On disk before the first byte leaves for calls with effects; pure ones are only checked.
        """

    async def call_finished(self, result: ToolResult, bill: Bill) -> None:
        """A tool's result and what it cost; survives the process, not yet a power loss.

        Cancelling the wait does not take the result back.
        """

    async def call_left(self, call: JudgedCall, job: RemoteJob) -> None:
        """Work that goes on elsewhere, on disk; if nobody waits for it the result follows."""

    async def call_applied(
        self, unit: Callable[[Any], ToolOutput], settle: Callable[[ToolOutput], ToolResult]
    ) -> ToolResult:
        """A call on the gateway's own rows, committed with the result `settle` makes of it.

        Raises ToolError where the unit fails by itself; then nothing of either is stored.
        """

    async def messages_recorded(self, messages: tuple[Message, ...]) -> None:
        """Messages that join the transcript, on disk."""

    async def drain(self) -> tuple[Message, ...]:
        """Claim what arrived for this session meanwhile and store it with the turn."""

    async def asked(self, calls: tuple[JudgedCall, ...]) -> None:
        """A question to people about each call in doubt (D2)."""

    async def closed(self, end: TurnEnd) -> None:
        """The end: reply, transcript and input rows in one commit."""
