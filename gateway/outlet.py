"""The way out of one account: outbox rows in order per line, at the platform's pace.

Theory of operation. A row is stored before it gets here. A line is what must stay in order: the
rows of one session, or of one chat where they belong to none. It is emptied by one task that
exists only while it has rows, so a slow chat or a row in doubt delays no other. What becomes of
a row is in `gateway.sending`. Stream edits and signs of life are not rows: they are made when
the limiter lets them through at once, or not at all.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from random import random

from gateway import outgoing, refs
from gateway.clock import Clock
from gateway.errors import ConstraintViolated, QueryTooLong, StoreClosed, StoreError, StoreFailed
from gateway.sending import Alert, Sending
from gateway.slots import Slots, root_of
from gateway.store.base import Store
from gateway.store.records.chats import MarkedChat
from gateway.store.records.outbox import OutboxRow
from platforms.base import Adapter
from platforms.blocks import Blocks
from platforms.content import AnswerPress, Edit, React, Typing
from platforms.errors import (
    CredentialsRejected,
    PlatformError,
    PlatformUnavailable,
    RateLimited,
)
from platforms.events import Account, ChatRef, MessageRef
from platforms.pacing import Limiter

QUICK_CALL_S = 1.5
"""How long a sign of life may take; it is dropped rather than waited for."""

STORE_AGAIN_S = 1.0
"""From a read or write that was not done to the next try; the store itself still works."""

log = logging.getLogger(__name__)


def _unheard(key: str, sentence: str) -> None:
    """Where nobody listens the log has it."""
    log.warning("%s", sentence)


@dataclass(slots=True)
class _Queue:
    """The rows of one line that wait, and the task that sends them."""

    rows: deque[OutboxRow] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None


class Outlet:
    """The way out of one connected account."""

    def __init__(
        self,
        *,
        account: Account,
        adapter: Adapter,
        limiter: Limiter,
        store: Store,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random,
        alert: Alert = _unheard,
    ) -> None:
        """`jitter` gives a random number from 0 up to 1; `alert` tells owners elsewhere."""
        self.account = account
        self.adapter = adapter
        self._alert = alert
        self._sleep = sleep
        self._slots = Slots(
            adapter=adapter, limiter=limiter, monotonic=clock.monotonic, sleep=sleep
        )
        self._sending = Sending(
            adapter=adapter,
            slots=self._slots,
            store=store,
            clock=clock,
            sleep=sleep,
            jitter=jitter,
            alert=alert,
            enqueue=self.enqueue,
        )
        self._queues: dict[tuple[str, str], _Queue] = {}
        self._held: set[str] = set()
        self._watched: dict[int, asyncio.Future[str | None]] = {}
        self._beside: set[asyncio.Task[None]] = set()
        self._streams = 0
        self._paused = False
        self.problem = ""
        """Why nothing is sent; empty while all is well."""

    def resume(self) -> None:
        """Send again after the account was connected anew."""
        self._paused = False
        self.problem = ""
        self._start_lines()

    def know(self, marked: tuple[MarkedChat, ...]) -> None:
        """Learn which chats are dead or paused."""
        for chat in marked:
            if chat.state == "dead":
                self._sending.bury(chat.chat, chat.reason)
            else:
                self._held.add(chat.chat)

    def hold(self, chat: str) -> None:
        """Send nothing to a chat (without its thread) until `release`."""
        self._held.add(chat)

    def release(self, chat: str) -> None:
        """Send what waited for a chat."""
        self._held.discard(chat)
        self._start_lines()

    def stream_began(self) -> None:
        """A reply grows; tell `stream_ended` when it no longer does."""
        self._streams += 1

    def stream_ended(self) -> None:
        """A growing reply has ended."""
        self._streams -= 1

    def stream_interval(self, *, group: bool) -> float | None:
        """Seconds between two edits of one growing reply now; None for no edits at all."""
        can = self.adapter.capabilities
        base = can.edit_interval_group_s if group else can.edit_interval_s
        return self._slots.stream_interval(base, streams=max(1, self._streams))

    def enqueue(self, rows: tuple[OutboxRow, ...]) -> None:
        """Take rows that are stored; they leave in this order within their line."""
        for row in rows:
            line = (row.chat, row.line)
            queue = self._queues.setdefault(line, _Queue())
            queue.rows.append(row)
            self._start(line, queue)

    def post(self, row: OutboxRow) -> "asyncio.Future[str | None]":
        """Enqueue a row; the future gives its platform id once it is settled, or None."""
        future: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._watched[row.id] = future
        self.enqueue((row,))
        return future

    async def stream_edit(self, row: OutboxRow, message_id: str, body: Blocks) -> bool:
        """Show progress in a message now, or not at all; True if it stands.

        Raises RateLimited when the platform said so; every other failure only costs this edit.
        """
        message = MessageRef(chat=outgoing.chat_of(row), message_id=message_id)
        operation = Edit(message=message, body=body)
        if self._holds(row) or not self._slots.free(operation, priority=4):
            return False
        self._sending.forget(message)  # cut or uncertain, nobody knows what stands
        try:
            await self.adapter.perform(operation)
        except RateLimited as error:
            self._slots.penalise(operation, error)
            raise
        except PlatformError as error:
            log.info("a stream edit was lost: %s", error)
            return False
        self._sending.stands(message, body)
        return True

    async def sign(self, operation: Typing | React) -> None:
        """Give a sign of life or a reaction if there is room for it now; failures cost nothing."""
        if not self._slots.free(operation, priority=5):
            return
        try:
            async with asyncio.timeout(QUICK_CALL_S):
                await self.adapter.perform(operation)
        except RateLimited as error:
            self._slots.penalise(operation, error)
        except (PlatformError, TimeoutError) as error:
            log.debug("a sign of life was lost: %s", error)

    def rest(self, chat: ChatRef) -> None:
        """Take the sign of life away beside everything else; where none stays this does nothing."""
        task = asyncio.create_task(self._rest(chat))
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def _rest(self, chat: ChatRef) -> None:
        try:
            async with asyncio.timeout(QUICK_CALL_S):
                await self.adapter.perform(Typing(chat=chat, on=False))
        except (PlatformError, TimeoutError) as error:
            log.debug("a sign of life was not taken away: %s", error)

    async def answer(self, operation: AnswerPress) -> bool:
        """Answer a press or native command, twice at most; False if that can't be done."""
        for _ in range(2):
            try:
                await self.adapter.perform(operation)
            except PlatformUnavailable:
                continue
            except PlatformError as error:
                log.info("a press was not answered: %s", error)
                return False
            return True
        return False

    async def flush(self) -> None:
        """Wait until every line is empty and every sign of life is taken away."""
        while tasks := [
            *(q.task for q in self._queues.values() if q.task is not None),
            *self._beside,
        ]:
            await asyncio.wait(tasks)

    async def close(self) -> None:
        """Stop sending; what was not settled stays in the store for the next start."""
        self._paused = True
        tasks = [q.task for q in self._queues.values() if q.task is not None]
        tasks.extend(self._beside)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for future in self._watched.values():
            future.cancel()

    @property
    def depth(self) -> int:
        """Rows that wait here."""
        return sum(len(queue.rows) for queue in self._queues.values())

    def _start_lines(self) -> None:
        for line, queue in tuple(self._queues.items()):
            self._start(line, queue)

    def _start(self, line: tuple[str, str], queue: _Queue) -> None:
        if queue.task is None and queue.rows and not self._paused:
            queue.task = asyncio.create_task(self._empty(line, queue))

    def _holds(self, row: OutboxRow) -> bool:
        return bool(self._held) and root_of(outgoing.chat_of(row)) in self._held

    async def _empty(self, line: tuple[str, str], queue: _Queue) -> None:
        try:
            while queue.rows and not self._paused and not self._holds(queue.rows[0]):
                if await self._sent(queue.rows):
                    queue.rows.popleft()
        except CredentialsRejected as error:
            self._reject(error)
        except StoreError as error:
            log.error("%s waits in the store: %s", line[0], error)
        finally:
            queue.task = None
            if not queue.rows:
                self._queues.pop(line, None)

    async def _sent(self, rows: deque[OutboxRow]) -> bool:
        """Settle the first row; False, after a while, if a store that works did not do it now."""
        try:
            await self._send(rows[0])
        except QueryTooLong as error:
            reason: StoreError = error  # what has left is known by its doubt
        except StoreError as error:
            # Nobody knows by the rows whether it has left; a next try must not think it has not.
            rows[0] = replace(rows[0], state="in_flight")
            if isinstance(error, StoreFailed | StoreClosed):
                raise
            reason = error
        else:
            return True
        log.warning("o%d is tried again: %s", rows[0].id, reason)
        await self._sleep(STORE_AGAIN_S)
        return False

    def _reject(self, error: CredentialsRejected) -> None:
        if self._paused:
            return
        self._paused = True
        self.problem = str(error)
        log.error("%s takes no messages: %s", self.account.platform, error)
        self._alert(
            f"rejected:{refs.account_text(self.account)}",
            f"{self.account.platform} takes no messages of mine: {error}."
            " What is to be sent waits until that is mended; then send the gateway SIGHUP.",
        )

    async def _send(self, row: OutboxRow) -> None:
        """Bring one row to a state it stays in."""
        message_id = None
        try:
            message_id = await self._sending.bring(row)
        except Exception as error:  # the rows behind it still leave
            stored = isinstance(error, StoreError) and not isinstance(error, ConstraintViolated)
            if stored or isinstance(error, CredentialsRejected):
                raise
            log.exception("sending o%d failed inside the gateway", row.id)
            await self._sending.give_up(row, "a fault in the gateway")
        watched = self._watched.pop(row.id, None)
        if watched is not None and not watched.done():
            watched.set_result(message_id)
