"""The whole way out: outbox rows in order per chat, at each platform's pace.

Theory of operation. A row is stored before it gets here. Each account that is connected has an
Outlet: a sink, a limiter and one queue per chat. A chat's queue is emptied by one task that
exists only while it has rows, so order inside a chat holds and a slow chat delays no other.
Per row: wait for the limiter, mark it in flight (on disk), perform, settle by the outcome.

    outcome                          a post                         an edit or delete
    PlatformUnavailable, 429         again later, no limit on 429   the same
    SendUncertain                    with a nonce the platform      again: it is idempotent
                                     knows: again; else once more
                                     for an answer, not at all for
                                     a placeholder; then `unknown`
    MarkupRejected                   as plain text, once            the same
    TooLong                          as a file                      posted as a file
    MessageGone                      -                              posted anew
    anything else                    dead, with the reason          the same

Rows of an account that is not connected wait in the store. Stream edits and signs of life are
not rows: they are made when the limiter lets them through at once, or not at all.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from gateway import outgoing, refs
from gateway.clock import Clock
from gateway.errors import StoreError
from gateway.recent import Recent
from gateway.store import transitions
from gateway.store.base import Store
from gateway.store.records import outbox
from gateway.store.records.outbox import OutboxRow, OutboxState
from platforms import blocks
from platforms.base import Adapter
from platforms.blocks import Blocks
from platforms.content import (
    AnswerPress,
    Delete,
    Done,
    Edit,
    Operation,
    Outcome,
    Post,
    React,
    Sent,
    Typing,
    Upload,
)
from platforms.errors import (
    ChatMoved,
    ChatUnavailable,
    CredentialsRejected,
    MarkupRejected,
    MessageGone,
    MessageRejected,
    PlatformError,
    PlatformUnavailable,
    RateLimited,
    SendUncertain,
    ThreadGone,
    TooLong,
)
from platforms.events import Account, ChatRef, MessageRef
from platforms.pacing import Kind, Limiter

RETRY_FIRST_S = 1.0
RETRY_MAX_S = 60.0
RETRY_FOR_S = 24 * 3600.0
UNCERTAIN_EDITS = 3
REMEMBERED = 2_000
"""Messages whose id and present text are kept at hand; older ones are read from the store."""

QUICK_CALL_S = 1.5
"""How long a sign of life may take; it is dropped rather than waited for."""

_KINDS: Mapping[type[Operation], Kind] = {
    Post: "post",
    Upload: "upload",
    Edit: "edit",
    Delete: "delete",
    Typing: "typing",
    React: "react",
    AnswerPress: "answer",
}

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Queue:
    """The rows of one chat that wait, and the task that sends them."""

    rows: deque[OutboxRow] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None


@dataclass(slots=True)
class _Try:
    """How far the sending of one row has come."""

    row: OutboxRow
    operation: Operation
    since: float
    unavailable: int = 0
    uncertain: int = 0
    changed: frozenset[type[PlatformError]] = frozenset()


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
    ) -> None:
        self.account = account
        self.adapter = adapter
        self._limiter = limiter
        self._store = store
        self._clock = clock
        self._sleep = sleep
        self._queues: dict[str, _Queue] = {}
        self._message_ids: Recent[int, str] = Recent(REMEMBERED)
        self._standing: Recent[tuple[str, str], Blocks] = Recent(REMEMBERED)
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
        for chat, queue in tuple(self._queues.items()):
            if queue.task is None:
                queue.task = asyncio.create_task(self._empty(chat, queue))

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
        return self._limiter.stream_interval(base, streams=max(1, self._streams))

    def enqueue(self, rows: tuple[OutboxRow, ...]) -> None:
        """Take rows that are stored; they leave in this order within their chat."""
        for row in rows:
            queue = self._queues.setdefault(row.chat, _Queue())
            queue.rows.append(row)
            if queue.task is None:
                queue.task = asyncio.create_task(self._empty(row.chat, queue))

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
        if self._slot(operation, priority=4, since=self._clock.monotonic()) != 0:
            return False
        self._standing.pop(_place(message), None)  # cut or uncertain, nobody knows what stands
        try:
            await self.adapter.perform(operation)
        except RateLimited as error:
            self._penalise(operation, error)
            raise
        except PlatformError as error:
            log.info("a stream edit was lost: %s", error)
            return False
        self._standing[_place(message)] = body
        return True

    async def sign(self, operation: Typing | React) -> None:
        """Give a sign of life or a reaction if there is room for it now; failures cost nothing."""
        if self._slot(operation, priority=5, since=self._clock.monotonic()) != 0:
            return
        try:
            async with asyncio.timeout(QUICK_CALL_S):
                await self.adapter.perform(operation)
        except RateLimited as error:
            self._penalise(operation, error)
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
        """Wait until every queue is empty."""
        while tasks := [q.task for q in self._queues.values() if q.task is not None]:
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

    async def _empty(self, chat: str, queue: _Queue) -> None:
        try:
            while queue.rows and not self._paused:
                await self._send(queue.rows[0])
                queue.rows.popleft()
        except CredentialsRejected as error:
            self._paused = True
            self.problem = str(error)
            log.error("%s takes no messages: %s", self.account.platform, error)
        except StoreError as error:
            # Nobody knows by the rows whether it has left; a next try must not think it has not.
            queue.rows[0] = replace(queue.rows[0], state="in_flight")
            log.error("%s waits in the store: %s", chat, error)
        finally:
            queue.task = None
            if not queue.rows:
                self._queues.pop(chat, None)

    async def _send(self, row: OutboxRow) -> None:
        """Bring one row to a state it stays in."""
        try:
            await self._bring(row)
        except (CredentialsRejected, StoreError):
            raise
        except Exception:  # the rows behind it still leave
            log.exception("sending o%d failed inside the gateway", row.id)
            await self._settle(row, "dead", reason="a fault in the gateway", message_id=None)

    async def _bring(self, row: OutboxRow) -> None:
        operation = outgoing.operation(row, target=await self._target(row))
        if operation is None or self._stands(operation):
            await self._settle(row, "sent", reason="nothing to change", message_id=None)
            return
        current = _Try(row=row, operation=operation, since=self._clock.monotonic())
        if row.state == "in_flight":
            uncertain = SendUncertain("the gateway stopped while this was sent")
            if not await self._after(current, uncertain):
                return
        while True:
            await self._wait_for_slot(current.operation, _priority(row))
            await self._store.write(
                lambda tx: outbox.depart(tx, row.id), transition=transitions.ROW_DEPARTED
            )
            try:
                outcome = await self.adapter.perform(current.operation)
            except PlatformError as error:
                if not await self._after(current, error):
                    return
            else:
                await self._arrived(current, outcome)
                return

    async def _arrived(self, current: _Try, outcome: Outcome) -> None:
        message_id: str | None = None
        match outcome, current.operation:
            case (Sent(message=message), _) | (Done(), Edit(message=message)):
                message_id = message.message_id
                if isinstance(current.operation, Post | Edit):
                    self._standing[_place(message)] = current.operation.body
            case _:
                pass
        await self._settle(current.row, "sent", reason=None, message_id=message_id)

    async def _after(self, current: _Try, error: PlatformError) -> bool:
        """Decide what a failure means: True to try (again), False when the row is settled."""
        row = current.row
        match error:
            case RateLimited():
                self._penalise(current.operation, error)
                await self._hold(row, "rate limit")
                return True
            case PlatformUnavailable():
                if self._clock.monotonic() - current.since > RETRY_FOR_S:
                    return await self._give_up(row, "dead", "unreachable for a day")
                await self._hold(row, "unreachable")
                delay = min(RETRY_FIRST_S * 2**current.unavailable, RETRY_MAX_S)
                current.unavailable += 1
                await self._sleep(delay)
                return True
            case SendUncertain():
                current.uncertain += 1
                if not self._may_repeat(current):
                    return await self._give_up(row, "unknown", str(error))
                await self._sleep(RETRY_FIRST_S * 2 ** (current.uncertain - 1))
                return True
            case CredentialsRejected():
                await self._hold(row, "credentials rejected")
                raise error
            case TooLong() | MarkupRejected() | MessageGone() | ThreadGone() | ChatMoved():
                changed = _changed(current, error)
                if changed is None:
                    return await self._give_up(row, "dead", str(error))
                log.warning("o%d goes out another way: %s", row.id, error)
                current.operation = changed
                current.changed |= {type(error)}
                return True
            case ChatUnavailable(reason=reason):
                return await self._give_up(row, "dead", reason)
            case MessageRejected() | PlatformError():
                return await self._give_up(row, "dead", str(error))

    def _may_repeat(self, current: _Try) -> bool:
        """Whether doing it once more can't be seen twice, or is worth the risk."""
        if isinstance(current.operation, Edit | Delete) or (self.adapter.capabilities.nonce_life_s):
            return current.uncertain < UNCERTAIN_EDITS
        return current.row.purpose != "anchor" and current.uncertain < 2

    async def _target(self, row: OutboxRow) -> str | None:
        if row.target_id is None:
            return None
        if known := self._message_ids.get(row.target_id):
            return known
        target_id = row.target_id
        target = await self._store.read(lambda tx: outbox.get(tx, target_id))
        return target.message_id if target else None

    def _stands(self, operation: Operation) -> bool:
        return (
            isinstance(operation, Edit)
            and self._standing.get(_place(operation.message)) == operation.body
        )

    async def _hold(self, row: OutboxRow, reason: str) -> None:
        await self._store.write(
            lambda tx: outbox.hold(tx, row.id, reason), transition=transitions.ROW_HELD
        )

    async def _give_up(self, row: OutboxRow, state: OutboxState, reason: str) -> bool:
        log.error("o%d (%s to %s) is %s: %s", row.id, row.purpose, row.chat, state, reason)
        await self._settle(row, state, reason=reason, message_id=None)
        return False

    async def _settle(
        self, row: OutboxRow, state: OutboxState, *, reason: str | None, message_id: str | None
    ) -> None:
        now = self._clock.now()
        await self._store.write(
            lambda tx: outbox.settle(
                tx, row.id, state=state, message_id=message_id, reason=reason, now=now
            ),
            transition=transitions.ROW_SETTLED,
        )
        if message_id is not None and row.op == "post" and row.turn_id is not None:
            self._message_ids[row.id] = message_id
        watched = self._watched.pop(row.id, None)
        if watched is not None and not watched.done():
            watched.set_result(message_id)

    async def _wait_for_slot(self, operation: Operation, priority: int) -> None:
        since = self._clock.monotonic()
        while True:
            delay = self._slot(operation, priority=priority, since=since)
            if not delay:
                return
            await self._sleep(delay)

    def _slot(self, operation: Operation, *, priority: int, since: float) -> float | None:
        kind, chat = _kind(operation)
        return self._limiter.admit(
            kind,
            chat,
            group=self._in_group(operation),
            priority=priority,
            since=since,
            now=self._clock.monotonic(),
        )

    def _in_group(self, operation: Operation) -> bool:
        """Whether the platform counts an operation for its groups, by the chat's id alone."""
        begins = self.adapter.capabilities.group_ids
        chat = _chat(operation)
        return begins is not None and chat is not None and chat.chat_id.startswith(begins)

    def _penalise(self, operation: Operation, error: RateLimited) -> None:
        kind, chat = _kind(operation)
        now = self._clock.monotonic()
        log.warning("%s asks to wait %.1f s (%s)", chat, error.retry_after_s, error.scope)
        self._limiter.penalise(
            kind,
            chat,
            scope=error.scope,
            group=self._in_group(operation),
            until=now + error.retry_after_s,
            now=now,
        )


def _changed(current: _Try, error: PlatformError) -> Operation | None:
    """Another way to bring the same words; None if there is none, or it was tried."""
    operation = current.operation
    if type(error) in current.changed:
        return None
    match error, operation:
        case MarkupRejected(), Post(body=body) | Edit(body=body):
            return replace(operation, body=blocks.plain(blocks.plain_text(body)))
        case TooLong(), Post(chat=chat, body=body):
            return _file(chat, body, current.row.nonce)
        case TooLong(), Edit(message=message, body=body):
            return _file(message.chat, body, current.row.nonce)
        case MessageGone(), Edit(message=message, body=body):
            return Post(chat=message.chat, body=body, nonce=current.row.nonce)
        case ThreadGone(), Post(chat=chat) | Upload(chat=chat):
            return replace(operation, chat=replace(chat, thread_id=None))
        case ChatMoved(to=to), Post(chat=chat) | Upload(chat=chat):
            return replace(operation, chat=replace(to, thread_id=chat.thread_id))
        case ChatMoved(to=to), Edit(message=message, body=body):
            return Post(chat=to, body=body, nonce=current.row.nonce)
        case _:
            return None


def _file(chat: ChatRef, body: Blocks, nonce: str) -> Upload:
    """The words of a part that the platform finds too long, although we measured it."""
    data = blocks.plain_text(body).encode()
    return Upload(chat=chat, data=data, name="answer.txt", mime="text/plain", nonce=nonce)


def _kind(operation: Operation) -> tuple[Kind, str]:
    """The limiter's name for an operation, and the chat it counts for without its thread."""
    chat = _chat(operation)
    return _KINDS[type(operation)], _root(chat) if chat is not None else ""


def _chat(operation: Operation) -> ChatRef | None:
    match operation:
        case Post(chat=chat) | Upload(chat=chat) | Typing(chat=chat):
            return chat
        case Edit(message=message) | Delete(message=message) | React(message=message):
            return message.chat
        case AnswerPress():
            return None
        case _:
            assert_never(operation)


def _place(message: MessageRef) -> tuple[str, str]:
    """A message beyond doubt: some platforms number each chat's messages from one."""
    return _root(message.chat), message.message_id


def _root(chat: ChatRef) -> str:
    return refs.chat_text(replace(chat, thread_id=None))


def _priority(row: OutboxRow) -> int:
    match row.purpose:
        case "final" | "part" | "notice" | "send":
            return 1
        case "command":
            return 2
        case "anchor":
            return 3
        case _:
            assert_never(row.purpose)
