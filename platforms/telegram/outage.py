"""Pure: one time without completed polls, and whether it is worth telling.

It lasts from the last poll that completed to the first one after it that finds nothing waiting:
only then everything Telegram kept meanwhile has been stored.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from platforms.events import Account, Gap
from platforms.telegram.limits import QUEUE_LIFE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A point in time: monotonic seconds of this process, and what the wall clock said."""

    at: float
    wall: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A time without transport that is not over.

    `recovered` counts messages of that time stored since it ended, None where none come back.
    `deaf`: polls were answered but brought nothing that waited, so an empty poll proves nothing.
    """

    since: Moment
    cause: str
    deaf: bool = False
    recovered: int | None = 0

    def stored(self, messages: int) -> "Outage":
        """The outage after so many more messages of its time were stored."""
        recovered = None if self.recovered is None else self.recovered + messages
        return replace(self, deaf=False, recovered=recovered)

    def gap(self, account: Account, until: Moment, *, shortest_s: float) -> Gap | None:
        """What to tell of it at its end; None if it was too short to matter.

        The longer clock counts: the monotonic one stands still while a machine sleeps, the other
        one may be set. Beyond the life of Telegram's queue what was missed is lost.
        """
        wall = max(self.since.wall, until.wall)
        lasted = max(wall - self.since.wall, timedelta(seconds=until.at - self.since.at))
        if lasted.total_seconds() <= shortest_s:
            return None
        return Gap(
            account=account,
            since=self.since.wall,
            until=wall,
            cause=self.cause,
            recovered=None if lasted.total_seconds() > QUEUE_LIFE_S else self.recovered,
        )
