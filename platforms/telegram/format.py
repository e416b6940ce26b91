"""Pure: blocks to plain text with entities in UTF-16 offsets. No parse mode, so no markup errors.

The server finds `@name` in plain text by itself and notifies its owner; a word joiner after the
`@` prevents that. It also trims the ends of a text and drops some characters, which is why they
are replaced here. Source: MessageEntity and misc.cpp of TDLib, which the Bot API server runs on.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal, assert_never

from platforms.blocks import (
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
    list_markers,
    spans_text,
)
from platforms.links import link_target
from platforms.monospace import aligned
from platforms.telegram.limits import ENTITIES_MAX, PART_SOFT, TABLE_WIDTH
from platforms.text import utf16_len

EntityKind = Literal[
    "bold", "italic", "strikethrough", "code", "pre", "text_link", "blockquote", "text_mention"
]
_ALONE: frozenset[EntityKind] = frozenset({"code", "pre"})
"""Code lies in no other entity but a quote, and holds none."""
_STYLES: frozenset[EntityKind] = frozenset({"bold", "italic", "strikethrough"})

NO_BREAK = "\u00a0"
WORD_JOINER = "\u2060"
RULE = "———"

_LEVEL = NO_BREAK * 3
_LANGUAGE = re.compile(r"[\w#+.-]{1,32}", re.ASCII)
_RING_ABOVE = "\u030a"
_LINE_SEPARATORS = {0x2028: " ", 0x2029: " "}
# A pasted address with an @ behind its host: the joiner would break what clients recognise.
_ADDRESS_WITH_AT = re.compile(r"https?://[^\s/@]+/[^\s@]*@[^\s]*[^\s.,;:!?)\]}'\"]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """Formatting of a stretch of text; `offset` and `length` count UTF-16 code units.

    `user` is whom a text_mention names; nothing made of Blocks names anybody.
    """

    kind: EntityKind
    offset: int
    length: int
    url: str | None = None
    language: str | None = None
    user: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """What sendMessage and editMessageText take."""

    text: str
    entities: tuple[Entity, ...]

    @property
    def units(self) -> int:
        """Length as the server counts it."""
        return utf16_len(self.text)


def format_blocks(blocks: Blocks) -> Wire:
    """The wire form of a message."""
    writer = _Writer()
    _write_blocks(writer, blocks, gap=2)
    return writer.wire()


def format_plain(text: str) -> Wire:
    """Literal words, as for captions and answers to presses: no entities, no pings."""
    writer = _Writer()
    writer.write(text)
    return Wire(text=writer.wire().text, entities=())


def fits(blocks: Blocks) -> bool:
    """Whether the wire form is within the size we split at and the number of entities."""
    wire = format_blocks(blocks)
    return wire.units <= PART_SOFT and len(wire.entities) <= ENTITIES_MAX


class _Writer:
    """Text so far, its length in UTF-16 units, and the entities over it.

    `indent` stands at the beginning of every line but those of code; it is written with the first
    character of the line, so that no entity covers it.
    """

    def __init__(self) -> None:
        self.indent = ""
        self._parts: list[str] = []
        self._entities: list[Entity] = []
        self._open: dict[EntityKind, int] = {}
        self._units = 0
        self._last = ""
        self._line_begins = False

    def write(self, text: str) -> None:
        """Adds words; names in them notify nobody."""
        text = _kept_by_server(text)
        if "@" in text:
            text = _without_pings(text, before=self._last)
        if text:
            self._flush_indent()
            self._append(text)

    def write_code(self, text: str) -> None:
        """Adds code: the server looks for no names there, and would make a tab one blank."""
        text = _kept_by_server(text).expandtabs(4)
        if text:
            self._append(text)

    def newline(self, count: int = 1) -> None:
        """Ends the line."""
        self._append("\n" * count)
        self._line_begins = True

    def open(self, kind: EntityKind) -> bool:
        """Begins an entity; False if it already stands around us, as bold in a heading."""
        if kind in self._open:
            return False
        if kind == "pre":
            self._line_begins = False
        self._flush_indent()
        if kind in _ALONE:
            self._pause_styles()
        self._open[kind] = self._units
        return True

    def close(self, kind: EntityKind, *, url: str | None = None, language: str = "") -> None:
        """Ends an entity that `open` began; one over nothing is left out."""
        self._emit(kind, url=url, language=language)
        del self._open[kind]
        if kind in _ALONE:
            for style in _STYLES & self._open.keys():
                self._open[style] = self._units

    def drop(self, kind: EntityKind) -> None:
        """Takes an entity back that `open` began."""
        del self._open[kind]

    def _pause_styles(self) -> None:
        for style in _STYLES & self._open.keys():
            self._emit(style)

    def _emit(self, kind: EntityKind, *, url: str | None = None, language: str = "") -> None:
        start = self._open[kind]
        if self._units > start:
            length = self._units - start
            self._entities.append(
                Entity(kind=kind, offset=start, length=length, url=url, language=language or None)
            )

    def is_open(self, kind: EntityKind) -> bool:
        """Whether we are inside such an entity."""
        return kind in self._open

    def at(self) -> int:
        """Length so far in UTF-16 units."""
        return self._units

    def wire(self) -> Wire:
        """The whole, entities in the order in which they begin, outer ones first."""
        entities = sorted(self._entities, key=lambda entity: (entity.offset, -entity.length))
        return Wire(text="".join(self._parts), entities=tuple(entities))

    def _flush_indent(self) -> None:
        if self._line_begins and self.indent:
            self._append(self.indent)
        self._line_begins = False

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._units += utf16_len(text)
        self._last = text[-1]


def _kept_by_server(text: str) -> str:
    """The same words in characters the server does not drop."""
    text = clean_text(text)
    if text.isascii():
        return text
    if _RING_ABOVE in text:
        text = unicodedata.normalize("NFC", text)
    return text.translate(_LINE_SEPARATORS)


def _without_pings(text: str, *, before: str) -> str:
    """Puts a word joiner after each `@` that could begin a name."""
    pieces = text.split("@")
    result = [pieces[0]]
    previous = pieces[0][-1:] or before
    for piece in pieces[1:]:
        result.append("@" if _is_word(previous) else "@" + WORD_JOINER)
        result.append(piece)
        previous = piece[-1:] or "@"
    return "".join(result)


def _is_word(character: str) -> bool:
    return character == "_" or (character != "" and unicodedata.category(character)[0] in "LN")


def _write_blocks(writer: _Writer, blocks: Blocks, *, gap: int) -> None:
    for number, block in enumerate(blocks):
        if number:
            writer.newline(gap)
        _write_block(writer, block)


def _write_block(writer: _Writer, block: Block) -> None:
    match block:
        case Paragraph(spans=spans):
            _write_spans(writer, spans)
        case Heading(spans=spans):
            _styled(writer, "bold", spans)
        case List():
            _write_list(writer, block)
        case Quote(blocks=blocks):
            opened = writer.open("blockquote")
            _write_blocks(writer, blocks, gap=2)
            if opened:
                writer.close("blockquote")
        case Code(language=language, text=text):
            _write_code(writer, text, language)
        case Table():
            _write_table(writer, block)
        case Rule():
            writer.write(RULE)
        case _:
            assert_never(block)


def _write_code(writer: _Writer, text: str, language: str) -> None:
    writer.open("pre")
    writer.write_code(text)
    writer.close("pre", language=language if _LANGUAGE.fullmatch(language) else "")


def _write_list(writer: _Writer, block: List) -> None:
    outer = writer.indent
    for number, (marker, item) in enumerate(zip(list_markers(block), block.items, strict=True)):
        if number:
            writer.newline()
        # The server trims blanks at the beginning of a text, no-break spaces stay.
        writer.write(marker.replace(" ", NO_BREAK) if marker.isspace() else marker)
        writer.indent = outer + _LEVEL
        _write_blocks(writer, item, gap=1)
        writer.indent = outer


def _write_table(writer: _Writer, table: Table) -> None:
    text = aligned(table, width=TABLE_WIDTH)
    if text is not None:
        _write_code(writer, text, "")
        return
    for number, row in enumerate(table.rows or (table.header,)):
        if number:
            writer.newline(2)
        _write_group(writer, table.header, row)


def _write_group(writer: _Writer, header: tuple[Spans, ...], row: tuple[Spans, ...]) -> None:
    """One row of a wide table as lines of `key: value`; a table without rows as its header."""
    for number, (key, value) in enumerate(zip(header, row, strict=True)):
        if number:
            writer.newline()
        before = writer.at()
        _styled(writer, "bold", key)
        if value is key:
            continue
        if writer.at() > before:
            writer.write(": ")
        _write_spans(writer, value)


def _write_spans(writer: _Writer, spans: Spans) -> None:
    for span in spans:
        _write_span(writer, span)


def _write_span(writer: _Writer, span: Span) -> None:
    match span:
        case Text(text=text):
            _write_text(writer, text)
        case CodeSpan(text=text):
            _write_code_span(writer, text)
        case Strong(spans=spans):
            _styled(writer, "bold", spans)
        case Emph(spans=spans):
            _styled(writer, "italic", spans)
        case Strike(spans=spans):
            _styled(writer, "strikethrough", spans)
        case Link(url=url, spans=spans):
            _write_link(writer, url, spans)
        case Break():
            writer.newline()
        case _:
            assert_never(span)


def _styled(writer: _Writer, kind: EntityKind, spans: Spans) -> None:
    opened = writer.open(kind)
    _write_spans(writer, spans)
    if opened:
        writer.close(kind)


def _write_code_span(writer: _Writer, text: str) -> None:
    """Code; in the label of a link it is plain, for the server would drop one of the two."""
    if writer.is_open("text_link"):
        writer.write(text)
        return
    writer.open("code")
    writer.write_code(text)
    writer.close("code")


def _write_text(writer: _Writer, text: str) -> None:
    if "@" not in text or writer.is_open("text_link"):
        writer.write(text)
        return
    done = 0
    for found in _ADDRESS_WITH_AT.finditer(text):
        writer.write(text[done : found.start()])
        _write_link(writer, found[0], (Text(text=found[0]),))
        done = found.end()
    writer.write(text[done:])


def _write_link(writer: _Writer, url: str, spans: Spans) -> None:
    """A live label where the server takes the target; else the label and the target in words.

    The server drops a link to a host without a dot or to an address of mail, and says nothing.
    """
    label, target = spans_text(spans), link_target(url)
    mail = url.startswith("mailto:")
    opened = writer.open("text_link")
    _write_spans(writer, spans if label else (Text(text=url),))
    if not opened:
        return
    if "." in target and not mail:
        writer.close("text_link", url=url)
        return
    writer.drop("text_link")
    words = target if mail else url
    if label and words not in label:
        writer.write(f" ({words})")
