"""The newest turn of a session, to be taken back or tried again.

Turns without words of people (notes, what /retry went on with) belong to the one before them.
"""

from dataclasses import dataclass

from agent.messages import Message, UserMessage
from agent.tools.base import EffectClass
from gateway.errors import StoreError
from gateway.store.base import Tx
from gateway.store.records import folds, inbox, transcript


@dataclass(frozen=True, slots=True, kw_only=True)
class LastTurn:
    """Turns up to the newest words of people, newest first.

    `words` are those of people; `done` are labels of calls that changed something, or may have.
    """

    turn_ids: tuple[int, ...]
    words: tuple[UserMessage, ...]
    done: tuple[str, ...]


def is_busy(tx: Tx, key: str) -> bool:
    """Whether a turn of a session is open or waits for people, or one is about to begin."""
    row = tx.row(
        "SELECT 1 FROM turn JOIN session ON session.id = turn.session_id WHERE session.key = ?"
        " AND session.closed_at IS NULL AND turn.state IN ('open', 'waiting') LIMIT 1",
        key,
    )
    return row is not None or bool(inbox.waiting_in(tx, key))


def last_turn(tx: Tx, session_id: int) -> LastTurn | None:
    """The newest turn with words of people that was not taken back; None if there is none."""
    rows = tx.rows(
        "SELECT turn_id FROM message WHERE session_id = ? AND undone_at IS NULL"
        " ORDER BY sequence DESC LIMIT ?",
        session_id,
        transcript.MESSAGES_LOADED,
    )
    turn_ids: list[int] = []
    done: list[str] = []
    for turn_id in dict.fromkeys(int(row[0]) for row in rows):
        turn_ids.append(turn_id)
        done = [*_done(tx, turn_id), *done]
        own = transcript.of_turn(tx, turn_id)
        words = tuple(message for message in own if isinstance(message, UserMessage))
        if words:
            return LastTurn(turn_ids=tuple(turn_ids), words=words, done=tuple(done))
    return None


def _done(tx: Tx, turn_id: int) -> list[str]:
    rows = tx.rows(
        "SELECT COALESCE(label, tool) FROM tool_call WHERE turn_id = ? AND effect IS NOT NULL"
        " AND effect <> ? AND state IN ('done', 'unknown', 'running') ORDER BY step, ordinal",
        turn_id,
        EffectClass.PURE.value,
    )
    return [str(row[0]) for row in rows]


def take_back(tx: Tx, last: LastTurn, *, now: int) -> None:
    """Let no model read these turns again, nor what was folded in them; they stay stored."""
    for turn_id in last.turn_ids:
        transcript.undo(tx, turn_id, now=now)
        folds.undo(tx, turn_id, now=now)


def open_again(
    tx: Tx, session_id: int, row: inbox.Waiting, messages: tuple[Message, ...], *, now: int
) -> int:
    """Open a turn on these messages for whoever gave a command; it is taken up like any open one.

    Returns its id.
    """
    taken = tx.row(
        "UPDATE session SET epoch = epoch + 1, next_turn = next_turn + 1, active_at = ?"
        " WHERE id = ? RETURNING next_turn",
        now,
        session_id,
    )
    if taken is None:
        raise StoreError(f"session {session_id} is gone")
    content = row.content
    opened = tx.row(
        "INSERT INTO turn (session_id, number, state, requester, requester_name, reply_to, grouped,"
        " asked, opened_at) VALUES (?, ?, 'open', ?, ?, ?, ?, ?, ?) RETURNING id",
        session_id,
        int(taken[0]) - 1,
        content.author,
        content.author_name,
        content.reply_to,
        int(content.grouped),
        row.message_id,
        now,
    )
    if opened is None:
        raise StoreError("a new turn got no id")
    turn_id = int(opened[0])
    transcript.append(tx, session_id=session_id, turn_id=turn_id, messages=messages, now=now)
    return turn_id
