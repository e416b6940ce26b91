"""The queue of approvals: what can be decided, in one line each. Reads only."""

from dataclasses import dataclass

from gateway.store.base import Tx
from gateway.store.records import cards
from gateway.store.records.cards import Card, CardKind, CardState, Tier

LISTED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCard:
    """A card that can be decided; times in microseconds since 1970, money in micro-dollars.

    `tool` and `operation` are those of its first item of `items`. `at_most` is what all that is
    pending on it may cost, None where nobody knows. `closes_at` is None while it queues behind
    others of its chat; `posted` tells whether its message is known to stand.
    """

    code: str
    kind: CardKind
    state: CardState
    tool: str
    operation: str
    items: int
    at_most: int | None
    requester: str
    requester_name: str
    account: str
    chat: str
    origin: str
    turn_id: int
    session_key: str
    tier: Tier
    two_person: bool
    created_at: int
    closes_at: int | None
    posted: bool


def listed(tx: Tx, *, limit: int = LISTED) -> tuple[OpenCard, ...]:
    """What can be decided, those that close first in front, those that queue at the end."""
    rows = tx.rows(
        "SELECT id FROM card WHERE state = 'open' ORDER BY expires_at, id LIMIT ?", limit
    )
    rows += tx.rows(
        "SELECT id FROM card WHERE state IN ('queued', 'open') AND expires_at IS NULL"
        " ORDER BY created_at, id LIMIT ?",
        limit - len(rows),
    )
    return _lines(tx, [ident for (ident,) in rows])


def in_doubt(tx: Tx, *, limit: int) -> tuple[OpenCard, ...]:
    """Calls that may have run, and that nobody has spoken for yet, oldest first."""
    rows = tx.rows(
        "SELECT id FROM card WHERE state IN ('queued', 'open') AND kind = 'in_doubt'"
        " ORDER BY created_at, id LIMIT ?",
        limit,
    )
    return _lines(tx, [ident for (ident,) in rows])


def late(tx: Tx, *, before: int, limit: int) -> tuple[OpenCard, ...]:
    """Open cards of before a time whose message is not known to stand, oldest first."""
    rows = tx.rows(
        "SELECT id FROM card WHERE state = 'open' AND posted_at IS NULL AND created_at < ?"
        " ORDER BY created_at LIMIT ?",
        before,
        limit,
    )
    return _lines(tx, [ident for (ident,) in rows])


def count(tx: Tx) -> int:
    """How many cards can be decided."""
    row = tx.row("SELECT COUNT(*) FROM card WHERE state IN ('queued', 'open')")
    return int(row[0]) if row else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered:
    """A card that never reached its chat, so that its turn was stopped."""

    code: str
    chat: str
    because: str
    at: int


def undelivered(tx: Tx, *, since: int, limit: int) -> tuple[Undelivered, ...]:
    """Cards that ended undelivered since a time, newest first."""
    rows = tx.rows(
        "SELECT card.code, card.chat, request.words, card.closed_at FROM card"
        " JOIN request ON request.card_id = card.id AND request.ordinal = 0"
        " WHERE card.closed_at IS NOT NULL AND card.closed_at > ?"
        " AND request.state = 'undeliverable' ORDER BY card.closed_at DESC LIMIT ?",
        since,
        limit,
    )
    return tuple(
        Undelivered(code=code, chat=chat, because=words, at=at) for code, chat, words, at in rows
    )


def _lines(tx: Tx, idents: list[str]) -> tuple[OpenCard, ...]:
    found = (cards.get(tx, ident) for ident in idents)
    return tuple(_line(tx, card) for card in found if card is not None)


def _line(tx: Tx, card: Card) -> OpenCard:
    requests = cards.requests_of(tx, card.id)
    pending = [each for each in requests if each.state == "pending"]
    ceilings = [each.ceiling for each in pending]
    known = [each for each in ceilings if each is not None]
    return OpenCard(
        code=card.code,
        kind=card.kind,
        state=card.state,
        tool=requests[0].tool,
        operation=requests[0].operation,
        items=len(pending),
        at_most=sum(known) if len(known) == len(ceilings) else None,
        requester=card.requester,
        requester_name=card.requester_name,
        account=card.account,
        chat=card.chat,
        origin=card.origin,
        turn_id=card.turn_id,
        session_key=card.session_key,
        tier=card.tier,
        two_person=card.two_person,
        created_at=card.created_at,
        closes_at=card.expires_at,
        posted=card.posted_at is not None,
    )
