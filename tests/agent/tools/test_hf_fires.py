"""What schedules have set off, over a loopback Hub."""

from pathlib import Path

import pytest

from agent.errors import ToolError
from agent.tools.hf_fires import Fires
from tests.agent.tools.hub_room import carried_out, context, hub_room
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


@pytest.mark.parametrize("text", ["", "a", "a/", "/b", "a/b/c"])
async def test_what_is_no_schedule_is_refused(tmp_path: Path, text: str) -> None:
    """Nothing is asked of the Hub for it."""
    async with hub_room(tmp_path) as room:
        with pytest.raises(ToolError):
            await Fires(room.access).suspend(text)

        assert room.server.record == []
