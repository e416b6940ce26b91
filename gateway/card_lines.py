"""Pure: the lines of a card above what runs, each our own words with values set dead in them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import assert_never

from agent.costs import total
from gateway.card_fence import COLUMNS, columns
from gateway.card_view import CardView, Flag, Item
from gateway.card_words import (
    SUMMARY_MAX,
    cut_inline,
    filled,
    foreign_text,
    limit_text,
    most,
    name,
    outcome_spans,
    price,
    said,
    value,
)
from gateway.words import card as phrases
from gateway.words import flags as flag_words
from gateway.words.phrase import Phrase, Reader
from platforms.blocks import CodeSpan, Spans, Strong, spans_text

PAGE = 5
"""Lines of a batch on one page."""

FLAGS_MAX = 10
LABEL_WIDTH = 11
_BATCH_SUMMARY_MAX = 80

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


def title(view: CardView, item: int) -> Spans:
    """What it is, and its code."""
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


def lines_below(
    view: CardView, *, item: int = 0, page: int = 0, details: bool = True
) -> Iterator[Line]:
    """In the order in which they stand; a line without content is left out."""
    if view.is_batch and not item:
        yield from _batch_lines(view, page)
        flags = _united(view.items)
    else:
        one = view.items[max(0, item - 1)]
        yield from _item_lines(view, one, item)
        flags = one.flags
    yield from _standing_lines(view, flags, item, details=details)
    for each in view.proposal:
        yield _line(phrases.GRANT, view, value(each, SUMMARY_MAX))
    if not view.is_batch or item:
        foreign = view.items[max(0, item - 1)].foreign
        if foreign:
            described = joined(foreign_text(each, reader=view.reader) for each in foreign)
            yield _line(phrases.ARGUMENTS, view, described)


def _standing_lines(
    view: CardView, flags: tuple[Flag, ...], item: int, *, details: bool
) -> Iterator[Line]:
    """How it stands: with the budget, with what to look at, with those who decide."""
    open_ = view.is_open
    if view.limit is not None:
        yield Line(label="", spans=said(limit_text(view.limit, view.decides, view.reader)))
    if view.budget and open_:
        yield _line(phrases.BUDGET, view, joined(value(each) for each in view.budget))
    if flags:
        yield _line(phrases.FLAGS, view, _flags(flags, view.reader, details=details))
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
    return joined((value(piece) for piece in pieces), by="   ")


def _history_lines(view: CardView, item: int) -> Iterator[Line]:
    for number, one in enumerate(view.items, start=1):
        if item and number != item:
            continue
        if one.edited_by:
            by = filled(phrases.EDITED_BY, view.reader, name=name(one.edited_by, view.reader))
            yield _line(phrases.EDITED, view, by)
        if one.earlier:
            yield _line(phrases.EARLIER, view, value(one.earlier))


def _flags(flags: tuple[Flag, ...], reader: Reader, *, details: bool) -> Spans:
    listed = flags[:FLAGS_MAX]
    spans = joined((_flag(flag, reader, details=details) for flag in listed), by=", ")
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
    return joined((part for part in parts if part), by="; ")


def joined(parts: Iterable[Spans], *, by: str = "; ") -> Spans:
    """Parts of a line with a sign of ours between them."""
    spans: list[str | Spans] = []
    for part in parts:
        spans += [by, part] if spans else [part]
    return said(*spans)


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


def _united(items: tuple[Item, ...]) -> tuple[Flag, ...]:
    return tuple(dict.fromkeys(flag for item in items for flag in item.flags if flag.detail))
