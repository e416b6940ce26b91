"""Holds and limits as tests of money make them, and a store in one connection."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import orjson

from agent.costs import DOLLAR
from gateway.ledger import Leave, Limits, Period, Place, ScopeLimit, scopes_for
from gateway.store import migrate
from gateway.store.base import Tx
from gateway.store.connection import SqliteTx
from gateway.store.records import ledger
from gateway.store.records.reservations import Hold
from gateway.store.sqlite import TOKENS

ACCOUNT = "slack:T1"
CHAT = "slack:T1/C1"
NOW = 1_760_000_000_000_000  # 2025-10-09, 08:53 UTC
MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
PLACE = Place(account=ACCOUNT, chat=CHAT, person="dana", session_id=3, turn_id=7)
LIMITS = Limits()


@contextmanager
def database(image: bytes | None = None) -> Iterator[sqlite3.Connection]:
    """An empty database of this release, or one that was serialized before."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        if image is not None:
            connection.deserialize(image)
        else:
            for migration in migrate.packaged():
                connection.executescript(migrate.fill(migration.sql, TOKENS))
        yield connection
    finally:
        connection.close()


def transaction(connection: sqlite3.Connection) -> Tx:
    """A transaction that commits each statement by itself."""
    return SqliteTx(connection)


def one(limit: int = 10 * DOLLAR, scope: str = "one") -> tuple[ScopeLimit, ...]:
    """A single daily limit."""
    return (ScopeLimit(scope=scope, limit=limit, period=Period.DAY),)


def hold(ident: str = "r1", amount: int = DOLLAR, **fields: Any) -> Hold:
    """A tool's hold under every limit of a chat; fields change it."""
    plain = Hold(
        id=ident,
        kind="tool",
        leave=Leave.POLICY,
        amount=amount,
        scopes=scopes_for(PLACE, LIMITS),
        account=ACCOUNT,
        chat=CHAT,
        what="hf_jobs run",
        deadline_at=NOW + HOUR,
        turn_id=7,
        requester="slack:T1/U1",
    )
    return replace(plain, **fields)


def held(tx: Tx, *args: Any, now: int = NOW, **fields: Any) -> Hold:
    """A hold that was taken."""
    new = hold(*args, **fields)
    taken = ledger.reserve(tx, new, now=now)
    assert isinstance(taken, ledger.Reserved), taken
    return new


def balances(tx: Tx) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Settled, held and raised of every scope and span that is not at zero."""
    rows = tx.rows("SELECT scope, span, settled, held, raised FROM balance")
    return {(scope, span): (a, b, c) for scope, span, a, b, c in rows if (a, b, c) != (0, 0, 0)}


SETTLES = {"settle": 1, "charge": 1, "overrun": 1, "unheld": 1, "correct": 1}
HOLDS = {"hold": 1, "settle": -1, "release": -1, "charge": -1}


def summed(tx: Tx) -> dict[tuple[str, str], tuple[int, int, int]]:
    """The same, added up from the rows of the ledger alone."""
    sums: dict[tuple[str, str], tuple[int, int, int]] = {}
    for kind, amount, scopes in tx.rows("SELECT kind, amount, scopes FROM ledger ORDER BY seq"):
        for scope, span in orjson.loads(scopes):
            settled, kept, raised = sums.get((scope, span), (0, 0, 0))
            sums[scope, span] = (
                settled + SETTLES.get(kind, 0) * amount,
                kept + HOLDS.get(kind, 0) * amount,
                raised + (amount if kind == "raise" else 0),
            )
    return {key: value for key, value in sums.items() if value != (0, 0, 0)}


def kinds(tx: Tx) -> list[tuple[str, int]]:
    """What the ledger says, in order."""
    return [(kind, amount) for kind, amount in tx.rows("SELECT kind, amount FROM ledger")]
