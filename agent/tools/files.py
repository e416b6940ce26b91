"""The `files` tool: read, list, search and write inside the workspace."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent.errors import ToolError
from agent.messages import JsonObject, ResultStatus
from agent.providers.base import ToolSpec
from agent.tools.arguments import checked, normalised_name
from agent.tools.base import CallContext, EffectClass, Malformed, PreparedCall, ToolOutput
from agent.tools.workspace import (
    FILE_BYTES,
    Entry,
    Excerpt,
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
}
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
}
SPEC: Final = ToolSpec(
    name=NAME,
    description=(
        "Work with text files in the workspace. `read` gives a file's text (of a long file its "
        "beginning and end, or the lines asked for), `list` the entries of a directory, `search` "
        "the lines that contain some words. `write` creates a file, or replaces one that was "
        "written in this session; it does not overwrite anyone else's file."
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
        given = {name: value for name, value in arguments.items() if name != "operation"}
        complete = checked(given, _PROPERTIES, fields=rules.fields, required=rules.required)
        if isinstance(complete, Malformed):
            return complete
        if not complete.get("query", "x").strip():
            return Malformed(text="The field 'query' is empty.")
        try:
            segments = segments_of(complete.get("path", ""), self._workspace.root)
        except PathRefused as refused:
            return Malformed(text=f"The field 'path' is refused: {refused}.")
        path = "/".join(segments) or "."
        return PreparedCall(
            tool=NAME,
            operation=operation,
            arguments={**complete, "path": path},
            effect=rules.effect,
            label=_label(operation, path, complete.get("query")),
            resource=NAME,  # what a call reads, one before it in the same step may have written
        )

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Perform a prepared call in a thread; see Tool."""
        return await asyncio.to_thread(self._run, call, context)

    def _run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        arguments = call.arguments
        segments = segments_of(arguments["path"], self._workspace.root)
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
                return self._write(segments, arguments["content"], context)
            case unknown:
                raise ToolError(f"There is no operation {unknown!r}.")

    def _write(self, segments: Segments, content: str, context: CallContext) -> ToolOutput:
        encoded = content.encode()
        path = "/".join(segments)
        if len(encoded) > FILE_BYTES:
            return ToolOutput(text="The content is over 1 MiB.", status=ResultStatus.MALFORMED)
        written = self._workspace.write(
            segments, encoded, key=context.call_id, session=context.session
        )
        match written:
            case Written.CREATED:
                return ToolOutput(text=f"Created {path} ({len(encoded)} bytes).")
            case Written.REPLACED:
                return ToolOutput(text=f"Replaced {path} ({len(encoded)} bytes).")
            case Written.UNCHANGED:
                return ToolOutput(text=f"{path} has this content ({len(encoded)} bytes).")
            case Written.REFUSED:
                return ToolOutput(
                    text=f"{path} was not overwritten: it is there already and is not a file this "
                    "session wrote and nobody changed since. Choose another name, or ask the "
                    "person to move it.",
                    status=ResultStatus.REFUSED,
                )


def _label(operation: str, path: str, query: str | None) -> str:
    about = path if query is None else f"{query!r} in {path}"
    label = f"{NAME}: {operation} {about}"
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
