"""Where the bytes of a file are that came in, in the words of the one fetcher that reads them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAddress:
    """An address that is good for now.

    `url` and `headers` may hold secrets; `headers` go with the first request only. `hosts` may be
    asked, the first time and after a redirect: a name, or all below one that begins with a dot.
    `origin`, such as `https://proxy.example:8443`, is the configured address of the platform: it
    may be asked wherever it is, also on a private network. `pages`: whoever may not have the file
    is shown a web page in its place.
    """

    url: str = field(repr=False)
    hosts: tuple[str, ...]
    origin: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    pages: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """Bytes that came with the message itself and are kept under this name."""

    blob: str


Location = FileAddress | KeptFile

NAME_MAX = 200
"""Characters of a file's name; every platform takes more."""

Keep = Callable[[bytes], Awaitable[str]]
"""Keeps bytes that came with a message and returns the name they are found by."""


def plain_name(name: str) -> str:
    """The name of a file of ours: no path, nothing invisible, at most NAME_MAX characters.

    Of a longer one the end is kept, which tells its kind.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(char for char in last if char.isprintable())[-NAME_MAX:] or "file"


def origin_of(scheme: str, netloc: str) -> str:
    """An origin as `FileAddress` writes it."""
    return f"{scheme}://{netloc}".lower()
