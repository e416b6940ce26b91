"""What every wire renders alike: ids, schemas, media, words of ours."""

import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.messages import AssistantMessage, Media, Origin, ToolCall
from agent.providers.base import Adjustments
from agent.providers.pictures import encoded_size, sides_of
from agent.providers.rendering import (
    WIRE_ID,
    has_keywords,
    media_line,
    note_text,
    replayed_arguments,
    said_by,
    shown_media,
    strip_keywords,
    summary_text,
    wire_ids,
)
from tests.agent.providers.pictures import noisy

HERE = Origin(provider="main", endpoint="http://h/v1", model="m")
THERE = Origin(provider="other", endpoint="http://o/v1", model="m")


def png(width: int, height: int, more: bytes = b"") -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    ) + more


def picture(data: bytes = b"x", mime: str = "image/png", name: str = "") -> Media:
    return Media(mime=mime, data=data, name=name)


def reply(*ids: tuple[str, str], origin: Origin = HERE) -> AssistantMessage:
    calls = tuple(ToolCall(id=own, name="f", arguments="{}", provider_id=p) for own, p in ids)
    return AssistantMessage(parts=calls, origin=origin)


JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    b"\xff\xff\xdb\x00\x04ab\xff\xc0\x00\x11\x08\x01\x02\x03\x04\x03"
)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (png(800, 9000), (800, 9000)),
        (b"GIF89a" + struct.pack("<HH", 3, 4) + b"...", (3, 4)),
        (JPEG, (0x0304, 0x0102)),
        (b"RIFF....WEBPVP8X" + bytes(8) + b"\x0f\x00\x00\x1f\x00\x00", (16, 32)),
        (b"RIFF....WEBPVP8 " + bytes(10) + struct.pack("<HH", 9, 8), (9, 8)),
        (b"RIFF....WEBPVP8L" + bytes(4) + b"\x2f" + struct.pack("<I", 6 | 7 << 14), (7, 8)),
        (b"\x89PNG\r\n\x1a\n", None),
        (b"\xff\xd8\xff\xc0", None),
        (b"\xff\xd8\xff\xd9\xff\xd9\xff\xd9\xff\xd9", None),
        (b"RIFF....WEBPVP8?", None),
        (b"%PDF-1.7", None),
        (b"", None),
    ],
)
def test_sides(data: bytes, expected: tuple[int, int] | None) -> None:
    """Width and height are read from the head of a picture; what is none has no sides."""
    assert sides_of(data) == expected


@given(st.binary(max_size=40))
def test_sides_of_anything(tail: bytes) -> None:
    """No bytes make the reader of heads fail or run for ever."""
    for head in (b"", b"\xff\xd8", b"\xff\xd8\xff\xe0", b"RIFF1234WEBPVP8L", b"\x89PNG\r\n\x1a\n"):
        sides_of(head + tail)


def test_encoded_size() -> None:
    """Bytes are counted as they are sent."""
    assert [encoded_size(b"x" * n) for n in (0, 1, 3, 4)] == [0, 4, 4, 8]


def test_own_words_are_marked() -> None:
    """Notes, summaries and speakers each have their form; nothing said is nothing."""
    assert note_text("n") == "[Note from the gateway, not from a person: n]"
    assert summary_text("s") == "[Summary of what was said before: s]"
    assert said_by("hi", "Ann\nB.") == "Ann B.: hi"
    assert said_by("hi", "") == "hi"
    assert said_by(" \n", "Ann") == ""


def test_a_line_in_place_of_a_picture() -> None:
    """It names what is missing, on one line."""
    assert media_line(picture(b"x" * 1500, name="a\nb.png")) == (
        "[A picture a b.png (image/png, 2 KiB) is left out here: this model does not take it]"
    )
    assert media_line(picture(mime="application/pdf"), "why").startswith("[A file (application/")


@pytest.mark.parametrize(
    ("adjustments", "tool", "kept"),
    [
        (Adjustments(), False, True),
        (Adjustments(), True, True),
        (Adjustments(media=False), False, False),
        (Adjustments(media=False), True, False),
        (Adjustments(tool_media=False), False, True),
        (Adjustments(tool_media=False), True, False),
        (Adjustments(image_pixels=8000), False, True),
        (Adjustments(image_pixels=7999), False, False),
        (Adjustments(image_bytes=1024), False, True),
        (Adjustments(image_bytes=40), False, False),
    ],
)
def test_shown_media(adjustments: Adjustments, tool: bool, kept: bool) -> None:
    """A picture goes out as it is, or a line says why it does not."""
    one = picture(png(8000, 10))
    (shown,) = shown_media((one,), adjustments, tool=tool)
    assert (shown is one) is kept
    assert kept or isinstance(shown, str)


@pytest.mark.parametrize(
    ("adjustments", "sides"),
    [
        (Adjustments(image_pixels=90), (90, 45)),
        (Adjustments(image_bytes=40_000), (200, 100)),
        (Adjustments(image_bytes=12_000, image_pixels=150), (150, 75)),
    ],
)
def test_a_picture_that_is_too_large_is_made_smaller(
    adjustments: Adjustments, sides: tuple[int, int]
) -> None:
    """It is shown with its name, within the limits; a line stands for what can't be."""
    large = noisy(200, 100)
    (shown,) = shown_media((large,), adjustments)
    assert isinstance(shown, Media)
    assert (shown.name, shown.mime, sides_of(shown.data)) == ("a.png", "image/jpeg", sides)
    assert encoded_size(shown.data) <= (adjustments.image_bytes or 1_000_000)
    damaged = picture(large.data[:50_000])
    (line,) = shown_media((damaged,), Adjustments(image_bytes=40_000))
    assert line == media_line(damaged, "it is above 39 KiB")


def test_only_kinds_the_wire_can_send() -> None:
    """Files a wire has no field for become lines."""
    pdf = picture(mime="application/pdf")
    assert isinstance(shown_media((pdf,), Adjustments())[0], str)
    assert shown_media((pdf,), Adjustments(), kinds=frozenset({"application/pdf"})) == (pdf,)


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "pattern": {"type": "string", "pattern": "^a$"},
        "when": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        "many": {"type": "array", "items": {"type": "string", "format": "uri"}},
    },
    "$defs": {"format": {"type": "string", "format": "email"}},
    "default": {"pattern": "kept"},
    "required": ["pattern"],
}


def test_keywords_are_stripped_and_names_are_not() -> None:
    """`pattern` and `format` go wherever they are keywords, and stay where they are names."""
    assert strip_keywords(SCHEMA) == {
        "type": "object",
        "properties": {
            "pattern": {"type": "string"},
            "when": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "many": {"type": "array", "items": {"type": "string"}},
        },
        "$defs": {"format": {"type": "string"}},
        "default": {"pattern": "kept"},
        "required": ["pattern"],
    }
    assert has_keywords(SCHEMA)
    assert not has_keywords(strip_keywords(SCHEMA))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [('{"a": 1}', '{"a": 1}'), ("", "{}"), ("{cut", "{}"), ("[1]", "{}"), ("7", "{}")],
)
def test_arguments_that_are_no_object_go_back_empty(arguments: str, expected: str) -> None:
    """Servers that parse arguments get something they can parse."""
    assert replayed_arguments(arguments) == expected


def test_own_ids_are_what_the_wire_takes() -> None:
    """Usable ids go as they are, others are made so; two stay two, and always the same ones."""
    assert wire_ids(reply(("call_a-1", "")), HERE) == ("call_a-1",)
    strange = reply(("a b", ""), ("x" * 65, ""))
    assert wire_ids(strange, HERE) == wire_ids(strange, THERE)
    assert len(set(wire_ids(strange, HERE))) == 2
    assert all(WIRE_ID.fullmatch(each) for each in wire_ids(strange, HERE))


def test_nine_letters() -> None:
    """Where exactly nine letters and digits are asked for, every id has them."""
    calls = reply(("call_0123456789abcdef012345", "DF5Q6lBKX"), ("call_2", "call_9"))
    (first, second) = wire_ids(calls, HERE, nine=True)
    assert all(len(each) == 9 and each.isalnum() for each in (first, second))
    assert first != second
    assert wire_ids(reply(("call_1", "DF5Q6lBKX")), HERE, nine=True) == ("DF5Q6lBKX",)
    assert wire_ids(reply(("call_1", "DF5Q6lBKX")), THERE, nine=True) != ("DF5Q6lBKX",)
