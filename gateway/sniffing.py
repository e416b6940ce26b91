"""Pure: what a file is, told from its bytes; what anybody declares it to be counts for nothing."""

from typing import Final

HEAD_BYTES: Final = 4_096
"""As much of a file's beginning as is looked at."""

_MAGIC: Final = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypheix", "image/heic"),
    (4, b"ftypmif1", "image/heif"),
    (4, b"ftypavif", "image/avif"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xff\xf2", "audio/mpeg"),
    (0, b"\xff\xf1", "audio/aac"),
    (0, b"\xff\xf9", "audio/aac"),
    (8, b"WAVE", "audio/wav"),
    (0, b"fLaC", "audio/flac"),
    (0, b"#!AMR", "audio/amr"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"\x1f\x8b", "application/gzip"),
)
"""Where a type's mark stands, the mark, and the type; the first that fits counts."""

_PAGE: Final = (b"<!doctype html", b"<html")


def type_of(head: bytes) -> str:
    """The type of a file by its first bytes; empty where they tell nothing."""
    for at, mark, mime in _MAGIC:
        if head[at : at + len(mark)] == mark:
            return mime
    return ""


def is_page(head: bytes) -> bool:
    """Whether a file begins as a web page does."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGE)


def text_of(data: bytes) -> str | None:
    """The words of a text file; None for what is none."""
    if b"\x00" in data or type_of(data[:HEAD_BYTES]):
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    odd = sum(1 for c in text if not c.isprintable() and c not in "\t\r\n\f\x1b")
    return text.replace("\r\n", "\n") if odd * 100 <= len(text) else None
