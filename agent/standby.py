"""Who else could be asked for a model call: the entries behind the current one, and their money."""

from collections.abc import Callable

from agent.credentials import Lease
from agent.failover import BREAKER_OPEN, Candidate, Entry, FailoverPlan, Need
from agent.journal import TurnJournal
from agent.model_room import ModelRoom
from agent.providers.base import ModelRequest
from agent.recovery import Place


class Standby:
    """The rest of a turn's plan, as one call sees it.

    `quoted` makes the request an entry would get, for its price; `least` counts the tokens that no
    fold can take out of it. `barred` are endpoints nobody asks any more in this turn.
    """

    def __init__(
        self,
        *,
        plan: FailoverPlan,
        journal: TurnJournal,
        room: ModelRoom,
        barred: set[str],
        tools: bool,
        quoted: Callable[[Entry], ModelRequest],
        least: Callable[[], int],
    ) -> None:
        self._plan = plan
        self._journal = journal
        self._room = room
        self._barred = barred
        self._tools = tools
        self._quoted = quoted
        self._least = least
        self._listed: tuple[Candidate, ...] = ()

    def candidates(self) -> tuple[Candidate, ...]:
        """The entries that may be asked, those to prefer first."""
        need = Need(tools=self._tools, tokens=self._least(), barred=frozenset(self._barred))
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

    async def next(self) -> Entry | None:
        """Whom to go to: who is ready and can be paid, who can't be, at last who rests."""
        candidates = self.candidates()
        ready = await self.ready(candidates)
        if ready is None and candidates:
            return candidates[0].entry
        return ready

    async def place_of(self, entry: Entry, failed: Lease | None) -> Place:
        """Where an entry stands that has failed with this key, and who else could be asked."""
        candidates = self.candidates()
        return Place(
            api=entry.api,
            service=entry.credential.service,
            index=self._plan.index,
            direct=entry.direct,
            patience=entry.patience,
            standing=entry.credential.standing(model=entry.model, without=failed),
            next_ready=await self.ready(candidates) is not None,
            anyone_left=bool(candidates),
        )

    def bar(self, entry: Entry) -> None:
        """Ask nobody at this entry's endpoint any more."""
        self._barred.add(entry.provider.origin.endpoint)

    def go_to(self, entry: Entry) -> None:
        """Move the plan there, with a record of whom it passed over."""
        self._plan.move_to(entry, passed=self._listed)

    def rests(self, entry: Entry) -> None:
        """Put on record that an entry is passed over because it is ill."""
        self._plan.skip(entry, BREAKER_OPEN)
