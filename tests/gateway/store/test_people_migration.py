"""The inbox is made anew for a state it did not have: its rows stay, and so do their numbers."""

import sqlite3
from contextlib import closing

from gateway.store import migrate
from gateway.store.sqlite import TOKENS

_INSERT = (
    "INSERT INTO inbox (account, delivery_key, logical_key, state, occurred_at, received_at, raw)"
    " VALUES ('telegram:77', ?, ?, ?, 1, 2, 'raw')"
)


def apply(database: sqlite3.Connection, *numbers: int) -> None:
    """Apply some of the released changes."""
    for each in migrate.packaged():
        if each.number in numbers:
            database.executescript(migrate.fill(each.sql, TOKENS))


def test_what_lay_in_the_inbox_stays() -> None:
    """Rows keep their numbers, indexes and uniqueness; a number that was used is not used again."""
    with closing(sqlite3.connect(":memory:")) as database:
        apply(database, 1, 2, 3, 4, 5)
        for number, state in enumerate(("done", "new", "ignored"), start=1):
            database.execute(_INSERT, (f"d{number}", f"l{number}", state))
        before = set(_indexes(database))
        rows = database.execute("SELECT * FROM inbox ORDER BY id").fetchall()
        apply(database, 6)
        assert database.execute("SELECT * FROM inbox ORDER BY id").fetchall() == rows
        assert _indexes(database) >= before
        database.execute(_INSERT, ("d4", "l4", "held"))
        ((ident,),) = database.execute("SELECT MAX(id) FROM inbox").fetchall()
        assert ident == 4
        database.execute("DELETE FROM inbox WHERE id = 4")
        database.execute(_INSERT, ("d5", "l5", "held"))
        ((ident,),) = database.execute("SELECT MAX(id) FROM inbox").fetchall()
        assert ident == 5


def _indexes(database: sqlite3.Connection) -> set[str]:
    """The indexes of the inbox that have a name of their own."""
    found = database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'inbox'"
        " AND sql IS NOT NULL"
    )
    return {str(name) for (name,) in found}
