"""A card as people see it in a chat, and what they can do with one at each surface."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from tests.scenarios.stage import Surface

_CARD = re.compile(r"\W*(Approval|Question|Limit|In doubt) ([2-9A-HJKMNP-Z]{5}): (?!all that runs)")

_ABOUT_ACCESS = ("Somebody new writes to me", "I was added to")
"""How cards begin that belong to no turn, and have no code of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A message that asks for a decision, or says how it ended.

    `handle` is the surface's own name for the message. `buttons` and `choices` (what folds out)
    are the payloads by label, `questions` what is asked before a press counts.
    """

    handle: Any
    text: str
    buttons: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)
    questions: Mapping[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """The code by which a command names it; empty for a card that belongs to no turn."""
        found = _CARD.match(self.text)
        assert found is not None or is_card(self.text)
        return found[2] if found is not None else ""

    @property
    def is_open(self) -> bool:
        """Whether anything can be pressed."""
        return bool(self.buttons or self.choices)

    def label(self, words: str) -> str:
        """The one label that is, or begins with, these words."""
        labels = (*self.buttons, *self.choices)
        found = [label for label in labels if label == words]
        found = found or [label for label in labels if label.startswith(words)]
        assert len(found) == 1, f"{words!r}: {found or labels}"
        return found[0]

    def payload(self, words: str) -> str:
        """What that label carries."""
        return {**self.buttons, **self.choices}[self.label(words)]


def is_card(text: str) -> bool:
    """Whether a message is a card."""
    return _CARD.match(text) is not None or text.startswith(_ABOUT_ACCESS)


class Hands(Surface, Protocol):
    """A Surface at which cards can be pressed."""

    form: Literal["modal", "reply", "page"] | None
    """How forms are shown, None where there are none."""

    asks_twice: bool
    """Whether a second confirmation is asked before the press, not by a second button."""

    mark: str
    """What a command begins with in what the gateway says of it."""

    has_menu: bool
    """Whether further choices fold out; elsewhere `More` swaps the keyboard."""

    def person(self, name: str) -> str:
        """Somebody as configuration names them."""

    def cards(self, *, group: bool = False, thread: Any = None, of: str = "ann") -> list[Card]:
        """The cards of a chat, oldest first; `of` is whose direct chat is looked at."""

    def told(self, *, by: str = "ann") -> list[str]:
        """Words that were shown to one person alone, oldest first."""

    async def choose(self, card: Card, words: str, *, by: str = "ann") -> None:
        """Press the button, or choose what folds out, whose label begins with these words.

        Where a question is asked before it counts, they say yes.
        """

    async def forge(self, card: Card, payload: str, *, by: str = "ann") -> None:
        """Press on a card what it does not offer."""

    async def forward(self, card: Card, payload: str, *, by: str = "ann") -> None:
        """Press the same in another chat that is let in, under a copy of the card."""

    async def fill(self, values: Mapping[str, str], *, by: str = "ann") -> None:
        """Fill in the form that opened, once it stands, and send it."""

    async def typed(self, name: str, args: str, *, by: str = "ann", group: bool = False) -> None:
        """Give a command where a person would, also in the group."""
