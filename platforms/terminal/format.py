"""Blocks to lines for a terminal: wrapped, coloured by ANSI codes, unable to steer it. Pure.

Lines are at most as wide as asked, but for lines of code, which stay whole so that they can be
copied. In a card they are broken too, and every row of them stands behind a bar: else the terminal
would break them, and what was written to deceive could begin a row of its own and pass for a line
of the card. Without colour there are no escape codes at all.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
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
    list_markers,
    spans_text,
)
from platforms.text import display_width, graphemes

WIDTH_MIN = 20
RULE_WIDTH = 40
BAR, BAR_AGAIN = "│ ", "┊ "
"""Before a line of a card's code, and before its rows that follow from breaking it."""

CARD_BAR = "| "
"""The same, as a card's own text has it."""

# Select Graphic Rendition. Source: ECMA-48 8.3.117.
BOLD, DIM, ITALIC, UNDERLINE, STRUCK, CYAN = "1", "2", "3", "4", "9", "36"

# Controls, and the marks that reorder a line so that it reads as another.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)
_SPACE = re.compile(r"([ \t]+)")
# What stands for one character and is not broken apart.
_ESCAPED = re.compile(r"\\(?:u\{[0-9A-Fa-f]{1,6}\}|u[0-9a-f]{4}|x[0-9a-f]{2}|\\)")
# `Payer      acme-research`: what does not fit beside the name goes on below its value.
_NAMED_VALUE = re.compile(r"\S+(?: \S+)? {2,}(?=\S)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How wide lines may be, whether escape codes are wanted, whether a card is drawn."""

    width: int
    color: bool
    card: bool


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    codes: tuple[str, ...] = ()


def format_blocks(
    blocks: Blocks, *, width: int, color: bool, card: bool = False
) -> tuple[str, ...]:
    """The lines of a message; `width` counts columns. `card`: it asks for a decision."""
    look = Look(width=max(width, WIDTH_MIN), color=color, card=card)
    return tuple(_blocks(blocks, look, loose=True))


def escape(text: str) -> str:
    r"""Text that cannot steer a terminal: controls become visible, `\x1b` for an escape."""
    text = text.expandtabs(4)
    return _STEERING.sub(lambda match: _visible(match[0]), text)


def style(text: str, *codes: str, color: bool) -> str:
    """Text, already escaped, with escape codes around it."""
    return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if color and codes and text else text


def visible_width(line: str) -> int:
    """The columns of a formatted line, its escape codes not counted."""
    return display_width(re.sub("\x1b\\[[0-9;]*m", "", line))


def _visible(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _blocks(blocks: Blocks, look: Look, *, loose: bool) -> Iterator[str]:
    for number, block in enumerate(blocks):
        if number and loose:
            yield ""
        yield from _block(block, look)


def _block(block: Block, look: Look) -> Iterator[str]:
    match block:
        case Paragraph(spans=spans):
            yield from _wrapped(_pieces(spans), look)
        case Heading(level=level, spans=spans):
            codes = (BOLD, UNDERLINE) if level == 1 else (BOLD,)
            yield from _wrapped(_pieces(spans, codes), look)
        case List():
            for marker, item in zip(list_markers(block), block.items, strict=True):
                yield from _hung(marker, " " * len(marker), item, look)
        case Quote(blocks=blocks):
            bar = style("│", DIM, color=look.color) + " "
            yield from _hung(bar, bar, blocks, look, loose=True)
        case Code(language=language, text=text):
            yield from _code(language, text, look)
        case Table():
            yield from _table(block, look)
        case Rule():
            yield style("─" * min(RULE_WIDTH, look.width), DIM, color=look.color)
        case _:
            assert_never(block)


def _hung(
    first: str, rest: str, blocks: Blocks, look: Look, *, loose: bool = False
) -> Iterator[str]:
    inner = replace(look, width=max(look.width - visible_width(first), WIDTH_MIN))
    lines = list(_blocks(blocks, inner, loose=loose)) or [""]
    yield (first + lines[0]).rstrip(" ")
    for line in lines[1:]:
        yield (rest + line).rstrip(" ")


def _code(language: str, text: str, look: Look) -> Iterator[str]:
    if language and look.color:
        yield style(escape(language), DIM, color=True)
    lines = text.split("\n")
    # A card that has put bars before its code needs no second ones.
    barred = all(line.startswith(CARD_BAR) for line in lines)
    for line in lines:
        if look.card:
            yield from _barred(escape(line.removeprefix(CARD_BAR) if barred else line), look)
        else:
            yield style(escape(line), CYAN, color=look.color)


def _barred(line: str, look: Look) -> Iterator[str]:
    """The rows of a line of code, each behind its bar; together they are the line."""
    bar, kept, room = BAR, "", look.width - len(BAR)
    for unit in _units(line):
        width = display_width(unit)
        if width > room:
            yield _behind(bar, kept, look)
            bar, kept, room = BAR_AGAIN, "", look.width - len(BAR)
        kept += unit
        room -= width
    yield _behind(bar, kept, look)


def _behind(bar: str, code: str, look: Look) -> str:
    return style(bar, DIM, color=look.color) + style(code, CYAN, color=look.color)


def _pieces(spans: Spans, codes: tuple[str, ...] = ()) -> list[_Piece]:
    return [piece for span in spans for piece in _span(span, codes)]


def _span(span: Span, codes: tuple[str, ...]) -> Iterator[_Piece]:
    match span:
        case Text(text=text):
            yield _Piece(escape(text), codes)
        case CodeSpan(text=text):
            yield _Piece(escape(text), (*codes, CYAN))
        case Strong(spans=spans):
            yield from _pieces(spans, (*codes, BOLD))
        case Emph(spans=spans):
            yield from _pieces(spans, (*codes, ITALIC))
        case Strike(spans=spans):
            yield from _pieces(spans, (*codes, STRUCK))
        case Link(url=url, spans=spans):
            yield from _pieces(spans, (*codes, UNDERLINE))
            if spans_text(spans) not in {url, url.removeprefix("mailto:")}:
                yield _Piece(f" ({escape(url)})", (*codes, DIM))
        case Break():
            yield _Piece("\n")
        case _:
            assert_never(span)


def _wrapped(pieces: Sequence[_Piece], look: Look) -> Iterator[str]:
    """Break at line ends, at spaces, and a word wider than the line at graphemes."""
    line: list[_Piece] = []
    for piece in pieces:
        if piece.text == "\n":
            yield from _rows(line, look)
            line = []
        else:
            line.append(piece)
    yield from _rows(line, look)


def _rows(line: Sequence[_Piece], look: Look) -> Iterator[str]:
    """The rows of one line; in a card those of a value stand below its beginning."""
    hang = _hang(line, look.width) if look.card else 0
    below = [_Piece(" " * hang)] if hang else []
    row: list[_Piece] = []
    room, begun = look.width, False
    for word in _words(line):
        text = "".join(piece.text for piece in word)
        width = display_width(text)
        if width > room and begun:
            yield _joined(row, look)
            row, room, begun = [*below], look.width - hang, False
            if text.isspace():
                continue
        rest = word
        while width > room:
            head, rest = _cut(rest, room)
            yield _joined([*row, *head], look)
            row, room = [*below], look.width - hang
            width = _width(rest)
        row.extend(rest)
        room -= width
        begun = True
    yield _joined(row, look)


def _hang(line: Sequence[_Piece], width: int) -> int:
    """How far the value of a named line is set in; 0 for any other line, and if too far."""
    named = _NAMED_VALUE.match("".join(piece.text for piece in line))
    if named is None:
        return 0
    hang = display_width(named[0])
    return hang if 2 * hang <= width else 0


def _words(pieces: Sequence[_Piece]) -> Iterator[list[_Piece]]:
    """Words, runs of blanks and line ends; a word may change its style within."""
    word: list[_Piece] = []
    for piece in pieces:
        parts = [piece.text] if piece.text == "\n" else _SPACE.split(piece.text)
        for part in parts:
            if not part:
                continue
            if part.isspace():
                if word:
                    yield word
                    word = []
                yield [_Piece(part, piece.codes)]
            else:
                word.append(_Piece(part, piece.codes))
    if word:
        yield word


def _cut(word: Sequence[_Piece], room: int) -> tuple[list[_Piece], list[_Piece]]:
    """Cut a word so that its head fits; the head has at least one grapheme or escape."""
    head: list[_Piece] = []
    tail: list[_Piece] = []
    used = 0
    for piece in word:
        kept = ""
        for unit in _units(piece.text):
            width = display_width(unit)
            if tail or (used and used + width > room):
                tail.append(_Piece(unit, piece.codes))
            else:
                kept += unit
                used += width
        if kept:
            head.append(_Piece(kept, piece.codes))
    return head, tail


def _units(text: str) -> Iterator[str]:
    """What a row may end behind: graphemes, and escapes whole."""
    at = 0
    for found in _ESCAPED.finditer(text):
        yield from graphemes(text[at : found.start()])
        yield found[0]
        at = found.end()
    yield from graphemes(text[at:])


def _joined(pieces: Iterable[_Piece], look: Look) -> str:
    """One line, neighbours of the same style under one pair of codes, blanks at its end gone."""
    merged: list[_Piece] = []
    for piece in pieces:
        if merged and merged[-1].codes == piece.codes:
            merged[-1] = _Piece(merged[-1].text + piece.text, piece.codes)
        else:
            merged.append(piece)
    while merged and not merged[-1].text.rstrip(" "):
        merged.pop()
    if merged:
        merged[-1] = _Piece(merged[-1].text.rstrip(" "), merged[-1].codes)
    return "".join(style(piece.text, *piece.codes, color=look.color) for piece in merged)


def _table(table: Table, look: Look) -> Iterator[str]:
    rows = [[_cell(cell) for cell in row] for row in (table.header, *table.rows)]
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    if sum(widths) + 3 * (len(widths) - 1) > look.width:
        yield from _groups(rows, look)
        return
    bar = style("│", DIM, color=look.color)
    for number, row in enumerate(rows):
        codes = (BOLD,) if not number else ()
        cells = (
            _aligned(cell, width, side, codes, look)
            for cell, width, side in zip(row, widths, table.alignments, strict=True)
        )
        yield f" {bar} ".join(cells).rstrip(" ")
        if not number:
            yield style("─┼─".join("─" * width for width in widths), DIM, color=look.color)


def _cell(spans: Spans) -> list[_Piece]:
    return [_Piece(" ") if piece.text == "\n" else piece for piece in _pieces(spans)]


def _width(cell: Sequence[_Piece]) -> int:
    return display_width("".join(piece.text for piece in cell))


def _aligned(
    cell: Sequence[_Piece], width: int, side: Alignment, codes: tuple[str, ...], look: Look
) -> str:
    free = width - _width(cell)
    before = {"right": free, "center": free // 2}.get(side or "left", 0)
    text = _joined((_Piece(piece.text, (*codes, *piece.codes)) for piece in cell), look)
    blanks = free - before + _width(cell) - visible_width(text) if text else free - before
    return " " * before + text + " " * max(blanks, 0)


def _groups(rows: Sequence[Sequence[Sequence[_Piece]]], look: Look) -> Iterator[str]:
    """A table too wide for the screen: one group of "key: value" lines a row."""
    header, *body = rows
    for number, row in enumerate(body or [[[] for _ in header]]):
        if number:
            yield ""
        for key, value in zip(header, row, strict=True):
            named = [_Piece(piece.text, (BOLD, *piece.codes)) for piece in key]
            yield from _wrapped([*named, _Piece(": ", (BOLD,)), *value], look)
