"""Pure: jobs as they are written, against jobs as they are stored."""

from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from gateway.config.values import CronJob
from gateway.store.records.cron import Definition, Job
from platforms.cron.schedule import Schedule, Slot, parse

BY_PEOPLE = "paused by "
"""How the reason of a pause begins that only people end."""


def definition_of(written: CronJob) -> Definition:
    """A job of the configuration as it is stored."""
    return Definition(
        schedule=written.schedule or "",
        zone=written.timezone,
        prompt=written.prompt,
        deliver=written.deliver,
        missed=written.missed,
        overlap=written.overlap,
        session=written.session,
        approver=written.approver or "",
    )


def configured(written: CronJob, stored: Job | None, *, now: int) -> Job | None:
    """What to store for a job of the configuration; None if it stands as it is.

    An edited job counts anew from now: no slot of what it was fires any more. It goes on unless
    people paused it.
    """
    definition = definition_of(written)
    if stored is None or stored.state == "removed" or stored.source != "config":
        return begun(Job(name=written.name, source="config", definition=definition, since=now))
    if stored.definition == definition:
        return None
    rests = stored.state == "paused" and stored.reason.startswith(BY_PEOPLE)
    return begun(
        Job(
            name=written.name,
            source="config",
            definition=definition,
            since=now,
            state="paused" if rests else "active",
            reason=stored.reason if rests else "",
        )
    )


def begun(job: Job) -> Job:
    """A job with its first slot after `since`; over if it has a schedule and no slot."""
    return resumed(job, now=job.since)


def resumed(job: Job, *, now: int) -> Job:
    """A job with the next slot after now: what came before does not fire."""
    schedule = schedule_of(job)
    if schedule is None:
        return replace(job, next_at=None, next_fold=0)
    slot = schedule.after(moment(now))
    if slot is None:
        return replace(job, state="over", next_at=None, next_fold=0)
    return replace(job, next_at=micros(slot.at), next_fold=slot.fold)


def resting(job: Job) -> Job:
    """A job whose schedule can't be followed here."""
    return replace(job, state="paused", reason="its schedule can't be followed", next_at=None)


def schedule_of(job: Job) -> Schedule | None:
    """When a job fires; None if only by hand. Raises ValueError for what can't be read."""
    if not job.definition.schedule:
        return None
    zone = zone_of(job.definition.zone)
    return parse(job.definition.schedule, zone, created=moment(job.since))


def zone_of(name: str) -> tzinfo:
    """A time zone by name; UTC needs no zone table. Raises ValueError if there is none."""
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (KeyError, OSError) as exc:  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"there is no time zone {name!r}") from exc


def slot_of(job: Job) -> Slot | None:
    """The next slot of a job as it is stored."""
    return None if job.next_at is None else Slot(at=moment(job.next_at), fold=job.next_fold)


def moment(at: int) -> datetime:
    """A time from microseconds since 1970."""
    return datetime.fromtimestamp(at // 1_000_000, tz=UTC).replace(microsecond=at % 1_000_000)


def micros(at: datetime) -> int:
    """Microseconds since 1970."""
    return int(at.timestamp()) * 1_000_000 + at.microsecond


def is_person(approver: str) -> bool:
    """Whether an approver is a person to be asked in a direct chat, and not a chat."""
    platform, _, rest = approver.partition(":")
    match platform:
        case "slack":
            return rest.rpartition("/")[2][:1] in ("U", "W")
        case "discord":
            return "/" not in rest
        case "web":
            return True
        case _:
            return False  # a direct chat there has the id of its person
