"""The share of a bot's guilds that one connection of the gateway serves.

Theory of operation. Discord says how many connections a bot needs, one for at most 2,500 guilds. A
guild belongs to the shard that its id names, direct messages to the first. Each shard has a
session, a gap and a back-fill of its own: what is lost on one is resumed or read back for its
guilds alone, while the others go on. Their frames meet in one backlog, their calls in one pace.
How many there are is asked once a process, for another number would share the guilds out anew.
Source: "Sharding" of the gateway.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from platforms.discord.backfill import Backfill
from platforms.discord.clock import Clock
from platforms.discord.gaps import Gaps


def shard_of(guild: str | None, shards: int) -> int:
    """Which of so many shards is told of a guild; of direct messages the first."""
    return (int(guild) >> 22) % shards if guild is not None else 0


@dataclass(slots=True, kw_only=True, eq=False)
class Shard:
    """One of them; `last_frame_at` in monotonic seconds."""

    gaps: Gaps
    backfill: Backfill
    connected: bool = False
    last_frame_at: float | None = None

    def lose(self, cause: str) -> None:
        """Its transport is lost."""
        self.connected = False
        self.backfill.lose()
        if self.last_frame_at is not None:
            self.gaps.lose(cause, self.last_frame_at)


def connected(shards: Sequence[Shard]) -> bool:
    """Whether everything that happens is told to us."""
    return bool(shards) and all(shard.connected for shard in shards)


def last_frame_at(shards: Sequence[Shard]) -> float | None:
    """When the one that has been silent longest was heard; None while one never was."""
    heard = [shard.last_frame_at for shard in shards if shard.last_frame_at is not None]
    return min(heard) if heard and len(heard) == len(shards) else None


def gap_since(shards: Sequence[Shard]) -> float | None:
    """Since when something is missed, in monotonic seconds."""
    return min((s for shard in shards if (s := shard.gaps.since_s) is not None), default=None)


class IdentifyGate:
    """Who may begin a session: one IDENTIFY after the other over all shards.

    Discord lets some through side by side, by `max_concurrency`; one at a time is always right.
    Source: "Rate Limiting" of the gateway.
    """

    def __init__(self, *, wait_s: float, clock: Clock) -> None:
        self.wait_s = wait_s
        self._clock = clock
        self._identified_at: float | None = None
        self._turn = asyncio.Lock()

    async def take(self, apart_s: float = 0.0) -> None:
        """Return when it is this one's turn, and no sooner than in `apart_s`."""
        async with self._turn:
            wait_s = max(apart_s, self._due_in_s())
            while wait_s > 0:
                await self._clock.sleep(wait_s)
                wait_s = self._due_in_s()
            self.note()

    def note(self) -> None:
        """An IDENTIFY goes out now."""
        self._identified_at = self._clock.monotonic()

    def _due_in_s(self) -> float:
        if self._identified_at is None:
            return 0.0
        return self._identified_at + self.wait_s - self._clock.monotonic()
