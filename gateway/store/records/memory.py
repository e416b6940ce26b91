"""What the agent was asked to remember, per place: a chat, or one person in a direct chat."""

from dataclasses import dataclass

from gateway.store.base import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """One thing that is remembered; `at` is microseconds since 1970, `author` a person."""

    id: int
    text: str
    author: str
    at: int


def write(tx: Tx, *, place: str, text: str, author: str, now: int) -> int:
    """Remember something; returns its id."""
    row = tx.row(
        "INSERT INTO memory (place, text, author, at) VALUES (?, ?, ?, ?) RETURNING id",
        place,
        text,
        author,
        now,
    )
    if row is None:
        raise LookupError("nothing was stored")
    return int(row[0])


def of_place(tx: Tx, place: str) -> list[Memory]:
    """All that is remembered for a place, oldest first."""
    rows = tx.rows("SELECT id, text, author, at FROM memory WHERE place = ? ORDER BY id", place)
    return [Memory(id=int(i), text=text, author=author, at=int(at)) for i, text, author, at in rows]


def forget(tx: Tx, *, place: str, ident: int) -> bool:
    """Remove one thing; False if it is not there."""
    return tx.run("DELETE FROM memory WHERE place = ? AND id = ?", place, ident) == 1
