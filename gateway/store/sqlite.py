"""The embedded engine: one writing connection behind the journal, two that only read.

Each commit and each read is one function on its connection's thread, so a transaction costs
one hop and no statement of another caller can fall into it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from gateway.errors import (
    ConstraintViolated,
    QueryTooLong,
    StoreClosed,
    StoreError,
    StoreFailed,
    StoreUnusable,
)
from gateway.store import directory as state
from gateway.store import lock, migrate
from gateway.store.base import Durability, StoreHealth, Transition, Tx
from gateway.store.connection import (
    LOCK_PATIENCE_MS,
    Link,
    SqliteTx,
    open_reader,
    open_writer,
    translate,
)
from gateway.store.journal import Journal, Outcome, Raised, Returned, Unit
from gateway.store.migrate import Applied, Migration

log = logging.getLogger(__name__)

T = TypeVar("T")

READERS = 2
READ_LIMIT_S = 1.0
PROGRESS_STEPS = 4_000  # virtual machine steps between two looks at the clock, about 0.1 ms
WAL_LIMIT_BYTES = 64 * 1024 * 1024
WAL_URGENT = 4  # times the limit: from here on the log is emptied under load too
CHECKPOINT_WAIT_MS = 1_200  # our own readers are gone by then; a commit may take 2 s
TOKENS = {"serial": "INTEGER PRIMARY KEY AUTOINCREMENT"}


async def open_sqlite(
    directory: Path,
    migrations: Sequence[Migration],
    *,
    on_failure: Callable[[StoreFailed], None],
    durability: Durability = Durability.POWER,
    wal_limit_bytes: int = WAL_LIMIT_BYTES,
    lock_patience_ms: int = LOCK_PATIENCE_MS,
) -> SqliteStore:
    """Lock a state directory and open its database, migrated and checked.

    `on_failure` is called once, on the loop, when the store takes no more writes; it must not
    raise. `durability=PROCESS` turns every POWER write into PROCESS. Raises StoreUnusable,
    StoreLocked among it, with the sentence that says what to do.
    """
    state.prepare(directory)
    held = lock.hold(directory)
    links: list[Link] = []
    try:
        path = directory / state.DATABASE
        state.create_file(path)
        writer = await open_writer(path, patience_ms=lock_patience_ms)
        links.append(writer)
        await writer.run(partial(_migrate, migrations, datetime.now(UTC).isoformat()))
        for _ in range(READERS):
            links.append(await open_reader(path))
        readers = [_Reader(link) for link in links[1:]]
        for reader in readers:
            await reader.prepare()
    except BaseException:
        for link in reversed(links):
            await link.close()
        held.release()
        raise
    engine = _Writer(
        writer, path, wal_limit_bytes=wal_limit_bytes, lock_patience_ms=lock_patience_ms
    )
    return SqliteStore(
        engine=engine, readers=readers, held=held, durability=durability, on_failure=on_failure
    )


class SqliteStore:
    """Store over SQLite; made by `open_sqlite`, closed by whoever opened it."""

    def __init__(
        self,
        *,
        engine: _Writer,
        readers: Sequence[_Reader],
        held: lock.StateLock,
        durability: Durability,
        on_failure: Callable[[StoreFailed], None],
    ) -> None:
        self._engine = engine
        self._journal = Journal(engine, on_failure=on_failure)
        self._readers = readers
        self._idle: asyncio.LifoQueue[_Reader] = asyncio.LifoQueue()
        for reader in readers:
            self._idle.put_nowait(reader)
        self._held = held
        self._durability = durability
        self._closing: asyncio.Task[None] | None = None

    async def write(self, unit: Callable[[Tx], T], *, transition: Transition) -> T:
        """Commit one unit; see Store."""
        weak = self._durability is Durability.PROCESS
        return await self._journal.submit(
            unit, Durability.PROCESS if weak else transition.durability
        )

    async def read(self, query: Callable[[Tx], T]) -> T:
        """Run one query over committed rows; see Store."""
        reader = await self._idle.get()
        try:
            if self._closing is not None:
                raise StoreClosed("the store is closed")
            return await reader.read(query)
        finally:
            # Also after a cancelled read that still runs: the next one queues behind its end.
            self._idle.put_nowait(reader)

    async def close(self) -> None:
        """Commit what is queued, close every connection, let go of the lock; see Store."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())
        # An unclosed connection thread keeps the process from ending, so a cancelled caller
        # must not take the closing with it.
        await asyncio.shield(self._closing)

    def health(self) -> StoreHealth:
        """The present state; see Store."""
        engine, failure = self._engine, self._journal.failure
        last = engine.last_commit
        return StoreHealth(
            queue_depth=self._journal.depth,
            last_commit_age_s=None if last is None else time.monotonic() - last,
            commits=engine.commits,
            syncs=engine.syncs,
            wal_bytes=engine.wal_bytes,
            durability=self._durability,
            failed=None if failure is None else str(failure),
        )

    async def _close(self) -> None:
        await self._journal.close()
        # The writer last: the last connection to close puts the log into the database.
        for link in (*(reader.link for reader in self._readers), self._engine.link):
            try:
                await link.close()
            except sqlite3.Error as exc:
                log.warning("closing the database: %s", exc)
        self._held.release()


class _Writer:
    """The journal's engine; everything below `commit` and `rest` runs on the thread."""

    def __init__(
        self, link: Link, path: Path, *, wal_limit_bytes: int, lock_patience_ms: int
    ) -> None:
        self.link = link
        self.commits = 0
        self.syncs = 0
        self.wal_bytes = 0
        self.last_commit: float | None = None  # monotonic
        self._wal = path.with_name(f"{path.name}-wal")
        self._wal_limit_bytes = wal_limit_bytes
        self._lock_patience_ms = lock_patience_ms
        self._urgent_bytes = WAL_URGENT * wal_limit_bytes
        self._synchronous = Durability.POWER  # as opened
        self._unsynced = False  # a PROCESS commit came after the last sync

    async def commit(self, units: Sequence[Unit], durability: Durability) -> list[Outcome]:
        """One transaction, one hop; see Engine."""
        return await self.link.run(partial(self._commit, units, durability))

    async def rest(self, *, idle: bool) -> None:
        """Fold a large log into the database, a very large one even if others wait; see Engine."""
        if self.wal_bytes > self._urgent_bytes:
            await self.link.run(partial(self._checkpoint, CHECKPOINT_WAIT_MS))
            self._urgent_bytes = self.wal_bytes + WAL_URGENT * self._wal_limit_bytes
        elif idle and self.wal_bytes > self._wal_limit_bytes:
            await self.link.run(partial(self._checkpoint, 0))

    def _commit(
        self, units: Sequence[Unit], durability: Durability, connection: sqlite3.Connection
    ) -> list[Outcome]:
        try:
            self._set_synchronous(connection, durability)
            _begin(connection)
            before = connection.total_changes
            outcomes = [_run_unit(connection, unit) for unit in units]
            connection.execute("COMMIT")
            failed = any(isinstance(outcome, Raised) for outcome in outcomes)
            changed = connection.total_changes != before
            self._settle(durability, changed=changed, synced=changed and not failed)
        except (sqlite3.Error, OSError) as exc:
            raise StoreFailed(
                f"a commit failed ({exc}); check the disk and restart the gateway"
            ) from exc
        finally:
            if connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
        return outcomes

    def _set_synchronous(self, connection: sqlite3.Connection, durability: Durability) -> None:
        if durability is not self._synchronous:
            level = "FULL" if durability is Durability.POWER else "NORMAL"
            connection.execute(f"PRAGMA synchronous = {level}")
            self._synchronous = durability

    def _settle(self, durability: Durability, *, changed: bool, synced: bool) -> None:
        """Keep the promise and the figures of a commit that succeeded.

        `synced` is False if the commit may have been empty: SQLite syncs nothing then.
        """
        if durability is Durability.PROCESS:
            self._unsynced = self._unsynced or changed
        else:
            if self._unsynced and not synced:
                # The unit may have looked at PROCESS rows and its caller now relies on them:
                # an "already stored" must be as durable as a "stored".
                _sync_file(self._wal)
            self._unsynced = False
            self.syncs += 1
        self.commits += 1
        self.last_commit = time.monotonic()
        self._measure()

    def _checkpoint(self, wait_ms: int, connection: sqlite3.Connection) -> None:
        """Empty the log; a reader that stays in the way for `wait_ms` puts it off."""
        try:
            connection.execute(f"PRAGMA busy_timeout = {wait_ms}")
            (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            connection.execute(f"PRAGMA busy_timeout = {self._lock_patience_ms}")
        except sqlite3.Error as exc:
            raise translate(exc) from exc
        self._measure()
        if busy and wait_ms:
            log.warning(
                "the write-ahead log has %d MiB and can't be emptied: another program reads the"
                " database",
                self.wal_bytes // 2**20,
            )

    def _measure(self) -> None:
        try:
            self.wal_bytes = self._wal.stat().st_size
        except FileNotFoundError:
            self.wal_bytes = 0


def _begin(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as exc:
        if exc.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            raise translate(exc) from exc
        raise


def _run_unit(connection: sqlite3.Connection, unit: Unit) -> Outcome:
    """Run one unit under its own savepoint; StoreFailed if the transaction is lost with it."""
    tx = SqliteTx(connection)
    connection.execute("SAVEPOINT unit")
    outcome: Outcome
    try:
        outcome = Returned(value=unit(tx))
    except Exception as exc:  # the caller's code ends here, its error is its caller's
        outcome = Raised(error=exc)
    if tx.error is not None:
        if isinstance(tx.error, StoreFailed):
            raise tx.error
        if isinstance(outcome, Returned):
            outcome = Raised(error=tx.error)
    if isinstance(outcome, Raised):
        connection.execute("ROLLBACK TO unit")
    connection.execute("RELEASE unit")
    return outcome


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(slots=True)
class _Reading:
    """One read under way; `abandoned` is set by the loop, the rest by the thread."""

    deadline: float = 0.0
    abandoned: bool = False

    def over(self) -> bool:
        return self.abandoned or time.monotonic() > self.deadline


class _Reader:
    """One read-only connection; serves one read at a time."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self._reading: _Reading | None = None

    async def prepare(self) -> None:
        """Let SQLite ask us every PROGRESS_STEPS whether to go on."""
        await self.link.run(lambda link: link.set_progress_handler(self._over, PROGRESS_STEPS))

    async def read(self, query: Callable[[Tx], T]) -> T:
        """Run a query over one snapshot of the database."""
        reading = _Reading()
        try:
            return await self.link.run(partial(self._read, reading, query))
        except asyncio.CancelledError:
            reading.abandoned = True  # cancelling us does not stop the SQL; this does
            raise

    def _read(
        self, reading: _Reading, query: Callable[[Tx], T], connection: sqlite3.Connection
    ) -> T:
        if reading.abandoned:
            raise QueryTooLong("the caller of this read has left")
        reading.deadline = time.monotonic() + READ_LIMIT_S
        self._reading = reading
        connection.execute("BEGIN")
        try:
            return query(SqliteTx(connection))
        except StoreError as exc:
            if reading.over():
                raise QueryTooLong(
                    f"a read took more than {READ_LIMIT_S:g} s and was stopped"
                ) from exc
            raise
        finally:
            self._reading = None  # the end of the transaction is not to be interrupted
            connection.execute("ROLLBACK")

    def _over(self) -> bool:
        return self._reading is not None and self._reading.over()


def _migrate(
    migrations: Sequence[Migration], applied_at: str, connection: sqlite3.Connection
) -> None:
    """Bring the schema up to date, then switch on foreign keys: table rebuilds need them off."""
    try:
        connection.execute(migrate.CREATE_TABLE)
        applied = [
            Applied(number=number, name=name, checksum=checksum)
            for number, name, checksum in connection.execute(migrate.SELECT_APPLIED)
        ]
        for migration in migrate.pending(migrations, applied):
            _apply(migration, applied_at, connection)
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error as exc:
        raise StoreUnusable(f"cannot prepare the database: {exc}") from exc


def _apply(migration: Migration, applied_at: str, connection: sqlite3.Connection) -> None:
    try:
        connection.execute("BEGIN IMMEDIATE")
        for statement in _statements(migrate.fill(migration.sql, TOKENS)):
            connection.execute(statement)
        if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
            raise ConstraintViolated("rows would refer to nothing")
        row = (migration.number, migration.name, migration.checksum, applied_at)
        connection.execute(migrate.INSERT_APPLIED, row)
        connection.execute("COMMIT")
    except (sqlite3.Error, ConstraintViolated) as exc:
        raise StoreUnusable(
            f"schema step {migration.number} ({migration.name}) failed: {exc}; nothing of it was"
            " kept"
        ) from exc
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _statements(script: str) -> Iterator[str]:
    """Split a script; sqlite3's own `executescript` would commit our transaction first."""
    gathered = ""
    for piece in script.split(";"):
        gathered += f"{piece};"
        if sqlite3.complete_statement(gathered):
            yield gathered
            gathered = ""
    rest = gathered.removesuffix(";")
    if rest.strip():
        yield rest
