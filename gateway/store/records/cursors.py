"""How far each chat has come: stored, for platforms whose history can be read back after a gap;
shown, for terminals, which are not always open."""

from gateway.store.base import Tx


def advance(tx: Tx, *, account: str, chat: str, message_id: str, position: int) -> None:
    """Note a stored message of a chat; an older one than the known changes nothing."""
    tx.run(
        "INSERT INTO cursor (account, name, value, position) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (account, name) DO UPDATE"
        " SET value = excluded.value, position = excluded.position"
        " WHERE excluded.position > cursor.position",
        account,
        chat,
        message_id,
        position,
    )


def read_up_to(tx: Tx, account: str) -> int | None:
    """Since when what an account stored may have holes; None if nothing is open.

    A run that died while it read back may have stored a live message that is newer than what it
    had not read yet. The gap it would have stored at the end of reading is missing then.
    """
    row = tx.row(
        "SELECT MIN(at) FROM start WHERE at >"
        " COALESCE((SELECT MAX(until) FROM gap WHERE account = ?), 0)",
        account,
    )
    return int(row[0]) if row and row[0] is not None else None


def newest(tx: Tx, account: str) -> list[tuple[str, str]]:
    """Chat and newest stored message id of every chat of an account."""
    rows = tx.rows("SELECT name, value FROM cursor WHERE account = ?", account)
    return [(str(chat), str(message_id)) for chat, message_id in rows]


def show(tx: Tx, *, account: str, chat: str, position: int) -> None:
    """Note that a chat was shown every outbox row up to this id; a lower one changes nothing."""
    advance(tx, account=account, chat=_shown(chat), message_id="", position=position)


def shown(tx: Tx, *, account: str, chat: str) -> int:
    """Up to which outbox row a chat was shown; 0 for nothing."""
    row = tx.row(
        "SELECT position FROM cursor WHERE account = ? AND name = ?", account, _shown(chat)
    )
    return int(row[0]) if row else 0


def _shown(chat: str) -> str:
    return f"shown {chat}"
