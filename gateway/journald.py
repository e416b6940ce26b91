"""Log lines to the journal with their fields, by its own protocol.

Source: systemd.io/JOURNAL_NATIVE_PROTOCOL: one datagram an entry, `NAME=value` lines; a value
with line ends is `NAME`, a line end, its length as 64 bits little-endian, and its bytes.
"""

import logging
import os
import socket
import struct
from collections.abc import Callable, Mapping
from typing import TextIO

SOCKET = "/run/systemd/journal/socket"
SEND_WITHIN_S = 0.25
VALUE_MAX_BYTES = 48 * 1024
"""A longer value is cut: an entry must fit a datagram, whatever else it holds."""

_PRIORITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
)  # Source: syslog(3)

Fields = Callable[[logging.LogRecord], Mapping[str, str]]
"""What an entry holds, by journal names: upper-case letters and _; values are already clean."""


def priority(level: int) -> int:
    """The journal's priority of a log level."""
    return next((number for least, number in _PRIORITIES if level >= least), 7)


def leads_to_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether what is written to a stream ends in the journal.

    Source: systemd.exec(5), $JOURNAL_STREAM: device and inode of the stream, decimal.
    """
    device, _, inode = environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(found.st_dev), str(found.st_ino))


def prefixed(line: str, level: int) -> str:
    """Lines as the journal takes them from a stream: each begins with its priority."""
    mark = f"<{priority(level)}>"
    return "\n".join(mark + part for part in line.split("\n"))


def entry(fields: Mapping[str, str]) -> bytes:
    """One entry as it is sent."""
    return b"".join(_field(name, value) for name, value in fields.items() if value)


def open_journal(address: str = SOCKET) -> socket.socket | None:
    """A connection to the journal, or None where there is none."""
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        journal.connect(address)
        journal.settimeout(SEND_WITHIN_S)
    except OSError:
        journal.close()
        return None
    return journal


class JournalHandler(logging.StreamHandler[TextIO]):
    """Writes entries with fields; what the journal does not take goes to the stream instead."""

    def __init__(self, journal: socket.socket, fields: Fields, stream: TextIO) -> None:
        super().__init__(stream)
        self._journal = journal
        self._fields = fields

    def emit(self, record: logging.LogRecord) -> None:
        """Send one entry."""
        try:
            self._journal.send(entry(self._fields(record)))
        except OSError:
            super().emit(record)
        except Exception:  # as every handler: a line that can't be written ends nothing
            self.handleError(record)

    def close(self) -> None:
        """Close the connection."""
        self._journal.close()
        super().close()


def _field(name: str, value: str) -> bytes:
    raw = value.encode("utf-8", "replace")
    if len(raw) > VALUE_MAX_BYTES:
        raw = raw[:VALUE_MAX_BYTES].decode("utf-8", "ignore").encode() + b" [cut]"
    if b"\n" in raw:
        return name.encode() + b"\n" + struct.pack("<Q", len(raw)) + raw + b"\n"
    return name.encode() + b"=" + raw + b"\n"
