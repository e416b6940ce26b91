"""What time does to cards and money: one task looks at what is due, whatever waits.

    a card's message never arrived       undeliverable: its turn halts, its chat and owners hear
    half of a card's time is over        one reminder
    all of it                            expired: nobody's silence is a yes; its turn halts
    an allowance's time is over          ended
    a hold without a figure              booked in full (or by its estimate)

A press that was journaled in time is decided before its card expires, however late it is read.
Many cards that expire together end a few at a time, at half of the pace at which chats can be told:
nobody waits for that, and other chats wait for their answers on the same way out.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal

from gateway import outgoing
from gateway.clock import Clock
from gateway.decisions import Decisions
from gateway.errors import StoreClosed, StoreError, StoreFailed
from gateway.painting import Painter
from gateway.progress import Wait
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import allowances, cards, inbox, ledger, outbox
from gateway.store.records.cards import Card
from gateway.store.records.ledger import Settled
from gateway.store.records.outbox import NewOutbox, OutboxRow
from gateway.words import card as words
from gateway.words import notices, outcomes
from gateway.words.phrase import Phrase, Told
from platforms.markup import parse

EVERY_S = 2.0
AT_ONCE = 50
A_FEW = 10
"""Cards that end, or are reminded of, before what is said of them has to be on its way."""

UNDELIVERABLE_US = 10 * 60 * 1_000_000
PRESSES_FIRST_US = 5 * 60 * 1_000_000

log = logging.getLogger(__name__)


class DeskClock:
    """Ends what time ends."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        decisions: Decisions,
        painter: Painter,
        enqueue: Callable[[tuple[OutboxRow, ...]], None],
        wake: Callable[[str], None],
        tell_owners: Callable[[str, Told], None],
        booked: Callable[[Tx, Settled], tuple[OutboxRow, ...]],
        wait: Wait,
        flushed: Callable[[frozenset[str], float], Awaitable[None]],
    ) -> None:
        """`wait` waits for an event, or for so many seconds; `tell_owners` takes key, sentence.

        `flushed` waits until nothing waits to leave some accounts, or for so many seconds.

        `booked` gives what is to be sent because money was booked.
        """
        self._booked = booked
        self._store = store
        self._clock = clock
        self._decisions = decisions
        self._painter = painter
        self._enqueue = enqueue
        self._wake = wake
        self._tell_owners = tell_owners
        self._wait = wait
        self._flushed = flushed
        self._started_at = clock.now()
        self._never = asyncio.Event()

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            try:
                while await self.look():
                    pass
            except (StoreFailed, StoreClosed):
                return
            except StoreError as error:
                log.warning("what is due is looked at again: %s", error)
            await self._wait(self._never, EVERY_S)

    async def look(self) -> bool:
        """End what is due now; True if there may be more of it."""
        now = self._clock.now()
        more = await self._posted(now)
        more |= await self._expire(now)
        more |= await self._remind(now)
        await self._allowances(now)
        return more | await self._overdue(now)

    async def _posted(self, now: int) -> bool:
        since = self._started_at  # before that nothing could be sent
        found = await self._store.read(lambda tx: _posts(tx, now, since=since))
        for card, state in found:
            if state == "sent":
                await self._store.write(
                    lambda tx: cards.posted(tx, card.id, now=now),  # noqa: B023 - awaited here
                    transition=transitions.CARD_POSTED,
                )
            else:
                why = outcomes.UNSENT if state == "dead" else outcomes.LATE
                await self._end(card, "undeliverable", why)
        return len(found) == AT_ONCE

    async def _expire(self, now: int) -> bool:
        due = await self._store.read(lambda tx: cards.expired(tx, now=now, limit=A_FEW))
        ended = 0
        for card in due:
            ended += await self._end(card, "expired", outcomes.NOBODY_IN_TIME)
        return ended == A_FEW and await self._told(due)

    async def _told(self, told: tuple[Card, ...]) -> bool:
        """Wait until what was said of these cards is sent, and as long again; always True."""
        began = self._clock.monotonic()
        await self._flushed(frozenset(card.account for card in told), EVERY_S)
        await self._wait(self._never, self._clock.monotonic() - began)
        return True

    async def _end(
        self, card: Card, state: Literal["expired", "undeliverable"], why: Phrase
    ) -> bool:
        """End a card and halt its turn; False if a press on it has to be decided first."""
        now = self._clock.now()
        due_at = max(self._started_at, card.expires_at or 0)
        waits = now - due_at < PRESSES_FIRST_US

        def unit(tx: Tx) -> tuple[OutboxRow, ...] | None:
            fresh = cards.get(tx, card.id)
            if fresh is None or fresh.state != "open":
                return ()
            before = fresh.expires_at or now
            if waits and inbox.presses_before(tx, (card.account, card.origin_account), before):
                return None
            return self._decisions.ends.halt(tx, fresh, state, why)

        rows = await self._store.write(unit, transition=transitions.CARD_ENDED)
        if rows is None:
            return False
        self._enqueue(rows)
        self._wake(card.session_key)
        if state == "undeliverable":
            told = notices.NOT_ASKED.of(code=card.code, chat=card.origin, why=why.of())
            self._tell_owners(f"undeliverable:{card.id}", told)
        return True

    async def _remind(self, now: int) -> bool:
        due = await self._store.read(lambda tx: cards.to_remind(tx, now=now, limit=A_FEW))
        for card in due:
            new = self._reminder(card)

            def unit(tx: Tx) -> OutboxRow | None:
                if not cards.reminded(tx, card.id):  # noqa: B023 - awaited in this round
                    return None
                return outbox.insert(tx, new, now=now)  # noqa: B023

            row = await self._store.write(unit, transition=transitions.CARD_REMINDED)
            self._enqueue((row,) if row is not None else ())
        return len(due) == A_FEW and await self._told(due)

    def _reminder(self, card: Card) -> NewOutbox:
        until = self._painter.time(card.expires_at)
        reader = self._painter.reader_of(card)
        text = words.REMINDER.to(reader, code=card.code, at=until)
        return outgoing.notice(
            key=f"card:{card.id}:reminder",
            account=card.account,
            chat=card.chat,
            line=f"c{card.id}",
            turn_id=card.turn_id,
            words=outgoing.Words(body=parse(text)),
            nonce=self._clock.nonce(),
        )

    async def _allowances(self, now: int) -> None:
        if await self._store.read(lambda tx: allowances.any_past(tx, now=now)):
            await self._store.write(
                lambda tx: allowances.end_past(tx, now=now),
                transition=transitions.ALLOWANCE_ENDED,
            )

    async def _overdue(self, now: int) -> bool:
        if not await self._store.read(lambda tx: ledger.any_overdue(tx, now=now)):
            return False

        def unit(tx: Tx) -> tuple[int, tuple[OutboxRow, ...]]:
            closed = ledger.close_overdue(tx, now=now)
            return len(closed), tuple(
                row for settled in closed for row in self._booked(tx, settled)
            )

        count, rows = await self._store.write(unit, transition=transitions.HOLD_CHARGED)
        self._enqueue(rows)
        return count >= AT_ONCE


def _posts(tx: Tx, now: int, *, since: int) -> list[tuple[Card, str]]:
    """Open cards with news of their message: it stands, is dead, or is late."""
    found = []
    for card in cards.unposted(tx, limit=AT_ONCE * 4):
        state = outbox.state_of(tx, f"card:{card.id}:post")
        late = now - max(card.opened_at or card.created_at, since) > UNDELIVERABLE_US
        if state in ("sent", "dead") or late:
            found.append((card, state or "missing"))
    return found[:AT_ONCE]
