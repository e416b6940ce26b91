"""Pure: what people do beyond writing: presses, choices from menus, and slash commands."""

import json
from datetime import datetime, timedelta

from platforms.events import ButtonPressed, ChatRef, CommandInvoked, InboundEvent, PressToken
from platforms.fields import Body, identifier, mapping, objects, string
from platforms.slack.limits import RESPONSE_URL_LIFE_S, VALUE_MAX_BYTES
from platforms.slack.reading import Reading, Reason, head_of, kind_of, person_of, root_of
from platforms.slack.stamps import is_stamp, order, time_of


def press_key(payload: Body) -> str | None:
    action = next(iter(objects(payload, "actions")), {})
    parts = (
        identifier(mapping(payload, "team"), "id") or identifier(mapping(payload, "user"), "id"),
        identifier(mapping(payload, "container"), "message_ts"),
        identifier(action, "action_id"),
        identifier(action, "action_ts"),
    )
    return ":".join(map(str, parts)) if all(parts) else None


def read_press(payload: Body, reading: Reading) -> InboundEvent | Reason:
    container, user = mapping(payload, "container"), mapping(payload, "user")
    action = next(iter(objects(payload, "actions")), {})
    value = action.get("value") or mapping(action, "selected_option").get("value")
    channel = identifier(mapping(payload, "channel"), "id") or identifier(container, "channel_id")
    place = {
        "channel": channel,
        "thread_ts": container.get("thread_ts") or mapping(payload, "message").get("thread_ts"),
    }
    head = head_of(place, identifier(container, "message_ts"), reading)
    moment = identifier(action, "action_ts")
    author = person_of(user, identifier(user, "team_id"), reading)
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
        press=_token(payload, reading.now),
    )


def read_command(payload: Body, reading: Reading) -> InboundEvent | Reason:
    us = reading.index.us
    if identifier(payload, "team_id") not in us.teams:
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
