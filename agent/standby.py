"""Who else could be asked for a model call: the entries behind the current one, and their money."""

from collections.abc import Callable

from agent.failover import Candidate, Entry, FailoverPlan, Need
from agent.journal import TurnJournal
from agent.model_room import ModelRoom
from agent.providers.base import ModelRequest

BREAKER_OPEN = "breaker open"


class Standby:
    """The rest of a turn's plan, as one call sees it.

    `quoted` makes the request an entry would get, for its price.
    """

    def __init__(
        self,
        *,
        plan: FailoverPlan,
        journal: TurnJournal,
        room: ModelRoom,
        tools: bool,
        quoted: Callable[[Entry], ModelRequest],
    ) -> None:
        self._plan = plan
        self._journal = journal
        self._room = room
        self._tools = tools
        self._quoted = quoted
        self._listed: tuple[Candidate, ...] = ()

    def candidates(self, avoid: str | None = None) -> tuple[Candidate, ...]:
        """The entries that may be asked, those to prefer first; `avoid` is an endpoint."""
        need = Need(tools=self._tools, avoid_endpoint=avoid)
        now = self._room.clock()
        self._listed = self._plan.following(health=self._room.health, now=now, need=need)
        return tuple(candidate for candidate in self._listed if not candidate.skip)

    async def ready(self, candidates: tuple[Candidate, ...]) -> Entry | None:
        """The first that does not rest and whose worst case can be paid."""
        for candidate in candidates:
            if candidate.ready:
                quote = candidate.entry.pricing.quote(self._quoted(candidate.entry))
                if quote.ceiling == 0 or await self._journal.affords(quote):
                    return candidate.entry
        return None

    async def next(self, avoid: str | None = None) -> Entry | None:
        """Whom to go to: who is ready and can be paid, who can't be, at last who rests."""
        candidates = self.candidates(avoid)
        ready = await self.ready(candidates)
        if ready is None and candidates:
            return candidates[0].entry
        return ready

    def go_to(self, entry: Entry) -> None:
        """Move the plan there, with a record of whom it passed over."""
        self._plan.move_to(entry, passed=self._listed)

    def rests(self, entry: Entry) -> None:
        """Put on record that an entry is passed over because it is ill."""
        self._plan.skip(entry, BREAKER_OPEN)
