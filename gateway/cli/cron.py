"""`gatepost cron next`, and what `check` and `doctor` say of jobs.

The file is what counts, so that a job can be looked at before it is in force. A running gateway
adds what no file tells: jobs made in chats, since when an interval is counted, and what rests.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Never
from zoneinfo import ZoneInfo

from gateway.cli.asking import NotRunning, Refused, ask
from gateway.cli.findings import Fields, Finding
from gateway.cli.place import state_dir
from gateway.cli.status import age
from gateway.cli.tables import print_json, print_table
from gateway.config import ConfigError, CronJob, load
from gateway.config.load import jobs_from
from gateway.config.sources import find_file, read_file, with_environment
from gateway.control_requests import AskJobs
from gateway.errors import GatewayError
from platforms.cron.schedule import Every, Schedule, Slot, parse

COLUMNS = ("job", "fires", "UTC", "in")
COUNT = 5
"""How many times of one job are told unless asked for more."""

COUNTED_ANEW = "counted from now; the gateway will count from when it first sees the job"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """The times a job fires next; none for a hook, and where its only time is over.

    `known` is what a running gateway says of it.
    """

    job: CronJob
    zone: tzinfo
    schedule: Schedule | None
    slots: tuple[Slot, ...]
    known: Fields | None = None

    @property
    def is_over(self) -> bool:
        """Whether its only time has passed."""
        return self.schedule is not None and not self.slots

    @property
    def counts_anew(self) -> bool:
        """Whether its times depend on when it was made, and nobody has told."""
        counts = self.schedule is not None and isinstance(self.schedule.rule, Every)
        return counts and self.known is None

    @property
    def rests(self) -> str:
        """Why it does not fire at these times, empty if it does."""
        if self.known is None or self.known["state"] == "active":
            return ""
        reason, state = str(self.known["reason"]), str(self.known["state"])
        return reason if reason.startswith(state) else f"{state}: {reason}".removesuffix(": ")


def cron_next(config: Path | None, *, job: str | None, count: int | None, as_json: bool) -> int:
    """Print the coming times of one job, or the next of every job; 0."""
    now = datetime.now(UTC)
    running = running_jobs(state_dir(config, os.environ))
    jobs = with_running(jobs_of(config, os.environ), running)
    if job is not None:
        jobs = tuple(each for each in jobs if each[0].name == job) or _unknown(job, jobs)
    wanted = count or (1 if job is None else COUNT)
    found = [coming(each, now=now, count=wanted, known=known) for each, known in jobs]
    if as_json:
        print_json([fields(each) for each in found])
        return 0
    if not found:
        print("there are no jobs; [[cron]] in the configuration makes one")
    if rows := list(table(found, now)):
        print_table(COLUMNS, rows)
    for each in found:
        if said := remark(each):
            print(f"{each.job.name}: {said}")
    return 0


def running_jobs(directory: Path) -> Sequence[Fields]:
    """The jobs of the running gateway; none if none answers."""
    try:
        found: Sequence[Fields] = ask(directory, AskJobs())
    except (NotRunning, Refused):
        return ()
    return found


def with_running(
    jobs: Sequence[CronJob], running: Sequence[Fields]
) -> tuple[tuple[CronJob, Fields | None], ...]:
    """Jobs of the file, each with what the gateway says of the same one, and jobs of chats."""
    by_name = {each["job"]: each for each in running}
    found: list[tuple[CronJob, Fields | None]] = []
    for job in jobs:
        known = by_name.get(job.name)
        same = known is not None and (known["schedule"], known["timezone"]) == (
            job.schedule,
            job.timezone,
        )
        found.append((job, known if same else None))
    for each in running:
        if each["source"] == "chat":
            made = CronJob(
                name=each["job"],
                schedule=each["schedule"],
                timezone=each["timezone"],
                prompt="",
                deliver=each["deliver"],
            )
            found.append((made, each))
    return tuple(found)


def jobs_of(config: Path | None, environ: Mapping[str, str]) -> tuple[CronJob, ...]:
    """The jobs a configuration names, without the secrets of hooks; raises ConfigError.

    No other section is read: whoever asks when a job fires need not have the gateway's tokens in
    their environment.
    """
    from gateway.config.schema import ConfigFile

    file = find_file(config, environ)
    if file is None:
        return ()
    try:
        part, unset = with_environment(_part(tomllib.loads(read_file(file))), environ)
        model = None if unset else ConfigFile.model_validate(part)
    except (ValueError, RecursionError, ConfigError):
        model = None
    if model is None:
        return load(config, environ).cron  # it raises, naming the line
    return jobs_from(model)


def _part(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Jobs, the zone they have unless they name one, and the chats they may name."""
    gateway, jobs, tools = tree.get("gateway", {}), tree.get("cron", []), tree.get("tools", {})
    if isinstance(gateway, dict):
        gateway = {name: gateway[name] for name in gateway if name == "timezone"}
    if isinstance(jobs, list):
        jobs = [_without_secret(entry) if isinstance(entry, dict) else entry for entry in jobs]
    if isinstance(tools, dict):
        tools = {name: tools[name] for name in tools if name == "send_message"}
    named = tree.get("destinations", {})
    return {"gateway": gateway, "cron": jobs, "tools": tools, "destinations": named}


def _without_secret(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != "secret"}


def _unknown(name: str, jobs: Sequence[tuple[CronJob, object]]) -> Never:
    known = ", ".join(each.name for each, _ in jobs)
    raise GatewayError(
        f"there is no job {name}" + (f"; there are: {known}" if known else "; there are none")
    )


def coming(job: CronJob, *, now: datetime, count: int = 1, known: Fields | None = None) -> Coming:
    """When a job fires next, as far as its entry tells and a running gateway knows."""
    zone = UTC if job.timezone == "UTC" else ZoneInfo(job.timezone)
    if job.schedule is None:
        return Coming(job=job, zone=zone, schedule=None, slots=(), known=known)
    created = now if known is None else datetime.fromisoformat(known["since"])
    schedule = parse(job.schedule, zone, created=created)
    slots: list[Slot] = []
    while len(slots) < count:
        slot = schedule.after(slots[-1].at if slots else now)
        if slot is None:
            break
        slots.append(slot)
    return Coming(job=job, zone=zone, schedule=schedule, slots=tuple(slots), known=known)


def table(found: Sequence[Coming], now: datetime) -> Iterator[tuple[str, ...]]:
    """One row a time, the next in front."""
    times = [(slot.at, each) for each in found for slot in each.slots]
    for at, each in sorted(times, key=lambda time: (time[0], time[1].job.name)):
        in_s = (at - now).total_seconds()
        yield each.job.name, shown(at, each.zone), f"{at:%Y-%m-%d %H:%M}", age(in_s)


def shown(at: datetime, zone: tzinfo) -> str:
    """A time as the job's clock shows it: weekday, date, time, and which of two zones it is."""
    seconds = ":%S" if at.second else ""
    return f"{at.astimezone(zone):%a %Y-%m-%d %H:%M{seconds} %Z}"


def fields(each: Coming) -> dict[str, Any]:
    """The same for programs; times in the job's zone and in UTC."""
    return {
        "job": each.job.name,
        "schedule": each.job.schedule,
        "timezone": each.job.timezone,
        "counted_from_now": each.counts_anew,
        "rests": each.rests or None,
        "fires": [
            {
                "local": slot.at.astimezone(each.zone).isoformat(),
                "utc": f"{slot.at:%Y-%m-%dT%H:%M:%SZ}",
                "fold": slot.fold,
            }
            for slot in each.slots
        ],
    }


def remark(each: Coming) -> str:
    """What its times do not say of a job."""
    if each.rests:
        return f"does not fire: {each.rests}"
    if each.schedule is None:
        return f"a hook; requests to /hooks/{each.job.name} run it"
    if each.is_over:
        return f"its only time is over ({each.schedule.text}), so it never fires"
    return COUNTED_ANEW if each.counts_anew else ""


def of_jobs(jobs: Sequence[CronJob], now: datetime) -> Iterator[Finding]:
    """What `doctor` says of every job, and `check` of some."""
    for each in (coming(job, now=now) for job in jobs):
        check = f"job {each.job.name}"
        if each.is_over:
            yield Finding(
                check=check,
                severity="warning",
                finding=remark(each),
                remedy="remove it, or give it another time",
            )
        elif each.schedule is None:
            yield Finding(check=check, finding=f"{remark(each)}, for {each.job.deliver}")
        else:
            at = each.slots[0].at
            yield Finding(
                check=check,
                finding=f"next {shown(at, each.zone)}, in {age((at - now).total_seconds())},"
                f" for {each.job.deliver}",
            )
