"""Pure: the price of a minute of job hardware, from the Hub's own list and the packaged table.

Theory of operation. A price of the live list holds for six hours. Then the larger one of it and
the packaged price holds, marked with its date, for either may be out of date and too low. Once
the live price is over 7 days old and the table over 90, nobody knows the price. An entry of the
list that is not plainly a price teaches nothing: what was known of its size before grows older.
A price from the future (the clock was set back) is not fresh either.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final

from agent.costs import DOLLAR, Unknown, UnknownBecause
from agent.hardware_table import AS_OF, DOLLARS_PER_HOUR
from agent.tools.hf_quotes import MinutePrice

_HOUR_US: Final = 3_600 * 1_000_000
FRESH_US: Final = 6 * _HOUR_US
LIVE_US: Final = 7 * 24 * _HOUR_US
PACKAGED_US: Final = 90 * 24 * _HOUR_US

ENTRIES_MAX: Final = 1_000
"""Entries of one list that are read; the Hub has a few dozen."""

_MINUTES: Final = {
    "second": (60, 1),
    "minute": (1, 1),
    "hour": (1, 60),
}
"""By what a price of that unit is multiplied and divided for a minute."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePrice:
    """Micro-dollars per minute as the Hub said at a time (microseconds since 1970)."""

    micros: int
    at: int


def per_minute(dollars_per_hour: str) -> int:
    """Micro-dollars per minute, rounded up."""
    exact = Decimal(dollars_per_hour) * DOLLAR / 60
    return int(exact.to_integral_value(rounding=ROUND_CEILING))


PACKAGED: Final[Mapping[str, int]] = {
    flavor: per_minute(dollars) for flavor, dollars in DOLLARS_PER_HOUR.items()
}


def read_catalogue(listing: object) -> dict[str, int]:
    """Micro-dollars per minute of every size the list plainly prices; never raises.

    A size that stands there twice has the larger price.
    """
    prices: dict[str, int] = {}
    if not isinstance(listing, list | tuple):
        return prices
    for entry in listing[:ENTRIES_MAX]:
        match entry:
            case {"name": str(name), "unitCostMicroUSD": int(micros), "unitLabel": str(label)}:
                price = _minute_of(micros, label, entry.get("unitCostUSD"))
                if price is not None and name:
                    prices[name] = max(price, prices.get(name, 0))
            case _:
                continue
    return prices


def _minute_of(micros: int, label: str, dollars: Any) -> int | None:
    """Micro-dollars per minute, rounded up; None where the entry is at odds with itself.

    Nothing the Hub rents is free: a price of zero is a fault of the list, not a gift.
    """
    factors = _MINUTES.get(label)
    if factors is None or isinstance(micros, bool) or micros <= 0:
        return None
    if dollars is not None and not _agree(micros, dollars):
        return None
    times, parts = factors
    return -(-micros * times // parts)


def _agree(micros: int, dollars: Any) -> bool:
    """Whether the two price fields of an entry are within one percent of each other."""
    if isinstance(dollars, bool) or not isinstance(dollars, int | float):
        return False
    if not dollars < float("inf"):
        return False
    told = Decimal(repr(dollars)) * DOLLAR  # as it was written, not as it is stored
    return abs(told - micros) * 100 <= micros


class Catalogue:
    """What sizes cost: the packaged table and, once it was had, the live list."""

    def __init__(
        self, *, packaged: Mapping[str, int] = PACKAGED, packaged_on: date = AS_OF
    ) -> None:
        self._packaged = packaged
        midnight = datetime(packaged_on.year, packaged_on.month, packaged_on.day, tzinfo=UTC)
        self._packaged_at = (midnight - _EPOCH) // timedelta(microseconds=1)
        self._live: dict[str, LivePrice] = {}

    def take(self, listing: object, *, now: int) -> None:
        """Learn a live list as the Hub sends it; never raises."""
        for flavor, micros in read_catalogue(listing).items():
            self._live[flavor] = LivePrice(micros=micros, at=now)

    def minute(self, flavor: str, *, now: int) -> MinutePrice | Unknown:
        """The price of a minute of a size, or why nobody knows it."""
        live = self._live.get(flavor)
        if live is not None and abs(now - live.at) <= FRESH_US:
            return MinutePrice(micros=live.micros, source="live", as_of=live.at)
        packaged = self._packaged.get(flavor)
        if live is None and packaged is None:
            return _unknown(f"no price list names {flavor}")
        live_stale = live is None or abs(now - live.at) > LIVE_US
        packaged_stale = packaged is None or now - self._packaged_at > PACKAGED_US
        if live_stale and packaged_stale:
            return _unknown(f"every price of {flavor} is too old")
        if live is None or (packaged is not None and packaged > live.micros):
            return MinutePrice(micros=packaged or 0, source="packaged", as_of=self._packaged_at)
        return MinutePrice(micros=live.micros, source="live", as_of=live.at)


def _unknown(text: str) -> Unknown:
    return Unknown(because=UnknownBecause.PRICE, text=text)
