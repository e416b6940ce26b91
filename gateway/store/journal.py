"""The single writer: gathers what waits into one commit and answers each caller after it.

Theory of operation. Callers append a unit and await its future. One task takes what has
gathered, at most GROUP_MAX units, and hands it to the engine, which runs it as one
transaction. While that commit is under way the next group gathers by itself, so a sync is
paid per group and an idle store adds no delay.

    taking --close()--> closing --queue empty--> closed
       '------ a commit failed, from either ----> failed

In `failed` every waiting and later unit is refused: after a failed sync nobody knows what the
disk holds, and only a restart finds out. A caller that went away changes nothing; its unit is
committed with its group.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from gateway.errors import StoreClosed, StoreError, StoreFailed
from gateway.store.base import Durability, Tx

log = logging.getLogger(__name__)

T = TypeVar("T")
Unit = Callable[[Tx], Any]

GROUP_MAX = 50  # units in one commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """A unit ran; its rows stand once the commit does."""

    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """A unit raised; its rows are rolled back."""

    error: Exception


Outcome = Returned | Raised


class Engine(Protocol):
    """What the writer needs from a database; called by one task, one call at a time."""

    async def commit(self, units: Sequence[Unit], durability: Durability) -> list[Outcome]:
        """Run the units in order in one transaction and commit it: one outcome per unit.

        StoreFailed means the engine can no longer be written; any other StoreError that this
        transaction did not happen and a later one may.
        """
        ...

    async def rest(self, *, idle: bool) -> None:
        """A moment for house-keeping between two commits; unless idle, only for what is urgent.

        Raises as `commit` does.
        """
        ...


@dataclass(slots=True, kw_only=True)
class _Waiting:
    unit: Unit
    durability: Durability
    future: asyncio.Future[Any]


class Journal:
    """The queue in front of one engine and the task that empties it."""

    def __init__(self, engine: Engine, *, on_failure: Callable[[StoreFailed], None]) -> None:
        self._engine = engine
        self._on_failure = on_failure
        self._queue: deque[_Waiting] = deque()
        self._group: Sequence[_Waiting] = ()  # taken from the queue, not yet answered
        self._wake = asyncio.Event()
        self._closing = False
        self._failure: StoreFailed | None = None
        self._task = asyncio.get_running_loop().create_task(self._run(), name="store writer")

    @property
    def depth(self) -> int:
        """How many units wait."""
        return len(self._queue)

    @property
    def failure(self) -> StoreFailed | None:
        """Why nothing is written any more."""
        return self._failure

    async def submit(self, unit: Callable[[Tx], T], durability: Durability) -> T:
        """Queue one unit and wait for the commit that holds it."""
        if self._failure is not None:
            raise _again(self._failure)
        if self._closing:
            raise StoreClosed("the store is closed")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(unit=unit, durability=durability, future=future))
        self._wake.set()
        return await future

    async def close(self) -> None:
        """Take no more units and return when the last queued one is committed or refused."""
        self._closing = True
        self._wake.set()
        await asyncio.shield(self._task)

    async def _run(self) -> None:
        try:
            await self._write_on()
        except Exception as exc:
            log.exception("store writer ended by an unforeseen error; nothing more is written")
            self._fail(StoreFailed(f"the store's writer stopped: {type(exc).__name__}"))

    async def _write_on(self) -> None:
        while self._failure is None:
            if self._queue:
                # One pass of the loop: callers woken by the last commit join this one.
                await asyncio.sleep(0)
                await self._commit_group()
            elif self._closing:
                return
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _commit_group(self) -> None:
        group = [self._queue.popleft() for _ in range(min(len(self._queue), GROUP_MAX))]
        self._group = group
        power = any(waiting.durability is Durability.POWER for waiting in group)
        durability = Durability.POWER if power else Durability.PROCESS
        try:
            outcomes = await self._engine.commit([waiting.unit for waiting in group], durability)
        except StoreFailed as exc:
            self._fail(exc)
            return
        except StoreError as exc:
            for waiting in group:
                _refuse(waiting, exc)
            return
        for waiting, outcome in zip(group, outcomes, strict=True):
            _answer(waiting, outcome)
        self._group = ()
        await self._rest(idle=not self._queue)

    async def _rest(self, *, idle: bool) -> None:
        try:
            await self._engine.rest(idle=idle)
        except StoreFailed as exc:
            self._fail(exc)
        except StoreError as exc:
            log.warning("store house-keeping put off: %s", exc)

    def _fail(self, failure: StoreFailed) -> None:
        self._failure = failure
        for waiting in (*self._group, *self._queue):
            _refuse(waiting, failure)
        self._queue.clear()
        log.critical("store failed, nothing more is written: %s", failure)
        self._on_failure(failure)


def _answer(waiting: _Waiting, outcome: Outcome) -> None:
    match outcome:
        case Returned(value=value):
            if not waiting.future.done():
                waiting.future.set_result(value)
        case Raised(error=error):
            if not waiting.future.done():
                waiting.future.set_exception(_settable(error))
            else:
                log.warning("a unit failed after its caller left", exc_info=error)


def _refuse(waiting: _Waiting, error: StoreError) -> None:
    if not waiting.future.done():
        waiting.future.set_exception(_again(error))


def _again(error: StoreError) -> StoreError:
    """A fresh error per caller: one object raised in many tasks mixes their tracebacks."""
    copy = type(error)(*error.args)
    copy.__cause__ = error.__cause__
    return copy


def _settable(error: Exception) -> Exception:
    """A future takes any exception but StopIteration, which a bare `next()` in a unit raises."""
    if not isinstance(error, StopIteration):
        return error
    stopped = RuntimeError("a unit raised StopIteration")
    stopped.__cause__ = error
    return stopped
