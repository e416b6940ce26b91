"""The past of the page's chats, from the rows: fulfils `platforms.web.history.History`."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import orjson

from agent.failover import Entry
from gateway import refs
from gateway.errors import StoreError
from gateway.store.base import Store, Tx
from gateway.store.records import inbox, sessions
from platforms import blocks
from platforms.blocks import Blocks
from platforms.errors import PlatformUnavailable
from platforms.events import Account, ChatRef
from platforms.web.history import Answering, ChatSummary, HistoryItem

T = TypeVar("T")

CHATS_SHOWN = 200
MESSAGES_SHOWN = 500

EXAMPLES = ("What can you do here?", "List the files in the workspace.")
DEMO_EXAMPLES = ("What can you do?", "List the files in the workspace.", "Show me a long answer.")


class StoredHistory:
    """Reads what web chats hold."""

    def __init__(self, *, store: Store, entries: tuple[Entry, ...]) -> None:
        self._store = store
        self._entries = entries

    async def chats(self, user: str) -> tuple[ChatSummary, ...]:
        """The chats of a user, newest first."""
        account = Account(platform="web", id="local")
        rows = await self._read(lambda tx: _chats(tx, f"web:{user}"))
        return tuple(
            ChatSummary(chat=refs.chat_from(chat, account), title=title, changed_at=_moment(at))
            for chat, title, at in rows
        )

    async def messages(self, chat: ChatRef) -> tuple[HistoryItem, ...]:
        """The messages of a chat in their order."""
        text, account = refs.chat_text(chat), refs.account_text(chat.account)
        return await self._read(lambda tx: _messages(tx, account, text))

    async def answering(self, chat: ChatRef) -> Answering:
        """Who would answer the next message."""
        key = f"{refs.account_text(chat.account)}|{refs.chat_text(chat)}"
        session = await self._read(lambda tx: sessions.current(tx, key))
        chosen = session.settings.get("model") if session else None
        entry = next((e for e in self._entries if e.name == chosen), self._entries[0])
        demo = entry.provider.origin.provider == "demo"
        return Answering(
            provider=entry.name,
            model=entry.model,
            demo=demo,
            examples=DEMO_EXAMPLES if demo else EXAMPLES,
        )

    async def _read(self, query: Callable[[Tx], T]) -> T:
        try:
            return await self._store.read(query)
        except StoreError as exc:
            raise PlatformUnavailable("the store can't be read") from exc


def _chats(tx: Tx, author: str) -> list[tuple[str, str, int]]:
    rows = tx.rows(
        "SELECT inbox.chat, MAX(inbox.received_at),"
        " (SELECT title FROM session WHERE session.account = inbox.account"
        "  AND session.chat = inbox.chat AND title <> '' ORDER BY id LIMIT 1)"
        " FROM inbox WHERE account = 'web:local' AND author = ?"
        " AND (lane IS NOT NULL OR state = 'refused')"
        " GROUP BY inbox.account, inbox.chat ORDER BY MAX(inbox.received_at) DESC LIMIT ?",
        author,
        CHATS_SHOWN,
    )
    return [(chat, title or _first_words(tx, chat), at) for chat, at, title in rows]


def _first_words(tx: Tx, chat: str) -> str:
    """The title of a chat that has no session yet: its first turn begins, or it saw commands."""
    row = tx.row(
        "SELECT content FROM inbox WHERE account = 'web:local' AND chat = ?"
        " AND (lane IS NOT NULL OR state = 'refused') ORDER BY id LIMIT 1",
        chat,
    )
    words = inbox.Content.from_json(row[0]).text.split() if row else []
    return " ".join(words)[: sessions.TITLE_LENGTH] or "New chat"


def _messages(tx: Tx, account: str, chat: str) -> tuple[HistoryItem, ...]:
    items = [*_written(tx, account, chat), *_delivered(tx, account, chat)]
    items.sort(key=lambda item: item.at)
    return tuple(items[-MESSAGES_SHOWN:])


def _written(tx: Tx, account: str, chat: str) -> list[HistoryItem]:
    """What people wrote, the newest: all that entered, and what was refused with a word."""
    rows = tx.rows(
        "SELECT delivery_key, content, received_at FROM inbox WHERE account = ? AND chat = ?"
        " AND (lane IS NOT NULL OR state = 'refused') ORDER BY id DESC LIMIT ?",
        account,
        chat,
        MESSAGES_SHOWN,
    )
    items = []
    for key, stored, at in rows:
        content = inbox.Content.from_json(stored)
        if content.text:
            items.append(
                HistoryItem(message_id=key, speaker="user", body=content.text, at=_moment(at))
            )
    return items


def _delivered(tx: Tx, account: str, chat: str) -> list[HistoryItem]:
    """Our messages as they finally stand: a post with the last edit of it, unless taken back."""
    posts = tx.rows(
        "SELECT id, op, content, message_id, created_at FROM outbox"
        " WHERE account = ? AND chat = ? AND op IN ('post', 'upload') AND message_id IS NOT NULL"
        " AND pruned_at IS NULL ORDER BY id DESC LIMIT ?",
        account,
        chat,
        MESSAGES_SHOWN,
    )
    items = []
    for ident, op, content, message_id, at in posts:
        change = tx.row(
            "SELECT op, content FROM outbox WHERE target_id = ? ORDER BY id DESC LIMIT 1", ident
        )
        if change is not None and change[0] == "delete":
            continue
        words = (change[1] if change else "") or content  # a change may have been pruned already
        body = _file_line(content) if op == "upload" else _body(words)
        items.append(
            HistoryItem(message_id=message_id, speaker="assistant", body=body, at=_moment(at))
        )
    return items


def _body(content: str) -> Blocks:
    return blocks.from_json(orjson.loads(content)["body"])


def _file_line(content: str) -> Blocks:
    return blocks.plain(f"File: {orjson.loads(content)['name']}")


def _moment(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1_000_000, tz=UTC)
