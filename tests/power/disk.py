"""What a database asks of the disk: every write, truncation and sync, in order.

A VFS of SQLite's own stands before the system's: it hands everything on and writes it down. The
library is reached with ctypes, so this needs a Python whose sqlite3 module links to a shared
libsqlite3. Source: sqlite3.h, "Virtual File System Objects" (sqlite.org/c3ref/vfs.html).
"""

import ctypes
import ctypes.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NAMES = ("libsqlite3.so.0", "libsqlite3.so", "libsqlite3.dylib")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrote:
    """Bytes at an offset of a file; until the next Synced of that file they may be lost."""

    file: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncated:
    """A file was made this short."""

    file: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """Everything before this is on the disk, as far as this file goes."""

    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """A file is gone."""

    file: str


DiskEvent = Wrote | Truncated | Synced | Removed
Heard = Callable[[DiskEvent], None]

_P, _I, _L = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
_OPEN = ctypes.CFUNCTYPE(_I, _P, _P, _P, _I, _P)  # the name stays a pointer: SQLite keeps it
_DELETE = ctypes.CFUNCTYPE(_I, _P, _P, _I)
_CLOSE = ctypes.CFUNCTYPE(_I, _P)
_READ = ctypes.CFUNCTYPE(_I, _P, _P, _I, _L)
_WRITE = ctypes.CFUNCTYPE(_I, _P, _P, _I, _L)
_TRUNCATE = ctypes.CFUNCTYPE(_I, _P, _L)
_SYNC = ctypes.CFUNCTYPE(_I, _P, _I)


class _Vfs(ctypes.Structure):
    """The head of `sqlite3_vfs`; what follows is carried over as it is."""

    _fields_ = (
        ("version", _I),
        ("file_size", _I),
        ("path_max", _I),
        ("next", _P),
        ("name", ctypes.c_char_p),
        ("data", _P),
        ("open", _OPEN),
        ("delete", _DELETE),
        ("rest", _P * 14),
    )


class _Methods(ctypes.Structure):
    """The head of `sqlite3_io_methods`."""

    _fields_ = (
        ("version", _I),
        ("close", _CLOSE),
        ("read", _READ),
        ("write", _WRITE),
        ("truncate", _TRUNCATE),
        ("sync", _SYNC),
        ("rest", _P * 14),
    )


class _File(ctypes.Structure):
    """The head of `sqlite3_file`."""

    _fields_ = (("methods", ctypes.POINTER(_Methods)),)


class RecordedDisk:
    """Stands before every database opened from now on; keep it for the life of the process."""

    def __init__(self, heard: Heard) -> None:
        """`heard` is called in the order of the disk, on whatever thread. Raises OSError if the
        library can't be reached."""
        self._heard = heard
        self._library = _load()
        self._library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        self._below = self._library.sqlite3_vfs_find(None).contents
        self._names: dict[int, str] = {}
        self._methods: dict[int, _Methods] = {}
        self._kept: list[Any] = []
        self._vfs = _Vfs.from_buffer_copy(self._below)
        self._vfs.name = b"recorded"
        self._vfs.open = self._keep(_OPEN(self._open))
        self._vfs.delete = self._keep(_DELETE(self._delete))
        if self._library.sqlite3_vfs_register(ctypes.byref(self._vfs), 1) != 0:
            raise OSError("SQLite takes no other file system")
        self._hear_python()

    def _keep(self, callback: Any) -> Any:
        self._kept.append(callback)
        return callback

    def _open(self, _: int, name: int | None, file: int, flags: int, out: int) -> int:
        found = self._below.open(ctypes.addressof(self._below), name, file, flags, out)
        opened = _File.from_address(file)
        if found == 0 and name and opened.methods:
            self._names[file] = _name(name)
            opened.methods = ctypes.pointer(self._recording(opened.methods))
        return int(found)

    def _delete(self, _: int, name: int, sync: int) -> int:
        found = self._below.delete(ctypes.addressof(self._below), name, sync)
        if found == 0:
            self._heard(Removed(file=_name(name)))
        return int(found)

    def _recording(self, below: Any) -> _Methods:
        """The methods of a kind of file, with ours before three of them."""
        at = ctypes.addressof(below.contents)
        if at not in self._methods:
            real = _Methods.from_address(at)
            ours = _Methods.from_buffer_copy(real)

            def write(file: int, data: int, size: int, offset: int) -> int:
                wrote = ctypes.string_at(data, size)
                result = int(real.write(file, data, size, offset))
                self._heard(Wrote(file=self._names[file], offset=offset, data=wrote))
                return result

            def truncate(file: int, size: int) -> int:
                result = int(real.truncate(file, size))
                self._heard(Truncated(file=self._names[file], size=size))
                return result

            def sync(file: int, flags: int) -> int:
                result = int(real.sync(file, flags))
                self._heard(Synced(file=self._names[file]))
                return result

            ours.write = self._keep(_WRITE(write))
            ours.truncate = self._keep(_TRUNCATE(truncate))
            ours.sync = self._keep(_SYNC(sync))
            self._methods[at] = ours
        return self._methods[at]

    def _hear_python(self) -> None:
        """Syncs that the gateway itself asks the system for."""
        below = os.fsync

        def fsync(fd: Any) -> None:
            below(fd)
            number = fd if isinstance(fd, int) else fd.fileno()
            name = Path(f"/proc/self/fd/{number}").resolve().name
            self._heard(Synced(file=name))

        os.fsync = fsync


def _name(pointer: int) -> str:
    return Path(os.fsdecode(ctypes.string_at(pointer))).name


def _load() -> ctypes.CDLL:
    """The library that Python's own module has loaded."""
    import sqlite3  # noqa: F401 - loads it

    for name in (*_NAMES, ctypes.util.find_library("sqlite3")):
        if name is None:
            continue
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise OSError("libsqlite3 is not a shared library here")
