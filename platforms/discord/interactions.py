"""Pure: what people do with our buttons, menus, forms and native commands.

Source: "Interaction Object".
"""

from collections.abc import Mapping
from datetime import timedelta

from platforms.discord.fields import born, snowflake, snowflakes, token
from platforms.discord.limits import PAYLOAD_MAX, PRESS_LIFE_S
from platforms.discord.reading import Head, Reading, Reason, author_kind, chat_of
from platforms.discord.words import display_name
from platforms.events import (
    Author,
    ButtonPressed,
    CommandInvoked,
    FormSubmitted,
    InboundEvent,
    MessageRef,
    PressToken,
)
from platforms.fields import Body, integer, mapping, objects, string

PRESS, COMMAND = "component", "command"
"""Kinds of a press token: what is answered by silence, and what shows that we think.

A form is the one or the other, by whether there is a message it was opened from.
"""

_BUTTON, _TEXT_INPUT = 2, 4
"""Source: "Component Types"."""

_PRIVATE_CONTEXT = 2
_TEXT_OPTION = 3


def read_interaction(data: Body, reading: Reading) -> InboundEvent | Reason:
    match integer(data, "type"):
        case 2:
            return _read_command(data, reading)
        case 3:
            return _read_press(data, reading)
        case 5:
            return _read_form(data, reading)
        case None:
            return "malformed"
        case _:
            return "unsupported_kind"


def _read_press(data: Body, reading: Reading) -> InboundEvent | Reason:
    """A button; a menu's choice is a press with the chosen value."""
    head, press = _interaction_head(data, reading), _press_token(data, PRESS)
    payload = _pressed(mapping(data, "data"))
    if integer(data, "context") == _PRIVATE_CONTEXT:
        return "unsupported_kind"
    if head is None or press is None or not _is_ours(payload):
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
        card=_card(data, head),
        payload=payload,
        press=press,
    )


def _pressed(part: Body) -> str:
    """What a button carries, or the one thing that was chosen from a menu."""
    if integer(part, "component_type") == _BUTTON:
        return string(part, "custom_id")
    chosen = part.get("values")
    one = chosen[0] if isinstance(chosen, list) and len(chosen) == 1 else None
    return one if isinstance(one, str) else ""


def _is_ours(payload: str) -> bool:
    return payload.isascii() and payload.isprintable() and 0 < len(payload) <= PAYLOAD_MAX


def _card(data: Body, head: Head) -> MessageRef | None:
    """The message of a button, or of the one that opened a form."""
    ident = snowflake(mapping(data, "message").get("id"))
    return MessageRef(chat=head.chat, message_id=ident) if ident else None


def _read_form(data: Body, reading: Reading) -> InboundEvent | Reason:
    part = mapping(data, "data")
    head = _interaction_head(data, reading)
    form_id = string(part, "custom_id")
    if integer(data, "context") == _PRIVATE_CONTEXT:
        return "unsupported_kind"
    card = _card(data, head) if head is not None else None
    press = _press_token(data, PRESS if card is not None else COMMAND)
    values = _values(part)
    if head is None or press is None or values is None or not _is_ours(form_id):
        return "malformed"
    return FormSubmitted(
        account=reading.us.account,
        chat=head.chat,
        reply_to=head.chat,
        author=head.author,
        delivery_key=f"i:{head.ident}",
        logical_key=f"i:{head.ident}",
        order=(int(head.ident), 0),
        occurred_at=born(head.ident),
        form_id=form_id,
        values=values,
        card=card,
        press=press,
    )


def _values(part: Body) -> Mapping[str, str] | None:
    """The text of each field; None if one has no name, or two have the same."""
    values: dict[str, str] = {}
    for outer in objects(part, "components"):
        for field in (mapping(outer, "component"), *objects(outer, "components")):
            if integer(field, "type") != _TEXT_INPUT:
                continue
            name = string(field, "custom_id")
            if not name or name in values:
                return None
            values[name] = string(field, "value")
    return values


def _read_command(data: Body, reading: Reading) -> InboundEvent | Reason:
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


def _interaction_head(data: Body, reading: Reading) -> Head | None:
    chat, ident = chat_of(data, reading), snowflake(data.get("id"))
    member = mapping(data, "member")
    user = mapping(member, "user") or mapping(data, "user")
    person = snowflake(user.get("id"))
    if chat is None or ident is None or person is None:
        return None
    author = Author(
        id=person,
        space=chat.space,
        name=display_name(member, user),
        kind=author_kind(data, user, reading),
        roles=snowflakes(member, "roles"),
        locale=string(data, "locale")[:35] or None,
    )
    return Head(chat=chat, ident=ident, author=author)


def _press_token(data: Body, kind: str) -> PressToken | None:
    ident, secret = snowflake(data.get("id")), token(data.get("token"))
    if ident is None or secret is None:
        return None
    return PressToken(
        kind=kind,
        value=f"{ident}:{secret}",
        usable_until=born(ident) + timedelta(seconds=PRESS_LIFE_S),
    )
