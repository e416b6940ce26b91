"""A reader of our HTML that accepts only what the page may contain, and every tag closed."""

from html.parser import HTMLParser

from platforms.web.html import VOID_TAGS

TAGS = frozenset(
    {"p", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "hr", "br", "a", "s", "em"}
    | {"strong", "code", "pre", "div", "span", "button"}
    | {"table", "thead", "tbody", "tr", "th", "td"}
)
ATTRIBUTES = frozenset(
    {"class", "href", "rel", "target", "start", "type", "tabindex", "role", "dir"}
)
CLASSES = frozenset(
    {"plain", "continued", "code", "bar", "copy small", "table", "right", "center", "left"}
    | {"lines", "labelled"}
)
SCHEMES = ("http://", "https://", "mailto:")


class StrictReader(HTMLParser):
    """Raises AssertionError at anything foreign; keeps the text and the root elements."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.classes: list[str | None] = []
        self.text: list[str] = []
        self.roots: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Check a start tag against the lists above."""
        assert tag in TAGS, tag
        for name, value in attrs:
            assert name in ATTRIBUTES or name == "aria-label", name
            if name == "class":
                assert value in CLASSES, value
            if name == "href":
                assert value is not None
                assert value.lower().startswith(SCHEMES), value
                assert ("rel", "noopener noreferrer nofollow") in attrs
        if not self.open:
            self.roots.append(tag)
        if tag not in VOID_TAGS:
            self.open.append(tag)
            self.classes.append(dict(attrs).get("class"))

    def handle_endtag(self, tag: str) -> None:
        """Check that the innermost open element ends."""
        assert self.open.pop() == tag
        self.classes.pop()

    def handle_data(self, data: str) -> None:
        """Keep text, without the bar above code, which is not part of the message."""
        if "bar" not in self.classes:
            self.text.append(data)

    def handle_comment(self, data: str) -> None:
        """There are no comments."""
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        """There are no declarations."""
        raise AssertionError(decl)

    def unknown_decl(self, data: str) -> None:
        """Nor marked sections."""
        raise AssertionError(data)

    def handle_pi(self, data: str) -> None:
        """Nor processing instructions."""
        raise AssertionError(data)


def read_strictly(html: str, reader: StrictReader | None = None) -> StrictReader:
    """Read `html`; raises AssertionError for anything a message must not contain."""
    reader = StrictReader() if reader is None else reader
    reader.feed(html)
    reader.close()
    assert not reader.open, reader.open
    return reader
