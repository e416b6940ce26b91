"""Pictures as people send them."""

from functools import cache
from io import BytesIO

from PIL import Image


@cache
def drawn(form: str = "PNG", sides: tuple[int, int] = (40, 30), *, shade: int = 120) -> bytes:
    """A picture of one shade."""
    out = BytesIO()
    Image.new("RGB", sides, (shade, shade, shade)).save(out, form)
    return out.getvalue()


@cache
def moving(form: str = "GIF") -> bytes:
    """An animation of two frames."""
    frames = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in (0, 200)]
    out = BytesIO()
    frames[0].save(out, form, save_all=True, append_images=frames[1:])
    return out.getvalue()


@cache
def bomb() -> bytes:
    """A small file of very many pixels."""
    out = BytesIO()
    Image.new("1", (12_000, 12_000)).save(out, "PNG")
    return out.getvalue()
