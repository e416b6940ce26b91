"""Rate limits as Discord announces them: one bucket per route and channel, and one for all.

Source: Discord documentation, "Rate Limits". The sizes of buckets are not documented; these are
the ones seen on the live service and can be stretched or shrunk by `scale`.
"""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.wire.discord.rules import ApiError, Refusal

SIZES: Mapping[str, tuple[int, float]] = {
    "POST /channels/{channel}/messages": (5, 5.0),
    "PATCH /channels/{channel}/messages/{message}": (5, 5.0),
    "DELETE /channels/{channel}/messages/{message}": (5, 1.0),
    "POST /channels/{channel}/typing": (5, 5.0),
    "PUT /channels/{channel}/messages/{message}/reactions/{emoji}/@me": (1, 0.25),
    "DELETE /channels/{channel}/messages/{message}/reactions/{emoji}/@me": (1, 0.25),
    "POST /webhooks/{application}/{token}": (5, 5.0),
}
"""Requests per window (seconds) of each route; the rest has no bucket."""

GLOBAL = (50, 1.0)
SUB_LIMIT_CODES = {20016, 20028, 30046}


@dataclass(slots=True)
class Bucket:
    """A window of `length` seconds that lets `size` requests through."""

    size: int
    length: float
    opened: float = -math.inf
    used: int = 0

    def take(self, now: float) -> bool:
        """Whether one more request fits; counts it if so."""
        if now >= self.opened + self.length:
            self.opened, self.used = now, 0
        if self.used >= self.size:
            return False
        self.used += 1
        return True

    def reset_after(self, now: float) -> float:
        return max(0.0, self.opened + self.length - now)


@dataclass(slots=True)
class Rates:
    """All buckets of one bot; `scale` None switches them off."""

    scale: float | None
    now: Callable[[], float]
    refused: int = 0
    _buckets: dict[tuple[str, str], Bucket] = field(default_factory=dict)
    _global: Bucket | None = None

    def check(self, operation: str, major: str) -> dict[str, str]:
        """Counts one request and returns the headers of its answer; raises the 429."""
        if self.scale is None:
            return {}
        now = self.now()
        if self._global is None:
            self._global = Bucket(GLOBAL[0], GLOBAL[1] * self.scale)
        if not operation.startswith("POST /interactions") and not self._global.take(now):
            raise self._refuse(self._global, "global", {}, now)
        if operation not in SIZES:
            return {}
        size, length = SIZES[operation]
        bucket = self._buckets.setdefault((operation, major), Bucket(size, length * self.scale))
        fits = bucket.take(now)
        headers = _headers(operation, bucket, now)
        if not fits:
            raise self._refuse(bucket, "user", headers, now)
        return headers

    def _refuse(
        self, bucket: Bucket, scope: str, headers: Mapping[str, str], now: float
    ) -> ApiError:
        self.refused += 1
        return limited(bucket.reset_after(now), scope=scope, headers=headers)


def _headers(operation: str, bucket: Bucket, now: float) -> dict[str, str]:
    reset_after = bucket.reset_after(now)
    return {
        "X-RateLimit-Limit": str(bucket.size),
        "X-RateLimit-Remaining": str(bucket.size - bucket.used),
        "X-RateLimit-Reset": f"{now + reset_after:.3f}",
        "X-RateLimit-Reset-After": f"{reset_after:.3f}",
        "X-RateLimit-Bucket": hashlib.sha256(operation.encode()).hexdigest()[:32],
    }


def limited(
    retry_after: float, *, scope: str = "user", headers: Mapping[str, str] | None = None
) -> ApiError:
    """A genuine 429: with `Via`, or clients take it for a ban at the edge."""
    return ApiError(
        Refusal(
            429,
            0,
            "You are being rate limited.",
            headers={
                **(headers or {}),
                "Via": "1.1 google",
                "Retry-After": str(math.ceil(retry_after)),
                "X-RateLimit-Scope": "shared" if scope == "shared" else scope,
                **({"X-RateLimit-Global": "true"} if scope == "global" else {}),
            },
            extra={"retry_after": round(retry_after, 3), "global": scope == "global"},
        )
    )
