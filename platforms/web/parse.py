"""What the page sent, as inbound events.

Pure and total: any JSON value gives a result. The payload is what `client` journals as the raw
delivery, so a stored one parses to the same event again:

    {"kind": "message", "user", "chat", "key", "text", "files", "at", "order"}
    {"kind": "stop",    "user", "chat", "key", "at", "order"}
    {"kind": "press",   "user", "chat", "key", "message", "payload", "at", "order"}
    {"kind": "form",    "user", "chat", "key", "card", "form", "values", "at", "order"}

`key` is the UUID the page made for this act; the same act again has the same key.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypedDict
from urllib.parse import parse_qsl
from uuid import UUID

import orjson

from platforms.blocks import clean_text
from platforms.events import (
    Account,
    Attachment,
    Author,
    ButtonPressed,
    ChatRef,
    CommandInvoked,
    FormSubmitted,
    Ignored,
    InboundEvent,
    MessageReceived,
    MessageRef,
    PressToken,
)

ACCOUNT = Account(platform="web", id="local")
LOCAL_USER = "local"
PRESS_LIFE = timedelta(hours=1)
NOTICES = "7b8e2c7a-9d0c-5b8e-8f43-6a1c51b7f0d2"
"""The conversation in which each user finds what the gateway has to say by itself."""
_BLOB = re.compile("[0-9a-f]{64}")
_KINDS: Final[Mapping[str, Literal["image", "audio", "video"]]] = {
    "image": "image",
    "audio": "audio",
    "video": "video",
}
PAYLOAD = re.compile(r"[\x20-\x7e]{1,64}")
MAX_FIELDS = 64
ORDER_END = 2**63
LANGUAGES_MAX = 100
"""Characters of an Accept-Language header that are kept; browsers send far fewer."""

USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class _Envelope(TypedDict):
    account: Account
    chat: ChatRef
    reply_to: ChatRef
    author: Author
    delivery_key: str
    logical_key: str
    order: tuple[int, int]
    occurred_at: datetime


def read_fields(content_type: str, body: bytes) -> Mapping[str, str] | None:
    """The fields of a form or of a flat JSON object; None when the body is neither."""
    try:
        if content_type == "application/json":
            fields = orjson.loads(body)
        elif content_type == "application/x-www-form-urlencoded":
            fields = dict(
                parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
            )
        else:
            return None
    except ValueError:
        return None
    if not isinstance(fields, dict) or not all(isinstance(v, str) for v in fields.values()):
        return None
    return fields


def parse(payload: object) -> tuple[InboundEvent, ...] | Ignored:
    """The event in a payload, or Ignored with reason `malformed` or `unsupported_kind`."""
    if not isinstance(payload, Mapping):
        return Ignored(delivery_key="", reason="malformed")
    key = payload.get("key")
    try:
        return (_event(payload),)
    except _UnsupportedKindError:
        reason = "unsupported_kind"
    except (KeyError, TypeError, ValueError, OverflowError):
        reason = "malformed"
    if not isinstance(key, str) or not key.isascii():
        key = ""  # no key of ours, and half a character could not even be stored
    return Ignored(delivery_key=key, reason=reason)


class _UnsupportedKindError(Exception):
    """A well-formed payload of a kind this version does not know."""


def _event(payload: Mapping[Any, Any]) -> InboundEvent:
    envelope = _envelope(payload)
    chat, key = envelope["chat"], envelope["delivery_key"]
    match payload["kind"]:
        case "message":
            files = tuple(_file(each) for each in payload.get("files", ()))
            return MessageReceived(
                **envelope,
                message=MessageRef(chat=chat, message_id=key),
                text=_text(payload["text"], may_lack=bool(files)),
                chat_kind="dm",
                attachments=files,
            )
        case "stop":
            return CommandInvoked(**envelope, name="stop")
        case "press":
            card = MessageRef(chat=chat, message_id=_matching(payload["message"], PAYLOAD))
            return ButtonPressed(
                **envelope,
                card=card,
                payload=_matching(payload["payload"], PAYLOAD),
                press=_press(envelope, card.message_id),
            )
        case "form":
            return _form(envelope, payload)
        case str():
            raise _UnsupportedKindError
        case _:
            raise TypeError("kind is not text")


def _form(envelope: _Envelope, payload: Mapping[Any, Any]) -> FormSubmitted:
    stands_at, values = payload["card"], payload["values"]
    if not isinstance(values, Mapping) or len(values) > MAX_FIELDS:
        raise TypeError("the values are not fields")
    card = _matching(stands_at, PAYLOAD) if stands_at else ""
    return FormSubmitted(
        **envelope,
        form_id=_matching(payload["form"], PAYLOAD),
        values={_matching(name, PAYLOAD): _value(value) for name, value in values.items()},
        card=MessageRef(chat=envelope["chat"], message_id=card) if card else None,
        press=_press(envelope, card),
    )


def _press(envelope: _Envelope, card: str) -> PressToken:
    return PressToken(
        kind="web",
        value=f"{envelope['chat'].chat_id}/{envelope['delivery_key']}/{card}",
        usable_until=envelope["occurred_at"] + PRESS_LIFE,
    )


def pressed(press: PressToken) -> tuple[str, str, str]:
    """Of a press: the id of its chat, its key, and the message it was made at ("" if none)."""
    chat_id, _, rest = press.value.partition("/")
    key, _, card = rest.partition("/")
    return chat_id, key, card


def _envelope(payload: Mapping[Any, Any]) -> _Envelope:
    user = _matching(payload["user"], USER)
    key = canonical_uuid(payload["key"])
    chat = chat_of(user, canonical_uuid(payload["chat"]))
    at = datetime.fromisoformat(payload["at"])
    if at.tzinfo is None:
        raise ValueError("a time without its zone")
    micros, sequence = payload["order"]
    if not (isinstance(micros, int) and isinstance(sequence, int)):
        raise TypeError("order is not two numbers")
    if not all(-ORDER_END <= place < ORDER_END for place in (micros, sequence)):
        raise ValueError("order is more than a row of the store holds")
    return _Envelope(
        account=ACCOUNT,
        chat=chat,
        reply_to=chat,
        author=Author(
            id=user,
            name="you" if user == LOCAL_USER else user,
            locale=_value(payload.get("languages", ""))[:LANGUAGES_MAX] or None,
        ),
        delivery_key=key,
        logical_key=key,
        order=(micros, sequence),
        occurred_at=at.astimezone(UTC),
    )


def chat_of(user: str, conversation: str) -> ChatRef:
    """The chat behind a conversation's address; another user's address is another chat.

    The user is part of the id unless it is the one of an unguarded page, so nobody reaches
    another's chat by knowing its address.
    """
    chat_id = conversation if user == LOCAL_USER else f"{user}.{conversation}"
    return ChatRef(account=ACCOUNT, chat_id=chat_id)


def notices_of(user: str) -> ChatRef:
    """Where a user finds notices; raises ValueError for a name no user can have."""
    return chat_of(_matching(user, USER), NOTICES)


def conversation_of(chat: ChatRef) -> str:
    """The conversation's address of a chat that `chat_of` made."""
    return chat.chat_id.rpartition(".")[2]


def is_conversation(chat_id: str) -> bool:
    """Whether the id of a chat names a conversation, and not only a user."""
    try:
        canonical_uuid(chat_id.rpartition(".")[2])
    except ValueError:
        return False
    return True


def canonical_uuid(value: object) -> str:
    """`value` as a lower-case UUID with dashes; raises ValueError for anything else."""
    text = str(UUID(value)) if isinstance(value, str) else ""
    if not text or text != value:
        raise ValueError("not a UUID in its canonical form")
    return text


def _matching(value: object, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError("not in the expected form")
    return value


def _value(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a value is not text")
    return clean_text(value)


def _text(value: object, *, may_lack: bool) -> str:
    if not isinstance(value, str):
        raise TypeError("text is not text")
    text = clean_text(value).strip("\n").rstrip()
    if not text and not may_lack:
        raise ValueError("no text")
    return text


def _file(value: object) -> Attachment:
    if not isinstance(value, Mapping):
        raise TypeError("a file is not an object")
    name, mime, size = value["name"], value["mime"], value["bytes"]
    if not (isinstance(name, str) and isinstance(mime, str) and isinstance(size, int)):
        raise TypeError("a file is not described")
    blob = _matching(value["blob"], _BLOB)
    return Attachment(
        id=blob[:16],
        kind=_KINDS.get(mime.partition("/")[0], "document"),
        file=blob,
        name=clean_text(name)[:300] or None,
        mime=mime[:100] or None,
        bytes=size,
        kept=True,
    )


def shown_text(text: str, names: Iterable[str]) -> str:
    """What a person wrote as the page shows it: their words, and the names of their files."""
    lines = "\n".join(f"\N{PAPERCLIP} {name}" for name in names)
    return f"{text}\n{lines}".strip("\n") if lines else text
