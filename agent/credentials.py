"""Objects asked for headers before every attempt; nobody copies a token out of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What one attempt may use. `label` names the credential in logs and records."""

    label: str
    headers: Mapping[str, str] = field(repr=False)


class Credential(Protocol):
    """A secret that can be asked for; `lease` may renew it first."""

    async def lease(self) -> Lease:
        """Return fresh headers; raises ProviderAuthFailed when none can be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticKey:
    """One API key, or none for servers that ask for none."""

    label: str
    key: str = field(repr=False)

    async def lease(self) -> Lease:
        """Return the key as a bearer header."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return Lease(label=self.label, headers=headers)
