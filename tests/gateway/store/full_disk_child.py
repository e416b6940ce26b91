"""Writes to a store until its disk fails and says what happened; see test_full_disk.py.

python full_disk_child.py PLACE [FAULT]    FAULT: the largest file this process may make, in
                                           bytes, or "syncs" for a disk that syncs no more
"""

import asyncio
import json
import resource
import sys
from pathlib import Path

from gateway.errors import StoreFailed
from gateway.store.base import Store, Tx
from gateway.store.migrate import Migration
from gateway.store.sqlite import open_sqlite
from tests.gateway.store.failing_syncs import fail_syncs
from tests.transitions import KEPT, SYNCED

SCHEMA = (Migration(number=1, name="rows", sql="CREATE TABLE big (id {{serial}}, body TEXT);"),)


def fill(tx: Tx) -> int:
    """Add one row of 20 KB and return its number."""
    row = tx.row("INSERT INTO big (body) VALUES (?) RETURNING id", "x" * 20_000)
    assert row is not None
    return int(row[0])


def count(tx: Tx) -> int:
    """How many rows there are."""
    row = tx.row("SELECT count(*) FROM big")
    assert row is not None
    return int(row[0])


async def _until_full(store: Store) -> list[int]:
    stored: list[int] = []
    while True:
        group = (store.write(fill, transition=SYNCED) for _ in range(5))
        results = await asyncio.gather(*group, return_exceptions=True)
        stored += [result for result in results if isinstance(result, int)]
        errors = [result for result in results if isinstance(result, BaseException)]
        if errors:
            assert all(isinstance(error, StoreFailed) for error in errors), errors
            return stored


async def _main(place: str, fault: str = "") -> None:
    failures: list[StoreFailed] = []
    store = await open_sqlite(Path(place), SCHEMA, on_failure=failures.append)
    try:
        stored = [await store.write(fill, transition=SYNCED) for _ in range(5)]
        if fault == "syncs":
            fail_syncs()
        elif fault:
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(fault), int(fault)))
        stored += await _until_full(store)
        refused = False
        try:
            await store.write(fill, transition=KEPT)
        except StoreFailed:
            refused = True
        seen = {
            "stored": stored,
            "refused": refused,
            "failures": len(failures),
            "health": store.health().failed,
            "readable": await store.read(count),
        }
    finally:
        await store.close()
    print(json.dumps(seen))


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
