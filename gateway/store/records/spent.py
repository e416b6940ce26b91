"""Sums over reservations: what was spent since when, by whom and on what."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gateway.store.base import Row, Tx

By = Literal["chat", "requester", "what", "kind", "payer", "model", "tool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Micro-dollars of one name; `settled` is booked, `held` may still come."""

    name: str
    settled: int
    held: int
    count: int


_SUMS = (
    "SUM(COALESCE(actual, booked)), SUM(CASE WHEN state = 'held' AND amount > booked"
    " THEN amount - booked ELSE 0 END), COUNT(*) FROM reservation"
    " WHERE opened_at >= ? AND opened_at < ?"
)
_STATEMENTS: dict[str, str] = {
    "chat": "SELECT chat, " + _SUMS + " GROUP BY chat ORDER BY 2 DESC LIMIT 50",
    "requester": "SELECT requester, " + _SUMS + " GROUP BY requester ORDER BY 2 DESC LIMIT 50",
    "what": "SELECT what, " + _SUMS + " GROUP BY what ORDER BY 2 DESC LIMIT 50",
    "kind": "SELECT kind, " + _SUMS + " GROUP BY kind ORDER BY 2 DESC LIMIT 50",
    "model": "SELECT what, " + _SUMS + " AND kind = 'model' GROUP BY what ORDER BY 2 DESC LIMIT 50",
    "tool": "SELECT estimator, "
    + _SUMS
    + " AND kind = 'tool' GROUP BY estimator ORDER BY 2 DESC LIMIT 50",
    "payer": "SELECT payer, " + _SUMS + " GROUP BY payer ORDER BY 2 DESC LIMIT 50",
}

_END = 1 << 62


def total(tx: Tx, *, since: int, until: int = _END) -> Spent:
    """All of a stretch of time."""
    return _sum(tx.row("SELECT " + _SUMS, since, until))


def of_chat(tx: Tx, account: str, chat: str, *, since: int) -> Spent:
    """What was spent in one chat since then."""
    row = tx.row("SELECT " + _SUMS + " AND account = ? AND chat = ?", since, _END, account, chat)
    return _sum(row)


def of_chat_by_what(tx: Tx, account: str, chat: str, *, since: int) -> list[Spent]:
    """The same by what it was spent on, dearest first."""
    rows = tx.rows(
        "SELECT what, " + _SUMS + " AND account = ? AND chat = ? GROUP BY what"
        " ORDER BY 2 DESC LIMIT 50",
        since,
        _END,
        account,
        chat,
    )
    return _named(rows)


def of_person(tx: Tx, person: str, *, since: int) -> Spent:
    """What one person has asked for since then, wherever."""
    return _sum(tx.row("SELECT " + _SUMS + " AND requester = ?", since, _END, person))


def by(tx: Tx, field: By, *, since: int, until: int = _END) -> list[Spent]:
    """The same by one of its fields, dearest first."""
    return _named(tx.rows(_STATEMENTS[field], since, until))


def _sum(row: Row | None) -> Spent:
    settled, held, count = row or (0, 0, 0)
    return Spent(name="", settled=settled or 0, held=held or 0, count=count or 0)


def _named(rows: Iterable[Row]) -> list[Spent]:
    return [
        Spent(name=name or "", settled=settled or 0, held=held or 0, count=count)
        for name, settled, held, count in rows
    ]
