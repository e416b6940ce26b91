"""Many cards whose time is over together."""

import asyncio
from dataclasses import replace

from gateway.desk_clock import A_FEW, DeskClock
from gateway.store.base import Tx
from gateway.store.records import cards
from gateway.store.records.outbox import OutboxRow
from tests.gateway.approvals.house import House
from tests.transitions import KEPT

SENDING_S = 1.5


async def test_what_many_chats_are_told_leaves_room_for_everybody_else(house: House) -> None:
    """A few reminders leave, and for as long as that took no further ones do."""
    await house.asks("paid")
    await _copy(house, A_FEW)
    sent: list[OutboxRow] = []

    async def flushed(accounts: frozenset[str], within_s: float) -> None:
        house.clock.advance(SENDING_S)

    desk = house.now.desk
    clock = DeskClock(
        store=house.store,
        clock=house.clock,
        decisions=desk.turn_desk.decisions,
        painter=desk.painter,
        enqueue=sent.extend,
        wake=lambda key: None,
        tell_owners=lambda key, sentence: None,
        booked=desk.turn_desk.booked,
        wait=house.clock.wait,
        flushed=flushed,
    )
    house.clock.advance(1_800)
    look = asyncio.create_task(clock.look())
    assert await house.clock.asleep() == [SENDING_S]
    assert len(sent) == A_FEW
    assert not look.done()
    house.clock.advance(SENDING_S)
    assert await look
    assert not await clock.look()
    assert len(sent) == A_FEW + 1


async def _copy(house: House, copies: int) -> None:
    """So many more cards like the one that stands."""

    def unit(tx: Tx) -> None:
        (card,) = cards.pending(tx)
        (request,) = cards.requests_of(tx, card.id)
        for number in range(copies):
            ident = f"{number:022d}"
            cards.insert(
                tx,
                replace(card, id=ident, code=f"A{number:04d}"),
                (replace(request, id=ident, card_id=ident),),
            )
            cards.posted(tx, ident, now=card.created_at)

    await house.store.write(unit, transition=KEPT)
