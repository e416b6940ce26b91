"""Pure: what the operations of `hf_jobs` take, and one call of it in its normal form."""

from collections.abc import Mapping
from typing import Any, Final

from agent.costs import Unknown
from agent.durations import seconds_of
from agent.messages import JsonObject
from agent.providers.base import ToolSpec
from agent.tools.base import EffectClass, Malformed, Verdict
from agent.tools.hf_quotes import TIMEOUT_DEFAULT_S
from agent.tools.hf_schedule import NoSchedule, fields_of
from agent.tools.operations import Operation, folded, read_call

NAME: Final = "hf_jobs"
IMAGE: Final = "python:3.12"
UV_IMAGE: Final = "ghcr.io/astral-sh/uv:python3.12-bookworm"
FLAVOR: Final = "cpu-basic"
CPU_FLAVORS: Final = frozenset({"cpu-basic", "cpu-upgrade"})
SCRIPT_BYTES: Final = 64 * 1024
"""Its base64 travels in one environment variable, which Linux limits to 128 KiB."""
TAIL_LINES: Final = 200
ALIASES: Final = {"hardware_flavor": "flavor", "hardware": "flavor", "id": "job_id"}

STARTING: Final = frozenset({"run", "uv", "scheduled run", "scheduled uv"})
SCHEDULED: Final = "scheduled "
_PAID = ("flavor", "env", "secrets", "expose", "ssh", "namespace", "payer", "image")
_RUN = ("command", *_PAID)
_UV = ("script", "script_path", "script_sha256", "script_args", "dependencies", "python", *_PAID)
_ONE = ("job_id", "namespace")


def _starting(*fields: str, required: tuple[str, ...]) -> Operation:
    return Operation(
        effect=EffectClass.PROBE,
        fields=fields,
        required=required,
        default=Verdict.ASK,
        reason="it costs money",
        deadline_s=120.0,
    )


def _by_hand(*fields: str, required: tuple[str, ...]) -> Operation:
    return Operation(
        effect=EffectClass.PROBE,
        fields=fields,
        required=required,
        default=Verdict.ASK,
        reason="schedules are always asked by hand",
        deadline_s=120.0,
    )


OPERATIONS: Final[Mapping[str, Operation]] = {
    "run": _starting(*_RUN, required=("command",)),
    "uv": _starting(*_UV, required=()),
    "ps": Operation(effect=EffectClass.PURE, fields=("namespace", "all")),
    "logs": Operation(effect=EffectClass.PURE, fields=(*_ONE, "tail"), required=("job_id",)),
    "inspect": Operation(effect=EffectClass.PURE, fields=_ONE, required=("job_id",)),
    "cancel": Operation(
        effect=EffectClass.KEYED,
        fields=_ONE,
        required=("job_id",),
        default=Verdict.ASK,
        reason="this session did not start that job",
    ),
    "scheduled run": _by_hand("schedule", *_RUN, required=("schedule", "command")),
    "scheduled uv": _by_hand("schedule", *_UV, required=("schedule",)),
    "scheduled ps": Operation(effect=EffectClass.PURE, fields=("namespace",)),
    "scheduled inspect": Operation(effect=EffectClass.PURE, fields=_ONE, required=("job_id",)),
    "scheduled suspend": _by_hand(*_ONE, required=("job_id",)),
    "scheduled resume": _by_hand(*_ONE, "payer", "size", required=("job_id",)),
    "scheduled trigger": _by_hand(*_ONE, "payer", "size", required=("job_id",)),
    "scheduled delete": _by_hand(*_ONE, required=("job_id",)),
}

_NAMESPACE: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
PROPERTIES: Final[Mapping[str, dict[str, Any]]] = {
    "operation": {"type": "string", "enum": list(OPERATIONS)},
    "command": {
        "type": "array",
        "items": {"type": "string", "maxLength": 16_384},
        "minItems": 1,
        "maxItems": 64,
        "description": "run: program and arguments, one string each; no shell.",
    },
    "image": {
        "type": "string",
        "maxLength": 256,
        "pattern": r"[A-Za-z0-9][A-Za-z0-9._:/@-]*",
        "description": f"Docker image; {IMAGE} for run, an image with uv for uv.",
    },
    "script": {"type": "string", "maxLength": 32_768, "description": "uv: Python source."},
    "script_path": {
        "type": "string",
        "maxLength": 1_000,
        "description": "uv: a Python file in the workspace, instead of `script`.",
    },
    "script_sha256": {"type": "string", "pattern": "[0-9a-f]{64}"},
    "script_args": {"type": "array", "items": {"type": "string", "maxLength": 4_096}},
    "dependencies": {
        "type": "array",
        "items": {"type": "string", "maxLength": 512, "pattern": r"[A-Za-z0-9].*"},
        "description": "uv: packages the script needs, as pip writes them.",
    },
    "python": {"type": "string", "pattern": r"3\.\d{1,2}", "description": "uv: such as 3.12."},
    "flavor": {
        "type": "string",
        "default": FLAVOR,
        "maxLength": 64,
        "pattern": r"[a-z0-9][a-z0-9-]*",
        "description": "Hardware, such as cpu-basic, t4-small, a100-large.",
    },
    "timeout": {
        "type": "string",
        "description": "When it is stopped at the latest: 45m, 2h, 90 (seconds); 30m if left out.",
    },
    "env": {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "propertyNames": {"pattern": r"[A-Za-z_][A-Za-z0-9_]{0,127}"},
        "description": "Environment variables. No secrets.",
    },
    "secrets": {
        "type": "array",
        "items": {"type": "string", "maxLength": 128},
        "description": "Names of configured secrets that become environment variables.",
    },
    "expose": {
        "type": "array",
        "items": {"type": "integer", "minimum": 1, "maximum": 65_535},
        "maxItems": 8,
        "description": "Ports to reach from outside.",
    },
    "ssh": {"type": "boolean", "default": False},
    "namespace": {
        "type": "string",
        "pattern": _NAMESPACE,
        "description": "Account of the job. Who pays is decided by configuration.",
    },
    "payer": {"type": "string", "pattern": _NAMESPACE},
    "size": {"type": "string", "maxLength": 64, "pattern": r"[a-z0-9][a-z0-9-]*"},
    "schedule": {
        "type": "string",
        "maxLength": 128,
        "description": "@hourly, @daily, @weekly, @monthly, @yearly or five cron fields, in UTC.",
    },
    "job_id": {
        "type": "string",
        "pattern": r"[A-Za-z0-9_-]{1,64}",
        "shape": "the id of a job, or of a scheduled job",
    },
    "tail": {"type": "integer", "minimum": 1, "maximum": TAIL_LINES, "default": TAIL_LINES},
    "all": {"type": "boolean", "default": False, "description": "ps: those that ended, too."},
}
_OURS: Final = ("payer", "script_sha256", "size")
"""What `inspect` adds; the model is not asked for it."""

_SHOWN: Final = {name: shape for name, shape in PROPERTIES.items() if name not in _OURS}
SPEC: Final = ToolSpec(
    name=NAME,
    description=(
        "Run jobs on Hugging Face hardware. `run` starts a command in an image, `uv` a Python "
        "script with its dependencies; both cost money and people are usually asked first. `ps` "
        "lists jobs, `logs` shows the last lines of one, `inspect` its state, `cancel` ends it. "
        "`scheduled run` and `scheduled uv` start one again and again; `scheduled ps`, `inspect`, "
        "`suspend`, `resume`, `trigger`, `delete` handle these. A started job is waited for."
    ),
    parameters={
        "type": "object",
        "properties": _SHOWN,
        "required": ["operation"],
        "additionalProperties": False,
    },
)


def read_job_call(
    arguments: JsonObject, *, secrets: frozenset[str]
) -> tuple[str, Operation, JsonObject] | Malformed:
    """Return operation and arguments in normal form; reading them again gives the same.

    `timeout_s` is there where the timeout is a length of time that may be asked for, else
    `timeout` as it was written.
    """
    given = folded(arguments, ALIASES)
    if isinstance(given, Malformed):
        return given
    timeout = _timeout(given)
    read = read_call(given, operations=OPERATIONS, properties=PROPERTIES)
    if isinstance(read, Malformed):
        return read
    name, operation, fields = read
    if isinstance(timeout, Malformed) or (timeout and name not in STARTING):
        known = Malformed(text=f"Unknown field 'timeout' of {name!r}.")
        return timeout if isinstance(timeout, Malformed) else known
    wrong = _wrong(name, fields, secrets) if name in STARTING else None
    if wrong:
        return Malformed(text=wrong)
    complete = {"operation": name, **fields}
    if name in STARTING:
        complete |= timeout or {"timeout_s": TIMEOUT_DEFAULT_S}
        complete.setdefault("image", UV_IMAGE if name.endswith("uv") else IMAGE)
    return name, operation, complete


def timeout_of(fields: JsonObject) -> int | Unknown:
    """The timeout in seconds, or why it is none."""
    written = fields.get("timeout_s", fields.get("timeout"))
    return seconds_of(written)


def _timeout(given: dict[str, Any]) -> JsonObject | Malformed:
    """Take the timeout out of the fields: as seconds, or as written where it is no length."""
    written = [given.pop(name) for name in ("timeout", "timeout_s") if name in given]
    if not written:
        return {}
    lengths = [seconds_of(value) for value in written]
    first = lengths[0]
    if any(length != first for length in lengths):
        return Malformed(text="The fields 'timeout' and 'timeout_s' disagree.")
    if isinstance(first, int):
        return {"timeout_s": first}
    if not isinstance(written[0], str | int | float | bool):
        return Malformed(text="The field 'timeout' must be a length of time, such as 45m.")
    return {"timeout": written[0]}


def _wrong(name: str, fields: JsonObject, secrets: frozenset[str]) -> str:
    """What is wrong with the fields of a call that starts something; "" if nothing is."""
    unknown = [name for name in fields.get("secrets", ()) if name not in secrets]
    if unknown:
        known = ", ".join(sorted(secrets)) or "none"
        return f"There is no secret {unknown[0]!r}. A job can be given: {known}."
    twice = set(fields.get("secrets", ())) & set(fields.get("env", {}))
    if twice:
        return f"{min(twice)!r} is both a variable and a secret."
    if name.endswith("uv") and ("script" in fields) == ("script_path" in fields):
        return "Give either `script` or `script_path`."
    if "schedule" in fields:
        try:
            fields_of(fields["schedule"])
        except NoSchedule as refused:
            return f"The field 'schedule' is refused: {refused}."
    return ""
