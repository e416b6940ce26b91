"""The protocol of a model provider and the union of its stream events."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from agent.credentials import Lease
from agent.messages import JsonObject, Message, Origin, Part, Usage


class Stop(Enum):
    """Why a complete reply ended. An unknown stop value on a wire is ReplyMalformed."""

    DONE = "done"
    TOOL_CALLS = "tool_calls"
    LENGTH = "length"
    FILTERED = "filtered"
    PAUSED = "paused"
    WINDOW_FULL = "window_full"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool as the model sees it; `parameters` is a JSON Schema object."""

    name: str
    description: str
    parameters: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One model call. `tools` are sorted by name; `session` is an opaque key for prompt caches."""

    system: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...]
    max_output_tokens: int | None
    session: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOpened:
    """The provider has accepted the request."""

    request_id: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReceived:
    """Words for the reader."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningReceived:
    """Thinking for the reader; never replayed from here."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallOpened:
    """A call begins, known by its ordinal in the reply."""

    ordinal: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgumentsReceived:
    """More argument text of a call that is not yet complete."""

    ordinal: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartCompleted:
    """A whole part, ready for the transcript; a ToolCall in it has no `id` of ours yet."""

    part: Part


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseReceived:
    """Alive, without progress (ping, comment)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReported:
    """Tokens so far; cumulative, the last one wins."""

    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamCompleted:
    """The wire's own terminal marker arrived; built from nothing else. The last event."""

    stop: Stop


StreamEvent = (
    StreamOpened
    | TextReceived
    | ReasoningReceived
    | ToolCallOpened
    | ArgumentsReceived
    | PartCompleted
    | PulseReceived
    | UsageReported
    | StreamCompleted
)


class Provider(Protocol):
    """One entry of the plan: an endpoint, a model, a wire."""

    @property
    def origin(self) -> Origin: ...

    def stream(self, request: ModelRequest, lease: Lease) -> AsyncGenerator[StreamEvent, None]:
        """Make exactly one request.

        Every completed part is reported once by PartCompleted before StreamCompleted; without
        StreamCompleted nothing counts. Any step may raise one ProviderError. Closing the
        generator closes the socket.
        """

    async def close(self) -> None:
        """Release connections; called once."""
