"""What the page shows that only the gateway knows: past chats, past messages, who answers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from platforms.blocks import Blocks
from platforms.content import Controls
from platforms.events import ChatRef

Speaker = Literal["user", "assistant"]
"""The person; we, whether the words are the model's or the gateway's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSummary:
    """One line of the list of chats; `title` is plain text, its first message or a name."""

    chat: ChatRef
    title: str
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """An upload as the browser will get it."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryItem:
    """A message as it finally stands.

    `message_id` is the one the adapter gave: the delivery key of what a person wrote, the id of
    `Sent` for ours. By it the page knows a stored message from the same one still live. What a
    person wrote is text, shown literally. `file_name`: a file stands below it, which `file` gives.
    `boxed`: it had controls once, so it still looks like what was asked.
    """

    message_id: str
    speaker: Speaker
    body: Blocks | str
    at: datetime
    controls: Controls = ()
    file_name: str | None = None
    boxed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """Who answers in a chat; `demo` when every answer is scripted.

    `examples` are messages worth trying first, offered on an empty page.
    """

    provider: str
    model: str
    demo: bool = False
    examples: tuple[str, ...] = ()


class History(Protocol):
    """Read access to the durable records of web chats; the gateway fulfils it.

    Each call may raise PlatformUnavailable while the store cannot be read: the page says so.
    Reads only what is committed, and must see a message once its delivery was STORED.
    """

    async def chats(self, user: str) -> tuple[ChatSummary, ...]:
        """The chats of `user` (an Author id), newest first, at most 200.

        That of notices (`parse.notices_of`) is among them once something stands there.
        """

    async def messages(self, chat: ChatRef) -> tuple[HistoryItem, ...]:
        """The messages of a chat in their order, the last 500; () for an unknown chat."""

    async def file(self, chat: ChatRef, message_id: str) -> StoredFile | None:
        """The file of one of our messages; None when it is not kept, or was taken back."""

    async def answering(self, chat: ChatRef) -> Answering:
        """Who would answer the next message there."""
