"""Sans-IO decoder of server-sent events, bounded, indifferent to where the bytes are cut.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
Two things are more lenient than the standard: `finish` delivers an event that lacks its blank
line (a cut JSON text is never valid JSON, so nothing torn passes as whole), and a line that
begins with `error:`, as llama.cpp writes it, is an event of that name.
"""

from dataclasses import dataclass

LINE_BYTES = 1024 * 1024
STREAM_BYTES = 8 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class StreamTooLong(ValueError):
    """A line or the whole stream is longer than allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEvent:
    """One event; `data` is UTF-8 as sent, its lines joined by a line feed."""

    data: bytes
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A line that says only that the server is alive."""


SseItem = ServerEvent | Comment
_COMMENT = Comment()


class SseDecoder:
    """Feed it bytes as they come; it returns what became complete, in order."""

    def __init__(self, *, line_bytes: int = LINE_BYTES, stream_bytes: int = STREAM_BYTES) -> None:
        self._line_bytes = line_bytes
        self._stream_left = stream_bytes
        self._pieces: list[bytes] = []  # the line that is not complete yet
        self._pending = 0
        self._after_cr = False
        self._at_start = True
        self._data: list[bytes] = []
        self._name = ""

    def feed(self, received: bytes) -> list[SseItem]:
        """Take the next bytes; raises StreamTooLong."""
        self._stream_left -= len(received)
        if self._stream_left < 0:
            raise StreamTooLong("the stream is too long")
        if self._after_cr and received:
            self._after_cr = False
            received = received.removeprefix(b"\n")
        if self._between and received.startswith(b"data: ") and received.endswith(b"\n\n"):
            data = received[6:-2]  # one event in one piece, as most come
            if len(data) < self._line_bytes and b"\n" not in data and b"\r" not in data:
                return [ServerEvent(data=data)] if data else []
        if b"\n" not in received and b"\r" not in received:
            self._keep(received)
            return []
        self._after_cr = received.endswith(b"\r")
        lines = b"".join((*self._pieces, received)).splitlines()
        self._pieces.clear()
        self._pending = 0
        rest = b"" if received.endswith((b"\n", b"\r")) else lines.pop()
        items: list[SseItem] = []
        for line in lines:
            if len(line) > self._line_bytes:
                raise StreamTooLong("a line is too long")
            self._line(line, items)
        self._keep(rest)
        return items

    @property
    def _between(self) -> bool:
        """Whether the last event is complete and nothing of a next one has come."""
        return not (self._pieces or self._data or self._name or self._at_start)

    def finish(self) -> list[SseItem]:
        """Take the end of the stream; returns an event that lacked only its end."""
        items: list[SseItem] = []
        if self._pieces:
            self._line(b"".join(self._pieces), items)
            self._pieces.clear()
        self._dispatch(items)
        return items

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._pieces.append(piece)
            self._pending += len(piece)
            if self._pending > self._line_bytes:
                raise StreamTooLong("a line is too long")

    def _line(self, line: bytes, items: list[SseItem]) -> None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if not line:
            self._dispatch(items)
            return
        if line.startswith(b"data:"):  # the one that matters, hence first
            self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            return
        if line.startswith(b":"):
            items.append(_COMMENT)
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode(errors="replace")
        elif field == b"error":
            self._name = "error"
            self._data.append(value)

    def _dispatch(self, items: list[SseItem]) -> None:
        if self._data:
            items.append(ServerEvent(data=b"\n".join(self._data), name=self._name))
            self._data.clear()
        self._name = ""
