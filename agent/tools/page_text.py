"""Pure: the words of a web page, with its links in full."""

import re
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urljoin

_SILENT: Final = frozenset({"script", "style", "noscript", "template", "svg", "iframe", "object"})
_BLOCKS: Final = frozenset(
    (
        *("address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "fieldset"),
        *("figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header"),
        *("hr", "li", "main", "nav", "ol", "p", "pre", "section", "table", "td", "th", "title"),
        *("tr", "ul"),
    )
)


def text_of_page(html: str, base: str) -> str:
    """Title and text, one block a line; a link is followed by its address in angle brackets.

    Addresses are made absolute from `base`, so that they can be asked for as they stand.
    """
    reader = _Reader(base)
    reader.feed(html)
    reader.close()
    return reader.text()


class _Reader(HTMLParser):
    def __init__(self, base: str) -> None:
        super().__init__(convert_charrefs=True)
        self._base = base
        self._pieces: list[str] = []
        self._silent: list[str] = []
        self._link: str | None = None
        self._kept = 0  # how deep in text whose blanks mean something

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent.append(tag)
        if tag in _BLOCKS:
            self._pieces.append("\n")
        if tag == "pre":
            self._kept += 1
        if tag == "a":
            self._end_link()
            self._link = self._address(dict(attrs).get("href"))
        if tag == "li":
            self._pieces.append("- ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS:
            self._pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._silent:
            del self._silent[self._silent.index(tag) :]
        if tag == "pre":
            self._kept = max(self._kept - 1, 0)
        if tag == "a":
            self._end_link()
        if tag in _BLOCKS:
            self._pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._pieces.append(data if self._kept else re.sub(r"\s+", " ", data))

    def text(self) -> str:
        """What was read, without blank lines."""
        self._end_link()
        lines = (line.rstrip() for line in "".join(self._pieces).split("\n"))
        return "\n".join(line for line in lines if line.strip())

    def _address(self, href: str | None) -> str | None:
        if not href or href.startswith("#"):
            return None
        try:
            address = urljoin(self._base, href.strip())
        except ValueError:
            return None
        return address if address.startswith(("http://", "https://")) else None

    def _end_link(self) -> None:
        if self._link is not None and not self._silent:
            self._pieces.append(f" <{self._link}>")
        self._link = None
