"""What the loopback Hub holds: people and organisations, jobs, schedules, repositories.

Time stands still until somebody moves it: a job costs what its start and finish say.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

FINAL = ("COMPLETED", "CANCELED", "ERROR", "DELETED")
SANDBOX_PORT = 49983


class Refusal(Exception):
    """An answer that says no; `code` is the Hub's X-Error-Code."""

    def __init__(self, status: int, text: str, code: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.code = code


class Clock:
    """A clock that is moved by hand."""

    def __init__(self, start: datetime = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)) -> None:
        self.now = start

    def advance(self, **span: float) -> datetime:
        """Move it by what a timedelta takes."""
        self.now += timedelta(**span)
        return self.now


@dataclass(kw_only=True)
class Account:
    """A person with a token; `orgs` are the organisations and the role in each."""

    name: str
    token: str
    orgs: dict[str, str] = field(default_factory=dict)
    id: str = ""

    def may_write(self, namespace: str) -> bool:
        """Whether the person may create things below a name."""
        return namespace == self.name or self.orgs.get(namespace) in ("write", "admin")

    def may_read(self, namespace: str) -> bool:
        """Whether the person is that account or belongs to it."""
        return namespace == self.name or namespace in self.orgs


@dataclass(kw_only=True)
class Flavor:
    """A size in the catalogue; `cost_micro_usd` per `unit`."""

    name: str
    pretty: str
    cost_micro_usd: Any
    unit: str = "minute"
    cost_usd: float | None = None

    def shown(self) -> dict[str, Any]:
        """The size as the catalogue's JSON has it."""
        cost = self.cost_micro_usd / 1e6 if self.cost_usd is None else self.cost_usd
        return {
            "name": self.name,
            "prettyName": self.pretty,
            "cpu": "2 vCPU",
            "ram": "16 GB",
            "ephemeralStorage": "50 GB",
            "accelerator": None,
            "unitCostMicroUSD": self.cost_micro_usd,
            "unitCostUSD": cost,
            "unitLabel": self.unit,
        }


def default_flavors() -> dict[str, Flavor]:
    """Some of the sizes of the Jobs documentation."""
    sizes = (
        ("cpu-basic", "CPU Basic", 167),
        ("cpu-upgrade", "CPU Upgrade", 500),
        ("t4-small", "Nvidia T4 - small", 6_667),
        ("l4x1", "1x Nvidia L4", 13_334),
        ("a100-large", "Nvidia A100 - large", 41_667),
    )
    return {name: Flavor(name=name, pretty=pretty, cost_micro_usd=c) for name, pretty, c in sizes}


@dataclass(kw_only=True)
class Job:
    """A job; `spec` is what was posted."""

    id: str
    owner: str
    by: str
    spec: Mapping[str, Any]
    created: datetime
    started: datetime | None = None
    finished: datetime | None = None
    stage: str = "SCHEDULING"
    message: str | None = None
    initiator: Mapping[str, str] = field(default_factory=dict)
    logs: list[tuple[datetime, str]] = field(default_factory=list)
    listed: bool = True
    cancels: int = 0

    @property
    def labels(self) -> dict[str, str]:
        """The labels it was posted with."""
        return dict(self.spec.get("labels") or {})


@dataclass(kw_only=True)
class Schedule:
    """A scheduled job."""

    id: str
    owner: str
    by: str
    spec: Mapping[str, Any]
    schedule: str
    created: datetime
    suspend: bool = False
    concurrency: bool = False
    last: Job | None = None


@dataclass(kw_only=True)
class Commit:
    """A state of a repository's files."""

    id: str
    title: str
    message: str
    at: datetime
    files: Mapping[str, bytes]


@dataclass(kw_only=True)
class Discussion:
    """A discussion or pull request."""

    num: int
    title: str
    author: str
    at: datetime
    is_pr: bool
    status: str
    events: list[dict[str, Any]] = field(default_factory=list)
    merged: str = ""


@dataclass(kw_only=True)
class Repo:
    """A repository with its branches (newest commit last), tags and discussions."""

    kind: str
    id: str
    visibility: str
    branches: dict[str, list[Commit]]
    tags: dict[str, str] = field(default_factory=dict)
    discussions: list[Discussion] = field(default_factory=list)
    gated: Any = False

    @property
    def private(self) -> bool:
        """Whether strangers can't see it."""
        return self.visibility == "private"

    @property
    def namespace(self) -> str:
        """The account it belongs to."""
        return self.id.split("/")[0]

    @property
    def head(self) -> Commit:
        """The newest commit of the main branch."""
        return self.branches["main"][-1]

    def at(self, revision: str) -> Commit:
        """The commit a branch, tag or id names."""
        if revision in self.branches:
            return self.branches[revision][-1]
        wanted = self.tags.get(revision, revision)
        for commit in itertools.chain(*self.branches.values()):
            if commit.id == wanted:
                return commit
        if wanted.startswith("refs/pr/"):
            return self.head
        raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")


class World:
    """Everything on the Hub, and what people and time do to it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.accounts: dict[str, Account] = {}
        self.flavors = default_flavors()
        self.raw_catalogue: Any = None
        self.jobs: dict[str, Job] = {}
        self.schedules: dict[str, Schedule] = {}
        self.repos: dict[tuple[str, str], Repo] = {}
        self.page_size = 100
        self.lag_listing = False
        self.empty_listing = False
        self.ignore_cancel = False
        self.on_listing: Callable[[], None] | None = None
        self._numbers = itertools.count(1)

    def person(self, name: str, token: str, orgs: Mapping[str, str] | None = None) -> Account:
        """Make an account."""
        account = Account(name=name, token=token, orgs=dict(orgs or {}), id=self.new_id(name))
        self.accounts[token] = account
        return account

    def new_id(self, about: str = "") -> str:
        """Return 24 hexadecimal digits."""
        return hashlib.sha256(f"{about}:{next(self._numbers)}".encode()).hexdigest()[:24]

    # jobs

    def launch(
        self, owner: str, by: str, spec: Mapping[str, Any], initiator: Mapping[str, str]
    ) -> Job:
        """Make a job, which waits for its machine."""
        job = Job(
            id=self.new_id("job"),
            owner=owner,
            by=by,
            spec=spec,
            created=self.clock.now,
            initiator=initiator,
            listed=not self.lag_listing,
        )
        self.jobs[job.id] = job
        return job

    def start(self, job: Job) -> None:
        """The machine is there."""
        job.stage, job.started = "RUNNING", self.clock.now
        job.logs.append((self.clock.now, f"===== Job started at {self.clock.now:%H:%M} ====="))

    def say(self, job: Job, *lines: str) -> None:
        """The job prints something."""
        job.logs.extend((self.clock.now, line) for line in lines)

    def finish(self, job: Job, stage: str = "COMPLETED", message: str | None = None) -> None:
        """The job ends now."""
        job.stage, job.finished, job.message = stage, self.clock.now, message

    def cancel(self, job: Job) -> None:
        """Somebody wants its end."""
        job.cancels += 1
        if job.stage in FINAL:
            raise Refusal(409, f"Job is already in a final state ({job.stage}).")
        if not self.ignore_cancel:
            self.finish(job, "CANCELED")

    def settle_listing(self) -> None:
        """The listing has caught up."""
        for job in self.jobs.values():
            job.listed = True

    def listing(self, owner: str) -> Iterator[Job]:
        """The jobs the listing knows of, newest first."""
        found = [j for j in self.jobs.values() if j.owner == owner and j.listed]
        yield from () if self.empty_listing else reversed(found)

    def fire(self, schedule: Schedule) -> Job:
        """A schedule runs once."""
        running = schedule.last is not None and schedule.last.stage not in FINAL
        if running and not schedule.concurrency:
            raise Refusal(409, "An instance of this scheduled job is already running.")
        initiator = {"type": "scheduled-job", "id": schedule.id}
        schedule.last = self.launch(schedule.owner, schedule.by, schedule.spec, initiator)
        return schedule.last

    # repositories

    def repo(
        self, kind: str, repo_id: str, *, private: bool = False, files: Mapping[str, bytes] = {}
    ) -> Repo:
        """Make a repository with one commit."""
        visibility = "private" if private else "public"
        first = self._commit("initial commit", "", dict(files))
        made = Repo(kind=kind, id=repo_id, visibility=visibility, branches={"main": [first]})
        self.repos[kind, repo_id] = made
        return made

    def commit(
        self, repo: Repo, branch: str, title: str, message: str, files: Mapping[str, bytes]
    ) -> Commit:
        """Add a commit to a branch."""
        made = self._commit(title, message, files)
        repo.branches[branch].append(made)
        return made

    def discuss(self, repo: Repo, title: str, text: str, author: str, *, is_pr: bool) -> Discussion:
        """Open a discussion or a (draft) pull request."""
        made = Discussion(
            num=len(repo.discussions) + 1,
            title=title,
            author=author,
            at=self.clock.now,
            is_pr=is_pr,
            status="draft" if is_pr else "open",
        )
        repo.discussions.append(made)
        self.event(made, "comment", author, comment(text))
        return made

    def event(
        self, discussion: Discussion, kind: str, author: str, data: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Add something to a discussion."""
        made = {
            "id": self.new_id("event"),
            "type": kind,
            "createdAt": stamp(self.clock.now),
            "author": {"name": author},
            "data": dict(data),
        }
        discussion.events.append(made)
        return made

    def _commit(self, title: str, message: str, files: Mapping[str, bytes]) -> Commit:
        digest = hashlib.sha1(repr((title, next(self._numbers))).encode()).hexdigest()
        return Commit(id=digest, title=title, message=message, at=self.clock.now, files=dict(files))


def comment(text: str) -> dict[str, Any]:
    """The data of a comment event."""
    return {"edited": False, "hidden": False, "latest": {"raw": text}}


def stamp(at: datetime) -> str:
    """A time as the Hub writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
