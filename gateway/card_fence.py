"""Pure: what runs, in fences: whole where there is room, else its beginning and end, or in parts.

Nothing of it stands outside of a fence, and nothing of ours inside, so words about a cut stand
between two fences. Every fence decodes by itself; joined they are the very bytes that run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gateway.card_view import CardView, Foreign, Item
from gateway.card_words import SUMMARY_MAX, filled, foreign_text, foreign_what, said, value
from gateway.shown import BLANK, decoded, floor, shown
from gateway.words import card as phrases
from gateway.words.phrase import ENGLISH, Reader
from platforms.blocks import Block, Blocks, Break, Code, Paragraph, Spans, Strong, plain_text
from platforms.text import display_width

Fits = Callable[[Blocks], bool]

CHUNK_MAX = 8_000
"""Characters of one fence of a part; more than any chat's message, less than takes time."""

BAR = "| "
COLUMNS = 76
"""Columns behind a bar; terminals have 80."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fences:
    """Blocks for the card; `cut` if not all of what runs stands in them."""

    blocks: Blocks
    cut: bool


def fences(foreign: Sequence[Foreign], *, inline: int, reader: Reader = ENGLISH) -> Fences:
    """All that runs if it has `inline` characters or fewer as shown, else a fair share of each."""
    texts = [shown(each.text[: 2 * inline]) for each in foreign]
    lengths = [len(text) if len(each.text) <= 2 * inline else inline + 1
               for text, each in zip(texts, foreign, strict=True)]  # fmt: skip
    blocks: list[Block] = []
    cut = False
    for each, share in zip(foreign, shares(lengths, inline), strict=True):
        if each.what:
            what = foreign_what(each, reader)
            blocks.append(Paragraph(spans=said(f"{what} ", value(each.name), ":")))
        pieces = _pieces(each.text, share, reader)
        cut = cut or len(pieces) > 1
        blocks += pieces
    return Fences(blocks=tuple(blocks), cut=cut)


def shares(lengths: Sequence[int], room: int) -> tuple[int, ...]:
    """How much of `room` each may have: short ones all they need, long ones what is left evenly."""
    left, waiting = room, len(lengths)
    given = dict.fromkeys(range(len(lengths)), 0)
    for at in sorted(given, key=lambda at: lengths[at]):
        given[at] = min(lengths[at], left // waiting)
        left -= given[at]
        waiting -= 1
    return tuple(given.values())


def _pieces(text: str, share: int, reader: Reader) -> Blocks:
    """One fence, or two with what is missing between them in numbers."""
    if not text:
        return (Paragraph(spans=said(phrases.EMPTY.to(reader))),)
    if len(text) <= share and len(visible := shown(text)) <= share:
        return (_code(visible),)
    head_room, tail_room = share * 2 // 3, share // 3
    head = shown(text[:head_room])
    head = head[: floor(head, head_room)]
    tail = shown(text[len(text) - tail_room :]) if tail_room else ""
    tail = tail[_ceiling(tail, len(tail) - tail_room) :]
    left_out = len(text) - len(decoded(head)) - len(decoded(tail))
    count, all_ = f"{left_out:,}", f"{len(text):,}"
    told = said(phrases.CHARACTERS_HIDDEN.to(reader, count=count, all=all_))
    pieces = (_code(head), Paragraph(spans=told), _code(tail))
    return tuple(piece for piece in pieces if not isinstance(piece, Code) or piece.text)


def _ceiling(text: str, start: int) -> int:
    """The first place at or after `start` where a shown text may be cut."""
    place = max(0, start)
    while place < len(text) and floor(text, place) != place:
        place += 1
    return place


def _code(visible: str) -> Code:
    """A fence. Line breaks at its ends say nothing, blanks there would be lost to some chats."""
    text = visible.strip("\n")
    words = text.rstrip(" ")
    return Code(language="", text=words + BLANK * (len(text) - len(words)))


def barred(text: str) -> str:
    """A shown text with a bar before every line, broken so that none wraps in a terminal.

    For surfaces whose code has no look of its own. A line break says nothing, so none is lost.
    """
    return "\n".join(BAR + piece for line in text.split("\n") for piece in columns(line, COLUMNS))


def columns(line: str, width: int, *, first: int | None = None, words: bool = False) -> list[str]:
    """A shown line in pieces of at most so many columns, the `first` of its own; between words."""
    pieces: list[str] = []
    rest, room = line, width if first is None else first
    while display_width(rest) > room:
        end = min(len(rest) - 1, room)
        while end > 1 and display_width(rest[:end]) > room:
            end -= 1
        blank = rest.rfind(" ", 0, end) + 1 if words else 0
        end = blank if blank * 2 > end else floor(rest, end) or end
        pieces.append(rest[:end])
        rest, room = rest[end:], width
    return [*pieces, rest]


# -- everything, in parts


def full(view: CardView, fits: Fits, *, bars: bool = False) -> tuple[Blocks, ...]:
    """All that runs, in parts that each fit a message; every part names the card and its number.

    `bars` for surfaces whose code has no look of its own.
    """
    contents = _gather(view, lambda blocks: fits(_part(view, blocks, 999, 999, bars=bars)))
    return tuple(
        _part(view, blocks, number, len(contents), bars=bars)
        for number, blocks in enumerate(contents, start=1)
    )


def _part(view: CardView, blocks: Blocks, number: int, of: int, *, bars: bool) -> Blocks:
    phrase = phrases.PART_OF_IT if of > 1 else phrases.ALL_OF_IT
    words = phrase.to(view.reader, code=view.code, number=number, count=of)
    title = Strong(spans=said(words))
    return (Paragraph(spans=(title,)), *(with_bars(blocks) if bars else blocks))


def with_bars(blocks: Blocks) -> Blocks:
    """The same blocks, a bar before every line of code."""
    return tuple(
        replace(block, text=barred(block.text)) if isinstance(block, Code) else block
        for block in blocks
    )


def _gather(view: CardView, fits: Fits) -> list[Blocks]:
    """What each part holds. Raises ValueError where a message has no room for anything."""
    parts: list[Blocks] = []
    current: Blocks = ()
    for number, item in enumerate(view.items, start=1):
        for each in item.foreign:
            title = Paragraph(spans=_title(view, number, item, each))
            begun, current = _fill(title, shown(each.text).strip("\n"), current, fits)
            parts += begun
    return [*parts, current] if current else parts


def _fill(title: Block, rest: str, current: Blocks, fits: Fits) -> tuple[list[Blocks], Blocks]:
    """One text behind what a part holds: the parts that it completes, and the one it ends in."""
    parts: list[Blocks] = []
    head: Blocks = (title,)
    while rest:
        before = (*current, *head)
        most = _most(rest, lambda piece, before=before: fits((*before, _code(piece))))  # type: ignore[misc]
        if most:
            current, head = (*before, _code(rest[:most])), ()
            rest = rest[most:].lstrip("\n")
        elif not current:
            raise ValueError("a message has no room for what runs")
        if rest:
            parts.append(current)
            current = ()
    return parts, (*current, *head)


def _title(view: CardView, number: int, item: Item, each: Foreign) -> Spans:
    which = f"{number}. " if view.is_batch else ""
    names = value(f"{item.tool} {item.operation}".strip())
    return said(which, names, ": ", _described(each, view.reader), ":")


def _described(each: Foreign, reader: Reader) -> Spans:
    """What a text is, with its whole digest."""
    what = foreign_text(each, digits=64, reader=reader)
    return what if each.what else filled(phrases.ARGUMENTS_OF, reader, what=what)


def _most(text: str, fits: Callable[[str], bool]) -> int:
    """How much of a shown text fits, cut behind a line if that wastes less than a quarter."""
    good, bad = 0, min(len(text), CHUNK_MAX) + 1
    if fits(text[: bad - 1]):
        good = bad - 1
    while good + 1 < bad:
        middle = (good + bad) // 2
        if fits(text[:middle]):
            good = middle
        else:
            bad = middle
    if good < len(text):
        line = text.rfind("\n", 0, good) + 1
        good = line if line * 4 > good * 3 else floor(text, good)
    return good


# -- everything, as a file


def document(view: CardView) -> str:
    """All that runs as a text of its own; every line from elsewhere begins with a bar."""
    lines = [phrases.ALL_OF_IT.to(view.reader, code=view.code)]
    for number, item in enumerate(view.items, start=1):
        lines += ["", f"{number}. {_line(f'{item.tool} {item.operation}'.strip())}"]
        if item.summary:
            lines.append(_line(item.summary))
        for each in item.foreign:
            title = Paragraph(spans=_described(each, view.reader))
            lines += ["", plain_text((title,)) + ":"]
            lines += [BAR + line for line in shown(each.text).split("\n")]
    return "\n".join([*lines, ""])


def _line(text: str) -> str:
    return plain_text((Paragraph(spans=value(text, SUMMARY_MAX)),))


def broken(lines: Sequence[Spans]) -> Paragraph:
    """Lines as one paragraph."""
    spans = tuple(span for line in lines for span in (Break(), *line))
    return Paragraph(spans=spans[1:])
