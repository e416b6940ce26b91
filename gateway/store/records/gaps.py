"""Times without transport that are over."""

from gateway.store.base import Tx


def insert(
    tx: Tx, *, account: str, since: int, until: int, cause: str, recovered: int | None
) -> None:
    """Store a gap; times in microseconds since 1970."""
    tx.run(
        "INSERT INTO gap (account, since, until, cause, recovered) VALUES (?, ?, ?, ?, ?)",
        account,
        since,
        until,
        cause,
        recovered,
    )
