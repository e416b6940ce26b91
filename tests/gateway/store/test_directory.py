"""The state directory: what kind of disk, whose eyes."""

import os
import stat
from pathlib import Path

import pytest

from gateway.errors import StoreUnusable
from gateway.store.directory import NETWORK_FILE_SYSTEMS, create_file, file_system, prepare

MOUNTS = """\
/dev/vda1 / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
server:/export /srv/data nfs4 rw,vers=4.2 0 0
//nas/home /home/ann/My\\040Files cifs rw 0 0
sshfs#ann@host: /home/ann/remote fuse.sshfs rw 0 0
tmpfs /srv/data/cache tmpfs rw 0 0
/dev/vdb1 /mnt ext4 rw 0 0
server:/over /mnt nfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/gatepost", "ext4"),
        ("/srv/data", "nfs4"),
        ("/srv/data/gatepost/state", "nfs4"),
        ("/srv/database", "ext4"),
        ("/srv/data/cache/state", "tmpfs"),
        ("/home/ann/My Files/state", "cifs"),
        ("/home/ann/remote/state", "fuse.sshfs"),
        ("/mnt/state", "nfs"),
    ],
)
def test_the_file_system_of_a_path(path: str, kind: str) -> None:
    """The deepest mount point counts, of equal ones the last, with its escapes undone."""
    assert file_system(Path(path), MOUNTS) == kind


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_a_network_file_system_is_refused_with_the_remedy(tmp_path: Path, kind: str) -> None:
    """The sentence names place and kind, and what to set; the same place on a disk is fine."""
    place = tmp_path / "state"
    mounts = f"/dev/vda1 / ext4 rw 0 0\nserver:/export {tmp_path.resolve()} {kind} rw 0 0\n"
    with pytest.raises(StoreUnusable, match=rf"{place} lies on.*\({kind}\).*gateway\.state_dir"):
        prepare(place, mounts=mounts)
    prepare(place, mounts=mounts.replace(kind, "xfs"))


def test_without_a_list_of_mounts_nothing_is_known() -> None:
    """A system without /proc is not refused for it."""
    assert file_system(Path("/var"), "") is None
    assert None not in NETWORK_FILE_SYSTEMS


def test_a_new_directory_is_private(tmp_path: Path) -> None:
    """Missing parents are made as usual, the directory itself for its owner only."""
    prepare(tmp_path / "a" / "b")
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    prepare(tmp_path / "a" / "b")


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_an_open_directory_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    """Any right of group or others is too much."""
    place = tmp_path / "state"
    place.mkdir()
    place.chmod(mode)
    with pytest.raises(StoreUnusable, match=f"mode 0{mode:o}.*chmod 700 {place}"):
        prepare(place)


@pytest.mark.parametrize("name", ["gatepost.db", "gatepost.db-wal", "gatepost.lock"])
def test_an_open_file_is_refused_with_the_remedy(tmp_path: Path, name: str) -> None:
    """Each of our files is looked at."""
    prepare(tmp_path / "state")
    (tmp_path / "state" / name).touch(mode=0o600)
    prepare(tmp_path / "state")
    (tmp_path / "state" / name).chmod(0o640)
    with pytest.raises(StoreUnusable, match=f"chmod 600 .*{name}"):
        prepare(tmp_path / "state")


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    """The sentence names it."""
    (tmp_path / "state").touch()
    with pytest.raises(StoreUnusable, match="is not a directory"):
        prepare(tmp_path / "state")


def test_a_place_that_cannot_be_made_is_refused() -> None:
    """No traceback for a path the system does not allow."""
    with pytest.raises(StoreUnusable, match="cannot create"):
        prepare(Path("/proc/none/state"))


def test_creating_a_file_respects_an_existing_one(tmp_path: Path) -> None:
    """A new file is private under any umask; one that exists is not touched."""
    old = os.umask(0)
    try:
        create_file(tmp_path / "new")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600
    (tmp_path / "new").write_text("kept")
    create_file(tmp_path / "new")
    assert (tmp_path / "new").read_text() == "kept"
