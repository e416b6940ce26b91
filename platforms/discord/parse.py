"""Pure: one event of the gateway as inbound events. Total: any JSON value gives a result.

It reports facts and decides nothing. A message that came by REST (back-fill) is dressed up as the
event it would have been. Our own new messages are told with their nonce, so that the words of
another process on the same token are found; back-fill has no nonces and tells no own ones.
Source: "Gateway Events", "Message Object".
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

from platforms.discord.directory import Index
from platforms.discord.fields import born, moment, snowflake, snowflakes
from platforms.discord.interactions import read_interaction
from platforms.discord.limits import NONCE_MAX
from platforms.discord.membership import read_added, read_channel_gone, read_removed
from platforms.discord.reading import Head, Identity, Reading, Reason, author_kind, chat_of
from platforms.discord.words import Words, display_name, read_words
from platforms.events import (
    Attachment,
    Author,
    ChatRef,
    Ignored,
    InboundEvent,
    MentionKind,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    MessageRef,
    Quote,
)
from platforms.fields import Body, integer, mapping, objects, string

Payload = tuple[InboundEvent, ...] | Ignored

QUOTE_MAX = 2_000
TEXT_MAX_BYTES = 1 << 20

_WORDS_OF_PEOPLE = frozenset({0, 19, 20, 23})
"""Plain, reply, and the shown use of a command. Source: "Message Types"; the rest is service."""

_FORWARD = 1
_VOICE_FLAG = 1 << 13
_EPHEMERAL_FLAG = 1 << 6
_NOBODY = Author(id="0")
"""Deletions do not say who did them."""


def parse(
    payload: object, us: Identity, index: Index, *, late: bool = False, threads: bool = False
) -> Payload:
    """What a gateway event says.

    `late`: it came by back-fill. `threads`: a mention in a channel is answered in a thread on it,
    which has the message's own id.
    """
    event = payload if isinstance(payload, Mapping) else {}
    name, data = event.get("t"), event.get("d")
    key = delivery_key(payload)
    reader = KINDS.get(name) if isinstance(name, str) else None
    if reader is None:
        reason = "unsupported_kind" if isinstance(name, str) else "malformed"
        return Ignored(delivery_key=key, reason=reason)
    if not isinstance(data, Mapping):
        return Ignored(delivery_key=key, reason="malformed")
    found = reader(data, Reading(us=us, index=index, late=late, threads=threads))
    return Ignored(delivery_key=key, reason=found) if isinstance(found, str) else (found,)


def delivery_key(payload: object) -> str:
    """The same delivery again has the same key; what has no id is known by its content."""
    event = payload if isinstance(payload, Mapping) else {}
    data = mapping(event, "d")
    ident = snowflake(data.get("id"))
    match event.get("t"):
        case "MESSAGE_CREATE" if ident:
            return f"m:{ident}"
        case "MESSAGE_UPDATE" if ident:
            return f"e:{ident}:{string(data, 'edited_timestamp')[:40]}"
        case "MESSAGE_DELETE" if ident:
            return f"d:{ident}"
        case "MESSAGE_DELETE_BULK" if ids := snowflakes(data, "ids"):
            return f"d:{ids[0]}:{_digest(list(ids))}"
        case "INTERACTION_CREATE" if ident:
            return f"i:{ident}"
        case _:
            return f"malformed:{_digest(payload)}"


def _digest(value: object) -> str:
    try:
        text = json.dumps(value, sort_keys=True, default=str)
    except (RecursionError, ValueError, TypeError):
        text = "unreadable"
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


# -- readers of one event each


def _read_message(data: Body, reading: Reading) -> InboundEvent | Reason:
    head = _head(data, reading)
    if head is None:
        return "malformed"
    if head.author.is_us and (reading.late or _answers_a_press(data)):
        return "own_echo"
    if integer(data, "type") not in _WORDS_OF_PEOPLE:
        return "service_message"
    forwarded = integer(mapping(data, "message_reference"), "type") == _FORWARD
    body = _snapshot(data) if forwarded else data
    words, attachments = _words(body, reading), _attachments(body, head, head.ident)
    if words is None:
        return "malformed"
    empty = not words.text and not words.mentions and not attachments
    if empty and not head.author.is_us:
        return "unsupported_kind"
    return MessageReceived(
        account=reading.us.account,
        chat=head.chat,
        reply_to=_answer_place(head, words, reading),
        author=head.author,
        delivery_key=f"m:{head.ident}",
        logical_key=f"m:{head.ident}",
        order=(int(head.ident), 0),
        occurred_at=moment(data.get("timestamp")) or born(head.ident),
        late=reading.late,
        message=head.ref,
        text=words.text,
        chat_kind=head.chat_kind,
        thread_kind="none" if head.chat.thread_id is None else "topic",
        mentions=words.mentions,
        attachments=attachments,
        quote=None if forwarded else _quote(data, head, reading),
        forwarded=forwarded,
        nonce=(string(data, "nonce")[:NONCE_MAX] or None) if head.author.is_us else None,
    )


def _answers_a_press(data: Body) -> bool:
    """Private words and follow-ups, which come by a webhook and never are an outbox row."""
    private = (integer(data, "flags") or 0) & _EPHEMERAL_FLAG
    return bool(private) or snowflake(data.get("webhook_id")) is not None


def _read_edit(data: Body, reading: Reading) -> InboundEvent | Reason:
    """An edit by a person; without its time it is a preview that unfolded."""
    head, edited = _head(data, reading), moment(data.get("edited_timestamp"))
    if "author" not in data or data.get("edited_timestamp") is None:
        return "unsupported_kind"
    if head is None or edited is None:
        return "malformed"
    if head.author.is_us:
        return "own_echo"
    words = _words(data, reading)
    if words is None:
        return "malformed"
    stamp = int(edited.timestamp() * 1_000_000)
    return MessageEdited(
        account=reading.us.account,
        chat=head.chat,
        reply_to=head.chat,
        author=head.author,
        delivery_key=f"e:{head.ident}:{string(data, 'edited_timestamp')[:40]}",
        logical_key=f"e:{head.ident}:{stamp}",
        order=(int(head.ident), stamp),
        occurred_at=edited,
        late=reading.late,
        message=head.ref,
        text=words.text,
        mentions=words.mentions,
        attachments=_attachments(data, head, head.ident),
    )


def _read_deletion(data: Body, reading: Reading) -> InboundEvent | Reason:
    chat = chat_of(data, reading)
    single = snowflake(data.get("id"))
    idents = (single,) if single else snowflakes(data, "ids")
    if chat is None or not idents:
        return "malformed"
    key = f"d:{single}" if single else f"d:{idents[0]}:{_digest(list(idents))}"
    return MessageDeleted(
        account=reading.us.account,
        chat=chat,
        reply_to=chat,
        author=_NOBODY,
        delivery_key=key,
        logical_key=key,
        order=(int(idents[-1]), 1 << 62),
        occurred_at=born(idents[-1]),
        late=reading.late,
        messages=tuple(MessageRef(chat=chat, message_id=ident) for ident in idents),
    )


KINDS: Mapping[str, Callable[[Body, Reading], InboundEvent | Reason]] = {
    "MESSAGE_CREATE": _read_message,
    "MESSAGE_UPDATE": _read_edit,
    "MESSAGE_DELETE": _read_deletion,
    "MESSAGE_DELETE_BULK": _read_deletion,
    "INTERACTION_CREATE": read_interaction,
    "MESSAGE_REACTION_ADD": read_added,
    "MESSAGE_REACTION_REMOVE": read_removed,
    "CHANNEL_DELETE": read_channel_gone,
}
"""The events that may mean something; all others are never journaled."""


# -- parts


def _head(data: Body, reading: Reading) -> Head | None:
    chat, ident = chat_of(data, reading), snowflake(data.get("id"))
    author = _author(data, reading)
    if chat is None or ident is None or author is None:
        return None
    return Head(chat=chat, ident=ident, author=author)


def _answer_place(head: Head, words: Words, reading: Reading) -> ChatRef:
    at_root = head.chat.space is not None and head.chat.thread_id is None
    mentioned = any(mention.kind is MentionKind.US for mention in words.mentions)
    if reading.threads and at_root and mentioned:
        return replace(head.chat, thread_id=head.ident)
    return head.chat


def _author(data: Body, reading: Reading) -> Author | None:
    user, member = mapping(data, "author"), mapping(data, "member")
    ident = snowflake(user.get("id"))
    if ident is None:
        return None
    return Author(
        id=ident,
        space=snowflake(data.get("guild_id")),
        name=display_name(member, user),
        kind=author_kind(data, user, reading),
        is_us=ident == reading.us.user_id,
        roles=snowflakes(member, "roles"),
    )


def _words(data: Body, reading: Reading) -> Words | None:
    """The text, or one line for what cannot be read; None if it is over all bounds."""
    words = read_words(data, us=reading.us.user_id, index=reading.index)
    if not words.text and not words.mentions:
        question = string(mapping(mapping(data, "poll"), "question"), "text")
        words = Words(text=f"(poll: {question})" if question else "", mentions=())
    return words if len(words.text.encode()) <= TEXT_MAX_BYTES else None


def _snapshot(data: Body) -> Body:
    """What a forwarded message says; its author is not told."""
    snapshots = objects(data, "message_snapshots")
    return mapping(snapshots[0], "message") if snapshots else {}


def _quote(data: Body, head: Head, reading: Reading) -> Quote | None:
    replied = mapping(data, "referenced_message")
    ident = snowflake(replied.get("id"))
    author = _author({**replied, "guild_id": head.chat.space}, reading)
    if ident is None or author is None:
        return None
    words = _words(replied, reading)
    return Quote(
        message=MessageRef(chat=head.chat, message_id=ident),
        author=author,
        text=words.text[:QUOTE_MAX] if words is not None else "",
        attachments=_attachments(replied, head, ident),
    )


def _attachments(data: Body, head: Head, message: str) -> tuple[Attachment, ...]:
    """Files and stickers. `file` names message and attachment: their addresses expire."""
    voice = bool((integer(data, "flags") or 0) & _VOICE_FLAG)
    place = f"{head.chat.thread_id or head.chat.chat_id}/{message}"
    found = []
    for entry in objects(data, "attachments"):
        ident = snowflake(entry.get("id"))
        if ident is None:
            continue
        mime = string(entry, "content_type")[:255]
        found.append(
            Attachment(
                id=ident,
                kind="voice" if voice else _file_kind(mime),
                file=f"{place}/{ident}",
                name=string(entry, "filename")[:300] or None,
                mime=mime or None,
                bytes=integer(entry, "size"),
                seconds=_seconds(entry.get("duration_secs")),
                width=integer(entry, "width"),
                height=integer(entry, "height"),
            )
        )
    for entry in objects(data, "sticker_items"):
        ident = snowflake(entry.get("id"))
        if ident is not None:
            name = string(entry, "name")[:300] or None
            found.append(Attachment(id=ident, kind="sticker", file=f"{place}/{ident}", name=name))
    return tuple(found)


def _seconds(value: object) -> int | None:
    """Of a voice note, rounded up."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return math.ceil(value) if 0 <= value < 1e9 else None


def _file_kind(mime: str) -> Literal["image", "audio", "video", "document"]:
    match mime.partition("/")[0]:
        case "image":
            return "image"
        case "audio":
            return "audio"
        case "video":
            return "video"
        case _:
            return "document"
