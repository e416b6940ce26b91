"""The `shell` tool: one command in OS isolation, given word by word."""

import asyncio
import re
import shlex
from collections.abc import Mapping
from typing import Any, Final

from agent.errors import NotStarted, ToolError
from agent.messages import JsonObject, ResultStatus
from agent.providers.base import ToolSpec
from agent.tools.arguments import checked
from agent.tools.base import (
    CallContext,
    EffectClass,
    Malformed,
    PreparedCall,
    RiskTag,
    ToolOutput,
    Verdict,
)
from agent.tools.command import GRACE_S, START_S, Captured, Ended
from agent.tools.excerpts import HEAD_BYTES, text_of
from agent.tools.files import NAME as WORKSPACE_RESOURCE
from agent.tools.isolation import PLACE, Executable, Isolation
from agent.tools.workspace import PathRefused, segments_of

NAME: Final = "shell"
DEFAULT_TIMEOUT_S: Final = 120
TIMEOUT_MAX_S: Final = 600
WORDS_MAX: Final = 256
LABEL_MAX: Final = 80

_PROPERTIES: Final[Mapping[str, dict[str, Any]]] = {
    "argv": {
        "type": "array",
        "items": {"type": "string", "maxLength": 16 * 1024},
        "minItems": 1,
        "maxItems": WORDS_MAX,
        "description": 'The command word by word, such as ["git", "log", "-n", "5"].',
    },
    "cwd": {
        "type": "string",
        "default": ".",
        "description": "Working directory, relative to the workspace.",
    },
    "stdin": {"type": "string", "description": "Text on its standard input."},
    "timeout_s": {
        "type": "integer",
        "minimum": 1,
        "maximum": TIMEOUT_MAX_S,
        "description": "Seconds after which it is ended.",
    },
}
_SHOWN: Final = "executable"
_NAMED: Final = "environment"
"""What `inspect` adds to the arguments: facts that the run is checked against."""


class ShellTool:
    """Runs commands that people were shown, in an Isolation that is there.

    It is made only where `Isolation.available` gives no reason against it.
    """

    def __init__(self, isolation: Isolation, *, timeout_s: int = DEFAULT_TIMEOUT_S) -> None:
        """`timeout_s` holds where a call names none."""
        self._isolation = isolation
        self._properties = {
            **_PROPERTIES,
            "timeout_s": {**_PROPERTIES["timeout_s"], "default": timeout_s},
        }

    @property
    def spec(self) -> ToolSpec:
        """What the model is shown."""
        return ToolSpec(
            name=NAME,
            description=(
                "Run one command in the workspace, isolated: no network, no files of the machine "
                "but its programs, only the workspace can be written to, nothing goes on after "
                "it ends. Words are passed as they are; for pipes run "
                '["sh", "-c", "..."]. A person is asked first.'
            ),
            parameters={
                "type": "object",
                "properties": self._properties,
                "required": ["argv"],
                "additionalProperties": False,
            },
        )

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        """Normalise one call; see Tool."""
        if isinstance(arguments.get("argv"), str):
            return Malformed(
                text="The field 'argv' is a list of words, not one string: "
                'write ["ls", "-l"], or ["sh", "-c", "..."] for a pipe.'
            )
        given = {name: arguments[name] for name in arguments if name not in (_SHOWN, _NAMED)}
        fields = tuple(self._properties)
        complete = checked(given, self._properties, fields=fields, required=("argv",))
        if isinstance(complete, Malformed):
            return complete
        facts = _facts(arguments)
        if isinstance(facts, Malformed):
            return facts
        argv: list[str] = complete["argv"]
        if not argv[0].strip():
            return Malformed(text="The first word of 'argv' names what is run; it is empty.")
        if any("\0" in word for word in argv):
            return Malformed(text="A word of 'argv' holds a NUL character.")
        try:
            segments = segments_of(_relative(complete["cwd"]), self._isolation.workspace.root)
        except PathRefused as refused:
            return Malformed(text=f"The field 'cwd' is refused: {refused}.")
        cwd = "/".join(segments) or "."
        return _call({**complete, "argv": list(argv), "cwd": cwd, **facts})

    async def inspect(
        self, call: PreparedCall, context: CallContext
    ) -> PreparedCall | Malformed | None:
        """Add what the first word runs and which variables it gets; see InspectingTool."""
        try:
            found = await asyncio.to_thread(self._look, call.arguments)
        except ToolError as error:
            return Malformed(text=str(error))
        except OSError:
            return None
        shown = {
            "path": found.path,
            "resolved": found.resolved,
            "size": found.size,
            "mode": found.mode,
            "sha256": found.sha256,
        }
        names = list(self._isolation.names)
        return _call({**call.arguments, _SHOWN: shown, _NAMED: names})

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Run the command if it is still what was shown; see Tool."""
        shown = call.arguments.get(_SHOWN)
        if shown is None:
            raise NotStarted("The command could not be looked at before; nothing was run.")
        if call.arguments.get(_NAMED) != list(self._isolation.names):
            raise NotStarted("The command would get other variables than shown; nothing was run.")
        ended = await self._isolation.run(
            Executable(**shown),
            tuple(call.arguments["argv"]),
            cwd=_segments(call.arguments["cwd"]),
            stdin=call.arguments.get("stdin", "").encode(),
            deadline_s=call.arguments["timeout_s"],
        )
        return _output(ended, call.arguments["timeout_s"])

    def _look(self, arguments: JsonObject) -> Executable:
        cwd = _segments(arguments["cwd"])
        self._isolation.workspace.require_directory(cwd)
        return self._isolation.locate(arguments["argv"][0], cwd=cwd)


def _call(arguments: JsonObject) -> PreparedCall:
    """The call that these complete arguments make."""
    words = re.sub(r"\s+", " ", shlex.join(arguments["argv"]))
    executable: Mapping[str, Any] = arguments.get(_SHOWN, {})
    warnings = []
    if executable.get("resolved", "").startswith(PLACE + "/"):
        warnings.append("runs a program that lies in the workspace")
    if arguments.get(_NAMED):
        warnings.append("is given the variables " + ", ".join(arguments[_NAMED]))
    return PreparedCall(
        tool=NAME,
        operation="run",
        arguments=arguments,
        effect=EffectClass.ONCE,
        label=_cut(f"{NAME}: {words}", LABEL_MAX),
        # It may touch any file, so it keeps its place among the calls that work on files.
        resource=WORKSPACE_RESOURCE,
        default=Verdict.ASK,
        reason="a command may change or remove any file of the workspace",
        tags=frozenset({RiskTag.DESTRUCTIVE}),
        summary=_cut(f"{words} in {arguments['cwd']}, ended after {arguments['timeout_s']} s", 300),
        taints="command output",
        matters=("argv", *(name for name in ("stdin", _NAMED) if arguments.get(name))),
        warnings=tuple(warnings),
        deadline_s=arguments["timeout_s"] + START_S + 2 * GRACE_S,
    )


def _facts(arguments: JsonObject) -> dict[str, Any] | Malformed:
    """What `inspect` added before; anything else under these names is an unknown field."""
    facts: dict[str, Any] = {}
    shown, names = arguments.get(_SHOWN), arguments.get(_NAMED)
    if shown is not None:
        kinds = {"path": str, "resolved": str, "size": int, "mode": str, "sha256": str}
        if not isinstance(shown, dict) or {k: type(v) for k, v in shown.items()} != kinds:
            return Malformed(text=f"Unknown field {_SHOWN!r}.")
        facts[_SHOWN] = shown
    if names is not None:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return Malformed(text=f"Unknown field {_NAMED!r}.")
        facts[_NAMED] = names
    return facts


def _relative(cwd: str) -> str:
    """A directory as the model may have seen it inside."""
    return cwd[len(PLACE) :].lstrip("/") if (cwd + "/").startswith(PLACE + "/") else cwd


def _segments(cwd: str) -> tuple[str, ...]:
    return () if cwd == "." else tuple(cwd.split("/"))


def _output(ended: Ended, timeout_s: int) -> ToolOutput:
    if ended.timed_out:
        first, status = f"Ended after {timeout_s} s, it was not done.", ResultStatus.FAILED
    elif ended.exit_code is None:
        first, status = "How it ended is not known.", ResultStatus.UNKNOWN
    else:
        first, status = f"Exit code {ended.exit_code}.", ResultStatus.DONE
    parts = [first, _stream("stdout", ended.stdout), _stream("stderr", ended.stderr)]
    return ToolOutput(text="\n".join(part for part in parts if part), status=status)


def _stream(name: str, captured: Captured) -> str:
    """A stream with its first and last 8 KiB, and what is left out between them."""
    if not captured.total:
        return ""
    kept = captured.head + captured.tail
    if captured.total <= 2 * HEAD_BYTES:
        return f"{name}:\n{text_of(kept)}"
    cut = captured.total - 2 * HEAD_BYTES
    note = f"[{cut} of {captured.total} bytes left out here]"
    return f"{name}:\n{text_of(kept[:HEAD_BYTES])}\n{note}\n{text_of(kept[-HEAD_BYTES:])}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
