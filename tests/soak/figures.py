"""Pure: what a run counts, what of it is wrong, and how it is told."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import linear_regression, median

SETTLED_AFTER_S = 15.0
"""A fresh process still loads what it needs; its growth counts from then on."""

SLOPE_FROM_S = 60.0
_OVER = re.compile(r"over (m\d+)\.")
_BEGUN = re.compile(r"This answers ([m\d ]+)\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A process at one moment: seconds since it was ready, resident bytes, open descriptors."""

    at_s: float
    rss: int
    descriptors: int


@dataclass(slots=True, kw_only=True)
class Life:
    """One process from ready to its end."""

    samples: list[Sample] = field(default_factory=list)

    @property
    def slope(self) -> float | None:
        """Growth of resident memory in MiB a minute; None for a life too short to tell."""
        known = [sample for sample in self.samples if sample.at_s >= SETTLED_AFTER_S]
        if not known or known[-1].at_s - known[0].at_s < SLOPE_FROM_S:
            return None
        minutes = [sample.at_s / 60 for sample in known]
        return linear_regression(minutes, [sample.rss / 2**20 for sample in known]).slope


@dataclass(slots=True, kw_only=True)
class Figures:
    """Everything that is counted."""

    said: int = 0
    answered: int = 0
    kills: int = 0
    stops: int = 0
    model_calls: int = 0
    asked: int = 0
    spent: int = 0
    """What people were asked, and what was spent in micro-dollars."""

    lost: set[str] = field(default_factory=set)
    doubles_allowed: set[str] = field(default_factory=set)
    doubles_wrong: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    starts_s: list[float] = field(default_factory=list)
    wal_bytes: int = 0

    @property
    def violations(self) -> list[str]:
        """What must not be."""
        found = [f"lost: {token}" for token in sorted(self.lost)]
        found += [f"stands twice: {what}" for what in sorted(self.doubles_wrong)]
        return found + self.wrong

    def line(self, minute: int) -> str:
        """One line of progress."""
        last = self.lives[-1].samples[-1:] if self.lives else []
        rss = f"{last[0].rss / 2**20:.0f} MiB" if last else "-"
        return (
            f"{minute:4d} min  said {self.said}  answered {self.answered}  kills {self.kills}"
            f"  stops {self.stops}  doubles {len(self.doubles_allowed)} allowed"
            f" {len(self.doubles_wrong)} wrong  rss {rss}  wal {self.wal_bytes / 2**20:.1f} MiB"
        )

    def report(self) -> str:
        """The whole at the end."""
        slopes = [slope for life in self.lives if (slope := life.slope) is not None]
        samples = [sample for life in self.lives for sample in life.samples]
        lines = [
            f"messages said        {self.said}",
            f"messages answered    {self.answered}",
            f"lost                 {len(self.lost)}",
            f"doubles allowed      {len(self.doubles_allowed)}",
            f"doubles not allowed  {len(self.doubles_wrong)}",
            f"model calls          {self.model_calls}",
            f"cards decided        {self.asked}",
            f"spent or held        ${self.spent / 1_000_000:.2f}",
            f"kills (SIGKILL)      {self.kills}",
            f"stops (SIGTERM)      {self.stops}",
            f"slowest start        {max(self.starts_s, default=0):.1f} s",
            f"memory, most         {max((s.rss for s in samples), default=0) / 2**20:.0f} MiB",
            f"memory, slope        {_slope(slopes)}",
            f"descriptors, most    {max((s.descriptors for s in samples), default=0)}",
            f"write-ahead log      {self.wal_bytes / 2**20:.1f} MiB at most",
        ]
        return "\n".join([*lines, *(f"VIOLATION {each}" for each in self.violations)])


def twice(texts: Iterable[str]) -> list[str]:
    """What is said in more than one of the messages: tokens whose answers stand again."""
    ends: Counter[str] = Counter()
    beginnings: Counter[str] = Counter()
    for text in texts:
        ends.update(set(_OVER.findall(text)))
        for tokens in _BEGUN.findall(text):
            beginnings.update(set(tokens.split()))
    return sorted({token for each in (ends, beginnings) for token, n in each.items() if n > 1})


def answer_to(tokens: Sequence[str], *, words: int) -> str:
    """An answer that says whose it is at its beginning and at its end."""
    filler = " ".join(f"word{number}" for number in range(words))
    ends = " ".join(f"over {token}." for token in tokens)
    return f"This answers {' '.join(tokens)}. {filler} {ends}"


def _slope(slopes: Sequence[float]) -> str:
    if not slopes:
        return "no life was long enough to tell"
    return (
        f"{median(slopes):+.2f} MiB/min in the median of {len(slopes)} lives,"
        f" {max(slopes):+.2f} at most"
    )
