"""What the store takes for granted in aiosqlite's inner hop: an upgrade that differs fails here."""

import asyncio
import sqlite3
import threading
from functools import partial
from pathlib import Path

import pytest

from gateway.errors import ConstraintViolated, StoreError, StoreFailed, StoreUnusable
from gateway.store.connection import Link, open_reader, open_writer, translate


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An empty database file."""
    (tmp_path / "x.db").touch()
    return tmp_path / "x.db"


async def test_a_hop_runs_one_function_on_the_connections_own_thread(path: Path) -> None:
    """The function gets the raw connection, off the loop, always on the same thread."""
    link = await open_writer(path)

    def look(connection: sqlite3.Connection) -> tuple[bool, int]:
        return type(connection) is sqlite3.Connection, threading.get_ident()

    try:
        seen = {await link.run(look) for _ in range(5)}
    finally:
        await link.close()
    ((raw, thread),) = seen
    assert raw
    assert thread != threading.get_ident()


async def test_hops_keep_their_order_and_their_errors(path: Path) -> None:
    """Functions run first come, first served; an exception reaches its own caller only."""
    link = await open_writer(path)
    order: list[int] = []

    def step(number: int, _: sqlite3.Connection) -> int:
        order.append(number)
        return 1 // number

    try:
        hops = (link.run(partial(step, number)) for number in (3, 0, 1))
        results = await asyncio.gather(*hops, return_exceptions=True)
    finally:
        await link.close()
    assert order == [3, 0, 1]
    assert (results[0], results[2]) == (0, 1)
    assert isinstance(results[1], ZeroDivisionError)


async def test_a_cancelled_caller_leaves_its_function_running(path: Path) -> None:
    """The thread finishes what it began before it takes the next function."""
    link = await open_writer(path)
    go = threading.Event()
    done: list[str] = []

    def slow(_: sqlite3.Connection) -> None:
        assert go.wait(100)
        done.append("slow")

    try:
        caller = asyncio.create_task(link.run(slow))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        go.set()
        await link.run(lambda _: done.append("next"))
    finally:
        await link.close()
    assert done == ["slow", "next"]


async def test_closing_ends_the_thread_and_may_be_repeated(path: Path) -> None:
    """No thread is left that would keep the process from ending."""
    before = threading.active_count()
    link: Link = await open_writer(path)
    reader = await open_reader(path)
    assert threading.active_count() == before + 2
    threads = [thread for thread in threading.enumerate() if "_connection_worker" in thread.name]
    for opened in (reader, reader, link, link):
        await opened.close()
    for thread in threads:
        thread.join(100)
    assert threading.active_count() == before


def names(folder: Path) -> list[str]:
    """What lies in a folder."""
    return [path.name for path in folder.iterdir()]


async def test_a_missing_database_is_not_created(tmp_path: Path) -> None:
    """Opening never makes a file with the wrong mode, and leaves no thread."""
    before = threading.active_count()
    with pytest.raises(StoreUnusable):
        await open_reader(tmp_path / "none?mode=rwc&x=#.db")
    assert names(tmp_path) == []
    for thread in threading.enumerate():
        if "_connection_worker" in thread.name:
            thread.join(100)
    assert threading.active_count() == before


def _error(kind: type[sqlite3.Error], code: int) -> sqlite3.Error:
    error = kind("words")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (_error(sqlite3.IntegrityError, sqlite3.SQLITE_CONSTRAINT_UNIQUE), ConstraintViolated),
        (_error(sqlite3.OperationalError, sqlite3.SQLITE_FULL), StoreFailed),
        (_error(sqlite3.OperationalError, sqlite3.SQLITE_IOERR_FSYNC), StoreFailed),
        (_error(sqlite3.DatabaseError, sqlite3.SQLITE_CORRUPT), StoreFailed),
        (_error(sqlite3.OperationalError, sqlite3.SQLITE_READONLY_DBMOVED), StoreFailed),
        (_error(sqlite3.OperationalError, sqlite3.SQLITE_BUSY_SNAPSHOT), StoreError),
        (_error(sqlite3.OperationalError, sqlite3.SQLITE_ERROR), StoreError),
        (sqlite3.ProgrammingError("Incorrect number of bindings supplied"), StoreError),
    ],
)
def test_errors_are_told_apart_by_code(error: sqlite3.Error, expected: type[StoreError]) -> None:
    """Only a disk or database that cannot be trusted any more fails the store."""
    assert type(translate(error)) is expected
