"""The caller's side of every adapter: keeps deliveries, answers with the receipts asked for."""

import asyncio
from collections import deque

from platforms.events import Delivery, Ignored, InboundEvent, MessageReceived, Receipt

PATIENCE_S = 60.0


class Journal:
    """Stores every delivery unless told otherwise; `held` keeps them waiting for their receipt.

    What we said ourselves is UNWANTED, as for the gateway, and not kept.
    """

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.next_receipts: deque[Receipt] = deque()
        self.held: asyncio.Event | None = None
        self.stored = 0
        self._changed = asyncio.Condition()

    async def __call__(self, delivery: Delivery) -> Receipt:
        """See Ingest."""
        if _ours(delivery):
            return Receipt.UNWANTED
        async with self._changed:
            self.deliveries.append(delivery)
            self._changed.notify_all()
        if self.held is not None:
            await self.held.wait()
        receipt = self.next_receipts.popleft() if self.next_receipts else Receipt.STORED
        self.stored += receipt is Receipt.STORED
        return receipt

    async def count(self, number: int) -> list[Delivery]:
        """The deliveries, once there are that many."""
        async with self._changed, asyncio.timeout(PATIENCE_S):
            await self._changed.wait_for(lambda: len(self.deliveries) >= number)
        return self.deliveries

    async def heard(self, number: int) -> list[str]:
        """The texts of the messages, once there are that many different ones."""
        async with self._changed, asyncio.timeout(PATIENCE_S):
            await self._changed.wait_for(lambda: len(self.messages) >= number)
        return [event.text for event in self.messages.values()]

    @property
    def events(self) -> list[InboundEvent]:
        """Every event so far, repeats among them."""
        found = (each.events for each in self.deliveries if isinstance(each.events, tuple))
        return [event for events in found for event in events]

    @property
    def messages(self) -> dict[str, MessageReceived]:
        """Every message by its logical key, as it first came."""
        found: dict[str, MessageReceived] = {}
        for event in self.events:
            if isinstance(event, MessageReceived):
                found.setdefault(event.logical_key, event)
        return found

    @property
    def reasons(self) -> list[str]:
        """Why deliveries were no events."""
        return [e.events.reason for e in self.deliveries if isinstance(e.events, Ignored)]


def _ours(delivery: Delivery) -> bool:
    events = delivery.events if isinstance(delivery.events, tuple) else ()
    return any(isinstance(event, MessageReceived) and event.author.is_us for event in events)
