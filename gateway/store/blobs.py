"""Payloads too large for a row: files named by their content, written once, never changed."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from gateway.errors import StoreError, StoreUnusable
from gateway.store.directory import DIRECTORY_MODE, FILE_MODE, sync_directory

BLOB_THRESHOLD_BYTES = 64 * 1024  # a larger payload goes to a file, its name to the row

SHARDS = 256  # folders the payloads are spread over

_INCOMING = "incoming"  # half-written files; emptied at start


class Blobs:
    """A folder of blobs under the state directory, used by the process that holds its lock."""

    def __init__(self, folder: Path) -> None:
        """Create the folder and drop what a crash left half-written."""
        self._folder = folder
        self._lock = threading.Lock()  # a payload found by `put` must not be dropped meanwhile
        try:
            _make(folder)
            _make(folder / _INCOMING)
            for left in (folder / _INCOMING).iterdir():
                left.unlink()
        except OSError as exc:
            raise StoreUnusable(f"cannot use {folder}: {exc.strerror}") from exc

    async def put(self, data: bytes) -> str:
        """Store bytes, on disk when this returns (D2), and return their SHA-256 in hex.

        The same bytes are stored once, however often they are put.
        """
        return await asyncio.to_thread(self._put, data)

    def incoming(self) -> Incoming:
        """Begin what comes in pieces and is looked at before anything of it is kept."""
        return Incoming(self._folder / _INCOMING / secrets.token_hex(16))

    async def get(self, name: str) -> bytes:
        """The bytes of a name that `put` returned; StoreError if they are missing or changed."""
        return await asyncio.to_thread(self._get, name)

    async def rested(self, shard: int, *, before_s: float) -> tuple[str, ...]:
        """Names of one of SHARDS folders that nobody put since a time (seconds since 1970)."""
        return await asyncio.to_thread(self._rested, shard, before_s)

    async def drop(self, names: Sequence[str], *, before_s: float) -> int:
        """Delete payloads, but none that was put since a time; returns how many."""
        return await asyncio.to_thread(self._drop, names, before_s)

    def _put(self, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        path = self._path(name)
        try:
            _make(path.parent)
            if not self._freshened(path):
                incoming = self._folder / _INCOMING / secrets.token_hex(16)
                _write(incoming, data)
                incoming.replace(path)
            # Also when it was there: whoever put it may have died before this line.
            sync_directory(path.parent)
        except OSError as exc:
            raise StoreError(f"cannot store a payload: {exc.strerror}; check the disk") from exc
        return name

    def _get(self, name: str) -> bytes:
        try:
            data = self._path(name).read_bytes()
        except OSError as exc:
            raise StoreError(f"payload {name} cannot be read: {exc.strerror}") from exc
        if hashlib.sha256(data).hexdigest() != name:
            raise StoreError(f"payload {name} was changed on disk; restore it from a backup")
        return data

    def _freshened(self, path: Path) -> bool:
        """Whether a payload is there; its age then begins anew, so that it outlives a `drop`."""
        with self._lock:
            try:
                os.utime(path)
            except FileNotFoundError:
                return False
            return True

    def _rested(self, shard: int, before_s: float) -> tuple[str, ...]:
        try:
            with os.scandir(self._folder / f"{shard:02x}") as entries:
                return tuple(e.name for e in entries if e.stat().st_mtime < before_s)
        except FileNotFoundError:
            return ()
        except OSError as exc:
            raise StoreError(f"payloads cannot be listed: {exc.strerror}") from exc

    def _drop(self, names: Sequence[str], before_s: float) -> int:
        dropped = 0
        for name in names:
            path = self._path(name)
            with self._lock:
                try:
                    if path.stat().st_mtime < before_s:
                        path.unlink()
                        dropped += 1
                except FileNotFoundError:
                    continue
                except OSError as exc:
                    raise StoreError(f"payload {name} cannot be deleted: {exc.strerror}") from exc
        return dropped

    def _path(self, name: str) -> Path:
        if len(name) != 64 or not set(name) <= set("0123456789abcdef"):
            raise StoreError(f"{name!r} is not the name of a payload")
        return self._folder / name[:2] / name


class Incoming:
    """Bytes on their way in, in a file that a crash leaves behind and the next start drops.

    Whoever is cut while a thread is at work on it may drop it all the same: nothing is left.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._dropped = False
        self._lock = threading.Lock()  # a thread that goes on after its caller was cut
        self.bytes = 0

    async def write(self, data: bytes) -> None:
        """Add bytes to its end; StoreError where there is no room for them."""
        self.bytes += len(data)
        await asyncio.to_thread(self._write, data)

    async def read(self) -> bytes:
        """All of it so far."""
        return await asyncio.to_thread(self._read)

    async def drop(self) -> None:
        """Let go of it; dropping twice is fine."""
        await asyncio.to_thread(self._drop)

    def _write(self, data: bytes) -> None:
        with self._lock:
            if self._dropped:
                return
            try:
                if self._file is None:
                    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR
                    self._file = os.fdopen(os.open(self._path, flags, FILE_MODE), "w+b")
                self._file.write(data)
            except OSError as exc:
                raise StoreError(f"cannot store a payload: {exc.strerror}; check the disk") from exc

    def _read(self) -> bytes:
        with self._lock:
            if self._file is None or self._dropped:
                return b""
            self._file.seek(0)
            data = self._file.read()
            self._file.seek(0, os.SEEK_END)
            return data

    def _drop(self) -> None:
        with self._lock:
            self._dropped = True
            if self._file is not None:
                self._file.close()
                self._path.unlink(missing_ok=True)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=DIRECTORY_MODE)
    except FileExistsError:
        return
    sync_directory(folder.parent)


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
