"""Questions to people about calls in doubt: begun before a crash, with no result after it.

open --> done | again | skip      a person decided
  '----> superseded               the requester wrote on, or stopped the turn
"""

from dataclasses import dataclass
from typing import Literal

from gateway.store.base import Row, Tx

Choice = Literal["done", "again", "skip"]
QuestionState = Literal["open", "done", "again", "skip", "superseded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question with what is known of its call; times are microseconds since 1970."""

    id: int
    token: str
    state: QuestionState
    decided_by: str | None
    asked_at: int
    turn_id: int
    session_id: int
    session_key: str
    account: str
    reply_to: str
    requester: str
    requester_name: str
    call_id: str
    tool: str
    label: str
    arguments: str
    intended_at: int | None


_SELECT = (
    "SELECT question.id, question.token, question.state, question.decided_by, question.asked_at,"
    " turn.id, session.id, session.key, session.account, turn.reply_to, turn.requester,"
    " turn.requester_name, tool_call.id, tool_call.tool, tool_call.label, tool_call.arguments,"
    " tool_call.intended_at"
    " FROM question JOIN tool_call ON tool_call.id = question.call_id"
    " JOIN turn ON turn.id = question.turn_id JOIN session ON session.id = turn.session_id"
)


def ask(tx: Tx, *, turn_id: int, call_id: str, token: str, now: int) -> Question:
    """Store a question about a call."""
    tx.run(
        "INSERT INTO question (token, turn_id, call_id, state, asked_at)"
        " VALUES (?, ?, ?, 'open', ?)",
        token,
        turn_id,
        call_id,
        now,
    )
    asked = by_token(tx, token)
    if asked is None:
        raise LookupError(f"no call {call_id}")
    return asked


def by_token(tx: Tx, token: str) -> Question | None:
    """The question whose buttons carry a token."""
    row = tx.row(_SELECT + " WHERE question.token = ?", token)
    return _question(row) if row else None


def open_of_turn(tx: Tx, turn_id: int) -> list[Question]:
    """What a turn waits for."""
    rows = tx.rows(
        _SELECT + " WHERE question.turn_id = ? AND question.state = 'open' ORDER BY question.id",
        turn_id,
    )
    return [_question(row) for row in rows]


def close(tx: Tx, ident: int, *, state: QuestionState, by: str, now: int) -> bool:
    """Settle an open question; False if it was settled before."""
    changed = tx.run(
        "UPDATE question SET state = ?, decided_by = ?, decided_at = ?"
        " WHERE id = ? AND state = 'open'",
        state,
        by,
        now,
        ident,
    )
    return changed == 1


def _question(row: Row) -> Question:
    ident, token, state, decided_by, asked_at, turn_id, session_id, key, account, *rest = row
    reply_to, requester, name, call_id, tool, label, arguments, intended_at = rest
    return Question(
        id=ident,
        token=token,
        state=state,
        decided_by=decided_by,
        asked_at=asked_at,
        turn_id=turn_id,
        session_id=session_id,
        session_key=key,
        account=account,
        reply_to=reply_to,
        requester=requester,
        requester_name=name,
        call_id=call_id,
        tool=tool,
        label=label or tool,
        arguments=arguments,
        intended_at=intended_at,
    )
