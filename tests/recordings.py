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
