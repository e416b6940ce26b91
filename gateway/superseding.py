"""What ends a wait for people without a decision: the requester wrote on, stopped, began afresh."""

from itertools import takewhile

from gateway.decisions import Decisions
from gateway.store.base import Tx
from gateway.store.records import cards, inbox, sessions, unowned
from gateway.store.records.outbox import OutboxRow
from gateway.words import outcomes

REPLACED = "Not run: replaced, {name} wrote on. Do what the new words ask."
STOPPED = "Not run: stopped by {name}."


def written_on(
    tx: Tx, session_key: str, decisions: Decisions, *, now: int
) -> tuple[OutboxRow, ...]:
    """New words of the requester replace what is pending: its calls are not run.

    So does a /new behind words of others, which would wait for each other else; one that is next
    ends the turn itself. A used-up budget goes on being asked about: words bring no money.
    """
    turn = sessions.undecided_turn(tx, session_key)
    if turn is None:
        return ()
    waiting = inbox.waiting_in(tx, session_key)
    words = list(takewhile(lambda row: not row.content.alone, waiting))
    if wrote := next((row for row in words if row.content.author == turn.requester), None):
        name = wrote.content.author_name or "the requester"
        return replace_pending(tx, turn.id, name, decisions, now=now)
    if 0 < len(words) < len(waiting):
        name = waiting[len(words)].content.author_name or "someone"
        unowned.mark_stopped(tx, turn.id, name)
        return stop_pending(tx, turn.id, name, decisions, now=now)
    return ()


def replace_pending(
    tx: Tx, turn_id: int, name: str, decisions: Decisions, *, now: int
) -> tuple[OutboxRow, ...]:
    """End what is pending of a turn and let it go on with the new words."""
    rows: list[OutboxRow] = []
    for card in cards.pending_of_turn(tx, turn_id):
        if card.kind == "limit":
            continue
        text = REPLACED.format(name=name)
        rows.extend(decisions.ends.end(tx, card, "superseded", name=name, text=text))
    if rows:
        unowned.reopen(tx, turn_id, now=now)
    return tuple(rows)


def stop_pending(
    tx: Tx, turn_id: int, name: str, decisions: Decisions, *, now: int, reopen: bool = True
) -> tuple[OutboxRow, ...]:
    """Withdraw what is pending of a turn that somebody stopped."""
    rows: list[OutboxRow] = []
    for card in cards.pending_of_turn(tx, turn_id):
        text = STOPPED.format(name=name)
        rows.extend(
            decisions.ends.end(
                tx, card, "withdrawn", name=name, text=text, words=outcomes.STOPPED_BY.of(name=name)
            )
        )
    if reopen:
        unowned.reopen(tx, turn_id, now=now)
    return tuple(rows)


def withdraw(
    tx: Tx, session_key: str, name: str, decisions: Decisions, *, now: int
) -> tuple[OutboxRow, ...]:
    """End a session's waiting turn for good: it is not taken up again."""
    turn = sessions.waiting_turn(tx, session_key)
    if turn is None:
        return ()
    rows = stop_pending(tx, turn.id, name, decisions, now=now, reopen=False)
    unowned.cancel_waiting(tx, session_key, now=now)
    return rows
