"""Every way out of a turn leaves its session free: stuck, failing at its very end, taken up."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from agent.messages import ToolResult, UserMessage
from agent.tools.base import CallContext, EffectClass, PreparedCall, ToolOutput
from gateway.progress import CANCEL_WITHIN_S, INACTIVITY_S
from gateway.store.base import Tx
from gateway.store.records.explain import explain
from gateway.store.sqlite import SqliteStore
from platforms.blocks import Blocks
from tests.agent.scripted import ScriptedTool, call
from tests.gateway.core import Core, says
from tests.gateway.events import message
from tests.gateway.hand_clock import HandClock
from tests.gateway.records.rows import inbox_states
from tests.gateway.scripted_adapter import ScriptedAdapter
from tests.transitions import KEPT

Make = Callable[..., Core]

STUCK = (
    "I stopped after 15 minutes without any sign of progress."
    " Ask again, or for less at once (ref t1)."
)
SORRY = "Something in this request went wrong on our side. Its operator can look it up. (ref t1)"


@pytest.fixture
async def make(store: SqliteStore, tmp_path: Path, clock: HandClock) -> AsyncIterator[Make]:
    """Makes gateways over one store whose waiting passes by the clock, and stops them."""
    made: list[Core] = []

    def core(**options: Any) -> Core:
        made.append(Core(store, tmp_path, clock, **{"timed": True} | options))
        return made[-1]

    yield core
    for each in made:
        await each.close()


async def states(core: Core) -> list[str]:
    """How every turn ended."""
    rows = await core.store.read(lambda tx: tx.rows("SELECT state FROM turn ORDER BY id"))
    return [state for (state,) in rows]


async def test_a_stuck_turn_is_ended_and_its_session_is_free(make: Make, clock: HandClock) -> None:
    """A model that says nothing for so long; the next message is answered."""
    core = make()
    await core.connect()
    core.answers(says(asyncio.Event()), "Back.")
    await core.take(message("one", number=1))
    await core.model.waits.wait()
    await clock.asleep_until(clock.monotonic() + INACTIVITY_S)
    clock.advance(INACTIVITY_S)
    await core.shows(STUCK)
    await core.take(message("two", number=2))
    await core.shows(STUCK, "Back.")
    await core.finish()
    assert await states(core) == ["failed", "done"]
    assert await inbox_states(core.store) == {1: ("done", None, 1), 2: ("done", None, 2)}
    story = await core.store.read(lambda tx: explain(tx, "t1"))
    assert "  cause: no progress for 900 s" in story


async def test_a_turn_that_moves_is_not_ended_by_the_clock(make: Make, clock: HandClock) -> None:
    """Two waits of almost the whole time, and words in between."""
    first, second = asyncio.Event(), asyncio.Event()
    core = make()
    await core.connect()
    core.answers(says(first, "Par", second, "is."))
    await core.take(message())
    await core.model.waits.wait()
    await clock.asleep_until(clock.monotonic() + INACTIVITY_S)
    clock.advance(INACTIVITY_S - 1)
    core.model.waits.clear()
    first.set()
    await core.model.waits.wait()
    clock.advance(1)
    await clock.asleep_until(clock.monotonic() + INACTIVITY_S - 1)
    clock.advance(INACTIVITY_S - 2)
    second.set()
    await core.shows("Paris.")


async def test_a_turn_that_can_not_even_be_cancelled_is_left_behind(
    make: Make, clock: HandClock
) -> None:
    """What the stuck tool says later is not stored; the session went on long before."""
    began, go = asyncio.Event(), asyncio.Event()

    async def body(prepared: PreparedCall, context: CallContext) -> ToolOutput:
        began.set()
        while not go.is_set():
            with suppress(asyncio.CancelledError):
                await go.wait()
        return ToolOutput(text="too late")

    core = make(tools={"pure": ScriptedTool(name="pure", effect=EffectClass.PURE, does=body)})
    await core.connect()
    core.answers(says("Look.", calls=(call("pure"),)), "Back.")
    await core.take(message("one", number=1))
    await began.wait()
    clock.advance(INACTIVITY_S)
    await clock.asleep_until(clock.monotonic() + CANCEL_WITHIN_S)
    clock.advance(CANCEL_WITHIN_S)
    await core.shows(f"Look.\n\n{STUCK}")
    await core.take(message("two", number=2))
    await core.shows(f"Look.\n\n{STUCK}", "Back.")
    go.set()
    await core.finish()
    assert await states(core) == ["failed", "done"]
    results = [m for m in core.model.requests[1].messages if isinstance(m, ToolResult)]
    assert "too late" not in [result.text for result in results]


class Unmeasured(ScriptedAdapter):
    """A platform whose texts can't be measured while `broken` is set."""

    broken = True

    def fits(self, body: Blocks) -> bool:
        if self.broken:
            raise ZeroDivisionError
        return super().fits(body)


async def test_a_turn_whose_end_can_not_be_stored_is_not_run_again(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither its answer nor an apology fits: a plain line, and the next message is answered."""
    adapter = Unmeasured()
    core = make(adapter=adapter)
    await core.connect()
    core.answers("Paris.", "Back.")
    await core.take(message("one", number=1))
    await core.shows(SORRY)
    adapter.broken = False
    await core.take(message("two", number=2))
    await core.shows(SORRY, "Back.")
    await core.finish()
    assert await states(core) == ["failed", "done"]
    assert await inbox_states(core.store) == {1: ("done", None, 1), 2: ("done", None, 2)}
    assert "the end of turn t1 can't be stored as it is" in caplog.text
    story = await core.store.read(lambda tx: explain(tx, "t1"))
    assert "  cause: a fault in the gateway; its words could not be stored" in story
    assert core.failures == []


async def test_words_that_came_while_we_were_away_join_the_turn(make: Make) -> None:
    """A turn left before a model call reads them with that very call."""
    began, go = asyncio.Event(), asyncio.Event()

    async def body(prepared: PreparedCall, context: CallContext) -> ToolOutput:
        began.set()
        await go.wait()
        return ToolOutput(text="ran")

    tools = {"pure": ScriptedTool(name="pure", effect=EffectClass.PURE, does=body)}
    core = make(tools=tools)
    await core.connect()
    core.answers(says("Look.", calls=(call("pure"),)))
    await core.take(message("one", number=1))
    await began.wait()
    draining = asyncio.create_task(core.sessions.drain(60))
    await asyncio.sleep(0)
    go.set()
    await draining
    await core.take(message("two", number=2))
    assert await states(core) == ["open"]
    again = make(tools=tools)
    again.answers("Both.")
    await again.connect()
    await again.shows("Look.\n\nBoth.")
    said = [m.text for m in again.model.requests[0].messages if isinstance(m, UserMessage)]
    assert said == ["one", "two"]
    assert await inbox_states(core.store) == {1: ("done", None, 1), 2: ("done", None, 1)}


async def test_a_stop_said_before_a_crash_leaves_the_next_words_alone(make: Make) -> None:
    """The stopped turn ends at once when it is taken up; what came after it is answered."""
    core = make()
    await core.connect()
    core.answers(says("Once", asyncio.Event()))
    await core.take(message("one", number=1))
    await core.model.waits.wait()
    await core.sessions.drain(0)

    def stopped(tx: Tx) -> None:
        tx.run("UPDATE turn SET stopped_by = 'Ann'")

    await core.store.write(stopped, transition=KEPT)
    await core.take(message("two", number=2))
    again = make()
    again.answers("Two.")
    await again.connect()
    await again.shows("Stopped by Ann.", "Two.")
    await again.finish()
    assert await states(again) == ["cancelled", "done"]
