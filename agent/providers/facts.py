"""Pure: what is known of a failed attempt."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.credentials import Service

CAUSE_DEPTH = 5
_STATUS_NAMES = ("status", "status_code", "http_status")
_NOT_CONNECTED = (
    "clientconnector",
    "connecterror",
    "connecttimeout",
    "connectiontimeout",
    "connectionrefused",
    "gaierror",
)
"""Parts of names of what goes wrong before there is a connection, its TLS handshake included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The input of classification. Header names are in lower case.

    `message` is all that the provider said in words, `outer` of it what the one that was asked
    said itself, if it passed on another's error. `built` False: there was no request to send.
    `head`: the response's head had come. `fill` is our own count of the input over the model's
    window, 0 when not known, `reasons` whether the model thinks before it answers. `wait_s` is
    how long to wait as the body itself says. `host` is where the request went.
    """

    status: int | None = None
    code: str = ""
    type: str = ""
    param: str = ""
    message: str = ""
    outer: str | None = None
    wait_s: float | None = None
    request_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    causes: tuple[BaseException, ...] = ()
    built: bool = True
    head: bool = False
    fill: float = 0.0
    reasons: bool = False
    service: Service = Service.STATIC
    host: str = ""

    @property
    def words(self) -> str:
        """Everything the provider said about the error, for matching."""
        return f"{self.code}\n{self.type}\n{self.message}".lower()

    @property
    def outer_words(self) -> str:
        """What the one that was asked said itself, without an error it passed on."""
        said = self.message if self.outer is None else self.outer
        return f"{self.code}\n{self.type}\n{said}".lower()

    @property
    def sent(self) -> bool:
        """Whether anything of the request may have left."""
        if self.head or self.status is not None:
            return True
        return self.built and not any(_names(cause, *_NOT_CONNECTED) for cause in self.causes)

    def host_is(self, *domains: str) -> bool:
        """Whether the request went to one of these domains."""
        return any(self.host == each or self.host.endswith("." + each) for each in domains)


def causes_of(error: BaseException) -> tuple[BaseException, ...]:
    """The error and what is behind it, at most five deep, however the chain is tied."""
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and len(found) < CAUSE_DEPTH and current not in found:
        found.append(current)
        current = current.__cause__ or current.__context__
    return tuple(found)


def status_of(causes: tuple[BaseException, ...]) -> int | None:
    """The HTTP status an exception carries; one named after a rate limit counts as 429."""
    for cause in causes:
        for name in _STATUS_NAMES:
            value = getattr(cause, name, None)
            if type(value) is int and 400 <= value < 600:
                return value
    return 429 if any(_names(cause, "ratelimit") for cause in causes) else None


def _names(cause: BaseException, *parts: str) -> bool:
    name = type(cause).__name__.lower()
    return any(part in name for part in parts)
