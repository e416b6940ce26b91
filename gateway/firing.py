"""What comes of running a job from outside: by a person, a script, or a signed request."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """The job runs, or waits its turn; on disk. `fire` is shown as `f12`."""

    fire: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The same key came with the same data before; nothing new was stored."""

    fire: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyConflict:
    """The same key came with other data before; nothing was stored."""

    fire: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSuchJob:
    """There is no job of that name."""

    name: str


Outcome = Fired | Known | KeyConflict | NoSuchJob


class Trigger(Protocol):
    """What runs jobs on demand."""

    async def fire_now(self, name: str, *, key: str | None, data: str | None, by: str) -> Outcome:
        """Run a job now, power-safe when this returns; raises StoreError if nothing was stored.

        The same `key` runs it once in 24 hours. `data` is what the model is shown as a quotation
        and not to be trusted; it picks no chat, session or tool. `by` is a person, or `hook`.
        """
