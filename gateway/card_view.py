"""Pure: everything that may stand on a card, as one value made from its rows.

Texts here are raw: whoever lays a card out escapes them. Times are words already, in the zone of
the chat that reads them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, TypeAlias

from agent.costs import Ceiling
from gateway.words.phrase import ENGLISH, Reader

CardKind: TypeAlias = Literal["call", "question", "limit", "in_doubt"]

SHOWN_MAX = 256 * 1024
"""Bytes of arguments and snapshots together; nobody can be asked about more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """Why a person should look: a risk tag, a warning of the tool, a name that looks odd."""

    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """Bytes that run, as text people can be shown.

    `what` is a word of ours ("script"), empty for the arguments. Bytes that are no UTF-8 stand as
    lone surrogates, so that `text` holds every byte.
    """

    what: str
    name: str
    text: str
    sha256: str
    size: int

    @property
    def lines(self) -> int:
        """Lines of text; a last one without an end counts."""
        return self.text.count("\n") + (not self.text.endswith("\n"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """Somebody said yes; `running` once the call began."""

    by: str
    at: str
    running: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """Somebody said no; `stopped` ended the turn as well."""

    by: str
    at: str
    reason: str = ""
    stopped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Somebody's words or choice became the result."""

    by: str
    at: str
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """It ended without a decision: `expired`, `replaced` (`by` wrote on), `withdrawn`, unsent."""

    how: Literal["expired", "replaced", "withdrawn", "undeliverable"]
    at: str = ""
    by: str = ""
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A call ran, or may have. `held` and `spent` are micro-dollars, `spent` None if unknown.

    `by` is who approved, cancelled or answered for it.
    """

    how: Literal["done", "failed", "cancelled", "unknown", "lapsed"]
    at: str = ""
    ran_s: float | None = None
    spent: int | None = None
    held: int = 0
    by: str = ""
    because: str = ""


Outcome: TypeAlias = Approved | Denied | Answered | Closed | Ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing to decide. `quote` is how `ceiling` came about, in words.

    `arguments` is None where nothing runs; `editable`: people may change some of them. `edited_by`
    changed it last, `difference` says how; `earlier` tells of a request this one stands for.
    """

    tool: str
    operation: str = ""
    summary: str = ""
    ceiling: Ceiling = 0
    quote: str = ""
    payer: str = ""
    asked_payer: str = ""
    flags: tuple[Flag, ...] = ()
    arguments: Foreign | None = None
    snapshots: tuple[Foreign, ...] = ()
    editable: bool = False
    edited_by: str = ""
    difference: str = ""
    earlier: str = ""
    outcome: Outcome | None = None

    @property
    def foreign(self) -> tuple[Foreign, ...]:
        """Everything that runs, in the order in which it is shown."""
        return (*((self.arguments,) if self.arguments else ()), *self.snapshots)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitReached:
    """A budget that is used up: in micro-dollars what it is, what is gone, what going on needs.

    `auto`: it is the cap of `/auto`, which may also just end. `because`: nothing may be spent at
    all for now, and why. `instead_of`: that model can't be had, and `model` would answer in its
    place. `budget` is the scope before the word budget.
    """

    scope: str
    limit: int
    spent: int
    held: int
    needed: int
    short_by: int
    auto: bool = False
    because: str = ""
    model: str = ""
    instead_of: str = ""
    budget: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardView:
    """A card as of one rev. `items` has one entry unless kind is `call` and the card is a batch.

    `reader` is whom it speaks to: texts of ours in it are in their language, and so are its lines.
    `closes` says when, `votes` who said yes where two must. `proposal` is a grant, whole, before
    the press that gives it. `question` and `answers` are the model's words (kind `question`).
    `approvable` is False where nobody may approve it as it is; `ceiling_wanted` where an owner
    has to type what it may cost.
    """

    code: str
    kind: CardKind
    items: tuple[Item, ...]
    reader: Reader = ENGLISH
    budget: tuple[str, ...] = ()
    decides: str = ""
    asked_by: str = ""
    closes: str = ""
    votes: str = ""
    model_words: str = ""
    proposal: tuple[str, ...] = ()
    question: str = ""
    answers: tuple[str, ...] = ()
    limit: LimitReached | None = None
    began: str = ""
    approvable: bool = True
    ceiling_wanted: bool = False
    two_person: bool = False
    free_text: bool = True
    outcome: Outcome | None = None

    @property
    def is_batch(self) -> bool:
        """Whether several calls are decided on this card."""
        return len(self.items) > 1

    @property
    def is_open(self) -> bool:
        """Whether anything on it can still be decided."""
        return self.outcome is None and any(item.outcome is None for item in self.items)


def arguments_of(text: str) -> Foreign:
    """The canonical text of a call's arguments."""
    data = text.encode("utf-8", "surrogatepass")
    return Foreign(what="", name="", text=text, sha256=sha256(data).hexdigest(), size=len(data))


def snapshots_of(snapshots: Mapping[str, bytes], *, what: str = "script") -> tuple[Foreign, ...]:
    """Snapshots by name, in the order of their names."""
    return tuple(
        Foreign(
            what=what,
            name=name,
            text=data.decode("utf-8", "surrogateescape"),
            sha256=sha256(data).hexdigest(),
            size=len(data),
        )
        for name, data in sorted(snapshots.items())
    )


def too_much(items: tuple[Item, ...]) -> bool:
    """Whether there is more to read than anybody can be asked about."""
    return sum(each.size for item in items for each in item.foreign) > SHOWN_MAX
