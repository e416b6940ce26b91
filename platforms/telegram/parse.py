"""Pure: one update of the Bot API as inbound events. Total: any JSON value gives a result.

It reports facts and decides nothing: whether a group message is meant for us is told by its
mentions, its quote and `addressed_command`. Source: core.telegram.org/bots/api#update.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from platforms.events import (
    ButtonPressed,
    Ignored,
    InboundEvent,
    MessageEdited,
    MessageReceived,
    MessageRef,
    PressToken,
    Quote,
)
from platforms.fields import Body, identifier, integer, mapping, string
from platforms.telegram.attachments import read_attachments, stand_in
from platforms.telegram.limits import CALLBACK_DATA_MAX, PRESS_LIFE_S
from platforms.telegram.membership import (
    read_membership,
    read_own_membership,
    read_reaction,
    read_service,
)
from platforms.telegram.reading import (
    Head,
    Identity,
    Reading,
    Reason,
    author_of,
    head_of,
    moment_of,
)
from platforms.telegram.words import Words, read_words

QUOTE_MAX = 2_000
TEXT_MAX_BYTES = 1 << 20
_SOMEBODY_ELSES = frozenset({"business_connection_id", "guest_query_id"})
_NUMBERED = frozenset({"message", "edited_message"})
_SERVICE = frozenset(
    {
        "boost_added",
        "channel_chat_created",
        "chat_background_set",
        "chat_shared",
        "connected_website",
        "delete_chat_photo",
        "forum_topic_closed",
        "forum_topic_created",
        "forum_topic_edited",
        "forum_topic_reopened",
        "general_forum_topic_hidden",
        "general_forum_topic_unhidden",
        "group_chat_created",
        "left_chat_member",
        "message_auto_delete_timer_changed",
        "migrate_from_chat_id",
        "migrate_to_chat_id",
        "new_chat_members",
        "new_chat_photo",
        "new_chat_title",
        "pinned_message",
        "supergroup_chat_created",
        "users_shared",
        "video_chat_ended",
        "video_chat_participants_invited",
        "video_chat_scheduled",
        "video_chat_started",
        "write_access_allowed",
    }
)


def parse(payload: object, us: Identity, *, now: datetime) -> tuple[InboundEvent, ...] | Ignored:
    """What an update says; `now` dates a press, which carries no time of its own."""
    if not isinstance(payload, Mapping) or integer(payload, "update_id") is None:
        return Ignored(delivery_key=_key_of_unknown(payload), reason="malformed")
    kind = next((kind for kind in KINDS if isinstance(payload.get(kind), Mapping)), None)
    key = _delivery_key(payload, kind)
    if kind is None or _in_somebody_elses_name(mapping(payload, kind)):
        return Ignored(delivery_key=key, reason="unsupported_kind")
    found = KINDS[kind](mapping(payload, kind), Reading(us=us, now=now, key=key))
    if isinstance(found, str):
        return Ignored(delivery_key=key, reason=found)
    return found if isinstance(found, tuple) else (found,)


def _in_somebody_elses_name(body: Body) -> bool:
    """Whether a message, or that of a press, is of a chat in which we would speak as a person.

    Their kinds of update are not subscribed to; an answer would stand there as that person's own.
    Source: core.telegram.org/bots/api#message, `business_connection_id`, `guest_query_id`.
    """
    return any(not _SOMEBODY_ELSES.isdisjoint(each) for each in (body, mapping(body, "message")))


def _key_of_unknown(payload: object) -> str:
    try:
        text = json.dumps(payload, sort_keys=True, default=str)
    except (RecursionError, ValueError, TypeError):
        text = "unreadable"
    return f"malformed:{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def _delivery_key(payload: Body, kind: str | None) -> str:
    """Update id, kind and object: after an idle week Telegram draws update ids anew."""
    update = integer(payload, "update_id")
    if kind is None:
        return f"{update}:other"
    body = mapping(payload, kind)
    if kind == "callback_query":
        return f"{update}:{kind}:{identifier(body, 'id')}"
    place = f"{integer(mapping(body, 'chat'), 'id')}"
    if (number := integer(body, "message_id")) is not None or kind in _NUMBERED:
        place += f".{number}"
    return f"{update}:{kind}:{place}"


# -- readers of one kind each


def _read_message(body: Body, reading: Reading) -> InboundEvent | Reason:
    head, sent = head_of(body, reading.us), moment_of(body, "date")
    author = author_of(body, reading.us)
    if head is None or sent is None or author is None:
        return "malformed"
    if author.is_us:
        return "own_echo"
    words, attachments = _words(body, reading.us), read_attachments(body)
    if words is None:
        return "malformed"
    if not words.text and not words.mentions and not attachments:
        if (told := read_service(body, head, reading)) is not None:
            return told
        return "service_message" if _SERVICE & body.keys() else "unsupported_kind"
    return MessageReceived(
        account=reading.us.account,
        chat=head.chat,
        reply_to=head.chat,
        author=author,
        delivery_key=reading.key,
        logical_key=f"m:{head.chat.chat_id}:{head.number}",
        order=(head.number, 0),
        occurred_at=sent,
        message=head.ref,
        text=words.text,
        chat_kind=head.chat_kind,
        thread_kind="none" if head.chat.thread_id is None else "topic",
        mentions=words.mentions,
        attachments=attachments,
        quote=_quote(body, head, reading.us),
        album=identifier(body, "media_group_id"),
        forwarded="forward_origin" in body,
        addressed_command=words.command,
    )


def _read_edit(body: Body, reading: Reading) -> InboundEvent | Reason:
    head, edited = head_of(body, reading.us), moment_of(body, "edit_date")
    author = author_of(body, reading.us)
    words, attachments = _words(body, reading.us), read_attachments(body)
    if head is None or edited is None or author is None or words is None:
        return "malformed"
    if author.is_us:
        return "own_echo"
    second = int(edited.timestamp())
    # Two edits may fall into one second, and both are told.
    state = hashlib.sha256(words.text.encode()).hexdigest()[:12]
    return MessageEdited(
        account=reading.us.account,
        chat=head.chat,
        reply_to=head.chat,
        author=author,
        delivery_key=reading.key,
        logical_key=f"e:{head.chat.chat_id}:{head.number}:{second}:{state}",
        order=(head.number, second),
        occurred_at=edited,
        message=head.ref,
        text=words.text,
        mentions=words.mentions,
        attachments=attachments,
    )


def _read_press(body: Body, reading: Reading) -> InboundEvent | Reason:
    ident, data = identifier(body, "id"), string(body, "data")
    author = author_of(body, reading.us)
    if "data" not in body or "message" not in body:
        return "unsupported_kind"  # a game, or a message sent through inline mode
    head = head_of(mapping(body, "message"), reading.us)
    if ident is None or author is None or head is None:
        return "malformed"
    if not (data.isascii() and 0 < len(data) <= CALLBACK_DATA_MAX):
        return "malformed"
    return ButtonPressed(
        account=reading.us.account,
        chat=head.chat,
        reply_to=head.chat,
        author=author,
        delivery_key=reading.key,
        logical_key=f"p:{ident}",
        order=(head.number, 0),
        occurred_at=reading.now,
        card=head.ref,
        payload=data,
        press=PressToken(
            kind="callback",
            value=ident,
            usable_until=reading.now + timedelta(seconds=PRESS_LIFE_S),
        ),
    )


_Found = InboundEvent | tuple[InboundEvent, ...] | Reason

KINDS: Mapping[str, Callable[[Body, Reading], _Found]] = {
    "message": _read_message,
    "edited_message": _read_edit,
    "callback_query": _read_press,
    "my_chat_member": read_own_membership,
    "chat_member": read_membership,
    "message_reaction": read_reaction,
}
"""The kinds of update we understand, and so the ones we subscribe to."""


# -- parts of a message


def _words(body: Body, us: Identity) -> Words | None:
    """The text or caption, else one line for what cannot be read; None if it is over all bounds."""
    field = "text" if isinstance(body.get("text"), str) else "caption"
    raw: Any = body.get(field)
    if not isinstance(raw, str):
        return Words(text=stand_in(body), mentions=(), command=None)
    if len(raw) > TEXT_MAX_BYTES:
        return None
    entities = body.get("entities" if field == "text" else "caption_entities")
    words = read_words(raw, entities, our_id=us.account.id, our_name=us.username)
    return words if len(words.text.encode()) <= TEXT_MAX_BYTES else None


def _quote(body: Body, head: Head, us: Identity) -> Quote | None:
    """What is replied to. A topic's messages all "reply" to its first one: that is no quote."""
    replied = mapping(body, "reply_to_message")
    number, author = integer(replied, "message_id"), author_of(replied, us)
    if number is None or author is None or "forum_topic_created" in replied:
        return None
    if head.chat.thread_id == str(number):
        return None
    text = string(mapping(body, "quote"), "text") or string(replied, "text")
    text = text or string(replied, "caption") or stand_in(replied)
    return Quote(
        message=MessageRef(chat=head.chat, message_id=str(number)),
        author=author,
        text=text[:QUOTE_MAX],
        attachments=read_attachments(replied),
    )
