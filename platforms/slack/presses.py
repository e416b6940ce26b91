"""Pure: what people do beyond writing: presses, choices from menus, forms and slash commands.

Source: docs.slack.dev/reference/interaction-payloads and /interactivity.
"""

import json
from datetime import timedelta

from platforms.events import (
    ButtonPressed,
    ChatRef,
    CommandInvoked,
    FormSubmitted,
    InboundEvent,
    MessageRef,
    PressToken,
)
from platforms.fields import Body, identifier, mapping, objects, string
from platforms.slack.forms import read_place, read_values
from platforms.slack.limits import RESPONSE_URL_LIFE_S, VALUE_MAX_BYTES
from platforms.slack.reading import (
    Reading,
    Reason,
    head_of,
    kind_of,
    person_of,
    presser_of,
    root_of,
)
from platforms.slack.shortcuts import KINDS, is_asked, is_shortcut, read_asked
from platforms.slack.stamps import is_stamp, order, time_of


def press_key(payload: Body) -> str | None:
    """Where, what, when and by whom: two people may press in the same instant."""
    action = next(iter(objects(payload, "actions")), {})
    user = identifier(mapping(payload, "user"), "id")
    parts = (
        identifier(mapping(payload, "team"), "id") or user,
        identifier(mapping(payload, "container"), "message_ts"),
        identifier(action, "action_id"),
        identifier(action, "action_ts"),
        user,
    )
    return ":".join(map(str, parts)) if all(parts) else None


def form_key(payload: Body) -> str | None:
    """The view and its state: a form that is sent once more is the same act."""
    view = mapping(payload, "view")
    parts = (identifier(view, "id"), identifier(view, "hash"))
    return ":".join(map(str, parts)) if all(parts) else None


def presser(payload: Body) -> str | None:
    """The id of who pressed, filled in a form or entered a command; None for anything else."""
    if payload.get("type") in {"block_actions", "view_submission", *KINDS}:
        return identifier(mapping(payload, "user"), "id")
    return identifier(payload, "user_id") if _is_command(payload) else None


def read_act(payload: Body, reading: Reading) -> InboundEvent | Reason:
    """A press, a form or a command; a shortcut leads to a form and says nothing yet."""
    match payload.get("type"):
        case "block_actions":
            return _read_press(payload, reading)
        case "view_submission" if is_asked(payload):
            return read_asked(payload, reading) or "malformed"
        case kind if kind in KINDS and is_shortcut(payload):
            return "service_message"
        case "view_submission":
            return _read_form(payload, reading)
        case _ if _is_command(payload):
            return _read_command(payload, reading)
        case _:
            return "malformed" if "type" not in payload else "unsupported_kind"


def _is_command(payload: Body) -> bool:
    return string(payload, "command").startswith("/")


def _read_press(payload: Body, reading: Reading) -> InboundEvent | Reason:
    container = mapping(payload, "container")
    action = next(iter(objects(payload, "actions")), {})
    value = action.get("value") or mapping(action, "selected_option").get("value")
    channel = identifier(mapping(payload, "channel"), "id") or identifier(container, "channel_id")
    place = {
        "channel": channel,
        "thread_ts": container.get("thread_ts") or mapping(payload, "message").get("thread_ts"),
    }
    head = head_of(place, identifier(container, "message_ts"), reading)
    moment = identifier(action, "action_ts")
    author = presser_of(mapping(payload, "user"), reading)
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
        reply_to=head.chat if in_thread else root_of(head.chat),
        author=author,
        delivery_key=reading.key,
        logical_key=reading.key,
        order=order(moment),
        occurred_at=time_of(moment),
        card=head.ref,
        payload=str(value),
        press=_token(_answerable(payload, head.chat, author.id) | {"card": head.ts}, reading),
    )


def _read_form(payload: Body, reading: Reading) -> InboundEvent | Reason:
    us, view = reading.index.us, mapping(payload, "view")
    place = read_place(view.get("private_metadata"))
    author = presser_of(mapping(payload, "user"), reading)
    form_id = view.get("callback_id")
    if place is None or author is None or not _is_token(form_id) or form_key(payload) is None:
        return "malformed"
    chat = ChatRef(
        account=us.account, space=us.space, chat_id=place.channel, thread_id=place.thread
    )
    told = {"trigger": string(payload, "trigger_id"), **_whereabouts(chat, author.id)}
    return FormSubmitted(
        account=us.account,
        chat=chat,
        reply_to=chat,
        author=author,
        delivery_key=reading.key,
        logical_key=reading.key,
        order=(int(reading.now.timestamp()), reading.now.microsecond),
        occurred_at=reading.now,
        form_id=str(form_id),
        values=read_values(view),
        card=MessageRef(chat=chat, message_id=place.card) if place.card else None,
        press=_token(told, reading),
    )


def _read_command(payload: Body, reading: Reading) -> InboundEvent | Reason:
    us = reading.index.us
    named = {identifier(payload, "team_id"), identifier(payload, "enterprise_id")}
    if reading.teams.isdisjoint(named):
        return "unknown_workspace"
    channel = identifier(payload, "channel_id")
    user = {"id": payload.get("user_id"), "name": payload.get("user_name")}
    author = person_of(user, identifier(payload, "team_id"), reading)
    if channel is None or author is None:
        return "malformed"
    name, _, args = string(payload, "text").strip().partition(" ")
    chat = ChatRef(account=us.account, space=us.space, chat_id=channel)
    kind = kind_of(channel, string(payload, "channel_name"))
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
        press=_token(_answerable(payload, chat, author.id), reading),
    )


def _is_token(value: object) -> bool:
    if not isinstance(value, str) or not 0 < len(value) <= VALUE_MAX_BYTES:
        return False
    return value.isascii() and value.isprintable()


def _answerable(payload: Body, chat: ChatRef, person: str) -> dict[str, str]:
    """The address for words to who pressed, the trigger that opens a form, and where they are."""
    told = {"url": string(payload, "response_url"), "trigger": string(payload, "trigger_id")}
    return told | _whereabouts(chat, person)


def _whereabouts(chat: ChatRef, person: str) -> dict[str, str]:
    """Where somebody reads private words that come without an address, and by whose token."""
    told = {"user": person, "channel": chat.chat_id, "space": chat.space or ""}
    return told | ({"thread_ts": chat.thread_id} if chat.thread_id is not None else {})


def _token(value: dict[str, str], reading: Reading) -> PressToken:
    return PressToken(
        kind="slack",
        value=json.dumps(value),
        usable_until=reading.now + timedelta(seconds=RESPONSE_URL_LIFE_S),
    )
