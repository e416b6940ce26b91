"""Leave given once for several calls: grants for one kind of call, and `/auto` of a session.

live --> ended(because)     its cap, its uses or its time is used up, or someone took it back
"""

from dataclasses import dataclass
from typing import Any, Literal

import orjson

from gateway.store.base import Row, Tx

AllowanceKind = Literal["grant", "auto"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """One allowance; money in micro-dollars, times in microseconds since 1970.

    `requester` is whom it lets through, empty for everybody in the chat. `bounds` says for each
    argument what it must be. `cap` is all that may be spent on it, `ceiling` what one call may
    cost at most. For kind `auto` the session says whom it is for, and `bounds` is empty.
    """

    id: str
    kind: AllowanceKind
    session_id: int | None
    account: str
    chat: str
    requester: str
    giver: str
    giver_name: str
    tool: str = ""
    operation: str = ""
    bounds: dict[str, Any]
    ceiling: int
    uses_left: int
    cap: int
    schema_hash: str = ""
    policy: str = ""
    request_id: str | None = None
    created_at: int
    until_at: int


_SELECT = (
    "SELECT id, kind, session_id, account, chat, requester, giver, giver_name, tool, operation,"
    " bounds, ceiling, uses_left, cap, schema_hash, policy, request_id, created_at, until_at"
    " FROM allowance"
)


def insert(tx: Tx, new: Allowance) -> None:
    """Store a live allowance."""
    tx.run(
        "INSERT INTO allowance (id, kind, state, session_id, account, chat, requester, giver,"
        " giver_name, tool, operation, bounds, ceiling, uses_left, cap, schema_hash, policy,"
        " request_id, created_at, until_at)"
        " VALUES (?, ?, 'live', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        new.id,
        new.kind,
        new.session_id,
        new.account,
        new.chat,
        new.requester,
        new.giver,
        new.giver_name,
        new.tool,
        new.operation,
        orjson.dumps(new.bounds).decode(),
        new.ceiling,
        new.uses_left,
        new.cap,
        new.schema_hash,
        new.policy,
        new.request_id,
        new.created_at,
        new.until_at,
    )


def get(tx: Tx, ident: str) -> Allowance | None:
    """A live allowance by its id."""
    row = tx.row(_SELECT + " WHERE id = ? AND state = 'live'", ident)
    return _allowance(row) if row else None


def is_taken(tx: Tx, ident: str) -> bool:
    """Whether an allowance has or had this id."""
    return tx.row("SELECT 1 FROM allowance WHERE id = ?", ident) is not None


def grants_in(tx: Tx, account: str, chat: str, *, now: int) -> tuple[Allowance, ...]:
    """The live grants of a chat, oldest first."""
    rows = tx.rows(
        _SELECT + " WHERE account = ? AND chat = ? AND state = 'live' AND kind = 'grant'"
        " AND until_at > ? AND uses_left > 0 ORDER BY created_at, id",
        account,
        chat,
        now,
    )
    return tuple(_allowance(row) for row in rows)


def auto_of(tx: Tx, session_id: int, *, now: int) -> Allowance | None:
    """The live `/auto` of a session."""
    row = tx.row(
        _SELECT + " WHERE session_id = ? AND state = 'live' AND kind = 'auto' AND until_at > ?",
        session_id,
        now,
    )
    return _allowance(row) if row else None


def live(tx: Tx, *, now: int) -> tuple[Allowance, ...]:
    """Every live allowance, those that end first in front."""
    rows = tx.rows(
        _SELECT + " WHERE state = 'live' AND until_at > ? ORDER BY until_at LIMIT 200", now
    )
    return tuple(_allowance(row) for row in rows)


def use(tx: Tx, ident: str) -> bool:
    """Take one use of a grant; False if none is left."""
    return (
        tx.run(
            "UPDATE allowance SET uses_left = uses_left - 1"
            " WHERE id = ? AND state = 'live' AND uses_left > 0",
            ident,
        )
        == 1
    )


def enlarge(tx: Tx, ident: str, *, cap: int, until_at: int) -> None:
    """Give a live `/auto` another cap and end."""
    tx.run(
        "UPDATE allowance SET cap = ?, until_at = ? WHERE id = ? AND state = 'live'",
        cap,
        until_at,
        ident,
    )


def end(tx: Tx, ident: str, *, because: str, now: int) -> bool:
    """End an allowance; False if it had ended."""
    changed = tx.run(
        "UPDATE allowance SET state = 'ended', ended_at = ?, ended_because = ?"
        " WHERE id = ? AND state = 'live'",
        now,
        because,
        ident,
    )
    return changed == 1


def end_of_session(tx: Tx, session_id: int, *, because: str, now: int) -> int:
    """End what a session was allowed; returns how many there were."""
    return tx.run(
        "UPDATE allowance SET state = 'ended', ended_at = ?, ended_because = ?"
        " WHERE session_id = ? AND state = 'live'",
        now,
        because,
        session_id,
    )


def any_past(tx: Tx, *, now: int) -> bool:
    """Whether time has used one up."""
    found = tx.row("SELECT 1 FROM allowance WHERE state = 'live' AND until_at <= ? LIMIT 1", now)
    return found is not None


def end_past(tx: Tx, *, now: int) -> tuple[Allowance, ...]:
    """End what time has used up, and return it."""
    rows = tx.rows(
        _SELECT + " WHERE state = 'live' AND until_at <= ? ORDER BY until_at LIMIT 100", now
    )
    ended = tuple(_allowance(row) for row in rows)
    for each in ended:
        end(tx, each.id, because="its time is over", now=now)
    return ended


def end_of_policy(tx: Tx, version: str, *, now: int) -> int:
    """End allowances given under other rules than those in force."""
    return tx.run(
        "UPDATE allowance SET state = 'ended', ended_at = ?, ended_because = ?"
        " WHERE state = 'live' AND policy <> ? AND until_at > 0",
        now,
        "the rules changed",
        version,
    )


def _allowance(row: Row) -> Allowance:
    ident, kind, session_id, account, chat, requester, giver, name, tool, operation, *rest = row
    bounds, ceiling, uses, cap, schema, policy, request_id, created, until = rest
    return Allowance(
        id=ident,
        kind=kind,
        session_id=session_id,
        account=account,
        chat=chat,
        requester=requester,
        giver=giver,
        giver_name=name,
        tool=tool,
        operation=operation,
        bounds=orjson.loads(bounds),
        ceiling=ceiling,
        uses_left=uses,
        cap=cap,
        schema_hash=schema,
        policy=policy,
        request_id=request_id,
        created_at=created,
        until_at=until,
    )
