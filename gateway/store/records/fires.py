"""Fires: what came of each time a job was due.

due --> running --> sending --> delivered       its answer stands in the chat
 |         |  '---> nothing_to_say
 |         |------> due                         it failed before any effect, and is tried again
 |         '------> failed(reason)
 '---> skipped(missed, overlap, paused, frozen, budget, edited, removed)

Statements about what is not over name all three states as its index does, so that it is used.

A fire without `inbox_id` waits: for the fire before it, for a place, for its next try. One with it
belongs to its session, as a message would. What became of its turn is read from the turn.
"""

from dataclasses import dataclass
from typing import Literal

from gateway.store.base import Row, Tx

FireState = Literal["due", "running", "sending", "delivered", "nothing_to_say", "failed", "skipped"]
BY_HAND: int = 2
"""The fold of a fire outside of its job's slots."""

KEPT = 500
KEPT_US = 30 * 86_400_000_000
KEY_US = 86_400_000_000
"""How long the key of a request is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFire:
    """A fire to store; see the table for its fields."""

    job: str
    slot: int
    fold: int
    state: FireState = "due"
    reason: str = ""
    by: str = ""
    missed: int = 0
    begin_at: int = 0
    request_key: str | None = None
    digest: str = ""
    data: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire:
    """A stored fire; times in microseconds since 1970."""

    id: int
    job: str
    slot: int
    fold: int
    state: FireState
    reason: str
    by: str
    missed: int
    begin_at: int
    attempt: int
    account: str
    chat: str
    approver_account: str
    approver_chat: str
    inbox_id: int | None
    turn_id: int | None
    digest: str
    data: str
    said: str
    tainted: bool
    made_at: int
    ended_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A fire that has begun, and how its turn stands; None for a turn that nobody opened yet.

    `error` is for operators.
    """

    fire: Fire
    turn_state: str | None
    mark: str
    error: str
    withdrawn: bool


_FIELDS = (
    "SELECT cron_fire.id, cron_fire.job, cron_fire.slot, cron_fire.fold, cron_fire.state,"
    " cron_fire.reason, cron_fire.by_whom, cron_fire.missed, cron_fire.begin_at,"
    " cron_fire.attempt, cron_fire.account, cron_fire.chat, cron_fire.approver_account,"
    " cron_fire.approver_chat, cron_fire.inbox_id, cron_fire.turn_id, cron_fire.digest,"
    " cron_fire.data, cron_fire.said, cron_fire.tainted, cron_fire.made_at, cron_fire.ended_at"
)
_SELECT = _FIELDS + " FROM cron_fire"


def insert(tx: Tx, new: NewFire, *, now: int) -> int | None:
    """Store a fire and return its id; None if its slot has one."""
    row = tx.row(
        "INSERT INTO cron_fire (job, slot, fold, state, reason, by_whom, missed, begin_at,"
        " request_key, digest, data, made_at, ended_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id",
        new.job,
        new.slot,
        new.fold,
        new.state,
        new.reason,
        new.by,
        new.missed,
        new.begin_at,
        new.request_key,
        new.digest,
        new.data,
        now,
        None if new.state == "due" else now,
    )
    return int(row[0]) if row else None


def get(tx: Tx, ident: int) -> Fire | None:
    """One fire."""
    row = tx.row(_SELECT + " WHERE id = ?", ident)
    return _fire(row) if row else None


def of_turn(tx: Tx, turn_id: int) -> Fire | None:
    """The fire that opened a turn."""
    row = tx.row(_SELECT + " WHERE turn_id = ?", turn_id)
    return _fire(row) if row else None


def by_key(tx: Tx, job: str, key: str, *, since: int) -> Fire | None:
    """The fire that a request with this key made since then."""
    row = tx.row(
        _SELECT + " WHERE job = ? AND request_key = ? AND made_at > ? ORDER BY id DESC LIMIT 1",
        job,
        key,
        since,
    )
    return _fire(row) if row else None


def at_work(tx: Tx) -> tuple[Fire, ...]:
    """Fires that are due or run, oldest first."""
    rows = tx.rows(
        _SELECT + " WHERE state IN ('due', 'running', 'sending') AND state <> 'sending' ORDER BY id"
    )
    return tuple(_fire(row) for row in rows)


def next_begin(tx: Tx) -> int | None:
    """When the next fire that waits for its time may begin."""
    row = tx.row(
        "SELECT MIN(begin_at) FROM cron_fire WHERE state IN ('due', 'running', 'sending')"
        " AND state = 'due' AND inbox_id IS NULL"
    )
    return row[0] if row else None


def any_to_begin(tx: Tx, *, now: int) -> bool:
    """Whether a fire waits whose time has come."""
    row = tx.row(
        "SELECT 1 FROM cron_fire WHERE state IN ('due', 'running', 'sending') AND state = 'due'"
        " AND inbox_id IS NULL AND begin_at <= ? LIMIT 1",
        now,
    )
    return row is not None


def any_sending(tx: Tx) -> bool:
    """Whether an answer is on its way."""
    found = tx.row(
        "SELECT 1 FROM cron_fire WHERE state IN ('due', 'running', 'sending') AND state = 'sending'"
        " LIMIT 1"
    )
    return found is not None


def busy(tx: Tx) -> tuple[tuple[str, bool], ...]:
    """Fires that have begun and wait for no people: their account, and whether a turn is open."""
    rows = tx.rows(
        "SELECT cron_fire.account, turn.id FROM cron_fire"
        " LEFT JOIN turn ON turn.id = cron_fire.turn_id"
        " WHERE cron_fire.state IN ('due', 'running', 'sending')"
        " AND cron_fire.state <> 'sending' AND cron_fire.inbox_id IS NOT NULL"
        " AND (turn.state IS NULL OR turn.state <> 'waiting')"
    )
    return tuple((str(account), turn is not None) for account, turn in rows)


def begin(
    tx: Tx, ident: int, *, inbox_id: int, account: str, chat: str, approver: tuple[str, str]
) -> None:
    """A fire waits for nothing more but its session."""
    tx.run(
        "UPDATE cron_fire SET inbox_id = ?, account = ?, chat = ?, approver_account = ?,"
        " approver_chat = ? WHERE id = ? AND state = 'due'",
        inbox_id,
        account,
        chat,
        *approver,
        ident,
    )


def claimed(tx: Tx, ident: int, turn_id: int) -> None:
    """A turn works on it."""
    tx.run(
        "UPDATE cron_fire SET state = 'running', turn_id = ? WHERE id = ? AND state = 'due'",
        turn_id,
        ident,
    )


def say(tx: Tx, ident: int, said: str, *, tainted: bool) -> None:
    """Keep what a fire posts, for those who answer it."""
    tx.run("UPDATE cron_fire SET said = ?, tainted = ? WHERE id = ?", said, int(tainted), ident)


def skip(tx: Tx, ident: int, reason: str, *, now: int) -> bool:
    """Do without a fire that was due; False if it was not, or a turn has it by now."""
    changed = tx.run(
        "UPDATE cron_fire SET state = 'skipped', reason = ?, ended_at = ?"
        " WHERE id = ? AND state = 'due'",
        reason,
        now,
        ident,
    )
    return changed == 1


def again(tx: Tx, ident: int, *, begin_at: int, reason: str) -> None:
    """Try a fire again, from then on."""
    tx.run(
        "UPDATE cron_fire SET state = 'due', attempt = attempt + 1, begin_at = ?, reason = ?,"
        " inbox_id = NULL, turn_id = NULL WHERE id = ? AND state IN ('due', 'running')",
        begin_at,
        reason,
        ident,
    )


def move(tx: Tx, ident: int, state: FireState, *, reason: str = "", now: int) -> None:
    """What came of a fire that ran."""
    tx.run(
        "UPDATE cron_fire SET state = ?, reason = ?, ended_at = ? WHERE id = ?"
        " AND state IN ('due', 'running', 'sending')",
        state,
        reason,
        None if state == "sending" else now,
        ident,
    )


def to_follow(tx: Tx) -> tuple[Followed, ...]:
    """Fires with news: their turn is over, or their answer is on its way, oldest first."""
    rows = tx.rows(
        _FIELDS + ", turn.state, turn.mark, turn.error, inbox.state FROM cron_fire"
        " LEFT JOIN turn ON turn.id = cron_fire.turn_id"
        " LEFT JOIN inbox ON inbox.id = cron_fire.inbox_id"
        " WHERE cron_fire.state IN ('due', 'running', 'sending')"
        " AND cron_fire.inbox_id IS NOT NULL ORDER BY cron_fire.id"
    )
    return tuple(
        Followed(
            fire=_fire(row[:-4]),
            turn_state=row[-4],
            mark=row[-3] or "",
            error=row[-2] or "",
            withdrawn=row[-1] in ("ignored", "refused"),
        )
        for row in rows
        if row[4] == "sending"
        or row[-4] in ("done", "failed", "cancelled", "halted")
        or row[-1] in ("ignored", "refused")
    )


def withdraw(tx: Tx, job: str, reason: str, *, now: int) -> None:
    """Nothing of a job that has not begun fires any more."""
    tx.run(
        "UPDATE inbox SET state = 'ignored', reason = 'withdrawn_job' WHERE state = 'new' AND id IN"
        " (SELECT inbox_id FROM cron_fire WHERE job = ? AND state = 'due')",
        job,
    )
    tx.run(
        "UPDATE cron_fire SET state = 'skipped', reason = ?, ended_at = ?"
        " WHERE job = ? AND state = 'due'",
        reason,
        now,
        job,
    )


def not_begun(tx: Tx, job: str) -> tuple[Fire, ...]:
    """Fires of a job's slots that no turn has taken up, oldest first."""
    rows = tx.rows(
        _SELECT + " WHERE state IN ('due', 'running', 'sending') AND state = 'due' AND job = ?"
        " AND fold <> ? ORDER BY id",
        job,
        BY_HAND,
    )
    return tuple(_fire(row) for row in rows)


def withdraw_one(tx: Tx, fire: Fire, reason: str, *, now: int) -> None:
    """Do without a fire that no turn has taken up."""
    tx.run(
        "UPDATE inbox SET state = 'ignored', reason = 'withdrawn_job' WHERE id = ?"
        " AND state = 'new'",
        fire.inbox_id,
    )
    skip(tx, fire.id, reason, now=now)


def latest(tx: Tx, job: str, *, limit: int) -> tuple[Fire, ...]:
    """The last fires of a job, newest first."""
    rows = tx.rows(_SELECT + " WHERE job = ? ORDER BY id DESC LIMIT ?", job, limit)
    return tuple(_fire(row) for row in rows)


def prune(tx: Tx, job: str, *, now: int) -> int:
    """Forget what a job did long ago, or before its last 500 fires; how many rows went.

    What a request with a key made stays as long as that key is known.
    """
    return tx.run(
        "DELETE FROM cron_fire WHERE job = ? AND ended_at IS NOT NULL AND (made_at < ? OR id <="
        " COALESCE((SELECT id FROM cron_fire WHERE job = ? ORDER BY id DESC LIMIT 1 OFFSET ?), 0))"
        " AND (request_key IS NULL OR made_at <= ?)",
        job,
        now - KEPT_US,
        job,
        KEPT,
        now - KEY_US,
    )


def had_effect(tx: Tx, turn_id: int) -> bool:
    """Whether a call of a turn may have changed anything."""
    row = tx.row(
        "SELECT 1 FROM tool_call WHERE turn_id = ? AND effect IS NOT NULL AND effect <> 'pure'"
        " AND (intended_at IS NOT NULL OR state = 'done') LIMIT 1",
        turn_id,
    )
    return row is not None


def turned_down(tx: Tx, turn_id: int) -> tuple[str, ...]:
    """The calls of a turn that nobody allowed, in the words people know them by."""
    rows = tx.rows(
        "SELECT COALESCE(label, tool) FROM tool_call WHERE turn_id = ? AND effect IS NOT NULL"
        " AND state IN ('refused', 'denied', 'expired') ORDER BY step, ordinal",
        turn_id,
    )
    return tuple(dict.fromkeys(str(label) for (label,) in rows))


def post_states(tx: Tx, turn_id: int) -> frozenset[str]:
    """How what a turn posted stands on its way out."""
    rows = tx.rows(
        "SELECT DISTINCT state FROM outbox WHERE turn_id = ?"
        " AND purpose IN ('anchor', 'part', 'final')",
        turn_id,
    )
    return frozenset(str(state) for (state,) in rows)


def _fire(row: Row) -> Fire:
    (
        ident, job, slot, fold, state, reason, by, missed, begin_at, attempt, account, chat,
        approver_account, approver_chat, inbox_id, turn_id, digest, data, said, tainted, made_at,
        ended_at,
    ) = row  # fmt: skip
    return Fire(
        id=ident,
        job=job,
        slot=slot,
        fold=fold,
        state=state,
        reason=reason,
        by=by,
        missed=missed,
        begin_at=begin_at,
        attempt=attempt,
        account=account,
        chat=chat,
        approver_account=approver_account,
        approver_chat=approver_chat,
        inbox_id=inbox_id,
        turn_id=turn_id,
        digest=digest,
        data=data,
        said=said,
        tainted=bool(tainted),
        made_at=made_at,
        ended_at=ended_at,
    )
