"""What people change of jobs, as units over the store; whoever calls has asked whether they may."""

import re
from dataclasses import dataclass, replace
from typing import Final

from gateway import cron_jobs
from gateway.store.base import Tx
from gateway.store.records import cron, fires
from gateway.store.records.cron import Definition, Job
from gateway.words import cron as said
from gateway.words.phrase import ENGLISH, Line, Told, spoken
from platforms.cron.errors import ScheduleInvalid
from platforms.cron.schedule import Slot

MADE_MAX: Final = 100
"""Jobs that were made in chats or from a shell."""

PROMPT_MAX: Final = 4_000
UPCOMING: Final = 3

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_WORD: Final = re.compile(r"[a-z0-9]+")


class JobRefused(Exception):
    """It can't be done; `told` is for whoever asked for it, and the text its English."""

    def __init__(self, told: Told) -> None:
        self.told = told
        super().__init__(spoken(told, ENGLISH))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job somebody makes; `name` may be empty, then it gets one from its words."""

    name: str
    schedule: str
    zone: str
    prompt: str
    deliver: str
    account: str
    maker: str
    maker_name: str


def definition_of(new: NewJob, *, now: int) -> Definition:
    """The definition of a new job; raises JobRefused with what to write instead."""
    prompt = new.prompt.strip()
    if not prompt:
        raise JobRefused(said.SAY_WHAT.of())
    if len(prompt) > PROMPT_MAX:
        raise JobRefused(said.TOO_LONG.of(most=f"{PROMPT_MAX:,}"))
    definition = Definition(
        schedule=" ".join(new.schedule.split()), zone=new.zone, prompt=prompt, deliver=new.deliver
    )
    try:
        upcoming(definition, now=now, count=1)
    except ScheduleInvalid as error:
        told = said.SCHEDULE_WRONG.of(problem=_sentence(error.problem), fix=error.fix)
        raise JobRefused(told) from error
    except ValueError as error:
        raise JobRefused(said.SCHEDULE_FAULT.of(problem=_sentence(str(error)))) from error
    return definition


def upcoming(definition: Definition, *, now: int, count: int = UPCOMING) -> tuple[Slot, ...]:
    """The next slots of a job that begins now; raises ValueError."""
    job = Job(name="", source="chat", definition=definition, since=now)
    return next_slots(job, now=now, count=count)


def next_slots(job: Job, *, now: int, count: int = UPCOMING) -> tuple[Slot, ...]:
    """The next slots of a job, the one it waits for first; raises ValueError."""
    schedule = cron_jobs.schedule_of(job)
    slots: list[Slot] = []
    after = cron_jobs.moment(now)
    while schedule is not None and len(slots) < count:
        slot = schedule.after(after)
        if slot is None:
            break
        slots.append(slot)
        after = slot.at
    return tuple(slots)


def add(tx: Tx, new: NewJob, *, now: int) -> Job:
    """Store a new job; raises JobRefused."""
    definition = definition_of(new, now=now)
    jobs = cron.every(tx)
    if sum(each.source == "chat" for each in jobs) >= MADE_MAX:
        raise JobRefused(said.JOBS_FULL.of(count=MADE_MAX))
    taken = {each.name for each in jobs}
    name = new.name or _name_from(definition.prompt, taken)
    if not _NAME.fullmatch(name):
        raise JobRefused(said.NAME_WRONG.of())
    if name in taken:
        raise JobRefused(said.NAME_TAKEN.of(name=name))
    job = cron_jobs.begun(
        Job(
            name=name,
            source="chat",
            definition=definition,
            since=now,
            maker=new.maker,
            maker_name=new.maker_name,
            account=new.account,
        )
    )
    if job.state == "over":
        raise JobRefused(said.TIME_OVER.of())
    cron.put(tx, job)
    return job


def pause(tx: Tx, job: Job, *, by: str) -> Line:
    """Pause a job; what happened, in a sentence."""
    if not cron.pause(tx, job.name, f"{cron_jobs.BY_PEOPLE}{by}"):
        return said.NOT_AT_WORK.of(name=job.name, state=state_line(job))
    return said.PAUSED.of(name=job.name)


def resume(tx: Tx, job: Job, *, now: int) -> Job:
    """Let a job go on from its next slot; raises JobRefused."""
    if job.state == "active":
        raise JobRefused(said.NOT_PAUSED.of(name=job.name))
    try:
        resumed = cron_jobs.resumed(
            replace(job, state="active", reason="", failures=0), now=max(now, job.since)
        )
    except ValueError as error:
        raise JobRefused(said.CANNOT_GO_ON.of(name=job.name, why=str(error))) from error
    if resumed.state == "over":
        raise JobRefused(said.ITS_TIME_OVER.of(name=job.name))
    cron.put(tx, resumed)
    return resumed


def remove(tx: Tx, job: Job, *, now: int) -> Line:
    """Remove a job that people made; raises JobRefused for one of the configuration."""
    if job.source == "config":
        raise JobRefused(said.IN_CONFIGURATION.of(name=job.name))
    cron.remove(tx, job.name)
    fires.withdraw(tx, job.name, "removed", now=now)
    return said.REMOVED.of(name=job.name)


def find(tx: Tx, name: str) -> Job:
    """A job that is not removed; raises JobRefused."""
    job = cron.get(tx, name)
    if job is None or job.state == "removed":
        raise no_job(name)
    return job


def no_job(name: str) -> JobRefused:
    """What whoever asks for a job reads that does not exist, or that is none of their business."""
    return JobRefused(said.NO_JOB.of(name=name) if name else said.NAME_IT.of())


def state_text(job: Job) -> str:
    """How a job stands, in English words."""
    return state_line(job).to(ENGLISH)


def state_line(job: Job) -> Line:
    """How a job stands."""
    match job.state:
        case "active" if job.next_at is None:
            return said.STATE_ASKED.of()
        case "active":
            return said.STATE_ACTIVE.of()
        case "paused" if job.reason.startswith(cron_jobs.BY_PEOPLE):
            return said.STATE_PAUSED_BY.of(who=job.reason.removeprefix(cron_jobs.BY_PEOPLE))
        case "paused":
            return said.STATE_PAUSED.of(why=job.reason)
        case "over":
            return said.STATE_OVER.of()
        case "removed":
            return said.STATE_REMOVED.of()


def _name_from(prompt: str, taken: set[str]) -> str:
    """A name out of the first words of a prompt that no job has."""
    words = _WORD.findall(prompt.lower())[:3] or ["job"]
    stem = "-".join(words)[:30]
    number = 1
    while (name := stem if number == 1 else f"{stem}-{number}") in taken:
        number += 1
    return name


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
