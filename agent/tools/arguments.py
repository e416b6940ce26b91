"""Pure: a call's arguments against the schema the model was shown.

The subset of JSON Schema that tools here use: an object of named properties, each a string,
integer or boolean with `enum`, `default`, `minimum`, `maximum`, `maxLength`; no further
properties. Operations differ in their fields, so a tool says for each which belong to it.
"""

import difflib
import re
from collections.abc import Mapping
from typing import Any

from agent.messages import JsonObject
from agent.tools.base import Malformed

_TYPES: Mapping[str, type] = {"string": str, "integer": int, "boolean": bool}


def normalised_name(text: str) -> str:
    """An operation's name as rules know it: trimmed, lower case, one space between words."""
    return re.sub(r"[\s_-]+", " ", text.strip().casefold())


def checked(
    arguments: JsonObject,
    properties: Mapping[str, JsonObject],
    *,
    fields: tuple[str, ...],
    required: tuple[str, ...],
) -> JsonObject | Malformed:
    """Return the arguments with defaults filled in, or what is wrong with which field.

    Only `fields` are known, whatever else the schema names; null is the same as absent.
    """
    for name in arguments:
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            known = ", ".join(sorted(fields))
            return Malformed(text=f"Unknown field {name!r}.{hint} Known here: {known}.")
    complete: dict[str, Any] = {}
    for name in fields:
        rules = properties[name]
        value = arguments.get(name)
        if value is None:
            value = rules.get("default")
        if value is None:
            if name in required:
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
    if isinstance(value, str):
        return len(value) <= rules.get("maxLength", len(value)) and _is_text(value)
    if isinstance(value, int):
        return bool(rules.get("minimum", value) <= value <= rules.get("maximum", value))
    return True


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
    shape = "an integer" if rules["type"] == "integer" else f"a {rules['type']}"
    if "minimum" in rules:
        shape += f" of at least {rules['minimum']}"
    if "maximum" in rules:
        shape += f" and at most {rules['maximum']}"
    if "maxLength" in rules:
        shape += f" of at most {rules['maxLength']} characters"
    return shape
