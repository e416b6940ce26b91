"""One process per state directory: an advisory lock held for life."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from gateway.errors import StoreLocked, StoreUnusable
from gateway.store.directory import FILE_MODE, LOCK


class StateLock:
    """The held lock; the kernel drops it with the process, however that ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let the next process in; may be called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def hold(directory: Path) -> StateLock:
    """Take the directory's lock at once, or raise StoreLocked naming who has it.

    The file is never removed: a process that waits on an unlinked file and one that made a new
    one would both hold "the" lock.
    """
    path = directory / LOCK
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, FILE_MODE)
    except OSError as exc:
        raise StoreUnusable(f"cannot open {path}: {exc.strerror}") from exc
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.fchmod(descriptor, FILE_MODE)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError as exc:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise StoreLocked(
            f"the state directory {directory} is in use by {_named(holder)}; stop that gateway"
            " first or set another gateway.state_dir"
        ) from exc
    except OSError as exc:
        os.close(descriptor)
        raise StoreUnusable(f"cannot lock {path}: {exc.strerror}") from exc
    return StateLock(descriptor)


def _named(holder: str) -> str:
    return f"process {holder}" if holder.isdecimal() else "another process"
