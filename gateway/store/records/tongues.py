"""The language people read, as their platform told last."""

from collections.abc import Iterable

from gateway.store.base import Tx
from gateway.words.phrase import Language, language_of


def of(tx: Tx, person: str) -> Language | None:
    """The language of a person; None if nobody has told."""
    row = tx.row("SELECT language FROM tongue WHERE person = ?", person)
    return language_of(row[0]) if row else None


def learn(tx: Tx, persons: Iterable[str], language: Language, *, now: int) -> None:
    """Keep the language of whoever has these ids."""
    for person in persons:
        tx.run(
            "INSERT INTO tongue (person, language, heard_at) VALUES (?, ?, ?)"
            " ON CONFLICT (person) DO UPDATE SET language = excluded.language,"
            " heard_at = excluded.heard_at",
            person,
            language,
            now,
        )
