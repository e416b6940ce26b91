"""What the approvals pages show, and the desk they ask: the gateway fulfils `ApprovalsDesk`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from agent.costs import Ceiling
from gateway.card_view import CardKind, CardView
from platforms.content import Field


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLine:
    """An open card in one line.

    `what` is its tool and operation, `chat` where it was asked, both in words for people.
    `closes_at` is None while the clock has not started: the card waits behind others of its chat.
    """

    code: str
    kind: CardKind
    what: str
    summary: str = ""
    at_most: Ceiling = 0
    asked_by: str = ""
    chat: str = ""
    closes_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One thing the viewer may do with a card now.

    `action` and `fixed` come back as they are. With `fields` it is a form that folds out, below
    `about`; what was filled in comes back with `fixed`, each under the name of its field.
    `confirm` is a question before it counts.
    """

    action: str
    label: str
    style: Literal["plain", "primary", "danger"] = "plain"
    confirm: str = ""
    about: str = ""
    fields: tuple[Field, ...] = ()
    fixed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardPage:
    """A whole card as of `rev`, and what the viewer may do with it.

    Nothing of what runs is left out here, so who decides on this page has been shown all of it.
    `choices` are about the whole card; `item_choices` about one item of a batch, by its number
    from 1. `chat` is where it was asked, in words. `rule_draft` is a `[[policy]]` rule that would
    allow exactly this; only owners get one.
    """

    view: CardView
    rev: int
    chat: str = ""
    choices: tuple[Choice, ...] = ()
    item_choices: Mapping[int, tuple[Choice, ...]] = field(default_factory=dict)
    rule_draft: str = ""


class ApprovalsDesk(Protocol):
    """The desk, as the pages know it. `by` is a person as configuration writes them: `web:local`.

    Every call may raise StoreError while the store can't be read or written: the page says so.
    """

    async def open_cards(self, *, by: str) -> tuple[QueueLine, ...]:
        """The open cards that `by` may see, those that close first before the others."""

    async def card(self, code: str, *, by: str) -> CardPage | None:
        """A card, open or ended; None if there is none, or none that `by` may see."""

    async def act(
        self, code: str, rev: int, action: str, values: Mapping[str, str], *, by: str
    ) -> str:
        """Do what a choice of that rev stands for, if `by` still may, and say what became of it.

        Anything may arrive here: an unknown code, a rev that is no longer, an action nobody was
        offered, values of no field. All that is answered with a sentence too, and does nothing.
        """
