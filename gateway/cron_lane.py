"""`/cron` in chats: who may, and what they read."""

import re
from collections.abc import Awaitable, Callable
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

USAGE: Final = (
    'Write `/cron list`, `/cron next NAME`, `/cron add "SCHEDULE" TEXT`, or `/cron run`, `pause`,'
    " `resume` or `remove` with a NAME."
)
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

    async def handle(self, row: Waiting) -> str:
        """Carry one command out; what whoever gave it reads."""
        verb, _, rest = row.content.args.strip().partition(" ")
        match verb.lower():
            case "" | "list":
                return await self._store.read(lambda tx: self._list(tx, row))
            case "next":
                return await self._next(row, rest.strip())
            case "run":
                return await self._run(row, rest.strip())
            case "pause" | "resume" | "remove" as change:
                return await self._change(row, change, rest.strip())
            case "add":
                return await self._add(row, rest)
            case _:
                return USAGE

    def _list(self, tx: Tx, row: Waiting) -> str:
        jobs = [job for job in cron.every(tx) if self._is_known(tx, job, row)]
        lines = [self._line(job, elsewhere=not _is_here(tx, job, row)) for job in jobs]
        more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
        return "\n".join([*lines[:SHOWN], *more]) or "There are no jobs here."

    def _line(self, job: Job, *, elsewhere: bool) -> str:
        when = job.definition.schedule or "from outside"
        parts = [f"- `{job.name}` ({when}, {job.definition.zone})", cron_changes.state_text(job)]
        if job.state == "active" and job.next_at is not None:
            parts[1] = f"next {_time(job.next_at, job)}"
        if elsewhere:
            parts.append(f"for {job.definition.deliver}")
        return ": ".join((parts[0], ", ".join(parts[1:])))

    async def _next(self, row: Waiting, name: str) -> str:
        now = self._clock.now()

        def query(tx: Tx) -> str:
            job = self._find(tx, name, row)
            if job.state != "active":
                return f"{job.name}: {cron_changes.state_text(job)}."
            slots = cron_changes.next_slots(job, now=now)
            lines = [f"- {_time(cron_jobs.micros(slot.at), job)}" for slot in slots]
            return "\n".join(lines) or f"{job.name} runs when it is asked to."

        return await self._said(self._store.read(query))

    async def _run(self, row: Waiting, name: str) -> str:
        def allowed(tx: Tx) -> str:
            self._may(self._find(tx, name, row), row)
            return ""

        refusal = await self._said(self._store.read(allowed))
        if refusal:
            return refusal
        # The command's own id is the key: a crash before its answer runs nothing twice. No key of
        # a hook has a space.
        outcome = await self._cron.fire_now(
            name, by=row.content.author, key=f"row {row.id}", data=""
        )
        match outcome:
            case Fired(fire=fire) | Known(fire=fire):
                return f"{name} runs now (f{fire})."
            case TooMany():
                return f"So many runs of {name} wait already that no further one is taken."
            case NoSuchJob() | KeyConflict() | SignedBefore():
                return f"There is no job {name}."

    async def _change(self, row: Waiting, change: str, name: str) -> str:
        now = self._clock.now()

        def unit(tx: Tx) -> str:
            job = self._find(tx, name, row)
            self._may(job, row)
            match change:
                case "pause":
                    return cron_changes.pause(tx, job, by=row.content.author_name or "someone")
                case "resume":
                    resumed = cron_changes.resume(tx, job, now=now)
                    return f"{name} goes on{_from(resumed)}."
                case _:
                    return cron_changes.remove(tx, job, now=now)

        return await self._write(row, unit)

    async def _add(self, row: Waiting, args: str) -> str:
        found = _ADD.fullmatch(args)
        if found is None:
            return 'Write `/cron add "0 9 * * mon-fri" TEXT`: when, in quotes, and what to do.'
        if not self._owns(row):
            return (
                "Only owners add jobs by command. Ask me for it in words: I then ask the owners,"
                " if I have the tool for it."
            )
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
            return f"`{job.name}` is made{_from(job)}. What it writes is posted here."

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

        said = await self._said(self._store.write(once, transition=transitions.JOB_CHANGED))
        self._cron.look()
        return said

    async def _said(self, work: Awaitable[str]) -> str:
        try:
            return await work
        except JobRefused as refused:
            return str(refused)

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
            who = "owners, and whoever made it," if job.maker else "owners"
            raise JobRefused(f"Only {who} may do that to {job.name}.")


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


def _from(job: Job) -> str:
    """From when on a job runs, for the end of a sentence."""
    return "" if job.next_at is None else f"; first {_time(job.next_at, job)}"
