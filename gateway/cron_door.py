"""What comes of asking for a run of a job from outside of its schedule."""

from dataclasses import dataclass
from typing import Protocol

WAITING_MAX = 100
"""Runs of one job that may wait for each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """It is stored, and begins as soon as it may. People write the number `f12`."""

    fire: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The same request came before, in the last 24 hours; this is what it made."""

    fire: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyConflict:
    """The key of the request came before with other data; nothing was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedBefore:
    """The signed request came with another key before; nothing was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSuchJob:
    """No job has this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TooMany:
    """So many runs of the job wait that no further one is taken; nothing was done."""


FireOutcome = Fired | Known | KeyConflict | SignedBefore | NoSuchJob | TooMany


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What tells a signed request from others, and how long (us since 1970) its signature holds."""

    digest: str
    good_until: int


class CronDoor(Protocol):
    """Where runs are asked for; fulfilled by `gateway.cron.Cron`."""

    async def fire_now(
        self,
        name: str,
        *,
        by: str,
        key: str | None = None,
        data: str = "",
        signed: Signed | None = None,
        though_paused: bool = True,
    ) -> FireOutcome:
        """Store a fire of its own (D2). Raises StoreError when it can't be stored.

        `by` is who asks, for people. `data` is text that the model is given as quoted words of
        nobody; it taints the turn. `key` is known for 24 hours; what is `signed` is good for the
        one it came with. A paused job runs only `though_paused`, as when a person asks; else the
        fire is stored as skipped.
        """
        ...
