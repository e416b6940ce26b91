"""A disk that takes or syncs no more: nothing acknowledged is lost, nothing else is accepted."""

import asyncio
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.store.sqlite import open_sqlite
from tests.gateway.store.full_disk_child import SCHEMA, count

ROOT = Path(__file__).parents[3]
CHILD = (sys.executable, "-m", "tests.gateway.store.full_disk_child")


async def run(*command: str) -> dict[str, Any]:
    """What the child saw."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    result: dict[str, Any] = json.loads(out)
    return result


def check(seen: dict[str, Any]) -> None:
    """The store failed once, loudly, and can still be read."""
    assert len(seen["stored"]) >= 5
    assert seen["refused"]
    assert seen["failures"] == 1
    assert "disk" in seen["health"]
    assert seen["readable"] >= len(seen["stored"])


@pytest.fixture
def needs_filter() -> None:
    """Skips where syncs can't be made to fail."""
    code = "from tests.gateway.store.failing_syncs import fail_syncs; fail_syncs()"
    tried = subprocess.run((sys.executable, "-c", code), cwd=ROOT, check=False, capture_output=True)
    if tried.returncode != 0:
        pytest.skip("this system lets no test filter its own system calls")


async def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """A write error fails the store, and a restart finds every acknowledged row."""
    await fails_and_holds(tmp_path / "state", "1500000")


@pytest.mark.usefixtures("needs_filter")
async def test_a_sync_that_fails(tmp_path: Path) -> None:
    """After one failed sync nobody knows what the disk holds: the store takes nothing more."""
    await fails_and_holds(tmp_path / "state", "syncs")


async def fails_and_holds(place: Path, fault: str) -> None:
    """The store fails by a fault, and a restart finds what it had acknowledged."""
    seen = await run(*CHILD, str(place), fault)
    check(seen)
    store = await open_sqlite(place, SCHEMA, on_failure=lambda failure: None)
    try:
        assert await store.read(count) >= len(seen["stored"])
    finally:
        await store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> tuple[str, ...]:
    """A command that runs the rest of its line with a 2 MB file system on `tmp_path`."""
    mount = f"mount -t tmpfs -o size=2m tmpfs {shlex.quote(str(tmp_path))}"
    prefix = ("unshare", "-rm", "sh", "-c", f'{mount} && exec "$0" "$@"')
    if shutil.which("unshare") is None:
        pytest.skip("no unshare command to mount a small file system with")
    if subprocess.run((*prefix, "true"), check=False, capture_output=True).returncode != 0:
        pytest.skip("this system does not let a test mount a small file system")
    return prefix


async def test_a_full_disk(small_disk: tuple[str, ...], tmp_path: Path) -> None:
    """A file system without room fails the store just so."""
    check(await run(*small_disk, *CHILD, str(tmp_path / "state")))
