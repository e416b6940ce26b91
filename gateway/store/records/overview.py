"""What is open, waiting, dead or in doubt, for `status`, `doctor` and the health pages. Reads only.

Every query goes by a partial index or a table that stays small: an overview costs what is open,
not what was ever stored. Lists end at LISTED; the counts beside them go on.
"""

from dataclasses import dataclass

from gateway.store.base import Tx
from gateway.store.records import (
    allowances,
    freezes,
    jobs,
    ledger,
    limits,
    listed,
    owners,
    pairings,
    queue,
    scheduled,
)
from gateway.store.records.freezes import Freeze, Suspect
from gateway.store.records.limits import HeldLate
from gateway.store.records.listed import Alias
from gateway.store.records.queue import OpenCard, Undelivered
from gateway.store.records.scheduled import Scheduled

LISTED = 50
DEATHS_WITHIN = 3_600_000_000  # microseconds
UNDELIVERED_WITHIN = 86_400_000_000
POSTED_WITHIN = 10 * 60_000_000
FIGURE_WITHIN = 3_600_000_000
"""How long after its deadline a hold may wait for its figure before anybody need know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnOpen:
    """A turn that is not over; times in microseconds since 1970."""

    turn_id: int
    session_key: str
    requester: str
    state: str
    opened_at: int
    active_at: int  # when a step, call or message of it was last written
    deaths: int  # runs of the gateway that died with it open, in a row


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOpen:
    """Work that goes on elsewhere and may cost money; `unknown`: nobody can tell whether it does.

    `stop_by` is whoever asked for its end, None if nobody has.
    """

    call_id: str
    turn_id: int
    tool: str
    label: str
    handle: str
    state: str
    started_at: int
    deadline_at: int
    stop_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveGiven:
    """A live grant, or `/auto` of a session; money in micro-dollars.

    `left` is what may still be spent on it, `uses_left` None where uses are not counted;
    `requester` is empty where it is for everybody in the chat.
    """

    id: str
    kind: str
    account: str
    chat: str
    requester: str
    giver_name: str
    tool: str
    operation: str
    ceiling: int
    cap: int
    left: int
    uses_left: int | None
    until_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatClosed:
    """A chat that can't be written to (dead) or must not be for now (paused)."""

    account: str
    chat: str
    state: str
    reason: str
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RowAmiss:
    """A message that did not go out (dead), or may have (unknown)."""

    outbox_id: int
    chat: str
    purpose: str
    state: str
    reason: str
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GapLeft:
    """The last time an account was without transport and its events could not be read back."""

    account: str
    since: int
    until: int
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """One look at the rows that want something; newest first where a list was cut."""

    open_turns: int
    turns: tuple[TurnOpen, ...]
    approvals: int
    cards: tuple[OpenCard, ...]
    doubts: tuple[OpenCard, ...]
    late_cards: tuple[OpenCard, ...]
    undelivered: tuple[Undelivered, ...]
    leaves: tuple[LeaveGiven, ...]
    freezes: tuple[Freeze, ...]
    suspects: tuple[Suspect, ...]
    jobs: tuple[JobOpen, ...]
    scheduled: tuple[Scheduled, ...]
    held_late: HeldLate
    chats: tuple[ChatClosed, ...]
    amiss: tuple[RowAmiss, ...]
    gaps: tuple[GapLeft, ...]
    outbox: dict[str, int]  # by state, without what was sent
    asking: int  # people who ask to be let in
    moved: tuple[Alias, ...]  # chats that have a new address
    owners: tuple[str, ...]  # people whom a code has made owners
    died: int  # runs of the last hour that did not stop by themselves, without the present one


def overview(tx: Tx, *, now: int) -> Overview:
    """Look at everything once; `now` in microseconds since 1970."""
    return Overview(
        open_turns=_count(tx, "SELECT COUNT(*) FROM turn WHERE state IN ('open', 'waiting')"),
        turns=_turns(tx),
        approvals=queue.count(tx),
        cards=queue.listed(tx, limit=LISTED),
        doubts=queue.in_doubt(tx, limit=LISTED),
        late_cards=queue.late(tx, before=now - POSTED_WITHIN, limit=LISTED),
        undelivered=queue.undelivered(tx, since=now - UNDELIVERED_WITHIN, limit=LISTED),
        leaves=leaves(tx, now=now),
        freezes=tuple(freezes.every(tx)),
        suspects=tuple(freezes.suspects(tx)),
        jobs=_jobs(tx),
        scheduled=scheduled.every(tx),
        held_late=limits.held_late(tx, before=now - FIGURE_WITHIN),
        chats=_chats(tx),
        amiss=_amiss(tx),
        gaps=_gaps(tx),
        outbox=_outbox(tx),
        asking=pairings.open_count(tx, now=now),
        moved=tuple(listed.aliases(tx)),
        owners=tuple(each.person for each in owners.everybody(tx)),
        died=_count(
            tx,
            "SELECT COUNT(*) FROM start WHERE stopped_at IS NULL AND at > ?"
            " AND id < (SELECT MAX(id) FROM start)",
            now - DEATHS_WITHIN,
        ),
    )


def last_known(tx: Tx) -> int:
    """The newest time any row was stored at; 0 for an empty store. A clock behind it is wrong."""
    row = tx.row(
        "SELECT MAX(at) FROM (SELECT MAX(at) AS at FROM start"
        " UNION ALL SELECT received_at FROM inbox WHERE id = (SELECT MAX(id) FROM inbox)"
        " UNION ALL SELECT created_at FROM outbox WHERE id = (SELECT MAX(id) FROM outbox)) AS seen"
    )
    return int(row[0]) if row and row[0] is not None else 0


def _turns(tx: Tx) -> tuple[TurnOpen, ...]:
    rows = tx.rows(
        "SELECT turn.id, session.key, turn.requester, turn.state, turn.opened_at, turn.deaths,"
        " (SELECT MAX(COALESCE(closed_at, opened_at)) FROM step WHERE turn_id = turn.id),"
        " (SELECT MAX(COALESCE(finished_at, intended_at)) FROM tool_call WHERE turn_id = turn.id),"
        " (SELECT MAX(stored_at) FROM message WHERE turn_id = turn.id)"
        " FROM turn JOIN session ON session.id = turn.session_id"
        " WHERE turn.state IN ('open', 'waiting') ORDER BY turn.opened_at, turn.id LIMIT ?",
        LISTED,
    )
    return tuple(
        TurnOpen(
            turn_id=ident,
            session_key=key,
            requester=requester,
            state=state,
            opened_at=opened,
            active_at=max(opened, *(at or 0 for at in written)),
            deaths=deaths,
        )
        for ident, key, requester, state, opened, deaths, *written in rows
    )


def leaves(tx: Tx, *, now: int) -> tuple[LeaveGiven, ...]:
    """Every live grant and `/auto`, those that end first in front."""
    return tuple(
        LeaveGiven(
            id=each.id,
            kind=each.kind,
            account=each.account,
            chat=each.chat,
            requester=each.requester,
            giver_name=each.giver_name,
            tool=each.tool,
            operation=each.operation,
            ceiling=each.ceiling,
            cap=each.cap,
            left=max(0, each.cap - _spent_on(tx, each)),
            uses_left=each.uses_left if each.kind == "grant" else None,
            until_at=each.until_at,
        )
        for each in allowances.live(tx, now=now)
    )


def _spent_on(tx: Tx, each: allowances.Allowance) -> int:
    if each.kind == "auto":
        return ledger.session_spent(tx, each.session_id or 0)
    row = tx.row(
        "SELECT settled + held FROM balance WHERE scope = ? AND span = ''", f"grant:{each.id}"
    )
    return int(row[0]) if row else 0


def _jobs(tx: Tx) -> tuple[JobOpen, ...]:
    return tuple(
        JobOpen(
            call_id=job.call_id,
            turn_id=job.turn_id,
            tool=job.tool,
            label=job.label,
            handle=job.handle,
            state=job.state,
            started_at=job.started_at,
            deadline_at=job.deadline_at,
            stop_by=job.stop_by,
        )
        for job in jobs.running(tx, limit=LISTED)
    )


def _chats(tx: Tx) -> tuple[ChatClosed, ...]:
    rows = tx.rows(
        "SELECT account, chat, state, reason, since FROM chat ORDER BY since DESC LIMIT ?", LISTED
    )
    return tuple(
        ChatClosed(account=account, chat=chat, state=state, reason=reason, since=since)
        for account, chat, state, reason, since in rows
    )


def _amiss(tx: Tx) -> tuple[RowAmiss, ...]:
    rows = tx.rows(
        "SELECT id, chat, purpose, state, reason, created_at FROM outbox"
        " WHERE state IN ('unknown', 'dead') ORDER BY id DESC LIMIT ?",
        LISTED,
    )
    return tuple(
        RowAmiss(
            outbox_id=ident,
            chat=chat,
            purpose=purpose,
            state=state,
            reason=reason or "",
            created_at=created,
        )
        for ident, chat, purpose, state, reason, created in rows
    )


def _gaps(tx: Tx) -> tuple[GapLeft, ...]:
    rows = tx.rows(
        "SELECT account, since, until, cause FROM gap WHERE id IN"
        " (SELECT MAX(id) FROM gap WHERE recovered IS NULL GROUP BY account) ORDER BY account"
    )
    return tuple(
        GapLeft(account=account, since=since, until=until, cause=cause)
        for account, since, until, cause in rows
    )


def _outbox(tx: Tx) -> dict[str, int]:
    rows = tx.rows(
        "SELECT state, COUNT(*) FROM outbox WHERE state IN ('pending', 'in_flight')"
        " GROUP BY state UNION ALL SELECT state, COUNT(*) FROM outbox"
        " WHERE state IN ('unknown', 'dead') GROUP BY state"
    )
    return {str(state): int(count) for state, count in rows}


def _count(tx: Tx, sql: str, *params: int) -> int:
    row = tx.row(sql, *params)
    return int(row[0]) if row else 0
