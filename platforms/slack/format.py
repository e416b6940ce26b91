"""Pure: blocks to Slack's own blocks, an element tree in which nothing is ever parsed.

Only `text` and `link` elements are written, so no words can notify anybody, and the fallback text
has Slack's three special characters escaped. A block without an id gets a new one from Slack with
every update, which is what Slack asks for. Empty elements are refused by Slack, so a blank stands
where nothing does. Source: docs.slack.dev/reference/block-kit/blocks/rich-text-block, table-block.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, assert_never

import orjson

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
    plain,
    plain_text,
    spans_text,
)
from platforms.content import Controls
from platforms.measure import grapheme_floor
from platforms.monospace import aligned
from platforms.slack.controls import control_blocks
from platforms.slack.limits import (
    BLOCKS_MAX,
    FALLBACK_MAX,
    INDENT_MAX,
    JSON_MAX,
    PART_SOFT,
    TABLE_COLUMNS_MAX,
    TABLE_ROWS_MAX,
    TABLE_WIDTH,
)

Json = dict[str, Any]

NO_BREAK = "\u00a0"
RULE = "———"
_BLANK = " "
_LEVEL = NO_BREAK * 3
_LINK_RUNS_BYTES = 3_000
# Slack documents the field, not its values; an unknown one could cost the whole message.
_LANGUAGES = {
    name: language
    for language, names in {
        "bash": "bash sh shell zsh",
        "c": "c",
        "cpp": "cpp c++",
        "csharp": "csharp c# cs",
        "css": "css",
        "diff": "diff patch",
        "dockerfile": "dockerfile docker",
        "go": "go golang",
        "html": "html",
        "java": "java",
        "javascript": "javascript js",
        "json": "json",
        "kotlin": "kotlin",
        "markdown": "markdown md",
        "php": "php",
        "python": "python py",
        "ruby": "ruby rb",
        "rust": "rust rs",
        "sql": "sql",
        "swift": "swift",
        "typescript": "typescript ts",
        "xml": "xml",
        "yaml": "yaml yml",
    }.items()
    for name in names.split()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """What chat.postMessage and chat.update take: blocks, and words for notifications."""

    blocks: list[Json]
    text: str


def format_blocks(blocks: Blocks, controls: Controls = ()) -> Wire:
    """The wire form of a message with its buttons and menus."""
    writer = _Writer()
    writer.write(blocks)
    return Wire(
        blocks=[*writer.finish(), *control_blocks(controls)], text=_fallback(plain_text(blocks))
    )


def format_plain(text: str) -> Wire:
    """Literal words, as for captions and answers to presses."""
    return format_blocks(plain(text))


def fits(blocks: Blocks) -> bool:
    """Whether the formatted body is within the size we split at and every structural limit."""
    if len(plain_text(blocks)) > PART_SOFT:
        return False
    wire = format_blocks(blocks)
    return len(wire.blocks) <= BLOCKS_MAX and len(orjson.dumps(wire.blocks)) <= JSON_MAX


def escape(text: str) -> str:
    """Words with Slack's three special characters as entities: no mention, no link is left."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _fallback(text: str) -> str:
    """As many whole characters as Slack takes beside blocks; the blocks hold the rest."""
    text = clean_text(text)
    whole = escape(text)
    if len(whole) <= FALLBACK_MAX:
        return whole
    end, room = 0, FALLBACK_MAX - 1
    for end, char in enumerate(text):  # noqa: B007 - where the room ends
        room -= len(escape(char))
        if room < 0:
            break
    return escape(text[: grapheme_floor(text, end)]) + "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Style:
    """How words look; `url` is where they lead."""

    bold: bool = False
    italic: bool = False
    strike: bool = False
    code: bool = False
    url: str = ""

    def element(self, text: str) -> Json:
        """The words as an element."""
        names = ("bold", "italic", "strike", "code")
        style = {name: True for name in names if getattr(self, name)}
        element: Json = {"type": "text", "text": text}
        if self.url:
            element = {"type": "link", "url": self.url, "text": text}
        return element | ({"style": style} if style else {})


_Run = tuple[str, _Style]
_PLAIN = _Style()


def _runs(spans: Spans, style: _Style) -> Iterator[_Run]:
    for span in spans:
        yield from _span_runs(span, style)


def _span_runs(span: Span, style: _Style) -> Iterator[_Run]:
    match span:
        case Text(text=text):
            yield text, style
        case CodeSpan(text=text):
            yield text, replace(style, code=True)
        case Strong(spans=spans):
            yield from _runs(spans, replace(style, bold=True))
        case Emph(spans=spans):
            yield from _runs(spans, replace(style, italic=True))
        case Strike(spans=spans):
            yield from _runs(spans, replace(style, strike=True))
        case Link(url=url, spans=spans):
            yield from _link_runs(url, spans, style)
        case Break():
            yield "\n", replace(style, url="")
        case _:
            assert_never(span)


def _link_runs(url: str, spans: Spans, style: _Style) -> Iterator[_Run]:
    """Every piece of the label leads there; one of many pieces, to far away, is one plain piece."""
    inside = replace(style, url=clean_text(url))
    runs = list(_runs(spans, inside))
    if len(runs) * len(url) > _LINK_RUNS_BYTES:
        runs = [(spans_text(spans).replace("\n", " "), inside)]
    yield from runs if spans_text(spans).strip() else [(url, inside)]


def _inline(runs: Iterator[_Run]) -> list[Json]:
    """Elements of a section, neighbours of one look as one; empty for no words."""
    joined: list[_Run] = []
    for raw, style in runs:
        text = clean_text(raw)
        if not text:
            continue
        if joined and joined[-1][1] == style:
            joined[-1] = (joined[-1][0] + text, style)
        else:
            joined.append((text, style))
    return [style.element(text) for text, style in joined]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where blocks stand: in how many lists, and whether in a quote."""

    level: int = 0
    quoted: bool = False


class _Writer:
    """Blocks so far, the rich text that is open, and the running words in it.

    Paragraphs and headings run together as one section with blank lines between them. What Slack
    cannot nest (code, quotes and tables in an item, items without a marker) interrupts the list,
    which goes on with its next number.
    """

    def __init__(self) -> None:
        self._blocks: list[Json] = []
        self._elements: list[Json] = []
        self._words: list[_Run] = []
        self._table_used = False

    def write(self, blocks: Blocks) -> None:
        """Adds blocks at the top level."""
        self._write(blocks, _Place())

    def finish(self) -> list[Json]:
        """The whole."""
        self._end_rich_text()
        return self._blocks

    def _write(self, blocks: Blocks, place: _Place) -> None:
        for block in blocks:
            self._block(block, place)

    def _block(self, block: Block, place: _Place) -> None:
        match block:
            case Paragraph(spans=spans):
                self._running(_runs(spans, _PLAIN), place)
            case Heading(spans=spans):
                self._running(_runs(spans, _Style(bold=True)), place)
            case List():
                self._list(block, place)
            case Quote(blocks=blocks):
                self._end_words(place)
                inside = replace(place, quoted=True)
                self._write(blocks, inside)
                self._end_words(inside)
            case Code(language=language, text=text):
                self._code(text, language, place)
            case Table():
                self._table(block, place)
            case Rule():
                self._rule(place)
            case _:
                assert_never(block)

    # -- running words

    def _running(self, runs: Iterator[_Run], place: _Place) -> None:
        words = list(runs)
        if not any(text for text, _ in words):
            return
        if self._words:
            self._words.append(("\n" if place.level else "\n\n", _PLAIN))
        elif self._elements and not place.level and not place.quoted:
            self._words.append(("\n", _PLAIN))
        self._words += words

    def _end_words(self, place: _Place) -> None:
        elements = _inline(iter(self._words))
        self._words = []
        if elements:
            kind = "rich_text_quote" if place.quoted else "rich_text_section"
            self._elements.append({"type": kind, "elements": elements})

    def _end_rich_text(self) -> None:
        self._end_words(_Place())
        if self._elements:
            self._blocks.append({"type": "rich_text", "elements": self._elements})
            self._elements = []

    # -- the other blocks

    def _code(self, text: str, language: str, place: _Place) -> None:
        self._end_words(place)
        element: Json = {
            "type": "rich_text_preformatted",
            "elements": [{"type": "text", "text": clean_text(text) or _BLANK}],
        }
        if (known := _LANGUAGES.get(language.strip().lower())) is not None:
            element["language"] = known
        self._elements.append(element)

    def _rule(self, place: _Place) -> None:
        if place.level or place.quoted:
            self._running(iter([(RULE, _PLAIN)]), place)
            return
        self._end_rich_text()
        self._blocks.append({"type": "divider"})

    def _list(self, block: List, place: _Place) -> None:
        self._end_words(place)
        inside = replace(place, level=place.level + 1)
        items = list(zip(list_markers(block), block.items, strict=True))
        for number, (marker, item) in enumerate(items):
            if block.continued and number == 0:
                self._continued(item, inside)
            else:
                self._item(block, number, marker, item, inside)

    def _continued(self, item: Blocks, place: _Place) -> None:
        """The rest of an item that began in the part before: indented, without a marker."""
        lead = _lead(item)
        self._write(item[:lead], place)
        if self._words:
            self._words.insert(0, (_LEVEL * place.level, _PLAIN))
        self._write(item[lead:], place)
        self._end_words(place)

    def _item(self, block: List, number: int, marker: str, item: Blocks, place: _Place) -> None:
        """An item's words under its marker, then what else it holds."""
        lead = _lead(item)
        self._write(item[:lead], place)
        section = {
            "type": "rich_text_section",
            "elements": _inline(iter(self._words)) or [_PLAIN.element(_BLANK)],
        }
        self._words = []
        offset = block.start + number - 1
        if block.ordered and offset < 0:  # Slack counts from one
            section["elements"] = [_PLAIN.element(marker), *section["elements"]]
        self._add_item(section, place, offset if block.ordered and offset >= 0 else None)
        self._write(item[lead:], place)
        self._end_words(place)

    def _add_item(self, section: Json, place: _Place, offset: int | None) -> None:
        """Puts an item into the list it follows, or into a new one; `offset` None is a bullet."""
        style = "bullet" if offset is None else "ordered"
        indent = min(place.level - 1, INDENT_MAX)
        last = self._elements[-1] if self._elements else {}
        same = last.get("type") == "rich_text_list" and (
            (last["style"], last.get("indent", 0), last.get("border", 0))
            == (style, indent, int(place.quoted))
        )
        if same and (offset is None or last.get("offset", 0) + len(last["elements"]) == offset):
            last["elements"].append(section)
            return
        element: Json = {"type": "rich_text_list", "style": style, "elements": [section]}
        if indent:
            element["indent"] = indent
        if offset:
            element["offset"] = offset
        if place.quoted:
            element["border"] = 1
        self._elements.append(element)

    def _table(self, table: Table, place: _Place) -> None:
        rows = (table.header, *table.rows)
        small = len(rows) <= TABLE_ROWS_MAX and 0 < len(table.header) <= TABLE_COLUMNS_MAX
        if small and not (self._table_used or place.level or place.quoted):
            self._table_used = True
            self._end_rich_text()
            self._blocks.append(
                {
                    "type": "table",
                    "rows": [[_cell(cell) for cell in row] for row in rows],
                    "column_settings": [
                        {"align": alignment or "left", "is_wrapped": True}
                        for alignment in table.alignments
                    ],
                }
            )
            return
        if (text := aligned(table, width=TABLE_WIDTH)) is not None:
            self._code(text, "", place)
            return
        for row in table.rows or (table.header,):
            self._running(_group(table.header, row), place)


def _lead(item: Blocks) -> int:
    """How many blocks of an item are words that stand right under its marker."""
    for number, block in enumerate(item):
        if not isinstance(block, Paragraph | Heading):
            return number
    return len(item)


def _cell(spans: Spans) -> Json:
    elements = _inline(_runs(spans, _PLAIN))
    if not elements:
        return {"type": "raw_text", "text": _BLANK}
    if len(elements) == 1 and elements[0].keys() == {"type", "text"}:
        return {"type": "raw_text", "text": elements[0]["text"]}
    section = {"type": "rich_text_section", "elements": elements}
    return {"type": "rich_text", "elements": [section]}


def _group(header: tuple[Spans, ...], row: tuple[Spans, ...]) -> Iterator[_Run]:
    """One row of a table as lines of `key: value`; a table without rows as its header."""
    for number, (key, value) in enumerate(zip(header, row, strict=True)):
        if number:
            yield "\n", _PLAIN
        if spans_text(key):
            yield from _runs(key, _Style(bold=True))
            if value is key:
                continue
            yield ": ", _PLAIN
        yield from _runs(value, _PLAIN)
