"""Pure: what readers of updates share: who we are, who people are, and where things stand."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from platforms.events import Account, Author, AuthorKind, ChatKind, ChatRef, MessageRef
from platforms.fields import Body, identifier, integer, mapping, string, truth

Reason = Literal["malformed", "unsupported_kind", "service_message", "own_echo"]

GENERAL = 1
"""The forum topic that has no id of its own: one writes to it by naming no topic."""

ANONYMOUS_ADMIN = 1087968824
AUTO_FORWARD = 777000
CHANNEL_BOT = 136817688
STAND_INS = frozenset({ANONYMOUS_ADMIN, AUTO_FORWARD, CHANNEL_BOT})
"""Senders that stand for somebody else. Source: special users of the Bot API server."""

_PERSON = re.compile("[1-9][0-9]{0,18}")
_LATEST = 253_402_300_799  # the last second of the year 9999
_CHAT_KINDS: Mapping[str, ChatKind] = {
    "private": "dm",
    "group": "group",
    "supergroup": "group",
    "channel": "channel",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who we are, from getMe."""

    account: Account
    username: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What every reader of a kind needs beside the object itself."""

    us: Identity
    now: datetime
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a message stands."""

    chat: ChatRef
    chat_kind: ChatKind
    number: int

    @property
    def ref(self) -> MessageRef:
        return MessageRef(chat=self.chat, message_id=str(self.number))


def is_person(text: str) -> bool:
    """Whether this is the id of a user, and not of one who stands for somebody else."""
    return _PERSON.fullmatch(text) is not None and int(text) not in STAND_INS


def head_of(body: Body, us: Identity) -> Head | None:
    """Where a message stands; None if it says so nowhere."""
    chat, number = mapping(body, "chat"), integer(body, "message_id")
    ident, kind = integer(chat, "id"), _CHAT_KINDS.get(string(chat, "type"))
    if ident is None or kind is None or number is None:
        return None
    return Head(
        chat=ChatRef(account=us.account, chat_id=str(ident), thread_id=_topic(body)),
        chat_kind=kind,
        number=number,
    )


def _topic(body: Body) -> str | None:
    """The forum topic; without the flag the same field is only the root of a reply chain."""
    thread = integer(body, "message_thread_id")
    if thread is None or thread == GENERAL or not truth(body, "is_topic_message"):
        return None
    return str(thread)


def moment_of(body: Body, name: str) -> datetime | None:
    """A time in seconds since 1970."""
    second = integer(body, name)
    if second is None or not 0 <= second <= _LATEST:
        return None
    return datetime.fromtimestamp(second, UTC)


def author_of(body: Body, us: Identity) -> Author | None:
    """Who wrote or pressed; what is said in the name of a chat is nobody's in particular."""
    user, chat = mapping(body, "from"), mapping(body, "sender_chat")
    ident, sender = integer(user, "id"), integer(chat, "id")
    if ident == AUTO_FORWARD or truth(body, "is_automatic_forward"):
        return _as_chat(chat, "service", AUTO_FORWARD)
    here = mapping(body, "chat")
    as_the_group = sender == integer(here, "id") and string(here, "type") != "channel"
    if ident == ANONYMOUS_ADMIN or (sender is not None and as_the_group):
        return _as_chat(chat, "anonymous_admin", ANONYMOUS_ADMIN)
    if sender is not None or ident == CHANNEL_BOT:
        return _as_chat(chat, "channel", CHANNEL_BOT if sender is None else sender)
    return person_of(user, us)


def person_of(user: Body, us: Identity) -> Author | None:
    """A user, or a bot."""
    ident = integer(user, "id")
    if ident is None:
        return None
    name = f"{string(user, 'first_name')} {string(user, 'last_name')}".strip()
    return Author(
        id=str(ident),
        name=name,
        kind="bot" if truth(user, "is_bot") else "human",
        is_us=str(ident) == us.account.id,
        locale=identifier(user, "language_code"),
    )


def _as_chat(chat: Body, kind: AuthorKind, ident: int) -> Author:
    return Author(id=str(ident), name=string(chat, "title"), kind=kind)
