"""Pure: what a server's tool returned, as text the model reads."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from agent.messages import well_formed
from agent.tools.excerpts import HEAD_BYTES
from agent.tools.mcp_definitions import plain

_NOTHING: Final = "It returned nothing."


def result_text(content: Iterable[Mapping[str, Any]], structured: object) -> str:
    """The text parts of a result; what is no text is named, with its size.

    Structured content stands in for a text that is missing. Head and tail of a long result.
    """
    parts = [_part(block) for block in content]
    said = any(block.get("type") == "text" and block.get("text") for block in content)
    if structured is not None and not said:
        parts.append(json.dumps(structured, ensure_ascii=False, sort_keys=True))
    return both_ends("\n".join(part for part in parts if part) or _NOTHING)


def both_ends(text: str) -> str:
    """The text, or its first and last 8 KiB with what was left out between them."""
    data = well_formed(text).encode()
    if len(data) <= 2 * HEAD_BYTES:
        return data.decode()
    head = data[:HEAD_BYTES].decode(errors="ignore")
    tail = data[-HEAD_BYTES:].decode(errors="ignore")
    left_out = len(data) - len(head.encode()) - len(tail.encode())
    return f"{head}\n[{left_out} of {len(data)} bytes left out here]\n{tail}"


def _part(block: Mapping[str, Any]) -> str:
    match block:
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "image" | "audio" as kind, "data": str(data)}:
            return _unshown(kind, block.get("mimeType"), data)
        case {"type": "resource_link", "uri": str(uri)}:
            return f"[a link: {plain(str(block.get('name', '')), 80)} {plain(uri, 500)}]"
        case {"type": "resource", "resource": {"text": str(text)}}:
            return text
        case {"type": "resource", "resource": {"blob": str(data)} as resource}:
            return _unshown("a file", resource.get("mimeType"), data)
        case _:
            return f"[a part of an unknown kind: {plain(str(block.get('type')), 40)}]"


def _unshown(kind: str, mime: object, data: str) -> str:
    return f"[{kind}, {plain(str(mime or 'unknown type'), 60)}, {len(data) * 3 // 4} bytes]"
