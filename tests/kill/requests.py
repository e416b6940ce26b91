"""What became of everything people were asked, by the rows and by what the chat shows of it."""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

_KIND = re.compile(r"\W*(Approval|Question|Limit|In doubt) ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request with its card; `call` is how its call ended, "" without one."""

    code: str
    kind: str
    card: str
    state: str
    decided_by: str
    call: str


Shown = tuple[str, str, bool]
"""The code of a card that stands in a chat, its text, and whether it can still be decided."""

_QUERY = """
SELECT card.code, card.kind, card.state, request.state, COALESCE(request.decided_by, ''),
COALESCE(tool_call.state, '') FROM request JOIN card ON card.id = request.card_id
LEFT JOIN tool_call ON tool_call.id = request.call_id ORDER BY card.created_at, request.ordinal
"""

_SAYS = {
    "denied": ("Denied by",),
    "answered": ("Answered by",),
    "expired": ("Expired",),
    "superseded": ("Replaced",),
    "withdrawn": ("Withdrawn",),
    "undeliverable": ("Nobody could be asked",),
}
_RAN = {
    "done": ("Done",),
    "failed": ("Failed",),
    "cancelled": ("Cancelled",),
    "unknown": ("May have run",),
}


def kind_of(text: str) -> str:
    """The kind of card a text is: approval, question, limit, in_doubt."""
    found = _KIND.match(text)
    return found[1].lower().replace(" ", "_") if found else ""


def read(database: Path) -> list[Asked]:
    """Every request there ever was."""
    with closing(sqlite3.connect(database)) as opened:
        return [
            Asked(code=code, kind=kind, card=card, state=state, decided_by=by, call=call)
            for code, kind, card, state, by, call in opened.execute(_QUERY)
        ]


def problems(stored: Sequence[Asked], shown: Iterable[Shown], *, extra: int) -> list[str]:
    """What is wrong at an end: requests without one, cards that do not tell it or can be pressed.

    `extra` is how many copies of cards a crash may have left where nobody can look for them.
    """
    cards: dict[str, list[Shown]] = {}
    for each in shown:
        cards.setdefault(each[0], []).append(each)
    codes = {each.code for each in stored}
    found = [f"a card {code} that no row knows" for code in cards if code not in codes]
    found += [problem for each in stored for problem in _row_problems(each)]
    too_many = 0
    for code in sorted(codes):
        standing = cards.get(code, [])
        told = [card for card in standing if not card[2]]
        meant = [each for each in stored if each.code == code]
        if not told:
            found.append(f"{code} stands {len(standing)} times and never closed")
        elif not any(_tells(card[1], meant) for card in told):
            found.append(f"{code} does not tell its end {meant}: {told[-1][1]!r}")
        too_many += max(0, len(standing) - 1)
    if too_many > extra:
        found.append(f"{too_many} cards too many")
    return found


def _row_problems(each: Asked) -> Iterator[str]:
    if each.card != "closed":
        yield f"card {each.code} is {each.card}"
    if each.state == "pending":
        yield f"a request of {each.code} is pending"
    if each.state in ("approved", "denied", "answered") and not each.decided_by:
        yield f"{each.code} is {each.state} by nobody"


def _tells(text: str, meant: Sequence[Asked]) -> bool:
    return all(any(words in text for words in _words_of(each)) for each in meant)


def _words_of(each: Asked) -> tuple[str, ...]:
    if each.state != "approved":
        return _SAYS.get(each.state, ())
    if each.kind != "call":
        return ("Approved by", "Raised", "again")
    return _RAN.get(each.call, ("Approved by",))
