"""What goes out: one operation is one effect on the platform.

An adapter never retries, splits, queues or sleeps; the gateway's delivery does.
"""

from dataclasses import dataclass
from typing import Literal

from platforms.blocks import Blocks
from platforms.events import ChatRef, MessageRef, PressToken

FORM_MARK = "f"
"""What the payload of a button begins with that opens a form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialog:
    """The words around a question before a press; `yes` where no one label fits."""

    title: str = "Are you sure?"
    yes: str = "Yes"
    no: str = "Cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A button; `payload` is 1 to 64 bytes of ASCII and comes back unchanged.

    `confirm` is a question the platform asks before the press counts, in a `dialog`, where it can
    (`Capabilities.confirm`); elsewhere it is not shown.
    """

    label: str
    payload: str
    style: Literal["plain", "primary", "danger"] = "plain"
    confirm: str = ""
    dialog: Dialog = Dialog()


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """A choice that folds out; only where `Capabilities.menu_options` allows as many options."""

    label: str
    options: tuple[Button, ...]


Controls = tuple[tuple[Button | Menu, ...], ...]
"""Rows of buttons and menus; how many fit is said by `Capabilities`."""


def opens_form(payload: str) -> bool:
    """Whether the gateway answers a press with a form, so that its first answer is left to it.

    Discord takes a form only as the first answer to a press, within 3 s; every other press the
    adapter acknowledges by itself once it is stored.
    """
    return payload.startswith(FORM_MARK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a form; `name` comes back with its value, `text` stands in it beforehand."""

    name: str
    label: str
    text: str = ""
    multiline: bool = False
    required: bool = True
    max_length: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form to fill in. `id` is 1 to 64 bytes of ASCII and comes back unchanged."""

    id: str
    title: str
    fields: tuple[Field, ...]
    submit: str = "OK"
    cancel: str = "Cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A new message.

    `nonce` (at most 25 ASCII characters) is on disk before the send; platforms that can, use it
    to recognise a repeat. `quote` makes it a reply to that message. `only_for` is a user id:
    the message is private to them where the platform can.
    """

    chat: ChatRef
    body: Blocks
    nonce: str
    controls: Controls = ()
    quote: MessageRef | None = None
    only_for: str | None = None
    silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """The whole new state of a message we posted; never a patch."""

    message: MessageRef
    body: Blocks
    controls: Controls = ()
    edit_no: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Take back a message we posted; gone already is success."""

    message: MessageRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file we made, as a new message.

    `picture`: width and height in pixels of a still PNG, JPEG or WebP, which is shown as a picture
    where the platform shows those apart from files; None for what is a file to open.
    """

    chat: ChatRef
    data: bytes
    name: str
    mime: str
    nonce: str
    caption: str = ""
    picture: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Typing:
    """A sign of life; `label` says what is going on where the platform can show words.

    `on=False` takes the sign away where it would otherwise stay.
    """

    chat: ChatRef
    label: str = ""
    on: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class React:
    """Put one emoji (Unicode) on a message, or take it off."""

    message: MessageRef
    emoji: str
    on: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPress:
    """End the spinner of a press or native command; only the presser sees `text`."""

    press: PressToken
    text: str = ""
    alert: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenForm:
    """Answer a press with a form, within the life of its trigger (3 s on Slack and Discord).

    Where forms are replies (`Capabilities.form == "reply"`) only the first field is asked for:
    a message in `chat` that names `person` and whose answer is the value; its reference is
    returned as Sent, and the gateway knows the answer by it. Elsewhere Done, and the form comes
    back as FormSubmitted.
    """

    press: PressToken
    form: Form
    chat: ChatRef
    person: str
    person_name: str = ""


Operation = Post | Edit | Delete | Upload | Typing | React | AnswerPress | OpenForm


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message now stands in the chat under this reference."""

    message: MessageRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The operation took effect, or its effect already stood."""


Outcome = Sent | Done
