"""What counts as progress of a turn, and what becomes of work that makes none."""

import asyncio
from contextlib import aclosing

import pytest

from agent.credentials import StaticKey
from agent.messages import Usage
from agent.providers import bounds
from agent.providers.base import (
    ModelRequest,
    PulseReceived,
    Stop,
    StreamCompleted,
    TextReceived,
    UsageReported,
)
from agent.tool_runs import TOOL_DEADLINE_S
from gateway.progress import (
    CANCEL_WITHIN_S,
    INACTIVITY_S,
    NoProgress,
    Progress,
    WatchedProvider,
    WatchedStore,
    unless_stuck,
)
from gateway.store.records.sessions import Fenced
from gateway.store.sqlite import SqliteStore
from tests.agent.scripted import ScriptedProvider
from tests.gateway.hand_clock import HandClock
from tests.transitions import KEPT

REQUEST = ModelRequest(system="", messages=(), tools=(), max_output_tokens=None, session="s")


@pytest.mark.parametrize("kind", [bounds.CLOUD, bounds.REASONING, bounds.LOCAL])
def test_inactivity_is_longer_than_every_bound_below_it(kind: bounds.Bounds) -> None:
    """A turn is never ended for what its provider or tool was allowed to take."""
    grown = kind.grown(10**6)
    longest = max(grown.connect_s + grown.first_byte_s, grown.idle_s, grown.progress_s)
    assert longest + 60 < INACTIVITY_S
    assert TOOL_DEADLINE_S + 60 < INACTIVITY_S


async def test_work_that_moves_may_take_for_ever(clock: HandClock) -> None:
    """Hours, as long as every sign comes in time."""
    progress = Progress(clock)
    done = asyncio.Event()

    async def work() -> str:
        await done.wait()
        return "done"

    running = asyncio.create_task(unless_stuck(work(), progress, clock.wait))
    for _ in range(20):
        await clock.asleep()
        progress.moved()
        clock.advance(INACTIVITY_S - 1)
        await clock.asleep()
    done.set()
    assert await running == "done"


async def test_work_that_does_not_move_is_cancelled(clock: HandClock) -> None:
    """After the time without a sign, counted from the last one."""
    cancelled = asyncio.Event()
    progress = Progress(clock)

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    running = asyncio.create_task(unless_stuck(work(), progress, clock.wait))
    await clock.asleep()
    clock.advance(100)
    progress.moved()
    clock.advance(INACTIVITY_S - 100)
    await clock.asleep()
    assert not running.done()
    clock.advance(100)
    with pytest.raises(NoProgress):
        await running
    assert cancelled.is_set()


async def test_work_that_does_not_even_end_is_left_behind(clock: HandClock) -> None:
    """It gets a moment to clean up; what it does after that is nobody's business."""
    go = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await go.wait()
            raise ZeroDivisionError from None

    running = asyncio.create_task(unless_stuck(work(), Progress(clock), clock.wait))
    await clock.asleep()
    clock.advance(INACTIVITY_S)
    await clock.asleep_until(clock.monotonic() + CANCEL_WITHIN_S)
    clock.advance(CANCEL_WITHIN_S)
    with pytest.raises(NoProgress):
        await running
    go.set()
    await asyncio.sleep(0)


async def test_what_the_work_raises_is_raised(clock: HandClock) -> None:
    """As if it had run alone."""

    async def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await unless_stuck(work(), Progress(clock), clock.wait)


async def test_cancelling_the_caller_cancels_the_work(clock: HandClock) -> None:
    """And waits for its clean-up."""
    cleaned = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.set()

    running = asyncio.create_task(unless_stuck(work(), Progress(clock), clock.wait))
    await clock.asleep()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert cleaned.is_set()


async def test_events_of_a_model_are_progress_and_pulses_are_not(clock: HandClock) -> None:
    """Every event is handed on; the tokens of every request add up, the last report of each."""
    progress = Progress(clock)
    usage = UsageReported(usage=Usage(input=70, output=30))
    events = (
        PulseReceived(),
        TextReceived(text="a"),
        UsageReported(usage=Usage(input=70, output=1)),
        usage,
        StreamCompleted(stop=Stop.DONE),
    )
    provider = ScriptedProvider(events, events)
    watched = WatchedProvider(provider, progress)
    assert watched.origin == provider.origin
    lefts = []
    async with aclosing(watched.stream(REQUEST, await StaticKey(label="k", key="k").lease())) as s:
        async for event in s:
            lefts.append((event, progress.left_s))
            clock.advance(10)
    assert [event for event, _ in lefts] == list(events)
    assert [left for _, left in lefts] == [INACTIVITY_S] * 5
    assert progress.tokens == 100
    clock.advance(100)
    stream = watched.stream(REQUEST, await StaticKey(label="k", key="k").lease())
    assert await anext(stream) == PulseReceived()
    assert progress.left_s == INACTIVITY_S - 110
    await stream.aclose()
    assert progress.tokens == 100


async def test_writes_are_progress(store: SqliteStore, clock: HandClock) -> None:
    """Reading is not."""
    progress = Progress(clock)
    watched = WatchedStore(store, progress)
    clock.advance(100)
    await watched.read(lambda tx: tx.row("SELECT 1"))
    assert progress.left_s == INACTIVITY_S - 100
    assert await watched.write(lambda tx: tx.row("SELECT 1"), transition=KEPT) == (1,)
    assert progress.left_s == INACTIVITY_S
    assert watched.health().failed is None


async def test_work_that_was_given_up_writes_nothing(store: SqliteStore, clock: HandClock) -> None:
    """Whoever ended it still does."""
    watched = WatchedStore(store, Progress(clock))
    watched.only(asyncio.current_task())

    async def left_behind() -> None:
        await watched.write(lambda tx: tx.run("DELETE FROM turn"), transition=KEPT)

    with pytest.raises(Fenced):
        await asyncio.create_task(left_behind())
    assert await watched.write(lambda tx: tx.row("SELECT 1"), transition=KEPT) == (1,)
