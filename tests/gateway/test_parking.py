"""A stop of the gateway: turns come to their next stored step, and the next run goes on there."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.messages import ResultStatus, ToolResult
from agent.tools.base import CallContext, EffectClass, PreparedCall, ToolOutput
from gateway.store.sqlite import SqliteStore
from platforms.content import Button, Post
from tests.agent.scripted import ScriptedTool, call, unavailable
from tests.gateway.core import Core, says
from tests.gateway.doubt import buttons
from tests.gateway.events import message, press
from tests.gateway.hand_clock import HandClock
from tests.gateway.records.rows import inbox_states
from tests.gateway.scripted_adapter import ScriptedAdapter

STOP_S = 60.0


class Working:
    """What a tool does: it begins, and ends when it may."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.began = asyncio.Event()
        self.may_end = asyncio.Event()

    async def __call__(self, prepared: PreparedCall, context: CallContext) -> ToolOutput:
        self.ids.append(context.call_id)
        self.began.set()
        await self.may_end.wait()
        return ToolOutput(text="ran")


class Gateways:
    """Gateways with one tool, one after the other."""

    def __init__(self, store: SqliteStore, path: Path, clock: HandClock) -> None:
        self.store = store
        self.adapter = ScriptedAdapter()
        self.work = Working()
        self._tools = {"once": ScriptedTool(name="once", effect=EffectClass.ONCE, does=self.work)}
        self._path = path
        self._clock = clock
        self.cores: list[Core] = []

    async def start(self, *answers: str) -> Core:
        """A connected gateway whose model gives these answers."""
        core = Core(
            self.store, self._path, self._clock, tools={**self._tools}, adapter=self.adapter
        )
        self.cores.append(core)
        core.answers(*answers)
        await core.connect()
        return core

    async def stopping(self) -> "asyncio.Task[None]":
        """Begin to stop the present gateway as SIGTERM does."""
        core = self.cores[-1]
        core.ingest.close()
        task = asyncio.create_task(core.sessions.drain(STOP_S))
        await asyncio.sleep(0)
        return task

    async def states(self) -> list[str]:
        """The state of every turn."""
        rows = await self.store.read(lambda tx: tx.rows("SELECT state FROM turn ORDER BY id"))
        return [str(row[0]) for row in rows]

    async def close(self) -> None:
        """End whatever runs."""
        self.work.may_end.set()
        for core in self.cores:
            await core.close()


@pytest.fixture
async def gateways(store: SqliteStore, tmp_path: Path, clock: HandClock) -> AsyncIterator[Gateways]:
    """No gateway yet."""
    made = Gateways(store, tmp_path, clock)
    yield made
    await made.close()


async def test_a_running_model_call_ends_and_its_tool_is_not_begun(gateways: Gateways) -> None:
    """The reply is stored with its call; the next run runs it and asks the model once more."""
    core = await gateways.start()
    held = asyncio.Event()
    core.answers(says("Look", held, ".", calls=(call("once"),)))
    await core.take(message("do it"))
    await core.model.waits.wait()
    stopping = await gateways.stopping()
    assert not stopping.done()
    held.set()
    await stopping
    assert (await gateways.states(), gateways.work.ids) == (["open"], [])
    assert (await inbox_states(gateways.store))[1][0] == "claimed"
    gateways.work.may_end.set()
    again = await gateways.start("Done.")
    await again.adapter.until(lambda: again.adapter.shown("1001") == ["Look.\n\nDone."])
    await again.finish()
    assert await gateways.states() == ["done"]
    assert (len(core.model.requests), len(again.model.requests)) == (1, 1)
    assert len(gateways.work.ids) == 1


async def test_a_running_tool_ends_and_no_step_is_begun(gateways: Gateways) -> None:
    """Its result is stored; the next run asks the model and runs it no second time."""
    core = await gateways.start()
    core.answers(says("Look.", calls=(call("once"),)), "Never.")
    await core.take(message("do it"))
    await gateways.work.began.wait()
    stopping = await gateways.stopping()
    assert not stopping.done()
    gateways.work.may_end.set()
    await stopping
    assert (await gateways.states(), len(core.model.requests)) == (["open"], 1)
    again = await gateways.start("Done.")
    await again.shows("Look.\n\nDone.")
    (result,) = [m for m in again.model.requests[0].messages if isinstance(m, ToolResult)]
    assert (result.status, result.text) == (ResultStatus.DONE, "ran")
    assert len(gateways.work.ids) == 1


async def test_an_answer_that_ends_in_time_is_delivered(gateways: Gateways) -> None:
    """There is nothing left to park."""
    core = await gateways.start()
    held = asyncio.Event()
    core.answers(says("Par", held, "is."))
    await core.take(message())
    await core.model.waits.wait()
    stopping = await gateways.stopping()
    held.set()
    await stopping
    await core.shows("Paris.")
    assert await gateways.states() == ["done"]


async def test_a_failing_call_is_not_tried_again_while_the_gateway_stops(
    gateways: Gateways,
) -> None:
    """Whoever would be next: the next start asks, from the primary on."""
    core = await gateways.start()
    held = asyncio.Event()
    core.model.script((held, unavailable()))
    core.spare.script(says("Spare."))
    await core.take(message())
    await core.model.waits.wait()
    stopping = await gateways.stopping()
    held.set()
    await stopping
    assert core.spare.requests == []
    again = await gateways.start("Here.")
    await again.shows("Here.")


async def test_a_turn_that_was_only_opened_is_left_before_its_call(gateways: Gateways) -> None:
    """The stop comes while it is being taken: no model is asked any more."""
    core = await gateways.start()
    await core.take(message("do it"))
    await (await gateways.stopping())
    assert core.model.requests == []
    again = await gateways.start("Done.")
    await again.shows("Done.")
    assert len(again.model.requests) == 1


async def test_stop_during_a_stop_ends_the_turn(gateways: Gateways) -> None:
    """Who does not want the answer any more gets no other after the restart."""
    core = await gateways.start()
    core.answers(says("Once", asyncio.Event()))
    await core.take(message())
    await core.model.waits.wait()
    stopping = await gateways.stopping()
    assert core.sessions.stop("telegram:77|telegram:1001", "Ann")
    await stopping
    await core.shows("Once\n\nStopped by Ann.")
    assert await gateways.states() == ["cancelled"]


async def waits(core: Core) -> dict[str, Button]:
    """Wait until a turn waits for people: its card stands, and its words so far; its buttons."""
    await core.adapter.until(lambda: len(core.adapter.shown("1001")) == 2)
    (card,) = [op for op in core.adapter.performed if isinstance(op, Post) and op.controls]
    return buttons(card)


async def test_what_does_not_end_in_time_is_cut(gateways: Gateways) -> None:
    """A tool that is cut is in doubt, and people are asked."""
    core = await gateways.start()
    core.answers(says("Look.", calls=(call("once"),)))
    await core.take(message(number=1))
    await gateways.work.began.wait()
    core.ingest.close()
    await core.sessions.drain(0)
    assert await gateways.states() == ["open"]
    again = await gateways.start()
    await waits(again)
    assert (await gateways.states(), len(gateways.work.ids)) == (["waiting"], 1)


async def test_a_turn_that_waits_for_people_holds_no_stop_up(gateways: Gateways) -> None:
    """Nothing of it runs; a press that comes too late for this run is for the next one."""
    core = await gateways.start()
    core.answers(says("Look.", calls=(call("once"),)))
    await core.take(message(number=1))
    await gateways.work.began.wait()
    await core.sessions.drain(0)
    again = await gateways.start()
    skip = (await waits(again))["Skip"].payload
    draining = asyncio.create_task(again.sessions.drain(STOP_S))
    await draining
    await again.take(press(skip, number=2))
    await again.router.settled()
    assert (await gateways.states(), again.model.requests) == (["open"], [])
    last = await gateways.start("Done.")
    await last.adapter.until(lambda: last.adapter.shown("1001")[1:] == ["Look.", "Done."])
    assert len(gateways.work.ids) == 1
