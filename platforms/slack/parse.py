"""Pure and total: any JSON value Slack hands over becomes events, or is ignored with a reason.

Three shapes come in: the Events API's envelope, presses, and slash commands (a flat object of
texts). Source: docs.slack.dev/apis/events-api and /interactivity.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from platforms.events import (
    Account,
    Author,
    AuthorKind,
    ButtonPressed,
    ChatKind,
    ChatRef,
    CommandInvoked,
    Ignored,
    InboundEvent,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    MessageRef,
    PressToken,
    Quote,
)
from platforms.fields import Body, identifier, mapping, objects, string, truth
from platforms.slack.attachments import read_attachments, shared_words
from platforms.slack.limits import RESPONSE_URL_LIFE_S, VALUE_MAX_BYTES
from platforms.slack.metadata import nonce_of
from platforms.slack.stamps import is_stamp, order, time_of
from platforms.slack.words import Words, read_words

Reason = Literal[
    "malformed", "unsupported_kind", "unknown_workspace", "service_message", "own_echo"
]

_SLACKBOT = "USLACKBOT"
_WRITTEN = frozenset({"", "file_share", "thread_broadcast", "me_message", "bot_message"})
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What the workspace knows of somebody and messages do not say."""

    name: str = ""
    guest: bool = False
    locale: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who we are. `teams` are the ids our own workspace goes by, `space` the one we use."""

    account: Account
    space: str
    teams: frozenset[str]
    user_id: str
    bot_id: str
    name: str = ""
    threads: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What payloads lack; `uploads` are the nonces of our files by their ids."""

    us: Identity
    people: Mapping[str, Person] = field(default_factory=dict)
    uploads: Mapping[str, str] = field(default_factory=dict)

    def name_of(self, user: str) -> str:
        """A person's name, or nothing."""
        if user == self.us.user_id:
            return self.us.name
        return self.people[user].name if user in self.people else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """What every reader needs beside the object itself."""

    index: Index
    now: datetime
    key: str
    shared: bool = False
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """Where a message stands, and where its answer goes."""

    chat: ChatRef
    reply_to: ChatRef
    kind: ChatKind
    ts: str

    @property
    def ref(self) -> MessageRef:
        return MessageRef(chat=self.chat, message_id=self.ts)


def parse(
    payload: object, index: Index, *, now: datetime, late: bool = False
) -> tuple[InboundEvent, ...] | Ignored:
    """What a payload says; `now` dates a command, which carries no time of its own."""
    if not isinstance(payload, Mapping):
        return Ignored(delivery_key=_key_of_unknown(payload), reason="malformed")
    key = _delivery_key(payload)
    reading = _Reading(
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


def mentioned_people(payload: object) -> tuple[str, ...]:
    """Ids of people a message comes from or names, as far as a name would help to read it."""
    if not isinstance(payload, Mapping) or payload.get("type") != "event_callback":
        return ()
    event = mapping(payload, "event")
    if string(event, "type") not in {"message", "app_mention"}:
        return ()
    author = identifier(event, "user")
    named = re.findall(r"<@([UW][A-Z0-9]{1,30})[|>]", string(event, "text")[:4_000])
    return tuple(dict.fromkeys([*([author] if author else []), *named]))[:5]


def _read(payload: Body, reading: _Reading) -> InboundEvent | Reason:
    if payload.get("type") == "event_callback":
        return _read_event(payload, reading)
    if payload.get("type") == "block_actions":
        return _read_press(payload, reading)
    if string(payload, "command").startswith("/"):
        return _read_command(payload, reading)
    return "malformed" if "type" not in payload else "unsupported_kind"


# -- keys


def _key_of_unknown(payload: object) -> str:
    try:
        text = json.dumps(payload, sort_keys=True, default=str)
    except (RecursionError, ValueError, TypeError):
        text = "unreadable"
    return f"malformed:{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def _delivery_key(payload: Body) -> str:
    """The event's id; of a press its place and moment; of a command its trigger."""
    known = identifier(payload, "event_id")
    if known is not None:
        return known
    if payload.get("type") == "block_actions":
        return _press_key(payload) or _key_of_unknown(payload)
    return identifier(payload, "trigger_id") or _key_of_unknown(payload)


def _press_key(payload: Body) -> str | None:
    action = next(iter(objects(payload, "actions")), {})
    parts = (
        identifier(mapping(payload, "team"), "id") or identifier(mapping(payload, "user"), "id"),
        identifier(mapping(payload, "container"), "message_ts"),
        identifier(action, "action_id"),
        identifier(action, "action_ts"),
    )
    return ":".join(map(str, parts)) if all(parts) else None


# -- events


def _read_event(payload: Body, reading: _Reading) -> InboundEvent | Reason:
    if not _is_ours(payload, reading.index.us):
        return "unknown_workspace"
    event = mapping(payload, "event")
    match event.get("type"), event.get("subtype"):
        case ("message", "message_changed"):
            return _read_edit(event, reading)
        case ("message", "message_deleted"):
            return _read_deletion(event, reading)
        case ("message" | "app_mention", None | str()):
            return _read_message(event, reading)
        case (str(), _):
            return "unsupported_kind"
        case _:
            return "malformed"


def _is_ours(payload: Body, us: Identity) -> bool:
    """Whether the event came for our installation; a shared channel names several."""
    named = {identifier(payload, "team_id"), identifier(payload, "enterprise_id")}
    for authorization in objects(payload, "authorizations"):
        named |= {identifier(authorization, "team_id"), identifier(authorization, "enterprise_id")}
    return not us.teams.isdisjoint(named)


def _read_message(event: Body, reading: _Reading) -> InboundEvent | Reason:
    subtype = string(event, "subtype")
    if subtype not in _WRITTEN:
        return "service_message" if subtype in _SERVICE else "unsupported_kind"
    head = _head(event, identifier(event, "ts"), reading)
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
        thread_kind=_thread_kind(event, head),
        mentions=words.mentions,
        attachments=read_attachments(event),
        quote=_quote(event, head, reading.index.us),
        forwarded=bool(shared),
        nonce=nonce_of(event, reading.index.uploads) if author.is_us else None,
    )


def _read_edit(event: Body, reading: _Reading) -> InboundEvent | Reason:
    """An edit of words; link previews and reactions to our own edits come as changes too."""
    message = mapping(event, "message")
    if message.get("subtype") == "tombstone":
        return "service_message"
    head = _head({**message, "channel": event.get("channel")}, identifier(message, "ts"), reading)
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


def _read_deletion(event: Body, reading: _Reading) -> InboundEvent | Reason:
    before = mapping(event, "previous_message")
    channel = event.get("channel")
    head = _head({**before, "channel": channel}, identifier(event, "deleted_ts"), reading)
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


# -- presses and commands


def _read_press(payload: Body, reading: _Reading) -> InboundEvent | Reason:
    container, user = mapping(payload, "container"), mapping(payload, "user")
    action = next(iter(objects(payload, "actions")), {})
    value = action.get("value") or mapping(action, "selected_option").get("value")
    channel = identifier(mapping(payload, "channel"), "id") or identifier(container, "channel_id")
    place = {
        "channel": channel,
        "thread_ts": container.get("thread_ts") or mapping(payload, "message").get("thread_ts"),
    }
    head = _head(place, identifier(container, "message_ts"), reading)
    moment = identifier(action, "action_ts")
    author = _user(user, identifier(user, "team_id"), reading)
    if not value:
        return "unsupported_kind"  # such as a button that opens a page
    if head is None or author is None or not _is_token(value):
        return "malformed"
    if not is_stamp(moment):
        return "malformed"
    in_thread = head.chat.thread_id is not None
    return ButtonPressed(
        account=reading.index.us.account,
        chat=head.chat,
        reply_to=head.chat if in_thread else _root(head.chat),
        author=author,
        delivery_key=reading.key,
        logical_key=reading.key,
        order=order(moment),
        occurred_at=time_of(moment),
        card=head.ref,
        payload=str(value),
        press=_token(payload, reading.now),
    )


def _read_command(payload: Body, reading: _Reading) -> InboundEvent | Reason:
    us = reading.index.us
    if identifier(payload, "team_id") not in us.teams:
        return "unknown_workspace"
    channel = identifier(payload, "channel_id")
    user = {"id": payload.get("user_id"), "name": payload.get("user_name")}
    author = _user(user, identifier(payload, "team_id"), reading)
    if channel is None or author is None:
        return "malformed"
    name, _, args = string(payload, "text").strip().partition(" ")
    chat = ChatRef(account=us.account, space=us.space, chat_id=channel)
    kind = _chat_kind(channel, string(payload, "channel_name"))
    return CommandInvoked(
        account=us.account,
        chat=chat,
        reply_to=chat,
        author=author,
        delivery_key=reading.key,
        logical_key=reading.key,
        order=(int(reading.now.timestamp()), reading.now.microsecond),
        occurred_at=reading.now,
        name=name.lstrip("/!").lower() or "help",
        args=args.strip(),
        chat_kind=kind,
        press=_token(payload, reading.now),
    )


def _is_token(value: object) -> bool:
    if not isinstance(value, str) or not 0 < len(value) <= VALUE_MAX_BYTES:
        return False
    return value.isascii() and value.isprintable()


def _token(payload: Body, now: datetime) -> PressToken:
    """What answers it later: the address, and the trigger that opens a form."""
    value = {"url": string(payload, "response_url"), "trigger": string(payload, "trigger_id")}
    return PressToken(
        kind="slack",
        value=json.dumps(value),
        usable_until=now + timedelta(seconds=RESPONSE_URL_LIFE_S),
    )


# -- places, people, times


def _head(body: Body, ts: str | None, reading: _Reading) -> _Head | None:
    """Where it stands; a message in a channel is answered in a thread on it."""
    channel = identifier(body, "channel")
    if channel is None or not is_stamp(ts):
        return None
    us = reading.index.us
    root = identifier(body, "thread_ts")
    thread = root if is_stamp(root) and root != ts else None
    chat = ChatRef(account=us.account, space=us.space, chat_id=channel, thread_id=thread)
    kind = _chat_kind(channel, string(body, "channel_type"))
    reply_to = chat
    if thread is None and us.threads and kind != "dm":
        reply_to = ChatRef(account=us.account, space=us.space, chat_id=channel, thread_id=ts)
    return _Head(chat=chat, reply_to=reply_to, kind=kind, ts=ts)


def _root(chat: ChatRef) -> ChatRef:
    return ChatRef(account=chat.account, space=chat.space, chat_id=chat.chat_id)


def _chat_kind(channel: str, said: str) -> ChatKind:
    """By what the payload says, else by the id: a mention does not name the kind of its chat."""
    if said in {"im", "directmessage"} or channel.startswith("D"):
        return "dm"
    return "group" if said == "mpim" or said.startswith("mpdm-") else "channel"


def _thread_kind(event: Body, head: _Head) -> Literal["none", "reply", "topic"]:
    if head.chat.thread_id is None:
        return "none"
    return "topic" if head.kind == "dm" and mapping(event, "assistant_thread") else "reply"


def _author(message: Body, reading: _Reading) -> Author | None:
    bot = identifier(message, "bot_id")
    user = identifier(message, "user")
    us = reading.index.us
    if bot is not None and user is None:
        return Author(
            id=bot, space=us.space, name=string(message, "username"), kind="bot",
            is_us=bot == us.bot_id,
        )  # fmt: skip
    team = identifier(message, "user_team") or identifier(message, "team")
    body = {"id": user}
    kind: AuthorKind = "bot" if bot is not None else "human"
    return _user(body, team or identifier(message, "source_team"), reading, kind=kind)


def _user(
    user: Body, team: str | None, reading: _Reading, *, kind: AuthorKind = "human"
) -> Author | None:
    """A person; who belongs to another workspace is external."""
    ident = identifier(user, "id")
    if ident is None:
        return None
    us = reading.index.us
    ours = team is None or team in us.teams or (us.space.startswith("E") and not reading.shared)
    known = reading.index.people.get(ident, Person())
    return Author(
        id=ident,
        space=us.space if ours else team,
        name=known.name or string(user, "name"),
        kind="service" if ident == _SLACKBOT else kind,
        is_us=ident == us.user_id,
        external=not ours,
        guest=known.guest,
        locale=known.locale,
    )


def _words(message: Body, reading: _Reading) -> Words:
    return read_words(
        string(message, "text"),
        our_id=reading.index.us.user_id,
        name_of=reading.index.name_of,
    )


def _quote(event: Body, head: _Head, us: Identity) -> Quote | None:
    """A reply in a thread on our own message; Slack does not repeat the words."""
    if head.chat.thread_id is None or identifier(event, "parent_user_id") != us.user_id:
        return None
    author = Author(id=us.user_id, space=us.space, name=us.name, kind="bot", is_us=True)
    message = MessageRef(chat=head.chat, message_id=head.chat.thread_id)
    return Quote(message=message, author=author, text="")
