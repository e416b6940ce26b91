"""Files below one directory and nowhere else. Blocking: call it from a thread.

Theory of operation. A path is split into segments; `..` and foreign absolute paths are refused
before anything is touched. Every directory is then opened from its parent's descriptor without
following links, so nothing that is swapped in meanwhile leads outside. Only regular files are
opened. A new file is written beside its place and linked into it, so it is there whole or not at
all and never replaces what somebody else put there meanwhile.

A file carries who made it (session and content, hashed) as an extended attribute where the file
system has them, in memory where it has not. A file is replaced only while it is what this session
wrote, or what somebody was shown: the SHA-256 of its bytes then. It is removed only on the latter.
Not handled: hard links, mounts and quotas, which are the operator's.
"""

import contextlib
import errno
import hashlib
import os
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from agent.errors import ToolError
from agent.tools import excerpts
from agent.tools.excerpts import HEAD_BYTES, Excerpt, around, text_of

KIB = 1024
FILE_BYTES = 1024 * KIB
SEARCH_BYTES = 64 * 1024 * KIB
SEARCH_FILES = 5_000
SEARCH_DEPTH = 32
ENTRIES = 500
MATCHES = 100
TEMPORARY = ".gatepost-"

_MARK = "user.gatepost.made"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

Segments = tuple[str, ...]


class PathRefused(ValueError):
    """The path does not name a place in the workspace; the text says why."""


class Kind(Enum):
    """What stands at a place."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of a listing; `size` in bytes."""

    name: str
    kind: Kind
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A line that holds what was searched for; `line` counts from 1, 0 is the name itself."""

    path: str
    line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file as it is now; `made_here`: this session wrote it and nobody changed it since."""

    sha256: str
    size: int
    made_here: bool


class Written(Enum):
    """What became of a write."""

    CREATED = "created"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"
    REFUSED = "refused"  # it is somebody else's
    CHANGED = "changed"  # it is no longer what was shown


ABSENT = "absent"
"""What is shown of a place where no file is."""


def segments_of(path: str, root: str) -> Segments:
    """Pure: split a path into the names below the root; raises PathRefused."""
    if any(ord(char) < 32 or ord(char) == 127 or 0xD800 <= ord(char) < 0xE000 for char in path):
        raise PathRefused("the path has control characters or halves of characters")
    if path.startswith("/"):
        inside = path == root or path.startswith(root.rstrip("/") + "/")
        if not inside:
            raise PathRefused("the path is outside the workspace; paths are relative to it")
        path = path[len(root) :]
    segments = tuple(name for name in path.split("/") if name not in ("", "."))
    if ".." in segments:
        raise PathRefused("the path must not contain `..`")
    if len(path.encode()) > 4_000 or any(len(name.encode()) > 255 for name in segments):
        raise PathRefused("the path is too long")
    if any(name.startswith(TEMPORARY) for name in segments):
        raise PathRefused(f"names that begin with {TEMPORARY!r} are reserved")
    return segments


@dataclass(frozen=True, slots=True, kw_only=True)
class _Current:
    """A file with its content, as far as it could be ours, and the mark of who made it."""

    content: bytes
    made: str
    sha256: str
    size: int
    mode: int


class _Missing(ToolError):
    """Nothing is there."""


class Workspace:
    """The files below `root`, which is made when it is first needed."""

    def __init__(self, root: Path) -> None:
        self.root = str(root.absolute())
        self._changing = threading.Lock()  # nothing of ours comes between a look and its change
        self._made: dict[Segments, str] = {}  # marks, where the file system keeps none

    def read(self, segments: Segments, *, from_line: int = 1, lines: int | None = None) -> Excerpt:
        """Return the whole file if it is short, else head and tail, or the lines asked for."""
        with self._file(segments) as file:
            if b"\0" in os.pread(file, HEAD_BYTES + 1, 0):
                size = os.fstat(file).st_size
                raise ToolError(f"{_shown(segments)} is not a text file ({size} bytes).")
            if from_line > 1 or lines is not None:
                return excerpts.of_lines(file, from_line, lines)
            return excerpts.of_file(file)

    def entries(self, segments: Segments) -> tuple[list[Entry], int]:
        """Return a directory's entries by name, and how many more there are."""
        with self._directory(segments) as directory:
            entries = sorted(_scan(directory), key=lambda entry: entry.name)
        return entries[:ENTRIES], max(len(entries) - ENTRIES, 0)

    def search(self, segments: Segments, query: str) -> tuple[list[Match], bool]:
        """Return lines (and names) that hold `query` in any case, and whether all was searched."""
        wanted = query.casefold()
        matches: list[Match] = []
        bytes_left, files_left = SEARCH_BYTES, SEARCH_FILES
        for path in self._files(segments):
            if len(matches) >= MATCHES or bytes_left <= 0 or files_left <= 0:
                return matches[:MATCHES], False
            shown = _shown(path)
            if wanted in path[-1].casefold():
                matches.append(Match(path=shown, line=0, text=""))
            content = self._searchable(path)
            bytes_left -= len(content)
            files_left -= 1
            for number, line in enumerate(text_of(content).split("\n"), 1):
                if wanted in line.casefold():
                    matches.append(Match(path=shown, line=number, text=around(line, wanted)))
        return matches[:MATCHES], len(matches) <= MATCHES

    @contextlib.contextmanager
    def opened(self, segments: Segments) -> Iterator[int]:
        """A descriptor of a regular file, reached without following a link."""
        with self._file(segments) as file:
            yield file

    def require_directory(self, segments: Segments) -> None:
        """Raise ToolError unless a directory is there."""
        with self._directory(segments):
            pass

    def find(self, segments: Segments, *, session: str) -> Found | None:
        """Look at a file, or None if none is there; raises ToolError for what is no file."""
        if not segments:
            raise ToolError("A file needs a name.")
        try:
            with self._directory(segments[:-1]) as directory:
                current = self._current(directory, segments)
        except _Missing:
            return None
        if current is None:
            return None
        made = current.made == _mark(session, current.content)
        return Found(sha256=current.sha256, size=current.size, made_here=made)

    def content(self, segments: Segments) -> bytes:
        """A whole file of at most `FILE_BYTES`."""
        with self._file(segments) as file:
            if os.fstat(file).st_size > FILE_BYTES:
                raise ToolError(f"{_shown(segments)} is over 1 MiB.")
            return os.pread(file, FILE_BYTES, 0)

    def delete(self, segments: Segments, *, shown: str) -> bool:
        """Remove a file whose bytes have this SHA-256; False if they have not."""
        if not segments:
            raise ToolError("A file needs a name.")
        with self._changing, self._directory(segments[:-1]) as directory:
            current = self._current(directory, segments)
            if current is None:
                raise ToolError(f"There is no {_shown(segments)}.")
            if current.sha256 != shown:
                return False
            os.unlink(segments[-1], dir_fd=directory)
        self._made.pop(segments, None)
        return True

    def write(
        self,
        segments: Segments,
        content: bytes,
        *,
        key: str,
        session: str,
        shown: str | None = None,
        marks: bool = True,
    ) -> Written:
        """Create a file, or replace one that is still what it may be replaced for.

        With `shown` (a SHA-256 or `ABSENT`) it must be just that, without it this session must
        have made it. Running it again with the same `key` and content changes nothing.
        `marks`: the whole content is this session's from now on.
        """
        if not segments:
            raise ToolError("A file needs a name.")
        *parents, name = segments
        with self._changing, self._directory(tuple(parents), create=True) as directory:
            existing = self._current(directory, segments)
            if existing is not None and existing.content == content:
                return Written.UNCHANGED
            if (hindrance := _hindrance(existing, shown, session)) is not None:
                return hindrance
            temporary = TEMPORARY + hashlib.sha256(key.encode()).hexdigest()[:16]
            mark = _mark(session, content) if marks else ""
            with contextlib.suppress(FileNotFoundError):  # left by a run of this call that was cut
                os.unlink(temporary, dir_fd=directory)
            kept = _fill(directory, temporary, content, mark, existing.mode if existing else None)
            try:
                if existing is not None:
                    os.replace(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
                elif not _place(directory, temporary, name):
                    return Written.REFUSED if shown is None else Written.CHANGED
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=directory)
            self._made.pop(segments, None)
            if not kept:
                self._made[segments] = mark
            return Written.CREATED if existing is None else Written.REPLACED

    def _current(self, directory: int, segments: Segments) -> "_Current | None":
        """A file as it is, None if there is none."""
        name = segments[-1]
        try:
            _require_file(directory, name, segments)
        except FileNotFoundError:
            return None
        file = os.open(name, _READ, dir_fd=directory)
        try:
            return _Current(
                content=os.pread(file, FILE_BYTES + 1, 0),
                made=_stored_mark(file) or self._made.get(segments, ""),
                sha256=digest(file),
                size=os.fstat(file).st_size,
                mode=stat.S_IMODE(os.fstat(file).st_mode),
            )
        finally:
            os.close(file)

    @contextlib.contextmanager
    def _directory(self, segments: Segments, *, create: bool = False) -> Iterator[int]:
        """A descriptor of the directory, reached without following a link."""
        current = self._root()
        try:
            for depth, name in enumerate(segments, 1):
                if create:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(name, dir_fd=current)
                try:
                    following = os.open(name, _DIRECTORY, dir_fd=current)
                except OSError as exc:
                    raise _explained(exc, current, segments[:depth]) from exc
                os.close(current)
                current = following
            yield current
        except OSError as exc:
            raise ToolError(f"{_shown(segments)}: {exc.strerror or exc}.") from exc
        finally:
            os.close(current)

    def _root(self) -> int:
        try:
            Path(self.root).mkdir(parents=True, exist_ok=True)
            return os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as exc:
            raise ToolError(f"The workspace can't be opened: {exc.strerror or exc}.") from exc

    @contextlib.contextmanager
    def _file(self, segments: Segments) -> Iterator[int]:
        """A descriptor of a regular file, open for reading."""
        if not segments:
            raise ToolError("The workspace itself is a directory; use list.")
        with self._directory(segments[:-1]) as directory:
            try:
                _require_file(directory, segments[-1], segments)
                file = os.open(segments[-1], _READ, dir_fd=directory)
            except OSError as exc:
                raise _explained(exc, directory, segments) from exc
            try:
                if not stat.S_ISREG(os.fstat(file).st_mode):
                    raise ToolError(f"{_shown(segments)} is not a regular file.")
                yield file
            finally:
                os.close(file)

    def _files(self, segments: Segments) -> Iterator[Segments]:
        """The regular files at or below a place, in order of their paths."""
        if segments and self._kind(segments) is Kind.FILE:
            yield segments
            return
        stack = [segments]
        while stack:
            here = stack.pop()
            try:
                with self._directory(here) as directory:
                    entries = sorted(_scan(directory), key=lambda entry: entry.name)
            except ToolError:
                if here == segments:
                    raise
                continue  # gone or closed to us meanwhile
            for entry in entries:
                if entry.kind is Kind.FILE:
                    yield (*here, entry.name)
            if len(here) - len(segments) < SEARCH_DEPTH:
                below = [(*here, e.name) for e in entries if e.kind is Kind.DIRECTORY]
                stack.extend(reversed(below))

    def _kind(self, segments: Segments) -> Kind:
        with self._directory(segments[:-1]) as directory:
            try:
                return _kind_of(
                    os.stat(segments[-1], dir_fd=directory, follow_symlinks=False).st_mode
                )
            except OSError as exc:
                raise _explained(exc, directory, segments) from exc

    def _searchable(self, segments: Segments) -> bytes:
        """The start of a text file; nothing of any other file."""
        try:
            with self._file(segments) as file:
                content = os.pread(file, FILE_BYTES, 0)
        except ToolError:
            return b""
        return b"" if b"\0" in content[:HEAD_BYTES] else content


def _scan(directory: int) -> Iterator[Entry]:
    with os.scandir(directory) as found:
        for item in found:
            if item.name.startswith(TEMPORARY):
                continue
            try:
                facts = item.stat(follow_symlinks=False)
            except OSError:
                continue
            yield Entry(name=item.name, kind=_kind_of(facts.st_mode), size=facts.st_size)


def _kind_of(mode: int) -> Kind:
    if stat.S_ISREG(mode):
        return Kind.FILE
    if stat.S_ISDIR(mode):
        return Kind.DIRECTORY
    return Kind.LINK if stat.S_ISLNK(mode) else Kind.OTHER


def _require_file(directory: int, name: str, segments: Segments) -> None:
    """Refuse what is no regular file before it is opened: opening a device may do something."""
    kind = _kind_of(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
    if kind is not Kind.FILE:
        raise ToolError(f"{_shown(segments)} is {_A_KIND[kind]}.")


_A_KIND = {
    Kind.DIRECTORY: "a directory",
    Kind.LINK: "a link, and links are not followed",
    Kind.OTHER: "neither a file nor a directory",
}


def _explained(error: OSError, directory: int, segments: Segments) -> ToolError:
    """Say in words what is wrong at a place."""
    with contextlib.suppress(OSError):
        mode = os.stat(segments[-1], dir_fd=directory, follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):
            return ToolError(f"{_shown(segments)} is a link, and links are not followed.")
        if error.errno == errno.ENOTDIR:
            return ToolError(f"{_shown(segments)} is not a directory.")
    if error.errno == errno.ENOENT:
        return _Missing(f"There is no {_shown(segments)}.")
    return ToolError(f"{_shown(segments)}: {error.strerror or error}.")


def _hindrance(existing: _Current | None, shown: str | None, session: str) -> Written | None:
    """Why a place may not be written to."""
    if shown is not None:
        current = ABSENT if existing is None else existing.sha256
        return None if current == shown else Written.CHANGED
    if existing is not None and existing.made != _mark(session, existing.content):
        return Written.REFUSED
    return None


def digest(file: int) -> str:
    """SHA-256 of a whole open file, in hexadecimal."""
    found = hashlib.sha256()
    at = 0
    while piece := os.pread(file, FILE_BYTES, at):
        found.update(piece)
        at += len(piece)
    return found.hexdigest()


def _fill(directory: int, name: str, content: bytes, mark: str, mode: int | None) -> bool:
    """Write a new file through to the disk; returns whether it carries its mark."""
    file = os.open(name, _CREATE, 0o644, dir_fd=directory)
    with os.fdopen(file, "wb") as stream:
        stream.write(content)
        stream.flush()
        if mode is not None:
            os.fchmod(file, mode)
        kept = not mark or _keep_mark(file, mark)
        os.fsync(file)
    return kept


def _place(directory: int, temporary: str, name: str) -> bool:
    """Give a finished file its name unless somebody took it meanwhile."""
    try:
        os.link(temporary, name, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as exc:
        if exc.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)  # no hard links here
    return True


def _mark(session: str, content: bytes) -> str:
    maker = hashlib.sha256(session.encode()).hexdigest()[:16]
    return f"{maker}:{hashlib.sha256(content).hexdigest()}"


def _keep_mark(file: int, mark: str) -> bool:
    try:
        os.setxattr(file, _MARK, mark.encode())
    except (OSError, AttributeError):
        return False
    return True


def _stored_mark(file: int) -> str:
    try:
        return os.getxattr(file, _MARK).decode(errors="replace")
    except (OSError, AttributeError):
        return ""


def _shown(segments: Segments) -> str:
    return "/".join(segments).encode(errors="replace").decode() or "the workspace"
