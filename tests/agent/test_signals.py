"""Reaching into a running turn."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from agent.signals import Cut, TurnSignals


class Work:
    """Work that runs until let go, and says how it ended."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.go = asyncio.Event()
        self.cleaned = asyncio.Event()

    async def __call__(self) -> str:
        self.began.set()
        try:
            await self.go.wait()
        finally:
            await asyncio.sleep(0)  # a clean-up that needs the loop
            self.cleaned.set()
        return "done"


@pytest.fixture
async def work() -> AsyncIterator[Work]:
    yield Work()


def guarded(
    signals: TurnSignals, work: Work, *, interruptible: bool = True
) -> asyncio.Task[str | Cut]:
    """The work in a guard, as the runner's task would hold it."""
    return asyncio.create_task(signals.guard(work(), interruptible=lambda: interruptible))


async def test_work_that_ends_gives_its_result(work: Work) -> None:
    """Without a signal the guard is not there."""
    work.go.set()
    assert await TurnSignals().guard(work()) == "done"


async def test_what_work_raises_is_raised() -> None:
    """An error is the caller's."""

    async def fails() -> None:
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        await TurnSignals().guard(fails())


@pytest.mark.parametrize("interruptible", [True, False])
async def test_stop_cuts_work_and_waits_for_its_clean_up(work: Work, interruptible: bool) -> None:
    """Whatever runs is cut by /stop, and nothing of it is left running."""
    signals = TurnSignals()
    task = guarded(signals, work, interruptible=interruptible)
    await work.began.wait()
    signals.stop("Ann")
    assert await task == Cut(stopped_by="Ann")
    assert work.cleaned.is_set()


async def test_a_stop_stays_and_the_first_name_wins(work: Work) -> None:
    """Between two pieces of work a stop is not lost, and later ones change nothing."""
    signals = TurnSignals()
    signals.stop("Ann")
    signals.stop("Ben")
    assert signals.stopped_by == "Ann"
    assert await signals.guard(work()) == Cut(stopped_by="Ann")
    assert not work.began.is_set()


async def test_interrupt_cuts_only_what_allows_it(work: Work) -> None:
    """New words cut a model call; tools go on."""
    signals = TurnSignals()
    task = guarded(signals, work, interruptible=False)
    await work.began.wait()
    signals.interrupt()
    work.go.set()
    assert await task == "done"
    again = Work()
    task = guarded(signals, again)
    await again.began.wait()
    signals.interrupt()
    assert await task == Cut(stopped_by=None)
    assert again.cleaned.is_set()


async def test_an_interrupt_between_work_is_forgotten(work: Work) -> None:
    """Nothing runs, so nothing is cut: the words join by themselves."""
    signals = TurnSignals()
    signals.interrupt()
    work.go.set()
    assert await signals.guard(work()) == "done"


async def test_stop_during_an_interrupt_is_a_stop(work: Work) -> None:
    """While the clean-up of an interrupted call runs, /stop still counts."""
    signals = TurnSignals()
    task = guarded(signals, work)
    await work.began.wait()
    signals.interrupt()
    signals.stop("Ann")
    assert await task == Cut(stopped_by="Ann")


async def test_cancelling_the_caller_cancels_the_work(work: Work) -> None:
    """Shutdown reaches through: the work is cleaned up before the caller is gone."""
    signals = TurnSignals()
    task = guarded(signals, work)
    await work.began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.cleaned.is_set()


async def test_work_that_ends_in_spite_of_a_stop_keeps_its_result() -> None:
    """A result that is there is not thrown away; the stop is there for what comes next."""
    signals = TurnSignals()
    began = asyncio.Event()

    async def stubborn() -> str:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "done"
        return "never"

    task = asyncio.create_task(signals.guard(stubborn()))
    await began.wait()
    signals.stop("Ann")
    assert await task == "done"
    assert signals.stopped_by == "Ann"
