"""A clock of jobs in a process of its own, over a store that another such process writes too.

Theory of operation. `live` is what the process runs. It does one round at each time it is told,
and asks before it stores slots that are due, so that whoever leads the processes can let two of
them reach for the same slot. It kills itself at the write its `Death` names. The lock of the state
directory keeps two gateways apart; here each process has a directory, and links lead from both to
one database.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal, TypeVar

from gateway.config.values import CronJob
from gateway.cron import Cron
from gateway.cron_news import Ways
from gateway.errors import StoreFailed
from gateway.store import migrate, transitions
from gateway.store.base import Durability, Store, StoreHealth, Transition, Tx
from gateway.store.directory import DATABASE
from gateway.store.sqlite import open_sqlite
from tests.gateway.hand_clock import HandClock

T = TypeVar("T")

ACCOUNT = "telegram:77"
Moment = Literal["before", "inside", "after"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """Where the process dies: before a write, within its transaction, or after its commit."""

    nth: int
    moment: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaches:
    """It has found slots that are due, and waits for leave to store them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rested:
    """It has done a round; `begun` are the sessions it woke up."""

    begun: tuple[str, ...]


Word = Reaches | Rested


class MortalStore:
    """Store over a real one, with the process's death in it."""

    def __init__(self, store: Store, death: Death | None, reach: Callable[[], None]) -> None:
        self._store = store
        self._death = death
        self._reach = reach
        self._writes = 0

    async def write(self, unit: Callable[[Tx], T], *, transition: Transition) -> T:
        """See Store."""
        if transition is transitions.FIRE_DUE:
            self._reach()
        self._writes += 1
        self._live("before")

        def whole(tx: Tx) -> T:
            result = unit(tx)
            self._live("inside")
            return result

        result = await self._store.write(whole, transition=transition)
        self._live("after")
        return result

    def _live(self, moment: Moment) -> None:
        if self._death is not None and (self._death.nth, self._death.moment) == (
            self._writes,
            moment,
        ):
            os.kill(os.getpid(), signal.SIGKILL)

    async def read(self, query: Callable[[Tx], T]) -> T:
        """See Store."""
        return await self._store.read(query)

    async def close(self) -> None:
        """See Store."""
        await self._store.close()

    def health(self) -> StoreHealth:
        """See Store."""
        return self._store.health()


def link(shared: Path, directory: Path) -> None:
    """Let a state directory lead to the database of another one."""
    directory.mkdir(mode=0o700)
    for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm"):
        (directory / name).symlink_to(shared / name)


def live(
    directory: Path, jobs: tuple[CronJob, ...], death: Death | None, now: int, wire: Connection
) -> None:
    """Be the process, until the wire ends."""
    asyncio.run(_live(directory, jobs, death, now, wire))


async def _live(
    directory: Path, jobs: tuple[CronJob, ...], death: Death | None, now: int, wire: Connection
) -> None:
    def reach() -> None:
        wire.send(Reaches())
        wire.recv()

    opened = await open_sqlite(
        directory, migrate.packaged(), on_failure=_failed, durability=Durability.PROCESS
    )
    clock, begun = HandClock(), list[str]()
    clock.advance((now - clock.now()) / 1_000_000)
    cron = Cron(
        store=MortalStore(opened, death, reach),
        clock=clock,
        ways=Ways(
            account_of=lambda platform: ACCOUNT if platform == "telegram" else None,
            direct=_nobody,
            wake=begun.append,
            enqueue=lambda rows: None,
            tell_owners=lambda key, sentence: None,
            halt=lambda tx, account, chat: "",
        ),
        wait=clock.wait,
    )
    await cron.open(jobs)
    try:
        while True:
            clock.advance((now - clock.now()) / 1_000_000)
            await cron.round()
            wire.send(Rested(begun=tuple(begun)))
            begun.clear()
            # Nothing else is to be done here meanwhile.
            now = wire.recv()
    except EOFError:
        await opened.close()


async def _nobody(account: str, person: str) -> str:
    raise AssertionError(f"no job asks {person} of {account}")


def _failed(failure: StoreFailed) -> None:
    raise AssertionError(failure)
