"""Copies of a state directory: consistent under load, whole or not at all, and back again."""

import asyncio
import io
import os
import sqlite3
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from gateway.errors import StoreError, StoreFailed, StoreLocked
from gateway.store import backup, lock, migrate
from gateway.store.backup import BackupUnusable
from gateway.store.base import Store, Tx
from gateway.store.blobs import Blobs
from gateway.store.sqlite import SqliteStore, open_sqlite
from tests.transitions import SYNCED

MADE = "2026-01-01T03:30:00+00:00"
KNOWN = migrate.packaged()


def quiet(_done: int, _total: int) -> None:
    """Show nothing."""


def names(folder: Path) -> list[str]:
    """What stands in a folder and below it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def unexpected(failure: StoreFailed) -> None:
    """No test here breaks a store."""
    raise AssertionError(failure)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state directory that the fixture `store` has open."""
    return tmp_path / "state"


async def put(store: Store, number: int) -> None:
    """Store one row, power-safe when this returns."""

    def unit(tx: Tx) -> None:
        tx.run("INSERT INTO cursor VALUES ('a', ?, ?, ?)", f"c{number}", "x" * 2_000, number)

    await store.write(unit, transition=SYNCED)


async def positions(store: Store) -> list[int]:
    """What `put` has stored."""
    rows = await store.read(lambda tx: tx.rows("SELECT position FROM cursor ORDER BY position"))
    return [int(position) for (position,) in rows]


def packed(state: Path, target: Path, *, running: bool = True) -> backup.Packed:
    """Stage and pack in one."""
    folder = backup.stage(state, running=running)
    try:
        return backup.pack(folder, target, made_at=MADE, progress=quiet)
    finally:
        backup.discard(state)


def restored(file: Path, directory: Path, aside: str | None = None) -> Path | None:
    """Restore; returns where the old state lies."""
    manifest, kept = backup.restore(file, directory, KNOWN, aside=aside, progress=quiet)
    assert manifest.made_at == MADE
    return kept


async def opened(directory: Path) -> SqliteStore:
    """A store over a directory."""
    return await open_sqlite(directory, KNOWN, on_failure=unexpected)


async def test_a_copy_under_load_holds_what_was_acknowledged(
    store: SqliteStore, state: Path, tmp_path: Path
) -> None:
    """Every row acknowledged before the copy began is in it, and the writer went on meanwhile."""
    blobs = Blobs(state / "blobs")
    name = await blobs.put(b"payload" * 100)
    for number in range(200):
        await put(store, number)
    stopped = asyncio.Event()
    written = 200

    async def load() -> None:
        nonlocal written
        while not stopped.is_set():
            await put(store, written)
            written += 1

    loading = asyncio.create_task(load())
    await put(store, 1_000_000)
    before = written
    made = await asyncio.to_thread(packed, state, tmp_path / "one.tar")
    stopped.set()
    await loading
    assert written > before
    assert made.damaged == ()
    assert made.manifest.blobs == 1
    restored(tmp_path / "one.tar", tmp_path / "elsewhere")
    other = await opened(tmp_path / "elsewhere")
    found = await positions(other)
    await other.close()
    assert found[: before - 1] == list(range(before - 1))
    assert 1_000_000 in found
    assert await Blobs(tmp_path / "elsewhere" / "blobs").get(name) == b"payload" * 100


async def test_the_copy_never_begins_anew(store: SqliteStore, state: Path) -> None:
    """Commits between two of its pieces do not reach it: it is of one moment."""
    for number in range(600):  # more than one piece of pages
        await put(store, number)
    loop = asyncio.get_running_loop()
    pieces = 0

    def between() -> bool:
        nonlocal pieces
        pieces += 1
        asyncio.run_coroutine_threadsafe(put(store, 10_000 + pieces), loop).result(5)
        return False

    folder = await asyncio.to_thread(backup.stage, state, running=True, stopped=between)
    with sqlite3.connect(folder / "gatepost.db") as copy:
        (count,) = copy.execute("SELECT COUNT(*) FROM cursor").fetchone()
    copy.close()
    assert count == 600
    assert 1 <= pieces <= 3
    backup.discard(state)


async def test_a_copy_is_given_up_when_the_gateway_stops(store: SqliteStore, state: Path) -> None:
    """Nothing of it stays."""
    await put(store, 1)
    with pytest.raises(StoreError, match="stopping"):
        await asyncio.to_thread(backup.stage, state, running=True, stopped=lambda: True)
    assert not (state / "backup").exists()


async def test_a_backup_is_private_and_one_file(
    store: SqliteStore, state: Path, tmp_path: Path
) -> None:
    """Mode 0600, the manifest first, names of ours only, no database log beside it."""
    await Blobs(state / "blobs").put(b"x" * 10)
    made = packed(state, tmp_path / "one.tar")
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert made.bytes == made.path.stat().st_size
    with tarfile.open(made.path) as tar:
        members = tar.getnames()
        manifest = orjson.loads(tar.extractfile("manifest.json").read())  # type: ignore[union-attr]
    assert members[:2] == ["manifest.json", "gatepost.db"]
    assert [name.split("/")[0] for name in members[2:]] == ["blobs"]
    assert manifest["schema"] == len(KNOWN)
    assert [name for name in names(tmp_path) if "/" not in name] == ["one.tar", "state"]


async def test_a_name_that_is_taken_is_left_alone(
    store: SqliteStore, state: Path, tmp_path: Path
) -> None:
    """An older backup is never overwritten, and no half-made file stays."""
    (tmp_path / "one.tar").write_bytes(b"old")
    with pytest.raises(StoreError, match="exists already"):
        packed(state, tmp_path / "one.tar")
    assert (tmp_path / "one.tar").read_bytes() == b"old"
    with pytest.raises(StoreError, match="could not be made"):
        packed(state, tmp_path / "missing" / "one.tar")
    assert [name for name in names(tmp_path) if "/" not in name] == ["one.tar", "state"]


async def test_a_stopped_gateway_is_copied_too(
    store: SqliteStore, state: Path, tmp_path: Path
) -> None:
    """What a crash left in the log is part of it."""
    await put(store, 1)
    await store.close()
    packed(state, tmp_path / "one.tar", running=False)
    restored(tmp_path / "one.tar", tmp_path / "elsewhere")
    other = await opened(tmp_path / "elsewhere")
    assert await positions(other) == [1]
    await other.close()


async def test_a_changed_payload_is_told(store: SqliteStore, state: Path, tmp_path: Path) -> None:
    """It is copied as it is; a restore refuses to take it for the one that was stored."""
    name = await Blobs(state / "blobs").put(b"x" * 10)
    (state / "blobs" / name[:2] / name).write_bytes(b"y" * 10)
    assert packed(state, tmp_path / "one.tar").damaged == (name,)
    with pytest.raises(BackupUnusable, match="was changed"):
        restored(tmp_path / "one.tar", tmp_path / "elsewhere")


async def test_a_damaged_database_makes_no_backup(
    store: SqliteStore, state: Path, tmp_path: Path
) -> None:
    """The copy is checked before the file gets its name."""
    for number in range(50):
        await put(store, number)
    folder = backup.stage(state, running=True)
    with (folder / "gatepost.db").open("r+b") as file:
        file.seek(4096 * 8)
        file.write(b"\xff" * 4096 * 30)
    with pytest.raises(BackupUnusable, match="database"):
        backup.pack(folder, tmp_path / "one.tar", made_at=MADE, progress=quiet)
    assert not (tmp_path / "one.tar").exists()
    backup.discard(state)


async def test_the_last_backup_is_remembered(state: Path) -> None:
    """When it was; a note nobody can read is none."""
    os.mkdir(state)  # noqa: PTH102
    assert backup.noted(state) is None
    backup.note(state, at=17, path="/srv/one.tar")
    assert backup.noted(state) == 17
    assert stat.S_IMODE((state / "backup.json").stat().st_mode) == 0o600
    (state / "backup.json").write_text("[]")
    assert backup.noted(state) is None


@pytest.fixture
async def file(store: SqliteStore, state: Path, tmp_path: Path) -> Path:
    """A backup with one row and one payload; its gateway is stopped."""
    await put(store, 7)
    await Blobs(state / "blobs").put(b"x" * 10)
    packed(state, tmp_path / "one.tar")
    await store.close()
    return tmp_path / "one.tar"


async def test_a_running_gateway_is_not_restored_over(file: Path, tmp_path: Path) -> None:
    """Nor one that only holds the directory."""
    directory = tmp_path / "state"
    held = lock.hold(directory)
    with pytest.raises(StoreLocked):
        restored(file, directory, "replaced-1")
    held.release()
    assert not (directory / "restoring").exists()


async def test_a_state_that_is_there_is_not_overwritten(file: Path, tmp_path: Path) -> None:
    """Without being told to; the lock and a dead socket are no state."""
    with pytest.raises(StoreError, match="is not empty"):
        restored(file, tmp_path / "state")
    empty = tmp_path / "empty"
    empty.mkdir(mode=0o700)
    (empty / "gatepost.lock").touch(0o600)
    (empty / "control.sock").touch()
    assert restored(file, empty) is None
    other = await opened(empty)
    assert await positions(other) == [7]
    await other.close()


async def test_what_is_replaced_is_kept_beside(file: Path, tmp_path: Path) -> None:
    """The newer row is in the old state only; both can be opened; it works again and again."""
    directory = tmp_path / "state"
    newer = await opened(directory)
    await put(newer, 8)
    await newer.close()
    kept = restored(file, directory, "replaced-1")
    assert kept == directory / "replaced-1"
    assert restored(file, directory, "replaced-2") == directory / "replaced-2"
    for place, expected in ((directory, [7]), (kept, [7, 8])):
        found = await opened(place)
        assert await positions(found) == expected
        await found.close()
    assert stat.S_IMODE((directory / "gatepost.db").stat().st_mode) == 0o600
    assert not (directory / "restoring").exists()


async def test_a_damaged_state_is_replaced_too(file: Path, tmp_path: Path) -> None:
    """That is what a backup is for; its remains are kept, its log with them."""
    directory = tmp_path / "state"
    for name in ("gatepost.db", "gatepost.db-wal"):
        with open(directory / name, "wb") as broken:  # noqa: ASYNC230, PTH123
            broken.write(b"no database")
        os.chmod(directory / name, 0o600)  # noqa: PTH101
    kept = restored(file, directory, "replaced-1")
    assert kept is not None
    assert {"gatepost.db", "blobs"} <= set(names(kept))
    assert "gatepost.db-wal" not in names(directory)
    other = await opened(directory)
    assert await positions(other) == [7]
    await other.close()


def break_file(file: Path, target: Path, broken: Callable[[bytes], bytes]) -> None:
    """Copy a file and break the copy."""
    target.write_bytes(broken(file.read_bytes()))


def cut(data: bytes) -> bytes:
    """The second half is missing."""
    return data[: len(data) // 2]


def flipped(data: bytes) -> bytes:
    """One byte of the database is another."""
    at = data.index(b"SQLite format 3") + 5_000
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def of_the_future(data: bytes) -> bytes:
    """A format we don't know."""
    return data.replace(b'"format": 1', b'"format": 9')


def empty(_data: bytes) -> bytes:
    """No bytes at all."""
    return b""


@pytest.mark.parametrize("broken", [cut, flipped, of_the_future, empty])
async def test_a_file_that_is_not_whole_changes_nothing(
    file: Path, tmp_path: Path, broken: Callable[[bytes], bytes]
) -> None:
    """All of it is checked before the first change, --replace or not."""
    bad = tmp_path / "bad.tar"
    break_file(file, bad, broken)
    with pytest.raises(BackupUnusable):
        restored(bad, tmp_path / "state", "replaced-1")
    assert not (tmp_path / "state" / "replaced-1").exists()
    assert not (tmp_path / "state" / "restoring").exists()
    store = await opened(tmp_path / "state")
    assert await positions(store) == [7]
    await store.close()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../../evil", tarfile.REGTYPE),
        ("/etc/evil", tarfile.REGTYPE),
        ("blobs/00/../../evil", tarfile.REGTYPE),
        ("gatepost.db", tarfile.SYMTYPE),
        ("gatepost.db-wal", tarfile.REGTYPE),
    ],
)
async def test_a_foreign_name_leads_nowhere(
    file: Path, tmp_path: Path, name: str, kind: bytes
) -> None:
    """Files have the names we gave them or the archive is none of ours."""
    bad = tmp_path / "bad.tar"
    with tarfile.open(file) as source, tarfile.open(bad, "w") as target:
        manifest = source.getmember("manifest.json")
        target.addfile(manifest, source.extractfile(manifest))
        member = tarfile.TarInfo(name)
        member.type, member.size, member.linkname = kind, 3, "/etc/passwd"
        target.addfile(member, io.BytesIO(b"bad"))
    before = names(tmp_path)
    with pytest.raises(BackupUnusable):
        restored(bad, tmp_path / "state", "replaced-1")
    assert names(tmp_path) == before


async def test_a_newer_schema_is_refused(file: Path, tmp_path: Path) -> None:
    """The state of a newer version is not taken by this one."""
    with pytest.raises(BackupUnusable, match="newer Gatepost"):
        backup.restore(file, tmp_path / "old", KNOWN[:1], aside=None, progress=quiet)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
async def test_what_root_restores_belongs_to_the_service(file: Path, tmp_path: Path) -> None:
    """A service's own user must be able to open it."""
    directory = tmp_path / "service"
    directory.mkdir(mode=0o700)
    os.chown(directory, 65_534, 65_534)
    restored(file, directory)
    owners = {path.stat().st_uid for path in directory.rglob("*") if path.name != "gatepost.lock"}
    assert owners == {65_534}
