"""What the coding agent asks people for, as calls: a command, file changes, a question.

No model is shown these tools. Their calls come from a child of `codex app-server` that waits for
an answer, and pass the same gate as every other call; running one is to accept that one request.
"""

from collections.abc import Mapping
from typing import Any, Final

from agent.canonical import NotCanonical, canonical
from agent.errors import NotStarted
from agent.messages import JsonObject
from agent.providers.base import ToolSpec
from agent.providers.codex import asks
from agent.providers.codex.pool import CodexPool
from agent.providers.codex.times import TIMES
from agent.tools.base import (
    Asking,
    CallContext,
    EffectClass,
    Malformed,
    PreparedCall,
    RiskTag,
    Tool,
    ToolOutput,
    Verdict,
)

LABEL_MAX: Final = 80
SUMMARY_MAX: Final = 300
RESOURCE: Final = "codex"
_SLACK_S: Final = 30.0

_TEXT: Final = {"type": "string"}
_CHANGE: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "path": _TEXT,
        "kind": {"type": "string", "enum": ["add", "delete", "update"]},
        "diff": _TEXT,
        "to": _TEXT,
    },
    "required": ["path", "kind", "diff"],
    "additionalProperties": False,
}


def codex_tools(pool: CodexPool) -> tuple[Tool, ...]:
    """The tools that an entry of this kind needs."""
    return (CommandTool(pool), FilesTool(pool), QuestionTool())


class CommandTool:
    """Accepts a command that the agent waits to run outside its read-only sandbox."""

    hidden = True

    def __init__(self, pool: CodexPool) -> None:
        self._pool = pool

    @property
    def spec(self) -> ToolSpec:
        """Its shape, for the fingerprint of decisions."""
        return ToolSpec(
            name=asks.COMMAND,
            description="A command of the coding agent.",
            parameters=_schema(
                {
                    "command": _TEXT,
                    "cwd": _TEXT,
                    "permissions": {"type": "object"},
                    "reason": _TEXT,
                },
                ("command", "cwd"),
            ),
        )

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        """Normalise one call; see Tool."""
        given = _checked(arguments, texts=("command", "cwd", "reason"), more=("permissions",))
        if isinstance(given, Malformed):
            return given
        permissions = given.get("permissions")
        if not given.get("command") or not given.get("cwd"):
            return Malformed(text="The fields 'command' and 'cwd' are needed.")
        if permissions is not None and not isinstance(permissions, dict):
            return Malformed(text="The field 'permissions' must be an object.")
        command, cwd = given["command"], given["cwd"]
        more = [f"is given more rights: {_shown(permissions)}"] if permissions else []
        return PreparedCall(
            tool=asks.COMMAND,
            operation="run",
            arguments=given,
            effect=EffectClass.ONCE,
            label=_cut(f"{asks.COMMAND}: {_line(command)}", LABEL_MAX),
            resource=RESOURCE,
            default=Verdict.ASK,
            reason="the coding agent wants to run a command outside its read-only sandbox",
            tags=frozenset({RiskTag.DESTRUCTIVE}),
            summary=_cut(f"{_line(command)} in {cwd}", SUMMARY_MAX),
            taints="command output",
            matters=("command", "cwd", *(("permissions",) if permissions else ())),
            warnings=("runs on the gateway's machine, outside the sandbox", *more),
            deadline_s=TIMES.turn_limit_s + _SLACK_S,
        )

    def bound(self, arguments: JsonObject) -> str:
        """What an approval is for; see ReaskedTool."""
        return asks.fingerprint(asks.COMMAND, arguments)

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Accept the request, once, and return what came of it."""
        return await self._pool.carry_out(context.session, call.tool, call.arguments)


class FilesTool:
    """Accepts changes of files that the agent waits to make."""

    hidden = True

    def __init__(self, pool: CodexPool) -> None:
        self._pool = pool

    @property
    def spec(self) -> ToolSpec:
        """Its shape, for the fingerprint of decisions."""
        return ToolSpec(
            name=asks.FILES,
            description="Changes of files by the coding agent.",
            parameters=_schema(
                {"changes": {"type": "array", "items": _CHANGE, "minItems": 1}, "reason": _TEXT},
                ("changes",),
            ),
        )

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        """Normalise one call; see Tool."""
        given = _checked(arguments, texts=("reason",), more=("changes",))
        if isinstance(given, Malformed):
            return given
        changes = given.get("changes")
        if not isinstance(changes, list) or not changes or not all(map(_is_change, changes)):
            return Malformed(text="The field 'changes' lists changes by path, kind and diff.")
        listed = ", ".join(_change_words(change) for change in changes)
        return PreparedCall(
            tool=asks.FILES,
            operation="change",
            arguments=given,
            effect=EffectClass.ONCE,
            label=_cut(f"{asks.FILES}: {listed}", LABEL_MAX),
            resource=RESOURCE,
            default=Verdict.ASK,
            reason="the coding agent wants to change files",
            tags=frozenset({RiskTag.DESTRUCTIVE}),
            summary=_cut(listed, SUMMARY_MAX),
            matters=("changes",),
            warnings=("changes files of the gateway's machine",),
            deadline_s=TIMES.turn_limit_s + _SLACK_S,
        )

    def bound(self, arguments: JsonObject) -> str:
        """What an approval is for; see ReaskedTool."""
        return asks.fingerprint(asks.FILES, arguments)

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Accept the request, once, and return what came of it."""
        return await self._pool.carry_out(context.session, call.tool, call.arguments)


class QuestionTool:
    """A question of the agent; people's words are its result, and go back to it."""

    hidden = True

    @property
    def spec(self) -> ToolSpec:
        """Its shape, for the fingerprint of decisions."""
        options = {"type": "array", "items": _TEXT, "maxItems": asks.OPTIONS_MAX}
        return ToolSpec(
            name=asks.QUESTION,
            description="A question of the coding agent.",
            parameters=_schema({"question": _TEXT, "options": options}, ("question",)),
        )

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        """Normalise one call; see Tool."""
        given = _checked(arguments, texts=("question",), more=("options",))
        if isinstance(given, Malformed):
            return given
        question, options = given.get("question"), given.get("options") or []
        if not question or not isinstance(options, list):
            return Malformed(text="The field 'question' is needed; 'options' is a list.")
        if not all(isinstance(option, str) and option for option in options):
            return Malformed(text="Each of 'options' is a text.")
        return PreparedCall(
            tool=asks.QUESTION,
            operation="ask",
            arguments={"question": question, "options": options},
            effect=EffectClass.LOCAL,
            label=_cut(f"{asks.QUESTION}: {_line(question)}", LABEL_MAX),
            asking=Asking(question=question, options=tuple(dict.fromkeys(options))),
        )

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Never: people's answer is the result."""
        raise NotStarted("A question is answered by people; it can't be run.")


def _schema(properties: Mapping[str, Any], required: tuple[str, ...]) -> JsonObject:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _checked(
    arguments: JsonObject, *, texts: tuple[str, ...], more: tuple[str, ...]
) -> dict[str, Any] | Malformed:
    """The arguments if every field is known and every text is one."""
    for name, value in arguments.items():
        if name not in (*texts, *more):
            return Malformed(text=f"Unknown field {name!r}.")
        if name in texts and not isinstance(value, str):
            return Malformed(text=f"The field {name!r} must be a text.")
    try:
        canonical(dict(arguments))
    except NotCanonical as error:
        return Malformed(text=f"The arguments can't be written down exactly: {error}.")
    return dict(arguments)


def _is_change(change: object) -> bool:
    if not isinstance(change, dict) or not {"path", "kind", "diff"} <= change.keys():
        return False
    known = change.keys() <= {"path", "kind", "diff", "to"}
    texts = all(isinstance(value, str) for value in change.values())
    return known and texts and change["kind"] in ("add", "delete", "update")


def _change_words(change: JsonObject) -> str:
    moved = f" to {change['to']}" if "to" in change else ""
    return f"{change['kind']} {change['path']}{moved}"


def _shown(value: object) -> str:
    return canonical(value).decode()


def _line(text: str) -> str:
    return " ".join(text.split())


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
