"""Objects asked for headers before every attempt; nobody copies a token out of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from agent.errors import ProviderError


class Service(Enum):
    """What a credential belongs to; it decides how an attempt that it failed is renewed."""

    STATIC = "static"
    CODEX = "codex"
    ANTHROPIC = "anthropic"
    NOUS = "nous"
    XAI = "xai"
    COPILOT = "copilot"
    COMMAND = "command"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What one attempt may use. `label` names the credential in logs and records.

    `base_url` is where to ask instead of the entry's own address, if the credential says so.
    `generation` counts renewals: a refusal of an older one is answered by the newer token. What
    comes of the attempt is booked to `key` and `model`, as they were at `leased_at` (microseconds
    since 1970); they are the pool's own.
    """

    label: str
    headers: Mapping[str, str] = field(repr=False)
    base_url: str | None = None
    generation: int = 0
    key: str = ""
    model: str = ""
    leased_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the keys of one entry stand for a model.

    `ready` may be used now; `rests_until` (microseconds since 1970) is when the first of those
    that rest may be again, None if none rests; `dead` need a person.
    """

    ready: int
    rests_until: int | None = None
    dead: int = 0


class Credential(Protocol):
    """One secret or a pool of them, that can be asked for headers.

    What came of a lease is booked to that lease, never to whichever is current.
    """

    @property
    def service(self) -> Service: ...

    async def lease(self, *, session: str, model: str) -> Lease:
        """Return fresh headers of a key that does not rest, renewing it first where due.

        Raises one ProviderError: ProviderAuthFailed where none can be had, else what the first
        one to come back rests for, with `retry_after_s`.
        """

    async def renew(self, lease: Lease) -> bool:
        """Get a newer token than this lease's; False where there is nothing to renew.

        Raises ProviderError like `lease`. One renewal is in flight at a time.
        """

    async def failed(
        self, lease: Lease, error: ProviderError, *, again_s: float | None = None
    ) -> None:
        """Let a key rest, or give it up, by what an attempt met; most errors are not its fault.

        `again_s`: who made the attempt waits so many seconds for the same key. A limited key then
        rests for everybody until that wait is over, and what it meets next decides.
        """

    async def succeeded(self, lease: Lease) -> None:
        """An attempt was answered: what the key rested for is over."""

    def release(self, lease: Lease) -> None:
        """The attempt is over, however it ended; called once for every lease."""

    def standing(self, *, model: str, without: Lease | None = None) -> Standing:
        """How its keys stand now, without any I/O; `ready` leaves out the key of `without`."""

    def next_label(self, *, session: str, model: str) -> str:
        """The label of the key that `lease` would choose now; empty if none is ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticKey:
    """One API key that never rests, or none for servers that ask for none.

    `header` is sent with `scheme` before the key; Anthropic takes a bare `x-api-key`.
    """

    label: str
    key: str = field(repr=False)
    header: str = "Authorization"
    scheme: str = "Bearer"

    @property
    def service(self) -> Service:
        """A plain key."""
        return Service.STATIC

    @property
    def generation(self) -> int:
        """It is never renewed."""
        return 0

    async def lease(self, *, session: str = "", model: str = "") -> Lease:
        """Return the key as a header."""
        value = f"{self.scheme} {self.key}" if self.scheme else self.key
        return Lease(label=self.label, headers={self.header: value} if self.key else {})

    async def renew(self, lease: Lease) -> bool:
        """There is nothing to renew."""
        return False

    async def failed(
        self, lease: Lease, error: ProviderError, *, again_s: float | None = None
    ) -> None:
        """It stays as it is."""

    async def succeeded(self, lease: Lease) -> None:
        """It stays as it is."""

    def release(self, lease: Lease) -> None:
        """Nothing is counted."""

    def standing(self, *, model: str, without: Lease | None = None) -> Standing:
        """Always ready, and the only one."""
        return Standing(ready=1 if without is None else 0)

    def next_label(self, *, session: str = "", model: str = "") -> str:
        """Its own."""
        return self.label
