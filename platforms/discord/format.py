"""Pure: blocks to Discord Markdown. It shows the same characters, pings nobody, shows no preview.

Discord knows headings of three depths, lists, one depth of quotes and fences of three backticks
that the next three backticks end. There is no longer fence, so backticks in code stand apart.
Source: "Markdown Text 101" of Discord's help pages.
"""

import re
from collections.abc import Iterator
from typing import assert_never

from platforms.blocks import (
    Block,
    Blocks,
    Code,
    Heading,
    List,
    Paragraph,
    Quote,
    Rule,
    Spans,
    Strong,
    Table,
    Text,
    clean_text,
    list_markers,
    plain,
    spans_text,
)
from platforms.discord.inline import (
    NO_STYLES,
    ZERO_WIDTH,
    Style,
    Styles,
    apart_backticks,
    format_spans,
    without_link_ends,
)
from platforms.discord.limits import PART_SOFT, TABLE_WIDTH, TEXT_MAX
from platforms.monospace import aligned
from platforms.text import utf16_len

RULE = "---"

_DEEPEST_HEADING = 3
_BOLD: Styles = frozenset({Style.STRONG})
_LANGUAGE = re.compile(r"[A-Za-z0-9_+\-.#]+")
_LONG_RUN = re.compile("`{3,}")
_LAST_HASHES = re.compile(r"(?<!\\)(#+ *)$", re.MULTILINE)


def format_blocks(blocks: Blocks) -> str:
    """The content of a message."""
    return "\n".join(_lines(blocks))


def format_plain(text: str) -> str:
    """Literal words, as for captions."""
    return format_blocks(plain(text))


def format_private(text: str) -> str:
    """Literal words for one person; as code where their escapes would take too much room."""
    if not text.strip():
        return ""
    words = format_plain(text)
    if utf16_len(words) <= TEXT_MAX:
        return words
    return format_blocks((Code(language="", text=text),))


def fits(blocks: Blocks) -> bool:
    """Whether the wire form is within the size we split at."""
    return utf16_len(format_blocks(blocks)) <= PART_SOFT


def _lines(blocks: Blocks, *, quoted: bool = False) -> Iterator[str]:
    """Lines of blocks with a blank one between; a heading has its own distance."""
    before: Block | None = None
    for block in blocks:
        if before is not None and not isinstance(before, Heading):
            yield ""
        yield from _block(block, quoted=quoted)
        before = block


def _block(block: Block, *, quoted: bool) -> Iterator[str]:
    match block:
        case Paragraph(spans=spans):
            yield from _shown(spans)
        case Heading():
            yield from _heading(block)
        case List():
            yield from _list(block, depth=0, quoted=quoted)
        case Quote(blocks=blocks):
            mark = "" if quoted else "> "
            yield from (mark + line for line in _lines(blocks, quoted=True))
        case Code():
            yield from _code(block)
        case Table():
            yield from _table(block)
        case Rule():
            yield RULE
        case _:
            assert_never(block)


def _shown(spans: Spans, styles: Styles = NO_STYLES) -> list[str]:
    return format_spans(spans, styles).split("\n")


def _heading(heading: Heading) -> Iterator[str]:
    if heading.level > _DEEPEST_HEADING:
        yield from _shown(heading.spans, _BOLD)
        return
    mark = "#" * heading.level + " "
    for line in _shown(heading.spans):
        # Hashes at the end of a heading would be taken for its closing mark.
        shown = _LAST_HASHES.sub(_escape_all, line)
        yield mark + shown if line.strip() else line


def _escape_all(hashes: re.Match[str]) -> str:
    return hashes[0].replace("#", "\\#")


def _list(block: List, *, depth: int, quoted: bool) -> Iterator[str]:
    for marker, item in zip(list_markers(block), block.items, strict=True):
        yield from _item(marker.replace("•", "-"), item, depth=depth, quoted=quoted)


def _item(marker: str, item: Blocks, *, depth: int, quoted: bool) -> Iterator[str]:
    """One item. What is no text stands at the left edge: a fence would show its indent."""
    first = "  " * depth + marker
    for block in item:
        match block:
            case Paragraph(spans=spans) | Heading(spans=spans):
                styles = _BOLD if isinstance(block, Heading) else NO_STYLES
                for line in _shown(spans, styles):
                    yield (first or "  " * (depth + 1)) + line
                    first = ""
                continue
            case _ if first:
                yield first + ZERO_WIDTH
                first = ""
            case _:
                pass
        if isinstance(block, List):
            yield from _list(block, depth=depth + 1, quoted=quoted)
        else:
            yield from _block(block, quoted=quoted)
    if first:
        yield first + ZERO_WIDTH


def _code(code: Code) -> Iterator[str]:
    language = code.language if _LANGUAGE.fullmatch(code.language) else ""
    yield from _fenced(code.text, language)


def _fenced(text: str, language: str = "") -> Iterator[str]:
    inside = _LONG_RUN.sub(lambda run: apart_backticks(run[0]), clean_text(text))
    inside = without_link_ends(inside)
    yield "```" + language
    yield from (inside if inside.strip("\n") else ZERO_WIDTH).split("\n")
    yield "```"


def _table(table: Table) -> Iterator[str]:
    text = aligned(table, width=TABLE_WIDTH, rule="-")
    if text is not None:
        yield from _fenced(text)
        return
    if not table.rows:
        yield from _shown(_joined(table.header))
    for number, row in enumerate(table.rows):
        if number:
            yield ""
        for name, cell in zip(table.header, row, strict=True):
            yield from _shown(_named(name, cell))


def _named(name: Spans, cell: Spans) -> Spans:
    """`key: value` of a table that is too wide to stand as one."""
    if not spans_text(name).strip():
        return cell
    return (Strong(spans=(*name, Text(text=":"))), Text(text=" "), *cell)


def _joined(cells: tuple[Spans, ...]) -> Spans:
    first, *rest = cells or ((),)
    return (*first, *(span for cell in rest for span in (Text(text=" | "), *cell)))
