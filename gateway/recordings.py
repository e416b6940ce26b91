"""Pure: how long a recording lasts, read from its own bytes.

A header may tell anything, while whoever transcribes hears, and charges for, all there is. So what
sounds is counted where that can be done: packets of Opus, frames of MP3 and AAC, samples of WAV.
Elsewhere a recording may last as long as its bytes would at the lowest rate of any codec.
"""

import math
import re
import struct
from dataclasses import dataclass
from typing import Final

BYTES_A_SECOND: Final = 750
"""6 kbit/s, the least that Opus is made for; no other codec goes lower. Source: RFC 6716 2.1.1."""

ENDLESS: Final = 1_000_000
"""Seconds that stand for more pieces than are counted."""

_PIECES_MAX: Final = 100_000
"""Pages, packets and frames that are counted; ten minutes of a messenger have a third of it."""
_BOXES_MAX: Final = 1_000
"""Boxes or chunks of one place that are looked through."""
_OPUS_RATE: Final = 48_000
_FRAMES_MS: Final = (
    *(10, 20, 40, 60) * 3,
    *(10, 20) * 2,
    *(2.5, 5, 10, 20) * 4,
)
"""How long a frame is, by the upper five bits of a packet. Source: RFC 6716, table 2."""

_PCM: Final = frozenset({1, 3, 6, 7})
"""WAV formats of so many bytes a sample: integers, floats, A-law, mu-law."""
_EXTENSIBLE: Final = 0xFFFE
_PCM_MAX: Final = 48_000 * 2 * 4
"""Bytes a second of the most that a microphone records; who tells of more is not believed."""

_MP3_MARK: Final = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]")
_MP3_KBITS: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MP3_KBITS_LOW: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MP3_RATES: Final = (44_100, 48_000, 32_000)
_MP3_HALVED: Final = {3: 0, 2: 1, 0: 2}
"""Of layer III, by the fields of a frame's head. Source: ISO/IEC 11172-3 and 13818-3, 2.4.2.3."""

_AAC_RATES: Final = (
    *(96_000, 88_200, 64_000, 48_000, 44_100, 32_000),
    *(24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350),
)
"""By the index of a decoder's configuration. Source: ISO/IEC 14496-3 1.6.3.4."""
_AAC_KINDS: Final = frozenset({1, 2, 5, 29})
"""Main, LC, and LC with what HE adds, whose rate is that of the LC in it."""
_AAC_SAMPLES: Final = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """Seconds, rounded up: as counted or told, None where nothing tells, and what may be charged.

    `at_most` is never less than `seconds`.
    """

    seconds: int | None
    at_most: int


def length_of(data: bytes, mime: str) -> Length:
    """How long a recording lasts."""
    told = counted = None
    match mime:
        case "audio/ogg":
            told, counted = _ogg(data), _opus(data)
            if told is not None and counted is not None and told <= counted <= told + 1:
                counted = told  # the end of the last packet is cut
        case "audio/wav":
            counted = _wav(data)
        case "audio/mpeg":
            counted = _mp3(data)
        case "audio/mp4" | "video/mp4":
            told, counted = _mp4(data), _aac(data)
    known = [math.ceil(each) for each in (told, counted) if each is not None]
    seconds = max(known) if known else None
    bound = 0 if counted is not None else -(-len(data) // BYTES_A_SECOND)
    return Length(seconds=seconds, at_most=max(bound, seconds or 0))


def _ogg(data: bytes) -> float | None:
    """The last page tells how many samples there were. Source: RFC 3533, RFC 7845 4."""
    at = data.rfind(b"OggS")
    if at < 0 or len(data) < at + 14:
        return None
    samples = int.from_bytes(data[at + 6 : at + 14], "little", signed=True)
    head = data.find(b"\x01vorbis", 0, 200)
    rate = _OPUS_RATE
    if head >= 0 and b"OpusHead" not in data:
        rate = int.from_bytes(data[head + 12 : head + 16], "little")
    return samples / rate if rate and samples >= 0 else None


def _opus(data: bytes) -> float | None:
    """Seconds of all Opus packets; None where there are none, or several streams."""
    if b"OpusHead" not in data:
        return None
    sound_ms, pieces, streams, at = 0.0, 0, 0, -1
    while (at := data.find(b"OggS", at + 1)) >= 0 and at + 27 <= len(data):
        streams += bool(data[at + 5] & 2)
        goes_on = bool(data[at + 5] & 1)
        table = data[at + 27 : at + 27 + data[at + 26]]
        pieces += 1 + len(table)
        if pieces > _PIECES_MAX:
            return ENDLESS
        if streams > 1:
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
    """All that follows the head of the samples, at the lowest rate that the format tells.

    None for samples that are no plain numbers. Source: Microsoft's RIFF WAVE, WAVEFORMATEXTENSIBLE.
    """
    formats: list[int] = []
    at = 12
    for _ in range(_BOXES_MAX):
        if at + 8 > len(data) or data[at : at + 4] == b"data":
            break
        if data[at : at + 4] == b"fmt ":
            formats.append(at + 8)
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
    if len(formats) != 1 or data[at : at + 4] != b"data" or formats[0] + 16 > len(data):
        return None
    head = formats[0]
    kind, channels, rate, told, frame, bits = struct.unpack_from("<HHIIHH", data, head)
    if kind == _EXTENSIBLE:
        kind = int.from_bytes(data[head + 24 : head + 26], "little")
    slowest: int = min(told, rate * frame, rate * channels * bits // 8, _PCM_MAX)
    return (len(data) - at - 8) / slowest if kind in _PCM and slowest else None


def _mp3(data: bytes) -> float | None:
    """Seconds of all frames; bytes that are in none count as sound at the lowest rate."""
    at = start = _tag_end(data)
    seconds, covered, frames, misses = 0.0, 0, 0, 0
    while misses < _PIECES_MAX and (found := _MP3_MARK.search(data, at)):
        at = found.start()
        frame = _mp3_frame(data[at : at + 4])
        if frame is None:
            at, misses = at + 1, misses + 1
            continue
        length, lasts = frame
        frames += 1
        if frames > _PIECES_MAX:
            return ENDLESS
        seconds, covered, at = seconds + lasts, covered + length, at + length
    if not frames:
        return None
    return seconds + max(0, len(data) - start - covered) / BYTES_A_SECOND


def _tag_end(data: bytes) -> int:
    """Where a tag before the sound ends. Source: id3.org/id3v2.4.0-structure, 3.1."""
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    size = 0
    for each in data[6:10]:
        size = size << 7 | each & 127
    return 10 + size


def _mp3_frame(head: bytes) -> tuple[int, float] | None:
    """Bytes and seconds of the frame that begins with this head; None where none of MP3 does."""
    if len(head) < 4:
        return None
    halved = _MP3_HALVED.get(head[1] >> 3 & 3)
    bits, rate = head[2] >> 4, head[2] >> 2 & 3
    if halved is None or bits in {0, 15} or rate == 3:
        return None
    kbits = (_MP3_KBITS_LOW if halved else _MP3_KBITS)[bits]
    hertz = _MP3_RATES[rate] >> halved
    samples = 576 if halved else 1_152
    return samples // 8 * kbits * 1_000 // hertz + (head[2] >> 1 & 1), samples / hertz


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


def _aac(data: bytes) -> float | None:
    """Seconds of all AAC frames of the one track that sounds; None where that can't be counted.

    Whatever times a file gives its frames, each of them is heard for its 1,024 samples.
    Source: ISO/IEC 14496-12 8.7.3; a fragmented file has further frames elsewhere (8.8).
    """
    moov = _box(data, 0, len(data), b"moov")
    if moov is None or b"moof" in data or data.count(b"soun", *moov) != 1:
        return None
    media = _sounding(data, *moov)
    table = _within(data, media, b"minf", b"stbl") if media else None
    sizes = _box(data, *table, b"stsz") if table else None
    described = _box(data, *table, b"stsd") if table else None
    rate = _aac_rate(data, *described) if described else None
    if sizes is None or rate is None:
        return None
    return int.from_bytes(data[sizes[0] + 8 : sizes[0] + 12], "big") * _AAC_SAMPLES / rate


def _sounding(data: bytes, start: int, end: int) -> tuple[int, int] | None:
    """The first track that sounds."""
    for _ in range(_BOXES_MAX):
        track = _box(data, start, end, b"trak")
        if track is None:
            break
        start = track[1]
        media = _box(data, *track, b"mdia")
        kind = _box(data, *media, b"hdlr") if media else None
        if kind and data[kind[0] + 8 : kind[0] + 12] == b"soun":
            return media
    return None


def _aac_rate(data: bytes, start: int, end: int) -> int | None:
    """Samples a second as the decoder is told; None where it is none of AAC.

    Source: ISO/IEC 14496-12 8.5.2, 14496-1 7.2.6 (descriptors in each other), 14496-3 1.6.2.1.
    """
    entry = _box(data, start + 8, end, b"mp4a")
    found = _box(data, entry[0] + 28, entry[1], b"esds") if entry else None
    if found is None or int.from_bytes(data[start + 4 : start + 8], "big") != 1:
        return None
    stream = _descriptor(data, found[0] + 4, 3)
    if stream is None or data[stream + 2 : stream + 3] > b"\x1f":  # nothing optional stands there
        return None
    decoder = _descriptor(data, stream + 3, 4)
    at = _descriptor(data, decoder + 13, 5) if decoder else None
    if at is None:
        return None
    config = int.from_bytes(data[at : at + 2], "big")
    kind, rate = config >> 11, config >> 7 & 15
    return _AAC_RATES[rate] if kind in _AAC_KINDS and rate < len(_AAC_RATES) else None


def _descriptor(data: bytes, at: int, tag: int) -> int | None:
    """Where what a descriptor holds begins; None where there is another one."""
    if data[at : at + 1] != bytes((tag,)):
        return None
    at += 1
    while at < len(data) and data[at] & 128:
        at += 1
    return at + 1 if at + 2 < len(data) else None


def _within(data: bytes, place: tuple[int, int], *names: bytes) -> tuple[int, int] | None:
    """Where the inside of the last of nested boxes begins and ends."""
    found: tuple[int, int] | None = place
    for name in names:
        found = _box(data, *found, name) if found else None
    return found


def _box(data: bytes, start: int, end: int, name: bytes) -> tuple[int, int] | None:
    """Where what a box holds begins and ends, if it is among the first."""
    at = start
    for _ in range(_BOXES_MAX):
        if at + 8 > end:
            return None
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
