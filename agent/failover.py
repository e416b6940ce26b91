"""The plan of one turn: who is asked, in which order.

A plan is made when a turn opens, starts at the primary, moves only forward and is dropped when
the turn closes. So restoring the primary is not code but the object's lifetime.
"""

from dataclasses import dataclass, field
from typing import Protocol

from agent.costs import FREE, Quote
from agent.credentials import Credential
from agent.errors import ProviderError, RequestInvalid
from agent.messages import Usage
from agent.providers.base import ModelRequest, Provider
from agent.recovery import Patience


class Pricing(Protocol):
    """What calls of one model cost. Pure: prices are known when a turn begins."""

    def quote(self, request: ModelRequest) -> Quote:
        """The most that a request can cost; Unknown where nobody knows a price."""

    def spent(self, usage: Usage) -> int | None:
        """What a reply has cost in micro-dollars, rounded up; None where that can't be told."""

    def spent_at_most(self, request: ModelRequest, *, written: int) -> int | None:
        """What a call without a reply has cost at most if it wrote that many tokens."""

    def learn(self, request: ModelRequest, usage: Usage) -> None:
        """Take in what was counted for a request, so that later quotes of its chat are tight."""


class Included:
    """Declared to cost nothing by itself: a subscription, own hardware, a demonstration."""

    def quote(self, request: ModelRequest) -> Quote:
        """A known zero."""
        return FREE

    def spent(self, usage: Usage) -> int | None:
        """A known zero."""
        return 0

    def spent_at_most(self, request: ModelRequest, *, written: int) -> int | None:
        """A known zero."""
        return 0

    def learn(self, request: ModelRequest, usage: Usage) -> None:
        """Nothing to learn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One provider of the chain with all that belongs to it; limits count tokens.

    `api` is the wire's name in the configuration. `direct` is False for aggregators, that pool
    connections for us. `effort` is the entry's own preference (one of EFFORTS), None the model's.
    `reasons`: the model thinks before it answers. `tools`: it can call tools. `priced`: somebody
    knows what a call costs at most.
    """

    name: str
    provider: Provider
    credential: Credential
    context_window: int
    max_output_tokens: int | None
    pricing: Pricing = field(default_factory=Included)
    api: str = "openai-chat"
    direct: bool = True
    patience: Patience = "eager"
    effort: str | None = None
    reasons: bool = False
    tools: bool = True
    priced: bool = True

    @property
    def model(self) -> str:
        """The model's name as people know it."""
        return self.provider.origin.model


class FailoverPlan:
    """The entries of one turn and how far the turn has moved along them."""

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        if not entries:
            raise ValueError("a plan needs at least one entry")
        self._entries = entries
        self._index = 0

    @property
    def primary(self) -> Entry:
        """Where every turn starts."""
        return self._entries[0]

    @property
    def current(self) -> Entry:
        """Who is asked now."""
        return self._entries[self._index]

    def advance(self, error: ProviderError) -> Entry | None:
        """Move to the next entry after `error`, or return None when nobody is left."""
        if isinstance(error, RequestInvalid) or self._index + 1 >= len(self._entries):
            return None
        self._index += 1
        return self.current


def plan_for(entries: tuple[Entry, ...], preferred: str | None) -> FailoverPlan:
    """Make the plan of a turn; `preferred` names the session's own primary, if it chose one."""
    chosen = tuple(entry for entry in entries if entry.name == preferred)
    rest = tuple(entry for entry in entries if entry.name != preferred)
    return FailoverPlan(chosen + rest if chosen else entries)
