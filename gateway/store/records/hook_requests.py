"""Signed requests of hooks: each is good for the key it came with first."""

from gateway.store.base import Tx


def first_key(tx: Tx, job: str, signed: str, *, key: str, good_until: int, now: int) -> str:
    """The key a signed request came with first; this one's, if it never came before.

    `signed` tells it from others; it is remembered until `good_until`.
    """
    tx.run("DELETE FROM hook_request WHERE good_until < ?", now)
    row = tx.row(
        "INSERT INTO hook_request (job, signed, request_key, good_until) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (job, signed) DO UPDATE SET good_until = excluded.good_until"
        " RETURNING request_key",
        job,
        signed,
        key,
        good_until,
    )
    return key if row is None else str(row[0])
