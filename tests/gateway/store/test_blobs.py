"""Payload files named by their content."""

import asyncio
import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.errors import StoreError, StoreUnusable
from gateway.store.blobs import SHARDS, Blobs

DATA = b"payload " * 20_000


def files(folder: Path) -> list[Path]:
    """Every file below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_bytes_come_back_under_their_sha_256(tmp_path: Path) -> None:
    """The name is the content's digest; also for another object over the same folder."""
    name = await Blobs(tmp_path / "blobs").put(DATA)
    assert name == hashlib.sha256(DATA).hexdigest()
    assert await Blobs(tmp_path / "blobs").get(name) == DATA


async def test_the_same_bytes_are_stored_once(tmp_path: Path) -> None:
    """Also when they are put many times at once; nothing half-written remains."""
    blobs = Blobs(tmp_path / "blobs")
    stored = await asyncio.gather(*(blobs.put(DATA) for _ in range(20)))
    assert len(set(stored)) == 1
    assert len(files(tmp_path)) == 1


async def test_files_and_folders_are_private(tmp_path: Path) -> None:
    """0600 and 0700."""
    await Blobs(tmp_path / "blobs").put(DATA)
    for path in (tmp_path / "blobs", *(tmp_path / "blobs").rglob("*")):
        wanted = 0o600 if path.is_file() else 0o700
        assert stat.S_IMODE(path.stat().st_mode) == wanted


async def test_a_changed_or_missing_file_is_an_error(tmp_path: Path) -> None:
    """Damage is noticed when it is read."""
    blobs = Blobs(tmp_path / "blobs")
    name = await blobs.put(DATA)
    (path,) = files(tmp_path)
    path.write_bytes(DATA[:-1])
    with pytest.raises(StoreError, match="changed on disk"):
        await blobs.get(name)
    path.unlink()
    with pytest.raises(StoreError, match="cannot be read"):
        await blobs.get(name)
    assert await blobs.put(DATA) == name


async def test_a_payload_that_is_put_again_is_not_dropped(tmp_path: Path) -> None:
    """Its row may be about to be stored, and would name nothing."""
    blobs = Blobs(tmp_path / "blobs")
    kept, old = await blobs.put(DATA), await blobs.put(b"old")
    for path in files(tmp_path):
        os.utime(path, (1_000, 1_000))
    listed = [await blobs.rested(shard, before_s=2_000) for shard in range(SHARDS)]
    assert {name for names in listed for name in names} == {kept, old}
    await blobs.put(DATA)
    assert await blobs.drop((kept, old, "0" * 64), before_s=2_000) == 1
    assert await blobs.get(kept) == DATA
    assert [path.name for path in files(tmp_path)] == [kept]


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 65])
async def test_only_names_of_payloads_are_looked_up(tmp_path: Path, name: str) -> None:
    """A name from a damaged row cannot lead outside the folder."""
    with pytest.raises(StoreError, match="not the name"):
        await Blobs(tmp_path / "blobs").get(name)


def test_what_a_crash_left_half_written_is_dropped(tmp_path: Path) -> None:
    """The folder for incoming files is emptied at start."""
    Blobs(tmp_path / "blobs")
    (tmp_path / "blobs" / "incoming" / "torn").write_bytes(DATA[:5])
    Blobs(tmp_path / "blobs")
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    """The sentence names the place."""
    with pytest.raises(StoreUnusable, match=str(tmp_path / "none" / "blobs")):
        Blobs(tmp_path / "none" / "blobs")


async def test_what_comes_in_pieces_leaves_nothing_behind(tmp_path: Path) -> None:
    """Dropped by whoever looked at it, or by the next start."""
    blobs = Blobs(tmp_path / "blobs")
    incoming = blobs.incoming()
    await incoming.write(b"one ")
    await incoming.write(b"two")
    assert (await incoming.read(), incoming.bytes) == (b"one two", 7)
    await incoming.write(b"!")
    assert await incoming.read() == b"one two!"
    await incoming.drop()
    await incoming.drop()
    cut = blobs.incoming()
    await cut.write(b"half")
    Blobs(tmp_path / "blobs")
    assert files(tmp_path) == []
    await cut.drop()


async def test_what_is_cut_while_a_thread_writes_leaves_nothing(tmp_path: Path) -> None:
    """The thread may open its file after whoever asked it was cut, even after the drop."""
    blobs = Blobs(tmp_path / "blobs")
    dropped = []
    for _ in range(30):
        incoming = blobs.incoming()
        writing = asyncio.create_task(incoming.write(b"x" * 4_096))
        await asyncio.sleep(0)
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
        await incoming.drop()
        dropped.append(incoming)
    for incoming in dropped:
        await incoming.write(b"late")  # what a thread does that comes after the drop
        assert await incoming.read() == b""
    assert list((tmp_path / "blobs" / "incoming").iterdir()) == []
