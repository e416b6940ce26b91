"""A picture made smaller, for a model that takes none of its size.

Pillow is imported by the first picture that has to be. Equal input gives equal bytes, so the
prefix that a provider caches stays the same from call to call. One picture takes up to seconds of
a processor and 200 MB: `elsewhere` makes one at a time, on a thread of its own.
"""

import asyncio
import hashlib
import struct
import threading
import warnings
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from io import BytesIO
from math import isqrt
from typing import TYPE_CHECKING, Final, TypeVar

from agent.messages import Media
from agent.providers.pictures import encoded_size

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

DECODED_PIXELS = 50_000_000
"""Most pixels that are decoded, at up to four bytes each; JPEG is decoded at a fraction."""
KEPT_PIXELS = 12_000_000
DRAWN_PIXELS = 4_000_000
"""Most pixels that are kept, as JPEG and as PNG: models look at fewer, and each costs time here."""
QUALITIES = (85, 70, 50)
PALETTE = 64
"""A picture of so many colours is a drawing or a screen, which JPEG would smear."""
HOPELESS = 4
"""A first attempt this many times above the limit: the next ones at its size are not tried."""
REMEMBERED = 64
REMEMBERED_BYTES = 32 * 1024 * 1024

OPAQUE = (255, 255)
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
_MOVING = frozenset({"PNG", "GIF", "WEBP"})
"""Where more frames are an animation; in a JPEG they are previews of the same photo."""
_BROKEN = (
    OSError,
    SyntaxError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    MemoryError,
    struct.error,
    zlib.error,
)
"""What Pillow raises for bytes that are no picture, or one that is damaged."""


_ONE: Final = threading.Lock()
"""Pictures are made one at a time: for their memory, and warnings are a setting of the process."""
_THREAD: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pictures")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    most_bytes: int | None
    most_side: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    mime: str
    data: bytes


def shrunk(media: Media, *, most_bytes: int | None, most_side: int | None) -> Media | None:
    """The same picture within both limits, upright and without metadata; None if there is none.

    `most_bytes` are those of its base64, `most_side` is in pixels. There is none for an
    animation, for what is damaged or no picture, and for one too large to be decoded.
    """
    made = _MEMORY.made(media.data, _Limits(most_bytes=most_bytes, most_side=most_side))
    return None if made is None else replace(media, mime=made.mime, data=made.data)


def remade(
    data: bytes, *, most_bytes: int | None, most_side: int | None
) -> tuple[str, bytes] | None:
    """Type and bytes of the same picture within both limits, as `shrunk`; nothing remembers it."""
    with _ONE:
        made = _made(data, _Limits(most_bytes=most_bytes, most_side=most_side))
    return None if made is None else (made.mime, made.data)


def is_moving(data: bytes) -> bool:
    """Whether bytes are an animation."""
    from PIL import Image

    try:
        with _ONE, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            source = Image.open(BytesIO(data), formats=_FORMATS)
            return source.format in _MOVING and bool(getattr(source, "is_animated", False))
    except (Image.DecompressionBombError, *_BROKEN):
        return False


async def elsewhere(work: Callable[[], _T]) -> _T:
    """Do what makes pictures on their thread, one after the other."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, work)


class _Memory:
    """The last results, so that no call makes the pictures of its past again."""

    def __init__(self) -> None:
        self._rows: OrderedDict[tuple[bytes, _Limits], _Made | None] = OrderedDict()
        self._bytes = 0

    def made(self, data: bytes, limits: _Limits) -> _Made | None:
        key = (hashlib.sha256(data).digest(), limits)
        with _ONE:
            if key in self._rows:
                self._rows.move_to_end(key)
                return self._rows[key]
            made = self._rows[key] = _made(data, limits)
            self._bytes += _weight(made)
            while len(self._rows) > REMEMBERED or self._bytes > REMEMBERED_BYTES:
                _, oldest = self._rows.popitem(last=False)
                self._bytes -= _weight(oldest)
        return made


_MEMORY = _Memory()


def _weight(made: _Made | None) -> int:
    return len(made.data) if made else 0


def _made(data: bytes, limits: _Limits) -> _Made | None:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # damaged metadata, which is not kept anyway
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            picture = _read(data, limits)
            return None if picture is None else _fitted(picture, limits)
        except (Image.DecompressionBombWarning, Image.DecompressionBombError, *_BROKEN):
            return None


def _read(data: bytes, limits: _Limits) -> "Picture | None":
    """One upright picture, `L`, `RGB` or `RGBA`, with nothing attached to it."""
    from PIL import Image, ImageOps, WebPImagePlugin  # noqa: F401  # registers what it reads

    source = Image.open(BytesIO(data), formats=_FORMATS)
    if source.format in _MOVING and getattr(source, "is_animated", False):
        return None
    # JPEG alone can leave pixels out while it decodes; the others don't know this.
    source.draft(None, _scaled_sides(source.size, _longest(source.size, limits, KEPT_PIXELS)))
    if source.width * source.height > DECODED_PIXELS or source.mode[0] in "IF":
        return None
    picture = _plain(ImageOps.exif_transpose(source))
    picture.info = {}
    return picture


def _plain(picture: "Picture") -> "Picture":
    if picture.has_transparency_data:
        clear = picture.convert("RGBA")
        return clear.convert("RGB") if clear.getchannel("A").getextrema() == OPAQUE else clear
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def _fitted(picture: "Picture", limits: _Limits) -> _Made | None:
    """The first attempt within the limits, from the largest and best down."""
    drawn = picture.mode == "RGBA" or picture.getcolors(PALETTE) is not None
    longest = _longest(picture.size, limits, DRAWN_PIXELS if drawn else KEPT_PIXELS)
    while longest > 0:
        picture = _scaled(picture, longest)
        for made in _as_png(picture) if drawn else _as_jpeg(picture):
            size = encoded_size(made.data)
            if limits.most_bytes is None or size <= limits.most_bytes:
                return made
            if size > HOPELESS * limits.most_bytes:
                break
        longest //= 2
    return None


def _as_png(picture: "Picture") -> Iterator[_Made]:
    from PIL.Image import Quantize

    yield _saved(picture, "PNG")
    yield _saved(picture.quantize(method=Quantize.FASTOCTREE), "PNG")


def _as_jpeg(picture: "Picture") -> Iterator[_Made]:
    return (_saved(picture, "JPEG", quality=quality) for quality in QUALITIES)


def _saved(picture: "Picture", form: str, **options: int) -> _Made:
    out = BytesIO()
    picture.save(out, form, **options)
    return _Made(mime=f"image/{form.lower()}", data=out.getvalue())


def _longest(sides: tuple[int, int], limits: _Limits, most_pixels: int) -> int:
    """The most pixels that the longer side may have."""
    long, short = max(sides), min(sides)
    most = min(long, isqrt(most_pixels * long // max(short, 1)))
    return most if limits.most_side is None else min(most, limits.most_side)


def _scaled_sides(sides: tuple[int, int], longest: int) -> tuple[int, int]:
    width, height = (max(side * longest // max(sides), 1) for side in sides)
    return width, height


def _scaled(picture: "Picture", longest: int) -> "Picture":
    from PIL import Image

    sides = _scaled_sides(picture.size, longest)
    if sides == picture.size:
        return picture
    return picture.resize(sides, Image.Resampling.LANCZOS, reducing_gap=2.0)
