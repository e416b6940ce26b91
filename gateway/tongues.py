"""Which language the gateway's own words have for whoever reads them.

One for everybody if it is configured. Else a person's own where they alone read: as their platform
tells it, else as any of their linked ids was last told. What a group reads is English then: its
members read it together. But a card speaks to whoever asked, wherever it stands, and to the owner
where owners are asked; it keeps its language for life, so that what people have seen stays.
"""

from dataclasses import dataclass, field
from typing import Literal, assert_never

from gateway import refs
from gateway.config import Config, PeopleConfig
from gateway.store.base import Tx
from gateway.store.records import tongues
from gateway.words.phrase import Language, language_of
from platforms.events import (
    ButtonPressed,
    ChatMembershipChanged,
    CommandInvoked,
    FormSubmitted,
    InboundEvent,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    ReactionChanged,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tongues:
    """What is configured about languages."""

    configured: Literal["auto"] | Language = "auto"
    people: PeopleConfig = field(default_factory=PeopleConfig)

    @property
    def everybodys(self) -> Language | None:
        """The one language there is; None where each person has their own."""
        return None if self.configured == "auto" else self.configured

    def of_event(self, tx: Tx, event: InboundEvent) -> Language:
        """The language of what answers an event."""
        if self.configured != "auto":
            return self.configured
        if not _read_alone(event):
            return "en"
        told = language_of(event.author.locale)
        return told or tongues.of(tx, _person(event)) or "en"

    def of_person(self, tx: Tx, person: str) -> Language:
        """The language of what is meant for one person; `person` may be nobody."""
        if self.configured != "auto":
            return self.configured
        return (tongues.of(tx, person) if person else None) or "en"

    def learn(self, tx: Tx, event: InboundEvent, *, now: int) -> None:
        """Remember what an event tells of its author, for all ids of theirs."""
        told = language_of(event.author.locale)
        if self.configured != "auto" or told is None:
            return
        person = _person(event)
        if tongues.of(tx, person) != told:
            tongues.learn(tx, self.people.linked(person), told, now=now)


def tongues_of(config: Config) -> Tongues:
    """What a configuration says of languages."""
    return Tongues(configured=config.gateway.language, people=config.people)


def _person(event: InboundEvent) -> str:
    return refs.person_text(event.author, event.account.platform)


def _read_alone(event: InboundEvent) -> bool:
    """Whether only its author reads what an event is answered with."""
    match event:
        case MessageReceived(chat_kind=kind):
            return kind == "dm"
        case CommandInvoked(chat_kind=kind, press=press):
            return kind == "dm" or press is not None
        case ButtonPressed() | FormSubmitted():
            return True
        case MessageEdited() | MessageDeleted() | ReactionChanged() | ChatMembershipChanged():
            return False
        case _:
            assert_never(event)
