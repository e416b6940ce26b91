"""A store beside a loop whose clock jumps."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from gateway.store.base import StoreHealth, Transition, Tx
from gateway.store.sqlite import SqliteStore
from tests.warp import WarpLoop

T = TypeVar("T")


class SteadyStore:
    """A store whose work takes no time of the clock that jumps."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        loop = asyncio.get_running_loop()
        assert isinstance(loop, WarpLoop)
        self._loop = loop

    async def write(self, unit: Callable[[Tx], T], *, transition: Transition) -> T:
        with self._loop.busy():
            return await self._store.write(unit, transition=transition)

    async def read(self, query: Callable[[Tx], T]) -> T:
        with self._loop.busy():
            return await self._store.read(query)

    async def close(self) -> None:
        await self._store.close()

    def health(self) -> StoreHealth:
        return self._store.health()
