"""Every connected account's way out, and what is sent beside the rows."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from gateway import refs
from gateway.clock import Clock
from gateway.outlet import Outlet
from gateway.store.base import Store
from gateway.store.records import outbox
from gateway.store.records.outbox import OutboxRow
from platforms.base import Adapter
from platforms.content import AnswerPress
from platforms.events import Account, PressToken
from platforms.pacing import Limiter


class Deliveries:
    """Outlets by account. Rows of an account that is not connected wait in the store."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._outlets: dict[str, Outlet] = {}
        self._beside: set[asyncio.Task[object]] = set()

    def outlet(self, account: str) -> Outlet | None:
        """The way out of an account, if it is connected."""
        return self._outlets.get(account)

    def outlets(self) -> tuple[Outlet, ...]:
        """Every way out."""
        return tuple(self._outlets.values())

    async def attach(self, account: Account, adapter: Adapter) -> Outlet:
        """Open an account's way out and send what waited for it in the store."""
        name = refs.account_text(account)
        known = self._outlets.get(name)
        if known is not None:
            known.resume()
            return known
        outlet = Outlet(
            account=account,
            adapter=adapter,
            limiter=Limiter(adapter.capabilities.budgets),
            store=self._store,
            clock=self._clock,
        )
        rows = await self._store.read(outbox.waiting)
        outlet.enqueue(tuple(row for row in rows if row.account == name))
        self._outlets[name] = outlet
        return outlet

    def enqueue(self, rows: tuple[OutboxRow, ...]) -> None:
        """Take stored rows; each leaves when its account is connected."""
        for row in rows:
            outlet = self._outlets.get(row.account)
            if outlet is not None:
                outlet.enqueue((row,))

    def end_press(self, account: str, press: PressToken) -> None:
        """Take away the sign that a press or native command is worked on; words come elsewhere."""
        outlet = self._outlets.get(account)
        if outlet is not None:
            self.spawn(outlet.answer(AnswerPress(press=press)))

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        """Do something beside the rows whose failure costs nothing."""
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def close(self, *, flush_s: float) -> None:
        """Send what is queued for so long, then stop; the rest waits in the store."""
        flushing = [asyncio.create_task(outlet.flush()) for outlet in self._outlets.values()]
        if flushing:
            _, late = await asyncio.wait(flushing, timeout=flush_s)
            for task in late:
                task.cancel()
        for outlet in self._outlets.values():
            await outlet.close()
        for beside in tuple(self._beside):
            beside.cancel()
