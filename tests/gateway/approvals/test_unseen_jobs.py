"""Work elsewhere that may begin while nobody looks: it is seen, or looked for, and ended."""

import asyncio

import pytest

from agent.costs import DOLLAR
from agent.tools.base import CallContext, ToolOutput
from gateway.store import transitions
from tests.gateway.approvals.house import CAL, House
from tests.gateway.approvals.house_tools import UNREACHED, RemoteHouseTool

WITHIN_S = 16


async def beginning(house: House) -> RemoteHouseTool:
    """A job that Cal approved, while the request to begin it is on its way."""
    tool = house.remote()
    tool.waits = asyncio.Event()
    card = await house.asks("remote")
    await house.take(house.event_of(card.button("Approve once"), card, CAL))
    await asyncio.wait_for(tool.began.wait(), 60)
    return tool


def job_of(tool: RemoteHouseTool) -> ToolOutput:
    """What asking for the job of the first run finds."""
    return tool.output(CallContext(call_id=tool.ran[0].call_id, session=""))


async def answers(house: House, tool: RemoteHouseTool) -> None:
    """Let the request be answered, and wait until nothing moves."""
    assert tool.waits is not None
    tool.waits.set()
    await house.rest()


async def jobs(house: House) -> list[tuple[str, str]]:
    """Handle and state of every job."""
    found = await house.rows("SELECT handle, state FROM remote_job")
    return [(str(handle), str(state)) for handle, state in found]


async def rounds(house: House) -> None:
    """Let the poller stop what is over, look for it, and end it: one look each."""
    await house.ticks(WITHIN_S)
    await house.look()
    await house.look()


async def test_a_stop_while_a_job_begins_ends_the_job(house: House) -> None:
    """The turn ends once it is known what began; then that is ended, and paid for."""
    tool = await beginning(house)
    stopping = asyncio.create_task(house.command("stop"))
    await house.now.router.settled()
    await asyncio.sleep(0)
    await answers(house, tool)
    await stopping
    assert await house.turns() == ["cancelled"]
    assert await jobs(house) == [(tool.ran[0].call_id, "stopping")]
    await house.ticks(1)
    assert tool.cancelled == [tool.ran[0].call_id]
    assert (await house.held(), await house.settled()) == (0, DOLLAR // 2)


async def lost(house: House) -> RemoteHouseTool:
    """A job whose beginning broke off in the middle, while its turn goes on."""
    tool = await beginning(house)
    tool.fails.append(RuntimeError("the connection is gone"))
    await answers(house, tool)
    assert (await house.calls(), await house.turns()) == (["unknown"], ["done"])
    assert "If it has begun, it is found and ended." in house.results()[0].text
    assert (await jobs(house), await house.held()) == ([("", "running")], 2 * DOLLAR)
    return tool


async def test_a_job_nobody_saw_begin_is_found_and_ended(house: House) -> None:
    """By the id of its call, after a restart too; what it cost is booked."""
    tool = await lost(house)
    tool.probed = job_of(tool)
    await house.restart()
    await rounds(house)
    assert tool.cancelled == [tool.ran[0].call_id]
    assert (await house.held(), await house.settled()) == (0, DOLLAR // 2)
    assert await jobs(house) == [(tool.ran[0].call_id, "ended")]
    assert len(tool.ran) == 1


async def test_a_job_that_is_nowhere_frees_its_money_after_a_minute(house: House) -> None:
    """It is not believed at once: what is on its way appears late."""
    tool = await lost(house)
    await house.ticks(WITHIN_S)
    await house.ticks(WITHIN_S)
    assert await house.held() == 2 * DOLLAR
    for _ in range(4):
        await house.ticks(WITHIN_S)
    assert (await house.held(), await house.settled()) == (0, 0)
    assert (await jobs(house), await house.calls()) == ([("", "ended")], ["not_run"])
    assert (tool.cancelled, len(tool.ran)) == ([], 1)


async def test_a_job_nobody_can_look_for_is_told_to_owners(house: House) -> None:
    """The tries go on, and what is found late is ended all the same."""
    tool = await lost(house)
    tool.probed = UNREACHED
    for _ in range(7):
        await house.ticks(WITHIN_S)
    await house.until(lambda: any("begun unseen" in text for text in house.texts("1003")))
    assert (await jobs(house), await house.held()) == ([("", "unknown")], 2 * DOLLAR)
    tool.probed = job_of(tool)
    await house.ticks(61)
    await rounds(house)
    assert tool.cancelled == [tool.ran[0].call_id]
    assert (await house.held(), await house.settled()) == (0, DOLLAR // 2)


async def test_what_did_end_unseen_is_booked_as_it_ended(house: House) -> None:
    """There is nothing to be ended then."""
    tool = await lost(house)
    tool.probed = ToolOutput(text="done", spent=DOLLAR // 4, record="bill")
    await rounds(house)
    assert (await house.held(), await house.settled()) == (0, DOLLAR // 4)
    assert (tool.cancelled, await house.calls()) == ([], ["done"])


async def test_a_stop_while_a_job_is_in_doubt_has_it_looked_for(house: House) -> None:
    """A crash cut its beginning and its list can't be read: the duty outlives the turn."""
    tool = await beginning(house)
    await house.shut()
    tool.waits, tool.probed = None, UNREACHED
    await house.open()
    await house.rest()
    assert await house.calls() == ["intent"]
    await house.command("stop")
    assert (await house.turns(), await house.calls()) == (["cancelled"], ["unknown"])
    tool.probed = job_of(tool)
    await rounds(house)
    assert tool.cancelled == [tool.ran[0].call_id]
    assert (await house.held(), await house.settled()) == (0, DOLLAR // 2)


@pytest.mark.parametrize("found", [True, False])
async def test_a_crash_between_the_duty_and_the_result(house: House, *, found: bool) -> None:
    """The turn finds its job and waits for it, or begins it: nothing is left to be looked for."""
    tool = await beginning(house)
    await house.shut()
    tool.waits = None
    await house.store.write(
        lambda tx: tx.run(
            "INSERT INTO remote_job (call_id, turn_id, tool, handle, label, waits, state,"
            " started_at, deadline_at, look_at) SELECT id, turn_id, tool, '', 'remote', 0,"
            " 'running', 1, 1, 1 FROM tool_call"
        ),
        transition=transitions.RUN_BEGUN,
    )
    tool.probed = job_of(tool) if found else None
    await house.open()
    await house.rest()
    assert await house.calls() == ["running"]
    assert await jobs(house) == [(tool.ran[0].call_id, "running")]
    assert len(tool.ran) == (1 if found else 2)
    await house.look()
    assert (tool.cancelled, await house.held()) == ([], 2 * DOLLAR)


@pytest.mark.parametrize("late", [False, True])
async def test_a_turn_does_not_wait_for_a_job_whose_tool_is_gone(
    house: House, *, late: bool
) -> None:
    """The model goes on, owners are told, the hold stays; a tool that is back books the end."""
    tool = house.remote()
    await house.asks("remote")
    await house.press("Approve once", author=CAL)
    assert await house.turns() == ["waiting"]
    await house.shut()
    del house.tools["remote"]
    await house.open()
    await house.ticks(3_600 if late else WITHIN_S)
    assert (await house.turns(), await house.calls()) == (["done"], ["unknown"])
    assert "Nobody can look at this job" in house.results()[0].text
    assert await house.held() == 2 * DOLLAR
    await house.until(lambda: any("no tool remote" in text for text in house.texts("1003")))
    house.tools["remote"] = tool
    await house.restart()
    tool.end(spent=DOLLAR)
    await house.ticks(61)
    assert (await house.held(), await house.settled()) == (0, DOLLAR)
    assert await house.calls() == ["done"]


async def test_a_doubt_nobody_resolves_has_its_job_looked_for(house: House) -> None:
    """Its card expires and the turn ends: what may go on is not left to itself."""
    tool = await beginning(house)
    await house.shut()
    tool.waits, tool.probed = None, UNREACHED
    await house.open()
    await house.rest()
    await house.ticks(24 * 3_600)
    assert (await house.turns(), await house.calls()) == (["halted"], ["unknown"])
    tool.probed = job_of(tool)
    await rounds(house)
    assert tool.cancelled == [tool.ran[0].call_id]
    assert (await house.held(), await house.settled()) == (0, DOLLAR // 2)
