"""One documented number and the rule of a loopback server that keeps it. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

Take = Callable[[int], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`take` is given a size and raises where the platform refuses it: above `most` only.

    `ours` are the names in `limits.py` that must not be above it; `shown` is how the manual puts
    a number that says little by itself.
    """

    platform: str
    what: str
    most: int
    take: Take
    ours: tuple[str, ...] = ()
    shown: str = ""

    @property
    def name(self) -> str:
        """How the row is called in tests and in the manual."""
        return f"{self.platform} {self.what}"
