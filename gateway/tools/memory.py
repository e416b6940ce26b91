"""The `memory` tool: short notes that outlive a session, kept per place.

Threads share the notes of their chat; nobody reads or changes another chat's.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from agent.errors import ToolError
from agent.messages import JsonObject
from agent.providers.base import ToolSpec
from agent.tools.arguments import by_operation
from agent.tools.base import CallContext, EffectClass, Malformed, PreparedCall, ToolOutput, Verdict
from gateway import refs
from gateway.clock import Clock
from gateway.store.base import Tx
from gateway.store.records import memory

NAME: Final = "memory"
NOTES_MAX: Final = 200
NOTE_MAX: Final = 1_000
TEXT_MAX: Final = 16 * 1024
LABEL_MAX: Final = 80

_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "read": ("query",),
    "write": ("text",),
    "forget": ("id",),
}
_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "read": (),
    "write": ("text",),
    "forget": ("id",),
}
_PROPERTIES: Final[Mapping[str, dict[str, Any]]] = {
    "operation": {"type": "string", "enum": list(_FIELDS)},
    "query": {
        "type": "string",
        "maxLength": 200,
        "description": "read: only notes that contain these words.",
    },
    "text": {"type": "string", "maxLength": NOTE_MAX, "description": "write: the note."},
    "id": {"type": "integer", "minimum": 1, "description": "forget: the note's number."},
}
SPEC: Final = ToolSpec(
    name=NAME,
    description=(
        "Notes that are kept for this chat beyond the session. `read` lists them with their "
        "numbers, `write` adds one, `forget` removes one by its number."
    ),
    parameters={
        "type": "object",
        "properties": _PROPERTIES,
        "required": ["operation"],
        "additionalProperties": False,
    },
)


class MemoryTool:
    """A LocalTool over the notes of the chat that a turn answers in."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

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
        fields = {k: " ".join(v.split()) if isinstance(v, str) else v for k, v in complete.items()}
        if not fields.get("text", "x"):
            return Malformed(text="The field 'text' is empty.")
        if fields.get("query") == "":
            del fields["query"]
        about = fields.get("text") or fields.get("query") or fields.get("id") or ""
        label = f"{NAME}: {operation} {about}".strip()
        return PreparedCall(
            tool=NAME,
            operation=operation,
            arguments={"operation": operation, **fields},
            effect=EffectClass.LOCAL,
            label=label if len(label) <= LABEL_MAX else label[: LABEL_MAX - 1] + "…",
            resource=NAME,
            when_tainted=None if operation == "read" else Verdict.ASK,
            summary=label,
            # Others of the chat may have had it written.
            taints="memory" if operation == "read" else "",
            matters=tuple(fields) if operation != "read" else (),
            editable=("text",) if operation == "write" else (),
        )

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Never: a local call is its `unit`, stored with its result."""
        raise ToolError("Notes are stored together with their result.")

    def unit(self, call: PreparedCall, context: CallContext) -> Callable[[Any], ToolOutput]:
        """The call as one unit of work; see LocalTool."""
        place = place_of(context)
        arguments = call.arguments
        now = self._clock.now()

        def apply(tx: Tx) -> ToolOutput:
            match call.operation:
                case "read":
                    return _read(tx, place, arguments.get("query", ""))
                case "write":
                    return _write(tx, place, arguments["text"], context.requester, now)
                case "forget":
                    return _forget(tx, place, arguments["id"])
                case unknown:
                    raise ToolError(f"There is no operation {unknown!r}.")

        return apply


def place_of(context: CallContext) -> str:
    """Where a turn's notes are kept: its chat without the thread; raises ToolError."""
    try:
        account = refs.account_from(context.account)
        chat = replace(refs.chat_from(context.chat, account), thread_id=None)
    except ValueError as exc:
        raise ToolError("There is no chat to keep notes for.") from exc
    return f"{context.account}|{refs.chat_text(chat)}"


def _read(tx: Tx, place: str, query: str) -> ToolOutput:
    """The newest notes that fit, oldest first."""
    wanted = query.casefold()
    notes = [note for note in memory.of_place(tx, place) if wanted in note.text.casefold()]
    shown: list[str] = []
    room = TEXT_MAX
    for note in reversed(notes):
        line = _line(note)
        room -= len(line.encode()) + 1
        if room < 0:
            shown.append(f"[{len(notes) - len(shown)} older ones; read with a query]")
            break
        shown.append(line)
    return ToolOutput(text="\n".join(reversed(shown)) or "(no notes)")


def _write(tx: Tx, place: str, text: str, author: str, now: int) -> ToolOutput:
    notes = memory.of_place(tx, place)
    same = next((note for note in notes if note.text == text), None)
    if same is not None:
        return ToolOutput(text=f"Note {same.id} says this already.")
    if len(notes) >= NOTES_MAX:
        raise ToolError(f"There are {NOTES_MAX} notes already. Forget some first.")
    ident = memory.write(tx, place=place, text=text, author=author, now=now)
    return ToolOutput(text=f"Kept as note {ident}.")


def _forget(tx: Tx, place: str, ident: int) -> ToolOutput:
    if not memory.forget(tx, place=place, ident=ident):
        raise ToolError(f"There is no note {ident} here.")
    return ToolOutput(text=f"Note {ident} is forgotten.")


def _line(note: memory.Memory) -> str:
    day = datetime.fromtimestamp(note.at / 1e6, UTC).date().isoformat()
    return f"{note.id}. {note.text} ({day}, {note.author or 'nobody'})"
