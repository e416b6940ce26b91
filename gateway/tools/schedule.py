"""The `schedule` tool: jobs of the clock for the chat that a turn answers in.

What begins again and again is asked of owners, what ends for good of approvers; looking and pausing
are free. A job posts where it was made, and runs without anybody's leave for gated calls. Jobs of
the configuration are shown, and changed there alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from agent.errors import ToolError
from agent.messages import JsonObject
from agent.providers.base import ToolSpec
from agent.tools.arguments import by_operation
from agent.tools.base import (
    CallContext,
    EffectClass,
    Malformed,
    PreparedCall,
    RiskTag,
    ToolOutput,
    Verdict,
)
from gateway import cron_changes, cron_jobs, refs
from gateway.clock import Clock
from gateway.cron_changes import JobRefused, NewJob
from gateway.store.base import Tx
from gateway.store.records import cron, fires, listed
from gateway.store.records.cron import Definition, Job
from gateway.words.phrase import ENGLISH
from platforms.cron.errors import ScheduleInvalid
from platforms.cron.schedule import read_rule

NAME: Final = "schedule"
LABEL_MAX: Final = 80
PROMPT_SHOWN: Final = 200

_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "list": (),
    "create": ("name", "schedule", "timezone", "prompt"),
    "change": ("name", "schedule", "timezone", "prompt"),
    "pause": ("name",),
    "resume": ("name",),
    "delete": ("name",),
}
_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "list": (),
    "create": ("schedule", "prompt"),
    "change": ("name",),
    "pause": ("name",),
    "resume": ("name",),
    "delete": ("name",),
}
_PROPERTIES: Final[Mapping[str, dict[str, Any]]] = {
    "operation": {"type": "string", "enum": list(_FIELDS)},
    "name": {
        "type": "string",
        "maxLength": 40,
        "description": "The job's name: small letters, digits, - and _. create: may be left out.",
    },
    "schedule": {
        "type": "string",
        "maxLength": 120,
        "description": 'When: five cron fields ("0 9 * * mon-fri"), @daily, "every 15m", or once, '
        '"at 2026-05-01T09:00".',
    },
    "timezone": {
        "type": "string",
        "maxLength": 60,
        "description": "The zone of these times, such as Europe/Berlin.",
    },
    "prompt": {
        "type": "string",
        "maxLength": cron_changes.PROMPT_MAX,
        "description": "What is to be done each time, complete in itself: a run knows nothing of "
        "this conversation.",
    },
}
SPEC: Final = ToolSpec(
    name=NAME,
    description=(
        "Jobs that run at certain times and post their answer in this chat. `list` shows them; "
        "`create` and `change` say when and what; `pause`, `resume`, `delete` go by the name."
    ),
    parameters={
        "type": "object",
        "properties": _PROPERTIES,
        "required": ["operation"],
        "additionalProperties": False,
    },
)
_LASTING: Final = frozenset({"create", "change", "resume"})


class ScheduleTool:
    """A LocalTool over the jobs of the chat that a turn answers in."""

    def __init__(self, *, clock: Clock, zone_name: str) -> None:
        """`zone_name` is the zone of jobs that name none."""
        self._clock = clock
        self._zone_name = zone_name

    @property
    def spec(self) -> ToolSpec:
        """What the model is shown."""
        return SPEC

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        """Normalise one call; see Tool."""
        named = by_operation(arguments, _PROPERTIES, fields=_FIELDS, required=_REQUIRED)
        if isinstance(named, Malformed):
            return named
        operation, complete = named
        fields = {name: value.strip() for name, value in complete.items() if value.strip()}
        if missing := [name for name in _REQUIRED[operation] if name not in fields]:
            return Malformed(text=f"The field {missing[0]!r} is empty.")
        if operation == "create":
            fields.setdefault("timezone", self._zone_name)
        if (wrong := _wrong(fields)) is not None:
            return wrong
        return _prepared(operation, fields)

    async def inspect(
        self, call: PreparedCall, context: CallContext
    ) -> PreparedCall | Malformed | None:
        """Put the first times of a new job on its card; see InspectingTool."""
        schedule = call.arguments.get("schedule")
        if schedule is None:
            return call
        definition = Definition(
            schedule=schedule,
            zone=call.arguments.get("timezone", self._zone_name),
            prompt="",
            deliver=context.chat,
        )
        try:
            slots = cron_changes.upcoming(definition, now=self._clock.now())
        except ValueError as error:
            return Malformed(text=f"The schedule can't be followed: {error}.")
        if not slots:
            return Malformed(text="That time is over; choose one that is to come.")
        zone = cron_jobs.zone_of(definition.zone)
        times = ", ".join(f"{slot.at.astimezone(zone):%a %Y-%m-%d %H:%M %Z}" for slot in slots)
        return replace(call, summary=f"{call.summary}; first {times}")

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Never: a local call is its `unit`, stored with its result."""
        raise ToolError("Jobs are stored together with their result.")

    def unit(self, call: PreparedCall, context: CallContext) -> Callable[[Any], ToolOutput]:
        """The call as one unit of work; see LocalTool."""
        now = self._clock.now()

        def apply(tx: Tx) -> ToolOutput:
            try:
                return ToolOutput(text=self._apply(tx, call, context, now))
            except JobRefused as refused:
                raise ToolError(str(refused)) from refused

        return apply

    def _apply(self, tx: Tx, call: PreparedCall, context: CallContext, now: int) -> str:
        given = call.arguments
        if call.operation == "list":
            return _listed(tx, context.account, context.chat)
        if call.operation == "create":
            job = cron_changes.add(tx, self._new(given, context), now=now)
            return f"The job {job.name} is made{_next(job)}."
        job = _own(tx, given["name"], context.chat)
        match call.operation:
            case "change":
                changed = self._changed(job, given, now=now)
                cron.put(tx, changed)
                fires.withdraw(tx, job.name, "edited", now=now)
                return f"The job {job.name} is changed{_next(changed)}."
            case "pause":
                by = context.requester or "the agent"
                return cron_changes.pause(tx, job, by=by).to(ENGLISH)
            case "resume":
                resumed = cron_changes.resume(tx, job, now=now)
                return f"The job {job.name} goes on{_next(resumed)}."
            case "delete":
                return cron_changes.remove(tx, job, now=now).to(ENGLISH)
            case unknown:
                raise ToolError(f"There is no operation {unknown!r}.")

    def _new(self, given: JsonObject, context: CallContext) -> NewJob:
        return NewJob(
            name=given.get("name", ""),
            schedule=given["schedule"],
            zone=given["timezone"],
            prompt=given["prompt"],
            deliver=context.chat,
            account=context.account,
            maker=context.requester,
            maker_name="",
        )

    def _changed(self, job: Job, given: JsonObject, *, now: int) -> Job:
        """A job with what the call says anew; it counts from now."""
        written = {
            field: given[name]
            for name, field in (
                ("schedule", "schedule"),
                ("timezone", "zone"),
                ("prompt", "prompt"),
            )
            if name in given
        }
        if not written:
            raise JobRefused("Say what is to be changed: schedule, timezone or prompt.")
        definition = replace(job.definition, **written)
        changed = cron_jobs.begun(
            replace(job, definition=definition, since=now, state="active", reason="", failures=0)
        )
        if changed.state == "over":
            raise JobRefused("That time is over; choose one that is to come.")
        return changed


def _wrong(fields: Mapping[str, str]) -> Malformed | None:
    """What no job can have, told before anybody is asked."""
    if "schedule" in fields:
        try:
            read_rule(fields["schedule"])
        except ScheduleInvalid as error:
            return Malformed(text=f"The field 'schedule': {error}.")
    if "timezone" in fields:
        try:
            cron_jobs.zone_of(fields["timezone"])
        except ValueError as error:
            return Malformed(text=f"The field 'timezone': {error}.")
    return None


def _prepared(operation: str, fields: dict[str, str]) -> PreparedCall:
    about = fields.get("name") or fields.get("schedule") or ""
    label = f"{NAME}: {operation} {about}".strip()
    lasting, destructive = operation in _LASTING, operation == "delete"
    tags = {RiskTag.RECURRING} if lasting else {RiskTag.DESTRUCTIVE} if destructive else set()
    return PreparedCall(
        tool=NAME,
        operation=operation,
        arguments={"operation": operation, **fields},
        effect=EffectClass.LOCAL,
        label=label if len(label) <= LABEL_MAX else label[: LABEL_MAX - 1] + "…",
        resource=NAME,
        default=Verdict.ASK if lasting or destructive else Verdict.ALLOW,
        reason="it runs again and again, with nobody there"
        if lasting
        else ("what it ends is gone" if destructive else ""),
        when_tainted=Verdict.ASK if operation == "pause" else None,
        tags=frozenset(tags),
        summary=f"{operation} {about}".strip(),
        matters=tuple(fields),
        editable=("prompt",) if "prompt" in fields else (),
    )


def _own(tx: Tx, name: str, chat: str) -> Job:
    """A job that was made for this chat; raises JobRefused."""
    job = cron_changes.find(tx, name)
    if job.definition.deliver not in refs.written_as(chat):
        raise JobRefused(f"There is no job {name} in this chat.")
    if job.source == "config":
        raise JobRefused(f"{name} stands in the configuration: an owner changes it there.")
    return job


def _listed(tx: Tx, account: str, chat: str) -> str:
    forms = listed.written_as(tx, account, chat)
    jobs = [job for job in cron.every(tx) if job.definition.deliver in forms]
    return "\n".join(_line(job) for job in jobs) or "(no jobs in this chat)"


def _line(job: Job) -> str:
    prompt = " ".join(job.definition.prompt.split())
    if len(prompt) > PROMPT_SHOWN:
        prompt = f"{prompt[: PROMPT_SHOWN - 1]}…"
    when = job.definition.schedule or "from outside"
    state = cron_changes.state_text(job)
    return f"{job.name}: {when} ({job.definition.zone}), {state}{_next(job)}. {prompt}"


def _next(job: Job) -> str:
    """When a job runs next, for the end of a sentence; in its own zone."""
    if job.next_at is None or job.state != "active":
        return ""
    try:
        zone = cron_jobs.zone_of(job.definition.zone)
    except ValueError:
        zone = cron_jobs.zone_of("UTC")
    return f", next {cron_jobs.moment(job.next_at).astimezone(zone):%a %Y-%m-%d %H:%M %Z}"
