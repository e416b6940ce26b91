"""Jobs at the Hub: started, found again, looked at, ended.

Theory of operation. A job carries the label `gatepost-call=<call id>` from its first byte on, so
after any doubt it can be asked for: two complete listings ten seconds apart, and only what stands
in neither was never started. From then on it is known by its handle: account, id, and what its
minute and its ports cost when it was started, which is all that a restart needs to settle it.

A script travels inside the request that starts the job, as base64 in a variable of its
environment, so that what was shown is what runs and one request is the whole effect.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from agent.costs import Unknown, dollars
from agent.errors import NotStarted, ToolError
from agent.hub import Hub, HubRefused, HubUnclear
from agent.messages import JsonObject, ResultStatus
from agent.tools.base import CallContext, RemoteJob, ToolOutput
from agent.tools.hf_access import CALL_LABEL, SESSION_LABEL, call_label, session_label
from agent.tools.hf_job_form import timeout_of
from agent.tools.hf_quotes import PORT_FEE, minutes_of, spent_on, started_minutes

if TYPE_CHECKING:
    from huggingface_hub import HfApi, JobInfo, ScheduledJobInfo

LISTINGS_APART_S: Final = 10.0
FINAL: Final = frozenset({"COMPLETED", "CANCELED", "ERROR", "DELETED"})
SCHEDULE: Final = "schedule:"
CAP_DAYS: Final = 30
"""How long the cap of a schedule is for."""
SCRIPT_VARIABLE: Final = "GATEPOST_SCRIPT"
SCRIPT_PLACE: Final = "/tmp/gatepost_script.py"  # noqa: S108 - inside the job's own machine
_BEGIN_SCRIPT: Final = (
    f'umask 077; printf %s "${SCRIPT_VARIABLE}" | base64 -d > {SCRIPT_PLACE} || exit 97; '
    f'unset {SCRIPT_VARIABLE}; exec uv run "$@"'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """A job as we find it again; `minute` in micro-dollars, None where nobody knew the price."""

    namespace: str
    job_id: str
    minute: int | None = None
    fee: int = 0

    def __str__(self) -> str:
        price = "?" if self.minute is None else str(self.minute)
        return f"{self.namespace}/{self.job_id}/{price}/{self.fee}"


def handle_of(text: str) -> Handle:
    """Read a handle; raises ToolError for what is none."""
    parts = text.split("/")
    if len(parts) != 4 or not all(parts) or not parts[3].isdigit():
        raise ToolError("That is no job of ours.")
    namespace, job_id, price, fee = parts
    minute = int(price) if price.isdigit() else None
    return Handle(namespace=namespace, job_id=job_id, minute=minute, fee=int(fee))


def labels_for(context: CallContext) -> dict[str, str]:
    """What a job of this call is known by."""
    return {
        CALL_LABEL: call_label(context.call_id),
        SESSION_LABEL: session_label(context.session),
    }


def job_arguments(
    fields: JsonObject, *, script: bytes | None, secrets: Mapping[str, str], context: CallContext
) -> dict[str, Any]:
    """Pure: what the library is told to start a job with. Raises NotStarted: it can't be."""
    timeout_s = timeout_of(fields)
    if isinstance(timeout_s, Unknown):
        raise NotStarted("It was not begun: its timeout is no length of time up to 7 days.")
    missing = [name for name in fields.get("secrets", ()) if name not in secrets]
    if missing:
        raise NotStarted(f"It was not begun: there is no secret {missing[0]!r} any more.")
    env = dict(fields.get("env", {}))
    command = list(fields.get("command", ()))
    if script is not None:
        env[SCRIPT_VARIABLE] = base64.b64encode(script).decode()
        command = ["/bin/sh", "-c", _BEGIN_SCRIPT, "gatepost", *_uv_words(fields)]
    labels = labels_for(context)
    return {
        "image": fields["image"],
        "command": command,
        "env": env,
        "secrets": {name: secrets[name] for name in fields.get("secrets", ())} or None,
        "flavor": fields["flavor"],
        "timeout": timeout_s,
        "labels": labels,
        "name": f"gatepost-{labels[CALL_LABEL][:24]}",
        "expose": list(fields.get("expose", ())) or None,
        "namespace": fields["payer"],
    }


def _uv_words(fields: JsonObject) -> Sequence[str]:
    words: list[str] = []
    for dependency in fields.get("dependencies", ()):
        words += ["--with", dependency]
    if "python" in fields:
        words += ["--python", fields["python"]]
    return [*words, SCRIPT_PLACE, *fields.get("script_args", ())]


def script_of(fields: JsonObject, context: CallContext) -> bytes | None:
    """The bytes that were shown, None for a call without a script. Raises NotStarted."""
    if "script" in fields:
        return str(fields["script"]).encode()
    path = fields.get("script_path")
    if path is None:
        return None
    shown = context.snapshots.get(str(path))
    if shown is None or hashlib.sha256(shown).hexdigest() != fields.get("script_sha256"):
        raise NotStarted("It was not begun: the script that was looked at is not at hand any more.")
    return shown


class JobRuns:
    """Jobs of one Hub; `secrets` are the values jobs may be given, by name."""

    def __init__(self, hub: Hub, *, secrets: Mapping[str, str]) -> None:
        self._hub = hub
        self._secrets = secrets

    async def launch(
        self, fields: JsonObject, context: CallContext, minute: int | None
    ) -> ToolOutput:
        """Start a job and leave it to be waited for. Raises NotStarted: it certainly was not."""
        script = script_of(fields, context)
        told = job_arguments(fields, script=script, secrets=self._secrets, context=context)
        ssh = bool(fields.get("ssh"))
        try:
            job = await self._hub.ask(lambda api: api.run_job(**told, ssh=ssh))
        except HubUnclear as doubt:
            return await self._after_doubt(fields, context, minute, doubt)
        return begun(job, fields, minute)

    async def _after_doubt(
        self, fields: JsonObject, context: CallContext, minute: int | None, doubt: HubUnclear
    ) -> ToolOutput:
        try:
            job = await self.find(str(fields["payer"]), context)
        except ToolError:
            text = f"{doubt} The job may have been started; the Hub can't be asked now."
            return ToolOutput(text=text, status=ResultStatus.UNKNOWN)
        if job is None:
            raise NotStarted(f"{doubt} The Hub has no such job: it was not started.") from doubt
        return begun(job, fields, minute)

    async def find(self, namespace: str, context: CallContext) -> "JobInfo | None":
        """The job of a call, None if it stands in neither of two complete listings."""
        wanted = {CALL_LABEL: call_label(context.call_id)}

        def listing(api: "HfApi") -> "list[JobInfo]":
            found = api.list_jobs(namespace=namespace, labels=wanted)
            return [job for job in found if wanted.items() <= (job.labels or {}).items()]

        if jobs := await self._hub.ask(listing):
            return jobs[-1]
        await self._hub.wait(LISTINGS_APART_S)
        return jobs[-1] if (jobs := await self._hub.ask(listing)) else None

    async def schedule(self, fields: JsonObject, context: CallContext) -> ToolOutput:
        """Start a schedule. Raises NotStarted: it certainly was not."""
        script = script_of(fields, context)
        told = job_arguments(fields, script=script, secrets=self._secrets, context=context)
        when = str(fields["schedule"])
        try:
            made = await self._hub.ask(
                lambda api: api.create_scheduled_job(**told, schedule=when, concurrency=False)
            )
        except HubUnclear as doubt:
            try:
                found = await self.find_schedule(str(fields["payer"]), context)
            except ToolError:
                text = f"{doubt} The schedule may have been made; the Hub can't be asked now."
                return ToolOutput(text=text, status=ResultStatus.UNKNOWN)
            if found is None:
                text = f"{doubt} The Hub has no such schedule: it was not made."
                raise NotStarted(text) from doubt
            made = found
        return scheduled(made)

    async def find_schedule(
        self, namespace: str, context: CallContext
    ) -> "ScheduledJobInfo | None":
        """The schedule of a call, None if it stands in neither of two listings."""
        wanted = {CALL_LABEL: call_label(context.call_id)}

        def listing(api: "HfApi") -> "list[ScheduledJobInfo]":
            return api.list_scheduled_jobs(namespace=namespace, labels=wanted)

        if found := await self._hub.ask(listing):
            return found[-1]
        await self._hub.wait(LISTINGS_APART_S)
        return found[-1] if (found := await self._hub.ask(listing)) else None

    async def look(self, namespace: str, job_id: str, *, limit_s: float = 30.0) -> "JobInfo":
        """A job as it is now."""
        return await self._hub.ask(
            lambda api: api.inspect_job(job_id=job_id, namespace=namespace), limit_s=limit_s
        )

    async def poll(self, handle: Handle) -> ToolOutput | None:
        """The end of a job with what it cost, None while it goes on."""
        job = await self.look(handle.namespace, handle.job_id)
        return None if job.status.stage not in FINAL else ended(job, handle)

    async def cancel(self, namespace: str, job_id: str) -> None:
        """Ask for the end of a job; one that has ended already is no error."""
        try:
            await self._hub.ask(lambda api: api.cancel_job(job_id=job_id, namespace=namespace))
        except HubRefused as refused:
            if refused.missing:
                raise
            job = await self.look(namespace, job_id)
            if job.status.stage not in FINAL:
                raise


def begun(job: "JobInfo", fields: JsonObject, minute: int | None) -> ToolOutput:
    """What is told of a job that is under way."""
    timeout_s = timeout_of(fields)
    minutes = minutes_of(timeout_s) if isinstance(timeout_s, int) else minutes_of(0)
    fee = PORT_FEE if fields.get("expose") else 0
    namespace = str(fields["payer"])
    handle = Handle(namespace=namespace, job_id=job.id, minute=minute, fee=fee)
    return ToolOutput(
        text=f"Job {job.id} of {namespace} was started on {fields['flavor']}.",
        record=job.id,
        remote=RemoteJob(
            handle=str(handle),
            label=f"job {job.id} on {fields['flavor']}",
            deadline_s=minutes * 60,
            record=job.id,
        ),
    )


def scheduled(made: "ScheduledJobInfo") -> ToolOutput:
    """What is told of a schedule that was made."""
    return ToolOutput(
        text=f"Scheduled job {made.id} of {made.owner.name} runs {made.schedule} (UTC).",
        record=f"{made.owner.name}/{made.id}",
        remote=watched(made.owner.name, made.id),
    )


def watched(namespace: str, schedule_id: str) -> RemoteJob:
    """A schedule as work that recurs: its runs are paid by the call that let it run."""
    return RemoteJob(
        handle=f"{SCHEDULE}{namespace}/{schedule_id}",
        label=f"scheduled job {schedule_id}",
        deadline_s=CAP_DAYS * 24 * 3_600,
        waits=False,
        recurring=True,
    )


def ended(job: "JobInfo", handle: Handle) -> ToolOutput:
    """What is told of a job that has ended, with its bill."""
    spent = spent_on(handle.minute, job.started_at, job.finished_at, fee=handle.fee)
    stage = str(getattr(job.status.stage, "value", job.status.stage))
    text = f"Job {job.id} ended: {stage.lower()}."
    if job.finished_at is not None:
        minutes = started_minutes(job.started_at, job.finished_at)
        text += f" It ran {minutes} min" + (f", {dollars(spent)}." if spent is not None else ".")
    if job.status.message:
        text += f" The Hub says: {job.status.message[:300]}"
    done = stage == "COMPLETED"
    return ToolOutput(
        text=f"{text} `logs` shows what it printed.",
        status=ResultStatus.DONE if done else ResultStatus.FAILED,
        spent=spent,
        record=job.id,
    )
