"""One REST request as handlers see it, and what they answer."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.wire.discord.world import Json, UploadedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A decoded request; `path` holds the variable parts of its route."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    files: tuple[UploadedFile, ...] = ()
    request_bytes: int = 0

    @property
    def form(self) -> Json:
        """The body as an object; anything else counts as an empty one."""
        return self.body if isinstance(self.body, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes back; None is no body at all."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


NOTHING = Reply(status=204)
Handler = Callable[[Call], Awaitable[Reply]]
