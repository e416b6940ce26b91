"""Pure: an inbound event in the words of its row."""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from gateway import mailbox, refs
from gateway.attached import Attached
from gateway.store.records import inbox
from platforms.events import (
    ButtonPressed,
    ChatMembershipChanged,
    CommandInvoked,
    FormSubmitted,
    InboundEvent,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    PlatformName,
    Quote,
    ReactionChanged,
)


def content_of(event: InboundEvent) -> inbox.Content:
    """What later code needs of an event."""
    platform = event.account.platform
    base = inbox.Content(
        kind="none",
        author=refs.person_text(event.author, platform),
        author_name=event.author.name,
        reply_to=refs.chat_text(event.reply_to),
    )
    match event:
        case MessageReceived(quote=quote):
            return replace(
                base,
                kind="message",
                grouped=event.chat_kind != "dm",
                text=event.text,
                quote=quote.text if quote else "",
                quote_author=quote.author.name if quote else "",
                quote_by=_quoted(quote, platform),
                attachments=tuple(Attached.of(each, event.message) for each in event.attachments),
                album=event.album or "",
                forwarded=event.forwarded,
                long=mailbox.may_go_on(platform, event.text),
            )
        case CommandInvoked(press=press):
            return replace(
                base,
                kind="command",
                grouped=event.chat_kind != "dm",
                press_kind=press.kind if press else "",
                press_value=press.value if press else "",
                press_until=micros(press.usable_until) if press else 0,
            )
        case ButtonPressed(press=press):
            return replace(
                base,
                kind="press",
                args=event.payload,
                roles=event.author.roles,
                press_kind=press.kind,
                press_value=press.value,
                press_until=micros(press.usable_until),
            )
        case FormSubmitted(press=press):
            return replace(
                base,
                kind="form",
                args=event.form_id,
                values=tuple(event.values.items()),
                roles=event.author.roles,
                press_kind=press.kind if press else "",
                press_value=press.value if press else "",
                press_until=micros(press.usable_until) if press else 0,
            )
        case MessageEdited() | MessageDeleted():
            return replace(base, kind="amendment")
        case ReactionChanged() | ChatMembershipChanged():
            return base
        case _:
            assert_never(event)


def waiting(ident: int, arrival: inbox.Arrival) -> inbox.Waiting:
    """An admitted arrival as the row it is by now."""
    if arrival.lane is None or arrival.session_key is None or arrival.chat is None:
        raise ValueError(f"event e{ident} was admitted without a lane")
    return inbox.Waiting(
        id=ident,
        account=arrival.account,
        chat=arrival.chat,
        lane=arrival.lane,
        session_key=arrival.session_key,
        message_id=arrival.message_id,
        content=arrival.content,
        received_at=arrival.received_at,
    )


def _quoted(quote: Quote | None, platform: PlatformName) -> str:
    """Whose words a message quotes; nobody's if they are ours."""
    if quote is None or quote.author.is_us:
        return ""
    return refs.person_text(quote.author, platform)


def message_id_of(event: InboundEvent) -> str | None:
    """The message an event is about, as its platform names it."""
    match event:
        case (
            MessageReceived(message=message)
            | MessageEdited(message=message)
            | ReactionChanged(message=message)
        ):
            return message.message_id
        case CommandInvoked(message=message):
            return message.message_id if message else None
        case ButtonPressed(card=card) | FormSubmitted(card=card):
            return card.message_id if card else None
        case MessageDeleted() | ChatMembershipChanged():
            return None
        case _:
            assert_never(event)


def micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    return int(moment.timestamp() * 1_000_000)
