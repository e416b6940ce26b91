"""Numbered schema changes: read from package files, checked against what a database has had.

A file is `NNNN_name.sql`, numbered from 1 without gaps, and never changes once released.
`{{serial}}` stands for the engine's own auto-numbered integer primary key.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from gateway.errors import StoreUnusable

CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migration (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at TEXT NOT NULL
)
"""
SELECT_APPLIED = "SELECT number, name, checksum FROM schema_migration ORDER BY number"
INSERT_APPLIED = (
    "INSERT INTO schema_migration (number, name, checksum, applied_at) VALUES (?, ?, ?, ?)"
)

_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_TOKEN = re.compile(r"\{\{(\w*)\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One released change of the schema."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text as released, before tokens are filled in."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A row of the migrations table."""

    number: int
    name: str
    checksum: str


def packaged() -> tuple[Migration, ...]:
    """The schema this release knows."""
    return load(files("gateway.store") / "migrations")


def load(source: Traversable) -> tuple[Migration, ...]:
    """Every migration in a package folder, in order; ValueError on one that breaks the rules."""
    found = sorted(_read(source), key=lambda migration: migration.number)
    numbers = [migration.number for migration in found]
    if numbers != list(range(1, len(found) + 1)):
        raise ValueError(f"migrations must be numbered from 1 without gaps, found {numbers}")
    return tuple(found)


def pending(available: Sequence[Migration], applied: Sequence[Applied]) -> tuple[Migration, ...]:
    """What is still to be run; raises StoreUnusable if this database is not ours to go on with."""
    known = {migration.number: migration for migration in available}
    for row in applied:
        migration = known.get(row.number)
        if migration is None:
            raise StoreUnusable(
                f"the database was written by a newer Gatepost (schema {applied[-1].number}, this"
                f" one knows {len(available)}); install that version again or restore a backup"
            )
        if migration.checksum != row.checksum:
            raise StoreUnusable(
                f"schema step {row.number} ({row.name}) is not the one this database was made"
                " with; reinstall an unmodified Gatepost or restore a backup"
            )
    done = {row.number for row in applied}
    return tuple(migration for migration in available if migration.number not in done)


def fill(sql: str, tokens: Mapping[str, str]) -> str:
    """Replace `{{token}}`s; ValueError on one the engine does not know."""

    def value(match: re.Match[str]) -> str:
        try:
            return tokens[match[1]]
        except KeyError:
            raise ValueError(f"unknown token {match[0]} in a migration") from None

    return _TOKEN.sub(value, sql)


def _read(source: Traversable) -> Iterator[Migration]:
    for entry in source.iterdir():
        if not entry.name.endswith(".sql"):
            continue
        match = _FILE_NAME.fullmatch(entry.name)
        if match is None:
            raise ValueError(f"{entry.name} is not named NNNN_name.sql")
        sql = entry.read_text(encoding="utf-8")
        if "deferrable" in sql.lower():
            # It would fail at the commit, and with it every other unit of the group.
            raise ValueError(f"{entry.name} has a constraint that is checked only at the commit")
        yield Migration(number=int(match[1]), name=match[2], sql=sql)
