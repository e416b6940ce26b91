"""What a schedule of the Hub has set off, for whoever books it and stops it at a cap.

A schedule has no ceiling, so somebody looks again and again: each job names the schedule as its
initiator, is polled and settled like any other, and the schedule is suspended when its cap is
reached. A schedule is known by the record of the call that made it, `account/id`.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from agent.costs import Unknown
from agent.errors import ToolError
from agent.hub import HubRefused
from agent.tools.hf_access import HubAccess
from agent.tools.hf_job_runs import Handle
from agent.tools.hf_quotes import PORT_FEE

if TYPE_CHECKING:
    from huggingface_hub import HfApi, JobInfo


class Fires:
    """The jobs of schedules at one Hub."""

    def __init__(self, access: HubAccess) -> None:
        self._access = access
        self._hub = access.hub

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

    def _handle(self, namespace: str, job: "JobInfo") -> Handle:
        price = self._access.minute(str(getattr(job.flavor, "value", job.flavor)))
        return Handle(
            namespace=namespace,
            job_id=job.id,
            minute=None if isinstance(price, Unknown) else price.micros,
            fee=PORT_FEE if job.expose else 0,
        )

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


def _named(schedule: str) -> tuple[str, str]:
    namespace, slash, schedule_id = schedule.partition("/")
    if not slash or not namespace or not schedule_id or "/" in schedule_id:
        raise ToolError("That is no schedule of ours.")
    return namespace, schedule_id
