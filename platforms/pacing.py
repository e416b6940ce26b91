"""Pure: when an operation may leave, so that a platform's limits are kept by construction.

Theory of operation. A platform's limits are data: budgets, each a bucket per account, per chat
or per group chat that refills at a steady rate and holds a small burst. An operation takes one
token from every budget that covers it. Classes of priority:

    0 presses, forms   1 finals, cards, errors   2 command answers
    3 placeholders     4 stream edits            5 signs of life, reactions

The last fifth of a bucket is for classes 0 to 2 alone: the others leave it in. Class 3 counts as
2 after two seconds of waiting. Classes 4 and 5 leave at once or not at all; they never queue.

Who finds a bucket short has a claim on it: by class, then by age. A token that a better claim
needs is not given to anybody else, so a final is never overtaken by edits, and a refused stream
goes before one that was served since: live streams take turns. A claim that is not taken up in
time lapses. When a platform answers 429 all the same, what it names is closed until
it says: one chat, one kind of operation, or everything. A platform that does so keeps other rates
than it documents, so the buckets of what it named go on at half their rate, and are tried a
quarter faster every ten minutes.

The law: of one bucket, at most `burst + rate_per_s * T` operations leave in any T seconds. So
`burst` is what the platform allows in a window beyond what we use of it. The caller supplies the
time and does the waiting.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["post", "edit", "delete", "upload", "typing", "react", "answer"]

LOW_CLASS_RESERVE = 0.2
"""The part of a burst that classes 3 to 5 leave to the others."""
PROMOTED_AFTER_S = 2.0
STREAMS_MAX_INTERVAL_S = 29.0
"""Beyond this (20 streams of a Slack workspace) only placeholder and final text are shown."""

SLOWED_SHARE, SLOWED_LEAST = 0.5, 1 / 16
"""What a 429 leaves of a bucket's rate, and what any number of them leave."""

SLOWED_ONCE_S = 5.0
"""429s that come closer together than this were under way together, and count as one."""

SLOWED_KNOWN_S = 300.0
"""How long nothing leaves until it is forgotten that a bucket was slowed."""

FASTER, FASTER_EVERY_S = 1.25, 600.0

TOGETHER_S = 2.0
"""Some platforms name no scope: 429s in so short a time in several chats are the account's."""

SLOWED_BY_CHATS, CLOSED_BY_CHATS = 2, 4


_CLAIM_GRACE_S = 1.0  # what a caller may be late
_SHORTEST_WAIT_S = 0.005
_SWEEP_EVERY_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A limit of a platform: `kinds` together at most `rate_per_s`, and `burst` (>= 1) at once.

    `per`: "account" is one bucket; "chat" one for every chat; "group" one for every chat of
    several people, all its threads together.
    """

    kinds: frozenset[Kind]
    per: Literal["account", "chat", "group"]
    rate_per_s: float
    burst: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    rank: tuple[int, float]  # class, then the time since which it waits: the lower goes first
    lapses_at: float


@dataclass(slots=True)
class _Bucket:
    budget: Budget
    tokens: float
    at: float
    claims: dict[Hashable, _Claim] = field(default_factory=dict)
    share: float = 1.0
    """The part of its rate that it has now."""
    slowed_at: float = float("-inf")

    @property
    def rate_per_s(self) -> float:
        return self.budget.rate_per_s * self.share

    @property
    def burst(self) -> float:
        return max(1.0, self.budget.burst * self.share)

    def slow(self, now: float) -> None:
        """Go on at half the rate: the platform keeps another one than it documents."""
        self.tokens = min(self.tokens, 0.0)
        if now - self.slowed_at >= SLOWED_ONCE_S or self.share == 1.0:
            self.share = max(SLOWED_LEAST, SLOWED_SHARE * self.share)
            self.slowed_at = now

    def refill(self, now: float) -> None:
        while self.share < 1.0 and now - self.slowed_at >= FASTER_EVERY_S:
            self.share = min(1.0, FASTER * self.share)
            self.slowed_at += FASTER_EVERY_S
        gained = max(0.0, now - self.at) * self.rate_per_s
        self.tokens = min(self.burst, self.tokens + gained)
        self.at = max(self.at, now)
        for key in [key for key, claim in self.claims.items() if claim.lapses_at < now]:
            del self.claims[key]

    def wait(self, key: Hashable, rank: tuple[int, float]) -> float:
        """Seconds until an operation of this rank finds its token, those ahead of it served."""
        burst = self.burst
        needed = 1.0 if rank[0] <= 2 else min(1.0 + LOW_CLASS_RESERVE * burst, burst)
        ahead = sum(1 for other, claim in self.claims.items() if other != key and claim.rank < rank)
        missing = needed + ahead - self.tokens
        return missing / self.rate_per_s if missing > 1e-9 else 0.0

    def idle_at(self) -> float:
        """When it is full and unclaimed again, so that nothing is lost by forgetting it."""
        remembered_until = self.at + SLOWED_KNOWN_S if self.share < 1.0 else 0.0
        full_at = self.at + (self.burst - self.tokens) / self.rate_per_s
        return max(
            [full_at, remembered_until, *(claim.lapses_at for claim in self.claims.values())]
        )


class Limiter:
    """The buckets of one account. Times are seconds of any clock that only moves forward."""

    def __init__(self, budgets: tuple[Budget, ...]) -> None:
        self._budgets = budgets
        self._buckets: dict[tuple[int, Hashable], _Bucket] = {}
        self._closed: dict[Hashable, float] = {}
        self._refused: dict[Hashable, float] = {}
        """When chats were refused last, within TOGETHER_S."""
        self._interval_s = 0.0
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

        None for classes 4 and 5 that can't leave at once. `since` is when it began to wait, the
        same at every further question; whoever was told to wait asks again after that time.
        """
        key = (kind, chat, priority, None if priority == 4 else since)
        if priority == 3 and now - since >= PROMOTED_AFTER_S:
            priority = 2
        self._sweep(now)
        covering = self._covering(kind, chat, group=group, now=now)
        rank = (priority, self._waits_since(key, covering, since))
        waits = [bucket.wait(key, rank) for bucket in covering]
        wait = max([self._closed_for(kind, chat, now), *waits])
        for bucket, short in zip(covering, waits, strict=True):
            bucket.claims.pop(key, None)
            if not wait:
                bucket.tokens -= 1.0
            elif short and priority <= 4:
                lapses_at = now + self._claim_life(priority, short)
                bucket.claims[key] = _Claim(rank=rank, lapses_at=lapses_at)
        if not wait:
            return 0.0
        return None if priority >= 4 else max(wait, _SHORTEST_WAIT_S)

    def penalise(
        self, kind: Kind, chat: Hashable, *, scope: str, until: float, now: float, group: bool
    ) -> None:
        """Close what a 429 spoke of until then: one "chat", this "method", or the "account"."""
        chats = self._refused_chats(chat, now) if scope == "chat" else 0
        if chats >= CLOSED_BY_CHATS:
            scope = "account"
        place = {"account": "account", "method": ("method", kind)}.get(scope, ("chat", chat))
        self._closed[place] = max(self._closed.get(place, now), until)
        of_account = scope != "chat" or chats >= SLOWED_BY_CHATS
        for bucket in self._covering(kind, chat, group=group, now=now):
            if (bucket.budget.per == "account") == of_account:
                bucket.slow(now)

    def _refused_chats(self, chat: Hashable, now: float) -> int:
        """How many chats were refused just now, this one among them."""
        self._refused[chat] = now
        just_now = {each: at for each, at in self._refused.items() if now - at <= TOGETHER_S}
        self._refused = just_now
        return len(just_now)

    def stream_interval(self, base: float, *, streams: int) -> float | None:
        """Seconds between two edits of one growing message when so many grow at once.

        None when there are too many to show any: placeholder and final text only.
        """
        shared = [
            streams / self._rate_per_s(number)
            for number, budget in enumerate(self._budgets)
            if budget.per == "account" and "edit" in budget.kinds
        ]
        self._interval_s = max([base, *shared])
        shown = self._interval_s <= max(base, STREAMS_MAX_INTERVAL_S)
        return self._interval_s if shown else None

    def _rate_per_s(self, number: int) -> float:
        """What a budget of the account gives now."""
        bucket = self._buckets.get((number, None))
        return self._budgets[number].rate_per_s if bucket is None else bucket.rate_per_s

    def _claim_life(self, priority: int, wait: float) -> float:
        """A stream comes again after its interval, everybody else when told."""
        return (self._interval_s if priority == 4 else wait) + _CLAIM_GRACE_S

    def _waits_since(self, key: Hashable, covering: list[_Bucket], since: float) -> float:
        claims = [bucket.claims[key] for bucket in covering if key in bucket.claims]
        return min((claim.rank[1] for claim in claims), default=since)

    def _closed_for(self, kind: Kind, chat: Hashable, now: float) -> float:
        places = ("account", ("method", kind), ("chat", chat))
        return max(0.0, *(self._closed.get(place, now) - now for place in places))

    def _covering(self, kind: Kind, chat: Hashable, *, group: bool, now: float) -> list[_Bucket]:
        found = []
        for number, budget in enumerate(self._budgets):
            if kind not in budget.kinds or (budget.per == "group" and not group):
                continue
            key = (number, None if budget.per == "account" else chat)
            bucket = self._buckets.get(key)
            if bucket is None:
                bucket = _Bucket(budget=budget, tokens=budget.burst, at=now)
                self._buckets[key] = bucket
            bucket.refill(now)
            found.append(bucket)
        return found

    def _sweep(self, now: float) -> None:
        """Forget what is as if it had never been used, so that quiet chats cost no memory."""
        if now - self._swept_at < _SWEEP_EVERY_S:
            return
        self._swept_at = now
        self._closed = {place: until for place, until in self._closed.items() if until > now}
        self._buckets = {
            key: bucket for key, bucket in self._buckets.items() if bucket.idle_at() > now
        }
