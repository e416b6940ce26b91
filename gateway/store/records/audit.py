"""The audit: who decided what and what moved, appended in the unit it tells of, never changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.canonical import canonical
from gateway import chain
from gateway.chain import GENESIS, Entry, Link
from gateway.store.base import Row, Tx

KEPT_US = 400 * 24 * 3_600 * 1_000_000
PAGE_ROWS = 500
"""Rows that are read together."""
PRUNE_ROWS = 200
"""Rows that one unit takes away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of the chain; noted elsewhere it shows what is cut off later."""

    seq: int
    hash: str


_SELECT = "SELECT seq, at, kind, actor, account, chat, subject, detail, previous, hash FROM audit"


def append(
    tx: Tx,
    *,
    at: int,
    kind: str,
    actor: str,
    account: str = "",
    chat: str = "",
    subject: str = "",
    detail: Mapping[str, Any],
) -> None:
    """Append one row in the caller's unit.

    `detail` holds what JSON holds, whole numbers within 2^53: money is in micro-dollars. Raises
    NotCanonical for anything else, and so for its unit.
    """
    link = Link(
        at=at,
        kind=kind,
        actor=chain.plain(actor),
        account=chain.plain(account),
        chat=chain.plain(chat),
        subject=chain.plain(subject),
        detail=canonical(chain.plain(dict(detail))).decode(),
    )
    _append(tx, link)


def head(tx: Tx) -> Head:
    """The last row, or the beginning of the chain."""
    row = tx.row("SELECT seq, hash FROM audit WHERE seq = (SELECT MAX(seq) FROM audit)")
    return Head(seq=row[0], hash=row[1]) if row else Head(seq=0, hash=GENESIS)


def page(tx: Tx, *, after: int = 0) -> list[Entry]:
    """The next rows of the chain, oldest first."""
    rows = tx.rows(_SELECT + " WHERE seq > ? ORDER BY seq LIMIT ?", after, PAGE_ROWS)
    return [_entry(row) for row in rows]


def of_subject(tx: Tx, subject: str) -> list[Entry]:
    """Every row about one card, call, reservation or chat, oldest first."""
    rows = tx.rows(_SELECT + " WHERE subject = ? ORDER BY seq", subject)
    return [_entry(row) for row in rows]


def prune(tx: Tx, *, before: int, now: int) -> int:
    """Take the oldest rows away, as far as all are of before a time, and vouch for them.

    At most PRUNE_ROWS at once; returns how many. The newest row always stays.
    """
    rows = tx.rows(
        "SELECT seq, at FROM audit WHERE seq < (SELECT MAX(seq) FROM audit) ORDER BY seq LIMIT ?",
        PRUNE_ROWS,
    )
    due = 0
    while due < len(rows) and rows[due][1] < before:
        due += 1
    if due == 0:
        return 0
    last = tx.row(_SELECT + " WHERE seq = ?", rows[due - 1][0])
    if last is None:
        return 0
    _append(tx, chain.checkpoint(_entry(last), count=due, now=now))
    return tx.run("DELETE FROM audit WHERE seq <= ?", rows[due - 1][0])


def _append(tx: Tx, link: Link) -> None:
    previous = head(tx).hash
    tx.run(
        "INSERT INTO audit (at, kind, actor, account, chat, subject, detail, previous, hash)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        link.at,
        link.kind,
        link.actor,
        link.account,
        link.chat,
        link.subject,
        link.detail,
        previous,
        chain.hash_of(link, previous),
    )


def _entry(row: Row) -> Entry:
    seq, at, kind, actor, account, chat, subject, detail, previous, own = row
    link = Link(
        at=at,
        kind=kind,
        actor=actor,
        account=account,
        chat=chat,
        subject=subject,
        detail=detail,
    )
    return Entry(seq=seq, link=link, previous=previous, hash=own)
