"""A store that works, and now and then does not do what it is asked."""

from collections import deque
from collections.abc import Callable
from typing import TypeVar

from gateway.errors import StoreError
from gateway.store.base import Store, StoreHealth, Transition, Tx

T = TypeVar("T")


class Faltering:
    """A store whose next reads and writes meet these errors, one each, before any effect."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reads: deque[StoreError] = deque()
        self.writes: deque[tuple[str, StoreError]] = deque()
        """With the name of the transition that is to fail."""

    async def write(self, unit: Callable[[Tx], T], *, transition: Transition) -> T:
        """Write, unless this is what fails next."""
        if self.writes and self.writes[0][0] == transition.name:
            raise self.writes.popleft()[1]
        return await self._store.write(unit, transition=transition)

    async def read(self, query: Callable[[Tx], T]) -> T:
        """Read, unless a failure is next."""
        if self.reads:
            raise self.reads.popleft()
        return await self._store.read(query)

    async def close(self) -> None:
        """Nothing: the store outlives this."""

    def health(self) -> StoreHealth:
        """The store's own."""
        return self._store.health()
