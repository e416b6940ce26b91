"""Pure: what the operations of `hf_sandbox` take."""

from collections.abc import Mapping
from typing import Any, Final

from agent.providers.base import ToolSpec
from agent.tools.base import EffectClass, Verdict
from agent.tools.operations import Operation

NAME: Final = "hf_sandbox"
FLAVOR: Final = "cpu-basic"
IMAGE: Final = "python:3.12"
FILE_BYTES: Final = 1024 * 1024

_MADE: Final = ("flavor", "image", "namespace", "payer", "replaces")
OPERATIONS: Final[Mapping[str, Operation]] = {
    "create": Operation(
        effect=EffectClass.PROBE,
        fields=(*_MADE, "reuses"),
        default=Verdict.ASK,
        reason="it is not the small size",
        deadline_s=240.0,
    ),
    "replace": Operation(
        effect=EffectClass.PROBE,
        fields=_MADE,
        default=Verdict.ASK,
        reason="what is in the present sandbox is lost",
        deadline_s=240.0,
    ),
    "exec": Operation(
        effect=EffectClass.ONCE, fields=("command", "cwd", "timeout_s"), required=("command",)
    ),
    "write": Operation(
        effect=EffectClass.ONCE, fields=("path", "content"), required=("path", "content")
    ),
    "read": Operation(effect=EffectClass.PURE, fields=("path",), required=("path",)),
    "kill": Operation(effect=EffectClass.ONCE),
}
_ACCOUNT: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
PROPERTIES: Final[Mapping[str, dict[str, Any]]] = {
    "operation": {"type": "string", "enum": list(OPERATIONS)},
    "flavor": {
        "type": "string",
        "default": FLAVOR,
        "maxLength": 64,
        "pattern": r"[a-z0-9][a-z0-9-]*",
        "description": "create, replace: hardware, such as cpu-basic, t4-small.",
    },
    "image": {
        "type": "string",
        "default": IMAGE,
        "maxLength": 256,
        "pattern": r"[A-Za-z0-9][A-Za-z0-9._:/@-]*",
        "description": "create, replace: Docker image with /bin/sh.",
    },
    "namespace": {
        "type": "string",
        "pattern": _ACCOUNT,
        "description": "create, replace: account; who pays is decided by configuration.",
    },
    "payer": {"type": "string", "pattern": _ACCOUNT},
    "replaces": {"type": "string", "pattern": r"[A-Za-z0-9_-]{1,64}"},
    "reuses": {"type": "string", "pattern": r"[A-Za-z0-9_-]{1,64}"},
    "command": {
        "type": "array",
        "items": {"type": "string", "maxLength": 32_768},
        "minItems": 1,
        "description": 'exec: program and arguments; for a shell: ["sh", "-c", "..."].',
    },
    "cwd": {"type": "string", "maxLength": 1_000, "description": "exec: working directory."},
    "timeout_s": {
        "type": "integer",
        "minimum": 1,
        "maximum": 600,
        "default": 120,
        "description": "exec: seconds until the command is ended.",
    },
    "path": {"type": "string", "maxLength": 1_000, "description": "write, read: absolute path."},
    "content": {"type": "string", "maxLength": FILE_BYTES, "description": "write: the whole text."},
}
_HIDDEN: Final = ("payer", "replaces", "reuses")
SPEC: Final = ToolSpec(
    name=NAME,
    description=(
        "A machine on Hugging Face hardware to try things in, one per session. `create` starts it "
        "(or gives the one that runs in that size) for at most 55 minutes, `exec` runs a command "
        "in it, `write` and `read` handle its files, `replace` gives a fresh or bigger one, `kill` "
        "ends it. Nothing in it is kept."
    ),
    parameters={
        "type": "object",
        "properties": {k: v for k, v in PROPERTIES.items() if k not in _HIDDEN},
        "required": ["operation"],
        "additionalProperties": False,
    },
)
