"""Every connected account's way out, and what is sent beside the rows."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

from gateway import refs, render
from gateway.clock import Clock
from gateway.outlet import Outlet
from gateway.store.base import Store
from gateway.store.records import chats, outbox
from gateway.store.records.chats import MarkedChat
from gateway.store.records.outbox import OutboxRow
from platforms.base import Adapter, Capabilities
from platforms.content import AnswerPress
from platforms.events import Account, PressToken
from platforms.pacing import Budget, Limiter

log = logging.getLogger(__name__)


def _unheard(account: str, key: str, sentence: str) -> None:
    """Where nobody listens the log has it."""
    log.warning("%s", sentence)


BudgetsOf = Callable[[Capabilities], tuple[Budget, ...]]


def documented(capabilities: Capabilities) -> tuple[Budget, ...]:
    """The rates a platform documents, as its adapter declares them."""
    return capabilities.budgets


class Deliveries:
    """Outlets by account. Rows of an account that is not connected wait in the store."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        alert: Callable[[str, str, str], None] = _unheard,
        doubt_before: int | None = None,
        budgets: BudgetsOf = documented,
    ) -> None:
        """`alert` tells owners elsewhere: an account, a key, a sentence.

        Posts made before `doubt_before` (microseconds since 1970) may have left although their
        rows don't say so: the machine went down, and with it the last marks. `budgets` are the
        rates that are kept.
        """
        self._store = store
        self._clock = clock
        self._alert = alert
        self._doubt_before = doubt_before
        self._budgets = budgets
        self.opened = asyncio.Event()
        """Set when a way out was opened; who waits for it clears it."""
        self._outlets: dict[str, Outlet] = {}
        self._arriving: dict[str, list[OutboxRow]] = {}
        self._beside: set[asyncio.Task[object]] = set()

    def outlet(self, account: str) -> Outlet | None:
        """The way out of an account, if it is connected."""
        return self._outlets.get(account)

    def command_mark(self, account: str) -> str:
        """What typed commands begin with on the platform of an account."""
        outlet = self._outlets.get(account)
        return "/" if outlet is None else outlet.adapter.capabilities.command_mark

    def adapter(self, account: str) -> Adapter | None:
        """What serves an account, if it is connected."""
        outlet = self._outlets.get(account)
        return outlet.adapter if outlet is not None else None

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
            limiter=Limiter(self._budgets(adapter.capabilities)),
            store=self._store,
            clock=self._clock,
            alert=partial(self._alert, name),
        )
        marked = await self._store.read(lambda tx: chats.marked(tx, name))
        outlet.know(tuple(marked))
        self._arriving[name] = []
        try:
            waiting = await self._waiting(name)
        finally:
            arrived = self._arriving.pop(name)
        # Nothing leaves before all is read: a reading that fails is done anew by another outlet.
        outlet.enqueue(tuple(self._doubted(row, outlet) for row in waiting))
        # What was stored while the last page was read is not in it.
        last = waiting[-1].id if waiting else 0
        outlet.enqueue(tuple(row for row in arrived if row.id > last))
        self._outlets[name] = outlet
        self.opened.set()
        return outlet

    async def _waiting(self, account: str) -> list[OutboxRow]:
        """What waits in the store, read a page at a time."""
        rows: list[OutboxRow] = []
        after = 0
        while page := await self._store.read(
            lambda tx: outbox.waiting(tx, account, after=after)  # noqa: B023 - runs at once
        ):
            rows += page
            after = page[-1].id
        return rows

    def _doubted(self, row: OutboxRow, outlet: Outlet) -> OutboxRow:
        can = outlet.adapter.capabilities
        tells = can.read_back or can.nonce_life_s is not None
        old = self._doubt_before is not None and row.created_at < self._doubt_before
        if old and tells and row.state == "pending" and row.op in {"post", "upload"}:
            return replace(row, state="in_flight")
        return row

    def enqueue(self, rows: tuple[OutboxRow, ...]) -> None:
        """Take stored rows; each leaves when its account is connected."""
        for row in rows:
            outlet = self._outlets.get(row.account)
            if outlet is not None:
                outlet.enqueue((row,))
            elif row.account in self._arriving:
                self._arriving[row.account].append(row)

    def bury(self, chat: MarkedChat) -> None:
        """A chat is known to be dead: nothing is sent there, and owners are told."""
        outlet = self._outlets.get(chat.account)
        if outlet is not None:
            outlet.know((chat,))
        sentence = render.dead_chat_text(chat.chat, chat.reason)
        self._alert(chat.account, f"dead:{chat.chat}", sentence)

    async def flushed(self, accounts: frozenset[str], within_s: float) -> None:
        """Wait until nothing waits to leave some accounts, but not longer than that."""
        found = [self._outlets[name].flush() for name in accounts if name in self._outlets]
        flushing = [asyncio.create_task(each) for each in found]
        if flushing:
            _, late = await asyncio.wait(flushing, timeout=within_s)
            for task in late:
                task.cancel()

    def end_press(self, account: str, press: PressToken) -> None:
        """Take away the sign that a press or native command is worked on; words come elsewhere."""
        outlet = self._outlets.get(account)
        if outlet is not None:
            self.spawn(outlet.answer(AnswerPress(press=press)))

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        """Do something beside the rows whose failure costs nothing."""
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._done)

    async def close(self, *, flush_s: float) -> None:
        """Send what is queued for so long, then stop; the rest waits in the store."""
        flushing = [asyncio.create_task(outlet.flush()) for outlet in self._outlets.values()]
        if flushing:
            _, late = await asyncio.wait(flushing, timeout=flush_s)
            for task in late:
                task.cancel()
        for outlet in self._outlets.values():
            await outlet.close()
        beside = tuple(self._beside)
        for each in beside:
            each.cancel()
        await asyncio.gather(*beside, return_exceptions=True)

    def _done(self, task: "asyncio.Task[object]") -> None:
        self._beside.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("what was to be shown beside a reply was not: %s", error)
