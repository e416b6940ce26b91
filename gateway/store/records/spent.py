"""Sums over reservations: what was spent since when, by whom and on what."""

from dataclasses import dataclass
from typing import Literal

from gateway.store.base import Tx

By = Literal["chat", "requester", "what", "kind", "payer", "model", "tool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Micro-dollars of one name; `settled` is booked, `held` may still come."""

    name: str
    settled: int
    held: int
    count: int


_STATEMENTS: dict[str, str] = {
    "chat": "SELECT chat, SUM(COALESCE(actual, 0)), SUM(CASE WHEN state = 'held' THEN amount"
    " ELSE 0 END), COUNT(*) FROM reservation WHERE opened_at >= ? AND opened_at < ?"
    " GROUP BY chat ORDER BY 2 DESC LIMIT 50",
    "requester": "SELECT requester, SUM(COALESCE(actual, 0)), SUM(CASE WHEN state = 'held' THEN"
    " amount ELSE 0 END), COUNT(*) FROM reservation WHERE opened_at >= ? AND opened_at < ?"
    " GROUP BY requester ORDER BY 2 DESC LIMIT 50",
    "what": "SELECT what, SUM(COALESCE(actual, 0)), SUM(CASE WHEN state = 'held' THEN amount"
    " ELSE 0 END), COUNT(*) FROM reservation WHERE opened_at >= ? AND opened_at < ?"
    " GROUP BY what ORDER BY 2 DESC LIMIT 50",
    "kind": "SELECT kind, SUM(COALESCE(actual, 0)), SUM(CASE WHEN state = 'held' THEN amount"
    " ELSE 0 END), COUNT(*) FROM reservation WHERE opened_at >= ? AND opened_at < ?"
    " GROUP BY kind ORDER BY 2 DESC LIMIT 50",
    "model": "SELECT what, SUM(COALESCE(actual, 0)), SUM(CASE WHEN state = 'held' THEN amount"
    " ELSE 0 END), COUNT(*) FROM reservation WHERE opened_at >= ? AND opened_at < ?"
    " AND kind = 'model' GROUP BY what ORDER BY 2 DESC LIMIT 50",
    "tool": "SELECT estimator, SUM(COALESCE(actual, 0)), SUM(CASE WHEN state = 'held' THEN amount"
    " ELSE 0 END), COUNT(*) FROM reservation WHERE opened_at >= ? AND opened_at < ?"
    " AND kind = 'tool' GROUP BY estimator ORDER BY 2 DESC LIMIT 50",
    "payer": "SELECT payer, SUM(COALESCE(actual, 0)), SUM(CASE WHEN state = 'held' THEN amount"
    " ELSE 0 END), COUNT(*) FROM reservation WHERE opened_at >= ? AND opened_at < ?"
    " GROUP BY payer ORDER BY 2 DESC LIMIT 50",
}

_END = 1 << 62


def total(tx: Tx, *, since: int, until: int = _END) -> Spent:
    """All of a stretch of time."""
    row = tx.row(
        "SELECT SUM(COALESCE(actual, 0)), SUM(CASE WHEN state = 'held' THEN amount ELSE 0 END),"
        " COUNT(*) FROM reservation WHERE opened_at >= ? AND opened_at < ?",
        since,
        until,
    )
    settled, held, count = row or (0, 0, 0)
    return Spent(name="", settled=settled or 0, held=held or 0, count=count or 0)


def by(tx: Tx, field: By, *, since: int, until: int = _END) -> list[Spent]:
    """The same by one of its fields, dearest first."""
    rows = tx.rows(_STATEMENTS[field], since, until)
    return [
        Spent(name=name or "", settled=settled or 0, held=held or 0, count=count)
        for name, settled, held, count in rows
    ]
