"""What only the SQLite engine has: files and their modes, the log's size, foreign programs."""

import asyncio
import sqlite3
import stat
from pathlib import Path

import pytest

from gateway.errors import StoreError, StoreFailed, StoreLocked, StoreUnusable
from gateway.store.base import Durability, Tx
from gateway.store.connection import LOCK_PATIENCE_MS
from gateway.store.journal import GROUP_MAX
from gateway.store.migrate import Migration
from gateway.store.sqlite import WAL_URGENT, SqliteStore, open_sqlite
from tests.transitions import KEPT, SYNCED

POWER = Durability.POWER
SCHEMA = (Migration(number=1, name="rows", sql="CREATE TABLE big (id {{serial}}, body TEXT);"),)


def unexpected(failure: StoreFailed) -> None:
    """No test here fills a disk."""
    raise AssertionError(failure)


async def opened(
    place: Path,
    *migrations: Migration,
    wal_limit_bytes: int = 2**30,
    lock_patience_ms: int = LOCK_PATIENCE_MS,
) -> SqliteStore:
    """A store with this module's schema and more."""
    return await open_sqlite(
        place,
        (*SCHEMA, *migrations),
        on_failure=unexpected,
        wal_limit_bytes=wal_limit_bytes,
        lock_patience_ms=lock_patience_ms,
    )


def fill(tx: Tx) -> None:
    """Add one row of 100 KB."""
    tx.run("INSERT INTO big (body) VALUES (?)", "x" * 100_000)


def mode(path: Path) -> int:
    """Permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


async def test_everything_made_is_private(tmp_path: Path) -> None:
    """Directory 0700, files 0600, whatever the umask lets through."""
    place = tmp_path / "deep" / "state"
    store = await opened(place)
    try:
        await store.write(fill, transition=SYNCED)
        assert mode(place) == 0o700
        files = {path.name: mode(path) for path in place.iterdir()}
    finally:
        await store.close()
    assert files == dict.fromkeys(
        ("gatepost.db", "gatepost.db-wal", "gatepost.db-shm", "gatepost.lock"), 0o600
    )


async def test_a_database_others_can_read_is_refused(tmp_path: Path) -> None:
    """A wide mode is refused with the command that mends it, and the lock is not kept."""
    await (await opened(tmp_path / "state")).close()
    database = tmp_path / "state" / "gatepost.db"
    database.chmod(0o644)
    with pytest.raises(StoreUnusable, match=f"chmod 600 {database}"):
        await opened(tmp_path / "state")
    database.chmod(0o600)
    await (await opened(tmp_path / "state")).close()


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Garbage under our name is left alone and named."""
    place = tmp_path / "state"
    place.mkdir(mode=0o700)
    (place / "gatepost.db").touch(mode=0o600)
    (place / "gatepost.db").write_bytes(b"not a database, but long enough to be looked at" * 40)
    for _ in range(2):  # the first refusal has let go of the lock
        with pytest.raises(StoreUnusable, match="not a database"):
            await opened(place)


async def test_pragmas_are_set(tmp_path: Path) -> None:
    """The writer syncs every commit by default, keeps foreign keys and a log."""
    store = await opened(tmp_path / "state")

    def pragmas(tx: Tx) -> list[object]:
        wanted = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [(tx.row(f"PRAGMA {name}") or [None])[0] for name in wanted]

    try:
        assert await store.write(pragmas, transition=SYNCED) == ["wal", 2, 1, LOCK_PATIENCE_MS]
        assert await store.write(pragmas, transition=KEPT) == ["wal", 1, 1, LOCK_PATIENCE_MS]
        assert await store.write(pragmas, transition=SYNCED) == ["wal", 2, 1, LOCK_PATIENCE_MS]
    finally:
        await store.close()


async def test_a_large_log_is_folded_in_when_nobody_waits(tmp_path: Path) -> None:
    """Over its limit the log is emptied in the next idle moment; below, it is left."""
    store = await opened(tmp_path / "state", wal_limit_bytes=1_000_000)
    try:
        await store.write(fill, transition=SYNCED)
        assert 100_000 < store.health().wal_bytes < 1_000_000
        group = (store.write(fill, transition=SYNCED) for _ in range(20))
        await asyncio.gather(*group)
        # The next write waits behind the checkpoint.
        await store.write(lambda tx: None, transition=SYNCED)
        assert store.health().wal_bytes < 1_000_000
        assert store.health().failed is None
    finally:
        await store.close()


async def test_a_reader_in_the_way_of_a_checkpoint_does_no_harm(tmp_path: Path) -> None:
    """A log that cannot be emptied now is emptied later; writes go on meanwhile."""
    store = await opened(tmp_path / "state", wal_limit_bytes=100_000)
    outside = sqlite3.connect(tmp_path / "state" / "gatepost.db", isolation_level=None)
    try:
        outside.execute("BEGIN")
        outside.execute("SELECT * FROM big").fetchall()
        for _ in range(3):
            await store.write(fill, transition=SYNCED)
        assert store.health().wal_bytes > 100_000
        outside.execute("COMMIT")
        await store.write(fill, transition=SYNCED)
        await store.write(lambda tx: None, transition=SYNCED)
        assert store.health().wal_bytes == 0
    finally:
        outside.close()
        await store.close()


async def test_the_log_stays_small_under_load_that_never_ends(tmp_path: Path) -> None:
    """Others always wait and somebody always reads, and yet the log is emptied now and then."""
    store = await opened(tmp_path / "state", wal_limit_bytes=200_000)
    sizes: list[int] = []

    async def writer() -> None:
        for _ in range(4):
            await store.write(
                lambda tx: tx.run("INSERT INTO big (body) VALUES (?)", "x" * 20_000),
                transition=KEPT,
            )
            sizes.append(store.health().wal_bytes)

    async def reader() -> None:
        while True:
            await store.read(reading_for_a_while)

    readers = [asyncio.create_task(reader()) for _ in range(2)]
    try:
        await asyncio.gather(*(writer() for _ in range(3 * GROUP_MAX)))  # 12 MB
    finally:
        for task in readers:
            task.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        await store.close()
    # Four times the limit and the group of commits that went beyond it; a try that finds a reader
    # in the way waits for as much again. Without any of it the log would have all 12 MB.
    assert max(sizes) < 3 * WAL_URGENT * 200_000 + GROUP_MAX * 24_000


def reading_for_a_while(tx: Tx) -> None:
    """Keep one state of the database in sight for some hundredths of a second."""
    tx.row("SELECT count(*) FROM big")
    tx.row(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
        " SELECT max(i) FROM n"
    )


@pytest.mark.slow
async def test_an_urgent_checkpoint_gives_up_on_a_foreign_reader(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A program that reads for ever is named in the log; writes go on, not each one late."""
    store = await opened(tmp_path / "state", wal_limit_bytes=100_000)
    outside = sqlite3.connect(tmp_path / "state" / "gatepost.db", isolation_level=None)
    try:
        outside.execute("BEGIN")
        outside.execute("SELECT * FROM big").fetchall()
        for _ in range(7):  # the fifth is over the limit, and only that one waits
            await store.write(fill, transition=SYNCED)
        assert caplog.text.count("can't be emptied: another program reads the database") == 1
        assert store.health().failed is None
    finally:
        outside.close()
        await store.close()


async def test_a_foreign_writer_delays_but_does_not_fail_the_store(tmp_path: Path) -> None:
    """A program that holds the database for too long makes writes fail only while it does."""
    store = await opened(tmp_path / "state", lock_patience_ms=100)
    outside = sqlite3.connect(tmp_path / "state" / "gatepost.db", isolation_level=None)
    try:
        outside.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another program") as refusal:
            await store.write(fill, transition=SYNCED)
        assert not isinstance(refusal.value, StoreFailed)
        outside.execute("ROLLBACK")
        await store.write(fill, transition=SYNCED)
        assert store.health().failed is None
    finally:
        outside.close()
        await store.close()


async def test_a_deleted_log_is_noticed(tmp_path: Path) -> None:
    """An empty POWER commit after PROCESS rows must reach the disk, or the store fails."""
    failures: list[StoreFailed] = []
    store = await open_sqlite(tmp_path / "state", SCHEMA, on_failure=failures.append)
    try:
        await store.write(fill, transition=KEPT)
        (tmp_path / "state" / "gatepost.db-wal").unlink()
        with pytest.raises(StoreFailed):
            await store.write(lambda tx: tx.row("SELECT 1"), transition=SYNCED)
    finally:
        await store.close()
    assert len(failures) == 1


async def test_a_failed_start_leaves_nothing_open(tmp_path: Path) -> None:
    """After a schema step that cannot run, the directory is free and nothing of it remains."""
    broken = Migration(
        number=2, name="broken", sql="CREATE TABLE half (id {{serial}}); CREATE TABEL typo (x);"
    )
    with pytest.raises(StoreUnusable, match=r"step 2 \(broken\).*TABEL"):
        await opened(tmp_path / "state", broken)
    store = await opened(tmp_path / "state")
    try:
        tables = await store.read(
            lambda tx: tx.rows("SELECT name FROM sqlite_master WHERE name IN ('big', 'half')")
        )
        assert tables == [("big",)]
    finally:
        await store.close()


async def test_one_process_cannot_open_twice(tmp_path: Path) -> None:
    """The lock holds inside one process as well."""
    store = await opened(tmp_path / "state")
    try:
        with pytest.raises(StoreLocked):
            await opened(tmp_path / "state")
    finally:
        await store.close()


async def test_schema_steps_run_once_and_in_order(tmp_path: Path) -> None:
    """A later release adds its steps to what is there; statements may hold semicolons."""
    add = Migration(
        number=2,
        name="more",
        sql="""
        -- one comment; with a semicolon
        ALTER TABLE big ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm; collected';
        CREATE TRIGGER shout AFTER INSERT ON big BEGIN
            UPDATE big SET mood = upper(mood) WHERE id = new.id;
        END;
        """,
    )
    store = await opened(tmp_path / "state")
    await store.write(fill, transition=SYNCED)
    await store.close()
    for _ in range(2):
        store = await opened(tmp_path / "state", add)
        try:
            await store.write(fill, transition=SYNCED)
            moods = await store.read(lambda tx: tx.rows("SELECT mood FROM big ORDER BY id"))
        finally:
            await store.close()
    assert moods == [("calm; collected",), ("CALM; COLLECTED",), ("CALM; COLLECTED",)]


async def test_a_step_that_orphans_rows_is_undone(tmp_path: Path) -> None:
    """Foreign keys are off while a table is rebuilt and checked before its commit."""
    first = Migration(
        number=2,
        name="child",
        sql="CREATE TABLE child (big_id BIGINT NOT NULL REFERENCES big (id));",
    )
    store = await opened(tmp_path / "state", first)
    await store.write(fill, transition=SYNCED)
    await store.write(lambda tx: tx.run("INSERT INTO child VALUES (1)"), transition=SYNCED)
    await store.close()
    orphans = Migration(number=3, name="orphans", sql="DELETE FROM big;")
    with pytest.raises(StoreUnusable, match="refer to nothing"):
        await opened(tmp_path / "state", first, orphans)


async def test_a_newer_database_is_refused_and_untouched(tmp_path: Path) -> None:
    """An older release does not write to what a newer one made."""
    later = Migration(number=2, name="later", sql="CREATE TABLE later (id {{serial}});")
    await (await opened(tmp_path / "state", later)).close()
    with pytest.raises(StoreUnusable, match="newer Gatepost"):
        await opened(tmp_path / "state")
    await (await opened(tmp_path / "state", later)).close()
