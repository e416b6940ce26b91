"""The wall clock jumps, as when a machine learns the time: nothing is lost and nothing waits."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.mailbox import PASTE
from gateway.store.sqlite import SqliteStore
from platforms.content import Post
from platforms.errors import PlatformUnavailable
from tests.faults.ground import Ground
from tests.faults.wires import SlackWire
from tests.gateway.core import Core, says
from tests.gateway.events import message
from tests.gateway.hand_clock import HandClock
from tests.gateway.scripted_adapter import ScriptedAdapter, fails
from tests.gateway.way_out import WayOut
from tests.scenarios.stage import WAIT_S
from tests.wire.server import CutAfter
from tests.wire.slack.server import SlackServer

HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S
JUMPS = pytest.mark.parametrize("jump_s", [-HOUR_S, DAY_S], ids=["back-an-hour", "on-a-day"])


class JumpyClock(HandClock):
    """Running time goes on by hand; the time of day jumps beside it."""

    def __init__(self) -> None:
        super().__init__()
        self._off = 0

    def now(self) -> int:
        """Microseconds since 1970, as far as anyone knows."""
        return super().now() + self._off

    def jump(self, seconds: float) -> None:
        """Somebody sets the clock."""
        self._off += int(seconds * 1_000_000)


@pytest.fixture
async def jumpy() -> JumpyClock:
    """A clock that can be set."""
    return JumpyClock()


@pytest.fixture
async def core(store: SqliteStore, tmp_path: Path, jumpy: JumpyClock) -> AsyncIterator[Core]:
    """A connected gateway by that clock, in which every message has a turn of its own."""
    made = Core(store, tmp_path, jumpy, busy="queue", timed=True)
    await made.connect()
    yield made
    await made.close()


@JUMPS
async def test_jump_during_a_turn(core: Core, jumpy: JumpyClock, jump_s: float) -> None:
    """The turn ends as it would, and what came before and after the jump follows in order."""
    held = asyncio.Event()
    core.answers(says("On we", held, " go."), "Two.", "Three.")
    await core.take(message("1?", number=1))
    await core.model.waits.wait()
    await core.take(message("2?", number=2))
    jumpy.jump(jump_s)
    await core.take(message("3?", number=3))
    held.set()
    await core.shows("On we go.", "Two.", "Three.")
    status = await core.operator.status()
    assert status.running == ()
    assert all(age >= 0 for age in status.admitted_age_s.values())


@JUMPS
async def test_jump_between_turns(core: Core, jumpy: JumpyClock, jump_s: float) -> None:
    """The next message is answered at once, with the past in view; a repeat is still known."""
    core.answers("One.", "Two.")
    await core.take(message("1?", number=1))
    await core.shows("One.")
    jumpy.jump(jump_s)
    await core.take(message("1?", number=1), message("2?", number=2))
    await core.shows("One.", "Two.")
    assert len(core.model.requests) == 2
    assert len(core.model.requests[1].messages) == 3


@JUMPS
async def test_jump_while_a_paste_comes_in(core: Core, jumpy: JumpyClock, jump_s: float) -> None:
    """The rest of a long paste is waited for as long as ever: a moment, not an hour."""
    core.answers("Read.")
    await core.take(message("x" * 4_000, number=1))
    await jumpy.asleep_until(jumpy.monotonic() + PASTE.gap_s)
    jumpy.jump(jump_s)
    jumpy.advance(PASTE.gap_s)
    await core.shows("Read.")


async def test_jump_during_an_outage(store: SqliteStore, jumpy: JumpyClock) -> None:
    """A clock that learns the time with the network gives up nothing that waited for both."""
    way = WayOut(store, jumpy, ScriptedAdapter())
    unreachable = fails(PlatformUnavailable)
    way.adapter.then(Post, unreachable, unreachable)
    row = await way.stored("Here it is.")
    way.outlet.enqueue((row,))
    await jumpy.asleep()
    jumpy.jump(DAY_S + 1)
    jumpy.advance(1)
    await way.adapter.performing(2, Post)
    flushing = asyncio.create_task(way.outlet.flush())
    sleeping = asyncio.create_task(jumpy.asleep())
    await asyncio.wait((flushing, sleeping), return_when=asyncio.FIRST_COMPLETED)
    sleeping.cancel()
    jumpy.advance(2)
    await flushing
    await way.outlet.close()
    assert way.adapter.shown("1001") == ["Here it is."]


@pytest.mark.slow
@pytest.mark.parametrize(
    "behind_s",
    [
        pytest.param(-HOUR_S, id="slack-is-ahead"),
        pytest.param(
            HOUR_S,
            id="slack-is-behind",
        ),
    ],
)
async def test_a_clock_that_differs_from_slacks(tmp_path: Path, behind_s: float) -> None:
    """A post whose answer was lost is found again in the channel, whatever the clocks say.

    Slow: a post in doubt is looked for twice, two seconds apart.
    """
    slack = SlackWire()
    slack.server = SlackServer(name="gatepost", clock=lambda: time.time() - behind_s)
    slack.server.person("U1", "ann")
    async with Ground(slack, path=tmp_path) as stage:
        slack.server.faults.add(slack.post, CutAfter())
        stage.answers("Once.")
        await slack.say("How often?")
        await slack.server.seen(lambda seen: seen.operation == slack.post, WAIT_S)
        await stage.halt()  # what is on its way arrives before that ends
        assert slack.shown() == ["Once."]
        await stage.start()
