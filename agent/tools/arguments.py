"""Pure: a call's arguments against the schema the model was shown.

The subset of JSON Schema that tools here use: an object of named properties, each one of

    string     `enum`, `maxLength`
    integer    `minimum`, `maximum`
    boolean
    array      of strings: `minItems`, `maxItems`, `items` with the limits of a string
    object     of strings by name: `maxProperties`, `additionalProperties` with the limits of one

with `default`; no further properties. Operations differ in their fields, so a tool says for each
which belong to it.
"""

import difflib
import json
import re
from collections.abc import Mapping
from typing import Any

from agent.messages import JsonObject
from agent.tools.base import Malformed

_TYPES: Mapping[str, type] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
}
_NO_ALIASES: Mapping[str, str] = {}
MISSING = re.compile(r"The field '([^']+)' is missing")
"""What every tool here says of a required field; known names are checked before it is said."""
UNKNOWN = re.compile(r"Unknown field '([^']+)'")
"""What every tool here says of a field it does not take."""


def normalised_name(text: str) -> str:
    """An operation's name as rules know it: trimmed, lower case, one space between words."""
    return re.sub(r"[\s_-]+", " ", text.strip().casefold()).strip()


def flattened(arguments: JsonObject) -> JsonObject | Malformed:
    """Lift the fields of a nested `args` object to where tools here take them.

    A field may stand in both places if it says the same.
    """
    if "args" not in arguments:
        return arguments
    nested = arguments["args"]
    if nested is None:
        nested = {}
    if not isinstance(nested, dict):
        return Malformed(text="The field 'args' must be an object of named fields.")
    flat = {name: value for name, value in arguments.items() if name != "args"}
    for name, value in nested.items():
        if name in flat and not _same(flat[name], value):
            return Malformed(text=f"The field {name!r} stands twice and says two things.")
    return {**flat, **nested}


def checked(
    arguments: JsonObject,
    properties: Mapping[str, JsonObject],
    *,
    fields: tuple[str, ...],
    required: tuple[str, ...],
    aliases: Mapping[str, str] = _NO_ALIASES,
) -> JsonObject | Malformed:
    """Return the arguments with defaults filled in, or what is wrong with which field.

    Only `fields` are known, whatever else the schema names; null is the same as absent. `aliases`
    are other names of fields; a field given under two names must be the same under both.
    """
    given = _by_field(arguments, fields, aliases)
    if isinstance(given, Malformed):
        return given
    complete: dict[str, Any] = {}
    for name in fields:
        rules = properties[name]
        value = given.get(name, rules.get("default"))
        if value is None:
            if name in required:
                return Malformed(text=f"The field {name!r} is missing: {_shape(rules)}.")
            continue
        if not _fits(value, rules):
            return Malformed(text=f"The field {name!r} must be {_shape(rules)}.")
        complete[name] = value
    return complete


def by_operation(
    arguments: JsonObject,
    properties: Mapping[str, JsonObject],
    *,
    fields: Mapping[str, tuple[str, ...]],
    required: Mapping[str, tuple[str, ...]],
) -> tuple[str, JsonObject] | Malformed:
    """The operation a call names and its fields as `checked` gives them; both go by its name."""
    named = arguments.get("operation")
    operation = normalised_name(named) if isinstance(named, str) else ""
    if operation not in fields:
        return Malformed(text=f"The field 'operation' must be one of {', '.join(fields)}.")
    given = {name: value for name, value in arguments.items() if name != "operation"}
    complete = checked(given, properties, fields=fields[operation], required=required[operation])
    return complete if isinstance(complete, Malformed) else (operation, complete)


def _by_field(
    arguments: JsonObject, fields: tuple[str, ...], aliases: Mapping[str, str]
) -> JsonObject | Malformed:
    """Give every argument the name of its field; null is left out."""
    given: dict[str, Any] = {}
    for written, value in arguments.items():
        name = aliases.get(written, written)
        if name not in fields:
            near = difflib.get_close_matches(written, fields, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            known = ", ".join(sorted(fields))
            return Malformed(text=f"Unknown field {written!r}.{hint} Known here: {known}.")
        if value is None:
            continue
        if name in given and not _same(given[name], value):
            return Malformed(text=f"{written!r} is another name of {name!r}, and they disagree.")
        given[name] = value
    return given


def _same(one: object, other: object) -> bool:
    """Equal as JSON: 1 is not true."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _fits(value: object, rules: JsonObject) -> bool:
    expected = _TYPES[rules["type"]]
    if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        return False
    if "enum" in rules and value not in rules["enum"]:
        return False
    match value:
        case str():
            return len(value) <= rules.get("maxLength", len(value)) and _is_text(value)
        case bool():
            return True
        case int():
            return bool(rules.get("minimum", value) <= value <= rules.get("maximum", value))
        case list():
            low, high = rules.get("minItems", 0), rules.get("maxItems", len(value))
            return low <= len(value) <= high and _all_fit(value, rules.get("items"))
        case dict():
            few = len(value) <= rules.get("maxProperties", len(value))
            names = all(name and _is_text(name) for name in value)
            return few and names and _all_fit(value.values(), rules.get("additionalProperties"))
    return True


def _all_fit(values: Any, rules: JsonObject | None) -> bool:
    one: JsonObject = rules or {"type": "string"}
    return all(_fits(value, one) for value in values)


def _is_text(value: str) -> bool:
    """Whether a string holds whole characters only, no half of a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shape(rules: JsonObject) -> str:
    if "enum" in rules:
        return "one of " + ", ".join(repr(value) for value in rules["enum"])
    match rules["type"]:
        case "integer":
            shape = "an integer"
        case "array":
            shape = f"a list; each item {_shape(rules.get('items') or {'type': 'string'})}"
        case "object":
            shape = "an object of strings by name"
        case kind:
            shape = f"a {kind}"
    for limit, words in _LIMITS.items():
        if limit in rules:
            shape += words.format(rules[limit])
    return shape


_LIMITS: Mapping[str, str] = {
    "minimum": " of at least {}",
    "maximum": " and at most {}",
    "maxLength": " of at most {} characters",
    "minItems": "; at least {} of them",
    "maxItems": "; at most {} of them",
    "maxProperties": "; at most {} of them",
}
