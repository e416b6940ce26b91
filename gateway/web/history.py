"""The past of the page's chats, from the rows: fulfils `platforms.web.history.History`."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

from agent.failover import Entry
from gateway import outgoing, refs
from gateway.errors import StoreError
from gateway.store.base import Store, Tx
from gateway.store.records import inbox, outbox, sessions
from platforms import blocks
from platforms.errors import PlatformUnavailable
from platforms.events import Account, ChatRef
from platforms.web.history import Answering, ChatSummary, HistoryItem, StoredFile
from platforms.web.parse import notices_of, shown_text

T = TypeVar("T")

CHATS_SHOWN = 200
MESSAGES_SHOWN = 500

NOTICES_TITLE = "Notices"

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
        rows = await self._read(lambda tx: _chats(tx, user))
        return tuple(
            ChatSummary(chat=refs.chat_from(chat, account), title=title, changed_at=_moment(at))
            for chat, title, at in rows
        )

    async def messages(self, chat: ChatRef) -> tuple[HistoryItem, ...]:
        """The messages of a chat in their order."""
        text, account = refs.chat_text(chat), refs.account_text(chat.account)
        return await self._read(lambda tx: _messages(tx, account, text))

    async def file(self, chat: ChatRef, message_id: str) -> StoredFile | None:
        """The file of one of our messages, while its row has it."""
        text, account = refs.chat_text(chat), refs.account_text(chat.account)
        found = await self._read(lambda tx: _file(tx, account, text, message_id))
        return StoredFile(name=found.name, data=found.data) if found else None

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


def _chats(tx: Tx, user: str) -> list[tuple[str, str, int]]:
    chats = {chat: (chat, title, at) for chat, title, at in _begun_by(tx, f"web:{user}")}
    notices = refs.chat_text(notices_of(user))
    told_at = tx.row(
        "SELECT MAX(created_at) FROM outbox WHERE account = 'web:local' AND chat = ?"
        " AND message_id IS NOT NULL AND pruned_at IS NULL",
        notices,
    )
    newest = [at for at in (told_at and told_at[0], chats.get(notices, ("", "", None))[2]) if at]
    if newest:
        chats[notices] = (notices, NOTICES_TITLE, max(newest))
    return sorted(chats.values(), key=lambda chat: chat[2], reverse=True)[:CHATS_SHOWN]


def _begun_by(tx: Tx, author: str) -> list[tuple[str, str, int]]:
    rows = tx.rows(
        "WITH mine AS MATERIALIZED (SELECT chat, received_at FROM inbox"
        " WHERE account = 'web:local' AND author = ?"
        " AND (lane IS NOT NULL OR state = 'refused'))"
        " SELECT mine.chat, MAX(mine.received_at),"
        " (SELECT title FROM session WHERE session.account = 'web:local'"
        "  AND session.chat = mine.chat AND title <> '' ORDER BY id LIMIT 1)"
        " FROM mine GROUP BY mine.chat ORDER BY MAX(mine.received_at) DESC LIMIT ?",
        author,
        CHATS_SHOWN,
    )
    return [(chat, title or _first_words(tx, chat), at) for chat, at, title in rows]


def _first_words(tx: Tx, chat: str) -> str:
    """The title of a chat that has no session yet: its first turn begins, or it saw commands."""
    row = tx.row(
        "SELECT content FROM inbox WHERE account = 'web:local' AND chat = ?"
        " AND (lane IS NOT NULL OR state = 'refused') AND author <> '' ORDER BY id LIMIT 1",
        chat,
    )
    words = inbox.Content.from_json(row[0]).text.split() if row else []
    return " ".join(words)[: sessions.TITLE_LENGTH] or "New chat"


def _messages(tx: Tx, account: str, chat: str) -> tuple[HistoryItem, ...]:
    items = [*_written(tx, account, chat), *_delivered(tx, account, chat)]
    items.sort(key=lambda item: item.at)
    return tuple(items[-MESSAGES_SHOWN:])


def _written(tx: Tx, account: str, chat: str) -> list[HistoryItem]:
    """What people wrote, the newest: all that entered, and what was refused with a word.

    What a clock's job is told, and its posts as the next turn reads them, nobody has written.
    """
    rows = tx.rows(
        "SELECT delivery_key, content, received_at FROM inbox WHERE account = ? AND chat = ?"
        " AND (lane IS NOT NULL OR state = 'refused')"
        " AND author <> '' AND substr(author, 1, 4) <> 'job:' ORDER BY id DESC LIMIT ?",
        account,
        chat,
        MESSAGES_SHOWN,
    )
    items = []
    for key, stored, at in rows:
        content = inbox.Content.from_json(stored)
        text = shown_text(content.text, [each.name or each.kind for each in content.attachments])
        if text:
            items.append(HistoryItem(message_id=key, speaker="user", body=text, at=_moment(at)))
    return items


def _delivered(tx: Tx, account: str, chat: str) -> list[HistoryItem]:
    """Our messages as they finally stand: a post with the last edit of it, unless taken back.

    They are read one by one, so that only one file is in memory at a time.
    """
    posts = tx.rows(
        "SELECT id, message_id, created_at FROM outbox"
        " WHERE account = ? AND chat = ? AND op IN ('post', 'upload') AND message_id IS NOT NULL"
        " AND pruned_at IS NULL ORDER BY id DESC LIMIT ?",
        account,
        chat,
        MESSAGES_SHOWN,
    )
    items = []
    for ident, message_id, at in posts:
        item = HistoryItem(message_id=message_id, speaker="assistant", body=(), at=_moment(at))
        match _standing(tx, ident):
            case outgoing.Words(body=body, controls=controls):
                boxed = bool(controls) or _asked(tx, ident)
                items.append(replace(item, body=body, controls=controls, boxed=boxed))
            case outgoing.File(name=name, caption=caption):
                items.append(replace(item, body=blocks.plain(caption), file_name=name))
            case None:
                pass
    return items


def _standing(tx: Tx, ident: int) -> outgoing.Words | outgoing.File | None:
    """What a message of ours says now; None if it was taken back or nothing of it is left."""
    change = tx.row("SELECT id FROM outbox WHERE target_id = ? ORDER BY id DESC LIMIT 1", ident)
    # A change may be pruned while its post is not: then the post's own words stand in for it.
    for row in (outbox.get(tx, change[0]) if change else None, outbox.get(tx, ident)):
        if row is None or not row.content:
            continue
        content = outgoing.load(row)
        return None if isinstance(content, outgoing.Nothing) else content
    return None


def _asked(tx: Tx, ident: int) -> bool:
    """Whether a message was posted with something to press, whatever it says now."""
    row = outbox.get(tx, ident)
    content = outgoing.load(row) if row is not None and row.content else None
    return isinstance(content, outgoing.Words) and bool(content.controls)


def _file(tx: Tx, account: str, chat: str, message_id: str) -> outgoing.File | None:
    row = tx.row(
        "SELECT id FROM outbox WHERE account = ? AND chat = ? AND message_id = ?"
        " AND op = 'upload' AND pruned_at IS NULL",
        account,
        chat,
        message_id,
    )
    content = _standing(tx, row[0]) if row else None
    return content if isinstance(content, outgoing.File) else None


def _moment(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1_000_000, tz=UTC)
