"""The moving part of one chat: newest messages, open forms, sign of life, and what changed when.

Theory of operation. Every change gets the chat's next version number and replaces the earlier
change of the same subject (a message, the sign of life, the notice), so the log holds one entry a
subject, in the order of their last change. A reader remembers the version it has seen and asks for
what came after: a slow one finds the latest state of each subject instead of a queue of states.
The log is bounded but for open forms; `floor` is the version up to which something has been let
go. Who asks from below it gets None and has to read the whole chat again. Nothing here is durable:
after a restart versions start anew under another epoch, which `stream` puts before the number.

Pure: no clock, no task. Expiry of the sign of life is the caller's timer.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from platforms.blocks import Blocks
from platforms.content import Controls, Form
from platforms.web.format import format_blocks, format_card, format_plain
from platforms.web.history import HistoryItem, Speaker
from platforms.web.html import Html


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveMessage:
    """A message in memory.

    `place` orders new ones: a version taken when the message came about, or 0 to take one now.
    `boxed`: it has, or had, controls.
    """

    message_id: str
    speaker: Speaker
    body: Blocks | str
    at: datetime
    place: int = 0
    controls: Controls = ()
    reactions: tuple[str, ...] = ()
    file_name: str | None = None
    boxed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageChanged:
    """A message is new or has a new state."""

    message: LiveMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageWithdrawn:
    """A message was deleted."""

    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FormChanged:
    """A form stands at the message `card`, in place of any other there; None when none does."""

    card: str
    form: Form | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChanged:
    """What the agent is doing; None when nothing."""

    label: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """Words for the person at the page, shown for a moment and kept nowhere."""

    text: str
    alert: bool


Change = MessageChanged | MessageWithdrawn | FormChanged | StatusChanged | Noticed

_STATUS = "status"
_NOTICE = "notice"


class LiveChat:
    """One chat's log of changes; see the theory of operation above."""

    def __init__(self, *, keep: int, version: int = 0) -> None:
        self._keep = keep
        self._log: dict[str, tuple[int, Change]] = {}
        self._html: dict[str, tuple[Blocks, tuple[Html, ...]]] = {}
        self.version = version
        self.floor = version

    @property
    def label(self) -> str | None:
        """The sign of life as it stands."""
        match self._log.get(_STATUS):
            case (_, StatusChanged(label=label)):
                return label
            case _:
                return None

    def message(self, message_id: str) -> LiveMessage | None:
        """A message as it stands; None when it was withdrawn or is not in memory."""
        match self._log.get(_subject(message_id)):
            case (_, MessageChanged(message=message)):
                return message
            case _:
                return None

    def messages(self) -> tuple[LiveMessage, ...]:
        """The messages in memory, in the order in which they appeared."""
        changes = (change for _, change in self._log.values())
        found = [change.message for change in changes if isinstance(change, MessageChanged)]
        return tuple(sorted(found, key=_place))

    def withdrawn(self, message_id: str) -> bool:
        """Whether a message was deleted, as far as memory goes back."""
        match self._log.get(_subject(message_id)):
            case (_, MessageWithdrawn()):
                return True
            case _:
                return False

    def form(self, card: str) -> Form | None:
        """The form that stands at a message."""
        match self._log.get(_form_subject(card)):
            case (_, FormChanged(form=form)):
                return form
            case _:
                return None

    def forms(self) -> dict[str, Form]:
        """Every open form by the message it stands at, the oldest first."""
        changes = (change for _, change in self._log.values())
        return {
            change.card: change.form
            for change in changes
            if isinstance(change, FormChanged) and change.form is not None
        }

    def put(self, message: LiveMessage) -> None:
        """A new message, or the whole new state of one; equal to what stands, nothing changes.

        Its place, time, reactions and file stay those of its first appearance. What can no longer
        be pressed can no longer be filled in either.
        """
        known = self.message(message.message_id)
        boxed = bool(message.controls)
        if known is None:
            message = replace(message, place=message.place or self.reserve(), boxed=boxed)
        else:
            boxed = boxed or known.boxed
            message = replace(known, body=message.body, controls=message.controls, boxed=boxed)
        if message != known:
            self._record(_subject(message.message_id), MessageChanged(message=message))
        if not message.controls:
            self.show_form(message.message_id, None)

    def show_form(self, card: str, form: Form | None) -> None:
        """Open a form at a message, in place of any other there, or close it."""
        if form != self.form(card):
            self._record(_form_subject(card), FormChanged(card=card, form=form))

    def reserve(self) -> int:
        """A place for a message that will be put later, ahead of what is put meanwhile."""
        self.version += 1
        return self.version

    def withdraw(self, message_id: str) -> None:
        """Take a message out; once more changes nothing."""
        if not self.withdrawn(message_id):
            self._record(_subject(message_id), MessageWithdrawn(message_id=message_id))
            self.show_form(message_id, None)

    def react(self, message_id: str, emoji: str, *, on: bool) -> None:
        """Put a reaction on a message in memory, or take it off; others have no place for it."""
        known = self.message(message_id)
        if known is None or (emoji in known.reactions) is on:
            return
        others = tuple(other for other in known.reactions if other != emoji)
        changed = replace(known, reactions=(*others, emoji) if on else others)
        self._record(_subject(message_id), MessageChanged(message=changed))

    def show_status(self, label: str | None) -> None:
        """Set or clear the sign of life; the same one again changes nothing."""
        if label != self.label:
            self._record(_STATUS, StatusChanged(label=label))

    def notice(self, text: str, *, alert: bool) -> None:
        """Show words for a moment."""
        self._record(_NOTICE, Noticed(text=text, alert=alert))

    def changes_since(self, version: int) -> tuple[Change, ...] | None:
        """The latest state of all that changed after `version`, messages in order of appearance.

        None when memory does not go back that far.
        """
        if version < self.floor or version > self.version:
            return None
        found = []
        for changed_at, change in reversed(self._log.values()):
            if changed_at <= version:
                break
            found.append(change)
        return tuple(sorted(found, key=_change_place))

    def html_of(self, message: LiveMessage) -> tuple[Html, ...]:
        """The blocks of a message as HTML, those unchanged since the last call not made again."""
        if isinstance(message.body, str):
            return (format_plain(message.body),)
        if message.boxed:
            return format_card(message.body)
        known, known_html = self._html.get(message.message_id, ((), ()))
        if known is message.body:
            return known_html
        made = format_blocks(message.body, known=known, known_html=known_html)
        self._html[message.message_id] = (message.body, made)
        return made

    def _record(self, subject: str, change: Change) -> None:
        self.version += 1
        self._log.pop(subject, None)
        self._log[subject] = (self.version, change)
        while len(self._log) > self._keep and (oldest := self._oldest()):
            self.floor = max(self.floor, self._log.pop(oldest)[0])
            self._html.pop(oldest.removeprefix("message "), None)

    def _oldest(self) -> str | None:
        """What may be let go first; an open form stays, or nobody would hear of its end."""
        for subject, (_, change) in self._log.items():
            if not (isinstance(change, FormChanged) and change.form is not None):
                return subject
        return None


def merge(
    history: Iterable[HistoryItem], live: LiveChat | None
) -> tuple[HistoryItem | LiveMessage, ...]:
    """The whole chat: what is stored, in its live state if it has one, then what is not yet."""
    merged: dict[str, HistoryItem | LiveMessage] = {item.message_id: item for item in history}
    if live is None:
        return tuple(merged.values())
    for message_id in [name for name in merged if live.withdrawn(name)]:
        del merged[message_id]
    for message in live.messages():
        stored = merged.get(message.message_id)
        # A card that a restart forgot may be heard of again only when its buttons are gone.
        boxed = message.boxed or (stored is not None and (stored.boxed or bool(stored.controls)))
        merged[message.message_id] = replace(message, boxed=boxed)
    return tuple(merged.values())


def _subject(message_id: str) -> str:
    return f"message {message_id}"


def _form_subject(card: str) -> str:
    return f"form {card}"


def _place(message: LiveMessage) -> int:
    return message.place


def _change_place(change: Change) -> float:
    """Messages in their order; before them that work goes on, after them what stands at them."""
    match change:
        case MessageChanged(message=message):
            return message.place
        case FormChanged():
            return math.inf
        case MessageWithdrawn() | StatusChanged() | Noticed():
            return 0
        case _:
            assert_never(change)
