"""Pure: how long a recording lasts, read from its own bytes."""

import math
from typing import Final

_OPUS_RATE: Final = 48_000


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
    """The last page tells how many samples there were. Source: RFC 3533, RFC 7845 4."""
    at = data.rfind(b"OggS")
    if at < 0 or len(data) < at + 14:
        return None
    samples = int.from_bytes(data[at + 6 : at + 14], "little", signed=True)
    head = data.find(b"\x01vorbis", 0, 200)
    if head >= 0:
        rate = int.from_bytes(data[head + 12 : head + 16], "little")
        return samples / rate if rate else None
    return samples / _OPUS_RATE


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
