"""Slack's rate rules: one post a second and channel, tiers per method and workspace.

Source: docs.slack.dev/apis/web-api/rate-limits; tiers from each method's page.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tests.wire.slack.checks import Refusal

TIER_2, TIER_3, TIER_4 = 20.0, 50.0, 100.0
POSTS_A_MINUTE = 300.0  # "several hundred messages per minute" for a workspace
POSTING = frozenset({"chat.postMessage"})
PER_MINUTE: Mapping[str, float] = MappingProxyType(
    {
        "chat.postMessage": POSTS_A_MINUTE,
        "chat.update": TIER_3,
        "chat.delete": TIER_3,
        "chat.postEphemeral": TIER_4,
        "conversations.history": TIER_3,
        "conversations.replies": TIER_3,
        "conversations.info": TIER_3,
        "conversations.open": TIER_3,
        "conversations.leave": TIER_3,
        "users.info": TIER_4,
        "bots.info": TIER_3,
        "reactions.add": TIER_3,
        "reactions.remove": TIER_2,
        "files.getUploadURLExternal": TIER_4,
        "files.completeUploadExternal": TIER_4,
        "files.info": TIER_4,
        "files.delete": TIER_3,
        "views.open": TIER_4,
        "usergroups.users.list": TIER_2,
    }
)


RATIONED = ("conversations.history", "conversations.replies")
RATION, RATION_S = 15, 60.0
"""Messages a call. Source: docs.slack.dev/changelog/2025/05/29/tos-updates."""


@dataclass(slots=True)
class Rates:
    """The documented rules, `scale` times as generous; `clock` counts seconds.

    A method's minute is a bucket that holds a tenth of it, so a steady flow below the rate passes
    and a burst does not.
    """

    scale: float = 1.0
    clock: Callable[[], float] | None = None
    _buckets: dict[str, "_Bucket"] = field(default_factory=dict)

    def check(self, method: str, channel: str, now: float) -> None:
        """Counts one call; raises Refusal with a Retry-After when it comes too soon."""
        if self.clock is not None:
            now = self.clock()
        waits = []
        per_minute = PER_MINUTE.get(method)
        if per_minute is not None:
            rate = per_minute * self.scale / 60
            waits.append(self._wait(method, rate, max(1.0, per_minute * self.scale / 10), now))
        if method in POSTING:
            waits.append(self._wait(f"post {channel}", self.scale, max(1.0, self.scale), now))
        if (wait := max(waits, default=0.0)) > 0:
            raise Refusal("ratelimited", status=429, retry_after=max(1, math.ceil(wait)))
        for key in (method, f"post {channel}") if method in POSTING else (method,):
            if key in self._buckets:
                self._buckets[key].level -= 1

    def _wait(self, key: str, rate: float, size: float, now: float) -> float:
        bucket = self._buckets.setdefault(key, _Bucket(level=size, at=now))
        bucket.level = min(size, bucket.level + (now - bucket.at) * rate)
        bucket.at = now
        # A hair of a token, so that an exactly paced caller is not refused for rounding.
        return 0.0 if bucket.level >= 1 - 1e-6 else (1 - bucket.level) / rate


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float


@dataclass(slots=True)
class Ration:
    """What an app outside the Marketplace gets of history: one call a minute and method."""

    _read_at: dict[str, float] = field(default_factory=dict)

    def check(self, method: str, now: float) -> None:
        """Counts one call; raises Refusal when it comes too soon."""
        wait = self._read_at.get(method, 0.0) + RATION_S - now
        if wait > 0:
            raise Refusal("ratelimited", status=429, retry_after=math.ceil(wait))
        self._read_at[method] = now
