"""State directories with a past: written in bulk, in the words of the records.

Rows are those the gateway itself would have left; only the way they get there is short.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from agent.messages import AssistantMessage, Origin, Text, UserMessage
from gateway import outgoing
from gateway.store import migrate
from gateway.store.directory import DATABASE
from gateway.store.records import transcript
from gateway.store.records.inbox import Content
from gateway.store.sqlite import open_sqlite
from platforms.markup import parse

ACCOUNT = "telegram:7000000001"
ORIGIN = Origin(provider="main", endpoint="loopback", model="loopback-1")
DAY_US = 86_400_000_000

ASKED = transcript.dump(UserMessage(text="What is the capital of France, and why?", author=""))
ANSWERED = transcript.dump(
    AssistantMessage(parts=(Text(text="Paris, since the Middle Ages. " * 4),), origin=ORIGIN)
)

Rows = Iterator[tuple[Any, ...]]


async def with_sessions(directory: Path, sessions: int) -> None:
    """So many chats that had one turn each, yesterday."""
    with closing(await _opened(directory)) as database:
        then = _yesterday()
        numbers = range(1, sessions + 1)
        _sessions(database, ((n, 1_000_000 + n, then, 2, 3) for n in numbers))
        _turns(database, ((n, n, 1, "done", 1_000_000 + n, then) for n in numbers))
        _events(database, ((n, 1_000_000 + n, "done", n, then) for n in numbers))
        _messages(database, ((n, k, n, then) for n in numbers for k in (1, 2)))
        _sends(database, ((n, 1_000_000 + n, "sent", n, then) for n in numbers))


async def with_past(directory: Path, chat: int, messages: int) -> None:
    """One chat with a past of so many messages, asked and answered in turn."""
    with closing(await _opened(directory)) as database:
        then = _yesterday()
        turns = range(1, messages // 2 + 1)
        _sessions(database, [(1, chat, then, len(turns) + 1, messages + 1)])
        _turns(database, ((n, 1, n, "done", chat, then) for n in turns))
        _events(database, ((n, chat, "done", n, then) for n in turns))
        _messages(database, ((1, 2 * n - k, n, then) for n in turns for k in (1, 0)))
        _sends(database, ((n, chat, "sent", n, then) for n in turns))


OPEN_ROWS = 10_000
OPEN_CHATS = (*range(100_001, 102_001), *range(201_001, 203_001), *range(300_001, 302_001))


async def with_open_rows(directory: Path) -> None:
    """What a bad moment leaves behind: OPEN_ROWS rows that want something, in OPEN_CHATS.

    4,000 messages wait in 2,000 chats, 2,000 turns are open with their messages claimed, and
    2,000 messages are yet to leave.
    """
    with closing(await _opened(directory)) as database:
        then = _yesterday()
        turns = range(1, 2_001)
        _sessions(database, ((n, 100_000 + n, then, 2, 2) for n in turns))
        _turns(database, ((n, n, 1, "open", 100_000 + n, then) for n in turns))
        _events(database, ((n, 100_000 + n, "claimed", n, then) for n in turns))
        _messages(database, ((n, 1, n, then) for n in turns))
        waiting = range(2_002, 6_002)
        _events(database, ((n, 200_000 + n // 2, "new", None, then) for n in waiting))
        _sends(database, ((n, 300_000 + n, "pending", None, then) for n in turns))


async def _opened(directory: Path) -> sqlite3.Connection:
    """A database of this release's schema, for writing without a sync."""
    store = await open_sqlite(directory, migrate.packaged(), on_failure=_unexpected)
    await store.close()
    database = sqlite3.connect(directory / DATABASE, isolation_level=None)
    database.execute("PRAGMA synchronous = OFF")
    return database


def _unexpected(failure: Exception) -> None:
    raise failure


def _yesterday() -> int:
    return time.time_ns() // 1_000 - DAY_US


def _many(database: sqlite3.Connection, sql: str, rows: Rows) -> None:
    database.execute("BEGIN")
    database.executemany(sql, rows)
    database.execute("COMMIT")


def _sessions(database: sqlite3.Connection, rows: Any) -> None:
    """Id, chat, time, next turn, next message."""
    _many(
        database,
        "INSERT INTO session (id, key, account, chat, epoch, title, created_at, active_at,"
        " next_turn, next_message) VALUES (?, ?, ?, ?, 1, 'What is the capital', ?, ?, ?, ?)",
        (
            (n, f"{ACCOUNT}|telegram:{chat}", ACCOUNT, f"telegram:{chat}", at, at, turn, message)
            for n, chat, at, turn, message in rows
        ),
    )


def _turns(database: sqlite3.Connection, rows: Any) -> None:
    """Id, session, number, state, chat, time."""
    _many(
        database,
        "INSERT INTO turn (id, session_id, number, state, requester, requester_name, reply_to,"
        " grouped, asked, opened_at, closed_at) VALUES (?, ?, ?, ?, ?, 'Person', ?, 0, '1', ?, ?)",
        (
            (n, session, number, state, f"telegram:{chat}", f"telegram:{chat}", at)
            + ((at,) if state == "done" else (None,))
            for n, session, number, state, chat, at in rows
        ),
    )
    database.execute(
        "INSERT INTO step (turn_id, number, attempt, model, state, opened_at, closed_at)"
        " SELECT id, 1, 1, 'main', CASE state WHEN 'done' THEN 'done' ELSE 'intent' END,"
        " opened_at, closed_at FROM turn"
    )


def _events(database: sqlite3.Connection, rows: Any) -> None:
    """Id, chat, state, turn, time."""
    _many(
        database,
        "INSERT INTO inbox (id, account, delivery_key, logical_key, state, lane, session_key, chat,"
        " message_id, author, order_major, occurred_at, received_at, content, raw, turn_id)"
        " VALUES (?, ?, ?, ?, ?, 'turn', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                n, ACCOUNT, f"old{n}", f"old{n}", state, f"{ACCOUNT}|telegram:{chat}",
                f"telegram:{chat}", str(n), f"telegram:{chat}", n, at, at, _content(chat),
                RAW, turn,
            )
            for n, chat, state, turn, at in rows
        ),
    )  # fmt: skip


def _messages(database: sqlite3.Connection, rows: Any) -> None:
    """Session, sequence, turn, time; asked and answered by turns."""
    _many(
        database,
        "INSERT INTO message (session_id, sequence, turn_id, body, stored_at)"
        " VALUES (?, ?, ?, ?, ?)",
        ((s, k, turn, ASKED if k % 2 else ANSWERED, at) for s, k, turn, at in rows),
    )


def _sends(database: sqlite3.Connection, rows: Any) -> None:
    """Id, chat, state, turn, time."""
    _many(
        database,
        "INSERT INTO outbox (id, dedupe_key, account, chat, turn_id, purpose, op, content, nonce,"
        " state, message_id, created_at, settled_at)"
        " VALUES (?, ?, ?, ?, ?, ?, 'post', ?, ?, ?, ?, ?, ?)",
        (
            (n, f"old{n}", ACCOUNT, f"telegram:{chat}", turn, "final" if turn else "send", WORDS,
             f"{n:024x}", state)
            + ((str(n), at, at) if state == "sent" else (None, at, None))
            for n, chat, state, turn, at in rows
        ),
    )  # fmt: skip


def _content(chat: int) -> str:
    who = f"telegram:{chat}"
    content = Content(
        kind="message", author=who, author_name="Person", reply_to=who, text=f"old {chat}"
    )
    return content.to_json()


WORDS = outgoing.dump(outgoing.Words(body=parse("Paris, since the Middle Ages. END.")))
RAW = '{"update_id": 1, "message": {"text": "' + "x" * 600 + '"}}'
