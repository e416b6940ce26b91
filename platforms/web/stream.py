"""One reader of a chat: turns the chat's changes into server-sent events.

A reader holds no queue. It remembers the version it has seen and, for each message, the HTML it
has sent; when it may write again it takes the latest state and sends the difference. So a slow
reader costs one state a message and skips what nobody could have read.

Event ids are `epoch.version`. An id of another epoch (the gateway was restarted) or of a version
that memory has let go is answered by a reset: the whole conversation in one event.
"""

import asyncio
from collections.abc import Mapping
from typing import assert_never

import orjson

from platforms.web.controls import Filling, form_html
from platforms.web.html import Html, join
from platforms.web.limits import LIVE_MESSAGES
from platforms.web.live import (
    Change,
    FormChanged,
    LiveChat,
    LiveMessage,
    MessageChanged,
    MessageWithdrawn,
    Noticed,
    StatusChanged,
)
from platforms.web.page import Rendered, foot, message_html, status_words

UNKNOWN = -1
"""A version nobody has: forces a reset."""


class Stream:
    """What one reader has seen of one chat."""

    def __init__(self, chat: LiveChat, *, conversation: str, epoch: str, after: str) -> None:
        self.wake = asyncio.Event()
        self.closed = False
        self._chat = chat
        self._conversation = conversation
        self._epoch = epoch
        self._seen = _version(after, epoch)
        self._sent: dict[str, tuple[tuple[Html, ...], Html | None, bool]] = {}

    def close(self) -> None:
        """Ask the writing task to end; it sees this when it wakes."""
        self.closed = True
        self.wake.set()

    def take(self) -> bytes | None:
        """Everything new as events, b"" when nothing is; None when the reader needs a reset."""
        changes = self._chat.changes_since(self._seen)
        if changes is None:
            return None
        if not changes:
            return b""
        self._seen = self._chat.version
        return b"".join((*map(self._event, changes), self._mark()))

    def reset(self, log: Html) -> bytes:
        """The whole conversation as one event; call in the same breath in which `log` was made."""
        self._seen = self._chat.version
        self._sent.clear()
        words = status_words(self._chat.label)
        return encode("reset", {"log": log, "words": words}) + self._mark()

    def _mark(self) -> bytes:
        """Where a reader that comes back goes on: said last, so a cut repeats rather than skips."""
        return encode("mark", {}, event_id=f"{self._epoch}.{self._seen}")

    def _event(self, change: Change) -> bytes:
        match change:
            case MessageChanged(message=message):
                return self._message(message)
            case MessageWithdrawn(message_id=message_id):
                self._sent.pop(message_id, None)
                return encode("gone", {"id": message_id})
            case FormChanged(card=card, form=form):
                filling = Filling(card=card, form=form) if form else None
                html = form_html(filling, self._conversation, None) if filling else ""
                return encode("form", {"card": card, "html": html})
            case StatusChanged(label=label):
                return encode("status", {"words": status_words(label)})
            case Noticed(text=text, alert=alert):
                return encode("notice", {"text": text, "alert": alert})
            case _:
                assert_never(change)

    def _message(self, message: LiveMessage) -> bytes:
        blocks = self._chat.html_of(message)
        below = foot(message, self._conversation, None)
        known = self._sent.get(message.message_id)
        self._remember(message.message_id, blocks, below, boxed=message.boxed)
        if known is None or known[2] != message.boxed:
            whole = Rendered(message=message, blocks=blocks)
            html = message_html(whole, self._conversation, None, busy=False)
            return encode("whole", {"id": message.message_id, "html": html})
        keep = _common(known[0], blocks)
        change: dict[str, str | int | bool] = {"id": message.message_id, "keep": keep, "blocks": ""}
        change["blocks"] = join(*blocks[keep:])
        if below != known[1]:
            change["foot"] = below or ""
        return encode("part", change)

    def _remember(
        self, message_id: str, blocks: tuple[Html, ...], below: Html | None, *, boxed: bool
    ) -> None:
        self._sent.pop(message_id, None)
        self._sent[message_id] = (blocks, below, boxed)
        if len(self._sent) > LIVE_MESSAGES:
            # Forgotten here only means: sent whole if it should change once more.
            del self._sent[next(iter(self._sent))]


def encode(
    event: str, data: Mapping[str, str | int | bool], *, event_id: str | None = None
) -> bytes:
    """One server-sent event; JSON escapes newlines, so its data is one line."""
    lines = [b"event: " + event.encode(), b"data: " + orjson.dumps(data)]
    if event_id is not None:
        lines.append(b"id: " + event_id.encode())
    return b"\n".join(lines) + b"\n\n"


def _version(event_id: str, epoch: str) -> int:
    found_epoch, _, version = event_id.partition(".")
    if found_epoch != epoch or not (version.isascii() and version.isdigit()):
        return UNKNOWN
    return int(version[:18])


def _common(before: tuple[Html, ...], after: tuple[Html, ...]) -> int:
    count = 0
    for old, new in zip(before, after, strict=False):
        if old != new:
            break
        count += 1
    return count
