"""Pure and total: any JSON value Slack hands over becomes events, or is ignored with a reason.

Three shapes come in: the Events API's envelope, presses and forms, and slash commands (a flat
object of texts). Source: docs.slack.dev/apis/events-api and /interactivity.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from platforms.events import (
    Author,
    AuthorKind,
    Ignored,
    InboundEvent,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    MessageRef,
    Quote,
)
from platforms.fields import Body, identifier, mapping, objects, string, truth
from platforms.slack.attachments import read_attachments, shared_words
from platforms.slack.membership import (
    CHANNELS,
    MEMBERS,
    REACTIONS,
    read_channel,
    read_member,
    read_reaction,
)
from platforms.slack.metadata import nonce_of
from platforms.slack.presses import form_key, press_key, presser, read_act
from platforms.slack.reading import Head, Index, Reading, Reason, head_of, person_of
from platforms.slack.shortcuts import is_shortcut
from platforms.slack.stamps import is_stamp, order, time_of
from platforms.slack.words import Words, read_words

_WRITTEN = frozenset({"", "file_share", "thread_broadcast", "me_message", "bot_message"})
_ASSISTANT = ("assistant_thread_started", "assistant_thread_context_changed")
_SERVICE = frozenset(
    {
        "assistant_app_thread", "bot_add", "bot_disable", "bot_enable", "bot_remove",
        "channel_archive", "channel_canvas_updated", "channel_convert_to_private", "channel_join",
        "channel_leave", "channel_name", "channel_posting_permissions", "channel_purpose",
        "channel_topic", "channel_unarchive", "ekm_access_denied", "group_archive", "group_join",
        "group_leave", "group_name", "group_purpose", "group_topic", "group_unarchive",
        "huddle_thread", "pinned_item", "reminder_add", "reminder_delete", "sh_room_created",
        "tombstone", "unpinned_item",
    }
)  # fmt: skip


def parse(
    payload: object, index: Index, *, now: datetime, late: bool = False
) -> tuple[InboundEvent, ...] | Ignored:
    """What a payload says; `now` dates a command, which carries no time of its own."""
    if not isinstance(payload, Mapping):
        return Ignored(delivery_key=_key_of_unknown(payload), reason="malformed")
    key = _delivery_key(payload)
    reading = Reading(
        index=index,
        now=now,
        key=key,
        shared=truth(payload, "is_ext_shared_channel"),
        late=late,
    )
    event = _read(payload, reading)
    if isinstance(event, str):
        return Ignored(delivery_key=key, reason=event)
    return (event,)


def of_nobody(payload: object) -> Ignored:
    """A payload for a workspace we are not in."""
    key = _delivery_key(payload) if isinstance(payload, Mapping) else _key_of_unknown(payload)
    return Ignored(delivery_key=key, reason="unknown_workspace")


def mentioned_people(payload: object) -> tuple[str, ...]:
    """Ids of people to know before reading: who wrote, pressed or is named."""
    if not isinstance(payload, Mapping):
        return ()
    if (user := presser(payload)) is not None:
        quoted = identifier(mapping(payload, "message"), "user") if is_shortcut(payload) else None
        return (user, quoted) if quoted else (user,)
    if payload.get("type") != "event_callback":
        return ()
    event = mapping(payload, "event")
    if string(event, "type") not in {"message", "app_mention"}:
        return ()
    author = identifier(event, "user")
    named = re.findall(r"<@([UW][A-Z0-9]{1,30})[|>]", string(event, "text")[:4_000])
    return tuple(dict.fromkeys([*([author] if author else []), *named]))[:5]


def _read(payload: Body, reading: Reading) -> InboundEvent | Reason:
    if payload.get("type") == "event_callback":
        return _read_event(payload, reading)
    return read_act(payload, reading)


# -- keys


def _key_of_unknown(payload: object) -> str:
    try:
        text = json.dumps(payload, sort_keys=True, default=str)
    except (RecursionError, ValueError, TypeError):
        text = "unreadable"
    return f"malformed:{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def _delivery_key(payload: Body) -> str:
    """The event's id; of a press its place and moment, of a form its view; else a trigger."""
    known = identifier(payload, "event_id")
    if known is not None:
        return known
    match payload.get("type"):
        case "block_actions":
            key = press_key(payload)
        case "view_submission":
            key = form_key(payload)
        case _:
            key = identifier(payload, "trigger_id")
    return key or _key_of_unknown(payload)


# -- events


def _read_event(payload: Body, reading: Reading) -> InboundEvent | Reason:
    if not _is_ours(payload, reading):
        return "unknown_workspace"
    event = mapping(payload, "event")
    match event.get("type"), event.get("subtype"):
        case ("message", "message_changed"):
            return _read_edit(event, reading)
        case ("message", "message_deleted"):
            return _read_deletion(event, reading)
        case ("message" | "app_mention", None | str()):
            return _read_message(event, reading)
        case (str(kind), _) if kind in MEMBERS:
            return read_member(event, reading)
        case (str(kind), _) if kind in CHANNELS:
            return read_channel(event, reading)
        case (str(kind), _) if kind in REACTIONS:
            return read_reaction(event, reading)
        case (kind, _) if kind in _ASSISTANT:
            return "service_message"
        case (str(), _):
            return "unsupported_kind"
        case _:
            return "malformed"


def _is_ours(payload: Body, reading: Reading) -> bool:
    """Whether the event came for an installation of ours; a shared channel names several."""
    named = {identifier(payload, "team_id"), identifier(payload, "enterprise_id")}
    for authorization in objects(payload, "authorizations"):
        named |= {identifier(authorization, "team_id"), identifier(authorization, "enterprise_id")}
    return not reading.teams.isdisjoint(named)


def _read_message(event: Body, reading: Reading) -> InboundEvent | Reason:
    subtype = string(event, "subtype")
    if subtype not in _WRITTEN:
        return "service_message" if subtype in _SERVICE else "unsupported_kind"
    head = head_of(event, identifier(event, "ts"), reading)
    author = _author(event, reading)
    if head is None or author is None:
        return "malformed"
    words = _words(event, reading)
    shared = shared_words(event)
    return MessageReceived(
        account=reading.index.us.account,
        chat=head.chat,
        reply_to=head.reply_to,
        author=author,
        delivery_key=reading.key,
        logical_key=f"{head.chat.chat_id}:{head.ts}",
        order=order(head.ts),
        occurred_at=time_of(head.ts),
        late=reading.late,
        message=head.ref,
        text="\n\n".join(filter(None, (words.text, shared))),
        chat_kind=head.kind,
        thread_kind=_thread_kind(event, head, reading),
        mentions=words.mentions,
        attachments=read_attachments(event),
        quote=_quote(event, head, reading),
        forwarded=bool(shared),
        nonce=nonce_of(event, reading.index.uploads) if author.is_us else None,
    )


def _read_edit(event: Body, reading: Reading) -> InboundEvent | Reason:
    """An edit of words; link previews and reactions to our own edits come as changes too."""
    message = mapping(event, "message")
    if message.get("subtype") == "tombstone":
        return "service_message"
    head = head_of({**message, "channel": event.get("channel")}, identifier(message, "ts"), reading)
    author = _author(message, reading)
    moment = identifier(event, "event_ts") or identifier(event, "ts")
    if head is None or author is None or not is_stamp(moment):
        return "malformed"
    if author.is_us:
        return "own_echo"
    before = mapping(event, "previous_message")
    if string(before, "text") == string(message, "text") and before:
        return "unsupported_kind"
    words = _words(message, reading)
    edited = identifier(mapping(message, "edited"), "ts") or moment
    return MessageEdited(
        account=reading.index.us.account,
        chat=head.chat,
        reply_to=head.reply_to,
        author=author,
        delivery_key=reading.key,
        logical_key=f"{head.chat.chat_id}:{head.ts}:{edited}",
        order=order(moment),
        occurred_at=time_of(moment),
        message=head.ref,
        text=words.text,
        mentions=words.mentions,
        attachments=read_attachments(message),
    )


def _read_deletion(event: Body, reading: Reading) -> InboundEvent | Reason:
    before = mapping(event, "previous_message")
    channel = event.get("channel")
    head = head_of({**before, "channel": channel}, identifier(event, "deleted_ts"), reading)
    moment = identifier(event, "event_ts") or identifier(event, "ts")
    if head is None or not is_stamp(moment):
        return "malformed"
    author = _author(before, reading) or Author(id="unknown", space=reading.index.us.space)
    if author.is_us:
        return "own_echo"
    return MessageDeleted(
        account=reading.index.us.account,
        chat=head.chat,
        reply_to=head.reply_to,
        author=author,
        delivery_key=reading.key,
        logical_key=f"{head.chat.chat_id}:{head.ts}:deleted",
        order=order(moment),
        occurred_at=time_of(moment),
        messages=(head.ref,),
    )


# -- people and places


def _thread_kind(event: Body, head: Head, reading: Reading) -> Literal["none", "reply", "topic"]:
    """With the assistant view each thread of a direct message is a conversation of its own."""
    if head.chat.thread_id is None:
        return "none"
    assistant = reading.index.us.assistant or bool(mapping(event, "assistant_thread"))
    return "topic" if head.kind == "dm" and assistant else "reply"


def _author(message: Body, reading: Reading) -> Author | None:
    bot = identifier(message, "bot_id")
    user = identifier(message, "user")
    us = reading.index.us
    if bot is not None and user is None:
        return Author(
            id=bot, space=us.space, name=string(message, "username"), kind="bot",
            is_us=bot in reading.our_ids,
        )  # fmt: skip
    team = identifier(message, "user_team") or identifier(message, "team")
    body = {"id": user}
    kind: AuthorKind = "bot" if bot is not None else "human"
    return person_of(body, team or identifier(message, "source_team"), reading, kind=kind)


def _words(message: Body, reading: Reading) -> Words:
    return read_words(
        string(message, "text"),
        our_ids=reading.our_ids,
        name_of=reading.index.name_of,
    )


def _quote(event: Body, head: Head, reading: Reading) -> Quote | None:
    """A reply in a thread on our own message; Slack does not repeat the words."""
    us, root = reading.index.us, identifier(event, "parent_user_id")
    if head.chat.thread_id is None or root not in reading.our_ids:
        return None
    author = Author(id=us.user_id, space=us.space, name=us.name, kind="bot", is_us=True)
    message = MessageRef(chat=head.chat, message_id=head.chat.thread_id)
    return Quote(message=message, author=author, text="")
