"""A consistent copy of a state directory, packed into one file, and the way back.

Theory of operation. `stage` copies the database with SQLite's online backup over a connection of
its own, as of one moment, while the writer goes on; what it costs the running gateway is that the
write-ahead log grows until the copy is done. Payload files are written once and never changed, so
links to them are enough: those there before the copy, and those that came during it. `pack`
checks that copy and writes the file whole or not at all; it needs no gateway. `restore` puts a
file's contents into a state directory whose lock it holds, all checked before the first change.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import secrets
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from gateway.errors import StoreError, StoreUnusable
from gateway.store import lock, migrate
from gateway.store.directory import (
    DATABASE,
    DIRECTORY_MODE,
    FILE_MODE,
    LOCK,
    create_file,
    prepare,
    sync_directory,
)
from gateway.store.migrate import Applied, Migration

STAGING = "backup"  # in the state directory: the copy until it is packed
RESTORING = "restoring"  # in the state directory: what was unpacked, until it is in place
REPLACED = "replaced-"  # begins the name of what --replace has put aside
NOTE = "backup.json"  # in the state directory: when and where the last backup was made
BLOBS = "blobs"
MANIFEST = "manifest.json"

FORMAT = 1
PAGES = 1_024  # copied between two looks at whether to go on, about 4 MiB
PIECE = 1 << 20
MANIFEST_MAX_BYTES = 1 << 16

_BLOB = re.compile(r"blobs/([0-9a-f]{2})/(\1[0-9a-f]{62})")
_NOT_STATE = frozenset({LOCK, "control.sock", STAGING, RESTORING})

Progress = Callable[[int, int], None]
"""Bytes done and bytes in all."""


class BackupUnusable(StoreError):
    """This file can't be restored; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup says of itself; `made_at` is ISO 8601 in UTC, `schema` the newest step."""

    made_at: str
    schema: int
    database_sha256: str
    database_bytes: int
    blobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A backup that is on disk; `damaged` names payloads that were changed since stored."""

    path: Path
    manifest: Manifest
    bytes: int
    damaged: tuple[str, ...]


def stage(directory: Path, *, running: bool, stopped: Callable[[], bool] = lambda: False) -> Path:
    """Copy database and payloads into the staging folder and return it.

    `running`: a gateway has the database open and must not be disturbed; else the caller holds
    the lock. Blocks for as long as the copy takes; StoreError when `stopped` says so meanwhile.
    """
    folder = directory / STAGING
    try:
        discard(directory)
        folder.mkdir(mode=DIRECTORY_MODE)
        _link_blobs(directory, folder)
        _copy_database(directory / DATABASE, folder / DATABASE, running=running, stopped=stopped)
        _link_blobs(directory, folder)
    except (OSError, sqlite3.Error, StoreError) as exc:
        discard(directory)
        if isinstance(exc, StoreError):
            raise
        raise StoreError(f"the state in {directory} could not be copied: {exc}") from exc
    return folder


def discard(directory: Path) -> None:
    """Remove the staging folder of a state directory, if there is one."""
    shutil.rmtree(directory / STAGING, ignore_errors=True)


def pack(folder: Path, target: Path, *, made_at: str, progress: Progress) -> Packed:
    """Check a staged copy and write it to one new file, 0600, whole and on disk or not at all."""
    database = folder / DATABASE
    schema = max((row.number for row in check(database)), default=0)
    blobs = sorted(folder.glob(f"{BLOBS}/??/*"))
    manifest = Manifest(
        made_at=made_at,
        schema=schema,
        database_sha256=_digest(database),
        database_bytes=database.stat().st_size,
        blobs=len(blobs),
    )
    try:
        with _new_file(target) as file:
            damaged = _write_tar(file, folder, manifest, blobs, progress)
            size = file.tell()
    except FileExistsError as exc:
        raise StoreError(f"{target} exists already; give another name") from exc
    except OSError as exc:
        raise StoreError(f"{target} could not be made: {exc.strerror or exc}") from exc
    return Packed(path=target, manifest=manifest, bytes=size, damaged=damaged)


def restore(
    file: Path,
    directory: Path,
    known: Sequence[Migration],
    *,
    aside: str | None,
    progress: Progress,
) -> tuple[Manifest, Path | None]:
    """Put a backup into a state directory; returns what it is and where the old state now lies.

    `aside` names the folder inside the directory that the present state is moved to; None
    refuses a directory that holds one. Raises StoreLocked while a gateway runs there, and
    BackupUnusable for a file that is not whole; neither changes anything.
    """
    prepare(directory)
    held = lock.hold(directory)
    try:
        old = [path for path in sorted(directory.iterdir()) if _is_state(path.name)]
        if old and aside is None:
            raise StoreError(
                f"{directory} is not empty; set another gateway.state_dir, or give --replace to"
                " put what is there aside"
            )
        folder = directory / RESTORING
        shutil.rmtree(folder, ignore_errors=True)
        try:
            manifest = unpack(file, folder, known, progress=progress)
            kept = _put_in_place(folder, directory, old, aside)
        except BackupUnusable:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return manifest, kept
    except OSError as exc:
        raise StoreError(f"{directory} cannot be restored into: {exc}") from exc
    finally:
        held.release()


def unpack(file: Path, folder: Path, known: Sequence[Migration], *, progress: Progress) -> Manifest:
    """Unpack a backup into a new folder and check every byte of it; raises BackupUnusable."""
    folder.mkdir(mode=DIRECTORY_MODE)
    try:
        with file.open("rb") as source, tarfile.open(fileobj=source, mode="r:") as tar:
            manifest = _read_manifest(tar)
            _extract(tar, folder, manifest, progress, file.stat().st_size)
        applied = check(folder / DATABASE)
        migrate.pending(known, applied)
    except StoreUnusable as exc:
        raise BackupUnusable(str(exc)) from exc
    except (OSError, tarfile.TarError, sqlite3.Error) as exc:
        raise BackupUnusable(f"{file} cannot be read as a backup: {exc}") from exc
    return manifest


def check(database: Path) -> tuple[Applied, ...]:
    """Check a copy that nobody else has open and return its schema steps; one file afterwards.

    Raises BackupUnusable with the first thing SQLite finds wrong.
    """
    try:
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            broken = connection.execute("PRAGMA foreign_key_check").fetchone()
            rows = connection.execute(migrate.SELECT_APPLIED).fetchall()
    except sqlite3.Error as exc:
        raise BackupUnusable(f"the copy of the database cannot be used: {exc}") from exc
    if found != "ok" or broken is not None:
        problem = found if found != "ok" else f"rows of {broken[0]} refer to nothing"
        raise BackupUnusable(f"the copy of the database is damaged: {problem}")
    return tuple(Applied(number=number, name=name, checksum=sha) for number, name, sha in rows)


def note(directory: Path, *, at: int, path: str) -> None:
    """Remember the last backup: when, in microseconds since 1970, and where."""
    fresh = directory / f".{NOTE}.{secrets.token_hex(4)}"
    descriptor = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps({"at": at, "path": path}))
    fresh.replace(directory / NOTE)


def noted(directory: Path) -> int | None:
    """When the last backup was made, in microseconds since 1970."""
    try:
        fields: Any = orjson.loads((directory / NOTE).read_bytes())
        return int(fields["at"])
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None


def _copy_database(
    source: Path, target: Path, *, running: bool, stopped: Callable[[], bool]
) -> None:
    def copied(_status: int, _remaining: int, _total: int) -> None:
        if stopped():
            raise StoreError("the gateway is stopping; make the backup again")

    create_file(target)
    # A stopped gateway's log may still need to be folded in, which takes a writer.
    uri = f"{source.absolute().as_uri()}?mode={'ro' if running else 'rw'}"
    with (
        closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as origin,
        closing(sqlite3.connect(target, isolation_level=None)) as copy,
    ):
        # One read transaction for the whole copy: without it every commit of the writer between
        # two pieces would start the copy anew.
        origin.execute("BEGIN")
        origin.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        origin.backup(copy, pages=PAGES, progress=copied)
        origin.execute("ROLLBACK")


def _link_blobs(directory: Path, folder: Path) -> None:
    for source in (directory / BLOBS).glob("??/*"):
        target = folder / BLOBS / source.parent.name / source.name
        if not _BLOB.fullmatch(f"{BLOBS}/{source.parent.name}/{source.name}") or target.exists():
            continue
        target.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        try:
            target.hardlink_to(source)
        except FileNotFoundError:
            continue  # pruned this moment, so no row names it any more
        except OSError as exc:
            if exc.errno not in {errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP}:
                raise
            shutil.copyfile(source, target)


def _write_tar(
    file: IO[bytes], folder: Path, manifest: Manifest, blobs: Sequence[Path], progress: Progress
) -> tuple[str, ...]:
    total = manifest.database_bytes + sum(blob.stat().st_size for blob in blobs)
    damaged = []
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        fields = {"format": FORMAT, **{name: getattr(manifest, name) for name in _FIELDS}}
        words = orjson.dumps(fields, option=orjson.OPT_INDENT_2)
        _add(tar, MANIFEST, io.BytesIO(words), len(words))
        done = 0
        for path in (folder / DATABASE, *blobs):
            size = path.stat().st_size
            with path.open("rb") as source:
                digest = _add(tar, str(path.relative_to(folder)), source, size)
            if path.name not in {DATABASE, digest}:
                damaged.append(path.name)
            done += size
            progress(done, total)
    return tuple(damaged)


_FIELDS = tuple(Manifest.__dataclass_fields__)


def _add(tar: tarfile.TarFile, name: str, source: IO[bytes], size: int) -> str:
    """Add one private file and return its SHA-256."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, FILE_MODE
    reader = _Digesting(source)
    tar.addfile(member, reader)
    return reader.digest.hexdigest()


class _Digesting(io.RawIOBase):
    """Reads from a file and digests what was read."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self.digest.update(data)
        return data


def _read_manifest(tar: tarfile.TarFile) -> Manifest:
    member = tar.next()
    source = None
    if member is not None and member.name == MANIFEST and member.isreg():
        source = tar.extractfile(member) if member.size <= MANIFEST_MAX_BYTES else None
    if source is None:
        raise BackupUnusable("this is not a backup of Gatepost: it does not begin with a manifest")
    try:
        fields: Any = orjson.loads(source.read())
        if fields["format"] != FORMAT:
            raise BackupUnusable("this backup was made by a newer Gatepost; restore it with that")
        return Manifest(**{name: fields[name] for name in _FIELDS})
    except (orjson.JSONDecodeError, KeyError, TypeError) as exc:
        raise BackupUnusable("this backup's manifest cannot be read") from exc


def _extract(
    tar: tarfile.TarFile, folder: Path, manifest: Manifest, progress: Progress, total: int
) -> None:
    """Write every member by a name of ours, never by one the archive chose."""
    database, blobs = "", 0
    for member in tar:
        blob = _BLOB.fullmatch(member.name)
        if not member.isreg() or not (blob or member.name in {DATABASE, MANIFEST}):
            raise BackupUnusable(f"{member.name!r} has no place in a backup")
        source = tar.extractfile(member)
        if member.name == MANIFEST or source is None:
            continue
        path = folder / DATABASE if blob is None else folder / BLOBS / blob[1] / blob[2]
        path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        digest = _write(path, source)
        if blob is None:
            database = digest
        elif digest != blob[2]:
            raise BackupUnusable(f"payload {blob[2]} was changed since it was stored")
        else:
            blobs += 1
        progress(min(tar.offset, total), total)
    if database != manifest.database_sha256 or blobs != manifest.blobs:
        raise BackupUnusable("this backup is not whole; its end or a part of it is missing")


def _put_in_place(
    folder: Path, directory: Path, old: Sequence[Path], aside: str | None
) -> Path | None:
    """Move the old state aside and the new one in.

    The database is exchanged last and in one step: a crash before that leaves the old one, and no
    moment is without any, in which a start would begin an empty one.
    """
    owner = directory.stat()
    for path in (folder, *folder.rglob("*")):
        if os.getuid() == 0:  # a service's user must be able to read what root has restored
            os.chown(path, owner.st_uid, owner.st_gid)
        if path.is_dir():
            sync_directory(path)
    kept = None
    if old and aside is not None:
        kept = directory / aside
        kept.mkdir(mode=DIRECTORY_MODE)
        _fold_log(directory / DATABASE)
        for path in old:
            if path.name == DATABASE:
                (kept / DATABASE).hardlink_to(path)
            elif path.exists():
                path.rename(kept / path.name)
    for path in sorted(folder.iterdir(), key=lambda path: path.name == DATABASE):
        path.rename(directory / path.name)
    folder.rmdir()
    sync_directory(directory)
    return kept


def _fold_log(database: Path) -> None:
    """Leave nothing of a database in its log; one that is too damaged for that keeps it."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def _is_state(name: str) -> bool:
    return name not in _NOT_STATE and not name.startswith(REPLACED)


@contextmanager
def _new_file(target: Path) -> Iterator[IO[bytes]]:
    """A file that has its name once it is on disk; FileExistsError if the name is taken."""
    if target.exists():
        raise FileExistsError
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        partial.rename(target)
        sync_directory(target.parent)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def _write(path: Path, source: IO[bytes]) -> str:
    """Write a private file, on disk when this returns, and return its SHA-256."""
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        while piece := source.read(PIECE):
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(descriptor)
    return digest.hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
