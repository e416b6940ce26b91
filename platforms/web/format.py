"""Blocks to HTML, one string a block, so that a stream sends only the blocks that changed. Pure."""

from typing import assert_never

from platforms.blocks import (
    Alignment,
    Block,
    Blocks,
    Break,
    Code,
    CodeSpan,
    Emph,
    Heading,
    Link,
    List,
    Paragraph,
    Quote,
    Rule,
    Span,
    Spans,
    Strike,
    Strong,
    Table,
    Text,
    clean_text,
)
from platforms.web.html import Html, el, join

FIRST_HEADING = 3
"""The page itself uses h1 and h2."""

LINK_SCHEMES = ("http://", "https://", "mailto:")
LINK_REL = "noopener noreferrer nofollow"


def format_blocks(
    blocks: Blocks, *, known: Blocks = (), known_html: tuple[Html, ...] = ()
) -> tuple[Html, ...]:
    """HTML of each block; where `known` has an equal block, its HTML is taken from `known_html`."""
    same = len(known_html)
    return tuple(
        known_html[i] if i < same and known[i] == block else _block(block)
        for i, block in enumerate(blocks)
    )


def format_card(blocks: Blocks) -> tuple[Html, ...]:
    """HTML of each block of a message that asks something: its lines in columns.

    A line that begins with a bold label and two blanks has the label beside its words.
    """
    return tuple(
        _lines(block.spans) if isinstance(block, Paragraph) else _block(block) for block in blocks
    )


def format_spans(spans: Spans) -> Html:
    """HTML of words within a line."""
    return _spans(spans)


def format_plain(text: str) -> Html:
    """Literal text with its line breaks, as people wrote it."""
    return el("p", {"class": "plain"}, clean_text(text))


def _block(block: Block) -> Html:
    match block:
        case Paragraph(spans=spans):
            return el("p", None, _spans(spans))
        case Heading(level=level, spans=spans):
            return el(f"h{min(FIRST_HEADING - 1 + level, 6)}", None, _spans(spans))
        case List():
            return _list(block)
        case Quote(blocks=blocks):
            return el("blockquote", None, *format_blocks(blocks))
        case Code():
            return _code(block)
        case Table():
            return _table(block)
        case Rule():
            return el("hr")
        case _:
            assert_never(block)


def _lines(spans: Spans) -> Html:
    lines: list[list[Span]] = [[]]
    for span in spans:
        if isinstance(span, Break):
            lines.append([])
        else:
            lines[-1].append(span)
    return el("div", {"class": "lines"}, *map(_line, lines))


def _line(spans: list[Span]) -> Html:
    match spans:
        case [Strong() as label, Text(text=text), *_] if text.startswith("  "):
            words = el("span", None, _spans((Text(text=text[2:]), *spans[2:])))
            return el("p", {"class": "labelled"}, _span(label), words)
        case _:
            return el("p", None, _spans(tuple(spans)))


def _list(block: List) -> Html:
    start = str(block.start) if block.ordered and block.start != 1 else None
    items = (
        el("li", {"class": "continued" if block.continued and not i else None}, _item(item))
        for i, item in enumerate(block.items)
    )
    return el("ol" if block.ordered else "ul", {"start": start}, *items)


def _item(item: Blocks) -> Html:
    """A tight item: its first paragraph stands beside the marker without one of its own."""
    match item:
        case (Paragraph(spans=spans), *rest):
            return join(_spans(spans), *format_blocks(tuple(rest)))
        case _:
            return join(*format_blocks(item))


def _code(block: Code) -> Html:
    copy = el("button", {"type": "button", "class": "copy small"}, "Copy")
    return el(
        "div",
        {"class": "code"},
        el("div", {"class": "bar"}, el("span", None, block.language or "text"), copy),
        # Wide code scrolls inside its box; the keyboard can do that only if it gets the focus.
        # Its direction is its own: no word in it turns around what stands outside, or inside out.
        el(
            "pre",
            {
                "tabindex": "0",
                "role": "region",
                "aria-label": f"Code, {block.language or 'text'}",
                "dir": "ltr",
            },
            el("code", None, block.text),
        ),
    )


def _table(block: Table) -> Html:
    head = el("tr", None, *_cells("th", block.header, block.alignments))
    rows = (el("tr", None, *_cells("td", row, block.alignments)) for row in block.rows)
    table = el("table", None, el("thead", None, head), el("tbody", None, *rows))
    attributes = {"class": "table", "tabindex": "0", "role": "region", "aria-label": "Table"}
    return el("div", attributes, table)


def _cells(tag: str, row: tuple[Spans, ...], alignments: tuple[Alignment, ...]) -> list[Html]:
    return [
        el(tag, {"class": None if side == "left" else side}, _spans(cell))
        for cell, side in zip(row, alignments, strict=True)
    ]


def _spans(spans: Spans) -> Html:
    return join(*map(_span, spans))


def _span(span: Span) -> Html | str:
    match span:
        case Text(text=text):
            return text
        case CodeSpan(text=text):
            return el("code", None, text)
        case Strong(spans=spans):
            return el("strong", None, _spans(spans))
        case Emph(spans=spans):
            return el("em", None, _spans(spans))
        case Strike(spans=spans):
            return el("s", None, _spans(spans))
        case Link(url=url, spans=spans):
            return _link(url, spans)
        case Break():
            return el("br")
        case _:
            assert_never(span)


def _link(url: str, spans: Spans) -> Html:
    """The parser lets only three schemes through; asked again here, where a miss would execute."""
    if not url.lower().startswith(LINK_SCHEMES):
        return _spans(spans)
    return el("a", {"href": url, "rel": LINK_REL, "target": "_blank"}, _spans(spans))
