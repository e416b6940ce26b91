"""`gatepost cron list, add, pause, resume, run, remove`: jobs of the running gateway."""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from gateway.cli.asking import ask
from gateway.cli.cron import shown
from gateway.cli.place import state_dir
from gateway.cli.tables import print_json, print_table
from gateway.control_requests import AddJob, AskJobs, ChangeJob

COLUMNS = ("job", "schedule", "next", "for", "last")

Fields = Mapping[str, Any]


def list_jobs(config: Path | None, *, as_json: bool) -> int:
    """Print every job; 0."""
    found: list[Fields] = ask(state_dir(config, os.environ), AskJobs())
    if as_json:
        print_json(found)
    elif not found:
        print(
            "There are no jobs; [[cron]] in the configuration, or `gatepost cron add`, makes one."
        )
    else:
        print_table(COLUMNS, list(rows(found)))
    return 0


def change_job(
    config: Path | None, *, verb: Literal["pause", "resume", "remove"], name: str
) -> int:
    """Pause, resume or remove a job; 0."""
    print(ask(state_dir(config, os.environ), ChangeJob(verb=verb, name=name)))
    return 0


def add_job(
    config: Path | None, *, schedule: str, prompt: str, deliver: str, name: str, timezone: str
) -> int:
    """Make a job; 0."""
    request = AddJob(
        name=name, schedule=schedule, timezone=timezone, prompt=prompt, deliver=deliver
    )
    print(ask(state_dir(config, os.environ), request))
    return 0


def rows(found: Sequence[Fields]) -> Iterator[tuple[str, ...]]:
    """One row a job."""
    for job in found:
        yield (
            job["job"],
            f"{job['schedule'] or 'hook'} ({job['timezone']})",
            _next(job),
            job["deliver"],
            _last(job["fires"]),
        )


def _next(job: Fields) -> str:
    if job["state"] != "active":
        reason = str(job["reason"])
        if not reason or reason.startswith(job["state"]):
            return reason or str(job["state"])
        return f"{job['state']}: {reason}"
    if job["next"] is None:
        return "when asked"
    return shown(datetime.fromisoformat(job["next"]), _zone(job["timezone"]))


def _last(fires: Sequence[Fields]) -> str:
    if not fires:
        return "-"
    last = fires[0]
    why = f" ({last['reason']})" if last["reason"] else ""
    return f"{last['fire']} {last['state'].replace('_', ' ')}{why}"


def _zone(name: str) -> tzinfo:
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (KeyError, OSError):
        return UTC
