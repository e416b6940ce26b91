"""The turn in whose name people are asked, as it runs or as a card of it remembers it."""

from dataclasses import dataclass
from typing import Protocol

from gateway.store.base import Tx
from gateway.store.records import cards
from gateway.store.records.cards import Card


class Asker(Protocol):
    """The turn in whose name people are asked."""

    @property
    def account(self) -> str: ...
    @property
    def reply_to(self) -> str: ...
    @property
    def grouped(self) -> bool: ...
    @property
    def session_id(self) -> int: ...
    @property
    def turn_id(self) -> int: ...
    @property
    def requester(self) -> str: ...
    @property
    def requester_name(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedBefore:
    """The turn of a card, as far as asking goes."""

    account: str
    reply_to: str
    grouped: bool
    session_id: int
    turn_id: int
    requester: str
    requester_name: str


def asked_before(tx: Tx, card: Card) -> AskedBefore:
    """The turn that a card was asked in."""
    return AskedBefore(
        account=card.origin_account,
        reply_to=card.origin,
        grouped=cards.is_grouped(tx, card.turn_id),
        session_id=card.session_id,
        turn_id=card.turn_id,
        requester=card.requester,
        requester_name=card.requester_name,
    )
