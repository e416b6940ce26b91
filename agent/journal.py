"""What a turn asks of whoever keeps its records."""

from collections.abc import Callable
from typing import Any, Protocol

from agent.calls import JudgedCall
from agent.messages import Message, ToolResult
from agent.tools.base import ToolOutput
from agent.turn import RecordStep, TurnEnd


class TurnJournal(Protocol):
    """The durable side of one turn, fulfilled by the gateway.

    Every method returns once its record is as durable as its sentence says, and raises when the
    session has another owner by now: then the turn must end without another effect.
    """

    async def step_opened(self, step: int, model: str) -> None:
        """The intent to call the model, on disk before the call."""

    async def step_recorded(self, record: RecordStep) -> None:
        """The reply, its usage, its calls and the refused calls' results in one commit."""

    async def calls_intended(self, calls: tuple[JudgedCall, ...]) -> None:
        """The intent to run calls with effects, on disk before the first byte leaves."""

    async def call_finished(self, result: ToolResult) -> None:
        """A tool's result; survives the process, not yet a power loss.

        Cancelling the wait does not take the result back.
        """

    async def call_applied(
        self, unit: Callable[[Any], ToolOutput], settle: Callable[[ToolOutput], ToolResult]
    ) -> ToolResult:
        """A call on the gateway's own rows, committed with the result `settle` makes of it.

        Raises what the unit raises; then nothing of either is stored.
        """

    async def messages_recorded(self, messages: tuple[Message, ...]) -> None:
        """Messages that join the transcript, on disk."""

    async def drain(self) -> tuple[Message, ...]:
        """Claim what arrived for this session meanwhile and store it with the turn."""

    async def asked(self, calls: tuple[JudgedCall, ...]) -> None:
        """A question to people about each call in doubt; the turn waits, in one commit."""

    async def closed(self, end: TurnEnd) -> None:
        """The end: reply, transcript and input rows in one commit."""
