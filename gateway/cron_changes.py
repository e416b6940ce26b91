"""What people change of jobs, as units over the store; whoever calls has asked whether they may."""

import re
from dataclasses import dataclass, replace
from typing import Final

from gateway import cron_jobs
from gateway.store.base import Tx
from gateway.store.records import cron, fires
from gateway.store.records.cron import Definition, Job
from platforms.cron.errors import ScheduleInvalid
from platforms.cron.schedule import Slot

MADE_MAX: Final = 100
"""Jobs that were made in chats or from a shell."""

PROMPT_MAX: Final = 4_000
UPCOMING: Final = 3

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_WORD: Final = re.compile(r"[a-z0-9]+")


class JobRefused(Exception):
    """It can't be done; the text is for whoever asked for it."""


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
        raise JobRefused("Say what the job has to do.")
    if len(prompt) > PROMPT_MAX:
        raise JobRefused(f"What a job has to do is at most {PROMPT_MAX:,} characters.")
    definition = Definition(
        schedule=" ".join(new.schedule.split()), zone=new.zone, prompt=prompt, deliver=new.deliver
    )
    try:
        upcoming(definition, now=now, count=1)
    except ScheduleInvalid as error:
        raise JobRefused(f"{_sentence(error.problem)}: {error.fix}.") from error
    except ValueError as error:
        raise JobRefused(f"{_sentence(str(error))}.") from error
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
        raise JobRefused(f"There are {MADE_MAX} jobs already; remove one first.")
    taken = {each.name for each in jobs}
    name = new.name or _name_from(definition.prompt, taken)
    if not _NAME.fullmatch(name):
        raise JobRefused("A name has small letters, digits, - and _, at most 40 of them.")
    if name in taken:
        raise JobRefused(f"There is a job {name} already; choose another name.")
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
        raise JobRefused("That time is over; choose one that is to come.")
    cron.put(tx, job)
    return job


def pause(tx: Tx, job: Job, *, by: str) -> str:
    """Pause a job; what happened, in a sentence."""
    if not cron.pause(tx, job.name, f"{cron_jobs.BY_PEOPLE}{by}"):
        return f"{job.name} is not at work: {state_text(job)}."
    return f"{job.name} is paused. What waits of it still runs."


def resume(tx: Tx, job: Job, *, now: int) -> Job:
    """Let a job go on from its next slot; raises JobRefused."""
    if job.state == "active":
        raise JobRefused(f"{job.name} is not paused.")
    try:
        resumed = cron_jobs.resumed(
            replace(job, state="active", reason="", failures=0), now=max(now, job.since)
        )
    except ValueError as error:
        raise JobRefused(f"{job.name} can't go on: {error}.") from error
    if resumed.state == "over":
        raise JobRefused(f"{job.name} is over: its only time has passed.")
    cron.put(tx, resumed)
    return resumed


def remove(tx: Tx, job: Job, *, now: int) -> str:
    """Remove a job that people made; raises JobRefused for one of the configuration."""
    if job.source == "config":
        raise JobRefused(
            f"{job.name} stands in the configuration: remove it there, or pause it here."
        )
    cron.remove(tx, job.name)
    fires.withdraw(tx, job.name, "removed", now=now)
    return f"{job.name} is removed. What runs of it goes on to its end."


def find(tx: Tx, name: str) -> Job:
    """A job that is not removed; raises JobRefused."""
    job = cron.get(tx, name)
    if job is None or job.state == "removed":
        raise no_job(name)
    return job


def no_job(name: str) -> JobRefused:
    """What whoever asks for a job reads that does not exist, or that is none of their business."""
    return JobRefused(f"There is no job {name}." if name else "Name the job.")


def state_text(job: Job) -> str:
    """How a job stands, in words."""
    match job.state:
        case "active" if job.next_at is None:
            return "runs when it is asked to"
        case "active":
            return "active"
        case "paused":
            return job.reason if job.reason.startswith("paused") else f"paused: {job.reason}"
        case "over":
            return "over"
        case "removed":
            return "removed"


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
