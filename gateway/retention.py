"""Forgets what is older than the configured days, a little at a time, once a day.

Theory of operation. Two ages: after `keep_days` a row loses its words, KEYS_DAYS later it goes.
In between its keys still stop a repeat of the same delivery, and `why` still tells what became
of it.

    what                      words go                         the row goes
    inbox row, settled        payload and content              KEYS_DAYS later, with its keys
    inbox row of what was     the same after a day, looked     the same
    not said to us            for every hour
    outbox row, settled       content                          KEYS_DAYS later
    turn, ended               what its calls were given        KEYS_DAYS later, with steps, calls,
    and its cards             and ran, what cards showed,      cards and jobs; not before its last
                              what people wrote on them        message, and the end of its jobs
    grant, /auto, ended       -                                at once
    prompt                    -                                a day after its time
    reservation, closed       -                                after MONEY_DAYS, as do rows of the
    and model calls                                            ledger and windows that ended
    audit                     -                                after MONEY_DAYS; a checkpoint in
                                                               its chain vouches for what went
    message                   -                                at once
    session                   title, once idle for so long     KEYS_DAYS later if nothing is left
    start, gap                -                                at once
    request to talk that      -                                at once
    nobody granted
    payload file              -                                when no row names it

Money is kept for longer than words: after MONEY_DAYS, or `keep_days` if that is more.

Kept whatever their age: what waits or is in work, every row of an open turn, freezes, and of a
session in use the newest messages, as many as a model may be shown. A session is in use until
`/new`, or until nothing happened in it for `keep_days`: then the chat begins afresh. The setting a
person chose for a chat stays.

Reads find what is due by partial indexes; each unit changes at most `retention.UNIT_ROWS` rows
and pauses for other writers. A crash in between costs nothing: the next pass goes on.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import TypeVar

from gateway.clock import Clock
from gateway.errors import StoreClosed, StoreFailed
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.blobs import SHARDS, Blobs
from gateway.store.records import audit, overheard, retention, retention_money
from gateway.store.records.retention import START, UNIT_ROWS, Due

T = TypeVar("T")

KEYS_DAYS = 7
DAY = 86_400_000_000  # microseconds
MONEY_DAYS = audit.KEPT_US // DAY
FIRST_AFTER_S = 600.0  # a start has better things to do
EVERY_S = 3_600.0
PAUSE_S = 0.02  # after each unit; other writers go first
BLOB_REST_S = 3600.0
"""A payload is stored before the row that names it; one as young as this may still get its row."""

log = logging.getLogger(__name__)

Find = Callable[..., list[Due]]
Change = Callable[..., int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What one pass took away: how many rows lost their words, how many went, payload files.

    `money` counts reservations, model calls, movements and windows, `audit` rows of the audit.
    """

    words: int
    messages: int
    rows: int
    payloads: int
    money: int = 0
    audit: int = 0


class Retention:
    """Prunes one store and its payload files."""

    def __init__(
        self,
        *,
        store: Store,
        blobs: Blobs,
        clock: Clock,
        keep_days: int,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`keep_days` 0 keeps everything."""
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._keep_days = keep_days
        self._sleep = sleep

    async def run(self) -> None:
        """Prune once a day until cancelled; returns at once if everything is kept.

        What was not said to us goes every hour.
        """
        if self._keep_days == 0:
            return
        await self._sleep(FIRST_AFTER_S)
        for hour in count():
            try:
                if hour % 24:
                    await self._overheard(self._clock.now())
                else:
                    log.info("pruned %s", await self.prune(now=self._clock.now()))
            except (StoreFailed, StoreClosed):
                return  # whoever opened the store knows
            except Exception:
                log.exception("pruning stopped; it goes on tomorrow, all else is unaffected")
            await self._sleep(EVERY_S)

    async def prune(self, *, now: int) -> Pruned:
        """Make one whole pass; `now` in microseconds since 1970."""
        old = now - self._keep_days * DAY
        words = await self._each(retention.events_due, retention.forget_events, old, now)
        words += await self._overheard(now)
        words += await self._each(retention.sends_due, retention.forget_sends, old, now)
        words += await self._one_by_one(retention.turns_due, retention.forget_turn, old, now)
        messages, rows = await self._sessions(old)
        over = now - KEYS_DAYS * DAY
        rows += await self._each(retention.events_over, retention.delete_events, over, now)
        rows += await self._each(retention.sends_over, retention.delete_sends, over, now)
        rows += await self._one_by_one(retention.turns_over, retention.delete_turn, over, now)
        rows += await self._until_none(partial(retention.delete_runs, before=old))
        rows += await self._until_none(partial(retention.delete_pairings, before=old))
        rows += await self._until_none(partial(retention_money.delete_leaves, before=old))
        rows += await self._until_none(partial(retention_money.delete_prompts, before=now - DAY))
        money, audited = await self._money(now)
        payloads = await self._payloads(now / 1_000_000 - BLOB_REST_S)
        return Pruned(
            words=words,
            messages=messages,
            rows=rows,
            payloads=payloads,
            money=money,
            audit=audited,
        )

    async def _overheard(self, now: int) -> int:
        """What people of a group said to each other a day ago; returns how many rows lost it."""
        heard = now - overheard.KEPT_US
        return await self._each(overheard.due, retention.forget_events, heard, now)

    async def _money(self, now: int) -> tuple[int, int]:
        """What is too old of money and of the audit; returns how many rows of each went."""
        old = now - max(MONEY_DAYS, self._keep_days) * DAY
        money = await self._until_none(partial(retention_money.delete_movements, before=old))
        money += await self._until_none(partial(retention_money.delete_model_calls, before=old))
        money += await self._until_none(partial(retention_money.delete_reservations, before=old))
        money += await self._until_none(partial(retention_money.delete_windows, before=old))
        audited = partial(retention_money.prune_audit, before=old, now=now)
        return money, await self._until_none(audited)

    async def _until_none(self, unit: Callable[[Tx], int]) -> int:
        """Run a unit again and again until it changes nothing; returns what it changed."""
        changed = 0
        while found := await self._write(unit):
            changed += found
        return changed

    async def _each(self, find: Find, change: Change, before: int, now: int) -> int:
        """Change everything that is found, a page in a unit; returns the changed rows."""
        changed = 0
        async for ids in self._due(find, before):
            changed += await self._write(partial(change, ids=ids, now=now))
        return changed

    async def _one_by_one(self, find: Find, change: Change, before: int, now: int) -> int:
        """The same where an id stands for several rows: a unit ends when it has enough."""
        changed = 0
        async for ids in self._due(find, before):
            changed += await self._in_units(partial(change, now=now), ids)
        return changed

    async def _in_units(self, change: Change, ids: Sequence[int]) -> int:
        changed = 0
        left = ids
        while left:
            done, rows = await self._write(partial(_enough, change=change, ids=left))
            left = left[done:]
            changed += rows
        return changed

    async def _due(self, find: Find, before: int) -> AsyncIterator[tuple[int, ...]]:
        """Ids of what is due and not held, a page at a time."""
        place = START
        while page := await self._store.read(partial(find, before=before, after=place)):
            place = page[-1].place
            if ids := tuple(due.id for due in page if not due.held):
                yield ids

    async def _sessions(self, old: int) -> tuple[int, int]:
        """Go through all sessions by their key; returns messages and sessions that went."""
        messages = gone = last = 0
        while page := await self._store.read(partial(retention.sessions_after, after=last)):
            due = tuple(s.id for s in page if retention.forgettable(s, before=old))
            forgotten = await self._in_units(partial(retention.forget_session, before=old), due)
            messages += forgotten
            if forgotten:
                continue  # look again: of a long transcript only a part went
            over = old - KEYS_DAYS * DAY
            empty = tuple(s.id for s in page if retention.removable(s, before=over))
            gone += await self._in_units(partial(retention.delete_session, before=over), empty)
            last = page[-1].id
        return messages, gone

    async def _payloads(self, before_s: float) -> int:
        """Remove payload files that no row names, also those whose row was never stored."""
        removed = 0
        for shard in range(SHARDS):
            names = await self._blobs.rested(shard, before_s=before_s)
            for first in range(0, len(names), UNIT_ROWS):
                part = names[first : first + UNIT_ROWS]
                unused = await self._store.read(partial(_unused, names=part))
                removed += await self._blobs.drop(unused, before_s=before_s)
        return removed

    async def _write(self, unit: Callable[[Tx], T]) -> T:
        result = await self._store.write(unit, transition=transitions.RETENTION_PRUNED)
        await self._sleep(PAUSE_S)
        return result


def _enough(tx: Tx, *, change: Change, ids: Sequence[int]) -> tuple[int, int]:
    """Change one id after the other until a unit has half its rows; ids done, rows changed."""
    changed = 0
    for done, ident in enumerate(ids, start=1):
        changed += change(tx, ident)
        if changed >= UNIT_ROWS // 2:
            return done, changed
    return len(ids), changed


def _unused(tx: Tx, *, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in names if not retention.blob_in_use(tx, name))
