"""A store in a process of its own, for what only a second process can show.

python store_child.py ENGINE PLACE write DURABILITY     one acknowledged name per line, endless
python store_child.py ENGINE PLACE hold                 prints "held" and waits for its end
"""

import asyncio
import sys
from pathlib import Path

from gateway.errors import StoreError
from gateway.store.base import Durability, Store
from tests.contracts.test_store import ENGINES, add
from tests.transitions import KEPT, SYNCED

CALLERS = 8


async def _write(store: Store, durability: Durability) -> None:
    transition = SYNCED if durability is Durability.POWER else KEPT

    async def caller(number: int) -> None:
        count = 0
        while True:
            name = f"{number}-{count}"
            await store.write(add(name), transition=transition)
            print(name, flush=True)
            count += 1

    await asyncio.gather(*(caller(number) for number in range(CALLERS)))


async def _main(engine: str, place: str, verb: str, *rest: str) -> int:
    try:
        store = await ENGINES[engine](Path(place), Durability.POWER)
    except StoreError as exc:
        print(f"{type(exc).__name__}: {exc}", flush=True)
        return 1
    try:
        if verb == "write":
            await _write(store, Durability(rest[0]))
        print("held", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    finally:
        await store.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(*sys.argv[1:])))
