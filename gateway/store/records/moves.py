"""A chat has a new address: what belongs to it goes along, in the unit that stores the alias.

Its sessions and what waits for them, the turns that will answer there, cards, leave that was given,
jobs that were made there, a freeze, its notes. What has left stays where it is: messages are
numbered anew in the new chat. What was spent stays where it was booked, so the day's limit of the
chat begins anew. Threads move with their chat.
"""

from dataclasses import replace

from gateway.store.base import Tx
from gateway.store.records import cron


def follow(tx: Tx, account: str, old: str, new: str, *, now: int) -> None:
    """Let what belongs to a chat belong to its new address; neither has a thread."""
    cut = len(old) + 1
    for low, high in _below(old):
        _sessions(tx, account, (old, new), (low, high), now)
        move = (new, cut, account, low, high)
        tx.run(
            "UPDATE outbox SET chat = ? || substr(chat, ?) WHERE state = 'pending'"
            " AND account = ? AND chat >= ? AND chat < ?",
            *move,
        )
        tx.run(
            "UPDATE allowance SET chat = ? || substr(chat, ?) WHERE state = 'live'"
            " AND account = ? AND chat >= ? AND chat < ?",
            *move,
        )
        tx.run(
            "UPDATE card SET chat = ? || substr(chat, ?) WHERE state IN ('queued', 'open')"
            " AND account = ? AND chat >= ? AND chat < ?",
            *move,
        )
        tx.run(
            "UPDATE card SET origin = ? || substr(origin, ?) WHERE state IN ('queued', 'open')"
            " AND origin_account = ? AND origin >= ? AND origin < ?",
            *move,
        )
    _jobs(tx, old, new)
    _waiting(tx, f"{account}|{old}", f"{account}|{new}", old, new)
    _places(tx, f"{account}|{old}", f"{account}|{new}")


def _jobs(tx: Tx, old: str, new: str) -> None:
    """Let what people have let a clock do there be done at the new address."""
    for job in cron.every(tx):
        place = job.definition.deliver
        if job.source == "chat" and (place == old or place.startswith(f"{old}/")):
            moved = replace(job.definition, deliver=f"{new}{place[len(old) :]}")
            cron.put(tx, replace(job, definition=moved))


def _below(text: str) -> tuple[tuple[str, str], ...]:
    """A chat itself and its threads, as ranges: ids hold nothing below "/", which "0" follows."""
    return (text, f"{text} "), (f"{text}/", f"{text}0")


def _sessions(
    tx: Tx, account: str, move: tuple[str, str], among: tuple[str, str], now: int
) -> None:
    """Move sessions; one that has begun at the new address already goes before the old one."""
    old, new = move
    prefix, cut = f"{account}|{old}", len(old) + 1
    rows = tx.rows(
        "SELECT id, key, closed_at FROM session WHERE account = ? AND chat >= ? AND chat < ?",
        account,
        *among,
    )
    for ident, key, closed_at in rows:
        if not key.startswith(prefix):
            continue
        moved = f"{account}|{new}{key[len(prefix) :]}"
        taken = tx.row("SELECT 1 FROM session WHERE key = ? AND closed_at IS NULL", moved)
        ends = now if closed_at is None and taken is not None else closed_at
        tx.run(
            "UPDATE session SET key = ?, chat = ? || substr(chat, ?), closed_at = ? WHERE id = ?",
            moved,
            new,
            cut,
            ends,
            ident,
        )
        tx.run(
            "UPDATE turn SET reply_to = ? || substr(reply_to, ?)"
            " WHERE session_id = ? AND state IN ('open', 'waiting')"
            " AND (reply_to = ? OR (reply_to > ? AND reply_to < ?))",
            new,
            cut,
            ident,
            old,
            f"{old}/",
            f"{old}0",
        )


def _waiting(tx: Tx, before: str, after: str, old: str, new: str) -> None:
    """Move what waits for those sessions: of the chat, of its threads, of single people in it."""
    people = (f"{before}|", f"{before}}}")  # "}" follows "|"
    for low, high in (*_below(before), people):
        tx.run(
            "UPDATE inbox SET session_key = ? || substr(session_key, ?),"
            " chat = ? || substr(chat, ?)"
            " WHERE state = 'new' AND session_key >= ? AND session_key < ?",
            after,
            len(before) + 1,
            new,
            len(old) + 1,
            low,
            high,
        )


def _places(tx: Tx, before: str, after: str) -> None:
    """Move what goes by ACCOUNT|CHAT: notes, and a freeze unless there is one already."""
    tx.run("UPDATE memory SET place = ? WHERE place = ?", after, before)
    if tx.row("SELECT 1 FROM freeze WHERE scope = ?", after) is None:
        tx.run("UPDATE freeze SET scope = ? WHERE scope = ?", after, before)
