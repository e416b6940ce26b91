"""Payloads too large for a row: files named by their content, written once, never changed."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from pathlib import Path

from gateway.errors import StoreError, StoreUnusable
from gateway.store.directory import DIRECTORY_MODE, FILE_MODE, sync_directory

BLOB_THRESHOLD_BYTES = 64 * 1024  # a larger payload goes to a file, its name to the row

_INCOMING = "incoming"  # half-written files; emptied at start


class Blobs:
    """A folder of blobs under the state directory, used by the process that holds its lock."""

    def __init__(self, folder: Path) -> None:
        """Create the folder and drop what a crash left half-written."""
        self._folder = folder
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

    async def get(self, name: str) -> bytes:
        """The bytes of a name that `put` returned; StoreError if they are missing or changed."""
        return await asyncio.to_thread(self._get, name)

    def _put(self, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        path = self._path(name)
        try:
            _make(path.parent)
            if not path.exists():
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

    def _path(self, name: str) -> Path:
        if len(name) != 64 or not set(name) <= set("0123456789abcdef"):
            raise StoreError(f"{name!r} is not the name of a payload")
        return self._folder / name[:2] / name


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
