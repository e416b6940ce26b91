"""The gateway's SQL is one text for two engines: nothing in it is SQLite's alone."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / "gateway" / "store" / "records", ROOT / "gateway" / "web")
MIGRATIONS = ROOT / "gateway" / "store" / "migrations"

STATEMENT = re.compile(r"^\s*(SELECT|INSERT|UPDATE|DELETE|WITH|CREATE|ALTER)\s", re.IGNORECASE)
ALONE = {
    "INSERT OR ..": r"\bINSERT\s+OR\b|\bREPLACE\s+INTO\b",
    "rowid": r"\b_?rowid_?\b|\bWITHOUT\s+ROWID\b",
    "AUTOINCREMENT": r"\bAUTOINCREMENT\b",
    "PRAGMA": r"\bPRAGMA\b",
    "GLOB, MATCH": r"\b(GLOB|MATCH)\b",
    "LIKE": r"\bLIKE\b",  # blind to case here, not there
    "NOCASE": r"\bNOCASE\b",
    "IFNULL, IIF": r"\b(IFNULL|IIF)\s*\(",
    "dates": r"\b(datetime|strftime|julianday|unixepoch)\s*\(",
    "JSON": r"\bjson_\w+\s*\(|->>?",
    "typeof, printf": r"\b(typeof|printf|group_concat|last_insert_rowid|changes)\s*\(",
    "==": r"==",
    "quotes": r"[`\"\[]",
    "LIMIT a, b": r"\bLIMIT\s+\?\s*,",
    "IS ?": r"\bIS\s+(NOT\s+)?\?",
    "BLOB, DATETIME": r"\b(BLOB|DATETIME|CLOB)\b",
    "numbered parameters": r"\?\d|[:@$][a-z]",
}


def statements(source: str) -> Iterator[str]:
    """Every SQL text among the constants of a Python file."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and STATEMENT.match(node.value)
        ):
            yield node.value


def everything() -> dict[str, str]:
    """All SQL of the gateway by where it stands."""
    found = {
        f"{path.name}: {sql[:50]}": sql
        for folder in FOLDERS
        for path in sorted(folder.glob("*.py"))
        for sql in statements(path.read_text())
    }
    for path in sorted(MIGRATIONS.glob("*.sql")):
        text = re.sub(r"--[^\n]*", "", path.read_text())
        found |= {f"{path.name}: {part.strip()[:50]}": part for part in text.split(";")}
    return found


SQL = everything()


def test_there_is_sql_to_look_at() -> None:
    """The collection above finds what it is for."""
    assert len(SQL) > 60
    assert any(place.startswith("0001") for place in SQL)


@pytest.mark.parametrize("what", ALONE)
def test_no_engine_is_spoken_to_alone(what: str) -> None:
    """Neither a word nor a sign that PostgreSQL would refuse or read otherwise."""
    pattern = re.compile(ALONE[what], re.IGNORECASE)
    assert [place for place, sql in SQL.items() if pattern.search(_outside_strings(sql))] == []


def _outside_strings(sql: str) -> str:
    """A statement without its literals, in which anything may stand."""
    return re.sub(r"'(?:[^']|'')*'", "''", sql)


@pytest.mark.parametrize(
    "sql", ["INSERT OR IGNORE INTO a VALUES (?)", 'SELECT "a" FROM b', "SELECT a FROM b LIMIT ?, ?"]
)
def test_a_slip_is_found(sql: str) -> None:
    """The rules above are able to say no."""
    assert any(re.search(pattern, sql, re.IGNORECASE) for pattern in ALONE.values())
