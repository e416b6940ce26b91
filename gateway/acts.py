"""Pure: what people do on cards, by whatever way it comes, and what they typed there."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from agent.costs import DOLLAR
from gateway.tokens import Decision
from gateway.words.phrase import ENGLISH, Reader
from platforms.content import Form

WEB = "web"
"""Where a decision came from that was made on a page of the web."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What a person did. `rev` None means the card in force (typed codes, the shell).

    `message` is what they pressed on, None where there is none; `human` is False for whoever may
    never decide. `at` is when it was journaled, microseconds since 1970.
    """

    account: str
    chat: str
    message: str | None
    person: str
    name: str
    source: str
    at: int
    decision: Decision
    option: int = 0
    rev: int | None = None
    human: bool = True
    roles: frozenset[str] = frozenset()
    values: Mapping[str, str] = field(default_factory=dict)
    confirmed: bool = False
    anywhere: bool = False
    """From the shell or the page, which stand in no chat."""

    reader: Reader = ENGLISH


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What whoever acted reads, and the form they are to fill in, if any."""

    text: str = ""
    form: Form | None = None


def typed_words(text: str, most: int) -> str:
    """A person's words without control characters, at most so many."""
    return "".join(c if c == "\n" or c.isprintable() else " " for c in text).strip()[:most]


def typed_amount(text: str) -> int | None:
    """Dollars as typed, in micro-dollars; None for anything else."""
    try:
        amount = Decimal(re.sub(r"^\$", "", text.strip()))
    except InvalidOperation:
        return None
    if not amount.is_finite() or amount <= 0 or amount > 1_000_000:
        return None
    return int(-(-amount * DOLLAR // 1))
