"""Pictures made smaller, read back with the library that made them."""

import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from functools import cache
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from agent.messages import Media
from agent.providers import shrinking
from agent.providers.pictures import encoded_size, sides_of
from agent.providers.shrinking import shrunk

RED, BLUE, CLEAR = (200, 20, 20), (20, 20, 200), (0, 0, 0, 0)
ORIENTATION, MAKER = 0x0112, 0x010F
Picture = Image.Image


def media(data: bytes, mime: str = "image/png") -> Media:
    return Media(mime=mime, data=data, name="a")


def saved(picture: Picture, form: str, **options: Any) -> bytes:
    out = BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def noise(width: int, height: int, mode: str = "RGB", seed: int = 1) -> Picture:
    """A picture no format can make small without loss."""
    data = random.Random(seed).randbytes(width * height * len(mode))
    return Image.frombytes(mode, (width, height), data)


def read(made: Media | None) -> Picture:
    assert made is not None
    picture = Image.open(BytesIO(made.data))
    picture.load()
    assert made.mime == f"image/{str(picture.format).lower()}"
    assert sides_of(made.data) == picture.size
    return picture


def drawing() -> Picture:
    """Few colours on clear ground."""
    picture = Image.new("RGBA", (600, 300), CLEAR)
    ImageDraw.Draw(picture).rectangle((300, 0, 599, 299), fill=RED)
    return picture


def turned() -> bytes:
    """A photo that was taken with the camera on its side: red left, shown as red above."""
    picture = Image.new("RGB", (400, 200), BLUE)
    picture.paste(RED, (0, 0, 200, 200))
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKER] = 6, "somebody"
    return saved(picture, "JPEG", exif=exif, comment=b"at home")


def moving(form: str) -> bytes:
    frames = [noise(40, 40, seed=seed) for seed in range(3)]
    return saved(frames[0], form, save_all=True, append_images=frames[1:])


def header(width: int, height: int) -> bytes:
    """A PNG that says it is so large, with a few bytes of pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    size = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + size + pixels + chunk(b"IEND", b"")


SOURCES: dict[str, Callable[[], bytes]] = {
    "photo": lambda: saved(noise(300, 200), "JPEG", quality=95),
    "progressive": lambda: saved(noise(300, 200), "JPEG", quality=95, progressive=True),
    "grey": lambda: saved(noise(300, 200, "L"), "JPEG"),
    "print": lambda: saved(noise(300, 200, "CMYK"), "JPEG"),
    "turned": turned,
    "with a preview": lambda: saved(
        noise(300, 200), "MPO", save_all=True, append_images=[noise(30, 20)]
    ),
    "screen": lambda: saved(noise(300, 200), "PNG"),
    "alpha": lambda: saved(noise(300, 200, "RGBA"), "PNG"),
    "drawing": lambda: saved(drawing(), "PNG"),
    "bits": lambda: saved(noise(300, 200, "L").convert("1"), "PNG"),
    "still": lambda: saved(noise(300, 200).quantize(), "GIF"),
    "webp": lambda: saved(noise(300, 200), "WEBP", lossless=True),
    "strip": lambda: saved(noise(2000, 2), "PNG"),
}


@cache
def source(name: str) -> bytes:
    return SOURCES[name]()


@pytest.mark.parametrize("most_bytes", [None, 12_000, 2_000])
@pytest.mark.parametrize("most_side", [None, 150, 1])
@pytest.mark.parametrize("name", SOURCES)
def test_within_both_limits(name: str, most_bytes: int | None, most_side: int | None) -> None:
    """Whatever was given: a picture that can be read and is small enough."""
    given = media(source(name))
    made = shrunk(given, most_bytes=most_bytes, most_side=most_side)
    assert made is not None
    picture = read(made)
    assert most_bytes is None or encoded_size(made.data) <= most_bytes
    assert most_side is None or max(picture.size) <= most_side
    assert made.name == given.name


def test_no_smaller_than_it_has_to_be() -> None:
    """The sides are those of the limit, and quality goes before size."""
    photo = media(source("photo"))
    assert read(shrunk(photo, most_bytes=None, most_side=299)).size == (299, 199)
    full = len(saved(noise(300, 200), "JPEG", quality=95))
    for share in (2, 3):
        most = encoded_size(bytes(full // share))
        assert read(shrunk(photo, most_bytes=most, most_side=None)).size == (300, 200)
    most = encoded_size(bytes(full // 8))
    assert read(shrunk(photo, most_bytes=most, most_side=None)).size == (150, 100)


def test_clear_ground_stays_clear() -> None:
    """A picture with alpha stays one that has it."""
    picture = read(shrunk(media(source("drawing")), most_bytes=None, most_side=100))
    assert (picture.format, picture.size) == ("PNG", (100, 50))
    assert picture.convert("RGBA").getpixel((10, 25)) == CLEAR
    assert picture.convert("RGBA").getpixel((90, 25)) == (*RED, 255)


@pytest.mark.parametrize(
    ("made", "form"),
    [
        (drawing().convert("RGB"), "PNG"),
        (drawing().convert("L"), "PNG"),
        (noise(100, 100), "JPEG"),
        (noise(100, 100, "L"), "JPEG"),
        (noise(100, 100, "RGBA"), "PNG"),
        (noise(100, 100).convert("RGBA"), "JPEG"),
    ],
)
def test_drawings_are_png_and_photos_jpeg(made: Picture, form: str) -> None:
    """Few colours or real alpha are kept sharp; an alpha that hides nothing is none."""
    assert read(shrunk(media(saved(made, "PNG")), most_bytes=None, most_side=60)).format == form


def test_a_photo_is_upright_and_says_nothing_of_its_maker() -> None:
    """The orientation is applied before the rest of the metadata goes."""
    made = shrunk(media(turned(), "image/jpeg"), most_bytes=None, most_side=100)
    picture = read(made)
    assert picture.size == (50, 100)
    above, below = picture.getpixel((25, 20)), picture.getpixel((25, 80))
    assert isinstance(above, tuple)
    assert isinstance(below, tuple)
    assert (above[0] > 150, above[2] < 100) == (True, True)
    assert (below[2] > 150, below[0] < 100) == (True, True)
    assert not picture.getexif()
    assert made is not None
    assert not any(word in made.data for word in (b"Exif", b"somebody", b"at home"))


def test_equal_input_gives_equal_bytes() -> None:
    """Whether or not the picture is remembered."""
    kept, fresh = noise(80, 80), shrinking._Memory()
    limits = shrinking._Limits(most_bytes=4_000, most_side=70)
    first = shrunk(media(saved(kept, "PNG")), most_bytes=4_000, most_side=70)
    again = shrunk(media(saved(kept, "PNG")), most_bytes=4_000, most_side=70)
    assert first is not None
    assert again is not None
    assert again.data is first.data
    made = fresh.made(saved(kept, "PNG"), limits)
    assert made is not None
    assert made.data == first.data


def test_what_is_remembered_is_bounded() -> None:
    """The pictures used last stay; what cannot be done is remembered too."""
    memory = shrinking._Memory()
    limits = shrinking._Limits(most_bytes=None, most_side=4)
    one = saved(noise(8, 8), "PNG")
    first = memory.made(one, limits)
    for number in range(2 * shrinking.REMEMBERED):
        assert memory.made(b"%d" % number, limits) is None
        assert memory.made(one, limits) is first
    assert len(memory._rows) == shrinking.REMEMBERED


@pytest.mark.parametrize(
    "data",
    [
        moving("GIF"),
        moving("PNG"),
        moving("WEBP"),
        header(9_000, 9_000),
        header(10_000, 10_000),
        header(30_000, 30_000),
        header(500, 500),
        saved(noise(90, 90), "JPEG")[:900],
        saved(noise(90, 90), "PNG")[:900],
        saved(Image.new("I;16", (90, 90), 5), "PNG"),
        saved(noise(90, 90), "BMP"),
        b"GIF89a",
        b"%PDF-1.7",
        b"",
    ],
)
def test_what_cannot_be_made_smaller(data: bytes) -> None:
    """Animations, bombs, damage and what is no picture of ours: none, and no error."""
    assert shrunk(media(data), most_bytes=None, most_side=20) is None


@pytest.mark.parametrize(("most_bytes", "most_side"), [(4, None), (0, 10), (None, 0)])
def test_limits_nothing_is_within(most_bytes: int | None, most_side: int | None) -> None:
    """No picture has so few bytes or pixels."""
    assert shrunk(media(source("screen")), most_bytes=most_bytes, most_side=most_side) is None


@given(st.sampled_from(sorted(SOURCES)), st.data())
def test_damage_is_no_error(name: str, data: st.DataObject) -> None:
    """Whatever bytes of a head are others: a picture within the limit, or none."""
    broken = bytearray(source(name))
    for at in data.draw(st.lists(st.integers(0, 300), min_size=1, max_size=4)):
        broken[min(at, len(broken) - 1)] = data.draw(st.integers(0, 255))
    made = shrunk(media(bytes(broken)), most_bytes=None, most_side=20)
    assert made is None or max(read(made).size) <= 20


def test_who_shrinks_nothing_does_not_pay() -> None:
    """The library comes with the first picture that is too large."""
    program = "import sys, agent.providers.rendering; sys.exit('PIL' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
