"""Brings one outbox row to a state it stays in, by the platform's answers.

    outcome                 a post                                an edit or delete
    PlatformUnavailable     again after 1, 2, 4 .. 60 s, a day    the same
    RateLimited             again when the platform says          the same
    SendUncertain           settled first, see below              again: it is idempotent
    MarkupRejected          as plain text, once                   the same
    PictureRejected         as a file, once                       -
    TooLong                 as a file                             posted as a file
    MessageGone             -                                     posted anew
    ThreadGone              to the chat's root, once              -
    ChatMoved               to the new address                    posted there
    ChatUnavailable         dead, and so is its chat: all that waits for it
    CredentialsRejected     waits, and so does the whole account; a file alone that lacks a
                            right is dead
    anything else           dead, with the reason                 the same

An uncertain post may stand in the chat. While the platform knows its nonce it is sent again with
the same one; where posts can be looked up it is looked for, twice, and sent again only if it is
not there; elsewhere an answer is sent once more and a placeholder not at all, and what is still
uncertain then is `unknown`. A doubt lasts until it is settled: a repeat that had to wait is in
the chat or not as before, however certainly it was not sent itself.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import assert_never

from gateway import cancelling, outgoing, refs, render
from gateway.clock import Clock
from gateway.detours import detour
from gateway.recent import Recent
from gateway.slots import Slots, chat_of, priority_of, root_of
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import chats, outbox
from gateway.store.records.outbox import OutboxRow, OutboxState
from platforms import blocks
from platforms.base import Adapter
from platforms.blocks import Blocks
from platforms.content import Controls, Done, Edit, Operation, Outcome, Post, Sent, Upload
from platforms.errors import (
    ChatMoved,
    ChatUnavailable,
    CredentialsRejected,
    MarkupRejected,
    MessageGone,
    MessageRejected,
    PictureRejected,
    PlatformError,
    PlatformUnavailable,
    RateLimited,
    RightsMissing,
    SendUncertain,
    ThreadGone,
    TooLong,
)
from platforms.events import MessageRef

RETRY_FIRST_S = 1.0
RETRY_MAX_S = 60.0
RETRY_FOR_S = 24 * 3600.0
RETRY_AT_LEAST_S = 600.0
"""Of running time: a clock that is set makes a day pass in a moment."""

JITTER = 0.2
UNCERTAIN_TRIES = 3
NONCE_MARGIN_S = 10.0
LOOKS = 2
BETWEEN_LOOKS_S = 2.0
LOOK_FAILURES = 5
LONG_LIMIT_S = 15 * 60.0
REMEMBERED = 2_000
"""Messages whose id and present text are kept at hand; older ones are read from the store."""

log = logging.getLogger(__name__)

Alert = Callable[[str, str], None]
"""Tells owners elsewhere: a key that says what it is about, and a sentence."""


class _Looked(Enum):
    ABSENT = "absent"
    UNKNOWABLE = "unknowable"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fate:
    """A row ends without standing for sure."""

    state: OutboxState
    reason: str
    tell_chat: bool = False


@dataclass(slots=True)
class _Try:
    """How far the sending of one row has come; `doubtful_since` in microseconds since 1970.

    `began` is when this run took it up, in seconds of running time. `waited`: since its last try
    it was held back, for how long nobody knows.
    """

    row: OutboxRow
    operation: Operation
    doubtful_since: int
    began: float
    unavailable: int = 0
    uncertain: int = 0
    waited: bool = False
    changed: frozenset[type[PlatformError]] = frozenset()


class Sending:
    """The sending of rows over one adapter, one call of `bring` a row."""

    def __init__(
        self,
        *,
        adapter: Adapter,
        slots: Slots,
        store: Store,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]],
        jitter: Callable[[], float],
        alert: Alert,
        enqueue: Callable[[tuple[OutboxRow, ...]], None],
    ) -> None:
        """`jitter` gives a random number from 0 up to 1; `enqueue` takes rows made here."""
        self._enqueue = enqueue
        self._adapter = adapter
        self._slots = slots
        self._store = store
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._alert = alert
        self._message_ids: Recent[int, str] = Recent(REMEMBERED)
        self._standing: Recent[tuple[str, str], tuple[Blocks, Controls]] = Recent(REMEMBERED)
        self._dead: dict[str, str] = {}
        self._doubts: dict[int, int] = {}  # rows that may stand in their chat, and since when

    def bury(self, chat: str, reason: str) -> None:
        """Know a chat as dead."""
        self._dead[chat] = reason

    def stands(self, message: MessageRef, body: Blocks) -> None:
        """A message shows this now."""
        self._standing[_place(message)] = (body, ())

    def forget(self, message: MessageRef) -> None:
        """Nobody knows what a message shows now."""
        self._standing.pop(_place(message), None)

    async def bring(self, row: OutboxRow) -> str | None:
        """Send a row and settle it; returns the id of its message, if it has one.

        Raises CredentialsRejected when the account can send nothing, StoreError.
        """
        operation = outgoing.operation(row, target=await self._target(row))
        if operation is None or self._shows(operation):
            return await self._settle(row, "sent", reason="nothing to change")
        if reason := await self._dead_reason(operation):
            return await self._settle(row, "dead", reason=reason)
        since = self._doubts.get(row.id) or row.departed_at or row.created_at
        began = self._clock.monotonic()
        current = _Try(row=row, operation=operation, doubtful_since=since, began=began)
        if row.state == "in_flight" or row.id in self._doubts:
            stopped = SendUncertain("the gateway stopped while this was sent")
            outcome = await self._after(current, stopped)
            if outcome is not None:
                return await self._end(current, outcome)
        return await self._end(current, await self._try(current))

    async def _try(self, current: _Try) -> Outcome | _Fate:
        while True:
            await self._slots.wait(current.operation, priority=priority_of(current.row.purpose))
            if reason := await self._dead_reason(current.operation):
                return _Fate(state="dead", reason=reason)
            if (sent := await self._looked_again(current)) is not None:
                return sent
            current.doubtful_since = await self._depart(current.row)
            try:
                return await self._perform(current.operation)
            except PlatformError as error:
                outcome = await self._after(current, error)
                if outcome is not None:
                    return outcome

    async def _perform(self, operation: Operation) -> Outcome:
        try:
            return await self._adapter.perform(operation)
        except asyncio.CancelledError:
            if cancelling.is_ours():
                raise
            raise SendUncertain("the platform's library cancelled its own call") from None

    async def _end(self, current: _Try, outcome: Outcome | _Fate) -> str | None:
        row = current.row
        match outcome:
            case _Fate(state=state, reason=reason):
                log.error("o%d (%s to %s) is %s: %s", row.id, row.purpose, row.chat, state, reason)
                if outcome.tell_chat:
                    await self._tell_chat(row)
                return await self._settle(row, state, reason=reason)
            case Sent(message=message):
                pass
            case Done():
                if not isinstance(current.operation, Edit):
                    return await self._settle(row, "sent", reason=None)
                message = current.operation.message
            case _:
                assert_never(outcome)
        if isinstance(current.operation, Post | Edit):
            shown = (current.operation.body, current.operation.controls)
            self._standing[_place(message)] = shown
        return await self._settle(row, "sent", reason=None, message_id=message.message_id)

    async def _after(self, current: _Try, error: PlatformError) -> Outcome | _Fate | None:
        """Decide what a failure means: None to try (again), else how the row ends."""
        row = current.row
        match error:
            case RateLimited():
                await self._limited(current, error)
            case PlatformUnavailable():
                return await self._later(current, "unreachable")
            case SendUncertain():
                return await self._doubt(current, error)
            case RightsMissing() if isinstance(current.operation, Upload):
                return self._failed(row, str(error))  # a right for files; words still leave
            case CredentialsRejected():
                await self._hold(row, "credentials rejected")
                raise error
            case (
                TooLong()
                | MarkupRejected()
                | PictureRejected()
                | MessageGone()
                | ThreadGone()
                | ChatMoved()
            ):
                changed = None
                if type(error) not in current.changed:
                    changed = detour(current.operation, error, nonce=row.nonce)
                if changed is None:
                    return self._failed(row, str(error))
                log.warning("o%d goes out another way: %s", row.id, error)
                await self._hold(row, type(error).__name__)
                current.operation = changed
                current.changed |= {type(error)}
            case ChatUnavailable(reason=reason, remedy=remedy):
                reason = f"{reason}: {remedy}" if remedy else reason
                await self._bury(current, reason)
                return _Fate(state="dead", reason=reason)
            case MessageRejected() | PlatformError():
                return self._failed(row, str(error))
        return None

    async def _later(self, current: _Try, reason: str) -> _Fate | None:
        """Try again what was not sent, ever more slowly, for a day."""
        if self._was_a_day(current):
            return self._failed(current.row, "unreachable for a day")
        await self._hold(current.row, reason)
        await self._back_off(current.unavailable)
        current.unavailable += 1
        current.waited = True
        return None

    def _was_a_day(self, current: _Try) -> bool:
        tried_s = self._clock.monotonic() - current.began
        return tried_s > RETRY_AT_LEAST_S and self._age_s(current.row.created_at) > RETRY_FOR_S

    async def _limited(self, current: _Try, error: RateLimited) -> None:
        row = current.row
        log.warning("%s asks to wait %.1f s (%s)", row.chat, error.retry_after_s, error.scope)
        self._slots.penalise(current.operation, error)
        await self._hold(row, "rate limit")
        current.waited = True
        if error.retry_after_s > LONG_LIMIT_S:
            minutes = round(error.retry_after_s / 60)
            self._alert(
                f"limit:{row.account}",
                f"{row.account} may not send to {row.chat} for {minutes} minutes: it is at the"
                " platform's rate limit. What waits is sent then.",
            )

    async def _doubt(self, current: _Try, error: SendUncertain) -> Outcome | _Fate | None:
        """Find out whether an uncertain operation took effect, or whether repeating it harms."""
        current.uncertain += 1
        self._doubts.setdefault(current.row.id, current.doubtful_since)
        if self._repeatable(current) and current.uncertain < UNCERTAIN_TRIES:
            await self._back_off(current.uncertain - 1)
            return None
        match await self._look(current):
            case MessageRef() as found:
                return Sent(message=found)
            case _Looked.ABSENT:
                return await self._later(current, "not in the chat after all")
            case _Looked.UNKNOWABLE:
                pass
        if current.row.purpose == "anchor" or current.uncertain > 1:
            return _Fate(state="unknown", reason=str(error))
        await self._back_off(0)
        return None

    async def _looked_again(self, current: _Try) -> Sent | None:
        """Look for a doubtful post that waited so long that its nonce may be forgotten by now."""
        waited, current.waited = current.waited, False
        if not waited or current.row.id not in self._doubts or self._repeatable(current):
            return None
        found = await self._look(current)
        return Sent(message=found) if isinstance(found, MessageRef) else None

    def _repeatable(self, current: _Try) -> bool:
        """Whether doing it once more does no harm, whatever came of it before."""
        return not isinstance(current.operation, Post | Upload) or self._nonce_known(current)

    def _nonce_known(self, current: _Try) -> bool:
        """Whether the platform shows a repeat with the same nonce only once."""
        life = self._adapter.capabilities.nonce_life_s
        # After the clock was set back nobody knows how long ago that was.
        return life is not None and 0 <= self._age_s(current.doubtful_since) < life - NONCE_MARGIN_S

    async def _look(self, current: _Try) -> MessageRef | _Looked:
        """Settle a doubt by a look into the chat, if the platform lets us."""
        operation = current.operation
        if not isinstance(operation, Post | Upload) or not self._adapter.capabilities.read_back:
            return _Looked.UNKNOWABLE
        if isinstance(operation, Post) and operation.only_for is not None:
            return _Looked.UNKNOWABLE
        found = await self._find(operation, current)
        if found is _Looked.ABSENT:
            current.uncertain = 0
            self._doubts.pop(current.row.id, None)
        return found

    async def _find(self, operation: Post | Upload, current: _Try) -> MessageRef | _Looked:
        """Look for a post in its chat, twice, since what was just sent may show late.

        While nobody can be reached nothing could be sent either, so that waits with it.
        """
        moment = datetime.fromtimestamp(current.doubtful_since / 1_000_000, tz=UTC)
        looks = failures = unreached = 0
        while looks < LOOKS:
            try:
                found = await self._adapter.find(operation, moment)
            except RateLimited as error:
                await self._sleep(error.retry_after_s)
                continue
            except PlatformUnavailable:
                if self._was_a_day(current):
                    return _Looked.UNKNOWABLE
                await self._back_off(unreached)
                unreached += 1
                continue
            except SendUncertain:
                failures += 1
                if failures > LOOK_FAILURES:
                    return _Looked.UNKNOWABLE
                await self._back_off(failures - 1)
                continue
            except PlatformError as error:
                if isinstance(error, CredentialsRejected) and not isinstance(error, RightsMissing):
                    raise
                log.warning("a post can't be looked for: %s", error)
                return _Looked.UNKNOWABLE
            if found is not None:
                return found
            looks += 1
            if looks < LOOKS:
                await self._sleep(BETWEEN_LOOKS_S)
        return _Looked.ABSENT

    def _failed(self, row: OutboxRow, reason: str) -> _Fate:
        """A row the platform will never take; owners hear of words that were lost."""
        if row.purpose in {"final", "part", "send"}:
            self._alert(
                f"failed:{row.chat}",
                f"A message to {row.chat} could not be delivered: {reason}."
                f" `gatepost why o{row.id}` tells more.",
            )
        lost = row.purpose in {"final", "part"}
        return _Fate(state="dead", reason=reason, tell_chat=lost)

    async def _tell_chat(self, row: OutboxRow) -> None:
        """Say in the chat that words of an answer were lost; never said of such a sentence."""
        now = self._clock.now()
        words = outgoing.Words(body=blocks.plain(render.undelivered_text(f"o{row.id}")))
        notice = outgoing.notice(
            key=f"o{row.id}:lost",
            account=row.account,
            chat=row.chat,
            turn_id=row.turn_id,
            words=words,
            nonce=self._clock.nonce(),
            line=row.line,
        )
        stored = await self._store.write(
            lambda tx: outbox.insert(tx, notice, now=now), transition=transitions.NOTICE_STORED
        )
        if stored is not None:
            self._enqueue((stored,))

    async def _bury(self, current: _Try, reason: str) -> None:
        """Give up a chat and all that waits for it, until someone writes there again."""
        chat = chat_of(current.operation)
        if chat is None:
            return
        root, account, now = root_of(chat), current.row.account, self._clock.now()
        self._dead[root] = reason

        def unit(tx: Tx) -> bool:
            fresh = chats.mark(tx, account=account, chat=root, state="dead", reason=reason, now=now)
            outbox.bury(tx, account=account, chat=root, reason=reason, now=now)
            return fresh

        if await self._store.write(unit, transition=transitions.CHAT_BURIED):
            self._alert(
                f"dead:{root}",
                render.dead_chat_text(root, reason),
            )

    async def _dead_reason(self, operation: Operation) -> str | None:
        """Why a chat is dead; a chat that was written from meanwhile is alive again."""
        chat = chat_of(operation)
        if chat is None or (root := root_of(chat)) not in self._dead:
            return None
        account = refs.account_text(chat.account)
        state = await self._store.read(lambda tx: chats.state_of(tx, account=account, chat=root))
        if state == "dead":
            return self._dead[root]
        del self._dead[root]
        return None

    async def _target(self, row: OutboxRow) -> str | None:
        if row.target_id is None:
            return None
        if known := self._message_ids.get(row.target_id):
            return known
        target_id = row.target_id
        target = await self._store.read(lambda tx: outbox.get(tx, target_id))
        return target.message_id if target else None

    def _shows(self, operation: Operation) -> bool:
        if not isinstance(operation, Edit):
            return False
        shown = self._standing.get(_place(operation.message))
        return shown == (operation.body, operation.controls)

    async def _back_off(self, failures: int) -> None:
        delay = min(RETRY_FIRST_S * 2.0**failures, RETRY_MAX_S)
        await self._sleep(delay * (1 + JITTER * self._jitter()))

    def _age_s(self, since: int) -> float:
        return (self._clock.now() - since) / 1_000_000

    async def _depart(self, row: OutboxRow) -> int:
        now = self._clock.now()
        return await self._store.write(
            lambda tx: outbox.depart(tx, row.id, now=now), transition=transitions.ROW_DEPARTED
        )

    async def _hold(self, row: OutboxRow, reason: str) -> None:
        """Let a row wait; one in doubt stays in flight, for whoever starts after a crash."""
        if row.id in self._doubts:
            return
        await self._store.write(
            lambda tx: outbox.hold(tx, row.id, reason), transition=transitions.ROW_HELD
        )

    async def _settle(
        self,
        row: OutboxRow,
        state: OutboxState,
        *,
        reason: str | None,
        message_id: str | None = None,
    ) -> str | None:
        now = self._clock.now()
        await self._store.write(
            lambda tx: outbox.settle(
                tx, row.id, state=state, message_id=message_id, reason=reason, now=now
            ),
            transition=transitions.ROW_SETTLED,
        )
        self._doubts.pop(row.id, None)
        if message_id is not None and row.op == "post":
            self._message_ids[row.id] = message_id
        return message_id

    async def give_up(self, row: OutboxRow, reason: str) -> None:
        """Settle a row that can't even be tried."""
        await self._settle(row, "dead", reason=reason)


def _place(message: MessageRef) -> tuple[str, str]:
    """A message beyond doubt: some platforms number each chat's messages from one."""
    return root_of(message.chat), message.message_id
