"""The provider-neutral transcript.

A ProviderPart goes back only to an equal Origin; every other provider never sees it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who served a message: provider name, endpoint, model."""

    provider: str
    endpoint: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Words."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A picture or another file for the model; `mime` is the sniffed type, `data` its bytes.

    Where `blob` names what is kept elsewhere, `data` is empty until somebody sends it. `source`
    is what a file is fetched by that is not fetched yet: it is never sent.
    """

    mime: str
    data: bytes = field(repr=False)
    name: str = ""
    blob: str = ""
    kept_bytes: int = 0
    source: str = field(default="", repr=False)

    @property
    def size(self) -> int:
        """How many bytes it has, wherever they are."""
        return len(self.data) or self.kept_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """The model's request to run a tool.

    `id` is ours (stable over restarts); `provider_id` returns to its own Origin only.
    `arguments` is the JSON text as the model wrote it.
    """

    id: str
    name: str
    arguments: str
    provider_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderPart:
    """A part only its Origin understands, byte for byte (reasoning items, signatures)."""

    origin: Origin
    shape: str
    payload: bytes


Part = Text | ToolCall | ProviderPart


@dataclass(frozen=True, slots=True, kw_only=True)
class UserMessage:
    """What people wrote. `author` labels the speaker where several share the session."""

    text: str
    author: str = ""
    media: tuple[Media, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """The gateway's own words to the model."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantMessage:
    """A complete reply of a model, accepted with its terminal marker only.

    `refused` are those whose filter stopped this turn before another answered it.
    """

    parts: tuple[Part, ...]
    origin: Origin
    refused: tuple[Origin, ...] = ()

    @property
    def text(self) -> str:
        """All words of the message, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The tool calls in the model's order."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialReply:
    """What had been shown when a turn was stopped or its stream broke: words only, no calls."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What stands in place of older messages; `by_model` is False for a digest made without one.

    The messages themselves stay stored.
    """

    text: str
    by_model: bool = True


class ResultStatus(Enum):
    """How a tool call ended, for the model and for `why`."""

    DONE = "done"
    FAILED = "failed"
    MALFORMED = "malformed"
    REFUSED = "refused"
    NOT_RUN = "not_run"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """Our answer to one tool call; `text` is what the model reads, `media` what it sees."""

    call_id: str
    name: str
    status: ResultStatus
    text: str
    media: tuple[Media, ...] = ()


Message = UserMessage | Note | AssistantMessage | PartialReply | ToolResult | Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one model call.

    `cached_input`, `cache_write` (kept for minutes) and `cache_write_long` (kept for an hour) are
    inside `input`; `reasoning` is inside `output`.
    """

    input: int
    output: int
    cached_input: int = 0
    reasoning: int = 0
    cache_write: int = 0
    cache_write_long: int = 0


JsonObject = Mapping[str, Any]


def well_formed(text: str) -> str:
    """Text that every encoder takes: surrogate pairs are joined, lone halves become U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
