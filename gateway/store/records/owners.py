"""People whom a one-time code has made owners, the codes by their digest, and wrong tries.

open --> ended      used, given away, or another one was made; without a word it is over by its time
"""

from dataclasses import dataclass

from gateway.store.base import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A person, by the account and direct chat they sent the code in.

    `made_by` made the code; `made_at` is microseconds since 1970. The name is not verified.
    """

    person: str
    account: str
    chat: str
    name: str
    made_by: str
    made_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A code as it is stored; times are microseconds since 1970."""

    digest: str
    made_by: str
    made_at: int
    until_at: int
    ended_at: int | None = None

    def is_open(self, now: int) -> bool:
        """Whether it makes somebody an owner."""
        return self.ended_at is None and now < self.until_at


_FIELDS = ("person", "account", "chat", "name", "made_by", "made_at")
_CODE_FIELDS = ("digest", "made_by", "made_at", "until_at", "ended_at")


def everybody(tx: Tx) -> list[Owner]:
    """Every owner there is a row of, whoever became one first in front."""
    return [
        Owner(**dict(zip(_FIELDS, row, strict=True)))
        for row in tx.rows(
            "SELECT person, account, chat, name, made_by, made_at FROM owner"
            " ORDER BY made_at, person"
        )
    ]


def add(tx: Tx, owner: Owner) -> None:
    """Store an owner; one who is known stays as they are."""
    tx.run(
        "INSERT INTO owner (person, account, chat, name, made_by, made_at)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (person) DO NOTHING",
        owner.person,
        owner.account,
        owner.chat,
        owner.name,
        owner.made_by,
        owner.made_at,
    )


def remove(tx: Tx, person: str) -> bool:
    """Take an owner's row away; False if there is none."""
    return tx.run("DELETE FROM owner WHERE person = ?", person) == 1


def make_code(tx: Tx, code: Code, *, keep_from: int) -> None:
    """Store a code in place of the open one, and begin to count tries anew.

    Codes made before `keep_from`, microseconds since 1970, are forgotten.
    """
    tx.run("DELETE FROM owner_code WHERE made_at < ?", keep_from)
    tx.run("UPDATE owner_code SET ended_at = ? WHERE ended_at IS NULL", code.made_at)
    tx.run("DELETE FROM owner_try")
    tx.run(
        "INSERT INTO owner_code (digest, made_by, made_at, until_at) VALUES (?, ?, ?, ?)",
        code.digest,
        code.made_by,
        code.made_at,
        code.until_at,
    )


def code(tx: Tx, digest: str) -> Code | None:
    """A code of the last day."""
    row = tx.row(
        "SELECT digest, made_by, made_at, until_at, ended_at FROM owner_code WHERE digest = ?",
        digest,
    )
    return None if row is None else Code(**dict(zip(_CODE_FIELDS, row, strict=True)))


def has_open_code(tx: Tx, now: int) -> bool:
    """Whether some code would make somebody an owner."""
    found = tx.row("SELECT 1 FROM owner_code WHERE ended_at IS NULL AND until_at > ? LIMIT 1", now)
    return found is not None


def end_code(tx: Tx, digest: str, *, now: int) -> None:
    """Let a code be over."""
    tx.run("UPDATE owner_code SET ended_at = ? WHERE digest = ?", now, digest)


def tries(tx: Tx, account: str, person: str) -> tuple[int, int]:
    """How many wrong codes a person has sent, and all people of an account together."""
    row = tx.row(
        "SELECT COALESCE(SUM(CASE person WHEN ? THEN tries ELSE 0 END), 0),"
        " COALESCE(SUM(tries), 0) FROM owner_try WHERE account = ?",
        person,
        account,
    )
    return (int(row[0]), int(row[1])) if row is not None else (0, 0)


def count_try(tx: Tx, account: str, person: str) -> None:
    """Count a wrong code of a person."""
    tx.run(
        "INSERT INTO owner_try (account, person, tries) VALUES (?, ?, 1)"
        " ON CONFLICT (account, person) DO UPDATE SET tries = owner_try.tries + 1",
        account,
        person,
    )
