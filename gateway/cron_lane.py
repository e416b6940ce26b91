"""`/cron` in chats: who may, and what they read."""

import re
from collections.abc import Callable
from datetime import tzinfo
from typing import Final

from gateway import cron_changes, cron_jobs
from gateway.clock import Clock
from gateway.cron import Cron
from gateway.cron_changes import JobRefused, NewJob
from gateway.cron_door import Fired, KeyConflict, Known, NoSuchJob, SignedBefore, TooMany
from gateway.entitled import Rights
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import cron, inbox, listed
from gateway.store.records.cron import Job
from gateway.store.records.inbox import Waiting
from gateway.words import cron as said
from gateway.words.phrase import ENGLISH, Reader, Told, spoken

SHOWN: Final = 50

_ADD: Final = re.compile(
    r'\s*(?:["\u201c\u201d\u201e]([^"\u201c\u201d\u201e]+)["\u201c\u201d]|(@\w+))\s+(.+)',
    re.DOTALL,
)


class CronLane:
    """Carries `/cron` out. Owners change jobs, and whoever made one changes that one.

    People know of the jobs that post in the chat they write in, and of their own; for them no
    others exist. Owners know of all.
    """

    def __init__(
        self, *, store: Store, clock: Clock, cron: Cron, rights: Rights, zone_name: str
    ) -> None:
        """`zone_name` is the zone of jobs that are made here."""
        self._store = store
        self._clock = clock
        self._cron = cron
        self._rights = rights
        self._zone_name = zone_name

    async def handle(self, row: Waiting, reader: Reader = ENGLISH) -> str:
        """Carry one command out; what whoever gave it reads."""
        try:
            return spoken(await self._carried_out(row, reader), reader)
        except JobRefused as refused:
            return spoken(refused.told, reader)

    async def _carried_out(self, row: Waiting, reader: Reader) -> Told:
        verb, _, rest = row.content.args.strip().partition(" ")
        match verb.lower():
            case "" | "list":
                return await self._store.read(lambda tx: self._list(tx, row, reader))
            case "next":
                return await self._next(row, rest.strip(), reader)
            case "run":
                return await self._run(row, rest.strip())
            case "pause" | "resume" | "remove" as change:
                return await self._change(row, change, rest.strip(), reader)
            case "add":
                return await self._add(row, rest, reader)
            case _:
                return said.USAGE.of()

    def _list(self, tx: Tx, row: Waiting, reader: Reader) -> str:
        jobs = [job for job in cron.every(tx) if self._is_known(tx, job, row)]
        lines = [self._line(job, reader, elsewhere=not _is_here(tx, job, row)) for job in jobs]
        hidden = len(lines) - SHOWN
        more = [said.MORE.to(reader, count=hidden)] if hidden > 0 else []
        return "\n".join([*lines[:SHOWN], *more]) or said.NO_JOBS.to(reader)

    def _line(self, job: Job, reader: Reader, *, elsewhere: bool) -> str:
        when = job.definition.schedule or said.FROM_OUTSIDE.to(reader)
        parts = [cron_changes.state_line(job).to(reader)]
        if job.state == "active" and job.next_at is not None:
            parts = [said.NEXT.to(reader, at=_time(job.next_at, job))]
        if elsewhere:
            parts.append(said.ELSEWHERE.to(reader, chat=job.definition.deliver))
        return f"- `{job.name}` ({when}, {job.definition.zone}): {', '.join(parts)}"

    async def _next(self, row: Waiting, name: str, reader: Reader) -> str:
        now = self._clock.now()

        def query(tx: Tx) -> str:
            job = self._find(tx, name, row)
            if job.state != "active":
                return f"{job.name}: {cron_changes.state_line(job).to(reader)}."
            slots = cron_changes.next_slots(job, now=now)
            lines = [f"- {_time(cron_jobs.micros(slot.at), job)}" for slot in slots]
            return "\n".join(lines) or said.WHEN_ASKED.to(reader, name=job.name)

        return await self._store.read(query)

    async def _run(self, row: Waiting, name: str) -> Told:
        await self._store.read(lambda tx: self._may(self._find(tx, name, row), row))
        # The command's own id is the key: a crash before its answer runs nothing twice. No key of
        # a hook has a space.
        outcome = await self._cron.fire_now(
            name, by=row.content.author, key=f"row {row.id}", data=""
        )
        match outcome:
            case Fired(fire=fire) | Known(fire=fire):
                return said.RUNS_NOW.of(name=name, fire=fire)
            case TooMany():
                return said.TOO_MANY.of(name=name)
            case NoSuchJob() | KeyConflict() | SignedBefore():
                return said.NO_JOB.of(name=name)

    async def _change(self, row: Waiting, change: str, name: str, reader: Reader) -> str:
        now = self._clock.now()

        def unit(tx: Tx) -> str:
            job = self._find(tx, name, row)
            self._may(job, row)
            match change:
                case "pause":
                    by = row.content.author_name or said.SOMEONE.en
                    return cron_changes.pause(tx, job, by=by).to(reader)
                case "resume":
                    resumed = cron_changes.resume(tx, job, now=now)
                    phrase = said.GOES_ON if resumed.next_at is None else said.GOES_ON_AT
                    return phrase.to(reader, name=name, at=_first(resumed))
                case _:
                    return cron_changes.remove(tx, job, now=now).to(reader)

        return await self._write(row, unit)

    async def _add(self, row: Waiting, args: str, reader: Reader) -> str:
        found = _ADD.fullmatch(args)
        if found is None:
            return said.ADD_USAGE.to(reader)
        if not self._owns(row):
            return said.ONLY_OWNERS_ADD.to(reader)
        new = NewJob(
            name="",
            schedule=found[1] or found[2],
            zone=self._zone_name,
            prompt=found[3],
            deliver=row.content.reply_to or row.chat,
            account=row.account,
            maker=row.content.author,
            maker_name=row.content.author_name,
        )
        now = self._clock.now()

        def unit(tx: Tx) -> str:
            job = cron_changes.add(tx, new, now=now)
            phrase = said.MADE if job.next_at is None else said.MADE_AT
            return phrase.to(reader, name=job.name, at=_first(job))

        return await self._write(row, unit)

    async def _write(self, row: Waiting, unit: Callable[[Tx], str]) -> str:
        """Store a change once, though a crash may come before its answer."""

        def once(tx: Tx) -> str:
            kept = inbox.kept_answer(tx, row.id)
            if kept is not None:
                return kept
            text = unit(tx)
            inbox.keep_answer(tx, row.id, text)
            return text

        try:
            return await self._store.write(once, transition=transitions.JOB_CHANGED)
        finally:
            self._cron.look()

    def _owns(self, row: Waiting) -> bool:
        return self._rights.owns(row.content.author) and not row.content.barred

    def _made(self, job: Job, row: Waiting) -> bool:
        person = self._rights.person
        mine = bool(job.maker) and person(job.maker) == person(row.content.author)
        return mine and not row.content.barred

    def _is_known(self, tx: Tx, job: Job, row: Waiting) -> bool:
        """Whether whoever gave the command may know of a job."""
        return _is_here(tx, job, row) or self._made(job, row) or self._owns(row)

    def _find(self, tx: Tx, name: str, row: Waiting) -> Job:
        """A job by its name; JobRefused if there is none that whoever asks may know of."""
        job = cron_changes.find(tx, name)
        if not self._is_known(tx, job, row):
            raise cron_changes.no_job(name)
        return job

    def _may(self, job: Job, row: Waiting) -> None:
        """Raise JobRefused unless whoever gave the command is an owner or made the job."""
        if not (self._made(job, row) or self._owns(row)):
            phrase = said.ONLY_MAKER if job.maker else said.ONLY_OWNERS
            raise JobRefused(phrase.of(name=job.name))


def _is_here(tx: Tx, job: Job, row: Waiting) -> bool:
    """Whether a job posts where the command was given."""
    places = {
        form
        for each in (row.chat, row.content.reply_to)
        for form in listed.written_as(tx, row.account, each)
    }
    return job.definition.deliver in places


def zone_of(job: Job) -> tzinfo:
    """The zone a job's times are shown in; UTC where its own is gone."""
    try:
        return cron_jobs.zone_of(job.definition.zone)
    except ValueError:
        return cron_jobs.zone_of("UTC")


def _time(at: int, job: Job) -> str:
    return f"{cron_jobs.moment(at).astimezone(zone_of(job)):%a %Y-%m-%d %H:%M %Z}"


def _first(job: Job) -> str:
    """From when on a job runs; empty for one that waits for nothing."""
    return "" if job.next_at is None else _time(job.next_at, job)
