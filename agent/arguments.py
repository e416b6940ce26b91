"""Pure: reading the arguments of a tool call as a model wrote them.

Only what loses nothing is repaired: nothing at all means no arguments, an object written as a
JSON string is unwrapped, and so is one inside a code fence. Anything else is said to the model.
"""

import json
import re
from typing import Any, Final

from agent.messages import JsonObject
from agent.tools.base import Malformed

ARGUMENTS_MAX_BYTES = 32 * 1024
DEPTH_MAX = 32
SHAPE_MAX = 600
"""Characters of an expected shape that a model is told at most."""

_FENCE: Final = re.compile(r"\s*```[a-zA-Z]*[ \t]*\n(.*)\n?[ \t]*```\s*", re.DOTALL)


def parse_arguments(text: str) -> JsonObject | Malformed:
    """Read a call's arguments: one JSON object, no key twice, at most 32 levels and 32 KiB.

    Nothing at all means no arguments.
    """
    if len(text.encode("utf-8", "surrogatepass")) > ARGUMENTS_MAX_BYTES:
        return Malformed(text="The arguments are over 32 KiB. Work in smaller pieces.")
    if not text.strip():
        return {}
    try:
        value = json.loads(text, object_pairs_hook=_no_key_twice, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return Malformed(text=f"The arguments are not one JSON object: {error}.")
    if not isinstance(value, dict):
        return Malformed(text="The arguments must be one JSON object.")
    if _depth(value) > DEPTH_MAX:
        return Malformed(text="The arguments are nested too deep.")
    if not _is_text(value):
        return Malformed(text="The arguments hold half a character (an unpaired surrogate).")
    return value


def readable_arguments(text: str) -> JsonObject | Malformed:
    """The same, with the wrappings that models put around an object taken off.

    What is wrong is said of the text as it was written.
    """
    found = parse_arguments(text)
    if isinstance(found, Malformed):
        inner = unwrapped(text)
        repaired = parse_arguments(inner) if inner is not None and inner.strip() else found
        return found if isinstance(repaired, Malformed) else repaired
    return found


def unwrapped(text: str) -> str | None:
    """What stands inside one wrapping (a code fence, a JSON string); None without one."""
    if len(text) > 2 * ARGUMENTS_MAX_BYTES:
        return None
    if fenced := _FENCE.fullmatch(text):
        return fenced[1]
    if text.lstrip().startswith('"'):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, str) else None
    return None


def expected_shape(parameters: JsonObject) -> str:
    """A tool's arguments in one line, for a model that has to write them again."""
    properties = parameters.get("properties")
    if not isinstance(properties, dict) or not properties:
        return "Expected: one JSON object."
    required = parameters.get("required") or ()
    fields = [
        f'"{name}": {_kind(rules)}{" (required)" if name in required else ""}'
        for name, rules in properties.items()
    ]
    shape = "Expected: {" + ", ".join(fields) + "}."
    return shape if len(shape) <= SHAPE_MAX else shape[: SHAPE_MAX - 3] + "..."


def _kind(rules: Any) -> str:
    if not isinstance(rules, dict):
        return "value"
    if "enum" in rules:
        return " | ".join(json.dumps(value) for value in rules["enum"])
    kind = rules.get("type", "value")
    return " or ".join(map(str, kind)) if isinstance(kind, list) else str(kind)


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _depth(value: Any) -> int:
    level, deepest = [value], 0
    while level:
        deepest += 1
        below = [
            v.values() if isinstance(v, dict) else v for v in level if isinstance(v, dict | list)
        ]
        level = [item for items in below for item in items]
    return deepest


def _is_text(value: Any) -> bool:
    """Whether every string in it can be written anywhere."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
