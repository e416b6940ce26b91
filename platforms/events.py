"""What comes in: who, where and what, in one vocabulary for every platform.

Ids are text and immutable; times are aware UTC datetimes. A display name is for display: no
decision, key or list reads it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Literal

PlatformName = Literal["slack", "discord", "telegram", "web", "terminal"]
AuthorKind = Literal["human", "bot", "webhook", "channel", "anonymous_admin", "service"]
ChatKind = Literal["dm", "group", "channel"]
ThreadKind = Literal["none", "reply", "topic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One credential: a Slack app, a Discord application, a Telegram bot id; else "local"."""

    platform: PlatformName
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRef:
    """A place of conversation.

    `space` is a Slack team or a Discord guild, else None. A Discord thread has its parent
    channel as `chat_id`.
    """

    account: Account
    space: str | None = None
    chat_id: str
    thread_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRef:
    """One message: Slack `ts` kept as text, Discord snowflake, Telegram message id."""

    chat: ChatRef
    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who wrote or pressed.

    `external` is a member of another organisation, `guest` one with restricted rights; `roles`
    are Discord role ids found in the payload; `locale` is a BCP 47 tag, or what a browser
    lists of them, the best first.
    """

    id: str
    space: str | None = None
    name: str = ""
    kind: AuthorKind = "human"
    is_us: bool = False
    external: bool = False
    guest: bool = False
    roles: tuple[str, ...] = ()
    locale: str | None = None


class MentionKind(Enum):
    """Whom a mention names; `US` covers our own bot role on Discord."""

    US = "us"
    USER = "user"
    ROLE = "role"
    EVERYONE = "everyone"
    CHAT = "chat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A mention in `text`; offsets count code points. `id` is None for US and EVERYONE.

    Our own leading mention is cut from the text and has `start == end == 0`.
    """

    kind: MentionKind
    id: str | None = None
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that came with a message; sizes are as declared by the platform.

    `file` is read by its own adapter only. Nothing is downloaded before admission. `seconds` is
    how long a recording lasts, `width` and `height` count pixels.
    """

    id: str
    kind: Literal["image", "audio", "voice", "video", "document", "sticker"]
    file: str
    name: str | None = None
    mime: str | None = None
    bytes: int | None = None
    seconds: int | None = None
    width: int | None = None
    height: int | None = None
    kept: bool = False
    """Its bytes came with the message and are kept already; `file` names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a message replies to. `text` (at most 2,000 code points) is data, never instructions.

    `attachments` are those of that message, as far as the payload tells.
    """

    message: MessageRef
    author: Author
    text: str
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What somebody said in a chat before; `text` (at most 2,000 code points) is data."""

    message: MessageRef
    author: Author
    text: str
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PressToken:
    """What answers a press or native command later; opaque outside its own adapter."""

    kind: str
    value: str = field(repr=False)  # holds tokens and addresses that answer for us
    usable_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What every inbound event carries.

    `delivery_key`: the same delivery again has the same key. `logical_key`: the same human act
    has the same key on any transport. `order`: its place in its chat. `late`: it came by
    back-fill. `reply_to`: where answers go.
    """

    account: Account
    chat: ChatRef
    reply_to: ChatRef
    author: Author
    delivery_key: str
    logical_key: str
    order: tuple[int, int]
    occurred_at: datetime
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReceived(Envelope):
    """Someone wrote; `text` is plain with Markdown for code, links and quotes, <= 1 MiB."""

    message: MessageRef
    text: str
    chat_kind: ChatKind
    thread_kind: ThreadKind = "none"
    mentions: tuple[Mention, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    quote: Quote | None = None
    album: str | None = None
    forwarded: bool = False
    nonce: str | None = None
    """Of our own message only, where the platform hands it back: the nonce it was posted with."""

    addressed_command: bool | None = None
    """Telegram's `/name@bot` form: True names us, False names another bot, None names nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEdited(Envelope):
    """A message has a new text: the new state, not a difference."""

    message: MessageRef
    text: str
    mentions: tuple[Mention, ...] = ()
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDeleted(Envelope):
    """Messages are gone."""

    messages: tuple[MessageRef, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonPressed(Envelope):
    """Someone pressed a button or chose from a menu under one of our messages.

    `payload` is at most 64 bytes of ASCII, exactly what we put there.
    """

    card: MessageRef | None
    payload: str
    press: PressToken


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandInvoked(Envelope):
    """A native command, or the page's own controls. A typed one is a MessageReceived."""

    name: str
    args: str = ""
    chat_kind: ChatKind = "dm"
    message: MessageRef | None = None
    press: PressToken | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FormSubmitted(Envelope):
    """Someone filled in a form of ours; `chat` is where the button stood that opened it.

    `values` holds one text per field. `form_id` is exactly what we put there. A reply to a
    prompt (Telegram) arrives as MessageReceived; the gateway knows the prompt.
    """

    form_id: str
    values: Mapping[str, str]
    card: MessageRef | None = None
    press: PressToken | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactionChanged(Envelope):
    """Somebody put a reaction to a message, or took it away.

    `emoji` is Unicode or `:name:`, whatever the platform calls it.
    """

    message: MessageRef
    emoji: str
    added: bool
    chat_kind: ChatKind


Membership = Literal[
    "we_joined",
    "we_left",
    "joined",
    "left",
    "blocked",
    "unblocked",
    "archived",
    "rights",
    "renamed",
    "moved",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMembershipChanged(Envelope):
    """Who is in a chat, or what the chat is, has changed.

    `subject` is whom it is about, `author` who did it. `blocked` and `unblocked` are said of a
    direct chat, or of one that can be written to again; `moved_to` is set for `moved` alone, whose
    `chat` is the old address.
    """

    subject: Author
    change: Membership
    chat_kind: ChatKind
    moved_to: ChatRef | None = None


InboundEvent = (
    MessageReceived
    | MessageEdited
    | MessageDeleted
    | ButtonPressed
    | FormSubmitted
    | CommandInvoked
    | ReactionChanged
    | ChatMembershipChanged
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """A payload that says nothing to us: stored with its reason, acknowledged, counted.

    Reasons: `malformed`, `unsupported_kind`, `unknown_workspace`, `service_message`, `own_echo`.
    """

    delivery_key: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One thing the platform handed over: its raw bytes and what `parse` made of them."""

    account: Account
    raw: bytes
    events: tuple[InboundEvent, ...] | Ignored


class Receipt(Enum):
    """What became of a delivery.

    Acknowledge after STORED (on disk) and UNWANTED (counted, not stored). Never acknowledge
    BUSY: the platform delivers again.
    """

    STORED = "stored"
    UNWANTED = "unwanted"
    BUSY = "busy"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandHelp:
    """One line of the gateway's command table, for native registration and menus.

    `tier` is whom it is for; `summaries` are the same words in further languages, by their tag.
    """

    name: str
    summary: str
    args: str = ""
    tier: Literal["anyone", "approver", "owner"] = "anyone"
    summaries: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A time without transport that is over: its events were read back, or can't be.

    `cause` is a few words in lower case ("socket stale", "session invalidated", "rate notice");
    `recovered` counts the messages that reading back brought in, None where it was not possible.
    """

    account: Account
    since: datetime
    until: datetime
    cause: str
    recovered: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Liveness:
    """Evidence that the transport lives; times are monotonic seconds of the running process.

    `last_frame_at` is the last completed poll, pong, heartbeat or frame, never a message.
    `gap_since` is when the transport was lost whose events are not all read back yet. `alarm` is
    a sentence for the operator about something that needs a person although we go on, such as
    another process on the same token, `detail` one about the connection itself.
    """

    connected: bool
    last_frame_at: float | None = None
    gap_since: float | None = None
    alarm: str = ""
    detail: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
