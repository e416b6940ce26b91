"""The lock on a state directory."""

import os
from pathlib import Path

import pytest

from gateway.errors import StoreLocked, StoreUnusable
from gateway.store.lock import hold


def test_a_held_lock_refuses_and_names_its_holder(tmp_path: Path) -> None:
    """The sentence has the directory and the process."""
    held = hold(tmp_path)
    with pytest.raises(StoreLocked, match=f"{tmp_path} is in use by process {os.getpid()};"):
        hold(tmp_path)
    held.release()


def test_a_released_lock_is_free(tmp_path: Path) -> None:
    """Release may be called twice and lets the next one in; the file stays."""
    first = hold(tmp_path)
    first.release()
    first.release()
    second = hold(tmp_path)
    assert (tmp_path / "gatepost.lock").read_text() == f"{os.getpid()}\n"
    second.release()
    assert (tmp_path / "gatepost.lock").exists()


def test_a_lock_is_not_handed_to_child_processes(tmp_path: Path) -> None:
    """A tool that outlives the gateway does not keep the next one out."""
    held = hold(tmp_path)
    ours = [
        int(entry.name)
        for entry in Path("/proc/self/fd").iterdir()
        if entry.resolve() == (tmp_path / "gatepost.lock").resolve()
    ]
    assert [os.get_inheritable(descriptor) for descriptor in ours] == [False]
    held.release()


def test_a_lock_without_a_readable_holder(tmp_path: Path) -> None:
    """Damage to the file does not hide that it is held."""
    held = hold(tmp_path)
    (tmp_path / "gatepost.lock").write_text("??")
    with pytest.raises(StoreLocked, match="another process"):
        hold(tmp_path)
    held.release()


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    """A missing directory is named, not traced."""
    with pytest.raises(StoreUnusable, match="cannot open"):
        hold(tmp_path / "none")
