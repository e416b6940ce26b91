"""What schedules have set off, over a loopback Hub."""

from pathlib import Path

import pytest

from agent.costs import Unknown
from agent.errors import ToolError
from agent.tools.base import Runs
from agent.tools.hf_fires import Fires
from tests.agent.tools.hub_room import carried_out, context, hub_room, inspected, stored
from tests.wire.server import Answer


async def test_the_jobs_of_a_schedule_are_found_and_settled(tmp_path: Path) -> None:
    """Its own alone, oldest first, from a time on; each is settled like any other job."""
    async with hub_room(tmp_path) as room:
        tool, world, fires = room.jobs(), room.server.world, Fires(room.access)
        made = await carried_out(
            tool, operation="scheduled run", command=["true"], schedule="@hourly", expose=[80]
        )
        await carried_out(tool, context("x"), operation="run", command=["true"])
        [schedule] = world.schedules.values()
        schedule.concurrency = True
        before = world.clock.now
        first = world.fire(schedule)
        world.clock.advance(hours=1)
        second = world.fire(schedule)
        found = await fires.of(made.record, since=before)
        later = await fires.of(made.record, since=world.clock.now)
        world.start(first)
        world.clock.advance(minutes=2)
        world.finish(first)
        end = await tool.poll(str(found[0]))

    assert [handle.job_id for handle in found] == [first.id, second.id]
    assert [handle.job_id for handle in later] == [second.id]
    assert end is not None
    assert end.spent == 2 * 167 + 10_000


async def test_a_schedule_is_suspended_at_its_cap(tmp_path: Path) -> None:
    """Again does no harm, gone is as good; a failure is told, so that it is tried again."""
    async with hub_room(tmp_path) as room:
        world, fires = room.server.world, Fires(room.access)
        made = await carried_out(
            room.jobs(), operation="scheduled run", command=["true"], schedule="@hourly"
        )
        room.server.faults.add("scheduled.suspend", Answer(status=503))
        with pytest.raises(ToolError):
            await fires.suspend(made.record)
        for _ in range(2):
            await fires.suspend(made.record)
        assert next(iter(world.schedules.values())).suspend
        world.schedules.clear()
        await fires.suspend(made.record)


async def test_runs_have_a_ceiling_and_are_found_before_the_listing_has_them(
    tmp_path: Path,
) -> None:
    """The last one stands with the schedule itself; each costs at most what its timeout allows."""
    async with hub_room(tmp_path) as room:
        tool, world = room.jobs(), room.server.world
        made = await carried_out(
            tool, operation="scheduled run", command=["true"], schedule="@hourly", timeout="10m"
        )
        handle = made.remote.handle
        [schedule] = world.schedules.values()
        since = room.access.now_us()
        none = await tool.runs(handle, since=since)
        world.lag_listing = True
        fire = world.fire(schedule)
        late = await tool.runs(handle, since=since)
        world.settle_listing()
        found = await tool.runs(handle, since=since)
        world.clock.advance(hours=1)
        old = await tool.runs(handle, since=room.access.now_us())
        schedule.spec = {**schedule.spec, "timeoutSeconds": None}
        boundless = await tool.runs(handle, since=since)

    assert (made.remote.recurring, made.remote.waits) == (True, False)
    assert made.remote.deadline_s == 30 * 24 * 3_600
    assert none == Runs(begun=(), each=15 * 167)
    assert late == found
    assert [(run.record, run.ceiling) for run in found.begun] == [(fire.id, 15 * 167)]
    assert old.begun == ()
    assert isinstance(boundless.each, Unknown)


async def test_a_schedule_has_ended_once_it_can_begin_nothing(tmp_path: Path) -> None:
    """Suspended or gone; one that its own page denies but the list has goes on."""
    async with hub_room(tmp_path) as room:
        tool, world = room.jobs(), room.server.world
        made = await carried_out(
            tool, operation="scheduled run", command=["true"], schedule="@hourly"
        )
        handle = made.remote.handle
        goes_on = await tool.poll(handle)
        room.server.faults.add("scheduled.inspect", Answer(status=404, body=b"{}"))
        denied = await tool.poll(handle)
        await tool.cancel(handle)
        suspended = await tool.poll(handle)
        world.schedules.clear()
        gone = await tool.poll(handle)
        nothing = await tool.runs(handle, since=room.access.now_us())

    assert goes_on is None
    assert denied is None
    assert suspended is not None
    assert "suspended" in suspended.text
    assert gone is not None
    assert "gone" in gone.text
    assert isinstance(nothing.each, Unknown)


async def test_a_schedule_that_runs_again_is_watched_anew(tmp_path: Path) -> None:
    """Its money is a new cap; after a crash it is found again like that."""
    async with hub_room(tmp_path) as room:
        tool = room.jobs()
        made = await carried_out(
            tool, operation="scheduled run", command=["true"], schedule="@hourly"
        )
        job_id = made.record.partition("/")[2]
        await carried_out(tool, operation="scheduled suspend", job_id=job_id)
        resume = await inspected(tool, operation="scheduled resume", job_id=job_id)
        resumed = await tool.run(stored(tool, resume), context())
        found = await tool.probe(stored(tool, resume), context())

    assert resumed.remote == made.remote
    assert resumed.spent is None
    assert found == resumed


@pytest.mark.parametrize("text", ["", "a", "a/", "/b", "a/b/c"])
async def test_what_is_no_schedule_is_refused(tmp_path: Path, text: str) -> None:
    """Nothing is asked of the Hub for it."""
    async with hub_room(tmp_path) as room:
        with pytest.raises(ToolError):
            await Fires(room.access).suspend(text)

        assert room.server.record == []
