"""What time takes away of money, leave and the audit; see `gateway.retention` for the rules.

Every function changes at most PART_ROWS rows, so that no commit takes long, and returns how many:
whoever gets none is done.
"""

from gateway.store.base import Tx
from gateway.store.records import audit
from gateway.store.records.retention import PART_ROWS


def delete_reservations(tx: Tx, *, before: int) -> int:
    """Take away reservations that were closed before a time."""
    return tx.run(
        "DELETE FROM reservation WHERE id IN (SELECT id FROM reservation"
        " WHERE closed_at IS NOT NULL AND closed_at < ? AND state <> 'held'"
        " ORDER BY closed_at LIMIT ?)",
        before,
        PART_ROWS,
    )


def delete_model_calls(tx: Tx, *, before: int) -> int:
    """Take away records of model calls, and what chats were told of who rests, of before a time."""
    calls = tx.run(
        "DELETE FROM model_call WHERE id IN (SELECT id FROM model_call WHERE at < ?"
        " ORDER BY at LIMIT ?)",
        before,
        PART_ROWS,
    )
    rows = tx.rows(
        "SELECT account, chat, model FROM resting WHERE at < ? ORDER BY at LIMIT ?",
        before,
        PART_ROWS,
    )
    for place in rows:
        tx.run("DELETE FROM resting WHERE account = ? AND chat = ? AND model = ?", *place)
    return calls + len(rows)


def delete_movements(tx: Tx, *, before: int) -> int:
    """Take away rows of the ledger of before a time, but those of a hold that is open still."""
    return tx.run(
        "DELETE FROM ledger WHERE seq IN (SELECT ledger.seq FROM ledger WHERE ledger.at < ?"
        " AND NOT EXISTS (SELECT 1 FROM reservation WHERE reservation.id = ledger.reservation_id"
        " AND reservation.state = 'held') ORDER BY ledger.at LIMIT ?)",
        before,
        PART_ROWS,
    )


def delete_windows(tx: Tx, *, before: int) -> int:
    """Take away windows of days and months that ended before a time."""
    rows = tx.rows(
        "SELECT scope, span FROM balance WHERE ends_at IS NOT NULL AND ends_at < ? AND held = 0"
        " ORDER BY ends_at LIMIT ?",
        before,
        PART_ROWS,
    )
    for scope, span in rows:
        tx.run("DELETE FROM balance WHERE scope = ? AND span = ?", scope, span)
    return len(rows)


def delete_leaves(tx: Tx, *, before: int) -> int:
    """Take away grants and `/auto` that ended before a time, with what was counted of them."""
    rows = tx.rows(
        "SELECT id FROM allowance WHERE ended_at IS NOT NULL AND ended_at < ?"
        " ORDER BY ended_at LIMIT ?",
        before,
        PART_ROWS // 2,
    )
    for (ident,) in rows:
        tx.run("DELETE FROM balance WHERE scope = ? AND span = ''", f"grant:{ident}")
        tx.run("DELETE FROM allowance WHERE id = ?", ident)
    return len(rows)


def delete_prompts(tx: Tx, *, before: int) -> int:
    """Take away prompts that could be answered until a time at the latest."""
    rows = tx.rows(
        "SELECT account, chat, message_id FROM prompt WHERE until_at < ? ORDER BY until_at LIMIT ?",
        before,
        PART_ROWS,
    )
    for place in rows:
        tx.run("DELETE FROM prompt WHERE account = ? AND chat = ? AND message_id = ?", *place)
    return len(rows)


def prune_audit(tx: Tx, *, before: int, now: int) -> int:
    """Take the oldest rows of the audit away; a checkpoint of the same chain vouches for them."""
    return audit.prune(tx, before=before, now=now)
