"""The reader of the books, and the judge of cards: what they take for good, and what not."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.store import migrate
from tests.kill import books, requests
from tests.kill.requests import Asked

TURN = ("turn:1", "")
SERIAL = "INTEGER PRIMARY KEY AUTOINCREMENT"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    """A database with the gateway's tables and one settled call of $0.30, held at $0.50."""
    path = tmp_path / "gatepost.db"
    with closing(sqlite3.connect(path)) as opened, opened:
        for each in migrate.packaged():
            opened.executescript(each.sql.replace("{{serial}}", SERIAL))
        opened.execute("PRAGMA foreign_keys = OFF")
        opened.execute("INSERT INTO balance (scope, span, settled) VALUES ('turn:1', '', 300000)")
        opened.execute(
            "INSERT INTO reservation (id, kind, state, leave, amount, actual, scopes, account,"
            " chat, call_id, what, opened_at, deadline_at) VALUES ('r1', 'tool', 'settled',"
            " 'policy', 500000, 300000, ?, 'a', 'c', 'call1', 'w', 1, 2)",
            (json.dumps([TURN]),),
        )
        for kind, amount in (("hold", 500_000), ("settle", 300_000), ("release", 200_000)):
            _move(opened, kind, amount)
    yield path


def _move(opened: sqlite3.Connection, kind: str, amount: int) -> None:
    opened.execute(
        "INSERT INTO ledger (at, kind, amount, reservation_id, what, scopes)"
        " VALUES (1, ?, ?, 'r1', 'w', ?)",
        (kind, amount, json.dumps([TURN])),
    )


def _change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as opened, opened:
        for statement in statements:
            opened.execute(statement)


def test_books_in_order(database: Path) -> None:
    """Balances, ledger, reservations and limits agree."""
    assert books.read(database).problems() == []
    assert books.uncovered(database, {"call1": 300_000}) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE balance SET settled = 299999", "settled is 299999, its ledger says 300000"),
        ("UPDATE balance SET held = 1", "held is 1, its ledger says 0"),
        ("UPDATE balance SET raised = 5", "raised is 5, its ledger says 0"),
        ("DELETE FROM ledger WHERE kind = 'release'", "still holds 200000"),
        ("UPDATE reservation SET actual = 1", "cost 1, its ledger says 300000"),
        ("UPDATE reservation SET state = 'released'", "was released and paid 300000"),
        ("UPDATE reservation SET amount = 7", "held 7, its ledger says 500000"),
    ],
)
def test_books_in_disorder(database: Path, change: str, says: str) -> None:
    """Any figure that is off is found."""
    _change(database, change)
    assert any(says in problem for problem in books.read(database).problems())


def test_a_limit_that_is_passed(database: Path) -> None:
    """Raises count, and what a provider billed above its hold is no fault of the gate's."""
    found = books.read(database)
    assert found.problems({"turn": 300_000}) == []
    (problem,) = found.problems({"turn": 299_999})
    assert "settled 300000 + held 0 > 299999" in problem
    assert found.fullest({"turn": 1_000_000}) == {"turn": (300_000, 1_000_000)}


def test_a_bill_that_is_not_covered(database: Path) -> None:
    """More than was booked, or less than was settled, of a call or of one nobody knows."""
    assert len(books.uncovered(database, {"call1": 300_001})) == 2
    assert len(books.uncovered(database, {"call1": 299_999})) == 1
    assert len(books.uncovered(database, {"call1": 300_000, "call2": 1})) == 1


def test_a_run_that_nobody_approved(database: Path) -> None:
    """Only of tools that have to be asked about."""
    assert books.unapproved(database, {("look", "call1"): 1}, {"buy"}) == []
    assert len(books.unapproved(database, {("buy", "call1"): 1}, {"buy"})) == 1


def _asked(**fields: str) -> Asked:
    given = {"code": "AAAAA", "kind": "call", "card": "closed", "decided_by": "ann", "call": "done"}
    return Asked(**{**given, "state": "approved", **fields})


DONE = ("AAAAA", "Approval AAAAA: buy run\nDone: $0.12", False)


@pytest.mark.parametrize(
    ("asked", "shown", "extra"),
    [
        (_asked(), (DONE,), 0),
        (_asked(state="denied"), (("AAAAA", "Denied by ann 10:00", False),), 0),
        (_asked(), (DONE, DONE), 1),
        (_asked(), (DONE, ("AAAAA", "Approval AAAAA: buy run", True)), 1),
    ],
)
def test_cards_in_order(asked: Asked, shown: tuple[requests.Shown, ...], extra: int) -> None:
    """Closed, and they say how it ended; a copy more only where a crash may leave one."""
    assert requests.problems([asked], shown, extra=extra) == []


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (_asked(), ()),
        (_asked(), (DONE, DONE)),
        (_asked(), ((DONE[0], DONE[1], True),)),
        (_asked(), ((DONE[0], "Approval AAAAA: buy run\nApproved by ann 10:00, running", False),)),
        (_asked(state="pending", card="open"), (DONE,)),
        (_asked(decided_by=""), (DONE,)),
        (_asked(), (DONE, ("BBBBB", "Approval BBBBB: buy run", False))),
    ],
)
def test_cards_in_disorder(asked: Asked, shown: tuple[requests.Shown, ...]) -> None:
    """Missing, doubled, still open, not telling, undecided, by nobody, unknown."""
    assert requests.problems([asked], shown, extra=0)
