"""What a store must hold against another process and against the end of its own."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.errors import StoreLocked
from gateway.store.base import Durability
from tests.contracts.test_store import ENGINES, add, names
from tests.transitions import SYNCED

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60


@asynccontextmanager
async def child(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A store in a process of its own; killed at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.contracts.store_child",
        *arguments,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line(process: asyncio.subprocess.Process) -> str:
    """The next line the child prints."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        return (await process.stdout.readline()).decode().strip()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("durability", Durability)
async def test_what_was_acknowledged_survives_kill_9(
    engine: str, durability: Durability, tmp_path: Path
) -> None:
    """Killed in mid-write, the store holds every acknowledged row, each caller's without a gap."""
    place = tmp_path / "state"
    async with child(engine, str(place), "write", durability.value) as process:
        acknowledged = [await line(process) for _ in range(300)]
        process.kill()
        assert process.stdout is not None
        acknowledged += (await process.stdout.read()).decode().split("\n")[:-1]
    store = await ENGINES[engine](place, durability)
    try:
        stored = await store.read(names)
        await store.write(add("after"), transition=SYNCED)
    finally:
        await store.close()
    assert set(acknowledged) <= set(stored)
    for caller in {name.partition("-")[0] for name in stored}:
        counts = [int(name.partition("-")[2]) for name in stored if name.startswith(f"{caller}-")]
        assert counts == list(range(len(counts)))


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_second_process_is_kept_out_and_told_by_whom(engine: str, tmp_path: Path) -> None:
    """A held state directory is refused within two seconds, naming directory and process."""
    place = tmp_path / "state"
    async with child(engine, str(place), "hold") as process:
        assert await line(process) == "held"
        started = time.monotonic()
        with pytest.raises(StoreLocked) as refusal:
            await ENGINES[engine](place, Durability.POWER)
        assert time.monotonic() - started < 20
        assert str(place) in str(refusal.value)
        assert str(process.pid) in str(refusal.value)


@pytest.mark.parametrize("engine", ENGINES)
async def test_the_first_process_keeps_out_a_child_and_lets_it_in_later(
    engine: str, tmp_path: Path
) -> None:
    """The lock works in the other direction too, and ends with the store."""
    place = tmp_path / "state"
    store = await ENGINES[engine](place, Durability.POWER)
    try:
        async with child(engine, str(place), "hold") as process:
            refusal = await line(process)
            assert refusal.startswith("StoreLocked: ")
            assert str(os.getpid()) in refusal
    finally:
        await store.close()
    async with child(engine, str(place), "hold") as process:
        assert await line(process) == "held"


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_killed_holder_leaves_no_lock_behind(engine: str, tmp_path: Path) -> None:
    """After kill -9 the next start needs no help."""
    place = tmp_path / "state"
    async with child(engine, str(place), "hold") as process:
        assert await line(process) == "held"
        process.kill()
        await process.wait()
        store = await ENGINES[engine](place, Durability.POWER)
        await store.close()
