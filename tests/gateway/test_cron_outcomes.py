"""Every outcome that a fire may have, each brought about once, and as `status` tells of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from gateway.cli.status import JOBS_SHOWN, scheduled
from gateway.config.values import BudgetConfig
from gateway.store import transitions
from gateway.store.records import cron, freezes
from gateway.store.records.freezes import Freeze
from gateway.store.sqlite import SqliteStore
from platforms.content import Post
from platforms.errors import ChatUnavailable
from tests.agent.scripted import ScriptedProvider, entry
from tests.gateway.approvals.house import Flat
from tests.gateway.core import says
from tests.gateway.cron_house import CronHouse, job
from tests.gateway.hand_clock import START, HandClock
from tests.gateway.intake import CONFIG
from tests.gateway.records.rows import write

TO_THE_HOUR_S = 400.0
HOUR_S = 3600.0
AWAY = "slack:T1/C1"
"""A chat of a platform that is not connected."""

House = CronHouse
Make = Callable[..., House]


@pytest.fixture
async def make(store: SqliteStore, tmp_path: Path, clock: HandClock) -> AsyncIterator[Make]:
    """Makes gateways over one store, and closes them."""
    made: list[House] = []

    def one(**parts: Any) -> House:
        made.append(CronHouse(store, tmp_path, clock, **parts))
        return made[-1]

    yield one
    for house in made:
        await house.close()


async def nine(house: House, *answers: str) -> House:
    """Let the first full hour come."""
    house.core.answers(*answers)
    await house.later(TO_THE_HOUR_S)
    return house


async def has_words(make: Make) -> House:
    """The model has something to say."""
    return await nine(await make().open(job()), "The report.")


async def has_none(make: Make) -> House:
    """The model says that there is nothing to say."""
    return await nine(await make().open(job()), "[nothing to say]")


async def has_no_chat(make: Make) -> House:
    """Its answer is refused for good."""
    house = await make().open(job())
    house.core.adapter.then(Post, ChatUnavailable("gone", reason="not_found"))
    return await nine(house, "The report.")


async def is_late(make: Make) -> House:
    """Nobody looked for ten minutes."""
    house = await make().open(job())
    house.clock.advance(600)
    return await nine(house)


async def is_behind_another(make: Make) -> House:
    """The run of nine is still at work at ten."""
    gate = asyncio.Event()
    house = await make().open(job())
    house.core.answers(says(gate, "The report."))
    house.clock.advance(TO_THE_HOUR_S)
    await house.cron.round()
    await house.core.model.waits.wait()
    house.clock.advance(HOUR_S)
    await house.cron.round()
    gate.set()
    await house.look()
    return house


async def rests(make: Make) -> House:
    """It was paused before."""
    house = await make().open(job())
    await write(house.store, lambda tx: cron.pause(tx, "standup", "paused by Ann"))
    return await nine(house)


async def is_frozen(make: Make) -> House:
    """All spending is stopped."""
    house = await make().open(job())
    freeze = Freeze(scope="all", by="telegram:1001", name="Ann", reason="", at=0)
    await house.store.write(
        lambda tx: freezes.freeze(tx, freeze), transition=transitions.FREEZE_CHANGED
    )
    return await nine(house)


async def has_no_money(make: Make) -> House:
    """The run of nine has spent all that jobs may spend in a day."""
    model, budget = ScriptedProvider(), BudgetConfig(background_day=600_000)
    dear = entry(model, pricing=Flat(ceiling=budget.background_day))
    house = await make(config=replace(CONFIG, budget=budget), entries=(dear,)).open(job())
    model.script(says("The report."))
    await nine(house)
    await house.later(HOUR_S)
    assert len(model.requests) == 1
    return house


async def is_edited(make: Make) -> House:
    """It waited for its platform when somebody wrote it anew."""
    await nine(await make().open(job(deliver=AWAY)))
    return await make().open(job(deliver=AWAY, prompt="Something else?"))


async def is_removed(make: Make) -> House:
    """It waited for its platform when somebody took it out."""
    await nine(await make().open(job(deliver=AWAY)))
    return await make().open(job("another"))


OUTCOMES: Final[tuple[tuple[tuple[str, ...], Callable[[Make], Awaitable[House]]], ...]] = (
    (("delivered",), has_words),
    (("nothing_to_say",), has_none),
    (("failed(its answer can't be delivered)",), has_no_chat),
    (("skipped(missed)",), is_late),
    (("delivered", "skipped(overlap)"), is_behind_another),
    (("skipped(paused)",), rests),
    (("skipped(frozen)",), is_frozen),
    (("delivered", "skipped(budget)"), has_no_money),
    (("skipped(edited)",), is_edited),
    (("skipped(removed)",), is_removed),
)


@pytest.mark.parametrize(("outcomes", "story"), OUTCOMES, ids=[s.__name__ for _, s in OUTCOMES])
async def test_what_becomes_of_a_fire(
    make: Make, outcomes: tuple[str, ...], story: Callable[[Make], Awaitable[House]]
) -> None:
    """Stored with its reason, and told so to whoever asks for the status."""
    house = await story(make)
    fires = await house.fires()
    assert tuple(f"{f.state}({f.reason})" if f.reason else f.state for f in fires) == outcomes
    status = orjson.loads(orjson.dumps(await house.core.operator.status()))
    told = {each["name"]: each for each in status["rows"]["scheduled"]}
    if story is is_removed:
        assert list(told) == ["another"]
        return
    last = fires[-1]
    assert told["standup"]["last"] == {
        "id": last.id, "slot": last.slot, "state": last.state, "reason": last.reason
    }  # fmt: skip
    (line,) = scheduled(status)
    assert line.endswith(f": {outcomes[-1].replace('(', ' (')}"), line


def listed(name: str, **fields: Any) -> dict[str, Any]:
    """A job as a status tells of it."""
    given = {"state": "active", "reason": "", "next_at": None, "last": None}
    return {"name": name, **given, **fields}


def test_a_status_lists_jobs_by_their_next_time() -> None:
    """When each runs, why it does not, what came of it last; ten of them, and how many more."""
    came = {"id": 7, "slot": START - 7_200_000_000, "state": "skipped", "reason": "budget"}
    jobs = [
        listed("asked", last={**came, "state": "delivered", "reason": ""}),
        listed("hourly", next_at=START + 600_000_000, last=came),
        listed("late", next_at=START - 1_000_000),
        listed("paused", state="paused", reason="paused by Ann"),
        listed("broken", state="paused", reason="its schedule can't be followed"),
        listed("party", state="over"),
    ]
    assert scheduled({"now": START, "rows": {"scheduled": jobs}}) == [
        "late: next in 0 s, never ran",
        "hourly: next in 10 min, f7 of 2 h ago: skipped (budget)",
        "asked: runs when it is asked to, f7 of 2 h ago: delivered",
        "broken: paused: its schedule can't be followed, never ran",
        "party: over, never ran",
        "paused: paused by Ann, never ran",
    ]
    many = [listed(f"job{number}") for number in range(JOBS_SHOWN + 3)]
    lines = scheduled({"now": START, "rows": {"scheduled": many}})
    assert (len(lines), lines[-1]) == (JOBS_SHOWN + 1, "and 3 more: gatepost cron list")
