"""Pure: what every reader of an event needs: who we are, where it is, what kind its author is."""

from dataclasses import dataclass
from typing import Literal

from platforms.discord.directory import THREAD_KINDS, Index
from platforms.discord.fields import snowflake
from platforms.events import Account, Author, AuthorKind, ChatKind, ChatRef, MessageRef
from platforms.fields import Body, integer, mapping, truth

Reason = Literal["malformed", "unsupported_kind", "service_message", "own_echo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who we are: the application as account, and the user it speaks as.

    `name` is the bot's, and that of the role which Discord makes for it.
    """

    account: Account
    user_id: str
    name: str = "the bot's role"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What every reader needs beside the object itself."""

    us: Identity
    index: Index
    late: bool
    threads: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where and what a message is."""

    chat: ChatRef
    ident: str
    author: Author

    @property
    def ref(self) -> MessageRef:
        return MessageRef(chat=self.chat, message_id=self.ident)

    @property
    def chat_kind(self) -> ChatKind:
        return "dm" if self.chat.space is None else "group"


def chat_of(data: Body, reading: Reading) -> ChatRef | None:
    """The place of an event; a thread is found by its parent."""
    channel = snowflake(data.get("channel_id"))
    if channel is None:
        return None
    guild = snowflake(data.get("guild_id"))
    account = reading.us.account
    if guild is None:
        return ChatRef(account=account, chat_id=channel)
    parent = _parent(data, channel, reading)
    if parent is None:
        return ChatRef(account=account, space=guild, chat_id=channel)
    return ChatRef(account=account, space=guild, chat_id=parent, thread_id=channel)


def _parent(data: Body, channel: str, reading: Reading) -> str | None:
    """An interaction brings its channel along, a message does not."""
    place = mapping(data, "channel")
    if snowflake(place.get("id")) != channel:
        return reading.index.parent_of(channel)
    return snowflake(place.get("parent_id")) if integer(place, "type") in THREAD_KINDS else None


def author_kind(data: Body, user: Body, reading: Reading) -> AuthorKind:
    hook = snowflake(data.get("webhook_id"))
    if hook is not None and hook != reading.us.account.id:
        return "webhook"
    if truth(user, "system"):
        return "service"
    return "bot" if truth(user, "bot") else "human"
