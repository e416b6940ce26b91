"""Who serves: every entry of the chain with its breaker, its keys and its last use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agent.failover import Entry
from agent.health import Breaker
from agent.model_room import ModelRoom


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """One entry as `status` shows it.

    `breaker` is `closed`, `open` (it rests for `rests_s` more seconds) or `half_open` (the next
    call tries it), `cause` why. Of its keys `ready` may be used, `dead` need a person, and the
    first of those that rest is back at `keys_rest_until`; times are microseconds since 1970, and
    `used_at` is None if it never was. `serves`: a turn that begins now asks it first.
    """

    entry: str
    model: str
    breaker: str
    cause: str
    rests_s: float | None
    ready: int
    dead: int
    keys_rest_until: int | None
    used_at: int | None
    serves: bool = False
    superseded: int = 0

    @property
    def is_well(self) -> bool:
        """Whether it may be asked at once."""
        return self.breaker != Breaker.OPEN.value and self.ready > 0


def serving(
    entries: Sequence[Entry], room: ModelRoom, used_at: Mapping[str, int | None]
) -> tuple[Serving, ...]:
    """How the chain stands now, the primary first; `used_at` is by the name of an entry."""
    now = room.clock()
    states = {state.origin: state for state in room.health.states(now)}
    found = []
    for entry in entries:
        state = states.get(entry.provider.origin)
        standing = entry.credential.standing(model=entry.model)
        until = state.rests_until if state is not None else None
        found.append(
            Serving(
                entry=entry.name,
                model=entry.model,
                breaker=(state.state if state is not None else Breaker.CLOSED).value,
                cause=state.cause if state is not None else "",
                rests_s=None if until is None else max(0.0, until - now),
                ready=standing.ready,
                dead=standing.dead,
                keys_rest_until=standing.rests_until,
                used_at=used_at.get(entry.name),
                superseded=room.superseded[entry.name],
            )
        )
    first = next((at for at, each in enumerate(found) if each.is_well), 0)
    return tuple(replace(each, serves=at == first) for at, each in enumerate(found))
