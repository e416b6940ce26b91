"""The page of jobs over the gateway's rows."""

from datetime import UTC, datetime, tzinfo

from gateway import cron_changes, cron_jobs
from gateway.clock import Clock
from gateway.entitled import Rights
from gateway.store.base import Store, Tx
from gateway.store.records import cron, fires
from gateway.store.records.cron import Job
from gateway.web.jobs import JobRun, JobSheet
from platforms.cron.schedule import Slot

UPCOMING = 3
LAST_RUNS = 5


class PageJobs:
    """Fulfils `JobBook`: owners see every job, nobody else sees any."""

    def __init__(self, *, store: Store, clock: Clock, rights: Rights) -> None:
        self._store = store
        self._clock = clock
        self._rights = rights

    async def jobs(self, *, by: str) -> tuple[JobSheet, ...]:
        """See JobBook."""
        if not self._rights.owns(by):
            return ()
        return await self._store.read(
            lambda tx: tuple(self._sheet(tx, job) for job in cron.every(tx))
        )

    def _sheet(self, tx: Tx, job: Job) -> JobSheet:
        definition = job.definition
        slots: tuple[Slot, ...] = ()
        zone: tzinfo = UTC
        rests = cron_changes.state_text(job)
        try:
            zone = cron_jobs.zone_of(definition.zone)
            if job.state == "active":
                rests = ""
                slots = cron_changes.next_slots(job, now=self._clock.now(), count=UPCOMING)
        except ValueError:
            rests = "its schedule can't be followed here"
        return JobSheet(
            name=job.name,
            schedule=definition.schedule,
            zone=definition.zone,
            deliver=definition.deliver,
            prompt=definition.prompt,
            rests=rests,
            maker=job.maker_name or job.maker,
            upcoming=tuple(slot.at.astimezone(zone) for slot in slots),
            runs=tuple(
                JobRun(
                    fire=f"f{fire.id}",
                    at=_local(fire.slot, zone),
                    state=fire.state,
                    reason=fire.reason,
                    missed=fire.missed,
                )
                for fire in fires.latest(tx, job.name, limit=LAST_RUNS)
            ),
        )


def _local(at: int, zone: tzinfo) -> datetime:
    return cron_jobs.moment(at).astimezone(zone)
