"""Pure: a card's value to what stands in the chat, line by line in a fixed order.

Theory of operation. Every line is our own words with values set dead in them; what runs stands in
fences, the model's words in code on one line. A face says whether it is cut: then nobody may
approve who has not pressed Show all on this rev. A face is made to fit one message by showing
less of what runs, then fewer of the model's words, then flags without their details, and by
saying so; the lines about money, payer and who decides are never left out.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from agent.costs import total
from gateway.card_fence import (
    COLUMNS,
    Fences,
    Fits,
    barred,
    broken,
    columns,
    fences,
    with_bars,
)
from gateway.card_view import CardView, Flag, Item
from gateway.card_words import (
    SUMMARY_MAX,
    WORDS_MAX,
    cut_inline,
    filled,
    foreign_text,
    limit_text,
    model_words,
    most,
    name,
    outcome_spans,
    price,
    said,
    value,
)
from gateway.shown import shown
from gateway.words import card as phrases
from gateway.words import flags as flag_words
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

PAGE = 5
"""Lines of a batch on one page."""

FLAGS_MAX = 10
DIFFERENCE_MAX = 600
QUESTION_LINES_MAX = 12
LABEL_WIDTH = 11
_BATCH_SUMMARY_MAX = 80
_INLINE_LEAST = 200
_ENDLESS = 1 << 30
_WORDS_ON_LINE = 50


_OURS = re.compile(
    r"\W*(?:approv|den(?:y|ied)|payer|at most|budget|flags|decides|votes|arguments|edited|earlier"
    r"|model says|question|limit|in doubt|reply|for this chat|held|done|failed|cancelled|may have"
    r"|expired|replaced|withdrawn|answered|nobody|not all"
    r"|(?:einmal |alle )?genehmig|(?:alle )?ab(?:lehn|gel|gebr)|zahlt|höchstens|hinweise|zuständig"
    r"|stimmen|argumente|geändert|vorher|modell sagt|frage|grenze|im zweifel|schreib"
    r"|für diesen chat|gebunden|getan|fehlgeschlagen|lief |ersetzt|zurückgezogen|beantwortet"
    r"|niemand|nicht alle|ja:)",
    re.IGNORECASE,
)
"""How lines of ours begin in any language: a text from elsewhere may stand beside each of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """What a message shows; `cut` if it leaves out any of what would run."""

    body: Blocks
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a card; `label` is empty where it has none."""

    label: str
    spans: Spans

    @property
    def padded(self) -> str:
        """The label with the blanks behind it; nothing where there is none."""
        return f"{self.label + '  ':<{LABEL_WIDTH}}" if self.label else ""

    def in_chat(self) -> Spans:
        """The line with its label in bold."""
        if not self.label:
            return self.spans
        return (Strong(spans=said(self.label)), *said("  "), *self.spans)

    def hanging(self) -> Iterator[Spans]:
        """The line in pieces of a terminal's width, each behind where the label ends."""
        words = spans_text(self.spans)
        room, label = COLUMNS - LABEL_WIDTH, self.padded
        wide = COLUMNS - max(LABEL_WIDTH, len(label)) if label else COLUMNS
        first, *rest = columns(words, room, first=wide, words=True)
        yield (*((Strong(spans=said(label)),) if label else ()), *said(first))
        for piece in rest:
            yield said(" " * LABEL_WIDTH + piece)


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
    room = _Room(inline=INLINE)
    return (Line(label="", spans=_title(view, item)), *_lines(view, room, item, 0))


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
        title=_title(view, item),
        top=tuple(_lines(view, room, item, page)),
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


# -- the lines above what runs


def _title(view: CardView, item: int) -> Spans:
    what = _named(view.items[max(0, item - 1)])
    match view.kind:
        case "call" if view.is_batch and not item:
            sums = most(total(each.ceiling for each in view.items), view.reader)
            count = str(len(view.items))
            words = filled(phrases.CALLS, view.reader, code=view.code, count=count, sums=sums)
        case "call":
            words = filled(phrases.CALL, view.reader, code=view.code, what=what)
        case "question":
            words = filled(phrases.QUESTION, view.reader, code=view.code, what=what)
        case "limit":
            scope = value(view.limit.scope if view.limit else "")
            words = filled(phrases.LIMIT, view.reader, code=view.code, what=scope)
        case "in_doubt":
            words = filled(phrases.IN_DOUBT, view.reader, code=view.code, what=what)
        case _:
            assert_never(view.kind)
    return (Strong(spans=words),)


def _named(item: Item) -> Spans:
    return value(f"{item.tool} {item.operation}".strip(), 80)


def _lines(view: CardView, room: _Room, item: int, page: int) -> Iterator[Line]:
    """In the order in which they stand; a line without content is left out."""
    if view.is_batch and not item:
        yield from _batch_lines(view, page)
        flags = _united(view.items)
    else:
        one = view.items[max(0, item - 1)]
        yield from _item_lines(view, one, item)
        flags = one.flags
    yield from _standing_lines(view, room, flags, item)
    for each in view.proposal:
        yield _line(phrases.GRANT, view, value(each, SUMMARY_MAX))
    if not view.is_batch or item:
        foreign = view.items[max(0, item - 1)].foreign
        if foreign:
            described = _joined(foreign_text(each, reader=view.reader) for each in foreign)
            yield _line(phrases.ARGUMENTS, view, described)


def _standing_lines(
    view: CardView, room: _Room, flags: tuple[Flag, ...], item: int
) -> Iterator[Line]:
    """How it stands: with the budget, with what to look at, with those who decide."""
    open_ = view.is_open
    if view.limit is not None:
        yield Line(label="", spans=said(limit_text(view.limit, view.decides, view.reader)))
    if view.budget and open_:
        yield _line(phrases.BUDGET, view, _joined(value(each) for each in view.budget))
    if flags:
        yield _line(phrases.FLAGS, view, _flags(flags, room, view.reader))
    yield from _history_lines(view, item)
    if open_ and (decides := _decides(view)):
        yield _line(phrases.DECIDES, view, decides)
    if open_ and view.votes:
        yield _line(phrases.VOTES, view, value(view.votes))


def _line(label: Phrase, view: CardView, spans: Spans) -> Line:
    return Line(label=label.to(view.reader), spans=spans)


def _item_lines(view: CardView, item: Item, number: int) -> Iterator[Line]:
    reader = view.reader
    count = phrases.OF_SEVERAL.to(reader, number=number, count=len(view.items)) if number else ""
    if item.summary or count:
        yield Line(label="", spans=said(count, _summary(item.summary)))
    if view.kind == "in_doubt":
        phrase = phrases.BEGAN if view.began else phrases.END_UNKNOWN
        yield Line(label="", spans=said(phrase.to(reader, at=view.began)))
    if item.payer:
        payer = value(item.payer)
        if item.asked_payer and item.asked_payer != item.payer:
            asked = value(item.asked_payer)
            payer = filled(phrases.ASKED_PAYER, reader, payer=payer, asked=asked)
        yield _line(phrases.PAYER, view, payer)
    if view.kind == "call":
        yield _line(phrases.AT_MOST, view, _quoted(item, reader))
    elif view.kind == "in_doubt" and item.ceiling != 0:
        held = phrases.UNTIL_KNOWN.to(reader, amount=price(item.ceiling, reader))
        yield _line(phrases.HELD, view, said(held))


def _summary(text: str) -> Spans:
    """A summary has no label before it, so one that begins like a line of ours stands in quotes."""
    if is_ours(text):
        return said('"', (CodeSpan(text=cut_inline(text, SUMMARY_MAX)),), '"')
    return value(text, SUMMARY_MAX)


def is_ours(text: str) -> bool:
    """Whether a text begins as lines of ours do, in whatever language."""
    return _OURS.match(text) is not None


def _quoted(item: Item, reader: Reader) -> Spans:
    """The tool's own words about a price hold values of a model or server; the blanks are ours."""
    pieces = (item.quote or price(item.ceiling, reader)).split("   ")
    return _joined((value(piece) for piece in pieces), by="   ")


def _history_lines(view: CardView, item: int) -> Iterator[Line]:
    for number, one in enumerate(view.items, start=1):
        if item and number != item:
            continue
        if one.edited_by:
            by = filled(phrases.EDITED_BY, view.reader, name=name(one.edited_by, view.reader))
            yield _line(phrases.EDITED, view, by)
        if one.earlier:
            yield _line(phrases.EARLIER, view, value(one.earlier))


def _flags(flags: tuple[Flag, ...], room: _Room, reader: Reader) -> Spans:
    listed = flags[:FLAGS_MAX]
    spans = _joined((_flag(flag, reader, details=room.details) for flag in listed), by=", ")
    more = len(flags) - len(listed)
    return (*spans, *said(phrases.AND_MORE.to(reader, count=more) if more else ""))


def flag_name(flag: Flag, reader: Reader) -> str:
    """What a flag is called; a tool's own words stay as they are."""
    phrase = flag_words.NAMED.get(flag.name)
    return flag.name if phrase is None else phrase.to(reader)


def _flag(flag: Flag, reader: Reader, *, details: bool) -> Spans:
    named = value(flag_name(flag, reader))
    return said(named, " (", value(flag.detail), ")") if flag.detail and details else named


def _decides(view: CardView) -> Spans:
    by, reader = view.asked_by, view.reader
    parts = (
        value(view.decides),
        filled(phrases.ASKED_BY, reader, name=name(by, reader)) if by else (),
        said(phrases.CLOSES.to(reader, at=view.closes)) if view.closes else (),
    )
    return _joined((part for part in parts if part), by="; ")


def _joined(parts: Iterable[Spans], *, by: str = "; ") -> Spans:
    spans: list[str | Spans] = []
    for part in parts:
        spans += [by, part] if spans else [part]
    return said(*spans)


# -- a batch


def _batch_lines(view: CardView, page: int) -> Iterator[Line]:
    start = page * PAGE
    for number, item in enumerate(view.items[start : start + PAGE], start=start + 1):
        pieces: list[str | Spans] = [f"{number}  ", _named(item)]
        if item.summary:
            pieces += ["   ", value(item.summary, _BATCH_SUMMARY_MAX)]
        pieces.append(f"   {price(item.ceiling, view.reader)}")
        if item.flags:
            names = (flag_name(flag, view.reader) for flag in item.flags)
            pieces += ["   ", value(", ".join(names))]
        if item.outcome is not None:
            pieces += ["   ", outcome_spans(item.outcome, view.reader)]
        yield Line(label="", spans=said(*pieces))
    if len(view.items) > PAGE:
        last = min(start + PAGE, len(view.items))
        count = phrases.PAGE.to(view.reader, first=start + 1, last=last, count=len(view.items))
        yield Line(label="", spans=said(count))


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
        described = _joined(foreign_text(each, reader=view.reader) for each in item.foreign)
        yield Paragraph(spans=said(f"{number}  ", described))
        yield from fences(item.foreign, inline=_ENDLESS, reader=view.reader).blocks


def _united(items: tuple[Item, ...]) -> tuple[Flag, ...]:
    return tuple(dict.fromkeys(flag for item in items for flag in item.flags if flag.detail))


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
    return _joined(typed, by=phrases.OR.to(view.reader))
