"""The time without transport: opened when it is lost, over when everything missed was read back."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from platforms.base import OnGap
from platforms.discord.clock import Clock
from platforms.events import Account, Gap


@dataclass(slots=True, kw_only=True)
class _Open:
    since: datetime
    since_s: float
    cause: str
    recovered: int = 0


class Gaps:
    """At most one gap at a time: what is lost again before the end belongs to the same one."""

    def __init__(
        self, *, account: Account, clock: Clock, on_gap: OnGap | None, share: str = ""
    ) -> None:
        """`share`: of what, where it is not everything."""
        self._account = account
        self._clock = clock
        self._on_gap = on_gap
        self._share = share
        self._open: _Open | None = None

    @property
    def since(self) -> datetime | None:
        """Since when events are missed."""
        return self._open.since if self._open is not None else None

    @property
    def since_s(self) -> float | None:
        """The same in monotonic seconds."""
        return self._open.since_s if self._open is not None else None

    def lose(self, cause: str, heard_at_s: float | None) -> None:
        """The transport is lost; it was last heard at that monotonic second."""
        now_s = self._clock.monotonic()
        at_s = heard_at_s if heard_at_s is not None else now_s
        self._begin(self._clock.now() - timedelta(seconds=now_s - at_s), at_s, cause)

    def lose_before_start(self, since: datetime) -> None:
        """Nothing ran after that moment, as far as is known."""
        age_s = max(0.0, (self._clock.now() - since).total_seconds())
        self._begin(since, self._clock.monotonic() - age_s, "not running")

    def count(self) -> None:
        """A message that was missed is stored."""
        if self._open is not None:
            self._open.recovered += 1

    async def end(self) -> None:
        """Everything is read back."""
        gap, self._open = self._open, None
        if gap is None or self._on_gap is None:
            return
        await self._on_gap(
            Gap(
                account=self._account,
                since=gap.since,
                until=self._clock.now(),
                cause=gap.cause + (f" ({self._share})" if self._share else ""),
                recovered=gap.recovered,
            )
        )

    def _begin(self, since: datetime, since_s: float, cause: str) -> None:
        if self._open is None:
            self._open = _Open(since=since, since_s=since_s, cause=cause)
