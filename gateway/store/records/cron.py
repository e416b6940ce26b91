"""Jobs of the clock. What they did is in `fires`.

active --> paused (by people, by failures, or its chat is gone) --> active
   |---> over       its only time has come
   '---> removed    nothing of it fires any more; its past stays for a while
"""

from dataclasses import dataclass
from typing import Literal

import orjson

from gateway.store.base import Row, Tx
from gateway.store.records.cards import Card

JobSource = Literal["config", "chat"]
JobState = Literal["active", "paused", "over", "removed"]
Missed = Literal["skip", "once", "all"]
Overlap = Literal["skip", "queue"]
JobSession = Literal["fresh", "job", "chat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a job is, whoever wrote it; an edit is another value.

    `schedule` is empty for one that is only run from outside. `zone` is a name. `approver` is a
    chat or person that gets its cards, empty for nobody.
    """

    schedule: str
    zone: str
    prompt: str
    deliver: str
    missed: Missed = "skip"
    overlap: Overlap = "skip"
    session: JobSession = "fresh"
    approver: str = ""

    def to_json(self) -> str:
        """Write every field."""
        return orjson.dumps({name: getattr(self, name) for name in self.__slots__}).decode()

    @classmethod
    def from_json(cls, text: str) -> "Definition":
        """Read what `to_json` wrote."""
        return cls(**orjson.loads(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job; times in microseconds since 1970.

    `since` is when it was written as it is, `next_at` and `next_fold` are its next slot.
    """

    name: str
    source: JobSource
    definition: Definition
    since: int
    maker: str = ""
    maker_name: str = ""
    account: str = ""
    state: JobState = "active"
    reason: str = ""
    next_at: int | None = None
    next_fold: int = 0
    failures: int = 0


_SELECT = (
    "SELECT name, source, definition, since, maker, maker_name, account, state, reason, next_at,"
    " next_fold, failures FROM cron_job"
)


def put(tx: Tx, job: Job) -> None:
    """Store a job whole, in place of the one of its name."""
    tx.run(
        "INSERT INTO cron_job (name, source, definition, since, maker, maker_name, account, state,"
        " reason, next_at, next_fold, failures) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET source = excluded.source,"
        " definition = excluded.definition, since = excluded.since, maker = excluded.maker,"
        " maker_name = excluded.maker_name, account = excluded.account, state = excluded.state,"
        " reason = excluded.reason, next_at = excluded.next_at, next_fold = excluded.next_fold,"
        " failures = excluded.failures",
        job.name,
        job.source,
        job.definition.to_json(),
        job.since,
        job.maker,
        job.maker_name,
        job.account,
        job.state,
        job.reason,
        job.next_at,
        job.next_fold,
        job.failures,
    )


def get(tx: Tx, name: str) -> Job | None:
    """One job, in whatever state."""
    row = tx.row(_SELECT + " WHERE name = ?", name)
    return _job(row) if row else None


def any_kept(tx: Tx) -> bool:
    """Whether anything is kept of any job, removed ones too."""
    return tx.row("SELECT 1 FROM cron_job LIMIT 1") is not None


def every(tx: Tx) -> tuple[Job, ...]:
    """Every job that is not removed, by name."""
    return tuple(_job(row) for row in tx.rows(_SELECT + " WHERE state <> 'removed' ORDER BY name"))


def approver_of(tx: Tx, card: Card) -> str:
    """Whom the job names that a card is asked for; empty for a card of people."""
    return "" if card.requester else approver_of_turn(tx, card.turn_id)


def approver_of_turn(tx: Tx, turn_id: int) -> str:
    """Whom the job names that a turn was opened for; empty where no job did."""
    row = tx.row(
        "SELECT cron_job.definition FROM cron_fire JOIN cron_job ON cron_job.name = cron_fire.job"
        " WHERE cron_fire.turn_id = ?",
        turn_id,
    )
    return Definition.from_json(row[0]).approver if row else ""


def due(tx: Tx, *, now: int, limit: int) -> tuple[Job, ...]:
    """Jobs whose next slot has come, the oldest first."""
    rows = tx.rows(
        _SELECT + " WHERE next_at IS NOT NULL AND next_at <= ? ORDER BY next_at LIMIT ?",
        now,
        limit,
    )
    return tuple(_job(row) for row in rows)


def next_slot(tx: Tx) -> int | None:
    """When the next slot of all comes."""
    row = tx.row("SELECT MIN(next_at) FROM cron_job WHERE next_at IS NOT NULL")
    return row[0] if row else None


def move_on(tx: Tx, name: str, *, at: int, fold: int, next_at: int | None, next_fold: int) -> bool:
    """Go from one slot to the next; False if somebody did already, or the job was changed."""
    changed = tx.run(
        "UPDATE cron_job SET next_at = ?, next_fold = ? WHERE name = ? AND next_at = ?"
        " AND next_fold = ? AND state IN ('active', 'paused')",
        next_at,
        next_fold,
        name,
        at,
        fold,
    )
    return changed == 1


def end(tx: Tx, name: str) -> None:
    """A job without another slot is over."""
    tx.run("UPDATE cron_job SET state = 'over' WHERE name = ? AND state = 'active'", name)


def remove(tx: Tx, name: str) -> None:
    """A job fires no more; its past is kept until that is old."""
    tx.run("UPDATE cron_job SET state = 'removed', next_at = NULL WHERE name = ?", name)


def removed(tx: Tx) -> tuple[str, ...]:
    """The names of removed jobs."""
    rows = tx.rows("SELECT name FROM cron_job WHERE state = 'removed' ORDER BY name")
    return tuple(str(name) for (name,) in rows)


def forget(tx: Tx, name: str) -> None:
    """Let go of a removed job whose past is gone."""
    tx.run(
        "DELETE FROM cron_job WHERE name = ? AND state = 'removed'"
        " AND NOT EXISTS (SELECT 1 FROM cron_fire WHERE cron_fire.job = cron_job.name)",
        name,
    )


def pause(tx: Tx, name: str, reason: str) -> bool:
    """Pause a job; False if it was not active."""
    changed = tx.run(
        "UPDATE cron_job SET state = 'paused', reason = ? WHERE name = ? AND state = 'active'",
        reason,
        name,
    )
    return changed == 1


def count_failures(tx: Tx, name: str, failures: int) -> None:
    """How many fires of a job have failed in a row."""
    tx.run("UPDATE cron_job SET failures = ? WHERE name = ?", failures, name)


def settle_account(tx: Tx, name: str, account: str) -> None:
    """Through which account a job answers."""
    tx.run("UPDATE cron_job SET account = ? WHERE name = ?", account, name)


def _job(row: Row) -> Job:
    name, source, definition, since, maker, maker_name, account, state, reason, *rest = row
    next_at, next_fold, failures = rest
    return Job(
        name=name,
        source=source,
        definition=Definition.from_json(definition),
        since=since,
        maker=maker,
        maker_name=maker_name,
        account=account,
        state=state,
        reason=reason,
        next_at=next_at,
        next_fold=next_fold,
        failures=failures,
    )
