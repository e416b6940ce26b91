"""The protocol of a model provider and the union of its stream events."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from agent.credentials import Lease
from agent.messages import JsonObject, Message, Origin, Part, ResultStatus, ToolCall, Usage


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


EFFORTS = ("none", "low", "medium", "high", "xhigh", "max")
"""How much a model may think, least first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustments:
    """What a wire changes in the outgoing copy of one call; the transcript is never touched.

    `effort` is one of EFFORTS; None leaves the field out. `thinking` False sends the call with
    thinking off and without the provider's own thinking parts; `replay` False leaves out every
    ProviderPart. `stream` False asks for the whole reply at once; `plain` reads an event stream
    without showing anything of it. `keywords` False strips `pattern` and `format` from tool
    schemas. `media` and `tool_media` False put a line of text in place of pictures; a picture
    above `image_bytes` or `image_pixels` (a side) is made smaller. `long_context` False leaves
    out the header that asks for the long window. `first_byte_s` shortens the wait for the head.
    """

    effort: str | None = None
    thinking: bool = True
    replay: bool = True
    stream: bool = True
    plain: bool = False
    keywords: bool = True
    media: bool = True
    tool_media: bool = True
    image_bytes: int | None = None
    image_pixels: int | None = None
    long_context: bool = True
    first_byte_s: float | None = None


AS_IT_IS = Adjustments()


class Joining(Protocol):
    """What people say while a provider is at work on a reply that can still take it in."""

    async def said(self) -> None:
        """Wait until something may have been said."""

    async def take(self) -> tuple[Message, ...]:
        """Let what was said join the turn, on disk; empty if there is nothing.

        Whoever takes it has to answer it within this reply. A failure after it loses nothing: the
        messages stand behind those of the request from then on.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One model call. `tools` are sorted by name; `session` is an opaque key for prompt caches.

    `input_tokens` is our own count of the request, 0 where nobody counted. A provider that asks its
    model several times within one reply tells `spend` after each time what all of them have used.
    False: the next time is not paid for, and the reply is to end before it, with what was done.
    `joins` is for a provider that can be told more in the middle of its reply.
    """

    system: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...]
    max_output_tokens: int | None
    session: str = ""
    adjustments: Adjustments = AS_IT_IS
    input_tokens: int = 0
    spend: Callable[[Usage], Awaitable[bool]] | None = field(
        default=None, compare=False, repr=False
    )
    joins: Joining | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOpened:
    """The provider has accepted the request.

    `model` is the one that serves it; `limits` are headers about rate limits, in lower case.
    """

    request_id: str | None = None
    model: str | None = None
    limits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRerouted:
    """From here on another model serves the request than it was made for, at its own price."""

    model: str


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
class ActionFinished:
    """The provider itself has done something inside its reply: a call with its result.

    Only `codex-app-server`. The call counts as a part of the reply at this place; nobody runs it.
    """

    call: ToolCall
    status: ResultStatus
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseReceived:
    """Alive, without progress (ping, comment)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReported:
    """Tokens so far; cumulative, the last one wins.

    `first` is the share of the request itself where the reply takes several calls of the model.
    `later`: what is not counted here is reported with a later reply, so nothing is missing.
    """

    usage: Usage
    first: Usage | None = None
    later: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamCompleted:
    """The wire's own terminal marker arrived; built from nothing else. The last event.

    `said` are the provider's own words of a refusal, if it has any.
    """

    stop: Stop
    said: str = ""


StreamEvent = (
    StreamOpened
    | ModelRerouted
    | TextReceived
    | ReasoningReceived
    | ToolCallOpened
    | ArgumentsReceived
    | PartCompleted
    | ActionFinished
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

    async def reset(self) -> None:
        """Let the next request begin on a new connection; what runs keeps its own."""

    def leave(self, session: str) -> None:
        """Nobody reads on for now: what a reply has left at work for this session is ended."""

    async def close(self) -> None:
        """Release connections; called once."""
