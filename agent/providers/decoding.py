"""What every decoder of replies has in common: its shape, and the ways a reply can be wrong."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from agent.providers.base import StreamEvent

Json = Mapping[str, Any]
BAD_LINES = 3
"""Data lines that are no JSON object are skipped up to this many."""


class Malformed(ValueError):
    """The reply can't be understood."""


class Incomplete(ValueError):
    """The stream ended, or went beyond its bounds, without being complete."""


class InBandError(ValueError):
    """The provider reported an error where a piece of the reply belongs."""

    def __init__(self, body: object) -> None:
        super().__init__("error inside the stream")
        self.body = body


class ReplyDecoder(Protocol):
    """Sans-IO: bytes of one reply in, stream events out.

    Raises Malformed, Incomplete or InBandError. `done`: nothing more is to be read, `has_stop`:
    the terminal marker has come, `went_on_after_stop`: and words after it.
    """

    @property
    def done(self) -> bool: ...

    @property
    def has_stop(self) -> bool: ...

    @property
    def went_on_after_stop(self) -> bool: ...

    def line(self, data: bytes, name: str = "") -> list[StreamEvent]:
        """Take the data of one server-sent event and the event's name."""

    def whole(self, body: bytes) -> list[StreamEvent]:
        """Take a reply that came as one JSON body."""

    def finish(self) -> list[StreamEvent]:
        """Take the end of the reply: the parts not yet reported, and why it ended."""


DecoderFor = Callable[[Mapping[str, str]], ReplyDecoder]
"""Makes the decoder of one response from its headers, in lower case."""
