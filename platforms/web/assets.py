"""The page's own files, read once and addressed by their content, so browsers keep them."""

from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_NAMES = ("app.css", "app.js", "icon.svg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A static file; `url` changes with its content."""

    name: str
    content_type: str
    body: bytes
    url: str


def load_assets() -> dict[str, Asset]:
    """All static files by name."""
    return {name: _load(name) for name in _NAMES}


def _load(name: str) -> Asset:
    body = files("platforms.web").joinpath("static", name).read_bytes()
    return Asset(
        name=name,
        content_type=_TYPES[name.rpartition(".")[2]],
        body=body,
        url=f"/static/{name}?v={sha256(body).hexdigest()[:12]}",
    )
