"""What a schedule of the Hub has set off, for whoever books it and stops it at a cap.

A schedule has no ceiling, so somebody looks again and again: each job names the schedule as its
initiator, is polled and settled like any other, and the schedule is suspended when its cap is
reached. A schedule is known as `account/id`.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent.costs import Ceiling, Unknown, UnknownBecause
from agent.errors import ToolError
from agent.hub import HubRefused
from agent.tools.base import Run, Runs, ToolOutput
from agent.tools.hf_access import HubAccess
from agent.tools.hf_job_runs import SCHEDULE, Handle
from agent.tools.hf_quotes import PORT_FEE, job_quote

if TYPE_CHECKING:
    from huggingface_hub import HfApi, JobInfo, ScheduledJobInfo

_NO_TIMEOUT = Unknown(because=UnknownBecause.LIMIT, text="nothing bounds its runs")
_GONE = Unknown(because=UnknownBecause.PRICE, text="the schedule is gone")


def is_schedule(handle: str) -> bool:
    """Whether a handle is that of a schedule, not of a job."""
    return handle.startswith(SCHEDULE)


def schedule_in(handle: str) -> str:
    """The schedule of a handle."""
    return handle.removeprefix(SCHEDULE)


class Fires:
    """The jobs of schedules at one Hub."""

    def __init__(self, access: HubAccess) -> None:
        self._access = access
        self._hub = access.hub

    async def runs(self, schedule: str, *, since: int) -> Runs:
        """The jobs a schedule began from `since` (microseconds since 1970) on, with ceilings.

        One that the listing does not know yet is found as the last one of the schedule.
        """
        namespace, schedule_id = _named(schedule)
        begun_at = datetime.fromtimestamp(since / 1_000_000, UTC)
        found = list(await self.of(schedule, since=begun_at))
        stands = await self._look(namespace, schedule_id)
        if stands is None:
            return Runs(begun=tuple(_run(handle, _GONE) for handle in found), each=_GONE)
        last = stands.status.last_job
        late = last is not None and last.at >= begun_at
        if last is not None and late and last.id not in {each.job_id for each in found}:
            found.append(self._handle(namespace, await self._job(namespace, last.id)))
        each = self._ceiling(stands)
        return Runs(begun=tuple(_run(handle, each) for handle in found), each=each)

    async def of(self, schedule: str, *, since: datetime) -> tuple[Handle, ...]:
        """The jobs a schedule began from `since` on, oldest first; raises ToolError.

        A handle is what `HfJobsTool.poll` and `cancel` take, as text.
        """
        namespace, schedule_id = _named(schedule)
        await self._access.look_at_prices()

        def listing(api: "HfApi") -> "list[JobInfo]":
            return [
                job
                for job in api.list_jobs(namespace=namespace)
                if job.initiator is not None
                and (job.initiator.type, job.initiator.id) == ("scheduled-job", schedule_id)
                and (job.created_at is None or job.created_at >= since)
            ]

        found = await self._hub.ask(listing)
        return tuple(self._handle(namespace, job) for job in reversed(found))

    async def end_of(self, schedule: str) -> ToolOutput | None:
        """That a schedule begins nothing more, None while it may."""
        namespace, schedule_id = _named(schedule)
        stands = await self._look(namespace, schedule_id)
        if stands is None:
            return ToolOutput(text=f"Scheduled job {schedule_id} is gone.")
        if not stands.suspend:
            return None
        return ToolOutput(text=f"Scheduled job {schedule_id} is suspended.")

    async def suspend(self, schedule: str) -> None:
        """Let a schedule begin nothing more; one that is gone is no error. May be repeated."""
        namespace, schedule_id = _named(schedule)
        try:
            await self._hub.ask(
                lambda api: api.suspend_scheduled_job(
                    scheduled_job_id=schedule_id, namespace=namespace
                )
            )
        except HubRefused as refused:
            if not refused.missing:
                raise

    async def _look(self, namespace: str, schedule_id: str) -> "ScheduledJobInfo | None":
        """A schedule as it is now; None if neither its page nor the list has it."""
        try:
            return await self._hub.ask(
                lambda api: api.inspect_scheduled_job(
                    scheduled_job_id=schedule_id, namespace=namespace
                )
            )
        except HubRefused as refused:
            if not refused.missing:
                raise
        listed = await self._hub.ask(lambda api: api.list_scheduled_jobs(namespace=namespace))
        return next((each for each in listed if each.id == schedule_id), None)

    async def _job(self, namespace: str, job_id: str) -> "JobInfo":
        return await self._hub.ask(lambda api: api.inspect_job(job_id=job_id, namespace=namespace))

    def _ceiling(self, schedule: "ScheduledJobInfo") -> Ceiling:
        """The most one run costs, tries that follow a failed one included."""
        spec = schedule.job_spec
        price = self._access.minute(str(getattr(spec.flavor, "value", spec.flavor)))
        timeout_s = spec.timeout or _NO_TIMEOUT
        ceiling = job_quote(price, timeout_s, ports=bool(spec.expose)).ceiling
        return ceiling if isinstance(ceiling, Unknown) else ceiling * (1 + (spec.retry or 0))

    def _handle(self, namespace: str, job: "JobInfo") -> Handle:
        price = self._access.minute(str(getattr(job.flavor, "value", job.flavor)))
        return Handle(
            namespace=namespace,
            job_id=job.id,
            minute=None if isinstance(price, Unknown) else price.micros,
            fee=PORT_FEE if job.expose else 0,
        )


def _run(handle: Handle, ceiling: Ceiling) -> Run:
    return Run(handle=str(handle), record=handle.job_id, ceiling=ceiling)


def _named(schedule: str) -> tuple[str, str]:
    namespace, slash, schedule_id = schedule.partition("/")
    if not slash or not namespace or not schedule_id or "/" in schedule_id:
        raise ToolError("That is no schedule of ours.")
    return namespace, schedule_id
