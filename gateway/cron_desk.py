"""Jobs as the command line knows them; whoever is at the shell owns the gateway."""

from collections.abc import Callable
from typing import Any

from gateway import cron_changes, cron_jobs, refs
from gateway.clock import Clock
from gateway.config.faults import Wrong
from gateway.config.reading import exact_chat
from gateway.config.values import Config
from gateway.control_requests import AboutJobs, AddJob, AskJobs, ChangeJob
from gateway.cron import Cron
from gateway.cron_changes import JobRefused, NewJob
from gateway.errors import GatewayError
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import cron, fires
from gateway.store.records.cron import Job
from gateway.words.phrase import ENGLISH

LAST_FIRES = 5


class CronDesk:
    """Lists and changes jobs of the running gateway."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        cron: Cron,
        config: Config,
        account_of: Callable[[str], str | None],
    ) -> None:
        """`account_of` gives the connected account of a platform."""
        self._store = store
        self._clock = clock
        self._cron = cron
        self._config = config
        self._account_of = account_of

    async def answer(self, request: AboutJobs, *, by: str) -> object:
        """Carry a request out; raises GatewayError with the sentence the person reads."""
        match request:
            case AskJobs():
                return await self._store.read(self._listed)
            case ChangeJob(verb=verb, name=name):
                return await self._written(lambda tx: self._change(tx, verb, name, by))
            case AddJob():
                new = self._new(request, by)
                return await self._written(lambda tx: self._add(tx, new))

    def _listed(self, tx: Tx) -> list[dict[str, Any]]:
        return [self._fields(tx, job) for job in cron.every(tx)]

    def _fields(self, tx: Tx, job: Job) -> dict[str, Any]:
        """A job for programs; times in UTC."""
        definition = job.definition
        return {
            "job": job.name,
            "source": job.source,
            "state": job.state,
            "reason": job.reason,
            "schedule": definition.schedule or None,
            "timezone": definition.zone,
            "deliver": definition.deliver,
            "maker": job.maker or None,
            "failures": job.failures,
            "since": _utc(job.since),
            "next": _utc(job.next_at if job.state == "active" else None),
            "upcoming": [_utc(cron_jobs.micros(s.at)) for s in self._upcoming(job)],
            "fires": [
                {
                    "fire": f"f{fire.id}",
                    "slot": _utc(fire.slot),
                    "state": fire.state,
                    "reason": fire.reason,
                    "missed": fire.missed,
                }
                for fire in fires.latest(tx, job.name, limit=LAST_FIRES)
            ],
        }

    def _upcoming(self, job: Job) -> tuple[Any, ...]:
        if job.state != "active":
            return ()
        try:
            return cron_changes.next_slots(job, now=self._clock.now())
        except ValueError:
            return ()

    def _change(self, tx: Tx, verb: str, name: str, by: str) -> str:
        now = self._clock.now()
        job = cron_changes.find(tx, name)
        match verb:
            case "pause":
                return cron_changes.pause(tx, job, by=by).to(ENGLISH)
            case "resume":
                resumed = cron_changes.resume(tx, job, now=now)
                return f"{name} goes on; next {_utc(resumed.next_at) or 'when it is asked to'}."
            case _:
                return cron_changes.remove(tx, job, now=now).to(ENGLISH)

    def _new(self, request: AddJob, by: str) -> NewJob:
        named = self._config.named_chats().get(request.deliver)
        deliver = str(named.chat) if named is not None else request.deliver
        try:
            deliver = refs.standing_text(str(exact_chat(deliver)))
        except Wrong as wrong:
            raise GatewayError(f"{wrong.problem}; {wrong.fix}") from wrong
        platform = deliver.partition(":")[0]
        account = self._account_of(platform)
        if account is None:
            raise GatewayError(f"{platform} is not connected, so nothing could be posted there")
        try:
            refs.chat_from(deliver, refs.account_from(account))
        except ValueError as exc:
            raise GatewayError(f"{deliver} is no chat of {platform}") from exc
        return NewJob(
            name=request.name,
            schedule=request.schedule,
            zone=request.timezone or self._config.gateway.timezone,
            prompt=request.prompt,
            deliver=deliver,
            account=account,
            maker=by,
            maker_name=by,
        )

    def _add(self, tx: Tx, new: NewJob) -> str:
        job = cron_changes.add(tx, new, now=self._clock.now())
        return f"{job.name} is made; first {_utc(job.next_at)}."

    async def _written(self, unit: Callable[[Tx], str]) -> str:
        try:
            said = await self._store.write(unit, transition=transitions.JOB_CHANGED)
        except JobRefused as refused:
            raise GatewayError(str(refused)) from refused
        self._cron.look()
        return said


def _utc(at: int | None) -> str | None:
    return None if at is None else f"{cron_jobs.moment(at):%Y-%m-%dT%H:%M:%SZ}"
