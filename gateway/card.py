"""Pure: a card's value to what stands in the chat, line by line in a fixed order.

Theory of operation. Every line is our own words with values set dead in them; what runs stands in
fences, the model's words in code on one line. A face says whether it is cut: then nobody may
approve who has not pressed Show all on this rev. A face is made to fit one message by showing
less of what runs, then fewer of the model's words, then flags without their details, and by
saying so; the lines about money, payer and who decides are never left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from gateway.card_fence import (
    Fences,
    Fits,
    barred,
    broken,
    fences,
    with_bars,
)
from gateway.card_lines import PAGE, Line, joined, lines_below, title
from gateway.card_view import CardView, Item
from gateway.card_words import (
    WORDS_MAX,
    filled,
    foreign_text,
    model_words,
    outcome_spans,
    said,
    value,
)
from gateway.shown import shown
from gateway.words import card as phrases
from gateway.words.phrase import Phrase, Reader
from platforms.blocks import (
    Block,
    Blocks,
    Code,
    CodeSpan,
    Paragraph,
    Quote,
    Spans,
    Strong,
    Text,
    plain_text,
    spans_text,
)

INLINE, INLINE_SMALL = 2_400, 1_200
"""Characters of what runs that a card shows at most; the smaller where messages are short."""

DIFFERENCE_MAX = 600
QUESTION_LINES_MAX = 12
_INLINE_LEAST = 200
_ENDLESS = 1 << 30
_WORDS_ON_LINE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """What a message shows; `cut` if it leaves out any of what would run."""

    body: Blocks
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Room:
    """How much of what can be long is shown."""

    inline: int
    words: int = WORDS_MAX
    details: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """A card before it is laid out: lines, then blocks, then lines."""

    title: Spans
    top: tuple[Line, ...]
    middle: Blocks
    below: tuple[Spans, ...]
    cut: bool

    def in_chat(self) -> Face:
        top = [self.title, *(line.in_chat() for line in self.top)]
        return self._face(top, self.below)

    def in_lines(self) -> Face:
        """Where lines wrap by themselves, ours hang below their label: none begins unasked."""
        top = [spans for line in self.top for spans in line.hanging()]
        below = [spans for each in self.below for spans in Line(label="", spans=each).hanging()]
        return self._face([self.title, *top], below)

    def _face(self, top: Sequence[Spans], below: Sequence[Spans]) -> Face:
        behind = (broken(below),) if below else ()
        return Face(body=(broken(top), *self.middle, *behind), cut=self.cut)


def face(
    view: CardView, *, inline: int, fits: Fits, sigil: str = "", page: int = 0, item: int = 0
) -> Face:
    """The card as one message.

    `inline` is INLINE or INLINE_SMALL. `sigil` is what commands begin with where the card has no
    buttons; such places have no look for code either, so every foreign line has a bar there. Of a
    batch, `page` counts from 0; `item` (from 1) shows that item by itself.
    """
    made = Face(body=())
    for room in _rooms(inline):
        parts = _parts(view, room, sigil=sigil, page=page, item=item)
        made = _barred(parts, view.reader).in_lines() if sigil else parts.in_chat()
        if fits(made.body):
            break
    return made


def plain(view: CardView, *, sigil: str = "/", page: int = 0, item: int = 0) -> str:
    """The card as text with nothing of what runs left out; foreign lines begin with a bar."""
    whole = _parts(view, _Room(inline=_ENDLESS), sigil=sigil, page=page, item=item)
    parts = _barred(whole, view.reader)
    above = [spans_text(parts.title)]
    above += [line.padded + spans_text(line.spans) for line in parts.top]
    return "\n".join([*above, *map(_plain_block, parts.middle), *map(spans_text, parts.below)])


def _plain_block(block: Block) -> str:
    text = plain_text((block,))
    return barred(text) if isinstance(block, Quote) else text


def lines(view: CardView, *, item: int = 0) -> tuple[Line, ...]:
    """The lines above what runs, for a page with a layout of its own; the first is the title."""
    return (Line(label="", spans=title(view, item)), *lines_below(view, item=item))


def closing(view: CardView, *, item: int = 0) -> Spans:
    """How the card ended, or one item of a batch; nothing while it is open."""
    if view.outcome is not None:
        return outcome_spans(view.outcome, view.reader)
    if view.is_batch and not item:
        return ()
    outcome = view.items[max(0, item - 1)].outcome
    return () if outcome is None else outcome_spans(outcome, view.reader)


def _rooms(inline: int) -> Iterator[_Room]:
    """What is shown less of, in this order."""
    room = _Room(inline=inline)
    yield room
    while room.inline > _INLINE_LEAST:
        room = replace(room, inline=room.inline * 3 // 4)
        yield room
    for words in (120, 0):
        room = replace(room, words=words)
        yield room
    yield replace(room, details=False)
    yield replace(room, details=False, inline=0)


def _parts(view: CardView, room: _Room, *, sigil: str, page: int, item: int) -> _Parts:
    alone = view.items[max(0, item - 1)]
    batch = view.is_batch and not item
    made = (
        _batch_fences(view, room)
        if batch
        else fences(alone.foreign, inline=room.inline, reader=view.reader)
    )
    middle: Blocks = (*_question(view), *made.blocks)
    if alone.difference and room.details and not batch:
        middle += _difference(alone, view.reader)
    # A flag without its detail hides something too.
    short = not room.details and any(flag.detail for one in view.items for flag in one.flags)
    return _Parts(
        title=title(view, item),
        top=tuple(lines_below(view, item=item, page=page, details=room.details)),
        middle=middle,
        below=tuple(_below(view, room, item, sigil, cut=made.cut or short)),
        cut=made.cut or short,
    )


def _barred(parts: _Parts, reader: Reader) -> _Parts:
    """The same with bars before what runs; the model's words too, if they would wrap."""
    middle = with_bars(parts.middle)
    match parts.below:
        case ((Text(), CodeSpan(text=words), Text()), *rest) if len(words) > _WORDS_ON_LINE:
            said_by_model = (
                Paragraph(spans=said(phrases.MODEL_SAYS_BELOW.to(reader))),
                Code(language="", text=barred(words)),
            )
            return replace(parts, middle=(*middle, *said_by_model), below=tuple(rest))
        case _:
            return replace(parts, middle=middle)


def _batch_fences(view: CardView, room: _Room) -> Fences:
    """What every call runs, if all of it has room; else Show all or one by one."""
    if len(view.items) <= PAGE:
        share = room.inline - 40 * len(view.items)
        texts = [each for one in view.items for each in one.foreign]
        made = fences(texts, inline=share, reader=view.reader)
        if not made.cut:
            return Fences(blocks=tuple(_numbered(view)), cut=False)
    bytes_ = sum(each.size for one in view.items for each in one.foreign)
    told = phrases.BYTES_HIDDEN.to(view.reader, count=f"{bytes_:,}")
    return Fences(blocks=(Paragraph(spans=said(told)),), cut=True)


def _numbered(view: CardView) -> Iterator[Block]:
    for number, item in enumerate(view.items, start=1):
        described = joined(foreign_text(each, reader=view.reader) for each in item.foreign)
        yield Paragraph(spans=said(f"{number}  ", described))
        yield from fences(item.foreign, inline=_ENDLESS, reader=view.reader).blocks


# -- what runs, and below it


def _question(view: CardView) -> Blocks:
    """The model's question, quoted, and the answers it offers."""
    if view.kind != "question":
        return ()
    asked = [value(line, WORDS_MAX) for line in view.question.split("\n") if line.strip()]
    answers = [
        said(f"{number}  ", value(answer)) for number, answer in enumerate(view.answers, start=1)
    ]
    kept = [*asked[:QUESTION_LINES_MAX], *answers]
    return (Quote(blocks=(broken(kept),)),) if kept else ()


def _difference(item: Item, reader: Reader) -> Blocks:
    text = item.difference
    kept = shown(text[:DIFFERENCE_MAX])
    phrase = phrases.CHANGE if len(text) <= DIFFERENCE_MAX else phrases.CHANGE_BEGINS
    title = Paragraph(spans=said(phrase.to(reader)))
    return (title, Code(language="", text=kept.strip("\n")))


def _below(view: CardView, room: _Room, item: int, sigil: str, *, cut: bool) -> Iterator[Spans]:
    if view.model_words and room.words and view.kind == "call":
        yield model_words(view.model_words, room.words, view.reader)
    if closed := closing(view, item=item):
        yield (Strong(spans=closed),)
        return
    if not view.is_open:
        return
    if cut and view.approvable and view.kind == "call":
        yield said(phrases.NOT_ALL_SHOWN.to(view.reader))
    told = _choices(view, item).to(view.reader)
    nobody = phrases.NOBODY_BY.to(view.reader, at=view.closes) if view.closes else ""
    yield said(" ".join(filter(None, (told, nobody))))
    if sigil:
        yield filled(phrases.REPLY, view.reader, commands=_replies(view, sigil))


def _choices(view: CardView, item: int) -> Phrase:
    """What each decision does."""
    batch = view.is_batch and not item
    match view.kind:
        case "call" if batch and (view.ceiling_wanted or not view.approvable):
            return phrases.DOES_ALL_UNKNOWN
        case "call" if view.ceiling_wanted:
            return phrases.DOES_CEILING
        case "call" if not view.approvable:
            return phrases.DOES_UNBOUNDED
        case "call":
            return phrases.DOES_ALL if batch else phrases.DOES_CALL
        case "question":
            return phrases.DOES_QUESTION
        case "limit":
            frozen = view.limit is not None and view.limit.because
            return phrases.DOES_FROZEN if frozen else phrases.DOES_LIMIT
        case "in_doubt":
            return phrases.DOES_DOUBT
        case _:
            assert_never(view.kind)


def _replies(view: CardView, sigil: str) -> Spans:
    """What to type instead of pressing; as code, so that no chat makes a button of it."""
    reason, words = phrases.REASON.to(view.reader), phrases.YOUR_WORDS.to(view.reader)
    match view.kind:
        case "call" | "limit" if view.approvable:
            commands = ["approve {}", f"deny {{}} {reason}", "show {}"]
        case "call" | "limit":
            commands = [f"deny {{}} {reason}", "show {}"]
        case "question":
            commands = [f"answer {{}} {words}", f"deny {{}} {reason}"]
        case "in_doubt":
            commands = ["answer {} done", "answer {} again", "answer {} skip", "show {}"]
        case _:
            assert_never(view.kind)
    typed = ((CodeSpan(text=sigil + command.format(view.code)),) for command in commands)
    return joined(typed, by=phrases.OR.to(view.reader))
