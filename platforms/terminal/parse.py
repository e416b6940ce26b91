"""A terminal's line to an inbound event. Pure and total: any bytes give a result."""

import hashlib
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

import orjson

from platforms.blocks import clean_text
from platforms.events import (
    Account,
    Attachment,
    Author,
    ButtonPressed,
    ChatRef,
    Ignored,
    InboundEvent,
    MessageReceived,
    MessageRef,
    PressToken,
)
from platforms.terminal.limits import SENT_FILES_MAX, SENT_MAX_BYTES

ACCOUNT = Account(platform="terminal", id="local")
CHAT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
PRESS_LIFE = timedelta(hours=1)

_BLOB = re.compile("[0-9a-f]{64}")
_KINDS: Final[Mapping[str, Literal["image", "audio", "video"]]] = {
    "image": "image",
    "audio": "audio",
    "video": "video",
}
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
            case {"say": {"text": str(text), **more}}:
                message = MessageRef(chat=chat, message_id=key)
                files = _files(more.get("files", ()))
                words = _words(text, may_lack=bool(files))
                return (
                    MessageReceived(
                        **envelope,
                        message=message,
                        text=words,
                        chat_kind="dm",
                        attachments=files,
                    ),
                )
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


def _words(text: str, *, may_lack: bool) -> str:
    words = clean_text(text).strip("\n").rstrip()
    if not words and not may_lack:
        raise ValueError("no text")
    return words


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFile:
    """A file as it came in a line."""

    name: str
    mime: str
    data: bytes


def taken_apart(raw: bytes) -> tuple[bytes, tuple[SentFile, ...]] | None:
    """A line without what its files hold, and the files; None if there is too much of them.

    A line that makes no sense stays as it is.
    """
    if b'"data"' not in raw:
        return raw, ()
    try:
        act = orjson.loads(raw)
        rows = act["say"]["files"]
        if len(rows) > SENT_FILES_MAX:
            return None
        files = tuple(
            SentFile(
                name=str(row["name"])[:300],
                mime=str(row["mime"])[:100],
                data=b64decode(row["data"], validate=True),
            )
            for row in rows
        )
    except (ValueError, LookupError, TypeError):
        return raw, ()
    if sum(len(each.data) for each in files) > SENT_MAX_BYTES:
        return None
    act["say"]["files"] = [
        {"name": each.name, "mime": each.mime, "bytes": len(each.data)} for each in files
    ]
    return orjson.dumps(act), files


def with_kept(raw: bytes, kept: Sequence[str]) -> bytes:
    """The line with the names that its files are kept by."""
    act = orjson.loads(raw)
    for row, name in zip(act["say"]["files"], kept, strict=True):
        row["blob"] = name
    return orjson.dumps(act)


def _files(rows: Any) -> tuple[Attachment, ...]:
    if not isinstance(rows, list | tuple):
        raise ValueError("files are a list")
    return tuple(_attachment(row) for row in rows)


def _attachment(row: Any) -> Attachment:
    match row:
        case {"name": str(name), "mime": str(mime), "bytes": int(size), "blob": str(blob)}:
            pass
        case _:
            raise ValueError("no file")
    if not _BLOB.fullmatch(blob):
        raise ValueError("no name of anything kept")
    return Attachment(
        id=blob[:16],
        kind=_KINDS.get(mime.partition("/")[0], "document"),
        file=blob,
        name=clean_text(name) or None,
        mime=mime or None,
        bytes=size,
        kept=True,
    )


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
