"""Files below one directory and nowhere else. Blocking: call it from a thread.

Theory of operation. A path is split into segments; `..` and foreign absolute paths are refused
before anything is touched. Every directory is then opened from its parent's descriptor without
following links, so nothing that is swapped in meanwhile leads outside. Only regular files are
opened. A new file is written beside its place and linked into it, so it is there whole or not at
all and never replaces what somebody else put there meanwhile.

A file carries who made it (session and content, hashed) as an extended attribute where the file
system has them, in memory where it has not. Only a file that is still what this session wrote may
be replaced. Not handled: hard links, mounts and quotas, which are the operator's.
"""

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from agent.errors import ToolError

KIB = 1024
HEAD_BYTES = 8 * KIB
FILE_BYTES = 1024 * KIB
SCAN_BYTES = 16 * 1024 * KIB
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
class Excerpt:
    """A file's text, or its head and tail with `left_out` bytes between them."""

    head: str
    tail: str = ""
    left_out: int = 0
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A line that holds what was searched for; `line` counts from 1, 0 is the name itself."""

    path: str
    line: int
    text: str


class Written(Enum):
    """What became of a write."""

    CREATED = "created"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


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


class Workspace:
    """The files below `root`, which is made when it is first needed."""

    def __init__(self, root: Path) -> None:
        self.root = str(root.absolute())
        self._made: dict[Segments, str] = {}  # marks, where the file system keeps none

    def read(self, segments: Segments, *, from_line: int = 1, lines: int | None = None) -> Excerpt:
        """Return the whole file if it is short, else head and tail, or the lines asked for."""
        with self._file(segments) as file:
            size = os.fstat(file).st_size
            head = os.pread(file, HEAD_BYTES + 1, 0)
            if b"\0" in head:
                raise ToolError(f"{_shown(segments)} is not a text file ({size} bytes).")
            if from_line > 1 or lines is not None:
                return _lines(file, size, from_line, lines)
            if size <= 2 * HEAD_BYTES:
                return Excerpt(head=_text(os.pread(file, 2 * HEAD_BYTES, 0)), size=size)
            head = _to_line_end(head[:HEAD_BYTES])
            tail = _from_line_start(os.pread(file, HEAD_BYTES, size - HEAD_BYTES))
            left_out = size - len(head) - len(tail)
            return Excerpt(head=_text(head), tail=_text(tail), left_out=left_out, size=size)

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
            for number, line in enumerate(_text(content).split("\n"), 1):
                if wanted in line.casefold():
                    matches.append(Match(path=shown, line=number, text=_around(line, wanted)))
        return matches[:MATCHES], len(matches) <= MATCHES

    def write(self, segments: Segments, content: bytes, *, key: str, session: str) -> Written:
        """Create a file, or replace one this session made and nobody changed since.

        Running it again with the same `key` and content changes nothing.
        """
        if not segments:
            raise ToolError("A file needs a name.")
        *parents, name = segments
        with self._directory(tuple(parents), create=True) as directory:
            existing = self._current(directory, segments)
            if existing is not None:
                current, made = existing
                if current == content:
                    return Written.UNCHANGED
                if made != _mark(session, current):
                    return Written.REFUSED
            temporary = TEMPORARY + hashlib.sha256(key.encode()).hexdigest()[:16]
            mark = _mark(session, content)
            with contextlib.suppress(FileNotFoundError):  # left by a run of this call that was cut
                os.unlink(temporary, dir_fd=directory)
            kept = _fill(directory, temporary, content, mark)
            try:
                if existing is not None:
                    os.replace(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
                elif not _place(directory, temporary, name):
                    return Written.REFUSED
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=directory)
            if not kept:
                self._made[segments] = mark
            return Written.CREATED if existing is None else Written.REPLACED

    def _current(self, directory: int, segments: Segments) -> tuple[bytes, str] | None:
        """Content (as far as it could be ours) and mark of a file, None if there is none."""
        name = segments[-1]
        try:
            _require_file(directory, name, segments)
        except FileNotFoundError:
            return None
        file = os.open(name, _READ, dir_fd=directory)
        try:
            mark = _stored_mark(file) or self._made.get(segments, "")
            return os.pread(file, FILE_BYTES + 1, 0), mark
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
        return ToolError(f"There is no {_shown(segments)}.")
    return ToolError(f"{_shown(segments)}: {error.strerror or error}.")


def _fill(directory: int, name: str, content: bytes, mark: str) -> bool:
    """Write a new file through to the disk; returns whether it carries its mark."""
    file = os.open(name, _CREATE, 0o644, dir_fd=directory)
    with os.fdopen(file, "wb") as stream:
        stream.write(content)
        stream.flush()
        kept = _keep_mark(file, mark)
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


def _lines(file: int, size: int, from_line: int, lines: int | None) -> Excerpt:
    """Lines from `from_line` on, as many as are asked for and fit."""
    taken: list[bytes] = []
    room = 2 * HEAD_BYTES
    number = 1
    cut = 0
    with os.fdopen(os.dup(file), "rb") as stream:
        stream.seek(0)
        while room > 0 and (lines is None or number < from_line + lines):
            line = stream.readline(64 * KIB)
            if not line:
                break
            if stream.tell() > SCAN_BYTES:
                raise ToolError(f"Only the first {SCAN_BYTES // KIB} KiB can be read by lines.")
            if number >= from_line:
                taken.append(line[:room])
                cut = len(line[room:])
                room -= len(line)
            number += line.endswith(b"\n")
        at = stream.tell()
    if not taken:
        raise ToolError(f"The file ends before line {from_line}.")
    left_out = cut if lines is not None and number >= from_line + lines else size - at + cut
    return Excerpt(head=_text(b"".join(taken)), left_out=max(left_out, 0), size=size)


def _to_line_end(head: bytes) -> bytes:
    end = head.rfind(b"\n") + 1
    return head[:end] if end > len(head) // 2 else _to_character_end(head)


def _from_line_start(tail: bytes) -> bytes:
    start = tail.find(b"\n") + 1
    if 0 < start < len(tail) // 2:
        return tail[start:]
    return tail.lstrip(bytes(range(0x80, 0xC0))) if tail[:1] >= b"\x80" else tail


def _to_character_end(head: bytes) -> bytes:
    """Cut a UTF-8 character that is not complete off the end."""
    for back in range(1, min(4, len(head)) + 1):
        byte = head[-back]
        if byte < 0x80:
            return head
        if byte >= 0xC0:
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return head if back >= needed else head[:-back]
    return head


def _around(line: str, wanted: str) -> str:
    """At most 200 characters of a line, with the match among them."""
    line = line.strip()
    start = max(line.casefold().find(wanted) - 80, 0)
    cut = line[start : start + 200]
    return ("…" if start else "") + cut + ("…" if start + 200 < len(line) else "")


def _text(content: bytes) -> str:
    return content.decode(errors="replace")


def _shown(segments: Segments) -> str:
    return "/".join(segments).encode(errors="replace").decode() or "the workspace"
