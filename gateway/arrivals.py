"""Pure: an inbound event in the words of its row."""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from gateway import admission, mailbox, refs
from gateway.attached import Attached, quoted_of
from gateway.store.records import inbox, prompts
from platforms.events import (
    ButtonPressed,
    ChatMembershipChanged,
    CommandInvoked,
    Delivery,
    FormSubmitted,
    Ignored,
    InboundEvent,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    PlatformName,
    Quote,
    ReactionChanged,
)


def arrival_of(
    event: InboundEvent,
    outcome: admission.Admission,
    *,
    raw: str,
    facts: admission.Facts,
    now: int,
) -> inbox.Arrival:
    """An event with what admission has decided about it."""
    content = content_of(event)
    if isinstance(event, ButtonPressed | FormSubmitted):
        content = replace(content, barred=not admission.may_press(event, facts))
    elif event.author.external:
        content = replace(content, barred=True)
    arrival = inbox.Arrival(
        account=refs.account_text(event.account),
        delivery_key=event.delivery_key,
        logical_key=event.logical_key,
        state="new",
        reason=None,
        lane=None,
        session_key=admission.session_key(event, facts.sessions),
        chat=refs.chat_text(event.chat),
        message_id=message_id_of(event),
        author=refs.person_text(event.author, event.account.platform),
        order=event.order,
        occurred_at=micros(event.occurred_at),
        received_at=now,
        content=content,
        raw=raw,
    )
    match outcome:
        case admission.Admitted() as admitted:
            return _entering(arrival, admitted)
        case admission.Held(then=then):
            arrival = arrival if then is None else _entering(arrival, then)
            return replace(arrival, state="held", reason="pairing")
        case admission.Amends():
            return replace(arrival, state="ignored", reason="amendment")
        case admission.Refused(reason=reason):
            return replace(arrival, state="refused", reason=reason)
        case admission.Ignored(reason=reason):
            return replace(arrival, state="ignored", reason=reason)
        case admission.NotListed() | admission.Calls():
            return replace(arrival, state="ignored", reason="chat_not_listed")
        case admission.Changes():
            return replace(arrival, state="ignored", reason="membership")
        case unknown:
            assert_never(unknown)


def ignored_arrival(delivery: Delivery, ignored: Ignored, *, raw: str, now: int) -> inbox.Arrival:
    """A payload that says nothing to us."""
    return inbox.Arrival(
        account=refs.account_text(delivery.account),
        delivery_key=ignored.delivery_key,
        logical_key=f"ignored:{ignored.delivery_key}",
        state="ignored",
        reason=ignored.reason,
        lane=None,
        session_key=None,
        chat=None,
        message_id=None,
        author=None,
        order=(0, 0),
        occurred_at=now,
        received_at=now,
        content=inbox.Content(kind="none"),
        raw=raw,
    )


def as_form(arrival: inbox.Arrival, prompt: prompts.Prompt) -> inbox.Arrival:
    """A reply to a prompt as the form it fills in; it is no message that could be edited."""
    values = ((prompt.field, arrival.content.text),)
    content = replace(arrival.content, kind="form", args=prompt.form_id, values=values)
    return replace(
        arrival, state="new", reason=None, lane="press", content=content, message_id=None
    )


def _entering(arrival: inbox.Arrival, admitted: admission.Admitted) -> inbox.Arrival:
    """An arrival as its lane takes it."""
    content = replace(arrival.content, shared=admitted.shared)
    if admitted.command is not None:
        name, args = admitted.command.command.name, admitted.command.args
        content = replace(content, kind="command", command=name, args=args)
    return replace(arrival, lane=admitted.lane, content=content)


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
                attachments=(
                    *(Attached.of(each, event.message) for each in event.attachments),
                    *(quoted_of(quote.attachments, quote.message, quote.author) if quote else ()),
                ),
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
