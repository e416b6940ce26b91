"""A picture somebody sent as models are given it: upright, within bounds, nothing attached to it.

It is always made anew, so what it told of where and by whom it was taken stays behind, and what
only looked like a picture ends here. Animations can't be; they are given as they are.
"""

from dataclasses import dataclass
from typing import Final

from agent.providers import shrinking
from agent.providers.pictures import encoded_size, sides_of
from agent.providers.rendering import PICTURES
from gateway.sniffing import HEAD_BYTES, type_of
from gateway.words import files as said
from gateway.words.files import Why, because

SIDE_MAX: Final = 4_096
ENCODED_MAX: Final = 5_000_000
"""Bytes of its base64 that every provider takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture that can be sent to a model."""

    mime: str
    data: bytes


def still_sides(data: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG, JPEG or WebP that does not move; None for anything else.

    Source: w3.org/TR/png, "acTL" before "IDAT"; RFC 9649 2.7, the animation flag.
    """
    match type_of(data[:HEAD_BYTES]):
        case "image/png":
            moves = b"acTL" in data[: max(0, data.find(b"IDAT"))]
        case "image/webp":
            moves = data[12:16] == b"VP8X" and bool(data[20:21] and data[20] & 2)
        case "image/jpeg":
            moves = False
        case _:
            return None
    return None if moves else sides_of(data)


def picture_of(data: bytes) -> Picture | Why:
    """The picture, or why it can't be given to a model; takes up to seconds of a processor."""
    mime = type_of(data[:HEAD_BYTES])
    if mime not in PICTURES:
        return because(said.OTHER_PICTURE, mime=mime) if mime else because(said.NO_PICTURE)
    if shrinking.is_moving(data):
        sides = sides_of(data)
        if sides is None or max(sides) > SIDE_MAX or encoded_size(data) > ENCODED_MAX:
            return because(said.LARGE_ANIMATION)
        return Picture(mime=mime, data=data)
    made = shrinking.remade(data, most_bytes=ENCODED_MAX, most_side=SIDE_MAX)
    if made is None:
        return because(said.DAMAGED)
    return Picture(mime=made[0], data=made[1])
