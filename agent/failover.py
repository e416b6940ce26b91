"""The plan of one turn: who is asked, in which order.

A plan is made when a turn opens, starts at the primary, moves only forward and is dropped when
the turn closes. So restoring the primary is not code but the object's lifetime.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from agent.costs import FREE, Measured, Quote
from agent.credentials import Credential
from agent.health import Health
from agent.messages import Usage
from agent.providers.base import ModelRequest, Provider
from agent.recovery import Patience


class Pricing(Protocol):
    """What calls of one model cost. Pure: prices are known when a turn begins."""

    def quote(self, request: ModelRequest) -> Quote:
        """The most that a request can cost; Unknown where nobody knows a price."""

    def spent(self, usage: Usage, *, cap: int | None = None) -> int | None:
        """What a reply has cost in micro-dollars, rounded up; None where that can't be told.

        `cap`: the most tokens of output that were asked for; None is what the entry itself says.
        """

    def spent_at_most(self, request: ModelRequest, *, written: int) -> int | None:
        """What a call without a reply has cost at most if it wrote that many tokens."""

    def learn(self, request: ModelRequest, usage: Usage) -> None:
        """Take in what was counted for a request, so that later quotes of its chat are tight."""

    def measured(self, request: ModelRequest) -> Measured | None:
        """What was counted for the longest beginning of a request, None if nothing was."""


class Included:
    """Declared to cost nothing by itself: a subscription, own hardware, a demonstration."""

    def quote(self, request: ModelRequest) -> Quote:
        """A known zero."""
        return FREE

    def spent(self, usage: Usage, *, cap: int | None = None) -> int | None:
        """A known zero."""
        return 0

    def spent_at_most(self, request: ModelRequest, *, written: int) -> int | None:
        """A known zero."""
        return 0

    def learn(self, request: ModelRequest, usage: Usage) -> None:
        """Nothing to learn."""

    def measured(self, request: ModelRequest) -> None:
        """Nothing was counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One provider of the chain with all that belongs to it; limits count tokens.

    `api` is the wire's name in the configuration. `direct` is False for aggregators, that pool
    connections for us. `effort` is the entry's own preference (one of EFFORTS), None the model's.
    `reasons`: the model thinks before it answers. `tools`: it can call tools. `priced`: somebody
    knows what a call costs at most. `max_output_tokens` is what a call asks for,
    `most_output_tokens` what it may be raised to, None where nobody has said. `reprice` gives the
    price of another model that the provider may change to; without it that costs the same.
    """

    name: str
    provider: Provider
    credential: Credential
    context_window: int
    max_output_tokens: int | None
    most_output_tokens: int | None = None
    pricing: Pricing = field(default_factory=Included)
    reprice: Callable[[str], Pricing] | None = field(default=None, repr=False, compare=False)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a call asks of an entry, whoever it is.

    `tokens` of input must fit beside the output even after folding. `barred` are endpoints that
    refuse this account, or can't be trusted.
    """

    tools: bool = False
    tokens: int = 0
    barred: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An entry behind the current one.

    `skip` says why it is not asked at all, `rests` why it is asked only when nobody else is
    ready; both are empty for one that is ready, its money apart.
    """

    entry: Entry
    skip: str = ""
    rests: str = ""

    @property
    def ready(self) -> bool:
        """Whether nothing but its price can stand against it."""
        return not self.skip and not self.rests


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """An entry the plan has passed over, and why; for the trace."""

    entry: str
    reason: str


ANYONE = Need()
NO_CREDENTIAL = "no live credential"
BREAKER_OPEN = "breaker open"
UNAFFORDABLE = "reservation does not fit"


class FailoverPlan:
    """The entries of one turn and how far the turn has moved along them."""

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        if not entries:
            raise ValueError("a plan needs at least one entry")
        self._entries = entries
        self._index = 0
        self._skipped: list[Skipped] = []
        self._tried = {_served_by(entries[0])}

    @property
    def primary(self) -> Entry:
        """Where every turn starts."""
        return self._entries[0]

    @property
    def current(self) -> Entry:
        """Who is asked now."""
        return self._entries[self._index]

    @property
    def index(self) -> int:
        """The place of the current entry; it never goes back."""
        return self._index

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Whom the turn has passed over, in order."""
        return tuple(self._skipped)

    def leave(self, session: str) -> None:
        """Nobody of the plan is to work on for the session until it is asked again."""
        for entry in self._entries:
            entry.provider.leave(session)

    def following(self, *, health: Health, now: float, need: Need) -> tuple[Candidate, ...]:
        """Everyone behind the current entry: first the ready, then those that rest, then the rest.

        Within each group the order is the plan's.
        """
        behind = self._entries[self._index + 1 :]
        listed = [self._candidate(entry, health, now, need) for entry in behind]
        return tuple(sorted(listed, key=lambda c: (bool(c.skip), bool(c.rests))))

    def move_to(self, entry: Entry, *, passed: Iterable[Candidate] = ()) -> None:
        """Go on to an entry behind the current one; `passed` are the candidates it was chosen of.

        Raises ValueError for one that is not behind.
        """
        places = [i for i, e in enumerate(self._entries) if e is entry and i > self._index]
        if not places:
            raise ValueError(f"{entry.name} is not behind {self.current.name}")
        between = self._entries[self._index + 1 : places[0]]
        for candidate in passed:
            if candidate.entry in between:
                self.skip(candidate.entry, candidate.skip or candidate.rests)
        self._index = places[0]
        self._tried.add(_served_by(entry))

    def skip(self, entry: Entry, reason: str) -> None:
        """Put on record why an entry is passed over; said once, however often it is."""
        skipped = Skipped(entry=entry.name, reason=reason or UNAFFORDABLE)
        if skipped not in self._skipped:
            self._skipped.append(skipped)

    def _candidate(self, entry: Entry, health: Health, now: float, need: Need) -> Candidate:
        skip = self._skip(entry, need)
        rests = "" if skip else _rests(entry, health, now)
        return Candidate(entry=entry, skip=skip, rests=rests)

    def _skip(self, entry: Entry, need: Need) -> str:
        """Why an entry can't answer this call at all; empty if it can."""
        standing = entry.credential.standing(model=entry.model)
        room = entry.context_window - (entry.max_output_tokens or 0)
        reasons = {
            "demo": entry.api == "demo",
            "same endpoint and model as one already tried": _served_by(entry) in self._tried,
            "same endpoint": entry.provider.origin.endpoint in need.barred,
            "unpriced": not entry.priced,
            "no tool support": need.tools and not entry.tools,
            "window too small": need.tokens > room,
            NO_CREDENTIAL: standing.ready == 0 and standing.rests_until is None,
        }
        return next((reason for reason, holds in reasons.items() if holds), "")


def _rests(entry: Entry, health: Health, now: float) -> str:
    """Why an entry is not ready although it may be again soon; empty if it is."""
    if entry.credential.standing(model=entry.model).ready == 0:
        return NO_CREDENTIAL
    return BREAKER_OPEN if health.is_open(entry.provider.origin, now) else ""


def _served_by(entry: Entry) -> tuple[str, str]:
    origin = entry.provider.origin
    return origin.endpoint, origin.model


def plan_for(entries: tuple[Entry, ...], preferred: str | None) -> FailoverPlan:
    """Make the plan of a turn; `preferred` names the session's own primary, if it chose one."""
    chosen = tuple(entry for entry in entries if entry.name == preferred)
    rest = tuple(entry for entry in entries if entry.name != preferred)
    return FailoverPlan(chosen + rest if chosen else entries)
