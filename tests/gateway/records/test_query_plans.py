"""No query goes through what was ever stored: its cost follows what is open, not the past.

Every statement of the gateway is taken from its source and shown to SQLite's planner.
"""

import ast
import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.store import migrate
from gateway.store.sqlite import TOKENS

GATEWAY = Path(__file__).parents[3] / "gateway"

SMALL = {
    "chat", "chat_alias", "credential_login", "credential_rest", "credential_use", "cron_job",
    "cursor", "estimator", "freeze", "gap", "listed_chat", "owner", "owner_code", "owner_try",
    "pairing", "pruned", "seal", "sqlite_master", "sqlite_schema", "start",
}  # fmt: skip
"""Tables that don't grow with every message: they may be gone through.

Freezes, jobs of the clock and estimators that are not trusted stand until a person takes them away;
at most ten people an account may ask to be let in at a time, and fifty wrong codes are counted.
"""

OPEN_WORK = {
    "allowance_until", "card_code", "card_expiry", "card_open", "card_reminder", "card_unposted",
    "cron_fire_open", "inbox_held", "inbox_now", "inbox_turn", "inbox_waiting", "outbox_amiss",
    "outbox_leaving",
    "outbox_pending", "remote_job_open", "reservation_held", "turn_next", "turn_open",
    "turn_parked", "turn_unended",
}  # fmt: skip
"""Partial indexes over what is not settled: as long as the work, not as the past."""

LONG = {("inbox", "inbox_message"), ("outbox", "outbox_message")}
"""Indexes that find one message; without its id they hold all of a chat."""

BY_HAND = {
    "explain.py:_message_story": "put together; each place goes by the index on messages",
    "history.py:_chats": "the page's list of chats, over the page's own messages",
    "history.py:_first_words": "a chat of the page that has no session yet",
    "history.py:_written": "a chat of the page, opened by a person",
    "spent.py:by": "one of five constants; each goes by the time of the hold",
}

STATEMENT = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\s")
STEP = re.compile(r"(SCAN|SEARCH) (\w+)(?: USING (?:COVERING )?INDEX (\w+))?(?: \((.*)\))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A statement and where it stands; `sql` is None if only running it would tell."""

    place: str
    sql: str | None


def queries() -> Iterator[Query]:
    """Every statement that a function of the gateway hands to a transaction."""
    for path in sorted(GATEWAY.rglob("*.py")):
        tree = ast.parse(path.read_text())
        known: dict[str, str] = {}
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                known[node.targets[0].id] = _text(node.value, known) or ""
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                for call in ast.walk(function):
                    if isinstance(call, ast.Call):
                        yield from _handed(call, f"{path.name}:{function.name}", known)


def _handed(call: ast.Call, place: str, known: Mapping[str, str]) -> Iterator[Query]:
    match call:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="tx"), attr="rows" | "row" | "run"),
            args=[first, *_],
        ):
            if isinstance(first, ast.Name) and first.id == "sql":
                return  # handed on; found where the function is called
            yield Query(place=place, sql=_text(first, known))
        case ast.Call(args=[ast.Name(id="tx"), second, *_]):
            sql = _text(second, known)
            if sql is not None and STATEMENT.match(sql):
                yield Query(place=place, sql=sql)


def _text(node: ast.expr, known: Mapping[str, str]) -> str | None:
    """The value of constants, names of constants and sums of them."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id=name):
            return known.get(name) or None
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            first, second = _text(left, known), _text(right, known)
            return None if first is None or second is None else first + second
        case _:
            return None


def fault(step: str) -> str | None:
    """Why a step of a plan costs more with every message ever stored; None if it does not."""
    match = STEP.match(step)
    if match is None:
        return None
    how, table, index, terms = match.groups()
    if table in SMALL or index in OPEN_WORK:
        return None
    if how == "SCAN":
        return None if table in {"waiting", "mine", "known"} else f"goes through all of {table}"
    if terms == "account=?":
        return f"goes through all of an account's {table}"
    if terms == "account=? AND chat=?" and (table, index) in LONG:
        return "goes through all that was written in a chat"
    if terms == "account=? AND author=? AND chat=?" and "COVERING" not in step:
        return "goes through all that a person wrote in a chat"
    # A covering index here answers whether there is any turn, and stops at the first.
    if terms == "session_id=?" and table == "turn" and "COVERING" not in step:
        return "goes through all turns of a session"
    return None


@pytest.fixture(scope="module")
def schema() -> Iterator[sqlite3.Connection]:
    """An empty database: what the planner decides without having seen any row."""
    connection = sqlite3.connect(":memory:")
    for migration in migrate.packaged():
        connection.executescript(migrate.fill(migration.sql, TOKENS))
    yield connection
    connection.close()


def plan(schema: sqlite3.Connection, sql: str) -> list[str]:
    """The steps SQLite would take."""
    rows = schema.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * sql.count("?"))
    return [str(row[3]) for row in rows]


ALL = tuple(queries())


def test_the_search_finds_the_statements() -> None:
    """Most of them stand in the records."""
    places = {query.place for query in ALL}
    assert {"inbox.py:insert", "sessions.py:next_work", "outbox.py:waiting"} <= places
    assert len(ALL) > 80


@pytest.mark.parametrize("place", sorted({query.place for query in ALL} - BY_HAND.keys()))
def test_no_query_goes_through_the_past(schema: sqlite3.Connection, place: str) -> None:
    """Each step finds its rows by a key, or by an index that holds open work alone."""
    for query in ALL:
        if query.place != place:
            continue
        assert query.sql is not None, "write the statement out, or name it a constant"
        faults = [(step, fault(step)) for step in plan(schema, query.sql)]
        assert [each for each in faults if each[1] is not None] == [], query.sql


def test_what_is_left_out_is_there() -> None:
    """An exception whose function is gone is taken off the list."""
    assert BY_HAND.keys() <= {query.place for query in ALL}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM inbox WHERE lane = ?",
        "SELECT id FROM outbox WHERE account = ?",
        "SELECT MAX(received_at) FROM inbox WHERE account = ? AND chat = ?",
        "SELECT id FROM turn WHERE session_id = ? AND error = ? ORDER BY number",
        "DELETE FROM step WHERE model = ?",
    ],
)
def test_a_query_without_an_index_is_found(schema: sqlite3.Connection, sql: str) -> None:
    """The rules above do tell."""
    assert [fault(step) for step in plan(schema, sql) if fault(step)]
