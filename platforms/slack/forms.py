"""Pure: a form as a modal, and what a submission brings back of it.

A submission names neither channel nor message, so the place goes along as `private_metadata`,
which people do not see and Slack hands back unchanged. Closing a modal is not asked to be told.
Source: docs.slack.dev/reference/views/modal-views and block-elements/plain-text-input-element.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from platforms.blocks import clean_text
from platforms.content import Field, Form
from platforms.errors import MessageRejected, TooLong
from platforms.events import ChatRef
from platforms.fields import Body, identifier, mapping, string
from platforms.slack.controls import plain_words
from platforms.slack.limits import (
    FIELD_LABEL_MAX,
    FIELD_MAX,
    FORM_TITLE_MAX,
    METADATA_MAX,
)
from platforms.slack.stamps import is_stamp

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a form was opened: a channel, a thread in it, and the card that had the button."""

    channel: str
    thread: str | None = None
    card: str | None = None


def place_of(chat: ChatRef, card: object) -> Place:
    """The place of a chat and what may be the `ts` of a card in it."""
    return Place(channel=chat.chat_id, thread=chat.thread_id, card=card if is_stamp(card) else None)


def view_of(form: Form, place: Place) -> Json:
    """The modal of a form; raises MessageRejected or TooLong for what no modal can hold.

    Labels are cut where they are too long, but never a text somebody is to edit.
    """
    metadata = orjson.dumps([place.channel, place.thread, place.card]).decode()
    if len(metadata) > METADATA_MAX:
        raise MessageRejected("the place of a form is too long to go with it")
    names = [field.name for field in form.fields]
    if len(names) != len(set(names)) or not all(names):
        raise MessageRejected("a form's fields need names of their own")
    return {
        "type": "modal",
        "callback_id": form.id,
        "private_metadata": metadata,
        "title": plain_words(form.title, FORM_TITLE_MAX),
        "submit": plain_words(form.submit, FORM_TITLE_MAX),
        "close": plain_words(form.cancel, FORM_TITLE_MAX),
        "blocks": [_input(field) for field in form.fields],
    }


def _input(field: Field) -> Json:
    most, text = min(field.max_length, FIELD_MAX), clean_text(field.text)
    if len(text) > most:
        raise TooLong(f"a field of a form holds {most:,} characters, not {len(text):,}")
    element: Json = {
        "type": "plain_text_input",
        "action_id": field.name,
        "multiline": field.multiline or "\n" in text,
        "max_length": most,
    }
    if text:
        element["initial_value"] = text
    return {
        "type": "input",
        "block_id": field.name,
        "label": plain_words(field.label, FIELD_LABEL_MAX),
        "optional": not field.required,
        "element": element,
    }


def read_place(metadata: object) -> Place | None:
    """The place a view was opened from; None for metadata that is not ours."""
    try:
        channel, thread, card = orjson.loads(metadata if isinstance(metadata, str) else "")
    except (ValueError, TypeError):
        return None
    if identifier({"id": channel}, "id") is None:
        return None
    if not all(part is None or is_stamp(part) for part in (thread, card)):
        return None
    return Place(channel=channel, thread=thread, card=card)


def read_values(view: Body) -> dict[str, str]:
    """What stands in each field of a submitted view; an empty one is an empty text."""
    values = {}
    for entries in mapping(mapping(view, "state"), "values").values():
        for name in entries if isinstance(entries, Mapping) else ():
            if name == clean_text(name):
                values[name] = string(mapping(entries, name), "value")
    return values
