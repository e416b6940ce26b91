"""Recordings as people send them: their lengths are real, what is said in them is not."""

import io
import struct
import wave


def voice(seconds: float, words: bytes = b"words") -> bytes:
    """A voice note as messengers make them: Opus in Ogg."""
    samples = int(seconds * 48_000)
    head = struct.pack("<4sBBqIII", b"OggS", 0, 2, 0, 1, 0, 0) + b"\x01\x13OpusHead" + words
    return head + struct.pack("<4sBBqIII", b"OggS", 0, 4, samples, 1, 1, 0) + b"\x00"


def spoken(seconds: int, *, told: int, streams: int = 1) -> bytes:
    """As many seconds of Opus packets, whose last page tells of `told`."""
    head = struct.pack("<4sBBqIIIBB", b"OggS", 0, 2, 0, 1, 0, 0, 1, 19) + b"OpusHead" + bytes(11)
    packet = bytes((0b01001_0_00, 7))  # 20 ms
    page = struct.pack("<4sBBqIIIB", b"OggS", 0, 0, told * 48_000, 1, 1, 0, 50)
    return head * streams + (page + b"\x02" * 50 + packet * 50) * seconds


def waved(seconds: int) -> bytes:
    """A WAV file of silence."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(100)
        file.writeframes(bytes(100 * seconds))
    return out.getvalue()


def movie(seconds: int, *, long: bool = False) -> bytes:
    """The boxes of an MP4 file that tell its length; `long`: in 64 bits."""
    if long:
        header = b"\x01\x00\x00\x00" + bytes(16) + struct.pack(">IQ", 1000, seconds * 1000)
    else:
        header = bytes(12) + struct.pack(">II", 1000, seconds * 1000)
    mvhd = struct.pack(">I4s", 8 + len(header), b"mvhd") + header
    moov = struct.pack(">I4s", 8 + len(mvhd), b"moov") + mvhd
    return struct.pack(">I4s", 20, b"ftyp") + b"M4A \x00\x00\x00\x00isom" + moov


def told_to_last(data: bytes, *, bytes_a_second: int) -> bytes:
    """A WAV file whose head tells of another rate than that of its samples."""
    return data[:28] + struct.pack("<I", bytes_a_second) + data[32:]


def mp3(seconds: int, *, low: bool = False, tag: bytes = b"") -> bytes:
    """Frames of layer III: 24 kHz at 16 kbit/s, or `low`: 8 kHz at 8; both of 576 samples."""
    head, length = (b"\xff\xe3\x18\xc0", 72) if low else (b"\xff\xf3\x24\xc0", 48)
    frames = -(-seconds * (8_000 if low else 24_000) // 576)
    size = bytes((len(tag) >> 21 & 127, len(tag) >> 14 & 127, len(tag) >> 7 & 127, len(tag) & 127))
    before = b"ID3\x04\x00\x00" + size + tag if tag else b""
    return before + (head + bytes(length - 4)) * frames


def vorbis(told: int, size: int) -> bytes:
    """As much of Ogg with Vorbis as tells a length, and so many bytes in all."""
    head = struct.pack("<4sBBqIIIBB", b"OggS", 0, 2, 0, 1, 0, 0, 1, 30) + b"\x01vorbis"
    head += struct.pack("<IBI", 0, 1, 44_100) + bytes(14)
    last = struct.pack("<4sBBqIIIB", b"OggS", 0, 4, told * 44_100, 1, 1, 0, 0)
    return head + bytes(size - len(head) - len(last)) + last


def spoken_movie(seconds: int, *, told: int, rate: int = 16_000, fragments: bool = False) -> bytes:
    """An MP4 file with so many seconds of AAC, whose head tells of `told`."""
    index = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000).index(rate)
    config = struct.pack(">H", 2 << 11 | index << 7 | 1 << 3)
    decoder = b"\x40\x15" + bytes(11) + b"\x05\x80\x80\x02" + config
    stream = b"\x00\x01\x00" + b"\x04\x80\x80" + bytes((len(decoder),)) + decoder
    esds = _box(b"esds", bytes(4) + b"\x03\x80\x80" + bytes((len(stream),)) + stream)
    entry = _box(b"mp4a", bytes(24) + struct.pack(">I", rate << 16) + esds)
    described = _box(b"stsd", struct.pack(">II", 0, 1) + entry)
    sizes = _box(b"stsz", struct.pack(">III", 0, 0, -(-seconds * rate // 1_024)))
    table = _box(b"minf", _box(b"stbl", described + sizes))
    kind = _box(b"hdlr", bytes(8) + b"soun" + bytes(12))
    track = _box(b"trak", _box(b"mdia", kind + table))
    header = _box(b"mvhd", bytes(12) + struct.pack(">II", 1000, told * 1000))
    kept = _box(b"moov", header + track)
    further = _box(b"moof", bytes(8)) if fragments else b""
    return struct.pack(">I4s", 20, b"ftyp") + b"M4A \x00\x00\x00\x00isom" + kept + further


def _box(name: bytes, inside: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(inside), name) + inside
