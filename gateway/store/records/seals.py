"""The secrets of this state directory that seal buttons: two generations are valid."""

from gateway.store.base import Tx

GENERATIONS = 2


def keys(tx: Tx, fresh: str, *, now: int) -> tuple[bytes, ...]:
    """The valid keys, the newest last; `fresh` (hexadecimal) becomes the first if there is none."""
    rows = tx.rows("SELECT secret FROM seal ORDER BY id DESC LIMIT ?", GENERATIONS)
    if not rows:
        tx.run("INSERT INTO seal (secret, made_at) VALUES (?, ?)", fresh, now)
        return (bytes.fromhex(fresh),)
    return tuple(bytes.fromhex(row[0]) for row in reversed(rows))
