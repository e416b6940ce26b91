"""Pictures for tests of what is sent, and what was sent read back."""

import base64
from io import BytesIO
from random import Random

from PIL import Image

from agent.messages import Media


def noisy(width: int, height: int) -> Media:
    """A PNG that is as large as its pixels, three bytes each; as JPEG it is a third of that."""
    pixels = Random(1).randbytes(width * height * 3)
    return _png(Image.frombytes("RGB", (width, height), pixels))


def smooth(width: int, height: int) -> Media:
    """A PNG that is as large as its pixels, three bytes each; as JPEG it is next to nothing."""
    return _png(Image.linear_gradient("L").convert("RGB").resize((width, height)))


def _png(picture: Image.Image) -> Media:
    out = BytesIO()
    picture.save(out, "PNG", compress_level=0)
    return Media(mime="image/png", data=out.getvalue(), name="a.png")


def sent_sides(encoded: str) -> tuple[str | None, tuple[int, int]]:
    """Format and sides of a picture that was sent as base64."""
    with Image.open(BytesIO(base64.b64decode(encoded))) as picture:
        return picture.format, picture.size
