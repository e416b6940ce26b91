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

from agent.costs import Unknown, dollars, total
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
    foreign_text,
    limit_text,
    model_words,
    name,
    outcome_spans,
    said,
    value,
)
from gateway.shown import shown
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
    r"|expired|replaced|withdrawn|answered|nobody|not all)",
    re.IGNORECASE,
)


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

    def in_chat(self) -> Spans:
        """The line with its label in bold."""
        if not self.label:
            return self.spans
        return (Strong(spans=said(self.label)), *said("  "), *self.spans)

    def hanging(self) -> Iterator[Spans]:
        """The line in pieces of a terminal's width, each behind where the label ends."""
        words = spans_text(self.spans)
        room = COLUMNS - LABEL_WIDTH
        first, *rest = columns(words, room, first=room if self.label else COLUMNS, words=True)
        label = f"{self.label:<{LABEL_WIDTH}}" if self.label else ""
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
        made = _barred(parts).in_lines() if sigil else parts.in_chat()
        if fits(made.body):
            break
    return made


def plain(view: CardView, *, sigil: str = "/", page: int = 0, item: int = 0) -> str:
    """The card as text with nothing of what runs left out; foreign lines begin with a bar."""
    parts = _barred(_parts(view, _Room(inline=_ENDLESS), sigil=sigil, page=page, item=item))
    above = [spans_text(parts.title)]
    above += [f"{line.label:<{LABEL_WIDTH if line.label else 0}}{spans_text(line.spans)}"
              for line in parts.top]  # fmt: skip
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
        return outcome_spans(view.outcome)
    if view.is_batch and not item:
        return ()
    outcome = view.items[max(0, item - 1)].outcome
    return () if outcome is None else outcome_spans(outcome)


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
    made = _batch_fences(view, room) if batch else fences(alone.foreign, inline=room.inline)
    middle: Blocks = (*_question(view), *made.blocks)
    if alone.difference and room.details and not batch:
        middle += _difference(alone)
    # A flag without its detail hides something too.
    short = not room.details and any(flag.detail for one in view.items for flag in one.flags)
    return _Parts(
        title=_title(view, item),
        top=tuple(_lines(view, room, item, page)),
        middle=middle,
        below=tuple(_below(view, room, item, sigil, cut=made.cut or short)),
        cut=made.cut or short,
    )


def _barred(parts: _Parts) -> _Parts:
    """The same with bars before what runs; the model's words too, if they would wrap."""
    middle = with_bars(parts.middle)
    match parts.below:
        case ((Text(), CodeSpan(text=words), Text()), *rest) if len(words) > _WORDS_ON_LINE:
            said_by_model = (
                Paragraph(spans=said("Model says (not checked):")),
                Code(language="", text=barred(words)),
            )
            return replace(parts, middle=(*middle, *said_by_model), below=tuple(rest))
        case _:
            return replace(parts, middle=middle)


# -- the lines above what runs


def _title(view: CardView, item: int) -> Spans:
    one = view.items[max(0, item - 1)]
    match view.kind:
        case "call" if view.is_batch and not item:
            sums = _price(total(each.ceiling for each in view.items))
            words = said(f"Approval {view.code}: {len(view.items)} calls, {sums} together")
        case "call":
            words = said(f"Approval {view.code}: ", _named(one))
        case "question":
            words = said(f"Question {view.code}: ", _named(one))
        case "limit":
            scope = view.limit.scope if view.limit else ""
            words = said(f"Limit {view.code}: ", value(scope))
        case "in_doubt":
            words = said(f"In doubt {view.code}: ", _named(one))
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
    open_ = view.is_open
    if view.limit is not None:
        yield Line(label="", spans=said(limit_text(view.limit, view.decides)))
    if view.budget and open_:
        yield Line(label="Budget", spans=_joined(value(each) for each in view.budget))
    if flags:
        yield Line(label="Flags", spans=_flags(flags, room))
    yield from _history_lines(view, item)
    if open_ and (decides := _decides(view)):
        yield Line(label="Decides", spans=decides)
    if open_ and view.votes:
        yield Line(label="Votes", spans=value(view.votes))
    for each in view.proposal:
        yield Line(label="For this chat", spans=value(each, SUMMARY_MAX))
    if not view.is_batch or item:
        foreign = view.items[max(0, item - 1)].foreign
        if foreign:
            described = _joined(foreign_text(each) for each in foreign)
            yield Line(label="Arguments", spans=described)


def _item_lines(view: CardView, item: Item, number: int) -> Iterator[Line]:
    count = f"{number} of {len(view.items)}: " if number else ""
    if item.summary or count:
        yield Line(label="", spans=said(count, _summary(item.summary)))
    if view.kind == "in_doubt":
        began = f"It began {view.began}; its" if view.began else "Its"
        yield Line(label="", spans=said(f"{began} end is not known, and it was not run again."))
    if item.payer:
        asked: tuple[str | Spans, ...] = ()
        if item.asked_payer and item.asked_payer != item.payer:
            asked = ("   (the model asked for ", value(item.asked_payer), ")")
        yield Line(label="Payer", spans=said(value(item.payer), *asked))
    if view.kind == "call":
        yield Line(label="At most", spans=_quoted(item))
    elif view.kind == "in_doubt" and item.ceiling != 0:
        yield Line(label="Held", spans=said(f"{dollars(item.ceiling)} until it is known"))


def _summary(text: str) -> Spans:
    """A summary has no label before it, so one that begins like a line of ours stands in quotes."""
    if _OURS.match(text):
        return said('"', (CodeSpan(text=cut_inline(text, SUMMARY_MAX)),), '"')
    return value(text, SUMMARY_MAX)


def _quoted(item: Item) -> Spans:
    """The tool's own words about a price hold values of a model or server; the blanks are ours."""
    pieces = (item.quote or dollars(item.ceiling)).split("   ")
    return _joined((value(piece) for piece in pieces), by="   ")


def _history_lines(view: CardView, item: int) -> Iterator[Line]:
    for number, one in enumerate(view.items, start=1):
        if item and number != item:
            continue
        if one.edited_by:
            yield Line(label="Edited", spans=said("by ", name(one.edited_by)))
        if one.earlier:
            yield Line(label="Earlier", spans=value(one.earlier))


def _flags(flags: tuple[Flag, ...], room: _Room) -> Spans:
    listed = flags[:FLAGS_MAX]
    spans = _joined((_flag(flag, details=room.details) for flag in listed), by=", ")
    more = len(flags) - len(listed)
    return (*spans, *said(f", and {more} more" if more else ""))


def _flag(flag: Flag, *, details: bool) -> Spans:
    if not (flag.detail and details):
        return value(flag.name)
    return said(value(flag.name), " (", value(flag.detail), ")")


def _decides(view: CardView) -> Spans:
    parts = (
        value(view.decides),
        said("asked by ", name(view.asked_by)) if view.asked_by else (),
        said(f"closes {view.closes}") if view.closes else (),
    )
    return _joined((part for part in parts if part), by="; ")


def _joined(parts: Iterable[Spans], *, by: str = "; ") -> Spans:
    spans: list[str | Spans] = []
    for part in parts:
        spans += [by, part] if spans else [part]
    return said(*spans)


def _price(ceiling: int | Unknown) -> str:
    """A price behind a comma: `at most $2.09`, `free`, `price unknown`."""
    known = not isinstance(ceiling, Unknown) and ceiling > 0
    return f"at most {dollars(ceiling)}" if known else dollars(ceiling)


# -- a batch


def _batch_lines(view: CardView, page: int) -> Iterator[Line]:
    start = page * PAGE
    for number, item in enumerate(view.items[start : start + PAGE], start=start + 1):
        pieces: list[str | Spans] = [f"{number}  ", _named(item)]
        if item.summary:
            pieces += ["   ", value(item.summary, _BATCH_SUMMARY_MAX)]
        pieces.append(f"   {dollars(item.ceiling)}")
        if item.flags:
            pieces += ["   ", value(", ".join(flag.name for flag in item.flags))]
        if item.outcome is not None:
            pieces += ["   ", outcome_spans(item.outcome)]
        yield Line(label="", spans=said(*pieces))
    if len(view.items) > PAGE:
        last = min(start + PAGE, len(view.items))
        count = f"Calls {start + 1} to {last} of {len(view.items)}"
        yield Line(label="", spans=said(count))


def _batch_fences(view: CardView, room: _Room) -> Fences:
    """What every call runs, if all of it has room; else Show all or one by one."""
    if len(view.items) <= PAGE:
        share = room.inline - 40 * len(view.items)
        made = fences([each for one in view.items for each in one.foreign], inline=share)
        if not made.cut:
            return Fences(blocks=tuple(_numbered(view)), cut=False)
    bytes_ = sum(each.size for one in view.items for each in one.foreign)
    return Fences(
        blocks=(
            Paragraph(spans=said(f"... {bytes_:,} bytes of arguments are not shown here ...")),
        ),
        cut=True,
    )


def _numbered(view: CardView) -> Iterator[Block]:
    for number, item in enumerate(view.items, start=1):
        described = _joined(foreign_text(each) for each in item.foreign)
        yield Paragraph(spans=said(f"{number}  ", described))
        yield from fences(item.foreign, inline=_ENDLESS).blocks


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


def _difference(item: Item) -> Blocks:
    text = item.difference
    kept = shown(text[:DIFFERENCE_MAX])
    title = "What was changed:" if len(text) <= DIFFERENCE_MAX else "How the change begins:"
    return (Paragraph(spans=said(title)), Code(language="", text=kept.strip("\n")))


def _below(view: CardView, room: _Room, item: int, sigil: str, *, cut: bool) -> Iterator[Spans]:
    if view.model_words and room.words and view.kind == "call":
        yield model_words(view.model_words, room.words)
    if closed := closing(view, item=item):
        yield (Strong(spans=closed),)
        return
    if not view.is_open:
        return
    if cut and view.approvable and view.kind == "call":
        yield said("Not all of it stands here: Approve works for who has pressed Show all.")
    yield said(" ".join(_choices(view, item)))
    if sigil:
        yield said("Reply  ", *_replies(view, sigil))


def _choices(view: CardView, item: int) -> Iterator[str]:
    """What each decision does, and what silence does."""
    batch = view.is_batch and not item
    match view.kind:
        case "call" if batch and (view.ceiling_wanted or not view.approvable):
            yield "Not all of it has a known price: decide it one by one."
            yield "Deny all: the model is told."
        case "call" if view.ceiling_wanted:
            yield "Approve: an owner types what it may cost at most. Deny: the model is told."
        case "call" if not view.approvable:
            yield "Nobody can approve it as it is: edit it or deny it."
        case "call" if batch:
            yield "Approve all: each runs once, exactly as shown. Deny all: the model is told."
        case "call":
            yield "Approve: runs once, exactly as shown. Deny: the model is told."
        case "question":
            yield "An answer goes to the model as yours. Deny: it is told that nobody answers."
        case "limit":
            yield "The reply so far is kept and no model call is repeated."
            frozen = view.limit is not None and view.limit.because
            yield f"{'Go on, once it may' if frozen else 'Raise'}: the turn goes on."
            yield "Stop: it ends here."
        case "in_doubt":
            yield "Mark done: the model is told that it took effect. Run again: a new approval."
            yield "Skip: it is not run again."
        case _:
            assert_never(view.kind)
    if view.closes:
        yield f"Nobody by {view.closes}: the turn stops."


def _replies(view: CardView, sigil: str) -> Iterator[str | Spans]:
    """What to type instead of pressing; as code, so that no chat makes a button of it."""
    match view.kind:
        case "call" | "limit" if view.approvable:
            commands = ["approve {}", "deny {} reason", "show {}"]
        case "call" | "limit":
            commands = ["deny {} reason", "show {}"]
        case "question":
            commands = ["answer {} your words", "deny {} reason"]
        case "in_doubt":
            commands = ["answer {} done", "answer {} again", "answer {} skip", "show {}"]
        case _:
            assert_never(view.kind)
    for number, command in enumerate(commands):
        yield "   or   " if number else ""
        yield (CodeSpan(text=sigil + command.format(view.code)),)
