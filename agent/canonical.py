"""Pure: the one spelling of a call's arguments, and the fingerprint that binds a decision to it.

Canonical text is UTF-8 JSON with keys sorted by code point, no spare blanks, whole numbers within
2^53 and no other number than the shortest that reads back the same. Text is not normalised: two
strings that only look alike are two strings. What is stored, shown and run are these bytes.
"""

import json
import math
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from agent.messages import JsonObject
from agent.providers.base import ToolSpec

WHOLE_MAX = 2**53
"""Above it readers of JSON disagree about whole numbers. Source: RFC 8259, section 6."""

DEPTH_MAX = 64
"""Objects and lists in each other; arguments are refused far below it."""

_DOMAIN = b"gatepost call 1"


class NotCanonical(ValueError):
    """A value has no canonical text, or a text is not canonical; the message says why."""


def canonical(value: object) -> bytes:
    """The canonical text of a JSON value. Raises NotCanonical for what has none."""
    text = json.dumps(
        _checked(value, DEPTH_MAX), ensure_ascii=False, sort_keys=True, separators=(",", ":")
    )
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise NotCanonical("half a character") from exc


def read_canonical(text: bytes) -> Any:
    """The value of a canonical text. Raises NotCanonical for every other text."""
    try:
        value = json.loads(text.decode())
        again = canonical(value)
    except (ValueError, RecursionError) as exc:
        raise NotCanonical(f"not canonical: {exc}") from exc
    if again != text:
        raise NotCanonical("not canonical: spelled otherwise")
    return value


def read_arguments(text: bytes) -> JsonObject:
    """The arguments of a call from their canonical text; raises NotCanonical."""
    value = read_canonical(text)
    if not isinstance(value, dict):
        raise NotCanonical("arguments are an object")
    return value


def fingerprint(
    *,
    account: str,
    chat: str,
    session: str,
    turn: str,
    call_id: str,
    tool: str,
    schema: str,
    payer: str,
    arguments: bytes,
    snapshots: Mapping[str, str],
) -> str:
    """What a decision is bound to, as 64 hexadecimal digits.

    `arguments` is canonical text, `schema` comes from `schema_hash`, `snapshots` maps names to the
    SHA-256 of their bytes. Every field carries its length, so that no two sets of fields run
    together into the same bytes.
    """
    fields = [account, chat, session, turn, call_id, tool, schema, payer]
    digest = sha256(_DOMAIN)
    for field in fields:
        _add(digest, field.encode("utf-8", "surrogatepass"))
    _add(digest, arguments)
    _add(digest, str(len(snapshots)).encode())
    for name, content in sorted(snapshots.items()):
        _add(digest, name.encode("utf-8", "surrogatepass"))
        _add(digest, content.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def schema_hash(spec: ToolSpec, *, place: str = "") -> str:
    """What the model was told about a tool, as 64 hexadecimal digits; total over all of JSON.

    The description counts too: a server that rewrites it changes what a call means. So does the
    `place` that calls go to, where configuration names one.
    """
    told = [spec.name, spec.description, spec.parameters, *([place] if place else ())]
    return sha256(json.dumps(told, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _add(digest: Any, field: bytes) -> None:
    digest.update(len(field).to_bytes(8, "big"))
    digest.update(field)


def _checked(value: object, depth: int) -> object:
    """The same value in the types and spellings that canonical text knows."""
    if depth < 0:
        raise NotCanonical("too deeply nested")
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise NotCanonical("a name that is no text")
        return {name: _checked(each, depth - 1) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_checked(each, depth - 1) for each in value]
    return _checked_plain(value)


def _checked_plain(value: object) -> object:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        if abs(value) > WHOLE_MAX:
            raise NotCanonical("a whole number beyond 2^53")
        return value
    if not isinstance(value, float):
        raise NotCanonical(f"no JSON: {type(value).__name__}")
    if not math.isfinite(value):
        raise NotCanonical("a number without an end")
    # 1.0 and 1 are the same number, and the shorter is its spelling; so is 0 of -0.0.
    return int(value) if value.is_integer() and abs(value) <= WHOLE_MAX else value
