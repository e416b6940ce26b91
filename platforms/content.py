"""What goes out: one operation is one effect on the platform.

An adapter never retries, splits, queues or sleeps; the gateway's delivery does.
"""

from dataclasses import dataclass
from typing import Literal

from platforms.blocks import Blocks
from platforms.events import ChatRef, MessageRef, PressToken


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A button; `payload` is 1 to 64 bytes of ASCII and comes back unchanged."""

    label: str
    payload: str
    style: Literal["plain", "primary", "danger"] = "plain"


Controls = tuple[tuple[Button, ...], ...]
"""Rows of buttons; how many fit is said by `Capabilities`."""


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
    """A file we made, as a new message."""

    chat: ChatRef
    data: bytes
    name: str
    mime: str
    nonce: str
    caption: str = ""


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


Operation = Post | Edit | Delete | Upload | Typing | React | AnswerPress


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message now stands in the chat under this reference."""

    message: MessageRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The operation took effect, or its effect already stood."""


Outcome = Sent | Done
