"""Price lists for tests of the hf_* tools."""

from datetime import date

from agent.hardware import Catalogue

TABLE_ON = date(2026, 11, 1)
"""Three weeks before the loopback Hub's clock begins."""


def catalogue_prices(**packaged: int) -> Catalogue:
    """A price list with these micro-dollars per minute in its packaged table, `_` for `-`."""
    table = {name.replace("_", "-"): micros for name, micros in packaged.items()}
    return Catalogue(packaged=table, packaged_on=TABLE_ON)
