"""Freezes, under which no new money moves, and estimators whose figure was too low."""

from dataclasses import dataclass

from gateway.ledger import chat_scope
from gateway.store.base import Row, Tx
from gateway.store.records import audit

EVERYWHERE = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """A standing freeze; `scope` is EVERYWHERE or ACCOUNT|CHAT, `at` microseconds since 1970."""

    scope: str
    by: str
    name: str
    reason: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """An estimator that answers unknown until an owner clears it."""

    name: str
    since: int
    reason: str


_SELECT = "SELECT scope, by_whom, by_name, reason, at FROM freeze"


def freeze(tx: Tx, new: Freeze) -> bool:
    """Freeze a chat or everything; False if that stood already (the first word is kept)."""
    changed = tx.run(
        "INSERT INTO freeze (scope, by_whom, by_name, reason, at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (scope) DO NOTHING",
        new.scope,
        new.by,
        new.name,
        new.reason,
        new.at,
    )
    if changed:
        detail = {"name": new.name, "reason": new.reason}
        audit.append(tx, at=new.at, kind="freeze", actor=new.by, subject=new.scope, detail=detail)
    return changed == 1


def unfreeze(tx: Tx, scope: str, *, by: str, now: int) -> bool:
    """Lift one freeze; another one, of the chat or of everything, goes on standing."""
    lifted = tx.run("DELETE FROM freeze WHERE scope = ?", scope) == 1
    if lifted:
        audit.append(tx, at=now, kind="unfreeze", actor=by, subject=scope, detail={})
    return lifted


def standing(tx: Tx, account: str, chat: str) -> Freeze | None:
    """What holds a chat still, the freeze of everything first."""
    rows = tx.rows(_SELECT + " WHERE scope IN ('all', ?)", chat_scope(account, chat))
    found = [_freeze(row) for row in rows]
    return min(found, key=lambda each: each.scope != EVERYWHERE, default=None)


def lifted_at(tx: Tx, account: str, chat: str) -> int | None:
    """When a freeze of a chat was last lifted, its own or that of everything."""
    row = tx.row(
        "SELECT MAX(at) FROM audit WHERE subject IN ('all', ?) AND kind = 'unfreeze'",
        chat_scope(account, chat),
    )
    return row[0] if row else None


def every(tx: Tx) -> list[Freeze]:
    """Every freeze that stands, oldest first."""
    return [_freeze(row) for row in tx.rows(_SELECT + " ORDER BY at, scope")]


def suspect(tx: Tx, name: str, *, reason: str, now: int) -> None:
    """Trust an estimator no longer; the first reason is kept."""
    changed = tx.run(
        "INSERT INTO estimator (name, since, reason) VALUES (?, ?, ?)"
        " ON CONFLICT (name) DO NOTHING",
        name,
        now,
        reason,
    )
    if changed:
        detail = {"reason": reason}
        audit.append(tx, at=now, kind="suspect", actor="gateway", subject=name, detail=detail)


def is_suspect(tx: Tx, name: str) -> bool:
    """Whether an estimator's figures count for nothing now."""
    return tx.row("SELECT 1 FROM estimator WHERE name = ?", name) is not None


def clear(tx: Tx, name: str, *, by: str, now: int) -> bool:
    """Trust an estimator again, by an owner's word."""
    cleared = tx.run("DELETE FROM estimator WHERE name = ?", name) == 1
    if cleared:
        audit.append(tx, at=now, kind="cleared", actor=by, subject=name, detail={})
    return cleared


def suspects(tx: Tx) -> list[Suspect]:
    """Every estimator that is not trusted, by name."""
    rows = tx.rows("SELECT name, since, reason FROM estimator ORDER BY name")
    return [Suspect(name=name, since=since, reason=reason) for name, since, reason in rows]


def _freeze(row: Row) -> Freeze:
    scope, by, name, reason, at = row
    return Freeze(scope=scope, by=by, name=name, reason=reason, at=at)
