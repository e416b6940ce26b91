"""The store as the rest of the gateway sees it: units of work over SQL that both engines share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

Row = tuple[Any, ...]


class Durability(Enum):
    """What a committed write survives."""

    POWER = "power"  # D2: power loss
    PROCESS = "process"  # D1: kill -9; becomes D2 with the next D2 commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One kind of write; `gateway.store.transitions` names them all."""

    name: str
    durability: Durability


class Tx(Protocol):
    """One transaction as a unit sees it.

    SQL is what SQLite and PostgreSQL share, with `?` placeholders; parameters are None, int,
    float, str or bytes. A statement that fails raises StoreError, a broken rule of the schema
    ConstraintViolated, and that is the end of the unit: catching the error does not save it.
    Use `ON CONFLICT` where a conflict is expected. Valid only while the unit runs.
    """

    def rows(self, sql: str, *params: Any) -> list[Row]:
        """Every row of a query or of a statement with RETURNING."""
        ...

    def row(self, sql: str, *params: Any) -> Row | None:
        """The first row, or None."""
        ...

    def run(self, sql: str, *params: Any) -> int:
        """Execute one statement and return how many rows it changed itself."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreHealth:
    """One look at the store for `status` and the health pages."""

    queue_depth: int  # units that wait for the writer
    last_commit_age_s: float | None  # None before the first commit
    commits: int
    syncs: int
    wal_bytes: int
    durability: Durability  # the strongest class a write gets; PROCESS if configured so
    failed: str | None  # why the store takes no more writes


class Store(Protocol):
    """Durable rows behind one writer.

    A unit or query is a plain function over Tx: it may run on another thread, sees one
    consistent state, must not wait for anything and must not keep the Tx. A unit that raises
    leaves nothing behind and its exception reaches its own caller only; units of other callers
    that share the commit are not touched.
    """

    async def write(self, unit: Callable[[Tx], T], *, transition: Transition) -> T:
        """Run one unit and return its result once it is as durable as its transition says.

        A caller that is cancelled while waiting does not take the unit back: it may still be
        stored. Raises StoreFailed once a commit has failed, StoreClosed after `close`.
        """
        ...

    async def read(self, query: Callable[[Tx], T]) -> T:
        """Run one read-only query over committed rows; QueryTooLong after 1 s."""
        ...

    async def close(self) -> None:
        """Commit what is queued, then release everything; may be called twice."""
        ...

    def health(self) -> StoreHealth:
        """The present state; never waits, works after a failure too."""
        ...
