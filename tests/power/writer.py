"""`python -m tests.power.writer STATE LOG SEED ROUNDS`: a store that is written to, and watched.

The log is what the disk was asked for, what was written and what was acknowledged, in order.
"""

import asyncio
import pickle
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.store import migrate
from gateway.store.base import Durability, Store, Tx
from gateway.store.records import inbox
from gateway.store.sqlite import open_sqlite
from tests.power.disk import RecordedDisk
from tests.power.loss import Acknowledged, Began, Entry
from tests.transitions import KEPT, SYNCED

UNREACHABLE = 77
"""Exit code where the disk can't be watched."""


def row(number: int, random_bytes: bytes) -> inbox.Arrival:
    """A row that says its number."""
    return inbox.Arrival(
        account="terminal:local",
        delivery_key=f"d{number}",
        logical_key=f"n{number}",
        state="ignored",
        reason="own_echo",
        lane=None,
        session_key=None,
        chat=None,
        message_id=None,
        author=None,
        order=(number, 0),
        occurred_at=number,
        received_at=number,
        content=inbox.Content(kind="none"),
        raw=random_bytes.hex(),
    )


async def write(store: Store, log: list[Entry], *, seed: int, rounds: int) -> None:
    """Rounds of one to six writes at once, of either class, some of them empty.

    In some rounds a weak write is followed by a strong one that only looks: it must be as safe.
    """
    chance = random.Random(seed)
    ident = 0

    async def one(ident: int, durability: Durability | None = None, *, looks: bool = False) -> None:
        durability = durability or chance.choice((Durability.POWER, Durability.PROCESS))
        number = None if looks or chance.random() < 0.15 else ident
        payload = chance.randbytes(chance.choice((10, 400, 4_000)))
        log.append(Began(ident=ident, number=number, durability=durability))

        def unit(tx: Tx) -> None:
            if number is not None:
                inbox.insert(tx, row(number, payload))

        transition = SYNCED if durability is Durability.POWER else KEPT
        await store.write(unit, transition=transition)
        log.append(Acknowledged(ident=ident))

    for turn in range(rounds):
        if turn % 8 == 0:
            await one(ident, Durability.PROCESS)
            await one(ident + 1, Durability.POWER, looks=True)
            ident += 2
        count = chance.randint(1, 6)
        await asyncio.gather(*(one(ident + offset) for offset in range(count)))
        ident += count


async def run(state: Path, log: list[Entry], *, seed: int, rounds: int) -> None:
    """Open, write, and leave without closing: what closing does is not what is tested."""
    failures: list[Exception] = []
    store = await open_sqlite(state, migrate.packaged(), on_failure=failures.append)
    await write(store, log, seed=seed, rounds=rounds)
    entries = tuple(log)
    await store.close()
    log[:] = entries
    assert not failures


def main(arguments: Sequence[str]) -> int:
    """Write, then store the log."""
    state, file, seed, rounds = arguments
    log: list[Entry] = []
    try:
        _disk = RecordedDisk(log.append)
    except (OSError, AttributeError) as error:
        print(error, file=sys.stderr)
        return UNREACHABLE
    asyncio.run(run(Path(state), log, seed=int(seed), rounds=int(rounds)))
    Path(file).write_bytes(pickle.dumps(log))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
