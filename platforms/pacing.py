"""Pure: when an operation may leave, so that a platform's limits are kept by construction.

Theory of operation. A platform's limits are data: budgets, each a bucket per account, per chat
or per group chat that refills at a steady rate and holds a small burst. An operation takes one
token from every budget that covers it. Classes of priority:

    0 presses, forms   1 finals, cards, errors   2 command answers
    3 placeholders     4 stream edits            5 signs of life, reactions

A fifth of every budget is for classes 0 to 2 alone: the others pay 1.25 tokens. Class 3 counts
as 2 after two seconds of waiting. Classes 4 and 5 leave at once or not at all; they never queue.
When a platform answers 429 all the same, the bucket it names is closed until it says.
The caller supplies the time and does the waiting.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["post", "edit", "delete", "upload", "typing", "react", "answer"]

LOW_CLASS_COST = 1.25
PROMOTED_AFTER_S = 2.0
STREAMS_MAX_INTERVAL_S = 28.0
"""Beyond this only the placeholder and the final text are shown."""

_SHORTEST_WAIT_S = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A limit of a platform: `kinds` together at most `rate_per_s`, and `burst` at once.

    `per`: "account" is one bucket; "chat" one for every chat; "group" one for every chat of
    several people, all its threads together.
    """

    kinds: frozenset[Kind]
    per: Literal["account", "chat", "group"]
    rate_per_s: float
    burst: float = 1.0


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float
    closed_until: float = 0.0


class Limiter:
    """The buckets of one account. Times are seconds of any clock that only moves forward."""

    def __init__(self, budgets: tuple[Budget, ...]) -> None:
        self._budgets = budgets
        self._buckets: dict[tuple[int, Hashable], _Bucket] = {}
        self._closed_until = 0.0
        self._swept_at = 0.0

    def admit(
        self,
        kind: Kind,
        chat: Hashable,
        *,
        group: bool,
        priority: int,
        since: float,
        now: float,
    ) -> float | None:
        """Say when an operation may leave: 0 now (its tokens are taken), else seconds to wait.

        None for classes 4 and 5 that can't leave at once. `since` is when it began to wait.
        """
        if priority == 3 and now - since >= PROMOTED_AFTER_S:
            priority = 2
        cost = 1.0 if priority <= 2 else LOW_CLASS_COST
        self._sweep(now)
        wait = max(0.0, self._closed_until - now)
        covering = self._covering(kind, chat, group=group, now=now)
        for budget, bucket in covering:
            wait = max(wait, bucket.closed_until - now)
            missing = min(cost, _capacity(budget)) - bucket.tokens
            if missing > 1e-9:
                wait = max(wait, missing / budget.rate_per_s)
        if wait <= 0:
            for _, bucket in covering:
                bucket.tokens -= cost
            return 0.0
        return None if priority >= 4 else max(wait, _SHORTEST_WAIT_S)

    def penalise(
        self, kind: Kind, chat: Hashable, *, scope: str, group: bool, until: float, now: float
    ) -> None:
        """Close what a 429 spoke of until then: one chat, this kind of operation, or all."""
        if scope == "account":
            self._closed_until = max(self._closed_until, until)
            return
        for budget, bucket in self._covering(kind, chat, group=group, now=now):
            if scope == "method" or budget.per != "account":
                bucket.closed_until = max(bucket.closed_until, until)

    def stream_interval(self, base: float, *, streams: int) -> float | None:
        """Seconds between two edits of one growing message when so many grow at once.

        None when there are too many to show any: placeholder and final text only.
        """
        shared = [
            streams / budget.rate_per_s
            for budget in self._budgets
            if budget.per == "account" and "edit" in budget.kinds
        ]
        interval = max([base, *shared])
        return None if interval > max(base, STREAMS_MAX_INTERVAL_S) else interval

    def _covering(
        self, kind: Kind, chat: Hashable, *, group: bool, now: float
    ) -> list[tuple[Budget, _Bucket]]:
        found = []
        for number, budget in enumerate(self._budgets):
            if kind not in budget.kinds or (budget.per == "group" and not group):
                continue
            key = (number, None if budget.per == "account" else chat)
            bucket = self._buckets.get(key)
            if bucket is None:
                bucket = _Bucket(tokens=_capacity(budget), at=now)
                self._buckets[key] = bucket
            refilled = bucket.tokens + max(0.0, now - bucket.at) * budget.rate_per_s
            bucket.tokens = min(_capacity(budget), refilled)
            bucket.at = now
            found.append((budget, bucket))
        return found

    def _sweep(self, now: float) -> None:
        """Forget buckets that are full again, so that quiet chats cost no memory."""
        if now - self._swept_at < 60.0:
            return
        self._swept_at = now
        for key, bucket in tuple(self._buckets.items()):
            budget = self._budgets[key[0]]
            full_at = bucket.at + (_capacity(budget) - bucket.tokens) / budget.rate_per_s
            if max(full_at, bucket.closed_until) < now:
                del self._buckets[key]


def _capacity(budget: Budget) -> float:
    """A bucket holds its burst, and at least what one operation of a low class costs."""
    return max(budget.burst, LOW_CLASS_COST)
