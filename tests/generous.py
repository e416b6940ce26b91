"""Platforms that take more than the real ones do, for stories that are not about their pace."""

from dataclasses import replace

from platforms.base import Capabilities
from platforms.pacing import Budget

TIMES = 20


def generous(capabilities: Capabilities) -> tuple[Budget, ...]:
    """A platform's rates, multiplied; `tests/contracts/test_rates.py` keeps the real ones."""
    return tuple(
        replace(each, rate_per_s=TIMES * each.rate_per_s, burst=TIMES * each.burst)
        for each in capabilities.budgets
    )
