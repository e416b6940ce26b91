"""Small cards for owners that belong to no turn: who asks to be let in, and into which chat.

A button carries the command it stands for (`pair allow K7QF2M9P`), which is checked like a typed
one: whoever presses must be an owner. The row that is asked about is the authority, so a card has
no state of its own; once decided it is edited to say what came of it.
"""

from gateway import outgoing
from gateway.asking import OwnerSpot
from gateway.clock import Clock
from gateway.store.base import Tx
from gateway.store.records import outbox
from gateway.store.records.outbox import NewOutbox, OutboxRow
from gateway.tongues import Tongues
from gateway.words.phrase import Reader
from platforms.blocks import Blocks
from platforms.content import Button, Controls

PAYLOAD_MAX = 64
"""Bytes a button carries on every platform."""

IN_A_ROW = 2
"""Buttons in a row on every platform."""


class OwnerCards:
    """Posts and ends cards where owners are asked; every method runs in the caller's unit."""

    def __init__(self, *, spot: OwnerSpot, tongues: Tongues, clock: Clock) -> None:
        self._spot = spot
        self._tongues = tongues
        self._clock = clock

    def reader(self, tx: Tx) -> Reader:
        """Who reads these cards."""
        spot = self._spot.spot
        return Reader(language=self._tongues.of_person(tx, spot.person if spot else ""))

    def post(
        self, tx: Tx, key: str, body: Blocks, buttons: tuple[Button, ...]
    ) -> tuple[OutboxRow, ...]:
        """Put a card before owners, once for each `key`; nothing while no owner can be asked."""
        spot = self._spot.spot
        if spot is None:
            return ()
        fitting = [each for each in buttons if len(each.payload.encode()) <= PAYLOAD_MAX]
        rows = range(0, len(fitting), IN_A_ROW)
        controls = tuple(tuple(fitting[at : at + IN_A_ROW]) for at in rows)
        new = self._row(spot.account, spot.chat, f"{key}:card", body, controls)
        row = outbox.insert(tx, new, now=self._clock.now())
        return () if row is None else (row,)

    def end(self, tx: Tx, key: str, body: Blocks) -> tuple[OutboxRow, ...]:
        """Say on a card what came of it, and take its buttons away."""
        ident = outbox.by_key(tx, f"{key}:card")
        posted = outbox.get(tx, ident) if ident is not None else None
        if posted is None:
            return ()
        new = self._row(posted.account, posted.chat, f"{key}:end", body, (), target=posted.id)
        row = outbox.insert(tx, new, now=self._clock.now())
        return () if row is None else (row,)

    def _row(
        self,
        account: str,
        chat: str,
        key: str,
        body: Blocks,
        controls: Controls,
        *,
        target: int | None = None,
    ) -> NewOutbox:
        return outgoing.notice(
            key=key,
            account=account,
            chat=chat,
            words=outgoing.Words(body=body, controls=controls),
            nonce=self._clock.nonce(),
            target=target,
        )
