"""Pure: the words of a card's lines, and values from elsewhere set so that they do nothing.

A word of foreign text that a chat might turn into a link, a name or a command stands as code,
where none of them looks; everything invisible is escaped, so no value can leave its line.
"""

import re
from datetime import datetime
from typing import assert_never

from agent.costs import Quote, Unknown, UnknownBecause, dollars
from gateway.card_view import (
    Answered,
    Approved,
    Closed,
    Denied,
    Ended,
    Foreign,
    LimitReached,
    Outcome,
)
from gateway.shown import LEFT_TO_RIGHT, floor, shown_inline
from platforms.blocks import CodeSpan, Span, Spans, Text

NAME_MAX = 48
VALUE_MAX = 160
SUMMARY_MAX = 240
WORDS_MAX = 300
"""Characters of a person's name, a value, a summary and of the model's words, as shown."""

ELLIPSIS = "…"

# What some chat makes a link, a name, a tag, a command or a number to call of.
_LIVE = re.compile(
    r"[@#/\\]|:(?=[^\d\s])|[^\W\d]\.\w|\w\.[^\W\d]|\$(?=[^\W\d])|\+\d{5}|\d{7}|^www\b",
    re.IGNORECASE,
)
_MICRO = 1_000_000
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400


def said(*parts: str | Spans) -> Spans:
    """A line: our own words as they are, and values that `value` has set."""
    spans: list[Span] = []
    for part in parts:
        if isinstance(part, str):
            spans += [Text(text=part)] if part else []
        else:
            spans += part
    return tuple(spans)


def value(text: str, most: int = VALUE_MAX) -> Spans:
    """Foreign text within a line: visible, on that line, and dead."""
    spans: list[Span] = []
    words = ""
    for number, word in enumerate(cut_inline(text, most).split(" ")):
        words += " " if number else ""
        if not _LIVE.search(word):
            words += word
            continue
        spans += [Text(text=words)] if words else []
        spans.append(CodeSpan(text=word))
        words = ""
    return (*spans, Text(text=words)) if words else tuple(spans)


def name(text: str) -> Spans:
    """A person's name, chosen by that person."""
    return value(text or "someone", NAME_MAX)


def cut_inline(text: str, most: int) -> str:
    """Foreign text on one line in at most so many characters as shown."""
    line = shown_inline(text[: most + 1])
    if len(line) <= most and len(text) <= most:
        return line
    kept = line[: floor(line, most - 2)]
    shut = LEFT_TO_RIGHT if LEFT_TO_RIGHT in kept and not kept.endswith(LEFT_TO_RIGHT) else ""
    return kept + shut + ELLIPSIS


def model_words(text: str, most: int = WORDS_MAX) -> Spans:
    """What the model wrote beside its calls: one line, all of it code."""
    line = " ".join(text.split())
    return said('Model says (not checked): "', (CodeSpan(text=cut_inline(line, most)),), '"')


def quote_text(quote: Quote, *, now: int) -> str:
    """How a ceiling came about; `now` is in microseconds."""
    match quote.ceiling:
        case Unknown(because=because, text=text):
            return _unknown_text(because, text)
        case 0:
            return "free"
        case ceiling:
            return _known_text(quote, ceiling, now)


def _known_text(quote: Quote, ceiling: int, now: int) -> str:
    pieces = [dollars(ceiling)]
    if quote.unit_price is not None and quote.unit:
        each = unit_dollars(quote.unit_price)
        pieces = [f"{dollars(ceiling)} = {quote.quantity:,} {quote.unit} x {each}"]
    if quote.note:
        pieces.append(f"({quote.note})")
    if source := _source_text(quote, now):
        pieces.append(source)
    return "   ".join(pieces)


def _source_text(quote: Quote, now: int) -> str:
    if quote.source == "declared":
        return ""
    if quote.as_of is None:
        return f"price {quote.source}"
    return f"price {quote.source}, {span_text((now - quote.as_of) / _MICRO)} old"


def _unknown_text(because: UnknownBecause, text: str) -> str:
    match because:
        case UnknownBecause.PRICE:
            what = "price unknown; an owner may type a ceiling"
        case UnknownBecause.LIMIT:
            what = "price unknown; nothing bounds it"
        case UnknownBecause.ENDLESS:
            what = "price unknown; it acts again until it is ended, an owner types a cap"
        case UnknownBecause.SUSPECT:
            what = "price unknown; the last estimate was too low, an owner has to clear it"
        case _:
            assert_never(because)
    return f"{what} ({text})" if text else what


def unit_dollars(amount: int) -> str:
    """The price of a unit, exactly: `$0.041667`, `$0.40`."""
    digits = f"{amount // _MICRO:,}.{amount % _MICRO:06d}"
    whole, _, part = digits.partition(".")
    return f"${whole}.{part.rstrip('0').ljust(2, '0')}"


def span_text(seconds: float) -> str:
    """A span of time in its largest unit: `40 s`, `12 min`, `3 h`, `2 d`."""
    whole = max(0, int(seconds))
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min"
    if whole < 2 * _DAY_S:
        hours, minutes = whole // _HOUR_S, whole % _HOUR_S // _MINUTE_S
        return f"{hours} h {minutes} min" if minutes and hours < 10 else f"{hours} h"
    return f"{whole // _DAY_S} d"


def time_text(at: datetime, *, now: datetime) -> str:
    """A moment as the chat's clock shows it, with its day unless that is today's."""
    if at.date() == now.date():
        return f"{at:%H:%M}"
    return f"{at.day} {at:%b %H:%M}"


def foreign_text(each: Foreign, *, digits: int = 8) -> Spans:
    """Size and digest of what runs: `1,204 bytes, sha256 4f2a91c0...`."""
    digest = f"sha256 {each.sha256[:digits]}{'...' if digits < len(each.sha256) else ''}"
    if not each.what:
        return said(f"{each.size:,} bytes, {digest}")
    lines = f"{each.lines:,} line{'' if each.lines == 1 else 's'}"
    return said(f"{each.what} ", value(each.name), f", {lines}, {digest}")


def limit_text(limit: LimitReached, deciders: str) -> str:
    """Why a turn waits, how the budget stands, or why nothing may be spent."""
    if limit.because:
        return f"Nothing is spent here now: {limit.because}"
    asked = ""
    if limit.instead_of:
        most = dollars(limit.needed)
        asked = f"{limit.instead_of} is unavailable. Answer with {limit.model} for at most {most}? "
    spent = dollars(limit.spent) if limit.spent else "$0.00"
    held = f", {dollars(limit.held)} held" if limit.held else ""
    who = f" {deciders[:1].upper()}{deciders[1:]} can raise it below." if deciders else ""
    return (
        f"{asked}The {limit.budget or limit.scope} budget is used up"
        f" ({spent} of {dollars(limit.limit)}{held}).{who}"
        f" Going on needs at most {dollars(limit.needed)}: {dollars(limit.short_by)} short."
    )


def outcome_spans(outcome: Outcome) -> Spans:
    """How it ended, or who said yes and what became of it."""
    match outcome:
        case Approved(by=by, at=at, running=running):
            return said("Approved by ", name(by), f" {at}", ", running" if running else "")
        case Denied():
            return _denied(outcome)
        case Answered():
            answer: tuple[str | Spans, ...] = (": ", value(outcome.words)) if outcome.words else ()
            return said("Answered by ", name(outcome.by), f" {outcome.at}", *answer)
        case Closed():
            return _closed(outcome)
        case Ended():
            return _ended(outcome)
        case _:
            assert_never(outcome)


def _denied(outcome: Denied) -> Spans:
    reason: tuple[str | Spans, ...] = (": ", value(outcome.reason)) if outcome.reason else ()
    stopped = "; the turn was stopped" if outcome.stopped else ""
    return said("Denied by ", name(outcome.by), f" {outcome.at}", *reason, stopped)


def _closed(outcome: Closed) -> Spans:
    because: tuple[str | Spans, ...] = (": ", value(outcome.because)) if outcome.because else ()
    match outcome.how:
        case "expired":
            return said(f"Expired {outcome.at}".rstrip(), ": nobody decided, the turn stopped")
        case "replaced":
            return said("Replaced, ", name(outcome.by), " wrote on")
        case "withdrawn":
            by: tuple[str | Spans, ...] = (" by ", name(outcome.by)) if outcome.by else ()
            return said("Withdrawn", *by, *because)
        case "undeliverable":
            return said("Nobody could be asked", *because)
        case _:
            assert_never(outcome.how)


def _ended(outcome: Ended) -> Spans:
    by: tuple[str | Spans, ...] = (" by ", name(outcome.by)) if outcome.by else ()
    because: tuple[str | Spans, ...] = (": ", value(outcome.because)) if outcome.because else ()
    at = f" {outcome.at}" if outcome.at else ""
    match outcome.how:
        case "done":
            ran = f"ran {span_text(outcome.ran_s)}" if outcome.ran_s is not None else ""
            figures = ", ".join(filter(None, (ran, money_text(outcome))))
            return said("Done", f": {figures}" if figures else "")
        case "failed":
            return said("Failed", *because, _money_after(outcome))
        case "cancelled":
            return said("Cancelled", *by, at, *because, _money_after(outcome))
        case "unknown":
            held = f"; {dollars(outcome.held)} stays held" if outcome.held else ""
            return said("May have run", *because, held)
        case "lapsed":
            return said("Approved", *by, at, ", could not start in time")
        case _:
            assert_never(outcome.how)


def money_text(outcome: Ended) -> str:
    """What it cost beside what was held: `$0.51 (held $2.09, released $1.58)`."""
    if not outcome.held and not outcome.spent:
        return "free" if outcome.spent == 0 else ""
    if outcome.spent is None:
        return f"cost not known yet (held {dollars(outcome.held)})"
    spent, held = _cents(outcome.spent), _cents(outcome.held)
    if outcome.spent > outcome.held:
        return (
            f"{dollars(outcome.spent)} (held {dollars(outcome.held)}, {_over(spent - held)} over)"
        )
    # The figures on the card add up, though each is rounded up.
    released = f", released {_over(held - spent)}" if held > spent else ""
    return f"{dollars(outcome.spent)} (held {dollars(outcome.held)}{released})"


def _money_after(outcome: Ended) -> str:
    words = money_text(outcome)
    return f"; {words}" if words and words != "free" else ""


def _cents(amount: int) -> int:
    """What `dollars` shows of an amount, in hundredths of a cent."""
    step = 100 if amount < _MICRO // 10 else 10_000
    return -(-amount // step) * (step // 100)


def _over(hundredths: int) -> str:
    return dollars(hundredths * 100)
