"""What is shown of a text file: the whole of a short one, else its head and tail, or some lines.

Blocking: call it from a thread.
"""

import os
from dataclasses import dataclass

from agent.errors import ToolError

KIB = 1024
HEAD_BYTES = 8 * KIB
SCAN_BYTES = 16 * 1024 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """A file's text, or its head and tail with `left_out` bytes between them."""

    head: str
    tail: str = ""
    left_out: int = 0
    size: int


def of_file(file: int) -> Excerpt:
    """The whole of a file of at most twice `HEAD_BYTES`, else whole lines of both its ends."""
    size = os.fstat(file).st_size
    if size <= 2 * HEAD_BYTES:
        return Excerpt(head=text_of(os.pread(file, 2 * HEAD_BYTES, 0)), size=size)
    head = _to_line_end(os.pread(file, HEAD_BYTES, 0))
    tail = _from_line_start(os.pread(file, HEAD_BYTES, size - HEAD_BYTES))
    left_out = size - len(head) - len(tail)
    return Excerpt(head=text_of(head), tail=text_of(tail), left_out=left_out, size=size)


def of_bytes(content: bytes) -> Excerpt:
    """The same of content that is no file."""
    size = len(content)
    if size <= 2 * HEAD_BYTES:
        return Excerpt(head=text_of(content), size=size)
    head, tail = _to_line_end(content[:HEAD_BYTES]), _from_line_start(content[-HEAD_BYTES:])
    left_out = size - len(head) - len(tail)
    return Excerpt(head=text_of(head), tail=text_of(tail), left_out=left_out, size=size)


def of_lines(file: int, from_line: int, lines: int | None) -> Excerpt:
    """Lines from `from_line` on, as many as are asked for and fit."""
    size = os.fstat(file).st_size
    taken: list[bytes] = []
    room = 2 * HEAD_BYTES
    number = 1
    cut = 0
    with os.fdopen(os.dup(file), "rb") as stream:
        stream.seek(0)
        while room > 0 and (lines is None or number < from_line + lines):
            line = stream.readline(64 * KIB)
            if not line:
                break
            if stream.tell() > SCAN_BYTES:
                raise ToolError(f"Only the first {SCAN_BYTES // KIB} KiB can be read by lines.")
            if number >= from_line:
                taken.append(line[:room])
                cut = len(line[room:])
                room -= len(line)
            number += line.endswith(b"\n")
        at = stream.tell()
    if not taken:
        raise ToolError(f"The file ends before line {from_line}.")
    left_out = cut if lines is not None and number >= from_line + lines else size - at + cut
    return Excerpt(head=text_of(b"".join(taken)), left_out=max(left_out, 0), size=size)


def _to_line_end(head: bytes) -> bytes:
    end = head.rfind(b"\n") + 1
    return head[:end] if end > len(head) // 2 else _to_character_end(head)


def _from_line_start(tail: bytes) -> bytes:
    start = tail.find(b"\n") + 1
    if 0 < start < len(tail) // 2:
        return tail[start:]
    return tail.lstrip(bytes(range(0x80, 0xC0))) if tail[:1] >= b"\x80" else tail


def _to_character_end(head: bytes) -> bytes:
    """Cut a UTF-8 character that is not complete off the end."""
    for back in range(1, min(4, len(head)) + 1):
        byte = head[-back]
        if byte < 0x80:
            return head
        if byte >= 0xC0:
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return head if back >= needed else head[:-back]
    return head


def around(line: str, wanted: str) -> str:
    """At most 200 characters of a line, with the match among them."""
    line = line.strip()
    start = max(line.casefold().find(wanted) - 80, 0)
    cut = line[start : start + 200]
    return ("…" if start else "") + cut + ("…" if start + 200 < len(line) else "")


def text_of(content: bytes) -> str:
    """Bytes as text; what is no UTF-8 becomes U+FFFD."""
    return content.decode(errors="replace")
