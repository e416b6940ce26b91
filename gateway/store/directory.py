"""The state directory: made private, refused when others can read it or a network serves it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from gateway.errors import StoreUnusable

DATABASE = "gatepost.db"
LOCK = "gatepost.lock"

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
_PRIVATE_FILES = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", LOCK)

# Kinds in /proc/mounts whose locks or syncs reach, or may not reach, another machine.
# Source: sqlite.org/wal.html "WAL does not work over a network filesystem".
NETWORK_FILE_SYSTEMS = frozenset({
    "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse.ceph", "fuse.davfs2", "fuse.gcsfuse",
    "fuse.glusterfs", "fuse.goofys", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "gfs2", "gpfs",
    "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "smb2", "smb3", "smbfs",
})  # fmt: skip


def prepare(directory: Path, *, mounts: str | None = None) -> None:
    """Create the directory if missing and check kind of disk, rights and file modes.

    `mounts` stands in for the text of /proc/mounts. Raises StoreUnusable with the sentence that
    says what to change.
    """
    _create(directory)
    kind = file_system(directory.resolve(), _mounts() if mounts is None else mounts)
    if kind in NETWORK_FILE_SYSTEMS:
        raise StoreUnusable(
            f"the state directory {directory} lies on a network file system ({kind}), where a"
            " commit may be lost; set gateway.state_dir to a local disk"
        )
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        raise StoreUnusable(
            f"the state directory {directory} is not writable for this user; give it to the user"
            " that runs the gateway (chown) or set another gateway.state_dir"
        )
    _check_mode(directory, DIRECTORY_MODE)
    for name in _PRIVATE_FILES:
        # Another reader that closes takes the log's files away: no look before the look.
        with suppress(FileNotFoundError):
            _check_mode(directory / name, FILE_MODE)


def create_file(path: Path) -> None:
    """Make an empty private file, and its name durable, unless it exists.

    Never opens an existing one: closing any descriptor of the database drops the locks SQLite
    holds on it. Source: sqlite.org/howtocorrupt.html 2.2.
    """
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, FILE_MODE)
    except FileExistsError:
        return
    except OSError as exc:
        raise StoreUnusable(f"cannot create {path}: {exc.strerror}") from exc
    os.fchmod(descriptor, FILE_MODE)  # whatever the umask
    os.close(descriptor)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Put the names in a directory on disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_system(path: Path, mounts: str) -> str | None:
    """The kind of file system that holds an absolute path, from the text of /proc/mounts."""
    best: tuple[int, str] | None = None
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        mount_point = Path(_unescape(fields[1]))
        depth = len(mount_point.parts)
        # A later line covers an earlier one on the same mount point.
        if path.is_relative_to(mount_point) and (best is None or depth >= best[0]):
            best = (depth, fields[2])
    return None if best is None else best[1]


def _create(directory: Path) -> None:
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.mkdir(mode=DIRECTORY_MODE)
    except FileExistsError:
        if not directory.is_dir():
            raise StoreUnusable(
                f"{directory} is not a directory; remove it or set another gateway.state_dir"
            ) from None
        return
    except OSError as exc:
        raise StoreUnusable(
            f"cannot create the state directory {directory}: {exc.strerror}; create it for the"
            " user that runs the gateway or set another gateway.state_dir"
        ) from exc
    sync_directory(directory.parent)


def _check_mode(path: Path, wanted: int) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise StoreUnusable(
            f"{path} is open to other users (mode {mode:04o}) and holds private chats;"
            f" run: chmod {wanted:o} {path}"
        )


def _mounts() -> str:
    try:
        return Path("/proc/mounts").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""  # no such list on this system: nothing to refuse by


def _unescape(field: str) -> str:
    """Undo the octal escapes of /proc/mounts, e.g. for a space."""
    for code in ("040", "011", "012"):
        field = field.replace(f"\\{code}", chr(int(code, 8)))
    return field.replace("\\134", "\\")
