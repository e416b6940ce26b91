"""The `files` tool: read, list, search, write, edit and delete inside the workspace.

A change is looked at before it is judged: `inspect` adds what is there now (`shown`: the SHA-256
of the file, or `absent`) and whether this session made it (`made_here`, which the file itself
tells). It runs only while that still holds. A change nobody could look at creates a file or
replaces one of this session's, and nothing else.
"""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, assert_never

from agent.errors import NotStarted, ToolError
from agent.messages import JsonObject, ResultStatus
from agent.providers.base import ToolSpec
from agent.tools.arguments import checked, normalised_name
from agent.tools.base import (
    CallContext,
    EffectClass,
    Malformed,
    PreparedCall,
    RiskTag,
    ToolOutput,
    Verdict,
)
from agent.tools.excerpts import Excerpt
from agent.tools.workspace import (
    ABSENT,
    FILE_BYTES,
    Entry,
    Found,
    Kind,
    Match,
    PathRefused,
    Segments,
    Workspace,
    Written,
    segments_of,
)

NAME = "files"
LABEL_MAX = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operation:
    """What an operation takes and what a crash means for it."""

    effect: EffectClass
    fields: tuple[str, ...]
    required: tuple[str, ...] = ()


_OPERATIONS: Final[Mapping[str, _Operation]] = {
    "read": _Operation(
        effect=EffectClass.PURE, fields=("path", "from_line", "lines"), required=("path",)
    ),
    "list": _Operation(effect=EffectClass.PURE, fields=("path",)),
    "search": _Operation(effect=EffectClass.PURE, fields=("query", "path"), required=("query",)),
    "write": _Operation(
        effect=EffectClass.KEYED, fields=("path", "content"), required=("path", "content")
    ),
    "edit": _Operation(
        effect=EffectClass.KEYED, fields=("path", "old", "new"), required=("path", "old", "new")
    ),
    "delete": _Operation(effect=EffectClass.ONCE, fields=("path",), required=("path",)),
}
_CHANGES: Final = ("write", "edit", "delete")
_PROPERTIES: Final[Mapping[str, dict[str, Any]]] = {
    "operation": {"type": "string", "enum": list(_OPERATIONS)},
    "path": {"type": "string", "description": "Relative to the workspace, such as `notes/a.md`."},
    "from_line": {"type": "integer", "minimum": 1, "description": "read: the first line."},
    "lines": {"type": "integer", "minimum": 1, "description": "read: how many lines."},
    "query": {
        "type": "string",
        "maxLength": 200,
        "description": "search: words to find, in any case; no pattern.",
    },
    "content": {
        "type": "string",
        "maxLength": FILE_BYTES,
        "description": "write: the whole new content.",
    },
    "old": {
        "type": "string",
        "maxLength": FILE_BYTES,
        "description": "edit: the exact text to replace; it must stand in the file once.",
    },
    "new": {"type": "string", "maxLength": FILE_BYTES, "description": "edit: what replaces it."},
}
SPEC: Final = ToolSpec(
    name=NAME,
    description=(
        "Work with text files in the workspace. `read` gives a file's text (of a long file its "
        "beginning and end, or the lines asked for), `list` the entries of a directory, `search` "
        "the lines that contain some words. `write` creates a file or replaces a whole one, "
        "`edit` replaces one exact piece of text, `delete` removes a file. A person is asked "
        "before a file is deleted, or changed that this session did not make."
    ),
    parameters={
        "type": "object",
        "properties": _PROPERTIES,
        "required": ["operation"],
        "additionalProperties": False,
    },
)


class FilesTool:
    """A Tool over one directory; every session shares its files."""

    def __init__(self, *, workspace: Path) -> None:
        self._workspace = Workspace(workspace)

    @property
    def spec(self) -> ToolSpec:
        """What the model is shown."""
        return SPEC

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        """Normalise one call; see Tool."""
        named = arguments.get("operation")
        operation = normalised_name(named) if isinstance(named, str) else ""
        rules = _OPERATIONS.get(operation)
        if rules is None:
            return Malformed(text=f"The field 'operation' must be one of {', '.join(_OPERATIONS)}.")
        facts = _facts(arguments) if operation in _CHANGES else {}
        given = {k: v for k, v in arguments.items() if k != "operation" and k not in facts}
        complete = checked(given, _PROPERTIES, fields=rules.fields, required=rules.required)
        if isinstance(complete, Malformed):
            return complete
        if (wrong := _wrong_text(complete)) is not None:
            return Malformed(text=wrong)
        try:
            segments = segments_of(complete.get("path", ""), self._workspace.root)
        except PathRefused as refused:
            return Malformed(text=f"The field 'path' is refused: {refused}.")
        path = "/".join(segments) or "."
        return _call({"operation": operation, **complete, "path": path, **facts})

    async def inspect(
        self, call: PreparedCall, context: CallContext
    ) -> PreparedCall | Malformed | None:
        """Add what a change would meet; see InspectingTool."""
        if call.operation not in _CHANGES:
            return call
        try:
            return await asyncio.to_thread(self._look, call, context.session)
        except ToolError as error:
            return Malformed(text=str(error))
        except OSError:
            return None

    def _look(self, call: PreparedCall, session: str) -> PreparedCall | Malformed:
        segments = _segments(call)
        found = self._workspace.find(segments, session=session)
        facts: dict[str, Any] = {"shown": ABSENT if found is None else found.sha256}
        if found is not None:
            facts |= {"made_here": found.made_here, "size": found.size}
        if call.operation == "edit":
            edited = self._edited(segments, call.arguments, found)
            if isinstance(edited, Malformed):
                return edited
            facts["becomes"] = hashlib.sha256(edited).hexdigest()
        elif call.operation == "delete" and found is None:
            return Malformed(text=f"There is no {call.arguments['path']}.")
        kept = {k: v for k, v in call.arguments.items() if k not in _FACTS}
        return _call({**kept, **facts})

    def _edited(
        self, segments: Segments, arguments: JsonObject, found: Found | None
    ) -> bytes | Malformed:
        """The file with its piece replaced, or why that can't be done."""
        path = arguments["path"]
        if found is None:
            return Malformed(
                text=f"There is no {path}. If a call of this step makes it, edit it in the next."
            )
        content = self._workspace.content(segments)
        times = content.count(arguments["old"].encode())
        if times != 1:
            hint = "Copy it exactly, blanks and all." if not times else "Take more text around it."
            return Malformed(text=f"The text in 'old' stands {times} times in {path}. {hint}")
        edited = content.replace(arguments["old"].encode(), arguments["new"].encode())
        if len(edited) > FILE_BYTES:
            return Malformed(text=f"{path} would be over 1 MiB.")
        return edited

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Perform a prepared call in a thread; see Tool."""
        return await asyncio.to_thread(self._run, call, context)

    def _run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        arguments = call.arguments
        segments = _segments(call)
        match call.operation:
            case "read":
                first = arguments.get("from_line", 1)
                excerpt = self._workspace.read(
                    segments, from_line=first, lines=arguments.get("lines")
                )
                return ToolOutput(text=_excerpt_text(excerpt, first))
            case "list":
                return ToolOutput(text=_listing_text(*self._workspace.entries(segments)))
            case "search":
                found = self._workspace.search(segments, arguments["query"])
                return ToolOutput(text=_matches_text(*found))
            case "write":
                return self._write(call, arguments["content"].encode(), context)
            case "edit":
                return self._edit(call, context)
            case "delete":
                return self._delete(call)
            case unknown:
                raise ToolError(f"There is no operation {unknown!r}.")

    def _write(
        self, call: PreparedCall, content: bytes, context: CallContext, *, whole: bool = True
    ) -> ToolOutput:
        """Put content in place; `whole`: all of it is this session's."""
        path = call.arguments["path"]
        if len(content) > FILE_BYTES:
            return ToolOutput(text="The content is over 1 MiB.", status=ResultStatus.MALFORMED)
        written = self._workspace.write(
            _segments(call),
            content,
            key=context.call_id,
            session=context.session,
            shown=call.arguments.get("shown"),
            marks=whole or call.arguments.get("made_here") is True,
        )
        match written:
            case Written.CREATED:
                return ToolOutput(text=f"Created {path} ({len(content)} bytes).")
            case Written.REPLACED:
                return ToolOutput(text=f"Replaced {path} ({len(content)} bytes).")
            case Written.UNCHANGED:
                return ToolOutput(text=f"{path} has this content ({len(content)} bytes).")
            case Written.CHANGED:
                raise NotStarted(_changed(path))
            case Written.REFUSED:
                return ToolOutput(
                    text=f"{path} was not overwritten: it is there already and is not a file this "
                    "session wrote and nobody changed since. Choose another name, or ask the "
                    "person to move it.",
                    status=ResultStatus.REFUSED,
                )
            case _:
                assert_never(written)

    def _edit(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        arguments = call.arguments
        path = arguments["path"]
        if "shown" not in arguments:
            raise NotStarted(f"{path} could not be looked at before, so it was not edited.")
        content = self._workspace.content(_segments(call))
        if hashlib.sha256(content).hexdigest() == arguments.get("becomes"):
            return ToolOutput(text=f"{path} is edited ({len(content)} bytes).")
        old, new = arguments["old"].encode(), arguments["new"].encode()
        if content.count(old) != 1:
            raise NotStarted(_changed(path))
        return self._write(call, content.replace(old, new), context, whole=False)

    def _delete(self, call: PreparedCall) -> ToolOutput:
        path = call.arguments["path"]
        if "shown" not in call.arguments:
            raise NotStarted(f"{path} could not be looked at before, so it was not deleted.")
        if not self._workspace.delete(_segments(call), shown=call.arguments["shown"]):
            raise NotStarted(_changed(path))
        return ToolOutput(text=f"Deleted {path}.")


_FACTS: Final[Mapping[str, type]] = {"shown": str, "made_here": bool, "size": int, "becomes": str}
"""What `inspect` adds to the arguments of a change, with their types."""


def _facts(arguments: JsonObject) -> dict[str, Any]:
    """What was added before; what has another type is left to be an unknown field."""
    return {
        name: arguments[name]
        for name, kind in _FACTS.items()
        if name in arguments and type(arguments[name]) is kind
    }


def _call(arguments: JsonObject) -> PreparedCall:
    """The call that these complete arguments make."""
    operation, path = arguments["operation"], arguments["path"]
    rules = _OPERATIONS[operation]
    changes = operation in _CHANGES
    default, reason = _verdict(arguments) if changes else (Verdict.ALLOW, "")
    return PreparedCall(
        tool=NAME,
        operation=operation,
        arguments=arguments,
        effect=rules.effect,
        label=_label(operation, path, arguments.get("query")),
        resource=NAME,  # what a call reads, one before it in the same step may have written
        default=default,
        reason=reason,
        tags=frozenset() if default is Verdict.ALLOW else frozenset({RiskTag.DESTRUCTIVE}),
        summary=_summary(arguments) if changes else "",
        taints="" if changes else "file",
        matters=tuple(name for name in ("path", "content", "old", "new") if name in arguments)
        if changes
        else (),
        editable=tuple(name for name in ("content",) if name in arguments),
    )


def _verdict(arguments: JsonObject) -> tuple[Verdict, str]:
    """What may be changed without asking: nothing that somebody else made."""
    if arguments["operation"] == "delete":
        return Verdict.ASK, "a deleted file can't be brought back"
    if arguments.get("shown", ABSENT) == ABSENT or arguments.get("made_here") is True:
        return Verdict.ALLOW, ""
    return Verdict.ASK, "the file is there already and this session did not make it"


def _summary(arguments: JsonObject) -> str:
    path, shown = arguments["path"], arguments.get("shown")
    if shown is None:
        return f"{arguments['operation']} {path}"
    if shown == ABSENT:
        return f"makes {path}, a new file"
    facts = f"{arguments.get('size', 0):,} bytes, sha256 {shown[:8]}"
    match arguments["operation"]:
        case "write":
            return f"replaces {path} ({facts})"
        case "edit":
            return f"changes {path} ({facts})"
        case _:
            return f"removes {path} ({facts})"


def _wrong_text(arguments: JsonObject) -> str | None:
    if not arguments.get("query", "x").strip():
        return "The field 'query' is empty."
    if not arguments.get("old", "x"):
        return "The field 'old' is empty; it is the text to replace."
    if "old" in arguments and arguments["old"] == arguments["new"]:
        return "The fields 'old' and 'new' are the same; nothing would change."
    return None


def _segments(call: PreparedCall) -> Segments:
    path: str = call.arguments["path"]
    return () if path == "." else tuple(path.split("/"))


def _changed(path: str) -> str:
    return f"{path} is no longer what was shown; nothing was changed. Read it again."


def _label(operation: str, path: str, query: str | None) -> str:
    about = path if query is None else f"{query!r} in {path}"
    label = re.sub(r"\s", " ", f"{NAME}: {operation} {about}")
    return label if len(label) <= LABEL_MAX else label[: LABEL_MAX - 1] + "…"


def _excerpt_text(excerpt: Excerpt, first_line: int) -> str:
    if not excerpt.size:
        return "(empty file)"
    if not excerpt.left_out:
        return excerpt.head
    following = first_line + excerpt.head.count("\n")
    note = f"[{excerpt.left_out} of {excerpt.size} bytes left out here; go on with from_line = "
    return f"{excerpt.head}\n{note}{following}]\n{excerpt.tail}"


def _listing_text(entries: list[Entry], more: int) -> str:
    lines = [_entry_text(entry) for entry in entries]
    if more:
        lines.append(f"[{more} more]")
    return "\n".join(lines) or "(empty)"


def _entry_text(entry: Entry) -> str:
    name = entry.name.encode(errors="replace").decode()
    match entry.kind:
        case Kind.FILE:
            return f"{name} ({entry.size} bytes)"
        case Kind.DIRECTORY:
            return f"{name}/"
        case Kind.LINK:
            return f"{name} (link, not followed)"
        case Kind.OTHER:
            return f"{name} (not a file)"


def _matches_text(matches: list[Match], complete: bool) -> str:
    lines = [f"{m.path}:{m.line}: {m.text}" if m.line else m.path for m in matches]
    if not complete:
        lines.append("[there may be more; search in a part of the workspace, or for other words]")
    return "\n".join(lines) or "(nothing found)"
