"""The one place that reads a clock or makes an id; everything else is told."""

import secrets
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time, running time and fresh ids."""

    def now(self) -> int:
        """Microseconds since 1970, UTC."""

    def monotonic(self) -> float:
        """Seconds of a clock that only moves forward."""

    def nonce(self) -> str:
        """A fresh id: 24 lower-case hexadecimal digits."""


class SystemClock:
    """The machine's own clock and randomness."""

    def now(self) -> int:
        """Microseconds since 1970, UTC."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Seconds of a clock that only moves forward."""
        return time.monotonic()

    def nonce(self) -> str:
        """A fresh id: 24 lower-case hexadecimal digits."""
        return secrets.token_hex(12)
