"""Who owns the gateway: whom the configuration names, and whom a one-time code has made an owner.

Asked for every event and every decision, so the rows are kept in memory; rows change first, then
`load` is called, and whoever reads goes by them at once.
"""

import asyncio
from collections.abc import Iterable, Iterator, Set

from gateway.config.faults import Wrong
from gateway.config.ids import UserId, parse_user
from gateway.config.values import Config
from gateway.logins import shell_owners
from gateway.store.base import Store
from gateway.store.records import owners

LOCAL_OWNERS = frozenset({"web:local"})
"""Who owns a gateway whose configuration names no owners: whoever sits at its own machine."""


class Owners(Set[str]):
    """Everybody who owns the gateway, as events name them; reading never waits.

    `changed` is set by every `load` that changes it.
    """

    def __init__(self, config: Config | None = None) -> None:
        """Whom the configuration names, until the rows are loaded."""
        self._configured = config.gateway.owners if config is not None else ()
        named = frozenset(str(each) for each in self._configured)
        self._always = (named or LOCAL_OWNERS) | shell_owners()
        self._all = self._always
        self._made: tuple[UserId, ...] = ()
        self.people: Iterable[UserId] = _People(self)
        """Everybody who can be written to, whoever that is when it is gone through."""

        self.changed = asyncio.Event()

    def __contains__(self, person: object) -> bool:
        return person in self._all

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @property
    def configured(self) -> tuple[UserId, ...]:
        """Whom the configuration names."""
        return self._configured

    @property
    def made(self) -> tuple[UserId, ...]:
        """Whom a code has made an owner, and who can be written to."""
        return self._made

    async def load(self, store: Store) -> None:
        """Read the rows anew."""
        rows = await store.read(owners.everybody)
        made = tuple(found for row in rows if (found := _user(row.person)) is not None)
        everybody = self._always | {row.person for row in rows}
        if (made, everybody) == (self._made, self._all):
            return
        self._made, self._all = made, everybody
        self.changed.set()


class _People:
    """Those of the configuration first, then whom a code has made one."""

    def __init__(self, owners: Owners) -> None:
        self._owners = owners

    def __iter__(self) -> Iterator[UserId]:
        named = self._owners.configured
        yield from named
        yield from (each for each in self._owners.made if each not in named)


def _user(person: str) -> UserId | None:
    try:
        return parse_user(person)
    except Wrong:
        return None  # an owner all the same, but nobody that could be written to
