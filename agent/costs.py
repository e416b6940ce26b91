"""What a call can cost at most: integer micro-dollars, or Unknown, which is no number."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

DOLLAR = 1_000_000
"""Micro-dollars in one US dollar."""


class UnknownBecause(Enum):
    """Why nobody knows a ceiling, which decides what a card offers."""

    PRICE = "price"  # an owner may type a ceiling
    LIMIT = "limit"  # nothing bounds it: edit it or deny it
    ENDLESS = "endless"  # it acts again without a new call: an owner types a cap
    SUSPECT = "suspect"  # its last estimate was too low; until an owner clears it


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A ceiling nobody knows; it fits no limit and no sum with it is known."""

    because: UnknownBecause
    text: str = ""


Ceiling = int | Unknown
"""Micro-dollars, at least 0, or Unknown. A known zero is not Unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A ceiling and how it came about.

    `unit_price` is micro-dollars per `unit`; `as_of` (microseconds since 1970) is when a price
    was learned; `source` is `live`, `packaged`, `config` or `declared`; `payer` is the account
    that pays, `asked_payer` the one the model suggested. `note` explains the quantity.
    """

    ceiling: Ceiling
    unit: str = ""
    unit_price: int | None = None
    quantity: int = 0
    source: str = "declared"
    as_of: int | None = None
    payer: str = ""
    asked_payer: str = ""
    note: str = ""


FREE = Quote(ceiling=0)


def total(ceilings: Iterable[Ceiling]) -> Ceiling:
    """The sum; unknown as soon as one part is."""
    amount = 0
    for ceiling in ceilings:
        match ceiling:
            case Unknown():
                return ceiling
            case int():
                amount += ceiling
    return amount


def is_paid(ceiling: Ceiling) -> bool:
    """Whether it may cost anything."""
    return isinstance(ceiling, Unknown) or ceiling > 0


def dollars(amount: Ceiling) -> str:
    """Money as people read it, rounded up: cents, four decimals below ten cents, `free` for 0."""
    if isinstance(amount, Unknown):
        return "price unknown"
    if amount == 0:
        return "free"
    sign, amount = ("-", -amount) if amount < 0 else ("", amount)
    if amount < DOLLAR // 10:
        units = -(-amount // 100)
        return f"{sign}${units // 10_000}.{units % 10_000:04d}"
    cents = -(-amount // 10_000)
    return f"{sign}${cents // 100:,}.{cents % 100:02d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Input tokens a provider has counted for a request's system text, tools and first messages."""

    messages: int
    tokens: int
