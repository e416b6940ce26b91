"""Pure: what jobs and sandboxes cost at most, and what they did cost.

The Hub bills by the started minute while a job starts and runs. It does not say when the timeout
begins to count, so five minutes to start are added to every ceiling.
Source: https://huggingface.co/docs/hub/jobs-pricing
"""

from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil
from typing import Any, Protocol

from agent.costs import Quote, Unknown, UnknownBecause

MINUTE_S = 60
START_MINUTES = 5
PORT_FEE = 10_000
"""Micro-dollars per job that exposes ports."""
WINDOW_MINUTES = 60
TIMEOUT_DEFAULT_S = 30 * MINUTE_S
TIMEOUT_MAX_S = 7 * 24 * 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class MinutePrice:
    """Micro-dollars per started minute; `source` and `as_of` as in Quote."""

    micros: int
    source: str
    as_of: int | None = None


class Prices(Protocol):
    """What sizes cost, from a catalogue that may grow old."""

    def take(self, listing: object, *, now: int) -> None:
        """Learn a live catalogue, as the Hub sends it; never raises."""

    def minute(self, flavor: str, *, now: int) -> MinutePrice | Unknown:
        """The price of a minute of a size, or why nobody knows it."""


def minutes_of(timeout_s: int) -> int:
    """The most minutes a job of that timeout is billed."""
    return ceil(timeout_s / MINUTE_S) + START_MINUTES


def job_quote(
    price: MinutePrice | Unknown,
    timeout_s: int | Unknown,
    *,
    ports: bool,
    payer: str = "",
    asked_payer: str = "",
) -> Quote:
    """The ceiling of one job."""
    if isinstance(timeout_s, Unknown):
        return Quote(ceiling=timeout_s, payer=payer, asked_payer=asked_payer)
    planned = ceil(timeout_s / MINUTE_S)
    note = f"{planned} min + {START_MINUTES} to start, by started minute"
    return _by_minute(
        price, minutes_of(timeout_s), note, ports=ports, payer=payer, asked_payer=asked_payer
    )


def window_quote(price: MinutePrice | Unknown, *, payer: str, asked_payer: str = "") -> Quote:
    """The ceiling of one sandbox, which is reached through a port."""
    note = f"one window of {WINDOW_MINUTES} min, by started minute"
    return _by_minute(price, WINDOW_MINUTES, note, ports=True, payer=payer, asked_payer=asked_payer)


def _by_minute(
    price: MinutePrice | Unknown,
    minutes: int,
    note: str,
    *,
    ports: bool,
    payer: str,
    asked_payer: str,
) -> Quote:
    if isinstance(price, Unknown):
        return Quote(ceiling=price, payer=payer, asked_payer=asked_payer, note=note)
    return Quote(
        ceiling=minutes * price.micros + (PORT_FEE if ports else 0),
        unit="min",
        unit_price=price.micros,
        quantity=minutes,
        source=price.source,
        as_of=price.as_of,
        payer=payer,
        asked_payer=asked_payer,
        note=f"{note}; $0.01 for ports" if ports else note,
    )


def repriced(quote: Quote, price: MinutePrice | Unknown) -> Quote:
    """The same minutes at another price; what had no price before has none now either."""
    if quote.unit_price is None:
        return quote
    if isinstance(quote.ceiling, Unknown):  # its minutes have no end, whatever one costs
        known = price if isinstance(price, MinutePrice) else None
        return quote if known is None else replace(quote, **_priced(known))
    if isinstance(price, Unknown):
        return replace(quote, ceiling=price, unit_price=None, quantity=0, as_of=None)
    ceiling = quote.ceiling + quote.quantity * (price.micros - quote.unit_price)
    return replace(quote, ceiling=ceiling, **_priced(price))


def _priced(price: MinutePrice) -> dict[str, Any]:
    return {"unit_price": price.micros, "source": price.source, "as_of": price.as_of}


def endless_quote(each: Quote) -> Quote:
    """The ceiling of something that runs again and again: nobody knows; `note` says each run's."""
    return Quote(
        ceiling=Unknown(because=UnknownBecause.ENDLESS, text="it has no end"),
        unit=each.unit,
        unit_price=each.unit_price,
        quantity=each.quantity,
        source=each.source,
        as_of=each.as_of,
        payer=each.payer,
        asked_payer=each.asked_payer,
        note=f"each run: {each.note}" if each.note else "",
    )


def started_minutes(began: datetime | None, ended: datetime) -> int:
    """How many minutes were begun; none if it never ran."""
    if began is None:
        return 0
    return max(ceil((ended - began).total_seconds() / MINUTE_S), 0)


def spent_on(
    price_micros: int | None, began: datetime | None, ended: datetime | None, *, fee: int
) -> int | None:
    """What a job that ended did cost; None where its price or its end is not known."""
    if price_micros is None or ended is None:
        return None
    minutes = started_minutes(began, ended)
    return minutes * price_micros + (fee if began is not None else 0)
