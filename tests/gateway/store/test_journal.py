"""The writer over a scripted engine: grouping and failing, without a disk."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.errors import StoreClosed, StoreError, StoreFailed
from gateway.store.base import Durability, Tx
from gateway.store.journal import GROUP_MAX, Journal, Outcome, Returned, Unit

POWER, PROCESS = Durability.POWER, Durability.PROCESS


class ScriptedEngine:
    """Commits nothing but remembers each group; ends one as the script says."""

    def __init__(self, *errors: Exception | None) -> None:
        self.groups: list[tuple[int, Durability]] = []
        self.rests: list[bool] = []  # whether nobody waited
        self.held = asyncio.Event()
        self.held.set()
        self._errors = list(errors)

    async def commit(self, units: Sequence[Unit], durability: Durability) -> list[Outcome]:
        """See Engine."""
        self.groups.append((len(units), durability))
        await self.held.wait()
        error = self._errors.pop(0) if self._errors else None
        if error is not None:
            raise error
        return [Returned(value=number) for number, _ in enumerate(units)]

    async def rest(self, *, idle: bool) -> None:
        """See Engine."""
        self.rests.append(idle)


def nothing(tx: Tx) -> Any:
    """A unit; the scripted engine never runs it."""


def opened(engine: ScriptedEngine) -> tuple[Journal, list[StoreFailed]]:
    """A journal and the failures it reported."""
    failures: list[StoreFailed] = []
    return Journal(engine, on_failure=failures.append), failures


async def submit(journal: Journal, *durabilities: Durability) -> list[Any]:
    """What each of several callers of one loop pass gets."""
    calls = (journal.submit(nothing, durability) for durability in durabilities)
    return await asyncio.gather(*calls, return_exceptions=True)


async def test_a_lone_write_is_committed_alone_and_at_once() -> None:
    """Nothing waits for company that may not come."""
    engine = ScriptedEngine()
    journal, _ = opened(engine)
    assert await submit(journal, PROCESS) == [0]
    assert engine.groups == [(1, PROCESS)]
    await journal.close()


async def test_groups_are_capped_and_take_the_strongest_class() -> None:
    """Ten more than a group holds make two groups; POWER in one does not spill into the other."""
    engine = ScriptedEngine()
    journal, _ = opened(engine)
    await submit(journal, *[PROCESS] * (GROUP_MAX - 1), POWER, *[PROCESS] * 10)
    assert engine.groups == [(GROUP_MAX, POWER), (10, PROCESS)]
    assert engine.rests == [False, True]
    await journal.close()


async def test_callers_woken_by_a_commit_join_the_next_group() -> None:
    """Callers that write again and again stay together."""
    engine = ScriptedEngine()
    journal, _ = opened(engine)

    async def caller() -> None:
        for _ in range(5):
            await journal.submit(nothing, POWER)

    await asyncio.gather(*(caller() for _ in range(20)))
    assert engine.groups == [(20, POWER)] * 5
    await journal.close()


async def test_a_failed_commit_fails_the_group_the_queue_and_all_that_follows() -> None:
    """After StoreFailed nothing is written, everyone is told, the operator once."""
    engine = ScriptedEngine(StoreFailed("no room"))
    journal, failures = opened(engine)
    results = await submit(journal, *[POWER] * (GROUP_MAX + 5))
    assert [type(result) for result in results] == [StoreFailed] * (GROUP_MAX + 5)
    assert len({id(result) for result in results}) == len(results)
    with pytest.raises(StoreFailed, match="no room"):
        await journal.submit(nothing, PROCESS)
    assert engine.groups == [(GROUP_MAX, POWER)]
    assert [str(failure) for failure in failures] == ["no room"]
    await journal.close()


async def test_a_refused_commit_fails_its_group_only() -> None:
    """A StoreError that is not StoreFailed leaves the store open."""
    engine = ScriptedEngine(StoreError("busy"))
    journal, failures = opened(engine)
    assert [str(result) for result in await submit(journal, POWER, POWER)] == ["busy", "busy"]
    assert await submit(journal, POWER) == [0]
    assert failures == []
    await journal.close()


async def test_an_error_nobody_foresaw_fails_the_store() -> None:
    """A bug in an engine must not leave callers waiting for ever."""
    engine = ScriptedEngine(ZeroDivisionError())
    journal, failures = opened(engine)
    (result,) = await submit(journal, POWER)
    assert isinstance(result, StoreFailed)
    assert len(failures) == 1
    await journal.close()


async def test_close_waits_for_the_queue() -> None:
    """What was accepted is committed; what comes after the call is refused."""
    engine = ScriptedEngine()
    engine.held.clear()
    journal, _ = opened(engine)
    accepted = asyncio.create_task(submit(journal, POWER, POWER))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    closing = asyncio.create_task(journal.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreClosed):
        await journal.submit(nothing, POWER)
    engine.held.set()
    await closing
    assert await accepted == [0, 1]
