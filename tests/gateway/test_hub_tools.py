"""Jobs, sandboxes and schedules of the Hub through the whole gateway: asked, run, billed, ended."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent.messages import ResultStatus
from gateway.store.base import Store
from gateway.tokens import Decision
from gateway.toolbox import toolbox
from tests.agent.scripted import call
from tests.gateway.core import says
from tests.gateway.events import message
from tests.gateway.hand_clock import HandClock
from tests.gateway.hub_house import TEAM, TOOLS, HubHouse
from tests.wire.hub import HubServer
from tests.wire.hub.world import Flavor
from tests.wire.server import Answer, CutAfter, HalfOpen

A100: dict[str, Any] = {
    "operation": "run",
    "command": ["python", "train.py"],
    "flavor": "a100-large",
    "timeout": "45m",
}
CEILING = 50 * 41_667


@pytest.fixture
async def house(store: Store, tmp_path: Path, clock: HandClock) -> AsyncIterator[HubHouse]:
    """A gateway that is connected, and a Hub."""
    async with HubServer() as server:
        made = HubHouse(server, store, tmp_path, clock)
        await made.open()
        yield made
        await made.close()


async def started(house: HubHouse) -> None:
    """A job was asked for, approved, and begun."""
    await house.asks("hf_jobs", **A100)
    await house.approves(await house.card())
    [job] = house.jobs
    house.world.start(job)


async def test_a_job_is_asked_run_awaited_and_billed(house: HubHouse) -> None:
    """Its turn waits as rows while it runs; the card ends with what it cost."""
    await house.asks("hf_jobs", **A100)
    card = await house.card()
    await house.shows("At most  $2.09 = 50 min x $0.041667   (45 min + 5 to start")
    assert await house.money() == (0, 0)
    assert house.jobs == []

    await house.approves(card)
    [job] = house.jobs
    house.world.start(job)
    assert job.owner == TEAM
    assert job.spec["timeoutSeconds"] == 45 * 60
    assert await house.money() == (0, CEILING)
    assert await house.turn() == "waiting"
    assert house.core.sessions.running() == ()
    await house.shows("Approved by Ann 08:53, running")

    house.clock.advance(12 * 60)
    house.world.finish(job)
    await house.looks()
    await house.shows("Done: ran 12 min, $0.51 (held $2.09, released $1.58)")
    await house.shows("Done.")
    [result] = house.results()
    assert result.status is ResultStatus.DONE
    assert "It ran 12 min, $0.51" in result.text
    assert await house.money() == (12 * 41_667, 0)
    assert await house.turn() == "done"


async def test_a_hold_lasts_as_long_as_its_job(house: HubHouse) -> None:
    """A day and an hour into a job of two days nothing is booked that was not spent."""
    await house.asks("hf_jobs", **{**A100, "flavor": "cpu-basic", "timeout": "2d"})
    await house.approves(await house.card())
    house.world.start(house.jobs[0])
    house.clock.advance(26 * 3_600)
    await house.core.desk.desk_clock.look()
    assert await house.money() == (0, (2 * 24 * 60 + 5) * 167)


async def test_a_job_whose_time_is_over_is_ended(house: HubHouse) -> None:
    """Fifty minutes after it began the gateway ends it, whatever the Hub does."""
    await started(house)
    house.clock.advance(50 * 60)
    await house.looks()
    assert house.jobs[0].stage == "CANCELED"
    assert await house.money() == (CEILING, 0)
    [result] = house.results()
    assert result.status is ResultStatus.FAILED


async def test_stop_ends_a_job_until_that_is_seen(house: HubHouse) -> None:
    """The turn ends at once; the job is told to end, its end is seen, its minutes are booked."""
    await started(house)
    house.clock.advance(90)
    await house.does("stop")
    await house.rests()
    assert await house.turn() == "cancelled"
    await house.looks()
    assert house.jobs[0].stage == "CANCELED"
    assert await house.money() == (2 * 41_667, 0)
    assert await house.rows("SELECT state, stop_by FROM remote_job") == [("ended", "Ann")]
    assert len(house.core.model.requests) == 1
    await house.shows("Failed; $0.0834 (held $2.09, released $2.01)")


async def test_a_cancel_that_is_ignored_is_told_and_tried_again(house: HubHouse) -> None:
    """After a minute owners hear of it; the money stays held until the end is seen."""
    await started(house)
    house.world.ignore_cancel = True
    await house.does("stop")
    await house.rests()
    await house.looks()
    assert house.jobs[0].cancels == 1
    for _ in range(5):
        house.clock.advance(15)
        await house.looks()
    await house.shows("was told to end and nobody can tell whether it has")
    assert await house.rows("SELECT state FROM remote_job") == [("unknown",)]
    assert await house.money() == (0, CEILING)
    tried = house.jobs[0].cancels

    house.world.ignore_cancel = False
    house.clock.advance(60)
    await house.looks()
    assert house.jobs[0].cancels == tried + 1
    assert await house.rows("SELECT state FROM remote_job") == [("ended",)]
    assert await house.money() == (3 * 41_667, 0)


async def test_a_cancel_of_a_job_that_just_ended_is_its_end(house: HubHouse) -> None:
    """What it has cost is booked as if nobody had stopped it."""
    await started(house)
    house.clock.advance(60)
    house.world.finish(house.jobs[0])
    await house.does("stop")
    await house.rests()
    await house.looks()
    assert await house.money() == (41_667, 0)
    assert await house.rows("SELECT state FROM remote_job") == [("ended",)]


@pytest.mark.parametrize("scope", ["", "all"])
async def test_a_freeze_ends_what_runs(house: HubHouse, scope: str) -> None:
    """A job whose turn only waits is ended too, also if the freeze stood before a start."""
    await started(house)
    await house.does("freeze", scope)
    await house.close()
    await house.open()
    await house.looks()
    assert house.jobs[0].stage == "CANCELED"
    assert await house.money() == (0, 0)
    [(by,)] = await house.rows("SELECT stop_by FROM remote_job")
    assert "frozen" in by


async def test_a_start_that_was_cut_before_the_launch_runs_once(house: HubHouse) -> None:
    """Two complete listings without it, ten seconds apart: it is run, on the same hold."""
    await house.asks("hf_jobs", **A100)
    card = await house.card()
    house.server.faults.add("jobs.run", HalfOpen())
    await house.does("approve", card.code)
    await house.server.seen(lambda seen: seen.operation == "jobs.run")
    await cut(house, "intent")
    house.core.answers("Done.")
    await house.rests()
    [job] = house.jobs
    assert 10.0 in house.sleeps
    assert await house.money() == (0, CEILING)
    assert await house.turn() == "waiting"
    house.world.start(job)
    house.clock.advance(60)
    house.world.finish(job)
    await house.looks()
    await house.shows("Done: ran 1 min, $0.0417 (held $2.09, released $2.0")


async def test_a_start_that_was_cut_after_the_launch_is_found(house: HubHouse) -> None:
    """The job carries the call's label: it is waited for, and not started again."""
    await house.asks("hf_jobs", **A100)
    card = await house.card()
    house.server.faults.add("jobs.run", CutAfter())
    house.server.faults.add("jobs.list", HalfOpen())
    await house.does("approve", card.code)
    await house.server.seen(lambda seen: seen.operation == "jobs.run")
    await cut(house, "intent")
    house.core.answers("Done.")
    await house.rests()
    [job] = house.jobs
    house.world.start(job)
    house.clock.advance(60)
    house.world.finish(job)
    await house.looks()
    assert await house.turn() == "done"
    assert await house.money() == (41_667, 0)


async def cut(house: HubHouse, state: str) -> None:
    """End the run once a call is in a state, and begin the next one."""
    async with asyncio.timeout(60):
        while await house.rows("SELECT state FROM tool_call") != [(state,)]:
            pass
    await house.close()
    await house.open()


async def test_a_price_that_doubled_before_the_press_is_no_yes(house: HubHouse) -> None:
    """The card shows the new figure and has to be decided again."""
    await house.looked_up("hf_jobs", **A100)
    house.clock.advance(1_800)
    await house.asks("hf_jobs", **A100)
    card = await house.card()
    house.clock.advance(1_801)
    house.world.flavors["a100-large"].cost_micro_usd = 2 * 41_667
    await house.looked_up("hf_jobs", **A100)
    await house.does("approve", card.code)
    await house.shows("At most  $4.17 = 50 min x $0.083334")
    assert house.jobs == []
    assert await house.money() == (0, 0)


async def test_another_account_pays_if_a_person_says_so(house: HubHouse) -> None:
    """The card shows who pays now and still needs its yes; an edit keeps that choice."""
    await house.asks("hf_jobs", **A100)
    card = await house.card()
    await house.shows(f"Payer  {TEAM}")
    await house.decides(card, Decision.PAYER, option=2)
    await house.shows("Payer  dana")
    assert house.jobs == []
    await house.decides(card, Decision.EDIT, option=1, values={"timeout_s": "600"})
    await house.shows("15 min x $0.041667")
    await house.does("show", card.code)
    await house.approves(card)
    [job] = house.jobs
    assert (job.owner, job.spec["timeoutSeconds"]) == ("dana", 600)


async def test_a_secret_goes_by_its_name(house: HubHouse) -> None:
    """The card and the rows hold its name, the job gets its value."""
    await house.asks("hf_jobs", **A100, secrets=["WANDB_API_KEY"])
    await house.approves(await house.card())
    [job] = house.jobs
    assert job.spec["secrets"] == {"WANDB_API_KEY": "value-of-wandb"}
    assert "value-of-wandb" not in repr(await house.rows("SELECT * FROM tool_call"))


async def test_a_value_of_the_configuration_in_arguments_is_refused(house: HubHouse) -> None:
    """Nobody is asked about a call that would show it."""
    env = {"KEY": "value-of-wandb"}
    await house.asks("hf_jobs", **A100, env=env)
    await house.rests()
    [result] = house.results()
    assert result.status is ResultStatus.MALFORMED
    assert "value-of-wandb" not in result.text


async def test_a_small_sandbox_comes_unasked_and_goes_on(house: HubHouse) -> None:
    """Its turn is answered at once; its hold stays until the window is over."""
    await house.asks("hf_sandbox", operation="create")
    await house.shows("Done.")
    await house.rests()
    assert await house.turn() == "done"
    window = 60 * 167 + 10_000
    assert await house.money() == (0, window)
    house.clock.advance(20 * 60)
    await house.looks()
    assert house.jobs[0].stage == "RUNNING"
    house.clock.advance(40 * 60)
    house.world.finish(house.jobs[0], "ERROR", "Job timeout")
    await house.looks()
    assert await house.money() == (window, 0)
    assert len(house.core.model.requests) == 2


@pytest.mark.parametrize("died_at", ["call.left", "call.finished"])
async def test_a_sandbox_made_before_a_crash_is_found(house: HubHouse, died_at: str) -> None:
    """Whether or not it stood in a row: one machine, one hold, one result."""
    house.store.halts_at = died_at
    await house.asks("hf_sandbox", operation="create")
    await asyncio.wait_for(house.store.reached.wait(), 60)
    await house.close()
    house.store.halts_at = ""
    await house.open()
    house.core.answers("Done.")
    await house.shows("Done.")
    await house.rests()
    assert len(house.jobs) == 1
    assert [result.status for result in house.results()] == [ResultStatus.DONE]
    assert await house.rows("SELECT state, waits FROM remote_job") == [("running", 0)]
    assert await house.money() == (0, 60 * 167 + 10_000)


async def test_a_large_sandbox_beside_a_small_one_is_priced_in_full(house: HubHouse) -> None:
    """What runs already is no discount; the small one's hold is settled by its own figure."""
    await house.asks("hf_sandbox", operation="create")
    await house.shows("Done.")
    await house.rests()
    await house.asks("hf_sandbox", "Big.", operation="create", flavor="t4-small")
    card = await house.card()
    await house.shows("At most  $0.42 = 60 min x $0.006667")
    house.clock.advance(120)
    await house.approves(card, twice=True)
    await house.shows("Big.")
    small, large = house.jobs
    assert (small.stage, large.stage) == ("CANCELED", "RUNNING")
    await house.looks()
    assert await house.money() == (2 * 167 + 10_000, 60 * 6_667 + 10_000)


@pytest.mark.parametrize("how", ["new", "freeze", "stop"])
async def test_what_ends_a_sandbox(house: HubHouse, how: str) -> None:
    """A fresh session, a freeze, and /stop of the turn that made it; not the end of that turn."""
    await house.asks("hf_sandbox", operation="create")
    await house.shows("Done.")
    await house.rests()
    await house.looks()
    assert house.jobs[0].stage == "RUNNING"
    if how == "stop":  # of a later turn: it is not its sandbox
        await house.asks("hf_jobs", **A100)
        await house.card()
    await house.does(how)
    await house.rests()
    await house.looks()
    assert house.jobs[0].stage == ("RUNNING" if how == "stop" else "CANCELED")


async def test_stop_of_its_own_turn_ends_a_sandbox(house: HubHouse) -> None:
    """It was made in the turn that is stopped while it asks for more."""
    create = call("hf_sandbox", '{"operation": "create"}')
    ask = call("hf_jobs", orjson.dumps(A100).decode())
    house.core.answers(says("Look.", calls=(create,)), says("And.", calls=(ask,)))
    await house.core.take(message("go", number=50))
    await house.card()
    await house.does("stop")
    await house.rests()
    await house.looks()
    assert house.jobs[0].stage == "CANCELED"
    assert await house.money() == (10_000, 0)


SCHEDULE: dict[str, Any] = {
    "operation": "scheduled run",
    "command": ["true"],
    "schedule": "@hourly",
    "flavor": "l4x1",
    "timeout": "10m",
}
EACH = 15 * 13_334


async def scheduled(house: HubHouse, cap: str = "1.00") -> Any:
    """A schedule that an owner gave a cap; its turn is answered."""
    await house.asks("hf_jobs", **SCHEDULE)
    card = await house.card()
    await house.shows("price unknown; it acts again until it is ended, an owner types a cap")
    await house.decides(card, Decision.CEILING, values={"amount": cap})
    await house.shows("Done.")
    [schedule] = house.world.schedules.values()
    return schedule


async def runs(house: HubHouse, schedule: Any, minutes: int) -> None:
    """The schedule fires, its run takes so long, and the gateway looks twice."""
    house.clock.advance(3_600)
    job = house.world.fire(schedule)
    house.world.start(job)
    await house.looks()
    house.clock.advance(minutes * 60)
    house.world.finish(job)
    await house.looks()


async def test_a_plain_yes_is_no_cap(house: HubHouse) -> None:
    """What recurs has no price: an owner has to type one."""
    await house.asks("hf_jobs", **SCHEDULE)
    card = await house.card()
    await house.approves(card, twice=True)
    assert house.world.schedules == {}
    await house.shows("Its price is unknown: an owner has to say what it may cost.")


async def test_runs_of_a_schedule_are_booked_against_its_cap(house: HubHouse) -> None:
    """Each with its own figure, once; before the cap could be passed it is suspended."""
    schedule = await scheduled(house)
    assert await house.money() == (0, 1_000_000)
    for count in (1, 2, 3):
        await runs(house, schedule, 15)
        assert await house.money() == (count * EACH, 1_000_000 - count * EACH)
        assert not schedule.suspend
    await runs(house, schedule, 15)
    assert schedule.suspend
    assert await house.money() == (4 * EACH, 0)
    await house.shows("begins no further run: $0.61 of its cap of $1.00 is booked")
    assert await house.rows("SELECT state, spent FROM remote_run") == [("booked", EACH)] * 4
    kinds = await house.rows("SELECT kind, SUM(amount) FROM ledger GROUP BY kind ORDER BY kind")
    assert kinds == [
        ("hold", 1_000_000),
        ("release", 1_000_000 - 4 * EACH),
        ("settle", 4 * EACH),
    ]


async def test_runs_of_a_schedule_nearly_use_up_a_budget(house: HubHouse) -> None:
    """Its chat is told once that four fifths are spent, as of any other booking."""
    house.config = replace(house.config, budget=replace(house.config.budget, chat_day=1_000_000))
    await house.close()
    await house.open()
    schedule = await scheduled(house)
    for _ in range(4):
        await runs(house, schedule, 15)
    await house.shows("Of the budget of this chat today, $0.81 of $1.00 are spent.")


async def test_a_cap_below_one_run_lets_none_begin(house: HubHouse) -> None:
    """It is suspended as soon as the gateway looks."""
    schedule = await scheduled(house, cap="0.15")
    house.clock.advance(15)
    await house.looks()
    assert schedule.suspend
    assert await house.money() == (0, 0)


async def test_a_schedule_ends_after_thirty_days(house: HubHouse) -> None:
    """Its cap was for so long; the run that goes on then is booked before the hold is given up."""
    schedule = await scheduled(house)
    await runs(house, schedule, 5)
    house.clock.advance(30 * 24 * 3_600)
    job = house.world.fire(schedule)
    house.world.start(job)
    await house.looks()
    assert schedule.suspend
    assert await house.money() == (5 * 13_334, 1_000_000 - 5 * 13_334)
    house.clock.advance(60)
    house.world.finish(job)
    await house.looks()
    assert await house.money() == (6 * 13_334, 0)
    await house.shows("its time is over")


async def test_a_freeze_suspends_a_schedule_and_ends_its_run(house: HubHouse) -> None:
    """Nothing of it goes on; what ran is booked."""
    schedule = await scheduled(house)
    house.clock.advance(3_600)
    job = house.world.fire(schedule)
    house.world.start(job)
    await house.looks()
    house.clock.advance(60)
    await house.does("freeze")
    await house.looks()
    assert (schedule.suspend, job.stage) == (True, "CANCELED")
    assert await house.money() == (13_334, 0)


async def test_a_schedule_outlives_its_session_and_a_restart(house: HubHouse) -> None:
    """/new and /stop end what a session runs, not what an owner let recur."""
    schedule = await scheduled(house)
    await house.does("new")
    await house.close()
    await house.open()
    await runs(house, schedule, 5)
    assert not schedule.suspend
    assert await house.money() == (5 * 13_334, 1_000_000 - 5 * 13_334)


async def test_a_run_that_a_call_set_off_is_paid_by_that_call(house: HubHouse) -> None:
    """A trigger has a hold of its own; the schedule's is not charged for it."""
    schedule = await scheduled(house)
    await house.asks("hf_jobs", "Ran.", operation="scheduled trigger", job_id=schedule.id)
    await house.approves(await house.card(2), twice=True)
    [job] = house.jobs
    house.world.start(job)
    house.clock.advance(60)
    await house.looks()
    house.world.finish(job)
    house.clock.advance(60)
    await house.looks()
    await house.shows("Ran.")
    assert await house.money() == (13_334, 1_000_000)
    assert await house.rows("SELECT state, spent FROM remote_run") == [("apart", None)]


async def test_a_suspended_schedule_gives_the_rest_of_its_cap_back(house: HubHouse) -> None:
    """By the model's call, approved by hand; resumed, it has a cap of its own."""
    schedule = await scheduled(house)
    await house.asks("hf_jobs", "Rests.", operation="scheduled suspend", job_id=schedule.id)
    await house.approves(await house.card(2), twice=True)
    await house.shows("Rests.")
    house.clock.advance(60)
    await house.looks()
    assert await house.money() == (0, 0)
    await house.asks("hf_jobs", "Again.", operation="scheduled resume", job_id=schedule.id)
    card = await house.card(3)
    await house.decides(card, Decision.CEILING, values={"amount": "0.50"})
    await house.shows("Again.")
    assert await house.money() == (0, 500_000)
    await runs(house, schedule, 15)
    assert await house.money() == (EACH, 500_000 - EACH)


async def test_a_schedule_whose_price_is_lost_is_suspended(house: HubHouse) -> None:
    """Without a price no cap can be kept."""
    house.world.flavors["new-size"] = Flavor(name="new-size", pretty="New", cost_micro_usd=1_000)
    await house.asks("hf_jobs", **{**SCHEDULE, "flavor": "new-size"})
    await house.decides(await house.card(), Decision.CEILING, values={"amount": "1"})
    [schedule] = house.world.schedules.values()
    house.clock.advance(60)
    await house.looks()
    assert not schedule.suspend
    house.world.raw_catalogue = []
    house.clock.advance(8 * 24 * 3_600)
    await house.looks()
    assert schedule.suspend
    await house.shows("nobody knows what its runs cost")


async def test_a_look_that_fails_is_repeated(house: HubHouse) -> None:
    """Nothing is booked or ended on half of what the Hub knows."""
    schedule = await scheduled(house)
    house.clock.advance(3_600)
    job = house.world.fire(schedule)
    house.world.start(job)
    house.clock.advance(60)
    house.world.finish(job)
    house.server.faults.add("jobs.list", Answer(status=503))
    await house.looks()
    assert await house.rows("SELECT state FROM remote_job") == [("running",)]
    assert await house.money() == (0, 1_000_000)
    house.clock.advance(60)
    await house.looks()
    assert await house.money() == (13_334, 1_000_000 - 13_334)


async def test_what_can_not_work_here_is_missing_with_a_reason(house: HubHouse) -> None:
    """Without a token none of the tools is there, and doctor can say why."""
    tools = replace(house.config.tools, huggingface=None)
    without = toolbox(
        replace(house.config, tools=tools), clock=house.clock, account_of=lambda platform: None
    )
    assert without.tools == {}
    assert without.missing == dict.fromkeys(TOOLS, "[tools.huggingface] names no token")
    assert len(house.box.close) == 1
