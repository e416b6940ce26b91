"""Sessions whose turn waits, for people or for work elsewhere, and who writes meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from agent.messages import ResultStatus, ToolResult, UserMessage
from agent.tools.base import CallContext, EffectClass, PreparedCall, RemoteJob, ToolOutput
from gateway.store.sqlite import SqliteStore
from platforms.content import Button, Post
from platforms.events import Author
from tests.agent.scripted import ScriptedTool, call
from tests.gateway.core import Core, says
from tests.gateway.doubt import CONFIG, FAR, in_topic
from tests.gateway.events import ANN, BEN, message, press
from tests.gateway.hand_clock import HandClock
from tests.gateway.records.rows import inbox_states

Make = Callable[..., Awaitable[Core]]
THREAD = "-100200/7"
ASKS = call("once", '{"verdict": "ask"}')


@dataclass(kw_only=True)
class FarTool(ScriptedTool):
    """A tool whose work goes on elsewhere until the test ends it."""

    over: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: list[str] = field(default_factory=list)

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        job = RemoteJob(handle="job-1", label="far: do", deadline_s=3600.0, poll_s=0.0)
        return ToolOutput(text="", remote=job)

    async def poll(self, handle: str) -> ToolOutput | None:
        return ToolOutput(text="trained") if self.over.is_set() else None

    async def cancel(self, handle: str) -> None:
        self.cancelled.append(handle)
        self.over.set()


@pytest.fixture
def far() -> FarTool:
    """The tool `far`."""
    return FarTool(name="far", effect=EffectClass.PROBE)


@pytest.fixture
async def make(
    store: SqliteStore, tmp_path: Path, clock: HandClock, far: FarTool
) -> AsyncIterator[Make]:
    """Makes connected gateways with the tools `once` and `far`, and stops them."""
    made: list[Core] = []
    tools = {"once": ScriptedTool(name="once", effect=EffectClass.ONCE), "far": far}

    async def core(**options: Any) -> Core:
        given: dict[str, Any] = {"tools": tools, "config": CONFIG} | options
        made.append(Core(store, tmp_path, clock, **given))
        await made[-1].connect()
        return made[-1]

    yield core
    for each in made:
        await each.close()


async def stands(core: Core, text: str, chat: str = "1001") -> None:
    """Wait until a text stands in a chat, among others."""
    await core.adapter.until(lambda: any(text in shown for shown in core.adapter.shown(chat)))


async def pressed(core: Core, label: str, *, number: int, author: Author = ANN) -> None:
    """Press a button of the only card."""
    (card,) = [op for op in core.adapter.performed if isinstance(op, Post) and op.controls]
    controls = [each for row in card.controls for each in row if isinstance(each, Button)]
    (button,) = [each for each in controls if each.label.startswith(label)]
    event = press(button.payload, number=number, chat=card.chat, author=author)
    await core.take(replace(event, press=replace(event.press, usable_until=FAR)))


def people(core: Core, request: int) -> list[str]:
    """What people said, as a request to the model has it."""
    messages = core.model.requests[request].messages
    return [m.text for m in messages if isinstance(m, UserMessage)]


def results(core: Core, request: int) -> list[ToolResult]:
    """The results a request to the model has."""
    return [m for m in core.model.requests[request].messages if isinstance(m, ToolResult)]


async def turns(core: Core) -> list[str]:
    """The state of every turn."""
    rows = await core.store.read(lambda tx: tx.rows("SELECT state FROM turn ORDER BY id"))
    return [str(row[0]) for row in rows]


async def idle(core: Core) -> None:
    """Wait until no turn runs."""
    async with asyncio.timeout(60):
        while core.sessions.running():
            await turns(core)


async def test_an_approved_call_runs_and_the_turn_goes_on(make: Make) -> None:
    """The press wakes it; the model is called again with the result, and not before."""
    core = await make()
    core.answers(says("Look.", calls=(ASKS,)), "Done.")
    await core.take(message("do it", number=1))
    await stands(core, "Look.")
    await stands(core, "Approval")
    await idle(core)
    assert len(core.model.requests) == 1
    await pressed(core, "Approve", number=2)
    await stands(core, "Done.")
    (result,) = results(core, 1)
    assert (result.status, result.text) == (ResultStatus.DONE, "once ran")
    assert core.adapter.shown("1001")[-1] == "Done."


@pytest.mark.parametrize("busy", ["join", "interrupt", "queue"])
async def test_words_of_who_asked_replace_what_is_pending(make: Make, busy: str) -> None:
    """Whatever a busy session does with words else; with `queue` they get a turn of their own."""
    core = await make(busy=busy)
    core.answers(says("Look.", calls=(ASKS,)), "Well.", "Then that.")
    await core.take(message("do it", number=1))
    await stands(core, "Look.")
    await core.take(message("rather that", number=2))
    await stands(core, "Well.")
    (result,) = results(core, 1)
    assert result.status is ResultStatus.NOT_RUN
    if busy == "queue":
        await stands(core, "Then that.")
        assert people(core, 1) == ["do it"]
    else:
        assert people(core, 1) == ["do it", "rather that"]
    await core.finish()
    assert set(await turns(core)) == {"done"}


async def test_others_are_told_once_what_is_waited_for(make: Make, store: SqliteStore) -> None:
    """Their words get a turn of their own, or join once it is decided; each person has one line."""
    core = await make()
    core.answers(says("Look.", calls=(ASKS,)), "Both.")
    await core.take(in_topic("do it", number=1))
    await stands(core, "Look.", THREAD)
    for number in (2, 3):
        await core.take(in_topic(f"and {number}?", number=number, author=BEN))
        await stands(core, "waits for a decision; what was written meanwhile is next", THREAD)
    told = [text for text in core.adapter.shown(THREAD) if "is next" in text]
    assert len(told) == 1
    assert (await inbox_states(store))[2][0] == "new"
    await pressed(core, "Approve", number=4)
    await stands(core, "Both.", THREAD)
    assert people(core, 1) == ["do it", "and 2?", "and 3?"]


async def test_work_elsewhere_is_waited_for_as_rows(make: Make, far: FarTool) -> None:
    """No task, no model call; whoever writes is told; its end goes on with what was written."""
    core = await make()
    core.answers(says("Training.", calls=(call("far"),)), "Trained.")
    await core.take(message("train", number=1))
    await stands(core, "Training.")
    await idle(core)
    await core.take(message("how far?", number=2))
    await stands(core, "Work elsewhere goes on; what was written meanwhile is next.")
    assert len(core.model.requests) == 1
    far.over.set()
    await core.desk.remote_jobs.round()
    await stands(core, "Trained.")
    (result,) = results(core, 1)
    assert (result.status, result.text) == (ResultStatus.DONE, "trained")
    assert people(core, 1) == ["train", "how far?"]


async def test_stop_ends_work_elsewhere(make: Make, far: FarTool, clock: HandClock) -> None:
    """The turn ends at once; the duty to end the work outlives it."""
    core = await make()
    core.answers(says("Training.", calls=(call("far"),)))
    await core.take(message("train", number=1))
    await stands(core, "Training.")
    await core.take(message("/stop", number=2))
    await stands(core, "Stopped by Ann.")
    await core.finish()
    assert await turns(core) == ["cancelled"]
    assert far.cancelled == []
    again = await make()
    await again.desk.remote_jobs.round()
    assert far.cancelled == ["job-1"]
    rows = await core.store.read(lambda tx: tx.rows("SELECT state FROM remote_job"))
    assert rows == [("ended",)]


async def test_a_freeze_stops_what_runs_in_its_chat_alone(make: Make) -> None:
    """Threads included, and chats whose name only begins the same are left alone."""
    core = await make()
    core.answers(says("A", asyncio.Event()), says("B", asyncio.Event()))
    await core.take(message("one", number=1))
    await core.model.waits.wait()
    core.model.waits.clear()
    await core.take(in_topic("two", number=2))
    await core.model.waits.wait()
    core.sessions.stop_in("telegram:77|telegram:-10020", "Cal")
    assert len(core.sessions.running()) == 2
    core.sessions.stop_in("telegram:77|telegram:-100200", "Cal")
    await stands(core, "Stopped by Cal.", THREAD)
    assert [turn.session_key for turn in core.sessions.running()] == ["telegram:77|telegram:1001"]
    core.sessions.stop_in("all", "Cal")
    await stands(core, "Stopped by Cal.")
