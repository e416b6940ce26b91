"""The sign that words to a busy session were seen.

To a running turn a reaction, or a line where there is none; to one that waits, a line to each
person who wrote.
"""

from gateway import outgoing, refs
from gateway.clock import Clock
from gateway.delivery import Deliveries
from gateway.outlet import Outlet
from gateway.recent import Recent
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import cards, inbox, outbox, sessions
from gateway.store.records.inbox import Waiting
from gateway.store.records.outbox import OutboxRow
from gateway.words import replies as said
from gateway.words.phrase import reader_of
from platforms.content import React
from platforms.events import MessageRef
from platforms.markup import parse

BUSY_EMOJI = "👀"
BUSY_LINE = said.STILL_AT_WORK.en
BUSY_LINE_EVERY_S = 30.0
CHATS_REMEMBERED = 10_000


class BusySigns:
    """Shows them; a line at most every `BUSY_LINE_EVERY_S` in a chat."""

    def __init__(self, *, store: Store, deliveries: Deliveries, clock: Clock) -> None:
        self._store = store
        self._deliveries = deliveries
        self._clock = clock
        self._said_at: Recent[str, float] = Recent(CHATS_REMEMBERED)

    def show(self, row: Waiting) -> None:
        """Show that a stored message was seen while a turn runs; returns at once."""
        outlet = self._deliveries.outlet(row.account)
        if outlet is None:
            return
        if outlet.adapter.capabilities.react:
            self._react(row, outlet)
            return
        chat, now = row.content.reply_to, self._clock.monotonic()
        said_at = self._said_at.get(chat)
        if said_at is None or now - said_at >= BUSY_LINE_EVERY_S:
            self._said_at[chat] = now
            self._deliveries.spawn(self._say(row, outlet))

    def _react(self, row: Waiting, outlet: Outlet) -> None:
        if row.message_id is None:
            return
        chat = refs.chat_from(row.chat, outlet.account)
        message = MessageRef(chat=chat, message_id=row.message_id)
        self._deliveries.spawn(outlet.sign(React(message=message, emoji=BUSY_EMOJI)))

    async def _say(self, row: Waiting, outlet: Outlet) -> None:
        text = said.STILL_AT_WORK.to(reader_of(row.content.language))
        note = note_to(row, self._clock, key=f"e{row.id}:busy", text=text)
        now = self._clock.now()
        stored = await self._store.write(
            lambda tx: outbox.insert(tx, note, now=now), transition=transitions.SEND_STORED
        )
        if stored is not None:
            outlet.enqueue((stored,))


def told_to_wait(tx: Tx, session_key: str, clock: Clock) -> tuple[OutboxRow, ...]:
    """Tell whoever wrote to a turn that waits what it waits for, each person once."""
    turn = sessions.waiting_turn(tx, session_key)
    if turn is None:
        return ()
    pending = cards.pending_of_turn(tx, turn.id)
    what, code = (said.WAITS, pending[0].code) if pending else (said.WORK_ELSEWHERE, "")
    notes = [
        note_to(
            row,
            clock,
            key=f"t{turn.id}:waits:{row.content.author}",
            text=what.to(reader_of(row.content.language), code=code),
        )
        for row in inbox.waiting_in(tx, session_key)
        if not row.content.alone
    ]
    stored = (outbox.insert(tx, note, now=clock.now()) for note in notes)
    return tuple(row for row in stored if row is not None)


def note_to(row: Waiting, clock: Clock, *, key: str, text: str) -> outbox.NewOutbox:
    """A line for the chat a row came from; `key` makes it stand there once."""
    return outgoing.notice(
        key=key,
        account=row.account,
        chat=row.content.reply_to,
        words=outgoing.Words(body=parse(text)),
        nonce=clock.nonce(),
    )
