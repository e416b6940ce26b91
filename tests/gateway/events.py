"""Inbound events as platforms report them, each with one thing changed by the test."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from platforms.events import (
    Account,
    Attachment,
    Author,
    ButtonPressed,
    ChatMembershipChanged,
    ChatRef,
    CommandInvoked,
    Delivery,
    FormSubmitted,
    Ignored,
    InboundEvent,
    Membership,
    Mention,
    MentionKind,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    MessageRef,
    PressToken,
    Quote,
    ReactionChanged,
)

TELEGRAM = Account(platform="telegram", id="77")
SLACK = Account(platform="slack", id="A1")
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

DM = ChatRef(account=TELEGRAM, chat_id="1001")
GROUP = ChatRef(account=TELEGRAM, chat_id="-100200")
TOPIC = replace(GROUP, thread_id="7")
CHANNEL = ChatRef(account=SLACK, space="T1", chat_id="C1")
THREAD = replace(CHANNEL, thread_id="170.1")

ANN = Author(id="1001", name="Ann")
BEN = Author(id="1002", name="Ben")
US = Author(id="77", name="bot", kind="bot", is_us=True)
SLACK_ANN = Author(id="U1", space="T1", name="Ann")

OUR_MENTION = Mention(kind=MentionKind.US, start=0, end=0)


def _envelope(number: int, chat: ChatRef, author: Author) -> dict[str, Any]:
    return {
        "account": chat.account,
        "chat": chat,
        "reply_to": chat,
        "author": author,
        "delivery_key": f"d{number}",
        "logical_key": f"l{number}",
        "order": (number, 0),
        "occurred_at": AT,
    }


def message(
    text: str = "hello",
    *,
    number: int = 1,
    chat: ChatRef = DM,
    author: Author = ANN,
    **fields: Any,
) -> MessageReceived:
    """A message; in a direct chat unless `chat` is another one."""
    given = _envelope(number, chat, author) | {
        "message": MessageRef(chat=chat, message_id=str(number)),
        "text": text,
        "chat_kind": "dm" if chat == DM else "group",
    }
    return MessageReceived(**given | fields)


def in_group(text: str = "hello", *, chat: ChatRef = GROUP, **fields: Any) -> MessageReceived:
    """A message in a group."""
    return message(text, chat=chat, **{"chat_kind": "group"} | fields)


def edited(
    text: str, *, of: int = 1, number: int = 2, chat: ChatRef = DM, author: Author = ANN
) -> MessageEdited:
    """Message `of` has a new text."""
    return MessageEdited(
        **_envelope(number, chat, author),
        message=MessageRef(chat=chat, message_id=str(of)),
        text=text,
    )


def deleted(*of: int, number: int = 3, chat: ChatRef = DM, author: Author = ANN) -> MessageDeleted:
    """These messages are gone."""
    refs = tuple(MessageRef(chat=chat, message_id=str(ident)) for ident in of)
    return MessageDeleted(**_envelope(number, chat, author), messages=refs)


def command(
    name: str,
    args: str = "",
    *,
    number: int = 1,
    chat: ChatRef = DM,
    author: Author = ANN,
    **fields: Any,
) -> CommandInvoked:
    """A native command; in a direct chat unless `chat` is another one."""
    given = _envelope(number, chat, author) | {
        "name": name,
        "args": args,
        "chat_kind": "dm" if chat == DM else "group",
    }
    return CommandInvoked(**given | fields)


def press(
    payload: str = "x",
    *,
    number: int = 1,
    chat: ChatRef = DM,
    author: Author = ANN,
    card: MessageRef | None = None,
) -> ButtonPressed:
    """A press of a button; under which message only where a test says it."""
    return ButtonPressed(
        **_envelope(number, chat, author),
        card=card,
        payload=payload,
        press=PressToken(kind="callback", value="cb1", usable_until=AT),
    )


def form(
    *, number: int = 1, chat: ChatRef = DM, author: Author = ANN, **fields: Any
) -> FormSubmitted:
    """A form whose one field asked for a reason."""
    given = _envelope(number, chat, author) | {"form_id": "token", "values": {"reason": "too dear"}}
    return FormSubmitted(**given | fields)


def changed(
    change: Membership, *, number: int = 1, chat: ChatRef = GROUP, **fields: Any
) -> ChatMembershipChanged:
    """A chat is not what it was; ben did it, and it is about us."""
    given = _envelope(number, chat, BEN) | {
        "subject": US,
        "change": change,
        "chat_kind": "dm" if chat == DM else "group",
    }
    return ChatMembershipChanged(**given | fields)


def reaction(*, number: int = 1, chat: ChatRef = GROUP, author: Author = ANN) -> ReactionChanged:
    """Somebody likes message 1."""
    return ReactionChanged(
        **_envelope(number, chat, author),
        message=MessageRef(chat=chat, message_id="1"),
        emoji="\N{THUMBS UP SIGN}",
        added=True,
        chat_kind="dm" if chat == DM else "group",
    )


def quote_of(author: Author, text: str = "before", *attachments: Attachment) -> Quote:
    """What a message replies to."""
    message = MessageRef(chat=GROUP, message_id="4")
    return Quote(message=message, author=author, text=text, attachments=attachments)


def delivery(
    *events: InboundEvent, raw: bytes = b'{"raw": 1}', ignored: Ignored | None = None
) -> Delivery:
    """One thing a platform handed over."""
    account = events[0].account if events else TELEGRAM
    return Delivery(account=account, raw=raw, events=ignored or events)
