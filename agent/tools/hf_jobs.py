"""The `hf_jobs` tool: jobs and schedules on Hugging Face hardware, priced before they run.

`prepare` knows the form of a call, `inspect` what the Hub, the workspace and the catalogue say of
it: who pays, the bytes of the script, the ceiling. A call that was never inspected has no price, so
no rule lets it run. What runs is what the stored arguments and snapshots hold.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agent.costs import FREE, Quote, Unknown, UnknownBecause, dollars
from agent.errors import ToolError
from agent.hub import READ_S, HubRefused, HubUnclear
from agent.messages import JsonObject
from agent.providers.base import ToolSpec
from agent.tools.base import (
    CallContext,
    Malformed,
    PreparedCall,
    RiskTag,
    Runs,
    Snapshot,
    ToolOutput,
    Verdict,
)
from agent.tools.hf_access import SESSION_LABEL, HubAccess, in_doubt, payer_in, session_label
from agent.tools.hf_fires import Fires, is_schedule, schedule_in
from agent.tools.hf_job_form import (
    CPU_FLAVORS,
    IMAGE,
    NAME,
    SCHEDULED,
    SCRIPT_BYTES,
    SPEC,
    STARTING,
    UV_IMAGE,
    read_job_call,
    timeout_of,
)
from agent.tools.hf_job_runs import JobRuns, begun, handle_of, scheduled, watched
from agent.tools.hf_job_text import job_line, job_text, schedule_line, schedule_text
from agent.tools.hf_quotes import endless_quote, job_quote, repriced
from agent.tools.hf_schedule import fields_of, fires
from agent.tools.literal_secrets import literal_secret
from agent.tools.operations import both_ends, label_of
from agent.tools.workspace import PathRefused, Workspace, segments_of

if TYPE_CHECKING:
    from huggingface_hub import HfApi, JobInfo, ScheduledJobInfo

LISTED: Final = 50
MONTH: Final = timedelta(days=30)
FIRES_MAX: Final = 50_000
_RECURRING: Final = frozenset(
    {"scheduled run", "scheduled uv", "scheduled resume", "scheduled suspend"}
)
_DESTRUCTIVE: Final = frozenset({"cancel", "scheduled delete"})
_EDITABLE: Final = (
    *("script", "command", "script_args", "dependencies", "env"),
    *("flavor", "timeout", "timeout_s", "schedule"),
)
_NOT_LOOKED_UP: Final = Quote(
    ceiling=Unknown(because=UnknownBecause.PRICE, text="its price could not be looked up")
)
_ENDLESS: Final = Quote(ceiling=Unknown(because=UnknownBecause.ENDLESS, text="it has no end"))


class HfJobsTool:
    """An Inspecting-, Paying-, Quoting-, Probing- and RecurringTool over the jobs of one Hub.

    `secrets` are the values a job may be given, by name.
    """

    def __init__(
        self,
        *,
        access: HubAccess,
        workspace: Path,
        secrets: Mapping[str, str],
        confirm_cpu_jobs: bool = True,
        confirm_scheduled_reads: bool = False,
    ) -> None:
        self._access = access
        self._hub = access.hub
        self._workspace = Workspace(workspace)
        self._secret_names = frozenset(secrets)
        self._runs = JobRuns(access.hub, secrets=secrets)
        self._fires = Fires(access)
        self._confirm_cpu_jobs = confirm_cpu_jobs
        self._confirm_scheduled_reads = confirm_scheduled_reads

    @property
    def place(self) -> str:
        """Where its calls go; see PlacedTool."""
        return self._hub.url

    @property
    def spec(self) -> ToolSpec:
        """What the model is shown."""
        return SPEC

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        """Normalise one call; see Tool."""
        if (place := literal_secret(dict(arguments), holds=self._access.holds)) is not None:
            return _holds_a_secret(place)
        read = read_job_call(arguments, secrets=self._secret_names)
        if isinstance(read, Malformed):
            return read
        name, operation, fields = read
        if "script_path" in fields:
            try:
                segments = segments_of(fields["script_path"], self._workspace.root)
            except PathRefused as refused:
                return Malformed(text=f"The field 'script_path' is refused: {refused}.")
            fields = {**fields, "script_path": "/".join(segments)}
        default, reason = self._default(name, fields, operation.default, operation.reason)
        about = fields.get("flavor") or fields.get("job_id") or fields.get("namespace") or ""
        job_id = fields.get("job_id")
        return PreparedCall(
            tool=NAME,
            operation=name,
            arguments=fields,
            effect=operation.effect,
            label=label_of(NAME, name, str(about)),
            resource=f"{NAME}:{job_id}" if job_id else None,
            default=default,
            reason=reason,
            firm=operation.default is Verdict.ASK and name.startswith(SCHEDULED),
            tags=_tags(name, fields),
            quote=_quote_unseen(name, fields),
            summary=_summary(name, fields),
            matters=_matters(name, fields),
            editable=tuple(field for field in _EDITABLE if field in fields),
            deadline_s=operation.deadline_s,
        )

    def _default(
        self, name: str, fields: JsonObject, default: Verdict, reason: str
    ) -> tuple[Verdict, str]:
        """The tool's own word, with the operator's switches."""
        if name in ("run", "uv") and fields["flavor"] in CPU_FLAVORS and not self._confirm_cpu_jobs:
            return Verdict.ALLOW, "CPU jobs need no question here"
        if name in ("scheduled ps", "scheduled inspect") and self._confirm_scheduled_reads:
            return Verdict.ASK, "looking at schedules is asked here"
        return default, reason

    async def inspect(
        self, call: PreparedCall, context: CallContext
    ) -> PreparedCall | Malformed | None:
        """Add payer, script and price to a call, or whose job it is; see InspectingTool."""
        return await self._inspected(call, context, self._access.payer)

    async def paid_by(
        self, call: PreparedCall, context: CallContext, *, payer: str
    ) -> PreparedCall | Malformed | None:
        """Inspect a call for an account that a person chose; see PayingTool."""
        unpaid = {name: value for name, value in call.arguments.items() if name != "payer"}
        return await self._inspected(replace(call, arguments=unpaid), context, payer)

    def requote(self, call: PreparedCall, quote: Quote) -> Quote:
        """The quote at the prices known now; see QuotingTool."""
        size = call.arguments.get("flavor", call.arguments.get("size"))
        return quote if size is None else repriced(quote, self._access.minute(str(size)))

    async def _inspected(
        self, call: PreparedCall, context: CallContext, payer: str
    ) -> PreparedCall | Malformed | None:
        try:
            if call.operation in STARTING:
                return await self._inspect_start(call, payer)
            if call.operation in ("scheduled resume", "scheduled trigger"):
                return await self._inspect_schedule(call)
            if call.operation == "cancel":
                return await self._inspect_cancel(call, context)
        except HubRefused as refused:
            return Malformed(text=str(refused)) if refused.missing else None
        except ToolError:
            return None
        return call

    async def _inspect_start(
        self, call: PreparedCall, payer: str
    ) -> PreparedCall | Malformed | None:
        fields = call.arguments
        script, standing, _ = await asyncio.gather(
            asyncio.to_thread(self._script, fields),
            self._standing(payer),
            self._access.look_at_prices(),
        )
        if isinstance(script, Malformed):
            return script
        if isinstance(standing, Malformed):
            return standing
        asked = next((fields[k] for k in ("namespace", "payer") if fields.get(k)), "")
        quote = self._quote(fields, payer=payer, asked_payer="" if asked == payer else str(asked))
        completed: dict[str, Any] = {**fields, "payer": payer}
        snapshots: tuple[Snapshot, ...] = ()
        if script is not None:
            completed["script_sha256"] = hashlib.sha256(script).hexdigest()
            snapshots = (Snapshot(name=str(fields["script_path"]), data=script),)
        warnings = standing
        if call.operation.startswith(SCHEDULED):
            warnings = (*warnings, *self._forecast(str(fields["schedule"]), quote))
            quote = endless_quote(quote)
        return replace(
            call,
            arguments=completed,
            quote=quote,
            snapshots=snapshots,
            warnings=warnings,
            firm=call.firm or bool(standing),
        )

    async def _standing(self, payer: str) -> tuple[str, ...] | Malformed:
        """Nothing if that account may pay, a warning if nobody can tell now."""
        try:
            return await self._access.may_pay(payer) or ()
        except ToolError:
            return (f"Whether {payer} may be charged could not be looked up",)

    def _script(self, fields: JsonObject) -> bytes | Malformed | None:
        """The bytes of a script in the workspace; None for a call that names none."""
        path = fields.get("script_path")
        if path is None:
            return None
        try:
            script = self._workspace.content(segments_of(str(path), self._workspace.root))
        except ToolError as missing:
            return Malformed(text=str(missing))
        if len(script) > SCRIPT_BYTES:
            return Malformed(text=f"The script is over {SCRIPT_BYTES // 1024} KiB.")
        found = {"script": script.decode(errors="replace")}
        if literal_secret(found, holds=self._access.holds) is not None:
            return _holds_a_secret(str(path))
        return script

    def _quote(self, fields: JsonObject, *, payer: str, asked_payer: str) -> Quote:
        return job_quote(
            self._access.minute(str(fields["flavor"])),
            timeout_of(fields),
            ports=bool(fields.get("expose")),
            payer=payer,
            asked_payer=asked_payer,
        )

    def _forecast(self, schedule: str, each: Quote) -> tuple[str, ...]:
        """What a card says of a schedule: a run's ceiling, the next runs, the next 30 days."""
        now = datetime.fromtimestamp(self._access.now_us() / 1_000_000, UTC)
        times = fires(fields_of(schedule), after=now, most=FIRES_MAX, until=MONTH)
        later = fires(fields_of(schedule), after=now, most=3)
        shown = ", ".join(f"{at:%Y-%m-%d %H:%M}" for at in later) or "none within a year"
        lines = [f"Each run at most {dollars(each.ceiling)}", f"Next runs (UTC): {shown}"]
        if isinstance(each.ceiling, int):
            total = dollars(each.ceiling * len(times))
            lines.append(f"In 30 days {len(times)} runs, at most {total}")
        return tuple(lines)

    async def _inspect_schedule(self, call: PreparedCall) -> PreparedCall | Malformed | None:
        """Price what an existing schedule does; it is paid by the account it belongs to."""
        namespace = self._access.namespace_of(call.arguments)
        found, may_pay, _ = await asyncio.gather(
            self._schedule(namespace, str(call.arguments["job_id"]), limit_s=READ_S),
            self._access.may_pay(namespace),
            self._access.look_at_prices(),
        )
        if may_pay is not None:
            return may_pay
        spec = found.job_spec
        fields: dict[str, Any] = {
            "flavor": str(getattr(spec.flavor, "value", spec.flavor)),
            "expose": spec.expose,
            "timeout_s": spec.timeout or -1,  # a job without one has no ceiling
        }
        quote = self._quote(fields, payer=namespace, asked_payer="")
        warnings = call.warnings
        if call.operation == "scheduled resume":
            warnings = (*warnings, *self._forecast(str(found.schedule), quote))
            quote = endless_quote(quote)
        known = {"namespace": namespace, "payer": namespace, "size": fields["flavor"]}
        completed = {**call.arguments, **known}
        return replace(call, arguments=completed, quote=quote, warnings=warnings)

    async def _inspect_cancel(self, call: PreparedCall, context: CallContext) -> PreparedCall:
        namespace = self._access.namespace_of(call.arguments)
        job = await self._runs.look(namespace, str(call.arguments["job_id"]), limit_s=READ_S)
        if (job.labels or {}).get(SESSION_LABEL) != session_label(context.session):
            return call
        return replace(call, default=Verdict.ALLOW, reason="this session's own job", tags=_NONE)

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Perform a prepared call; see Tool."""
        try:
            return await self._perform(call, context)
        except HubUnclear as doubt:
            return in_doubt(call, doubt)

    async def _perform(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        fields = call.arguments
        match call.operation:
            case "run" | "uv":
                payer_in(fields)
                return await self._runs.launch(fields, context, self._minute(fields))
            case "scheduled run" | "scheduled uv":
                payer_in(fields)
                return await self._runs.schedule(fields, context)
            case "ps":
                return await self._ps(fields)
            case "logs":
                return await self._logs(fields)
            case "scheduled ps":
                return await self._scheduled_ps(fields)
        namespace, job_id = self._access.namespace_of(fields), str(fields["job_id"])
        match call.operation:
            case "inspect":
                return ToolOutput(text=job_text(await self._runs.look(namespace, job_id)))
            case "cancel":
                await self._runs.cancel(namespace, job_id)
                return ToolOutput(text=job_text(await self._runs.look(namespace, job_id)))
            case "scheduled inspect":
                return ToolOutput(text=schedule_text(await self._schedule(namespace, job_id)))
            case "scheduled trigger":
                payer_in(fields)
                return await self._trigger(namespace, job_id)
            case "scheduled suspend" | "scheduled resume" | "scheduled delete":
                return await self._change(call.operation.split()[1], namespace, job_id)
        raise ToolError(f"There is no operation {call.operation!r}.")

    async def probe(self, call: PreparedCall, context: CallContext) -> ToolOutput | None:
        """Whether a call took effect, by its label or by what it was to change; see ProbingTool."""
        fields = call.arguments
        if call.operation in STARTING and "payer" not in fields:
            return None  # `run` begins nothing without one
        match call.operation:
            case "run" | "uv":
                job = await self._runs.find(payer_in(fields), context)
                return None if job is None else begun(job, fields, self._minute(fields))
            case "scheduled run" | "scheduled uv":
                made = await self._runs.find_schedule(payer_in(fields), context)
                return None if made is None else scheduled(made)
            case "scheduled suspend" | "scheduled resume" | "scheduled delete":
                return await self._changed(call)
        raise ToolError("Nobody can tell whether it has happened.")

    async def poll(self, handle: str) -> ToolOutput | None:
        """The end of a job with what it cost, or of a schedule; see RemoteTool."""
        if is_schedule(handle):
            return await self._fires.end_of(schedule_in(handle))
        return await self._runs.poll(handle_of(handle))

    async def runs(self, handle: str, *, since: int) -> Runs:
        """What a schedule has set off; see RecurringTool."""
        return await self._fires.runs(schedule_in(handle), since=since)

    async def cancel(self, handle: str) -> None:
        """Ask for the end of a job, or that a schedule begins nothing more; see RemoteTool."""
        if is_schedule(handle):
            await self._fires.suspend(schedule_in(handle))
            return
        job = handle_of(handle)
        await self._runs.cancel(job.namespace, job.job_id)

    def _minute(self, fields: JsonObject) -> int | None:
        price = self._access.minute(str(fields["flavor"]))
        return None if isinstance(price, Unknown) else price.micros

    async def _ps(self, fields: JsonObject) -> ToolOutput:
        namespace = self._access.namespace_of(fields)
        stages = None if fields["all"] else ["SCHEDULING", "RUNNING"]

        def listing(api: "HfApi") -> "list[JobInfo]":
            return list(islice(api.list_jobs(namespace=namespace, status=stages), LISTED + 1))

        jobs = await self._hub.ask(listing)
        lines = [job_line(job) for job in jobs[:LISTED]]
        if len(jobs) > LISTED:
            lines.append("[there are more]")
        return ToolOutput(text="\n".join(lines) or f"{namespace} has no such jobs.")

    async def _logs(self, fields: JsonObject) -> ToolOutput:
        namespace, job_id = self._access.namespace_of(fields), str(fields["job_id"])
        tail = int(fields["tail"])

        def lines(api: "HfApi") -> list[str]:
            told = api.fetch_job_logs(job_id=job_id, namespace=namespace, tail=tail)
            return [line[:4_096] for line in islice(told, tail)]

        return ToolOutput(text=both_ends("\n".join(await self._hub.ask(lines))) or "(no output)")

    async def _schedule(
        self, namespace: str, job_id: str, *, limit_s: float = 30.0
    ) -> "ScheduledJobInfo":
        return await self._hub.ask(
            lambda api: api.inspect_scheduled_job(scheduled_job_id=job_id, namespace=namespace),
            limit_s=limit_s,
        )

    async def _scheduled_ps(self, fields: JsonObject) -> ToolOutput:
        namespace = self._access.namespace_of(fields)
        found = await self._hub.ask(lambda api: api.list_scheduled_jobs(namespace=namespace))
        lines = [schedule_line(schedule) for schedule in found[:LISTED]]
        return ToolOutput(text="\n".join(lines) or f"{namespace} has no scheduled jobs.")

    async def _trigger(self, namespace: str, job_id: str) -> ToolOutput:
        found = await self._schedule(namespace, job_id)
        job = await self._hub.ask(
            lambda api: api.trigger_scheduled_job(scheduled_job_id=job_id, namespace=namespace)
        )
        flavor = str(getattr(job.flavor, "value", job.flavor))
        fields: dict[str, Any] = {"payer": namespace, "flavor": flavor, "expose": job.expose}
        fields["timeout_s"] = found.job_spec.timeout or -1
        return begun(job, fields, self._minute(fields))

    async def _change(self, what: str, namespace: str, job_id: str) -> ToolOutput:
        def change(api: "HfApi") -> None:
            getattr(api, f"{what}_scheduled_job")(scheduled_job_id=job_id, namespace=namespace)

        await self._hub.ask(change)
        return _after(what, namespace, job_id)

    async def _changed(self, call: PreparedCall) -> ToolOutput | None:
        what, job_id = call.operation.split()[1], str(call.arguments["job_id"])
        namespace = self._access.namespace_of(call.arguments)
        done = _after(what, namespace, job_id)
        try:
            found = await self._schedule(namespace, job_id)
        except HubRefused as refused:
            if refused.missing and what == "delete":
                return done
            raise
        return done if what != "delete" and bool(found.suspend) is (what == "suspend") else None


_NONE: Final[frozenset[RiskTag]] = frozenset()
_CHANGED: Final = {
    "suspend": "Scheduled job {} is suspended.",
    "resume": "Scheduled job {} runs again.",
    "delete": "Scheduled job {} is deleted.",
}


def _after(what: str, namespace: str, job_id: str) -> ToolOutput:
    """What is told of a schedule that was changed; one that runs again is watched."""
    text = _CHANGED[what].format(job_id)
    if what != "resume":
        return ToolOutput(text=text, spent=0)
    return ToolOutput(text=text, remote=watched(namespace, job_id))


def _holds_a_secret(place: str) -> Malformed:
    return Malformed(
        text=f"There is a secret in {place}. Give the names of configured secrets in `secrets`, "
        "never their values."
    )


def _tags(name: str, fields: JsonObject) -> frozenset[RiskTag]:
    tags = set()
    if fields.get("expose") or fields.get("ssh"):
        tags.add(RiskTag.OUTWARD)
    if name in _RECURRING:
        tags.add(RiskTag.RECURRING)
    if name in _DESTRUCTIVE:
        tags.add(RiskTag.DESTRUCTIVE)
    return frozenset(tags)


def _quote_unseen(name: str, fields: JsonObject) -> Quote:
    if name in ("scheduled run", "scheduled uv", "scheduled resume"):
        return _ENDLESS
    if name in STARTING and isinstance(limit := timeout_of(fields), Unknown):
        return Quote(ceiling=limit)
    return _NOT_LOOKED_UP if name in STARTING or name == "scheduled trigger" else FREE


def _summary(name: str, fields: JsonObject) -> str:
    if name not in STARTING:
        return ""
    limit = timeout_of(fields)
    after = "never" if isinstance(limit, Unknown) else f"after {_span(limit)}"
    return f"{fields['flavor']}, stopped {after}"


def _span(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def _matters(name: str, fields: JsonObject) -> tuple[str, ...]:
    """What an allow rule must speak of: everything risky that is not at its default."""
    usual = UV_IMAGE if name.endswith("uv") else IMAGE
    found = [field for field in ("secrets", "expose", "ssh") if fields.get(field)]
    if fields.get("image", usual) != usual:
        found.append("image")
    return tuple(found)
