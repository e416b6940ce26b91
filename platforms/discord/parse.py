"""Pure: one event of the gateway as inbound events. Total: any JSON value gives a result.

It reports facts and decides nothing. A message that came by REST (back-fill) is dressed up as the
event it would have been. Our own new messages are told with their nonce, so that the words of
another process on the same token are found; back-fill has no nonces and tells no own ones.
Source: "Gateway Events", "Message Object", "Interaction Object".
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from platforms.discord.directory import THREAD_KINDS, Index
from platforms.discord.fields import born, moment, snowflake, snowflakes, token
from platforms.discord.limits import NONCE_MAX, PAYLOAD_MAX, PRESS_LIFE_S
from platforms.discord.words import Words, display_name, read_words
from platforms.events import (
    Account,
    Attachment,
    Author,
    AuthorKind,
    ButtonPressed,
    ChatKind,
    ChatRef,
    CommandInvoked,
    Ignored,
    InboundEvent,
    MentionKind,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    MessageRef,
    PressToken,
    Quote,
)
from platforms.fields import Body, integer, mapping, objects, string, truth

Reason = Literal["malformed", "unsupported_kind", "service_message", "own_echo"]
Payload = tuple[InboundEvent, ...] | Ignored

PRESS, COMMAND = "component", "command"
"""Kinds of a press token: what was answered by silence, and what shows that we think."""

QUOTE_MAX = 2_000
TEXT_MAX_BYTES = 1 << 20

_WORDS_OF_PEOPLE = frozenset({0, 19, 20, 23})
"""Plain, reply, and the shown use of a command. Source: "Message Types"; the rest is service."""

_FORWARD = 1
_VOICE_FLAG = 1 << 13
_EPHEMERAL_FLAG = 1 << 6
_COMMAND_INTERACTION, _PRESS_INTERACTION = 2, 3
_PRIVATE_CONTEXT = 2
_TEXT_OPTION = 3
_NOBODY = Author(id="0")
"""Deletions do not say who did them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who we are: the application as account, and the user it speaks as."""

    account: Account
    user_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """What every reader needs beside the object itself."""

    us: Identity
    index: Index
    late: bool
    threads: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
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
    found = reader(data, _Reading(us=us, index=index, late=late, threads=threads))
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


def _read_message(data: Body, reading: _Reading) -> InboundEvent | Reason:
    head = _head(data, reading)
    if head is None:
        return "malformed"
    if head.author.is_us and (reading.late or _answers_a_press(data)):
        return "own_echo"
    if integer(data, "type") not in _WORDS_OF_PEOPLE:
        return "service_message"
    forwarded = integer(mapping(data, "message_reference"), "type") == _FORWARD
    body = _snapshot(data) if forwarded else data
    words, attachments = _words(body, reading), _attachments(body, head)
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


def _read_edit(data: Body, reading: _Reading) -> InboundEvent | Reason:
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
        attachments=_attachments(data, head),
    )


def _read_deletion(data: Body, reading: _Reading) -> InboundEvent | Reason:
    chat = _chat(data, reading)
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


def _read_interaction(data: Body, reading: _Reading) -> InboundEvent | Reason:
    match integer(data, "type"):
        case 2:
            return _read_command(data, reading)
        case 3:
            return _read_press(data, reading)
        case None:
            return "malformed"
        case _:
            return "unsupported_kind"


def _read_press(data: Body, reading: _Reading) -> InboundEvent | Reason:
    """A button; a menu's choice is a press with the chosen value."""
    part = mapping(data, "data")
    head, press = _interaction_head(data, reading), _press_token(data, PRESS)
    card = snowflake(mapping(data, "message").get("id"))
    chosen = part.get("values")
    payload = chosen[0] if isinstance(chosen, list) and chosen else part.get("custom_id")
    if integer(data, "context") == _PRIVATE_CONTEXT:
        return "unsupported_kind"
    if head is None or press is None or not isinstance(payload, str):
        return "malformed"
    if not (payload.isascii() and payload.isprintable() and 0 < len(payload) <= PAYLOAD_MAX):
        return "malformed"
    return ButtonPressed(
        account=reading.us.account,
        chat=head.chat,
        reply_to=head.chat,
        author=head.author,
        delivery_key=f"i:{head.ident}",
        logical_key=f"i:{head.ident}",
        order=(int(head.ident), 0),
        occurred_at=born(head.ident),
        card=MessageRef(chat=head.chat, message_id=card) if card else None,
        payload=payload,
        press=press,
    )


def _read_command(data: Body, reading: _Reading) -> InboundEvent | Reason:
    part = mapping(data, "data")
    head, press = _interaction_head(data, reading), _press_token(data, COMMAND)
    name = string(part, "name")
    if integer(data, "context") == _PRIVATE_CONTEXT or integer(part, "type") not in {1, None}:
        return "unsupported_kind"
    if head is None or press is None or not name or len(name) > 32:
        return "malformed"
    texts = [o for o in objects(part, "options") if integer(o, "type") == _TEXT_OPTION]
    return CommandInvoked(
        account=reading.us.account,
        chat=head.chat,
        reply_to=head.chat,
        author=head.author,
        delivery_key=f"i:{head.ident}",
        logical_key=f"i:{head.ident}",
        order=(int(head.ident), 0),
        occurred_at=born(head.ident),
        name=name,
        args=string(texts[0], "value") if texts else "",
        chat_kind=head.chat_kind,
        press=press,
    )


KINDS: Mapping[str, Callable[[Body, _Reading], InboundEvent | Reason]] = {
    "MESSAGE_CREATE": _read_message,
    "MESSAGE_UPDATE": _read_edit,
    "MESSAGE_DELETE": _read_deletion,
    "MESSAGE_DELETE_BULK": _read_deletion,
    "INTERACTION_CREATE": _read_interaction,
}
"""The events that may mean something; all others are never journaled."""


# -- parts


def _head(data: Body, reading: _Reading) -> _Head | None:
    chat, ident = _chat(data, reading), snowflake(data.get("id"))
    author = _author(data, reading)
    if chat is None or ident is None or author is None:
        return None
    return _Head(chat=chat, ident=ident, author=author)


def _chat(data: Body, reading: _Reading) -> ChatRef | None:
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


def _answer_place(head: _Head, words: Words, reading: _Reading) -> ChatRef:
    at_root = head.chat.space is not None and head.chat.thread_id is None
    mentioned = any(mention.kind is MentionKind.US for mention in words.mentions)
    if reading.threads and at_root and mentioned:
        return replace(head.chat, thread_id=head.ident)
    return head.chat


def _parent(data: Body, channel: str, reading: _Reading) -> str | None:
    """An interaction brings its channel along, a message does not."""
    place = mapping(data, "channel")
    if snowflake(place.get("id")) != channel:
        return reading.index.parent_of(channel)
    return snowflake(place.get("parent_id")) if integer(place, "type") in THREAD_KINDS else None


def _author(data: Body, reading: _Reading) -> Author | None:
    user, member = mapping(data, "author"), mapping(data, "member")
    ident = snowflake(user.get("id"))
    if ident is None:
        return None
    return Author(
        id=ident,
        space=snowflake(data.get("guild_id")),
        name=display_name(member, user),
        kind=_author_kind(data, user, reading),
        is_us=ident == reading.us.user_id,
        roles=snowflakes(member, "roles"),
    )


def _author_kind(data: Body, user: Body, reading: _Reading) -> AuthorKind:
    hook = snowflake(data.get("webhook_id"))
    if hook is not None and hook != reading.us.account.id:
        return "webhook"
    if truth(user, "system"):
        return "service"
    return "bot" if truth(user, "bot") else "human"


def _interaction_head(data: Body, reading: _Reading) -> _Head | None:
    chat, ident = _chat(data, reading), snowflake(data.get("id"))
    member = mapping(data, "member")
    user = mapping(member, "user") or mapping(data, "user")
    person = snowflake(user.get("id"))
    if chat is None or ident is None or person is None:
        return None
    author = Author(
        id=person,
        space=chat.space,
        name=display_name(member, user),
        kind="bot" if truth(user, "bot") else "human",
        roles=snowflakes(member, "roles"),
        locale=string(data, "locale")[:35] or None,
    )
    return _Head(chat=chat, ident=ident, author=author)


def _press_token(data: Body, kind: str) -> PressToken | None:
    ident, secret = snowflake(data.get("id")), token(data.get("token"))
    if ident is None or secret is None:
        return None
    return PressToken(
        kind=kind,
        value=f"{ident}:{secret}",
        usable_until=born(ident) + timedelta(seconds=PRESS_LIFE_S),
    )


def _words(data: Body, reading: _Reading) -> Words | None:
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


def _quote(data: Body, head: _Head, reading: _Reading) -> Quote | None:
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
    )


def _attachments(data: Body, head: _Head) -> tuple[Attachment, ...]:
    """Files and stickers. `file` names message and attachment: their addresses expire."""
    voice = bool((integer(data, "flags") or 0) & _VOICE_FLAG)
    place = f"{head.chat.thread_id or head.chat.chat_id}/{head.ident}"
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
            )
        )
    for entry in objects(data, "sticker_items"):
        ident = snowflake(entry.get("id"))
        if ident is not None:
            name = string(entry, "name")[:300] or None
            found.append(Attachment(id=ident, kind="sticker", file=f"{place}/{ident}", name=name))
    return tuple(found)


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
