"""What people at named chats hear of: turns that ended, and limits that are nearly spent."""

from dataclasses import dataclass

from gateway.store.base import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedTurn:
    """A turn and how it ended; times in microseconds since 1970."""

    turn_id: int
    state: str
    requester_name: str
    account: str
    chat: str
    opened_at: int
    closed_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NearlySpent:
    """A limit of the present window of which four fifths are spent, in micro-dollars."""

    scope: str
    span: str
    settled: int
    limit: int


def ended_turns(tx: Tx, *, since: int, limit: int) -> tuple[EndedTurn, ...]:
    """Turns that ended from a time on, oldest first."""
    rows = tx.rows(
        "SELECT turn.id, turn.state, turn.requester_name, session.account, session.chat,"
        " turn.opened_at, turn.closed_at FROM turn JOIN session ON session.id = turn.session_id"
        " WHERE turn.closed_at >= ? AND turn.closed_at IS NOT NULL AND turn.pruned_at IS NULL"
        " ORDER BY turn.closed_at, turn.id LIMIT ?",
        since,
        limit,
    )
    return tuple(
        EndedTurn(
            turn_id=ident,
            state=state,
            requester_name=name,
            account=account,
            chat=chat,
            opened_at=opened_at,
            closed_at=closed_at,
        )
        for ident, state, name, account, chat, opened_at, closed_at in rows
    )


def nearly_spent(tx: Tx, *, now: int, limit: int) -> tuple[NearlySpent, ...]:
    """Limits of windows that are not over yet and of which the chats concerned were told."""
    rows = tx.rows(
        "SELECT scope, span, settled, cap + raised FROM balance"
        " WHERE ends_at > ? AND ends_at IS NOT NULL AND noticed = 1"
        " ORDER BY ends_at, scope LIMIT ?",
        now,
        limit,
    )
    return tuple(
        NearlySpent(scope=scope, span=span, settled=settled, limit=limit)
        for scope, span, settled, limit in rows
    )
