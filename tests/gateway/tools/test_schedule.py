"""The `schedule` tool over a real store: jobs of its own chat, and what asks whom."""

from typing import Any

import pytest

from agent.errors import ToolError
from agent.tools.base import (
    CallContext,
    EffectClass,
    InspectingTool,
    LocalTool,
    Malformed,
    PreparedCall,
    RiskTag,
    Verdict,
)
from gateway.store.base import Store
from gateway.store.records import cron
from gateway.store.records.cron import Definition, Job
from gateway.tools.schedule import ScheduleTool
from tests.gateway.hand_clock import START, HandClock
from tests.gateway.records.rows import write

HERE = "telegram:-100200"
MINUTE = 60_000_000


@pytest.fixture
def tool(clock: HandClock) -> ScheduleTool:
    """The tool in a gateway of Berlin; it is 10:53 there."""
    return ScheduleTool(clock=clock, zone_name="Europe/Berlin")


def context(chat: str = HERE) -> CallContext:
    return CallContext(
        call_id="c1", session="s", account="telegram:77", chat=chat, requester="telegram:1001"
    )


def prepared(tool: ScheduleTool, operation: str, **arguments: Any) -> PreparedCall:
    call = tool.prepare({"operation": operation, **arguments})
    assert isinstance(call, PreparedCall), call
    return call


async def use(
    store: Store, tool: ScheduleTool, operation: str, chat: str = HERE, **fields: Any
) -> str:
    """The result of a call, committed as the gateway commits it."""
    call = prepared(tool, operation, **fields)
    return (await write(store, tool.unit(call, context(chat)))).text


@pytest.mark.parametrize(
    ("operation", "fields", "verdict", "tags"),
    [
        ("list", {}, Verdict.ALLOW, set()),
        ("pause", {"name": "a"}, Verdict.ALLOW, set()),
        ("create", {"schedule": "@daily", "prompt": "x"}, Verdict.ASK, {RiskTag.RECURRING}),
        ("change", {"name": "a", "prompt": "x"}, Verdict.ASK, {RiskTag.RECURRING}),
        ("resume", {"name": "a"}, Verdict.ASK, {RiskTag.RECURRING}),
        ("delete", {"name": "a"}, Verdict.ASK, {RiskTag.DESTRUCTIVE}),
    ],
)
def test_defaults(
    tool: ScheduleTool, operation: str, fields: dict[str, str], verdict: Verdict, tags: set[RiskTag]
) -> None:
    """What recurs and what ends for good asks; looking and pausing do not."""
    assert isinstance(tool, LocalTool) and isinstance(tool, InspectingTool)
    call = prepared(tool, operation, **fields)
    assert (call.effect, call.default, set(call.tags)) == (EffectClass.LOCAL, verdict, tags)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"schedule": "0 25 * * *", "prompt": "x"}, "hour"),
        ({"schedule": "@daily", "prompt": " "}, "prompt"),
        ({"schedule": "@daily", "prompt": "x", "timezone": "Mars/Base"}, "Mars/Base"),
        ({"prompt": "x"}, "schedule"),
    ],
)
def test_what_no_job_can_have_is_told_before_anybody_is_asked(
    tool: ScheduleTool, fields: dict[str, str], says: str
) -> None:
    """The model reads which field is wrong."""
    call = tool.prepare({"operation": "create", **fields})
    assert isinstance(call, Malformed) and says in call.text


async def test_the_card_shows_the_first_times(tool: ScheduleTool) -> None:
    """Three of them in the job's zone; a time that is over never gets to a card."""
    call = prepared(tool, "create", schedule="0 9 * * mon-fri", prompt="x")
    looked = await tool.inspect(call, context())
    assert isinstance(looked, PreparedCall)
    assert looked.summary == (
        "create 0 9 * * mon-fri; first Fri 2025-10-10 09:00 CEST, Mon 2025-10-13 09:00 CEST,"
        " Tue 2025-10-14 09:00 CEST"
    )
    past = prepared(tool, "create", schedule="at 2025-10-01T09:00", prompt="x")
    assert isinstance(await tool.inspect(past, context()), Malformed)


async def test_a_job_is_made_changed_paused_resumed_and_deleted(
    store: Store, tool: ScheduleTool, clock: HandClock
) -> None:
    """Each is told in a sentence; the next time follows what it is."""
    made = await use(store, tool, "create", schedule="0 9 * * *", prompt="Sum up the day!")
    assert made == "The job sum-up-the is made, next Fri 2025-10-10 09:00 CEST."
    changed = await use(store, tool, "change", name="sum-up-the", schedule="every 2h")
    assert changed == "The job sum-up-the is changed, next Thu 2025-10-09 12:53 CEST."
    await use(store, tool, "pause", name="sum-up-the")
    clock.advance(3 * 3600)
    listed = await use(store, tool, "list")
    assert listed == (
        "sum-up-the: every 2h (Europe/Berlin), paused by telegram:1001. Sum up the day!"
    )
    resumed = await use(store, tool, "resume", name="sum-up-the")
    assert resumed == "The job sum-up-the goes on, next Thu 2025-10-09 14:53 CEST."
    await use(store, tool, "delete", name="sum-up-the")
    assert await use(store, tool, "list") == "(no jobs in this chat)"


async def test_jobs_of_other_chats_and_of_the_configuration_are_out_of_reach(
    store: Store, tool: ScheduleTool
) -> None:
    """Neither is changed; those of another chat are not even named."""
    elsewhere = {"schedule": "@daily", "prompt": "x", "name": "theirs"}
    await use(store, tool, "create", chat="telegram:5", **elsewhere)
    definition = Definition(schedule="@daily", zone="UTC", prompt="x", deliver=HERE)
    ours = Job(name="ours", source="config", definition=definition, since=START)
    await write(store, lambda tx: cron.put(tx, ours))
    assert (await use(store, tool, "list")).startswith("ours: @daily (UTC), runs when")
    for name in ("theirs", "ours", "nobodys"):
        with pytest.raises(ToolError, match=name):
            await use(store, tool, "pause", name=name)


async def test_a_name_is_taken_once(store: Store, tool: ScheduleTool) -> None:
    """A second job of the same words gets another name; a chosen name is refused."""
    fields = {"schedule": "@daily", "prompt": "Sum up!"}
    await use(store, tool, "create", **fields)
    assert "sum-up-2" in await use(store, tool, "create", **fields)
    with pytest.raises(ToolError, match="There is a job sum-up already"):
        await use(store, tool, "create", **fields, name="sum-up")
