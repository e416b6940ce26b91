"""Pure: a form as a message that asks one person to reply to it.

Telegram has no forms. A forced reply shows the person the input field as if they had chosen to
reply; `selective` shows it to them alone, and for that the message must name them. So this is the
one message of ours that may name a person. Source: core.telegram.org/bots/api#forcereply.
"""

import re
from dataclasses import dataclass

from platforms.blocks import Blocks, Code, Paragraph, Strong, Text, clean_text, lines
from platforms.content import Field, Form
from platforms.errors import MessageRejected
from platforms.telegram.format import Entity, Wire, fits, format_blocks, format_plain
from platforms.telegram.limits import PLACEHOLDER_MAX
from platforms.telegram.reading import is_person
from platforms.telegram.shorten import shorten

HINT = "Answer by replying to this message."
TOO_LONG_TO_SHOW = "What stands there now is too long to be shown here."
NAMELESS = "You"

_NAME_MAX = 64
_TITLE_MAX = 200
_LABEL_MAX = 1_000
# Marks that would turn the rest of the line around.
_DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What sendMessage takes; the first entity of `wire` names the person."""

    wire: Wire
    placeholder: str


def as_prompt(form: Form, person: str, person_name: str) -> Prompt:
    """Ask for the form's first field; raises MessageRejected where nobody could be asked."""
    if not form.fields:
        raise MessageRejected("a form without a field asks for nothing")
    if not is_person(person):
        raise MessageRejected("not the id of a person on Telegram")
    field = form.fields[0]
    name = _one_line(_DIRECTIONS.sub("", person_name), _NAME_MAX) or NAMELESS
    wire = format_blocks(_body(form, field, name))
    named = Wire(text=format_plain(name).text, entities=())
    mention = Entity(kind="text_mention", offset=0, length=named.units, user=int(person))
    return Prompt(
        wire=Wire(text=wire.text, entities=(mention, *wire.entities)),
        placeholder=_one_line(field.label, PLACEHOLDER_MAX),
    )


def _body(form: Form, field: Field, name: str) -> Blocks:
    title = Strong(spans=(Text(text=_one_line(form.title, _TITLE_MAX)),))
    head = Paragraph(spans=(Text(text=name), Text(text=": "), title))
    label = Paragraph(spans=lines(shorten(clean_text(field.label), _LABEL_MAX)))
    hint = Paragraph(spans=(Text(text=HINT),))
    if not field.text:
        return (head, label, hint)
    whole: Blocks = (head, label, Code(language="", text=clean_text(field.text)), hint)
    if fits(whole):
        return whole
    return (head, label, Paragraph(spans=(Text(text=TOO_LONG_TO_SHOW),)), hint)


def _one_line(text: str, most: int) -> str:
    return shorten(" ".join(clean_text(text).split()), most)
