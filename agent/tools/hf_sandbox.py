"""The `hf_sandbox` tool: one machine per session, rented by the window, to try things in.

Theory of operation. A sandbox is a job with a server inside (`agent.hub_sandbox`), found again by
its labels: a session has one at most, under the account that pays. The Hub ends it when its window
is over, whatever happens here; its own server ends it after 15 idle minutes. A window is not
prolonged: the Hub fixes a job's timeout when it starts.

An existing sandbox is no discount. Asked for again in the same size, it is the running window,
which is paid for; any other size is priced in full and takes its place.
"""

import asyncio
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from agent.costs import FREE, Quote, Unknown, UnknownBecause
from agent.errors import NotStarted, ToolError
from agent.hub import READ_S, HubUnclear
from agent.messages import JsonObject, ResultStatus
from agent.providers.base import ToolSpec
from agent.tools.base import (
    CallContext,
    EffectClass,
    Malformed,
    PreparedCall,
    RemoteJob,
    RiskTag,
    ToolOutput,
    Verdict,
)
from agent.tools.hf_access import (
    CALL_LABEL,
    SESSION_LABEL,
    HubAccess,
    in_doubt,
    payer_in,
    session_label,
)
from agent.tools.hf_job_runs import Handle, JobRuns, handle_of, labels_for
from agent.tools.hf_quotes import MINUTE_S, PORT_FEE, START_MINUTES, WINDOW_MINUTES, repriced
from agent.tools.hf_quotes import window_quote as quoted
from agent.tools.hf_sandbox_form import (
    FILE_BYTES,
    FLAVOR,
    IMAGE,
    NAME,
    OPERATIONS,
    PROPERTIES,
    SPEC,
)
from agent.tools.literal_secrets import literal_secret
from agent.tools.operations import both_ends, label_of, read_call

if TYPE_CHECKING:
    from huggingface_hub import HfApi, JobInfo

ALLOWED_WINDOW: Final = 50_000
"""Micro-dollars: a window of the default size up to this needs no question."""
LIFE_S: Final = (WINDOW_MINUTES - START_MINUTES) * MINUTE_S
IDLE_S: Final = 15 * 60
READY_S: Final = 90.0
WARN_S: Final = 5 * 60
EACH: Final = 8 * 1024
_TAINT: Final = "sandbox output"
_ALIVE: Final = ["SCHEDULING", "RUNNING"]
_KEPT_PID: Final = 'echo $$ > "$0"; exec "$@"'
_END: Final = (  # without `--`, which the shell of Debian does not take after a signal
    'p=$(cat "$0") || exit 0; kill -TERM "-$p" 2>/dev/null || kill -TERM "$p" 2>/dev/null; '
    'for i in 1 2 3 4 5; do kill -0 "-$p" 2>/dev/null || kill -0 "$p" 2>/dev/null || exit 0; '
    'sleep 1; done; kill -KILL "-$p" 2>/dev/null || kill -KILL "$p" 2>/dev/null; true'
)
_NOT_LOOKED_UP: Final = Quote(
    ceiling=Unknown(because=UnknownBecause.PRICE, text="its price could not be looked up")
)


def available() -> str | None:
    """Why the tool can't be had with the installed huggingface_hub; None if it can."""
    try:
        from agent.hub_sandbox import missing_parts
    except ImportError as error:
        return f"huggingface_hub has no sandboxes ({error})"
    if lacking := missing_parts():
        return f"this release of huggingface_hub has changed its sandboxes: {', '.join(lacking)}"
    return None


class HfSandboxTool:
    """An Inspecting-, Paying-, Quoting-, Probing- and RemoteTool over the sandboxes of one Hub."""

    def __init__(self, *, access: HubAccess) -> None:
        self._access = access
        self._hub = access.hub
        self._runs = JobRuns(access.hub, secrets={})

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
            return Malformed(text=f"There is a secret in {place}. A sandbox is given none.")
        read = read_call(
            arguments,
            operations=OPERATIONS,
            properties=PROPERTIES,
            aliases={"hardware_flavor": "flavor", "hardware": "flavor", "timeout": "timeout_s"},
        )
        if isinstance(read, Malformed):
            return read
        name, operation, fields = read
        paid = operation.effect is EffectClass.PROBE
        about = fields.get("flavor") or fields.get("path") or " ".join(fields.get("command", ()))
        return PreparedCall(
            tool=NAME,
            operation=name,
            arguments={"operation": name, **fields},
            effect=operation.effect,
            label=label_of(NAME, name, str(about)),
            resource=NAME,
            default=operation.default,
            reason=operation.reason,
            tags=frozenset({RiskTag.DESTRUCTIVE} if name == "replace" else ()),
            quote=_NOT_LOOKED_UP if paid else FREE,
            summary=f"{fields['flavor']}, ends after {WINDOW_MINUTES} min" if paid else "",
            taints=_TAINT if name in ("exec", "read") else "",
            matters=("image",) if fields.get("image", IMAGE) != IMAGE else (),
            deadline_s=fields["timeout_s"] + 40.0 if name == "exec" else operation.deadline_s,
        )

    async def inspect(
        self, call: PreparedCall, context: CallContext
    ) -> PreparedCall | Malformed | None:
        """Add payer, price and what becomes of the present sandbox; see InspectingTool."""
        return await self.paid_by(call, context, payer=self._access.payer)

    async def paid_by(
        self, call: PreparedCall, context: CallContext, *, payer: str
    ) -> PreparedCall | Malformed | None:
        """Inspect a call for an account that a person chose; see PayingTool."""
        if call.effect is not EffectClass.PROBE:
            return call
        try:
            if (refused := await self._access.may_pay(payer)) is not None:
                return refused
            present, _ = await asyncio.gather(
                self._present(payer, context.session, limit_s=READ_S),
                self._access.look_at_prices(),
            )
        except ToolError:
            return None
        return self._completed(call, payer, present)

    def requote(self, call: PreparedCall, quote: Quote) -> Quote:
        """The quote at the prices known now; see QuotingTool."""
        size = call.arguments.get("flavor")
        return quote if size is None else repriced(quote, self._access.minute(str(size)))

    def _completed(self, call: PreparedCall, payer: str, present: "JobInfo | None") -> PreparedCall:
        fields = {k: v for k, v in call.arguments.items() if k not in ("replaces", "reuses")}
        asked = str(fields.get("namespace", ""))
        fields["payer"] = payer
        if present is not None and call.operation == "create" and _is_like(present, fields):
            quote = replace(FREE, payer=payer, note="the running window is used")
            return replace(
                call,
                arguments={**fields, "reuses": present.id},
                quote=quote,
                default=Verdict.ALLOW,
                reason="it runs already",
            )
        price = self._access.minute(str(fields["flavor"]))
        quote = quoted(price, payer=payer, asked_payer="" if asked == payer else asked)
        if present is not None:
            return replace(
                call,
                arguments={**fields, "replaces": present.id},
                quote=quote,
                tags=call.tags | {RiskTag.DESTRUCTIVE},
                reason="what is in the present sandbox is lost",
                warnings=(*call.warnings, f"Ends sandbox {present.id} and loses what is in it"),
            )
        small = fields["flavor"] == FLAVOR and not call.matters and call.operation == "create"
        cheap = isinstance(quote.ceiling, int) and quote.ceiling <= ALLOWED_WINDOW
        if small and cheap:
            call = replace(call, default=Verdict.ALLOW, reason="a window of the small size")
        elif small:
            call = replace(call, reason="its window costs over $0.05")
        if call.operation == "replace":  # there is nothing to be lost
            call = replace(call, tags=frozenset(), reason="it is asked for a new machine")
        return replace(call, arguments=fields, quote=quote)

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Perform a prepared call; see Tool."""
        try:
            return await self._perform(call, context)
        except HubUnclear as doubt:
            return in_doubt(call, doubt)

    async def _perform(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        fields = call.arguments
        match call.operation:
            case "create" | "replace":
                return await self._make(fields, context)
            case "exec":
                return await self._exec(fields, context)
            case "write":
                return await self._write(fields, context)
            case "read":
                return await self._read(fields, context)
            case "kill":
                job = await self._required(context)
                await self._runs.cancel(job.owner.name, job.id)
                return ToolOutput(text=f"Sandbox {job.id} is ended.")
        raise ToolError(f"There is no operation {call.operation!r}.")

    async def probe(self, call: PreparedCall, context: CallContext) -> ToolOutput | None:
        """Whether a sandbox was made by a call; see ProbingTool."""
        if call.effect is not EffectClass.PROBE:
            raise ToolError("Nobody can tell whether it has happened.")
        if "reuses" in call.arguments or "payer" not in call.arguments:
            return None  # `run` begins nothing then
        job = await self._runs.find(payer_in(call.arguments), context)
        return None if job is None else self._made(job, call.arguments)

    async def poll(self, handle: str) -> ToolOutput | None:
        """The end of a sandbox with what it cost; see RemoteTool."""
        return await self._runs.poll(handle_of(handle))

    async def cancel(self, handle: str) -> None:
        """Ask for the end of a sandbox; see RemoteTool."""
        job = handle_of(handle)
        await self._runs.cancel(job.namespace, job.job_id)

    async def _make(self, fields: JsonObject, context: CallContext) -> ToolOutput:
        payer = payer_in(fields)
        present = await self._present(payer, context.session)
        meant = fields.get("reuses", fields.get("replaces"))
        if (present.id if present else None) != meant:
            raise NotStarted("It was not begun: the session's sandbox is no longer what it was.")
        if present is not None and "reuses" in fields:
            return ToolOutput(text=f"Sandbox {present.id} is running already.", spent=0)
        if present is not None:
            await self._runs.cancel(payer, present.id)
        job = await self._start(fields, context)
        try:
            await self._await_ready(job)
        except ToolError as error:
            return await self._not_up(job, fields, error)
        except asyncio.CancelledError:
            await asyncio.shield(self._runs.cancel(payer, job.id))
            raise
        return self._made(job, fields)

    async def _not_up(self, job: "JobInfo", fields: JsonObject, error: ToolError) -> ToolOutput:
        """End a sandbox that did not come up; what it cost is seen with its end."""
        text = f"The sandbox did not come up and was ended: {error}"
        try:
            await self._runs.cancel(str(fields["payer"]), job.id)
        except ToolError as failed:
            text = f"The sandbox did not come up ({error}), and could not be ended ({failed})."
        return replace(self._made(job, fields), text=text, status=ResultStatus.FAILED)

    async def _start(self, fields: JsonObject, context: CallContext) -> "JobInfo":
        from agent import hub_sandbox

        payer = str(fields["payer"])
        labels = labels_for(context)
        nonce = hashlib.sha256(f"gatepost sandbox {labels[CALL_LABEL]}".encode()).hexdigest()[:32]

        def start(api: "HfApi") -> "JobInfo":
            return hub_sandbox.start(
                api,
                key=self._hub.token,
                nonce=nonce,
                image=str(fields["image"]),
                flavor=str(fields["flavor"]),
                payer=payer,
                labels=labels,
                name=f"gatepost-{labels[CALL_LABEL][:24]}",
                timeout_s=LIFE_S,
                idle_s=IDLE_S,
            )

        try:
            return await self._hub.ask(start)
        except HubUnclear as doubt:
            job = await self._runs.find(payer, context)
            if job is None:
                raise NotStarted(f"{doubt} The Hub has no such sandbox.") from doubt
            return job

    async def _await_ready(self, job: "JobInfo") -> None:
        from agent import hub_sandbox

        def ready(sandbox: Any) -> None:
            hub_sandbox.wait_ready(sandbox, READY_S)

        await self._inside(job, ready, limit_s=READY_S + 10)

    def _made(self, job: "JobInfo", fields: JsonObject) -> ToolOutput:
        price = self._access.minute(str(fields["flavor"]))
        minute = None if isinstance(price, Unknown) else price.micros
        payer = str(fields["payer"])
        handle = Handle(namespace=payer, job_id=job.id, minute=minute, fee=PORT_FEE)
        return ToolOutput(
            text=f"Sandbox {job.id} of {payer} is there ({fields['flavor']}). It ends by itself "
            f"{LIFE_S // 60} min after its start, or after {IDLE_S // 60} idle minutes.",
            record=job.id,
            remote=RemoteJob(
                handle=str(handle),
                label=f"sandbox {job.id} on {fields['flavor']}",
                deadline_s=WINDOW_MINUTES * MINUTE_S,
                record=job.id,
                waits=False,
            ),
        )

    async def _exec(self, fields: JsonObject, context: CallContext) -> ToolOutput:
        from agent import hub_sandbox

        job = await self._required(context)
        mark = f"/tmp/.gatepost-{labels_for(context)[CALL_LABEL][:32]}"  # noqa: S108 - in there
        argv = ["/bin/sh", "-c", _KEPT_PID, mark, *fields["command"]]
        limit_s = int(fields["timeout_s"])

        def execute(sandbox: Any) -> hub_sandbox.Ran:
            cwd = fields.get("cwd")
            return hub_sandbox.execute(sandbox, argv, cwd=cwd, timeout_s=limit_s, each=EACH)

        try:
            ran = await self._inside(job, execute, limit_s=limit_s + 20.0)
        except asyncio.CancelledError:
            await asyncio.shield(self._end_command(job, mark))
            raise
        return _ran_text(ran, limit_s, self._note(job))

    async def _end_command(self, job: "JobInfo", mark: str) -> None:
        """End a command and what it started: asked to, and killed five seconds later."""
        from agent import hub_sandbox

        def end(sandbox: Any) -> None:
            argv = ["/bin/sh", "-c", _END, mark]
            hub_sandbox.execute(sandbox, argv, cwd=None, timeout_s=10, each=EACH)

        try:
            await self._inside(job, end, limit_s=15.0)
        except ToolError:
            await self._runs.cancel(job.owner.name, job.id)

    async def _write(self, fields: JsonObject, context: CallContext) -> ToolOutput:
        path, content = str(fields["path"]), str(fields["content"]).encode()
        job = await self._required(context)
        await self._inside(job, lambda sandbox: sandbox.files.write(path, content), limit_s=60.0)
        return ToolOutput(text=f"Wrote {path} ({len(content)} bytes).{self._note(job)}")

    async def _read(self, fields: JsonObject, context: CallContext) -> ToolOutput:
        path = str(fields["path"])

        def read(sandbox: Any) -> bytes | None:
            size = sandbox.files.stat(path).size
            return sandbox.files.read(path) if size <= FILE_BYTES else None

        job = await self._required(context)
        content = await self._inside(job, read, limit_s=60.0)
        if content is None:
            raise ToolError(f"{path} is over 1 MiB; look at parts of it with `exec`.")
        return ToolOutput(text=both_ends(content.decode(errors="replace"), EACH) or "(empty file)")

    async def _inside(self, job: "JobInfo", work: Any, *, limit_s: float) -> Any:
        """Do something inside a sandbox."""
        from agent import hub_sandbox

        account = await self._hub.account()

        def inside(api: "HfApi") -> Any:
            with hub_sandbox.opened(api, job, key=self._hub.token, owner_id=account.id) as sandbox:
                return work(sandbox)

        try:
            return await self._hub.ask(inside, limit_s=limit_s)
        except hub_sandbox.NotOurs as exc:
            raise NotStarted(f"Job {job.id} is not this gateway's sandbox: {exc}.") from exc

    async def _required(self, context: CallContext) -> "JobInfo":
        for account in self._access.accounts:
            if (present := await self._present(account, context.session)) is not None:
                return present
        raise NotStarted("This session has no sandbox; `create` one first.")

    async def _present(
        self, payer: str, session: str, *, limit_s: float = 30.0
    ) -> "JobInfo | None":
        """The session's sandbox under an account, None if there is none."""
        from agent import hub_sandbox

        wanted = {SESSION_LABEL: session_label(session), **hub_sandbox.label()}

        def listing(api: "HfApi") -> "list[JobInfo]":
            found = api.list_jobs(namespace=payer, status=_ALIVE, labels=wanted)
            return [job for job in found if wanted.items() <= (job.labels or {}).items()]

        jobs = await self._hub.ask(listing, limit_s=limit_s)
        return jobs[0] if jobs else None

    def _note(self, job: "JobInfo") -> str:
        """A warning in the last minutes of a window."""
        if job.started_at is None:
            return ""
        ran_s = self._access.now_us() / 1_000_000 - job.started_at.timestamp()
        left = LIFE_S - ran_s
        return f"\n[This sandbox ends in {max(int(left // 60), 0)} min.]" if left <= WARN_S else ""


def _is_like(job: "JobInfo", fields: JsonObject) -> bool:
    flavor = str(getattr(job.flavor, "value", job.flavor))
    return bool(flavor == fields["flavor"] and job.docker_image == fields["image"])


def _ran_text(ran: Any, limit_s: int, note: str) -> ToolOutput:
    ended = f"It was ended after {limit_s} s." if ran.timed_out else f"Exit code {ran.exit_code}."
    parts = [ended]
    parts += [f"stdout:\n{ran.stdout}"] if ran.stdout else []
    parts += [f"stderr:\n{ran.stderr}"] if ran.stderr else []
    done = ran.exit_code == 0 and not ran.timed_out
    status = ResultStatus.DONE if done else ResultStatus.FAILED
    return ToolOutput(text="\n".join(parts) + note, status=status)
