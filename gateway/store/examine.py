"""A look at a store for `gatepost doctor`: is it whole, private, and has it room."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import StoreError
from gateway.store.connection import SqliteTx
from gateway.store.directory import (
    DATABASE,
    FILE_MODE,
    NETWORK_FILE_SYSTEMS,
    file_system,
)
from gateway.store.records.overview import Overview, last_known, overview

EXAMINE_WITHIN_S = 20.0
PROGRESS_STEPS = 100_000

NOT_FINISHED = "not finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What a look at the database found.

    `integrity` is "ok", NOT_FINISHED after EXAMINE_WITHIN_S, or SQLite's first complaint;
    `last_known` is the newest time of any row, microseconds since 1970.
    """

    integrity: str
    database_bytes: int
    wal_bytes: int
    last_known: int
    rows: Overview | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the file system says of a state directory; `open_to_others` are its loose files."""

    exists: bool
    free_bytes: int
    total_bytes: int
    network: str | None
    open_to_others: tuple[Path, ...]


def examine(directory: Path, *, now: int, running: bool) -> Examined:
    """Look at the database over a connection of its own; blocks, for EXAMINE_WITHIN_S at most.

    `running`: a gateway has it open; else the caller holds the lock.
    """
    path = directory / DATABASE
    uri = f"{path.absolute().as_uri()}?mode={'ro' if running else 'rw'}"
    deadline = time.monotonic() + EXAMINE_WITHIN_S
    integrity, rows, newest = "ok", None, 0
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            tx = SqliteTx(connection)
            if tx.row("SELECT 1 FROM sqlite_master WHERE name = 'card'") is not None:
                rows, newest = overview(tx, now=now), last_known(tx)
            connection.set_progress_handler(lambda: time.monotonic() > deadline, PROGRESS_STEPS)
            (integrity,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as exc:
        stopped = exc.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT
        integrity = NOT_FINISHED if stopped else str(exc)
    except (sqlite3.Error, StoreError) as exc:
        integrity = str(exc)
    return Examined(
        integrity=integrity,
        database_bytes=_size(path),
        wal_bytes=_size(path.with_name(f"{DATABASE}-wal")),
        last_known=newest,
        rows=rows,
    )


def place(directory: Path) -> Place:
    """Look at the directory itself; also one that is not there yet."""
    there = next(path for path in (directory, *directory.parents) if path.exists())
    usage = shutil.disk_usage(there)
    kind = file_system(there.resolve(), _mounts())
    return Place(
        exists=directory.is_dir(),
        free_bytes=usage.free,
        total_bytes=usage.total,
        network=kind if kind in NETWORK_FILE_SYSTEMS else None,
        open_to_others=_open_to_others(directory),
    )


def _open_to_others(directory: Path) -> tuple[Path, ...]:
    """The directory if others may enter it; else nothing below it can be reached."""
    if not directory.is_dir():
        return ()
    loose = stat.S_IMODE(directory.stat().st_mode) & 0o077
    files = [path for path in directory.iterdir() if path.name.startswith(DATABASE)]
    wide = [path for path in files if stat.S_IMODE(path.stat().st_mode) & ~FILE_MODE & 0o077]
    return (*((directory,) if loose else ()), *wide)


def _mounts() -> str:
    try:
        return Path("/proc/mounts").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""  # no such list on this system


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
