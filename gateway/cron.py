"""The clock: slots of jobs become fires, fires become turns, and what came of them is kept.

Theory of operation. A job's next slot stands in its row; a look finds the rows whose slot has come.
One transaction writes the fires of the slots that passed, the inbox row of the one that begins, and
the next slot: whoever moves the slot on first has it, and reading moves nothing. From its inbox row
on, a fire is a turn like any other, in a session of its own; what became of the turn is read from
its rows, so that no crash can leave a fire behind.

    a slot has come                its fires are stored (`cron_slots`); what runs is `due`
    a place is free, and the       its inbox row is stored and its session is woken
      fire before it is over
    its turn ends or waits         the fire follows: it is sent, tried again, or failed
    its answer has left            delivered; one that can't be delivered pauses the job

A look at least every `LOOK_S` seconds makes every slot on time, however the wall clock is set.
"""

import asyncio
import hashlib
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from typing import Any

from gateway import cron_jobs, cron_report, refs
from gateway.clock import Clock
from gateway.config.values import CronJob
from gateway.cron_door import (
    WAITING_MAX,
    Fired,
    FireOutcome,
    KeyConflict,
    Known,
    NoSuchJob,
    Signed,
    SignedBefore,
    TooMany,
)
from gateway.cron_news import News, Ways
from gateway.cron_outcomes import Outcomes, has_left
from gateway.cron_rows import arrival, insert_at_next_moment, let_go_of_late, new_fire
from gateway.cron_slots import AtWork, Passed, passed_slots, plan
from gateway.errors import StoreClosed, StoreError, StoreFailed
from gateway.progress import Wait
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import chats, cron, fires, hook_requests, inbox, listed
from gateway.store.records.cron import Job
from gateway.store.records.fires import BY_HAND, Fire, Followed, NewFire
from platforms.errors import PlatformError

LOOK_S = 20.0
SENDING_LOOK_S = 0.25
"""To the first look whether an answer has left; each further one comes twice as late."""

HELD_UP_LOOK_S = 5.0
AT_ONCE = 20
ROUNDS = 50
PLACES = 4
"""Fires at work at a time; one that waits for people takes none."""

log = logging.getLogger(__name__)


class Cron:
    """All jobs of this gateway."""

    def __init__(self, *, store: Store, clock: Clock, ways: Ways, wait: Wait) -> None:
        """`wait` waits for an event, or for so many seconds."""
        self._store = store
        self._clock = clock
        self._ways = ways
        self._wait = wait
        self._outcomes = Outcomes(clock)
        self._changed = asyncio.Event()
        self._spots: dict[str, tuple[str, str]] = {}
        self._sending_look_s = SENDING_LOOK_S
        self._closed = False

    async def open(self, written: tuple[CronJob, ...]) -> None:
        """Hold the configured jobs against the stored ones (D2)."""
        now = self._clock.now()
        if not written and not await self._store.read(cron.any_kept):
            return

        def unit(tx: Tx) -> None:
            for each in written:
                stored = cron.get(tx, each.name)
                job = cron_jobs.configured(each, stored, now=now)
                if job is not None:
                    cron.put(tx, job)
                    fires.withdraw(tx, job.name, "edited", now=now)
            names = {each.name for each in written}
            for job in cron.every(tx):
                if job.source == "config" and job.name not in names:
                    cron.remove(tx, job.name)
                    fires.withdraw(tx, job.name, "removed", now=now)
                let_go_of_late(tx, job, now=now)
                fires.prune(tx, job.name, now=now)
            for name in cron.removed(tx):
                fires.prune(tx, name, now=now)
                cron.forget(tx, name)

        await self._store.write(unit, transition=transitions.JOBS_KEPT)

    def close(self) -> None:
        """Let nothing begin any more: the gateway ends."""
        self._closed = True

    def look(self) -> None:
        """There may be something to do sooner than planned."""
        self._changed.set()

    async def run(self) -> None:
        """Look at what is due, until cancelled."""
        while not self._closed:
            pause_s = HELD_UP_LOOK_S
            try:
                self._changed.clear()
                pause_s = await self.round()
            except (StoreFailed, StoreClosed):
                return
            except StoreError as error:
                log.warning("the clock looks again: %s", error)
            except Exception:
                log.exception("the clock stumbled; it looks again")
            await self._wait(self._changed, pause_s)

    async def round(self) -> float:
        """Do all that is due now; seconds until the next look."""
        await self._know_spots()
        for followed in await self._store.read(fires.to_follow):
            await self._apart(f"f{followed.fire.id}", self._follow(followed))
        for _ in range(ROUNDS):
            if not (due := await self._due()):
                break
            for job in due:
                await self._apart(job.name, self._fire(job))
        await self._begin()
        return await self._store.read(self._pause_s)

    async def _apart(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        """Do something for one job; a fault in it is not the others'."""
        try:
            await work
        except StoreError:
            raise
        except Exception:
            log.exception("the clock stumbled over %s; other jobs go on", what)

    async def _due(self) -> tuple[Job, ...]:
        now = self._clock.now()
        return await self._store.read(lambda tx: cron.due(tx, now=now, limit=AT_ONCE))

    def _pause_s(self, tx: Tx) -> float:
        """Seconds until something comes that nobody tells of."""
        now = self._clock.now()
        soonest = LOOK_S
        if fires.any_sending(tx):
            soonest = min(LOOK_S, self._sending_look_s)
            self._sending_look_s = soonest * 2
        else:
            self._sending_look_s = SENDING_LOOK_S
        begins = fires.next_begin(tx)
        if begins is not None:
            soonest = min(soonest, (begins - now) / 1_000_000 if begins > now else HELD_UP_LOOK_S)
        slot = cron.next_slot(tx)
        if slot is not None:
            soonest = min(soonest, max(0.0, (slot - now) / 1_000_000))
        return soonest

    # -- from outside

    async def fire_now(
        self,
        name: str,
        *,
        by: str,
        key: str | None = None,
        data: str = "",
        signed: Signed | None = None,
        though_paused: bool = True,
    ) -> FireOutcome:
        """Store a fire outside of the job's slots; see `cron_door.CronDoor`."""
        digest = hashlib.sha256(data.encode()).hexdigest()
        await self._know_spots()
        accounts = self._accounts()

        def unit(tx: Tx) -> tuple[FireOutcome, News]:
            now = self._clock.now()
            news = News()
            job = cron.get(tx, name)
            if job is None or job.state == "removed":
                return NoSuchJob(), news
            if signed is not None and not _is_first_key(tx, name, signed, key or "", now):
                return SignedBefore(), news
            known = fires.by_key(tx, name, key, since=now - fires.KEY_US) if key else None
            if known is not None:
                same = known.digest == digest
                return Known(fire=known.id) if same else KeyConflict(), news
            if sum(each.job == name for each in fires.at_work(tx)) >= WAITING_MAX:
                return TooMany(), news
            rests = job.state == "paused" and not though_paused
            new = NewFire(
                job=name,
                state="skipped" if rests else "due",
                reason="paused" if rests else "",
                slot=now,
                fold=BY_HAND,
                by=by,
                begin_at=now,
                request_key=key,
                digest=digest,
                data=data,
            )
            ident = insert_at_next_moment(tx, new, now=now)
            fires.prune(tx, name, now=now)
            self._begin_due(tx, accounts, news)
            return Fired(fire=ident), news

        asked = transitions.FIRE_DUE if signed is None else transitions.HOOK_TAKEN
        outcome, news = await self._store.write(unit, transition=asked)
        self._tell(news)
        return outcome

    # -- slots

    async def _fire(self, job: Job) -> None:
        """Store what becomes of the slots of a job that have come."""
        first = cron_jobs.slot_of(job)
        try:
            schedule = cron_jobs.schedule_of(job)
        except ValueError as error:
            await self._rest(job, f"The job {job.name} rests: {error}.")
            return
        if schedule is None or first is None:
            await self._rest(job, "")
            return
        accounts = self._accounts()
        now = cron_jobs.moment(self._clock.now())
        # After a long time there are many, and the writer has other things to do.
        passed = await asyncio.to_thread(passed_slots, schedule, first, now)

        def unit(tx: Tx) -> News:
            news = News()
            stored = cron.get(tx, job.name)
            if stored is None or not _moved_on(tx, job, stored, passed):
                return news
            planned = plan(
                schedule,
                passed,
                now=now,
                missed=job.definition.missed,
                overlap=job.definition.overlap,
                paused=stored.state == "paused",
                at_work=_at_work(fires.at_work(tx), job.name),
            )
            at = cron_jobs.micros(now)
            for each in planned.fires:
                fires.insert(tx, new_fire(job.name, each, now=at), now=at)
            fires.prune(tx, job.name, now=at)
            self._begin_due(tx, accounts, news)
            return news

        self._tell(await self._store.write(unit, transition=transitions.FIRE_DUE))

    async def _rest(self, job: Job, why: str) -> None:
        """Let a job rest whose schedule can't be followed here, and tell owners why."""

        def unit(tx: Tx) -> bool:
            same = cron.get(tx, job.name) == job
            if same:
                cron.put(tx, cron_jobs.resting(job))
            return same

        if await self._store.write(unit, transition=transitions.JOB_CHANGED) and why:
            self._ways.tell_owners(f"cron:{job.name}", why)

    async def _begin(self) -> None:
        """Let fires begin that waited."""
        accounts = self._accounts()
        now = self._clock.now()
        if not await self._store.read(lambda tx: fires.any_to_begin(tx, now=now)):
            return

        def dry(tx: Tx) -> bool:
            return any(True for _ in self._startable(tx, accounts))

        if not await self._store.read(dry):
            return

        def unit(tx: Tx) -> News:
            news = News()
            self._begin_due(tx, accounts, news)
            return news

        self._tell(await self._store.write(unit, transition=transitions.FIRE_BEGUN))

    def _startable(self, tx: Tx, accounts: Mapping[str, str]) -> "list[tuple[Fire, Job | None]]":
        """Fires that may begin now, oldest first: one of a job at a time, as places are free."""
        now = self._clock.now()
        here = frozenset(accounts.values())
        work = fires.at_work(tx)
        # What waits for its platform to come back keeps no other from its place.
        places = PLACES - sum(opened or on in here for on, opened in fires.busy(tx))
        busy = {each.job for each in work if each.inbox_id is not None}
        found: list[tuple[Fire, Job | None]] = []
        for each in work:
            if each.inbox_id is not None or each.job in busy or len(found) >= places:
                continue
            busy.add(each.job)
            job = cron.get(tx, each.job)
            if job is not None and not _account(job, accounts):
                continue  # its platform is not connected
            if each.begin_at <= now:
                found.append((each, job))
        return found

    def _begin_due(self, tx: Tx, accounts: Mapping[str, str], news: News) -> None:
        """Let what may begin begin, or say why it goes without a run."""
        for fire, job in self._startable(tx, accounts):
            if job is None or job.state == "removed":
                fires.skip(tx, fire.id, "removed", now=self._clock.now())
                continue
            self._begin_one(tx, fire, job, _account(job, accounts), news)

    def _begin_one(self, tx: Tx, fire: Fire, job: Job, account: str, news: News) -> None:
        now = self._clock.now()
        place = listed.address(tx, account, job.definition.deliver)
        job = replace(job, definition=replace(job.definition, deliver=place))
        if account != job.account:
            cron.settle_account(tx, job.name, account)
        root = refs.root_text(place)
        if chats.state_of(tx, account=account, chat=root) == "dead":
            fires.move(tx, fire.id, "failed", reason="its chat is gone", now=now)
            self._outcomes.pause_for_chat(tx, job, fire, news)
            return
        why = self._ways.halt(tx, account, root)
        if why:
            fires.skip(tx, fire.id, why, now=now)
            return
        key = cron_report.session_key(job, fire, account)
        ident = inbox.insert(tx, arrival(job, fire, account, key, now=now))
        if ident is None:  # no other key is like it
            fires.move(tx, fire.id, "failed", reason="its row was there already", now=now)
            return
        approver, where = self._spots.get(job.definition.approver, ("", ""))
        spot = (approver, listed.address(tx, approver, where))
        fires.begin(tx, fire.id, inbox_id=ident, account=account, chat=place, approver=spot)
        news.sessions.append(key)

    # -- what became of them

    async def _follow(self, followed: Followed) -> None:
        fire = followed.fire
        if fire.state == "sending" and not await self._store.read(lambda tx: has_left(tx, fire)):
            return

        def unit(tx: Tx) -> News:
            news = News()
            fresh = fires.get(tx, fire.id)
            if fresh is not None and (fresh.state, fresh.turn_id) == (fire.state, fire.turn_id):
                self._outcomes.settle(tx, followed, news)
            return news

        self._tell(await self._store.write(unit, transition=transitions.FIRE_ENDED))

    # -- where

    def _accounts(self) -> Mapping[str, str]:
        """The connected account of every platform there is."""
        found = {name: self._ways.account_of(name) for name in _PLATFORMS}
        return {name: account for name, account in found.items() if account is not None}

    async def _know_spots(self) -> None:
        """Find out where those who approve for jobs are asked, as far as that is not known."""
        jobs = await self._store.read(cron.every)
        for approver in {job.definition.approver for job in jobs} - {"", *self._spots}:
            account = self._ways.account_of(approver.partition(":")[0])
            if account is None:
                continue
            if not cron_jobs.is_person(approver):
                self._spots[approver] = (account, approver)
                continue
            try:
                chat = await self._ways.direct(account, approver)
            except PlatformError as error:
                log.warning("%s can't be asked for jobs: %s", approver, error)
                continue
            self._spots[approver] = (account, chat)

    def _tell(self, news: News) -> None:
        """Hand on what a stored unit leads to."""
        self._ways.enqueue(tuple(news.rows))
        for key, sentence in news.owners:
            self._ways.tell_owners(key, sentence)
        for key in news.sessions:
            self._ways.wake(key)


_PLATFORMS = ("slack", "discord", "telegram", "web", "terminal")


def _account(job: Job, accounts: Mapping[str, str]) -> str:
    """Through which account a job answers; empty while its platform is not connected."""
    return accounts.get(job.definition.deliver.partition(":")[0], "")


def _moved_on(tx: Tx, job: Job, stored: Job, passed: Passed) -> bool:
    """Go on to the next slot; False if somebody else did, or the job was changed meanwhile."""
    if job.next_at is None or stored.definition != job.definition:
        return False
    upcoming = passed.upcoming
    moved = cron.move_on(
        tx,
        job.name,
        at=job.next_at,
        fold=job.next_fold,
        next_at=None if upcoming is None else cron_jobs.micros(upcoming.at),
        next_fold=0 if upcoming is None else upcoming.fold,
    )
    if moved and upcoming is None:
        cron.end(tx, job.name)
    return moved


def _is_first_key(tx: Tx, job: str, signed: Signed, key: str, now: int) -> bool:
    """Whether a signed request comes with the key it came with before, if it did."""
    until = signed.good_until
    return key == hook_requests.first_key(
        tx, job, signed.digest, key=key, good_until=until, now=now
    )


def _at_work(work: tuple[Fire, ...], name: str) -> AtWork:
    own = [each for each in work if each.job == name]
    begun = [each for each in own if each.inbox_id is not None or each.attempt > 1]
    return AtWork(running=bool(begun), waiting=len(own) - len(begun))
