"""A terminal's line to an inbound event. Pure and total: any bytes give a result."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from platforms.blocks import clean_text
from platforms.events import (
    Account,
    Author,
    ButtonPressed,
    ChatRef,
    Ignored,
    InboundEvent,
    MessageReceived,
    MessageRef,
    PressToken,
)

ACCOUNT = Account(platform="terminal", id="local")
CHAT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
PRESS_LIFE = timedelta(hours=1)

_PAYLOAD = re.compile(r"[\x20-\x7e]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who sits at the terminal, by the system's word: user id and login name."""

    uid: int
    login: str


def chat_of(uid: int, name: str = "") -> ChatRef:
    """The chat of a person; another `name` is another conversation. ValueError for a bad name."""
    if name and not CHAT_NAME.fullmatch(name):
        raise ValueError(
            "a chat's name has up to 40 lower-case letters, digits, - and _, for example work"
        )
    return ChatRef(account=ACCOUNT, chat_id=f"{uid}-{name}" if name else str(uid))


def parse(
    raw: bytes, *, person: Person, chat: ChatRef, at: datetime, sequence: int
) -> tuple[InboundEvent, ...] | Ignored:
    """One line of the protocol; `sequence` tells lines of the same microsecond apart."""
    try:
        act = orjson.loads(raw)
        key = _key(act)
        envelope = _envelope(key, person, chat, at, sequence)
        match act:
            case {"say": {"text": str(text)}}:
                message = MessageRef(chat=chat, message_id=key)
                words = _words(text)
                return (MessageReceived(**envelope, message=message, text=words, chat_kind="dm"),)
            case {"press": {"message": str(message_id), "payload": str(payload)}}:
                return (_press(envelope, key, message_id, payload),)
    except ValueError:
        pass
    digest = hashlib.sha256(raw).hexdigest()
    moment = f"{at.timestamp():.6f}-{sequence}"
    return Ignored(delivery_key=f"malformed:{digest[:32]}:{moment}", reason="malformed")


def act_key(raw: bytes) -> str:
    """The key of a line as far as it has one, to answer by; else empty."""
    try:
        return _key(orjson.loads(raw))
    except ValueError:
        return ""


def _key(act: Any) -> str:
    match act:
        case {"say": {"key": str(key)}} | {"press": {"key": str(key)}} if str(UUID(key)) == key:
            return key
        case _:
            raise ValueError("no key")


def _envelope(
    key: str, person: Person, chat: ChatRef, at: datetime, sequence: int
) -> dict[str, Any]:
    return {
        "account": ACCOUNT,
        "chat": chat,
        "reply_to": chat,
        "author": Author(id=str(person.uid), name=person.login),
        "delivery_key": key,
        "logical_key": key,
        "order": (int(at.timestamp() * 1_000_000), sequence),
        "occurred_at": at.astimezone(UTC),
    }


def _words(text: str) -> str:
    words = clean_text(text).strip("\n").rstrip()
    if not words:
        raise ValueError("no text")
    return words


def _press(envelope: dict[str, Any], key: str, message_id: str, payload: str) -> ButtonPressed:
    if not _PAYLOAD.fullmatch(payload):
        raise ValueError("no payload of ours")
    chat: ChatRef = envelope["chat"]
    until = envelope["occurred_at"] + PRESS_LIFE
    return ButtonPressed(
        **envelope,
        card=MessageRef(chat=chat, message_id=message_id),
        payload=payload,
        press=PressToken(kind="terminal", value=f"{chat.chat_id}/{key}", usable_until=until),
    )
