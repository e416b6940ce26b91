"""One SQLite connection on aiosqlite's thread, and a transaction over it as units see it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import aiosqlite

from gateway.errors import ConstraintViolated, StoreError, StoreFailed, StoreUnusable
from gateway.store.base import Row

T = TypeVar("T")

LOCK_PATIENCE_MS = 30_000
"""How long a write waits for a foreign program that holds the database. Long, for what is refused
then is lost: a finished answer, or the mark that a post has left."""

CACHED_STATEMENTS = 256
WAL_AUTOCHECKPOINT_PAGES = 1_000

# After one of these nobody can say what a later commit would hold.
_FATAL = frozenset({
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PROTOCOL,
})  # fmt: skip


class Link:
    """A connection and its thread: a whole function per hop instead of a hop per statement."""

    def __init__(self, database: aiosqlite.Connection) -> None:
        self._database = database

    async def run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function on the connection's thread, after those handed over before it.

        A caller that is cancelled leaves the function running. aiosqlite offers this hop only
        to its own methods; tests/gateway/store/test_connection.py guards what we rely on.
        """
        database = self._database
        result = await database._execute(function, database._conn)  # type: ignore[no-untyped-call]
        return cast(T, result)

    async def close(self) -> None:
        """Finish what was handed over, close, end the thread; may be called twice."""
        await self._database.close()


async def open_writer(path: Path, *, patience_ms: int = LOCK_PATIENCE_MS) -> Link:
    """The read-write connection: WAL, foreign keys still off (migrations come first)."""
    return await _open(_uri(path, "rw"), partial(_set_up_writer, patience_ms))


async def open_reader(path: Path) -> Link:
    """A connection that cannot change anything."""
    return await _open(_uri(path, "ro"), _set_up_reader)


def _uri(path: Path, mode: str) -> str:
    return f"{path.absolute().as_uri()}?mode={mode}"


async def _open(uri: str, set_up: Callable[[sqlite3.Connection], None]) -> Link:
    try:
        database = await aiosqlite.connect(
            uri, uri=True, isolation_level=None, cached_statements=CACHED_STATEMENTS
        )
    except sqlite3.Error as exc:
        raise StoreUnusable(f"cannot open the database: {exc}") from exc
    link = Link(database)
    try:
        await link.run(set_up)
    except sqlite3.Error as exc:
        await link.close()
        raise StoreUnusable(f"cannot use the database: {exc}") from exc
    except BaseException:
        await link.close()
        raise
    return link


def _set_up_writer(patience_ms: int, connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA busy_timeout = {patience_ms}")
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreUnusable(
            f"this file system cannot hold a write-ahead log (journal mode {mode}); set"
            " gateway.state_dir to a local disk"
        )
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_AUTOCHECKPOINT_PAGES}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")  # macOS: a plain fsync stops at the drive's cache
    connection.execute("PRAGMA checkpoint_fullfsync = ON")


def _set_up_reader(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA busy_timeout = {LOCK_PATIENCE_MS}")
    connection.execute("PRAGMA query_only = ON")


class SqliteTx:
    """Tx over one connection.

    Its first error stays: PostgreSQL takes no statement after a failed one, so a unit that went
    on here would be one that only SQLite can run.
    """

    __slots__ = ("_connection", "error")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.error: StoreError | None = None

    def rows(self, sql: str, *params: Any) -> list[Row]:
        """Every row; see Tx."""
        self._check()
        try:
            return self._connection.execute(sql, params).fetchall()
        except sqlite3.Error as exc:
            raise self._translated(exc) from exc

    def row(self, sql: str, *params: Any) -> Row | None:
        """The first row; see Tx."""
        self._check()
        try:
            cursor = self._connection.execute(sql, params)
            first: Row | None = cursor.fetchone()
            cursor.close()  # an unfinished statement would hold up the commit
        except sqlite3.Error as exc:
            raise self._translated(exc) from exc
        return first

    def run(self, sql: str, *params: Any) -> int:
        """Changed rows; see Tx."""
        self._check()
        before = self._connection.total_changes
        try:
            cursor = self._connection.execute(sql, params)
            changed = cursor.rowcount
            cursor.close()
            if changed >= 0 or self._connection.total_changes == before:
                return max(changed, 0)
            # sqlite3 counts only statements that begin with INSERT, UPDATE, DELETE or REPLACE.
            (counted,) = self._connection.execute("SELECT changes()").fetchone()
        except sqlite3.Error as exc:
            raise self._translated(exc) from exc
        return cast(int, counted)

    def _check(self) -> None:
        if self.error is not None:
            raise self.error

    def _translated(self, exc: sqlite3.Error) -> StoreError:
        self.error = translate(exc)
        return self.error


def translate(exc: sqlite3.Error) -> StoreError:
    """Our error for one of SQLite's; its text names no values of rows."""
    if isinstance(exc, sqlite3.IntegrityError):
        return ConstraintViolated(str(exc))
    code = getattr(exc, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in _FATAL:
        return StoreFailed(f"the database cannot be written ({exc}); check the disk and restart")
    if code is not None and code & 0xFF == sqlite3.SQLITE_BUSY:
        return StoreError("another program holds the database; close it, nothing was stored")
    return StoreError(f"the database refused a statement: {exc}")
