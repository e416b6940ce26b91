"""Times without transport: when they began, when they were over, whether they are read back.

lost --begin--> open --end--> unread --next--> being read --done--> gone
                 rate notice ---^                  '--- next, after a broken read ---> unread

What is missed while another gap still waits to be read joins it. Nothing here survives the
process: what an earlier one missed is known by the marks it left.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from platforms.slack.places import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """A time whose events did not come. `marks`: how far each place was stored before it."""

    since: datetime
    until: datetime
    cause: str
    marks: Mapping[Place, str] = field(default_factory=dict)

    def joined(self, other: "Missed") -> "Missed":
        """Both times and all between them."""
        return replace(
            self,
            since=min(self.since, other.since),
            until=max(self.until, other.until),
            marks={**other.marks, **self.marks},
        )


class Gaps:
    """The gaps of one account, for one reader."""

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self._now = now
        self._open: Missed | None = None
        self._unread: Missed | None = None
        self._reading: Missed | None = None
        self._changed = asyncio.Event()

    @property
    def since(self) -> datetime | None:
        """The beginning of the earliest gap that is not read back."""
        gaps = (self._open, self._unread, self._reading)
        return min((gap.since for gap in gaps if gap is not None), default=None)

    def begin(
        self, cause: str, *, since: datetime, marks: Mapping[Place, str] | None = None
    ) -> None:
        """The transport is gone since then; an open gap goes on."""
        gap = Missed(since=since, until=since, cause=cause, marks=marks or {})
        self._open = gap if self._open is None else self._open.joined(gap)

    def end(self) -> None:
        """The transport is back."""
        if self._open is not None:
            self.add(replace(self._open, until=max(self._open.since, self._now())))
            self._open = None

    def add(self, missed: Missed) -> None:
        """A gap whose end is known; it may lie ahead."""
        self._unread = missed if self._unread is None else self._unread.joined(missed)
        self._changed.set()

    async def next(self, sleep: Callable[[float], Awaitable[None]]) -> Missed:
        """Wait for a gap that is over; it is being read until `done`."""
        if self._reading is not None:
            self.add(self._reading)
            self._reading = None
        while True:
            await self._changed.wait()
            if self._unread is None:
                self._changed.clear()
            elif (wait := (self._unread.until - self._now()).total_seconds()) > 0:
                await sleep(wait)
            else:
                self._reading, self._unread = self._unread, None
                return self._reading

    def done(self) -> None:
        """The gap given last is read back, as far as it can be."""
        self._reading = None
