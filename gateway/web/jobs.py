"""What the page of jobs shows, and the book it asks: the gateway fulfils `JobBook`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """A run of a job: what became of it, and why where that needs saying. `missed` went with it."""

    fire: str
    at: datetime
    state: str
    reason: str = ""
    missed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSheet:
    """A job; every time is by its own clock.

    `schedule` is empty for one that only requests run. `rests` says why it does not fire, empty if
    it does. `runs` are the last ones, the newest first; `maker` is empty for one of the file.
    """

    name: str
    schedule: str
    zone: str
    deliver: str
    prompt: str
    rests: str = ""
    maker: str = ""
    upcoming: tuple[datetime, ...] = ()
    runs: tuple[JobRun, ...] = ()


class JobBook(Protocol):
    """The jobs, as the page knows them. `by` is a person as configuration writes them."""

    async def jobs(self, *, by: str) -> tuple[JobSheet, ...]:
        """Every job by its name, as far as `by` may see it.

        May raise StoreError while the store can't be read: the page says so.
        """
