"""Pure: how long a recording lasts, read from its own bytes."""

import math
from typing import Final

_OPUS_RATE: Final = 48_000
_PIECES_MAX: Final = 100_000
"""Pages and packets that are counted; ten minutes of a messenger have a third of it."""
_FRAMES_MS: Final = (
    *(10, 20, 40, 60) * 3,
    *(10, 20) * 2,
    *(2.5, 5, 10, 20) * 4,
)
"""How long a frame is, by the upper five bits of a packet. Source: RFC 6716, table 2."""


def seconds_of(data: bytes, mime: str) -> int | None:
    """Seconds of an Ogg, WAV or MP4 recording, rounded up; None where its bytes do not tell."""
    match mime:
        case "audio/ogg":
            found = _ogg(data)
        case "audio/wav":
            found = _wav(data)
        case "audio/mp4" | "video/mp4":
            found = _mp4(data)
        case _:
            return None
    return None if found is None or found < 0 else math.ceil(found)


def _ogg(data: bytes) -> float | None:
    """The last page tells how many samples there were. Source: RFC 3533, RFC 7845 4.

    Nothing holds it to what it tells, and whoever transcribes hears all there is: Opus is counted.
    """
    at = data.rfind(b"OggS")
    if at < 0 or len(data) < at + 14:
        return None
    samples = int.from_bytes(data[at + 6 : at + 14], "little", signed=True)
    opus = b"OpusHead" in data
    head = data.find(b"\x01vorbis", 0, 200)
    if head >= 0 and not opus:
        rate = int.from_bytes(data[head + 12 : head + 16], "little")
        return samples / rate if rate else None
    told, counted = samples / _OPUS_RATE, _opus(data) if opus else 0
    if counted is None or told < 0:
        return None
    return counted if counted > told + 1 else told  # the end of a last packet may be cut


def _opus(data: bytes) -> float | None:
    """Seconds of all Opus packets; None where there are too many to count, or several streams."""
    sound_ms, pieces, streams, at = 0.0, 0, 0, -1
    while (at := data.find(b"OggS", at + 1)) >= 0 and at + 27 <= len(data):
        streams += bool(data[at + 5] & 2)
        goes_on = bool(data[at + 5] & 1)
        table = data[at + 27 : at + 27 + data[at + 26]]
        pieces += 1 + len(table)
        if pieces > _PIECES_MAX or streams > 1:
            return None
        where = at + 27 + len(table)
        for length in table:
            if length and not goes_on:
                sound_ms += _packet_ms(data[where : where + 4])
            goes_on = length == 255
            where += length
    return sound_ms / 1000


def _packet_ms(head: bytes) -> float:
    """How long a packet sounds, by its first bytes. Source: RFC 6716 3.1, 3.2.5."""
    if not head or head == b"Opus":  # one of the two headers
        return 0
    match head[0] & 3:
        case 0:
            frames = 1
        case 1 | 2:
            frames = 2
        case _:
            frames = head[1] & 63 if len(head) > 1 else 0
    return min(120, frames * _FRAMES_MS[head[0] >> 3])


def _wav(data: bytes) -> float | None:
    """Bytes of sound by bytes a second."""
    rate = int.from_bytes(data[28:32], "little")
    return (len(data) - 44) / rate if rate else None


def _mp4(data: bytes) -> float | None:
    """The movie header. Source: ISO/IEC 14496-12, 8.2.2."""
    moov = _box(data, 0, len(data), b"moov")
    header = _box(data, *moov, b"mvhd") if moov else None
    if header is None:
        return None
    at = header[0]
    long = data[at] == 1 if at < len(data) else False
    scale_at, size = (at + 20, 8) if long else (at + 12, 4)
    scale = int.from_bytes(data[scale_at : scale_at + 4], "big")
    length = int.from_bytes(data[scale_at + 4 : scale_at + 4 + size], "big")
    return length / scale if scale else None


def _box(data: bytes, start: int, end: int, name: bytes) -> tuple[int, int] | None:
    """Where what a box holds begins and ends."""
    at = start
    while at + 8 <= end:
        size, head = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        size = size or end - at
        if size < head:
            return None
        if data[at + 4 : at + 8] == name:
            return at + head, min(at + size, end)
        at += size
    return None
