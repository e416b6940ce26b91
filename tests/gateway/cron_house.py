"""A gateway with jobs of the clock, which a test moves by hand."""

import asyncio
from pathlib import Path
from typing import Any

from gateway.config.values import Config, CronJob
from gateway.cron_assembly import clock_of_jobs
from gateway.store.base import Store
from gateway.store.records import cron, fires
from gateway.store.records.cron import Job
from gateway.store.records.fires import Fire
from tests.gateway.core import Core
from tests.gateway.hand_clock import HandClock
from tests.gateway.intake import CONFIG

CHAT = "telegram:-100200"


def job(name: str = "standup", **fields: Any) -> CronJob:
    """A job of the configuration that fires at every full hour."""
    written = {"schedule": "0 * * * *", "prompt": "What is open?", "deliver": CHAT, **fields}
    return CronJob(name=name, **written)


class CronHouse:
    """A core with the clock beside it; `config` is given to the core."""

    def __init__(self, store: Store, path: Path, clock: HandClock, **parts: Any) -> None:
        self.store = store
        self.clock = clock
        self.config: Config = parts.pop("config", CONFIG)
        self.core = Core(store, path, clock, config=self.config, **parts)
        self.cron = clock_of_jobs(
            store=store,
            clock=clock,
            desk=self.core.desk,
            deliveries=self.core.deliveries,
            notices=self.core.notices,
            wake=self.core.sessions.wake,
            wait=clock.wait,
        )

    async def open(self, *jobs: CronJob) -> "CronHouse":
        """Take the jobs of a configuration up, and connect."""
        await self.cron.open(jobs)
        await self.core.connect()
        return self

    async def later(self, seconds: float) -> None:
        """Let time pass, and look once."""
        self.clock.advance(seconds)
        await self.look()

    async def look(self) -> None:
        """Look until nothing is due, and until every turn has come to rest."""
        for _ in range(2):
            await self.cron.round()
            await self.rest()

    async def rest(self) -> None:
        """Wait until no turn runs and everything has left."""
        sessions = self.core.sessions
        while tasks := [actor.task for actor in sessions._actors.values() if actor.task]:
            await asyncio.wait(tasks)
        for outlet in self.core.deliveries.outlets():
            await outlet.flush()

    async def fires(self, name: str = "standup") -> list[Fire]:
        """The fires of a job, oldest first."""
        found = await self.store.read(lambda tx: fires.latest(tx, name, limit=600))
        return list(reversed(found))

    async def states(self, name: str = "standup") -> list[str]:
        """What became of the fires of a job, oldest first."""
        return [
            f"{fire.state}({fire.reason})" if fire.state == "skipped" else fire.state
            for fire in await self.fires(name)
        ]

    async def job(self, name: str = "standup") -> Job:
        """A job as it is stored."""
        found = await self.store.read(lambda tx: cron.get(tx, name))
        assert found is not None
        return found

    async def close(self) -> None:
        """Stop."""
        await self.core.close()
