"""Two processes at one table of jobs, each killed again and again: every slot fires once."""

import asyncio
import multiprocessing
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Final, get_args
from zoneinfo import ZoneInfo

import pytest

from gateway.config.values import CronJob
from gateway.cron_jobs import micros
from gateway.store import migrate
from gateway.store.directory import DATABASE
from gateway.store.sqlite import open_sqlite
from platforms.cron.schedule import parse
from tests.gateway import clock_process
from tests.gateway.clock_process import Death, Moment, Reaches, Rested
from tests.gateway.cron_house import job
from tests.gateway.hand_clock import START

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([clock_process.__name__])

PATIENCE_S = 60
MINUTE: Final = 60_000_000
FIRST: Final = START + 40_000_000
"""The first full minute after the beginning of every test."""

MINUTES: Final = 8
DOWN: Final = 8 * 60
"""Minutes nobody looks."""

CAUGHT_UP: Final = 10
WRITES_MAX: Final = 12
"""Within so many writes a process dies."""

JOBS: Final = (
    job("skip", schedule="* * * * *", missed="skip"),
    job("once", schedule="* * * * *", missed="once"),
    job("all", schedule="* * * * *", missed="all"),
)


@dataclass(slots=True)
class Clock:
    """One of the two: the process it is now, and what it waits for."""

    directory: Path
    process: ForkServerProcess | None = None
    wire: Connection | None = None
    reaches: bool = False
    rested: bool = False


@dataclass(slots=True)
class Town:
    """Both, and what came of them."""

    shared: Path
    jobs: tuple[CronJob, ...]
    rng: random.Random
    clocks: tuple[Clock, ...] = ()
    begun: list[str] = field(default_factory=list)
    deaths: int = 0
    contests: int = 0
    """How often both reached for the same slot."""

    def at(self, now: int, *, mortal: bool = True) -> None:
        """Let both look at that time, and those who die of it come back, until both have."""
        for clock in self.clocks:
            if clock.wire is None:
                self._bear(clock, now, mortal=mortal)
            else:
                clock.rested = False
                clock.wire.send(now)
        while not all(clock.rested for clock in self.clocks):
            for clock in self._who_speaks():
                self._hear(clock, now, mortal=mortal)
            self._let_reach()
        with closing(sqlite3.connect(self.shared / DATABASE, timeout=PATIENCE_S)) as store, store:
            # The runs themselves are nobody's here: each is over as if /stop all had come.
            store.execute("UPDATE inbox SET state = 'ignored' WHERE state = 'new'")

    def _bear(self, clock: Clock, now: int, *, mortal: bool) -> None:
        moment: Moment = self.rng.choice(get_args(Moment))
        death = Death(nth=self.rng.randint(1, WRITES_MAX), moment=moment) if mortal else None
        clock.wire, theirs = PROCESSES.Pipe()
        arguments = (clock.directory, self.jobs, death, now, theirs)
        clock.process = PROCESSES.Process(target=clock_process.live, args=arguments)
        clock.process.start()
        theirs.close()
        clock.reaches = clock.rested = False

    def _who_speaks(self) -> list[Clock]:
        speaking = {clock.wire: clock for clock in self.clocks if not clock.rested}
        ready = wait([wire for wire in speaking if wire is not None], timeout=PATIENCE_S)
        assert ready, "nobody says anything"
        return [speaking[wire] for wire in ready if isinstance(wire, Connection)]

    def _hear(self, clock: Clock, now: int, *, mortal: bool) -> None:
        assert clock.wire is not None
        try:
            word = clock.wire.recv()
        except EOFError:
            self.end(clock)
            self.deaths += 1
            self._bear(clock, now, mortal=mortal)
            return
        match word:
            case Reaches():
                clock.reaches = True
            case Rested(begun=begun):
                clock.rested = True
                self.begun += begun

    def _let_reach(self) -> None:
        """Let those go on who reach for a slot, once nobody else is on the way to it."""
        if not all(clock.reaches or clock.rested for clock in self.clocks):
            return
        reaching = [clock for clock in self.clocks if clock.reaches]
        self.contests += len(reaching) == len(self.clocks)
        for clock in reaching:
            assert clock.wire is not None
            clock.reaches = False
            clock.wire.send(None)

    def end(self, clock: Clock) -> None:
        """Kill one, if that has not happened yet."""
        if clock.process is not None:
            clock.process.kill()
            clock.process.join(PATIENCE_S)
            clock.process.close()
        if clock.wire is not None:
            clock.wire.close()
        clock.process = clock.wire = None

    def end_all(self) -> None:
        """Kill both."""
        for clock in self.clocks:
            self.end(clock)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What stands in the database."""
        with closing(sqlite3.connect(self.shared / DATABASE)) as store:
            return list(store.execute(sql))


@pytest.fixture
def town(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Town]:
    """Two directories that lead to one database."""
    shared = tmp_path / "shared"

    async def make() -> None:
        store = await open_sqlite(shared, migrate.packaged(), on_failure=pytest.fail)
        await store.close()

    asyncio.run(make())
    clocks = tuple(Clock(tmp_path / name) for name in ("one", "two"))
    for clock in clocks:
        clock_process.link(shared, clock.directory)
    made = Town(shared, JOBS, random.Random(request.param), clocks)
    yield made
    made.end_all()


ZONES: Final = {
    "Europe/Berlin": ("2026-03-29T01:00", "2026-10-25T01:00"),
    "America/New_York": ("2026-03-08T07:00", "2026-11-01T06:00"),
    "Australia/Lord_Howe": ("2026-04-04T15:00", "2026-10-03T15:30"),
}
"""When each changes its clocks, in UTC."""

AROUND: Final = timedelta(hours=2, minutes=10)


def changing(zone: str, at: str) -> tuple[CronJob, ...]:
    """Fixed times and every hour, made anew for each change."""
    written = {"timezone": zone, "prompt": f"Look at {at}."}
    return (
        job("fixed", schedule="30 1,2 * * *", **written),
        job("hourly", schedule="30 * * * *", **written),
    )


SEEDS: Final = (1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 20)))


@pytest.mark.parametrize("town", SEEDS, indirect=True)
def test_every_slot_fires_once_whoever_dies(town: Town) -> None:
    """Minute by minute both reach for each slot; then nobody is there for eight hours."""
    town.at(START, mortal=False)
    town.end_all()
    for minute in (*range(MINUTES), MINUTES - 1):  # what came of the last one is looked at too
        town.at(FIRST + minute * MINUTE)
    town.end_all()
    after = FIRST + (MINUTES + DOWN) * MINUTE
    for _ in range(CAUGHT_UP + 2):
        town.at(after, mortal=False)
    assert town.deaths > MINUTES / 3, "they died"
    assert town.contests > MINUTES, "they reached for the same slots"

    slots = [FIRST + minute * MINUTE for minute in range(MINUTES)]
    caught_up = [after - back * MINUTE for back in range(CAUGHT_UP, -1, -1)]
    ran = {"skip": [*slots, after], "once": [*slots, after], "all": [*slots, *caught_up]}
    fires = town.rows("SELECT job, slot, reason, missed FROM cron_fire ORDER BY id")
    for name, wanted in ran.items():
        mine = [(slot, reason, missed) for job, slot, reason, missed in fires if job == name]
        fired = [slot for slot, reason, _ in mine if reason != "missed"]
        assert fired == wanted, "none is lost, none comes twice"
        (missed,) = [missed for _, reason, missed in mine if reason == "missed"]
        assert missed + 1 == MINUTES + DOWN + 1 - len(wanted), "one row says how many"
    keys = town.rows("SELECT logical_key FROM inbox")
    every = Counter(f"cron:{name}:{slot}:0" for name, wanted in ran.items() for slot in wanted)
    assert Counter(key for (key,) in keys) == every, "each is asked of the agent once"
    assert [key for key, times in Counter(town.begun).items() if times > 1] == []


@pytest.mark.parametrize("town", SEEDS, indirect=True)
def test_both_clock_changes_of_three_zones_whoever_dies(town: Town) -> None:
    """Around each the two reach for every slot: fixed times once, hourly ones in both folds."""
    folds = Counter[tuple[str, int]]()
    changes = sorted((at, zone) for zone, both in ZONES.items() for at in both)
    for at, zone in changes:
        change = datetime.fromisoformat(at).replace(tzinfo=UTC)
        town.end_all()
        town.jobs = changing(zone, at)
        town.at(micros(change - AROUND))
        wanted = []
        for each in town.jobs:
            schedule = parse(each.schedule or "", ZoneInfo(zone), created=change - AROUND)
            slot = schedule.after(change - AROUND)
            while slot is not None and slot.at < change + AROUND:
                wanted.append((each.name, micros(slot.at), slot.fold))
                slot = schedule.after(slot.at)
        for now in sorted({now for _, now, _ in wanted}):
            town.at(now)
        town.at(micros(change + AROUND))
        since = micros(change - AROUND)
        fires = town.rows(f"SELECT job, slot, fold FROM cron_fire WHERE slot > {since}")
        assert sorted(fires) == sorted(wanted), (zone, at)
        folds.update((name, fold) for name, _, fold in fires)
    assert folds["fixed", 0] == 2 * len(changes) and not folds["fixed", 1]
    assert folds["hourly", 1] == len(ZONES), "the hour that comes twice, once a zone"
    assert town.deaths > len(changes) and town.contests > len(changes)
