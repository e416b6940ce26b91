"""Pure: one call of a tool with several operations, read against what each of them takes.

Fields are strings, integers, booleans, lists of strings and maps of strings to strings, described
by the JSON Schema the model is shown. Aliases of a field fold into it; two that disagree make the
call malformed. A nested `args` object is taken as the fields themselves.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.messages import JsonObject
from agent.tools.arguments import normalised_name
from agent.tools.base import EffectClass, Malformed, Verdict

LIST_MAX = 256
LABEL_MAX = 80
_TYPES: Mapping[str, type] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What an operation takes, what a crash means for it, and the tool's own word on it."""

    effect: EffectClass
    fields: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    default: Verdict = Verdict.ALLOW
    reason: str = ""
    deadline_s: float | None = None


def read_call(
    arguments: JsonObject,
    *,
    operations: Mapping[str, Operation],
    properties: Mapping[str, JsonObject],
    aliases: Mapping[str, str] | None = None,
) -> tuple[str, Operation, JsonObject] | Malformed:
    """Return the operation's name, the operation, and its fields with defaults filled in."""
    given = folded(arguments, aliases or {})
    if isinstance(given, Malformed):
        return given
    named = given.pop("operation", None)
    name = normalised_name(named) if isinstance(named, str) else ""
    operation = operations.get(name)
    if operation is None:
        return Malformed(text=_no_such_operation(name, operations))
    fields = _checked(given, properties, operation)
    return fields if isinstance(fields, Malformed) else (name, operation, fields)


def folded(arguments: JsonObject, aliases: Mapping[str, str]) -> dict[str, Any] | Malformed:
    """Return the fields under their own names, those of a nested `args` among them."""
    given = dict(arguments)
    nested = given.pop("args", None)
    if nested is not None and not isinstance(nested, dict):
        return Malformed(text="The field 'args' must be an object of fields.")
    found: dict[str, Any] = {}
    for key, value in (*given.items(), *(nested or {}).items()):
        if value is None:
            continue
        name = aliases.get(key, key)
        if name in found and found[name] != value:
            return Malformed(text=f"The field {name!r} is given twice with different values.")
        found[name] = value
    return found


def _no_such_operation(name: str, operations: Mapping[str, Operation]) -> str:
    near = difflib.get_close_matches(name, operations, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"The field 'operation' must be one of: {', '.join(operations)}.{hint}"


def _checked(
    given: Mapping[str, Any], properties: Mapping[str, JsonObject], operation: Operation
) -> JsonObject | Malformed:
    for name in given:
        if name not in operation.fields:
            near = difflib.get_close_matches(name, operation.fields, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            known = ", ".join(sorted(operation.fields)) or "none"
            return Malformed(text=f"Unknown field {name!r}.{hint} Known here: {known}.")
    complete: dict[str, Any] = {}
    for name in operation.fields:
        rules = properties[name]
        value = given.get(name, rules.get("default"))
        if value is None:
            if name in operation.required:
                return Malformed(text=f"The field {name!r} is missing: {_shape(rules)}.")
            continue
        if not _fits(value, rules):
            return Malformed(text=f"The field {name!r} must be {_shape(rules)}.")
        complete[name] = value
    return complete


def _fits(value: object, rules: JsonObject) -> bool:
    expected = _TYPES[rules["type"]]
    if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        return False
    if "enum" in rules and value not in rules["enum"]:
        return False
    match value:
        case bool():
            return True
        case str():
            pattern = rules.get("pattern")
            return _is_text(value, rules) and (not pattern or bool(re.fullmatch(pattern, value)))
        case int():
            return bool(rules.get("minimum", value) <= value <= rules.get("maximum", value))
        case list():
            items = rules.get("items") or {"type": "string"}
            few = rules.get("minItems", 0) <= len(value) <= rules.get("maxItems", LIST_MAX)
            return few and all(_fits(item, items) for item in value)
        case dict():
            names = re.compile(rules.get("propertyNames", {}).get("pattern", ".*"))
            texts = all(isinstance(v, str) and _is_text(v, {}) for v in value.values())
            return texts and len(value) <= LIST_MAX and all(names.fullmatch(k) for k in value)
    return False


def _is_text(value: str, rules: JsonObject) -> bool:
    """Whether it holds whole characters only, none of them NUL, and not too many."""
    if "\0" in value or len(value) > rules.get("maxLength", len(value)):
        return False
    return not any(0xD800 <= ord(char) < 0xE000 for char in value)


def _shape(rules: JsonObject) -> str:
    if "enum" in rules:
        return "one of " + ", ".join(repr(value) for value in rules["enum"])
    match rules["type"]:
        case "array":
            items = rules.get("items", {}).get("type", "string")
            shape = f"a list of {items}s"
        case "object":
            shape = "an object of strings"
        case "integer":
            shape = "an integer"
        case other:
            shape = f"a {other}"
    if "minimum" in rules:
        shape += f" of at least {rules['minimum']}"
    if "maximum" in rules:
        shape += f" and at most {rules['maximum']}"
    if "maxLength" in rules:
        shape += f" of at most {rules['maxLength']} characters"
    return shape + (f" ({rules['shape']})" if "shape" in rules else "")


def label_of(tool: str, operation: str, about: str) -> str:
    """A few plain words about a call, on one line."""
    label = re.sub(r"\s+", " ", f"{tool}: {operation} {about}".strip())
    return label if len(label) <= LABEL_MAX else label[: LABEL_MAX - 1] + "…"


def both_ends(text: str, each: int = 8 * 1024) -> str:
    """Head and tail of a long text, `each` characters of both, with what was cut between."""
    if len(text) <= 2 * each:
        return text
    return f"{text[:each]}\n[{len(text) - 2 * each} characters left out]\n{text[-each:]}"
