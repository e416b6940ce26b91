"""Pure: what the service keeps of what it has read, by the marks of requests.

Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching. What stands before a
mark is kept under its exact content; a later request finds it at one of its own marks or within
the 20 blocks before one. Parts of thinking do not take marks.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.wire.openai.script import tokens

Json = Mapping[str, Any]
LOOK_BACK = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a request found: tokens read and written, and how many message blocks were known."""

    read: int
    written: int
    fresh: int
    known_blocks: int

    @property
    def usage(self) -> Json:
        """The input side of a usage object."""
        return {
            "input_tokens": self.fresh,
            "cache_read_input_tokens": self.read,
            "cache_creation_input_tokens": self.written,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.written,
                "ephemeral_1h_input_tokens": 0,
            },
        }


class PromptCache:
    """Everything that was ever marked."""

    def __init__(self) -> None:
        self._kept: set[str] = set()

    def look(self, request: Json) -> Looked:
        """What a request finds, and keep what it marks."""
        blocks = list(_blocks(request))
        keys = list(_keys(str(request.get("model")), blocks))
        sizes = [tokens(block) for block in blocks]
        marks = [at for at, block in enumerate(blocks) if "cache_control" in block]
        found = max((self._found(keys, mark) for mark in marks), default=-1)
        newest = max(marks, default=-1)
        self._kept.update(keys[mark] for mark in marks)
        first = len(blocks) - sum(1 for _ in _message_blocks(request))
        return Looked(
            read=sum(sizes[: found + 1]),
            written=sum(sizes[found + 1 : newest + 1]),
            fresh=sum(sizes[max(found, newest) + 1 :]) + 1,
            known_blocks=max(0, found + 1 - first),
        )

    def _found(self, keys: list[str], mark: int) -> int:
        for at in range(mark, max(mark - LOOK_BACK, 0) - 1, -1):
            if keys[at] in self._kept:
                return at
        return -1


def _blocks(request: Json) -> Iterator[Json]:
    yield from request.get("tools") or ()
    system = request.get("system") or ()
    yield from ({"type": "text", "text": system},) if isinstance(system, str) else system
    yield from _message_blocks(request)


def _message_blocks(request: Json) -> Iterator[Json]:
    for message in request.get("messages") or ():
        content = message["content"]
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            yield {"side": message["role"], **block}


def _keys(model: str, blocks: list[Json]) -> Iterator[str]:
    running = hashlib.sha256(model.encode())
    for block in blocks:
        plain = {name: value for name, value in block.items() if name != "cache_control"}
        running.update(json.dumps(plain, sort_keys=True).encode())
        yield running.hexdigest()
