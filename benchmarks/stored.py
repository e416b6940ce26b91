"""State directories with a past: written in bulk, in the words of the records.

Rows are those the gateway itself would have left; only the way they get there is short.
"""

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from agent.canonical import fingerprint
from agent.messages import AssistantMessage, Origin, Text, UserMessage
from gateway import audit, outgoing, tokens
from gateway.asking import CODE_ALPHABET
from gateway.store import migrate
from gateway.store.connection import SqliteTx
from gateway.store.directory import DATABASE
from gateway.store.records import transcript
from gateway.store.records.inbox import Content
from gateway.store.sqlite import open_sqlite
from platforms.markup import parse

ACCOUNT = "telegram:7000000001"
ORIGIN = Origin(provider="main", endpoint="loopback", model="loopback-1")
DAY_US = 86_400_000_000
HOUR_US = DAY_US // 24

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


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingCard:
    """A card that waits in a chat of Telegram, and what the button carries that lets it run."""

    chat: int
    payload: str


WAITING_CHAT = 1_500_000_000
"""Where the card waits that others are copied from; the chats of the copies follow it."""

ELSEWHERE = ("slack:T1", "discord:9")
"""Accounts that are not connected (any more); a tenth of the cards each waits there."""


async def with_waiting_cards(directory: Path, cards: int) -> tuple[WaitingCard, ...]:
    """Make so many of the one card that a gateway has left waiting here, in WAITING_CHAT.

    Each is the only one of its chat and has its own session, turn, call, request, message and
    audit rows; buttons are sealed anew, so that a copy can be decided. All have an hour from now.
    Returns those of the connected account.
    """
    with closing(await _opened(directory)) as database:
        copies = _Copies(database, cards)
        for table in copies.tables:
            copies.insert(table)
        copies.continue_audit()
        until = time.time_ns() // 1_000 + HOUR_US
        times = (until, until - HOUR_US // 2)
        database.execute("UPDATE card SET expires_at = ?, remind_at = ?", times)
        rows = database.execute(
            "SELECT outbox.content FROM outbox JOIN card ON card.id = substr(dedupe_key, 6, 22)"
            " WHERE card.account = ? ORDER BY outbox.id",
            (ACCOUNT,),
        )
        payloads = [_PAYLOAD.findall(content)[0] for (content,) in rows]
        return tuple(
            WaitingCard(chat=WAITING_CHAT + number, payload=payload)
            for number, payload in enumerate(payloads)
        )


Names = tuple[tuple[str, str], ...]
"""What is called otherwise in a copy, the longest names first."""

_NOT_COPIED = frozenset(
    {"schema_migration", "sqlite_sequence", "start", "seal", "audit", "credential_use"}
)
_NUMBERED = {"session_id": "session", "turn_id": "turn", "target_id": "outbox"}
_PAYLOAD = re.compile(r'"payload":"([\w-]{39})"', re.ASCII)


class _Copies:
    """The rows around one card, again with other names."""

    def __init__(self, database: sqlite3.Connection, cards: int) -> None:
        """The original is the first of the `cards`."""
        self._database = database
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        self._rows = {name: self._read(name) for (name,) in names if name not in _NOT_COPIED}
        self._audit = self._read("audit")
        (self._card,) = self._rows["card"]
        (self._call,) = self._rows["tool_call"]
        (self._request,) = self._rows["request"]
        (self._session,) = self._rows["session"]
        (seal,) = self._read("seal")
        self._key = bytes.fromhex(seal["secret"])
        self._names = tuple(
            self._named(number, ELSEWHERE[number * 10 // cards - 8])
            if number * 10 >= 8 * cards
            else self._named(number, ACCOUNT)
            for number in range(1, cards)
        )

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that have rows to copy."""
        return tuple(name for name, rows in self._rows.items() if rows)

    def insert(self, table: str) -> None:
        """Write the rows of one table for all copies."""
        rows = self._rows[table]
        columns = ", ".join(rows[0])
        marks = ", ".join("?" * len(rows[0]))
        _many(
            self._database,
            f"INSERT INTO {table} ({columns}) VALUES ({marks})",
            (
                tuple(self._cell(table, name, value, number, names) for name, value in row.items())
                for number, names in enumerate(self._names, 1)
                for row in rows
            ),
        )

    def continue_audit(self) -> None:
        """Append what the audit says of the original once for each copy."""
        self._database.execute("BEGIN")
        for names in self._names:
            for row in self._audit:
                audit.append(
                    SqliteTx(self._database),
                    at=row["at"],
                    kind=row["kind"],
                    actor=row["actor"],
                    account=_renamed(row["account"], names),
                    chat=_renamed(row["chat"], names),
                    subject=_renamed(row["subject"], names),
                    detail=orjson.loads(_renamed(row["detail"], names)),
                )
        self._database.execute("COMMIT")

    def _named(self, number: int, account: str) -> Names:
        old, new = str(WAITING_CHAT), str(WAITING_CHAT + number)
        place = f"{account}/{new}" if account in ELSEWHERE else f"telegram:{new}"
        names = {ACCOUNT: account, f"telegram:{old}": place, old: new}
        own = (self._card["id"], self._request["id"], self._call["id"])
        for ident in (*own, *(row["nonce"] for row in self._rows["outbox"])):
            names[ident] = f"{ident[:-6]}{number:06d}"
        names[self._card["code"]] = _code(number, unlike=self._card["code"])
        names[self._call["fingerprint"]] = fingerprint(
            account=account,
            chat=place,
            session=f"{account}|{place}",
            turn=str(self._card["turn_id"] + number),
            call_id=names[self._call["id"]],
            tool=self._call["tool"],
            schema=self._request["schema_hash"],
            payer="",
            arguments=self._call["canonical"].encode(),
            snapshots={},
        )
        return tuple(sorted(names.items(), key=lambda each: -len(each[0])))

    def _cell(self, table: str, column: str, value: Any, number: int, names: Names) -> Any:
        counted = table if column == "id" else _NUMBERED.get(column)
        if isinstance(value, int) and counted is not None:
            last = max(int(row["id"]) for row in self._rows[counted])
            return value + number * last
        if not isinstance(value, str):
            return value
        if column == "line":
            return f"s{self._session['id'] + number}"
        if (table, column) == ("outbox", "content"):
            value = _PAYLOAD.sub(lambda found: self._sealed(found[1], dict(names)), value)
        return _renamed(value, names)

    def _sealed(self, payload: str, names: dict[str, str]) -> str:
        """The same button of a copy."""
        chat = str(self._card["chat"])
        token = tokens.opened(payload, keys=(self._key,), account=ACCOUNT, chat=chat)
        if token is None:
            raise ValueError("a button that this gateway has not made")
        own = replace(token, id=names[token.id])
        sealed = tokens.seal(own, key=self._key, account=names[ACCOUNT], chat=names[chat])
        return f'"payload":"{sealed}"'

    def _read(self, table: str) -> list[dict[str, Any]]:
        found = self._database.execute(f"SELECT * FROM {table}")
        columns = [name for name, *_ in found.description]
        return [dict(zip(columns, row, strict=True)) for row in found]


def _renamed(text: str, names: Names) -> str:
    for old, new in names:
        text = text.replace(old, new)
    return text


def _code(number: int, *, unlike: str) -> str:
    """Five characters, another for each number."""
    first = CODE_ALPHABET[CODE_ALPHABET.index(unlike[0]) - 1]
    rest = ""
    for _ in range(4):
        number, digit = divmod(number, len(CODE_ALPHABET))
        rest += CODE_ALPHABET[digit]
    return first + rest


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
