"""What a session has to do, looked at without taking the session."""

from dataclasses import dataclass

from gateway import mailbox
from gateway.store.base import Tx
from gateway.store.records import inbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Something is to be done for `person`; `wait_s` until the newest input is complete.

    `opened`: it is a turn that is open already; that waits for nothing.
    """

    person: str
    opened: bool = False
    wait_s: float = 0.0


def look(tx: Tx, key: str, *, now: int) -> Due | None:
    """What is due in a session; None if nothing is."""
    opened = tx.row(
        "SELECT turn.requester FROM turn JOIN session ON session.id = turn.session_id"
        " WHERE session.key = ? AND session.closed_at IS NULL AND turn.state = 'open'"
        " ORDER BY turn.number LIMIT 1",
        key,
    )
    if opened is not None:
        return Due(person=opened[0], opened=True)
    rows = inbox.rows_in(tx, key)
    if not rows:
        return None
    return Due(person=rows[-1].content.author, wait_s=mailbox.wait_s(rows, now))


def is_open(tx: Tx, turn_id: int) -> bool:
    """Whether a turn has not come to its end."""
    return tx.row("SELECT 1 FROM turn WHERE id = ? AND closed_at IS NULL", turn_id) is not None
