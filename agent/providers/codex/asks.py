"""Pure: what the child asks for, the call that each question becomes, and its fingerprint.

What is shown is what is bound: a question whose contents are not fully known is never put to
anybody, it is declined and told.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, TypeGuard

from agent.canonical import NotCanonical, canonical
from agent.messages import JsonObject, ToolCall
from agent.providers.codex.protocol import Requested, RequestId

COMMAND: Final = "codex_command"
FILES: Final = "codex_files"
QUESTION: Final = "codex_question"
PERMISSIONS: Final = "codex_permissions"

COMMAND_METHOD: Final = "item/commandExecution/requestApproval"
FILES_METHOD: Final = "item/fileChange/requestApproval"
PERMISSIONS_METHOD: Final = "item/permissions/requestApproval"
QUESTION_METHOD: Final = "item/tool/requestUserInput"
ELICITATION_METHOD: Final = "mcpServer/elicitation/request"

EMPTY_GRANT: Final[JsonObject] = {"permissions": {}, "scope": "turn"}
OPTIONS_MAX: Final = 8
OPTION_MAX: Final = 75
QUESTION_MAX: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvable:
    """A command or file changes: people decide on exactly `arguments`, by the call `name`."""

    name: str
    item: str
    arguments: JsonObject
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question to people; `field` is where their answer goes, `form` how it is sent."""

    arguments: JsonObject
    field: str
    form: bool


@dataclass(slots=True)
class OpenAsk:
    """A request of the child without an answer; `emitted`: it has become a call."""

    key: str
    number: RequestId
    ask: Approvable | Question
    emitted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """What nobody is asked about: `reply` is the answer, `line` what the chat reads of it."""

    name: str
    arguments: JsonObject
    reply: JsonObject
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A request we do not know at all."""


Ask = Approvable | Question | Declined | Unknown


def decision(word: str) -> JsonObject:
    """`accept`, `decline` or `cancel`; nothing that would hold for longer than once."""
    return {"decision": word}


def read_ask(request: Requested, started: JsonObject | None) -> Ask:
    """Say what a request asks for; `started` is the item it belongs to, as it began."""
    match request.method:
        case method if method == COMMAND_METHOD:
            return _command(request.params)
        case method if method == FILES_METHOD:
            return _files(request.params, started or {})
        case method if method == PERMISSIONS_METHOD:
            return _permissions(request.params)
        case method if method == QUESTION_METHOD:
            return _question(request.params)
        case method if method == ELICITATION_METHOD:
            return _elicitation(request.params)
        case _:
            return Unknown()


def fingerprint(name: str, arguments: JsonObject) -> str:
    """What a decision is bound to: the command, where, with what more; or every change.

    The child's reason for it is shown and not bound. Raises NotCanonical.
    """
    bound = {key: value for key, value in arguments.items() if key != "reason"}
    return sha256(canonical([name, bound])).hexdigest()


def call_of(ask: Approvable | Question, key: str) -> ToolCall:
    """The call that people decide on; `key` finds the open request again."""
    name = ask.name if isinstance(ask, Approvable) else QUESTION
    text = canonical(ask.arguments).decode()
    return ToolCall(id="", name=name, arguments=text, provider_id=key)


def key_of(number: RequestId, item: str) -> str:
    """The name of an open request; one item may ask more than once."""
    return f"{item}#{number}"


def answer_to(ask: Question, words: str) -> JsonObject:
    """People's words in the shape the child waits for."""
    if ask.form:
        return {"action": "accept", "content": {ask.field: words}}
    return {"answers": {ask.field: {"answers": [words]}}}


def no_answer_to(ask: Question) -> JsonObject:
    """Nobody has answered."""
    return {"action": "decline", "content": None} if ask.form else {"answers": {}}


def _command(params: JsonObject) -> Ask:
    command, cwd, item = params.get("command"), params.get("cwd"), params.get("itemId")
    kind = params.get("kind") or "command"
    known = _is_text(command) and _is_text(cwd) and _is_text(item) and kind == "command"
    if not known or params.get("networkApprovalContext"):
        return _unclear(COMMAND, params, "it does not say which command it means")
    arguments: dict[str, Any] = {"command": command, "cwd": cwd}
    if (more := _given(params.get("additionalPermissions"))) is not None:
        arguments["permissions"] = more
    return _approvable(COMMAND, str(item), arguments, params)


def _files(params: JsonObject, started: JsonObject) -> Ask:
    item = params.get("itemId")
    changes = [change_of(change) for change in started.get("changes") or ()]
    if not _is_text(item) or not changes or None in changes:
        return _unclear(FILES, params, "it does not say which changes it means")
    if params.get("grantRoot"):
        return _unclear(FILES, params, "it asks for a whole folder from now on")
    return _approvable(FILES, item, {"changes": changes}, params)


def _approvable(name: str, item: str, arguments: dict[str, Any], params: JsonObject) -> Ask:
    if _is_text(reason := params.get("reason")):
        arguments["reason"] = reason
    try:
        bound = fingerprint(name, arguments)
    except NotCanonical:
        return _unclear(name, params, "its contents can't be written down exactly")
    return Approvable(name=name, item=item, arguments=arguments, fingerprint=bound)


def change_of(change: object) -> JsonObject | None:
    """One change of a file as people decide on it; None if it does not say what it changes."""
    if not isinstance(change, dict):
        return None
    path, diff, kind = change.get("path"), change.get("diff"), change.get("kind")
    how = kind.get("type") if isinstance(kind, dict) else kind
    if not _is_text(path) or not isinstance(diff, str) or how not in ("add", "delete", "update"):
        return None
    moved = kind.get("move_path") if isinstance(kind, dict) else None
    return {"path": path, "kind": how, "diff": diff, **({"to": moved} if _is_text(moved) else {})}


def _permissions(params: JsonObject) -> Declined:
    asked = _given(params.get("permissions"))
    return Declined(
        name=PERMISSIONS,
        arguments={"permissions": asked or {}},
        reply=EMPTY_GRANT,
        line="The coding agent asked for lasting permissions; it was given none.",
    )


def _question(params: JsonObject) -> Ask:
    questions = params.get("questions")
    asked = questions[0] if isinstance(questions, list) and len(questions) == 1 else None
    if not isinstance(asked, dict) or asked.get("isSecret") or not _is_text(asked.get("id")):
        return _unasked({"answers": {}}, "The coding agent had questions that no card can hold")
    labels = [
        option.get("label") for option in asked.get("options") or () if isinstance(option, dict)
    ]
    arguments = _question_arguments(asked.get("question"), labels)
    if arguments is None:
        return _unasked({"answers": {}}, "The coding agent had a question that no card can hold")
    return Question(arguments=arguments, field=str(asked["id"]), form=False)


def _elicitation(params: JsonObject) -> Ask:
    """A form with one field is a question; a tool's approval by that way would pass no gate."""
    no: JsonObject = {"action": "decline", "content": None}
    schema, meta = params.get("requestedSchema"), params.get("_meta")
    fields = schema.get("properties") if isinstance(schema, dict) else None
    approval = isinstance(meta, dict) and "codex_approval_kind" in meta
    if params.get("mode") != "form" or approval or not isinstance(fields, dict) or len(fields) != 1:
        return _unasked(no, "A tool of the coding agent asked for something that no card can hold")
    ((name, shape),) = fields.items()
    if not isinstance(shape, dict) or shape.get("type") != "string":
        return _unasked(no, "A tool of the coding agent asked for something that no card can hold")
    arguments = _question_arguments(params.get("message"), shape.get("enum") or [])
    if arguments is None:
        return _unasked(no, "A tool of the coding agent asked for something that no card can hold")
    return Question(arguments=arguments, field=name, form=True)


def _question_arguments(words: object, labels: list[Any]) -> JsonObject | None:
    options = [" ".join(label.split()) for label in labels if isinstance(label, str)]
    fits = len(options) == len(labels) <= OPTIONS_MAX
    if not _is_text(words) or len(words) > QUESTION_MAX or not fits:
        return None
    if not all(option and len(option) <= OPTION_MAX for option in options):
        return None
    return {"question": words.strip(), "options": options}


def _unclear(name: str, params: JsonObject, why: str) -> Declined:
    what = "a command" if name == COMMAND else "file changes"
    return Declined(
        name=name,
        arguments=_known(params),
        reply=decision("decline"),
        line=f"The coding agent asked for {what}; it was declined: {why}.",
    )


def _unasked(reply: JsonObject, line: str) -> Declined:
    return Declined(name=QUESTION, arguments={}, reply=reply, line=f"{line}; it was declined.")


def _known(params: JsonObject) -> JsonObject:
    shown = ("command", "cwd", "reason", "grantRoot", "networkApprovalContext")
    return {name: params[name] for name in shown if params.get(name)}


def _given(value: object) -> JsonObject | None:
    """An object without what is null in it; None if nothing is left."""
    if not isinstance(value, dict):
        return None
    kept = {
        name: _given(item) if isinstance(item, dict) else item
        for name, item in value.items()
        if item is not None
    }
    return {name: item for name, item in kept.items() if item is not None} or None


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value.strip())
