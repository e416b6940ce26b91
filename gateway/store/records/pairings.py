"""People who asked to talk in a direct chat, and what owners have said to that.

open --> allowed | denied | blocked        an open one lapses after a day: it then counts as none
allowed, denied, blocked --> one another   by an owner's later word
denied --> open                            once its rest is over and they write again
"""

from dataclasses import dataclass
from typing import Literal

from gateway.store.base import Row, Tx
from gateway.store.records import inbox
from gateway.store.records.inbox import Waiting

PairingState = Literal["open", "allowed", "denied", "blocked"]

LISTED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """What is known of one person on one account; times are microseconds since 1970.

    `until_at`: when an open request lapses, or when the rest after a denial is over. `words` are
    the beginning of what they wrote, gone once somebody has decided. `told_at` is 0 if they were
    told nothing.
    """

    account: str
    person: str
    state: PairingState
    code: str
    chat: str
    name: str = ""
    words: str = ""
    asked_at: int
    until_at: int = 0
    told_at: int = 0
    decided_by: str | None = None
    decided_at: int | None = None

    def is_open(self, now: int) -> bool:
        """Whether owners are still asked."""
        return self.state == "open" and now < self.until_at


_SELECT = (
    "SELECT account, person, state, code, chat, name, words, asked_at, until_at, told_at,"
    " decided_by, decided_at FROM pairing"
)


def of(tx: Tx, account: str, person: str) -> Pairing | None:
    """What is known of a person."""
    row = tx.row(_SELECT + " WHERE account = ? AND person = ?", account, person)
    return _pairing(row) if row else None


def anywhere(tx: Tx, person: str) -> list[Pairing]:
    """What is known of a person, on every account."""
    return [_pairing(row) for row in tx.rows(_SELECT + " WHERE person = ?", person)]


def by_code(tx: Tx, code: str) -> Pairing | None:
    """Whoever asked last under a code."""
    row = tx.row(_SELECT + " WHERE code = ? ORDER BY asked_at DESC LIMIT 1", code)
    return _pairing(row) if row else None


def listed(tx: Tx, *, now: int) -> list[Pairing]:
    """Who waits for a word, and then whoever has one, newest first."""
    rows = tx.rows(
        _SELECT + " WHERE state <> 'open' OR until_at > ?"
        " ORDER BY CASE state WHEN 'open' THEN 0 ELSE 1 END, asked_at DESC, person LIMIT ?",
        now,
        LISTED,
    )
    return [_pairing(row) for row in rows]


def open_ones(tx: Tx, account: str, *, now: int, limit: int) -> list[Pairing]:
    """Requests of an account that owners may still decide, up to `limit`."""
    rows = tx.rows(
        _SELECT + " WHERE account = ? AND state = 'open' AND until_at > ? ORDER BY until_at"
        " LIMIT ?",
        account,
        now,
        limit,
    )
    return [_pairing(row) for row in rows]


def open_count(tx: Tx, *, now: int) -> int:
    """How many people owners may still decide about."""
    row = tx.row("SELECT COUNT(*) FROM pairing WHERE state = 'open' AND until_at > ?", now)
    return int(row[0]) if row is not None else 0


def put(tx: Tx, pairing: Pairing) -> None:
    """Store what is known of a person, in place of what was."""
    tx.run(
        "INSERT INTO pairing (account, person, state, code, chat, name, words, asked_at, until_at,"
        " told_at, decided_by, decided_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (account, person) DO UPDATE SET state = excluded.state,"
        " code = excluded.code, chat = excluded.chat, name = excluded.name,"
        " words = excluded.words, asked_at = excluded.asked_at, until_at = excluded.until_at,"
        " told_at = excluded.told_at, decided_by = excluded.decided_by,"
        " decided_at = excluded.decided_at",
        pairing.account,
        pairing.person,
        pairing.state,
        pairing.code,
        pairing.chat,
        pairing.name,
        pairing.words,
        pairing.asked_at,
        pairing.until_at,
        pairing.told_at,
        pairing.decided_by,
        pairing.decided_at,
    )


def held_count(tx: Tx, account: str, person: str, limit: int) -> int:
    """How many messages of a person are held, counted up to `limit`."""
    row = tx.row(
        "SELECT COUNT(*) FROM (SELECT 1 FROM inbox WHERE account = ? AND author = ?"
        " AND state = 'held' LIMIT ?) AS waiting",
        account,
        person,
        limit,
    )
    return int(row[0]) if row is not None else 0


def release(tx: Tx, account: str, person: str) -> list[Waiting]:
    """Let the held messages of a person in, in their order; what waits for nothing ends here."""
    rows = tx.rows(
        "SELECT id, lane FROM inbox WHERE account = ? AND author = ? AND state = 'held'"
        " AND pruned_at IS NULL ORDER BY order_major, order_minor, id",
        account,
        person,
    )
    released: list[Waiting] = []
    for ident, lane in rows:
        if lane is None:
            _settle(tx, ident, "ignored", "nothing_to_answer")
            continue
        _settle(tx, ident, "new", None)
        if (row := inbox.waiting_row(tx, ident)) is not None:
            released.append(row)
    return released


def forget(tx: Tx, account: str, person: str) -> None:
    """Nobody need decide about a person any more."""
    tx.run(
        "DELETE FROM pairing WHERE account = ? AND person = ? AND state IN ('open', 'denied')",
        account,
        person,
    )


def drop_held(tx: Tx, account: str, person: str, *, reason: str, but: int = 0) -> None:
    """Turn the held messages of a person away in silence, except one."""
    tx.run(
        "UPDATE inbox SET state = 'ignored', reason = ?"
        " WHERE account = ? AND author = ? AND state = 'held' AND id <> ?",
        reason,
        account,
        person,
        but,
    )


def _settle(tx: Tx, ident: int, state: str, reason: str | None) -> None:
    tx.run(
        "UPDATE inbox SET state = ?, reason = ? WHERE id = ? AND state = 'held'",
        state,
        reason,
        ident,
    )


def _pairing(row: Row) -> Pairing:
    account, person, state, code, chat, name, words, asked_at, until_at, told_at, *decided = row
    return Pairing(
        account=account,
        person=person,
        state=state,
        code=code,
        chat=chat,
        name=name,
        words=words,
        asked_at=asked_at,
        until_at=until_at,
        told_at=told_at,
        decided_by=decided[0],
        decided_at=decided[1],
    )
