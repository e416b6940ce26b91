"""Pure: the words of a card's lines, and values from elsewhere set so that they do nothing.

A word of foreign text that a chat might turn into a link, a name or a command stands as code,
where none of them looks; everything invisible is escaped, so no value can leave its line.
"""

import re
from datetime import datetime
from string import Formatter
from typing import assert_never

from agent.costs import Ceiling, Quote, Unknown, UnknownBecause, dollars
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
from gateway.words import card as phrases
from gateway.words import outcomes
from gateway.words.phrase import ENGLISH, Phrase, Reader
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


def filled(phrase: Phrase, reader: Reader, **fields: str | Spans) -> Spans:
    """A sentence of ours with values that `value` has set in its places; KeyError for none."""
    parts: list[str | Spans] = []
    for text, name, _, _ in Formatter().parse(phrase.form(reader.language)):
        parts.append(text)
        if name is not None:
            parts.append(reader.mark if name == "mark" else fields[name])
    return said(*parts)


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


def name(text: str, reader: Reader = ENGLISH) -> Spans:
    """A person's name, chosen by that person."""
    return value(text or phrases.SOMEONE.to(reader), NAME_MAX)


def cut_inline(text: str, most: int) -> str:
    """Foreign text on one line in at most so many characters as shown."""
    line = shown_inline(text[: most + 1])
    if len(line) <= most and len(text) <= most:
        return line
    kept = line[: floor(line, most - 2)]
    shut = LEFT_TO_RIGHT if LEFT_TO_RIGHT in kept and not kept.endswith(LEFT_TO_RIGHT) else ""
    return kept + shut + ELLIPSIS


def model_words(text: str, most: int = WORDS_MAX, reader: Reader = ENGLISH) -> Spans:
    """What the model wrote beside its calls: one line, all of it code."""
    line = " ".join(text.split())
    return filled(phrases.MODEL_SAYS, reader, words=(CodeSpan(text=cut_inline(line, most)),))


def price(ceiling: Ceiling, reader: Reader = ENGLISH) -> str:
    """A price by itself: `$2.09`, `free`, `price unknown`. Figures read alike everywhere."""
    match ceiling:
        case Unknown():
            return phrases.PRICE_UNKNOWN.to(reader)
        case 0:
            return phrases.FREE.to(reader)
        case amount:
            return dollars(amount)


def most(ceiling: Ceiling, reader: Reader = ENGLISH) -> str:
    """A price as a bound: `at most $2.09`, `free`, `price unknown`."""
    told = price(ceiling, reader)
    is_bound = not isinstance(ceiling, Unknown) and ceiling > 0
    return phrases.MOST.to(reader, amount=told) if is_bound else told


def so_far(amount: int) -> str:
    """Money that may be nothing yet."""
    return dollars(amount) if amount else "$0.00"


def quote_text(quote: Quote, *, now: int, reader: Reader = ENGLISH) -> str:
    """How a ceiling came about; `now` is in microseconds."""
    match quote.ceiling:
        case Unknown(because=because, text=text):
            return _unknown_text(because, text, reader)
        case 0:
            return phrases.FREE.to(reader)
        case ceiling:
            return _known_text(quote, ceiling, now, reader)


def _known_text(quote: Quote, ceiling: int, now: int, reader: Reader) -> str:
    pieces = [dollars(ceiling)]
    if quote.unit_price is not None and quote.unit:
        each = unit_dollars(quote.unit_price)
        pieces = [f"{dollars(ceiling)} = {quote.quantity:,} {quote.unit} x {each}"]
    if quote.note:
        pieces.append(f"({quote.note})")
    if source := _source_text(quote, now, reader):
        pieces.append(source)
    return "   ".join(pieces)


def _source_text(quote: Quote, now: int, reader: Reader) -> str:
    if quote.source == "declared":
        return ""
    if quote.as_of is None:
        return phrases.PRICE_FROM.to(reader, source=quote.source)
    age = span_text((now - quote.as_of) / _MICRO)
    return phrases.PRICE_AGED.to(reader, source=quote.source, age=age)


def _unknown_text(because: UnknownBecause, text: str, reader: Reader) -> str:
    match because:
        case UnknownBecause.PRICE:
            what = phrases.UNKNOWN_PRICE.to(reader)
        case UnknownBecause.LIMIT:
            what = phrases.UNKNOWN_LIMIT.to(reader)
        case UnknownBecause.ENDLESS:
            what = phrases.UNKNOWN_ENDLESS.to(reader)
        case UnknownBecause.SUSPECT:
            what = phrases.UNKNOWN_SUSPECT.to(reader)
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


def foreign_text(each: Foreign, *, digits: int = 8, reader: Reader = ENGLISH) -> Spans:
    """Size and digest of what runs: `1,204 bytes, sha256 4f2a91c0...`."""
    digest = f"{each.sha256[:digits]}{'...' if digits < len(each.sha256) else ''}"
    if not each.what:
        return filled(phrases.BYTES, reader, count=f"{each.size:,}", digest=digest)
    phrase = phrases.ONE_LINE if each.lines == 1 else phrases.LINES
    what, count = foreign_what(each, reader), f"{each.lines:,}"
    return filled(phrase, reader, what=what, name=value(each.name), count=count, digest=digest)


def foreign_what(each: Foreign, reader: Reader) -> str:
    """What bytes that run are, in a word of ours."""
    return phrases.SCRIPT.to(reader) if each.what == phrases.SCRIPT.en else each.what


def limit_text(limit: LimitReached, deciders: str, reader: Reader = ENGLISH) -> str:
    """Why a turn waits, how the budget stands, or why nothing may be spent."""
    if limit.because:
        return phrases.NOTHING_SPENT.to(reader, because=limit.because)
    asked, needed = "", dollars(limit.needed)
    if limit.instead_of:
        asked = phrases.ANOTHER_MODEL.to(
            reader, model=limit.instead_of, other=limit.model, amount=needed
        )
    phrase = phrases.USED_UP_HELD if limit.held else phrases.USED_UP
    used_up = phrase.to(
        reader,
        budget=limit.budget or limit.scope,
        spent=so_far(limit.spent),
        limit=dollars(limit.limit),
        held=so_far(limit.held),
    )
    who = f"{deciders[:1].upper()}{deciders[1:]}"
    raised = phrases.CAN_RAISE.to(reader, who=who) if deciders else ""
    short = phrases.SHORT.to(reader, needed=needed, short=dollars(limit.short_by))
    return f"{asked}{used_up}{raised}{short}"


def outcome_spans(outcome: Outcome, reader: Reader = ENGLISH) -> Spans:
    """How it ended, or who said yes and what became of it."""
    match outcome:
        case Approved(by=by, at=at, running=running):
            phrase = outcomes.RUNNING if running else outcomes.APPROVED
            return filled(phrase, reader, name=name(by, reader), at=at)
        case Denied(by=by, at=at, reason=reason, stopped=stopped):
            denied = filled(outcomes.DENIED, reader, name=name(by, reader), at=at)
            return said(
                denied, _behind(reason), outcomes.TURN_STOPPED.to(reader) if stopped else ""
            )
        case Answered(by=by, at=at):
            answered = filled(outcomes.ANSWERED, reader, name=name(by, reader), at=at)
            return said(answered, _behind(outcome.words))
        case Closed():
            return _closed(outcome, reader)
        case Ended():
            return _ended(outcome, reader)
        case _:
            assert_never(outcome)


def _closed(outcome: Closed, reader: Reader) -> Spans:
    match outcome.how:
        case "expired":
            phrase = outcomes.EXPIRED if outcome.at else outcomes.EXPIRED_AT_SOME_TIME
            return filled(phrase, reader, at=outcome.at)
        case "replaced":
            return filled(outcomes.REPLACED, reader, name=name(outcome.by, reader))
        case "withdrawn":
            return said(_by(outcomes.WITHDRAWN, outcome.by, reader), _behind(outcome.because))
        case "undeliverable":
            return said(outcomes.UNASKED.to(reader), _behind(outcome.because))
        case _:
            assert_never(outcome.how)


def _ended(outcome: Ended, reader: Reader) -> Spans:
    because, money = _behind(outcome.because), _money_after(outcome, reader)
    match outcome.how:
        case "done":
            span = span_text(outcome.ran_s) if outcome.ran_s is not None else ""
            ran = outcomes.RAN.to(reader, span=span) if span else ""
            figures = ", ".join(filter(None, (ran, money_text(outcome, reader))))
            return said(outcomes.DONE.to(reader), f": {figures}" if figures else "")
        case "failed":
            return said(outcomes.FAILED.to(reader), because, money)
        case "cancelled":
            at = f" {outcome.at}" if outcome.at else ""
            return said(_by(outcomes.CANCELLED, outcome.by, reader), at, because, money)
        case "unknown":
            held = dollars(outcome.held)
            stays = outcomes.STAYS_HELD.to(reader, amount=held) if outcome.held else ""
            return said(outcomes.MAY_HAVE_RUN.to(reader), because, stays)
        case "lapsed":
            by = name(outcome.by, reader)
            return filled(outcomes.LAPSED, reader, name=by, at=outcome.at)
        case _:
            assert_never(outcome.how)


def _by(what: Phrase, person: str, reader: Reader) -> Spans:
    """An end, and by whom if anybody is named."""
    told = what.to(reader)
    if not person:
        return said(told)
    return filled(outcomes.BY, reader, what=told, name=name(person, reader))


def _behind(text: str) -> Spans:
    """Somebody's words behind a colon."""
    return said(": ", value(text)) if text else ()


def money_text(outcome: Ended, reader: Reader = ENGLISH) -> str:
    """What it cost beside what was held: `$0.51 (held $2.09, released $1.58)`."""
    if not outcome.held and not outcome.spent:
        return phrases.FREE.to(reader) if outcome.spent == 0 else ""
    told_held = price(outcome.held, reader)
    if outcome.spent is None:
        return outcomes.COST_UNKNOWN.to(reader, held=told_held)
    spent, held = _cents(outcome.spent), _cents(outcome.held)
    phrase, rest = outcomes.COST, abs(held - spent)
    if outcome.spent > outcome.held:
        phrase = outcomes.COST_MORE
    elif held > spent:
        phrase = outcomes.COST_LESS
    # The figures on the card add up, though each is rounded up.
    told = price(outcome.spent, reader)
    return phrase.to(reader, spent=told, held=told_held, rest=price(rest * 100, reader))


def _money_after(outcome: Ended, reader: Reader) -> str:
    told = money_text(outcome, reader)
    return f"; {told}" if told and (outcome.held or outcome.spent) else ""


def _cents(amount: int) -> int:
    """What `dollars` shows of an amount, in hundredths of a cent."""
    step = 100 if amount < _MICRO // 10 else 10_000
    return -(-amount // step) * (step // 100)
