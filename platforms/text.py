"""Cutting a tree into parts that a platform takes, and measuring text as platforms do. Pure.

Between blocks if possible, then between items or rows, lines, sentences, words, graphemes. What is
cut goes on in the next part as what it was: a code block with its language, a quote as a quote, a
table under its header, a list with its next number.

The law: every part satisfies `fits`, and the visible text of the parts, one after the other, is
that of the whole. At a joint only blanks may be missing: in running text the blanks and breaks
around the cut, in code the one newline the joint stands for (a line longer than a part is cut
without one) and blank lines at the very end. A table's header is shown again in each of its parts.
Two things no part could hold change their form: a row becomes a paragraph below its header's, and
a link whose target is too long becomes its label and target as text.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import assert_never

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
    plain_text,
    spans_text,
)
from platforms.measure import display_width, grapheme_floor, graphemes, utf16_len

__all__ = ["Fits", "display_width", "graphemes", "parts_of", "split", "utf16_len"]

Fits = Callable[[Blocks], bool]

# The second half is the full stop and its kin of Chinese and Japanese, which no blank follows.
_SENTENCE_END = re.compile("[.!?\u2026][\"')\\]\u00bb\u201d\u2019]*(?=\\s)|[\u3002\uff01\uff1f]")
_SENTENCE_LOOK_BACK = 2_000
PROBE_MAX = 10_000
"""Visible characters of what is measured in the hope that it fits; more than any chat's part."""


def split(blocks: Blocks, fits: Fits) -> tuple[Blocks, ...]:
    """The tree in parts that each satisfy `fits`; no part is empty, no blocks give no part.

    `fits` is asked about ten times a part, and never about much more than a part (PROBE_MAX); it
    should say no to everything larger than what it says no to. Raises ValueError when one
    grapheme, or one block that cannot be cut, does not fit a part of its own.
    """
    return tuple(parts_of(blocks, fits))


def parts_of(blocks: Blocks, fits: Fits) -> Iterator[Blocks]:
    """The parts of `split` one by one, for who needs the first ones only."""
    room = _Room(here=fits, fresh=fits, first=True)
    while blocks:
        part, blocks = (blocks, ()) if room.holds(blocks) else _take(blocks, room)
        if not part:
            raise ValueError("a part is too small for what cannot be cut any further")
        yield part


@dataclass(frozen=True, slots=True, kw_only=True)
class _Room:
    """What is left of a part at one place in the tree.

    `here`: whether blocks fit at this place; `fresh`: whether they would in a part of their own;
    `first`: nothing stands before them in this part, so something has to be taken.
    """

    here: Fits
    fresh: Fits
    first: bool

    def within(self, wrap: Callable[[Blocks], Block]) -> "_Room":
        """The room inside a container."""
        return _Room(
            here=lambda blocks: self.here((wrap(blocks),)),
            fresh=lambda blocks: self.fresh((wrap(blocks),)),
            first=self.first,
        )

    def after(self, blocks: Blocks) -> "_Room":
        """The room behind these blocks."""
        if not blocks:
            return self
        return replace(self, here=lambda more: self.here(blocks + more), first=False)

    def holds(self, blocks: Blocks) -> bool:
        """Whether they fit a part of their own; not even asked about what is far too long."""
        return _is_probed(blocks) and self.fresh(blocks)

    def takes(self, block: Block) -> bool:
        return self.here((block,))


_Cut = tuple[Blocks, Blocks]
"""What goes here and what goes on in the next part; the former is empty if nothing fits."""


def _take(blocks: Blocks, room: _Room) -> _Cut:
    """As many blocks as fit, and of one too long for any part its beginning."""
    count = _most(len(blocks), lambda k: room.here(blocks[:k]))
    whole, rest = blocks[:count], blocks[count:]
    if not rest:
        return whole, ()
    if whole and room.holds(rest[:1]):
        return _without_last_title(whole, rest, room)
    piece, remainder = _cut(rest[0], room.after(whole))
    if piece:
        return whole + piece, remainder + rest[1:]
    return _without_last_title(whole, rest, room)


def _without_last_title(whole: Blocks, rest: Blocks, room: _Room) -> _Cut:
    """A title does not stay behind alone at the end of a part."""
    if len(whole) > 1 and isinstance(whole[-1], Heading) and room.here(whole[:-1]):
        return whole[:-1], whole[-1:] + rest
    return whole, rest


def _cut(block: Block, room: _Room) -> _Cut:
    match block:
        case Paragraph() | Heading():
            return _cut_text(block, room)
        case Code():
            return _cut_code(block, room)
        case List():
            return _cut_list(block, room)
        case Quote(blocks=blocks):
            piece, remainder = _take(blocks, room.within(lambda inner: Quote(blocks=inner)))
            if not piece:
                return (), (block,)
            return (Quote(blocks=piece),), (Quote(blocks=remainder),) if remainder else ()
        case Table():
            return _cut_table(block, room)
        case Rule():
            return (), (block,)
        case _:
            assert_never(block)


def _cut_list(block: List, room: _Room) -> _Cut:
    items = block.items
    count = _most(len(items), lambda k: room.takes(replace(block, items=items[:k])))
    head = replace(block, items=items[:count])
    rest = replace(
        block,
        items=items[count:],
        start=block.start + count,
        continued=block.continued and not count,
    )
    if count == len(items):
        return (head,), ()
    if count and room.holds((replace(rest, items=rest.items[:1]),)):
        return (head,), (rest,)
    inside = _Room(
        here=lambda blocks: room.takes(replace(block, items=(*head.items, blocks))),
        fresh=lambda blocks: room.fresh((replace(rest, items=(blocks,)),)),
        first=room.first and not count,
    )
    piece, remainder = _take(rest.items[0], inside)
    if not piece:
        return ((head,), (rest,)) if count else ((), (block,))
    head = replace(block, items=(*head.items, piece))
    if remainder:
        return (head,), (replace(rest, items=(remainder, *rest.items[1:]), continued=True),)
    rest = replace(rest, items=rest.items[1:], start=rest.start + 1, continued=False)
    return (head,), (rest,) if rest.items else ()


def _cut_table(block: Table, room: _Room) -> _Cut:
    rows = block.rows
    count = _most(len(rows), lambda k: room.takes(replace(block, rows=rows[:k])))
    if count:
        return (replace(block, rows=rows[:count]),), (replace(block, rows=rows[count:]),)
    if not room.first:
        return (), (block,)
    paragraphs = tuple(
        Paragraph(spans=spans) for row in (block.header, *rows[:1]) if (spans := _row_text(row))
    )
    piece, remainder = _take(paragraphs, room)
    return piece, remainder + ((replace(block, rows=rows[1:]),) if rows[1:] else ())


def _row_text(row: tuple[Spans, ...]) -> Spans:
    spans: list[Span] = []
    for number, cell in enumerate(row):
        spans += ([Text(text=" | ")] if number else []) + list(cell)
    return tuple(spans)


def _cut_code(block: Code, room: _Room) -> _Cut:
    rows = block.text.split("\n")
    count = _most(len(rows), lambda k: room.takes(replace(block, text="\n".join(rows[:k]))))
    text = "\n".join(rows[:count])
    if text.strip():
        remainder = "\n".join(rows[count:])
    elif not room.first:
        return (), (block,)
    else:
        most = _most(len(block.text), lambda k: room.takes(replace(block, text=block.text[:k])))
        end = grapheme_floor(block.text, most)
        text, remainder = block.text[:end], block.text[end:].removeprefix("\n")
        if not text.strip() or not room.takes(replace(block, text=text)):
            return (), (block,)
    rest: Blocks = (replace(block, text=remainder),) if remainder.strip() else ()
    return (replace(block, text=text),), rest


def _cut_text(block: Paragraph | Heading, room: _Room) -> _Cut:
    spans = _strip(block.spans)
    text = spans_text(spans)

    def takes(end: int) -> bool:
        return room.takes(replace(block, spans=_strip(_divide(spans, end)[0])))

    end = _most(len(text), takes)
    while end := _boundary(text, end, within_words=room.first):
        if takes(end):
            left, right = _divide(spans, end)
            rest = _strip(right)
            return (replace(block, spans=_strip(left)),), (
                (replace(block, spans=rest),) if rest else ()
            )
        end //= 2
    if room.first and (unlinked := _without_first_link(spans)) is not None:
        return _take((replace(block, spans=unlinked),), room)
    return (), (block,)


def _boundary(text: str, end: int, *, within_words: bool) -> int:
    """The best place at or before `end` to cut running text, 0 if there is none.

    A line's end, a sentence's or a word's, in this order if it does not waste half of the room.
    """
    if end >= len(text):
        return end
    line = text.rfind("\n", 1, end + 1)
    word = max((found.start() for found in re.finditer(r"\s", text[: end + 1])), default=0)
    start = max(0, end - _SENTENCE_LOOK_BACK)
    sentence = max(
        (found.end() for found in _SENTENCE_END.finditer(text, start, end + 1)), default=0
    )
    sentence = sentence if sentence <= end else 0
    for place in (line, sentence, word):
        if place * 2 >= end and place > 0:
            return place
    best = max(line, sentence, word, 0)
    return best or (grapheme_floor(text, end) if within_words else 0)


def _divide(spans: Spans, at: int) -> tuple[Spans, Spans]:
    """The spans before and after a place in their visible text."""
    left: list[Span] = []
    for index, span in enumerate(spans):
        length = len(spans_text((span,)))
        if at < length:
            if at:
                first, second = _divide_span(span, at)
                return (*left, first), (second, *spans[index + 1 :])
            return tuple(left), spans[index:]
        left.append(span)
        at -= length
    return tuple(left), ()


def _divide_span(span: Span, at: int) -> tuple[Span, Span]:
    match span:
        case Text(text=text) | CodeSpan(text=text):
            return replace(span, text=text[:at]), replace(span, text=text[at:])
        case Strong(spans=spans) | Emph(spans=spans) | Strike(spans=spans) | Link(spans=spans):
            left, right = _divide(spans, at)
            return replace(span, spans=left), replace(span, spans=right)
        case Break():
            raise AssertionError("a break has no inside")
        case _:
            assert_never(span)


def _strip(spans: Spans) -> Spans:
    """The spans without blanks and breaks around them."""
    text = spans_text(spans)
    start = len(text) - len(text.lstrip())
    _, spans = _divide(spans, start)
    spans, _ = _divide(spans, len(text.strip()))
    return spans


def _without_first_link(spans: Spans) -> Spans | None:
    """Spans whose first visible character's link is text, label and target; None without one."""
    match spans:
        case (Link(url=url, spans=label), *rest):
            return (*label, Text(text=f" ({url})"), *rest)
        case ((Strong() | Emph() | Strike()) as style, *rest):
            inner = _without_first_link(style.spans)
            return None if inner is None else (replace(style, spans=inner), *rest)
        case _:
            return None


def _is_probed(blocks: Blocks) -> bool:
    left = PROBE_MAX
    for block in blocks:
        left -= len(plain_text((block,)))
        if left < 0:
            return False
    return True


def _most(limit: int, fits: Callable[[int], bool]) -> int:
    """The largest count up to `limit` that fits, if all smaller ones do; 0 is not asked about.

    Doubles before it halves, so that nothing much larger than the answer is ever measured.
    """
    good, bad = 0, limit + 1
    probe = 1
    while good + 1 < bad:
        if fits(min(probe, bad - 1)):
            good = min(probe, bad - 1)
            probe = good * 2
        else:
            bad = min(probe, bad - 1)
            break
    while good + 1 < bad:
        middle = (good + bad) // 2
        if fits(middle):
            good = middle
        else:
            bad = middle
    return good
