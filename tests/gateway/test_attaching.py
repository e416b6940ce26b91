"""Connecting an account: everything that waited for it leaves, once, doubts settled first."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import pytest

from gateway import outgoing
from gateway.delivery import Deliveries
from gateway.errors import QueryTooLong
from gateway.store.base import Store, StoreHealth, Transition, Tx
from gateway.store.records import chats, outbox
from gateway.store.records.outbox import NewOutbox, Op, OutboxRow
from gateway.store.sqlite import SqliteStore
from platforms.blocks import plain
from platforms.content import Post
from platforms.errors import CredentialsRejected
from platforms.events import MessageRef
from tests.gateway.events import DM
from tests.gateway.hand_clock import HandClock
from tests.gateway.records.rows import NOW, new_outbox
from tests.gateway.scripted_adapter import ScriptedAdapter
from tests.transitions import KEPT

T = TypeVar("T")

MANY = 1_200
"""More than two pages of what is read at once."""

READS = 5
"""The marks of chats, three pages, and what came meanwhile."""


class Interrupted:
    """A store between whose reads other things happen: `then` runs after each of them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reads = 0
        self.then: Callable[[int], Awaitable[None]] | None = None

    async def write(self, unit: Callable[[Tx], T], *, transition: Transition) -> T:
        """Write as ever."""
        return await self._store.write(unit, transition=transition)

    async def read(self, query: Callable[[Tx], T]) -> T:
        """Read, and let something happen before whoever asked goes on."""
        found = await self._store.read(query)
        self.reads += 1
        if self.then is not None:
            await self.then(self.reads)
        return found

    async def close(self) -> None:
        """Nothing: the store outlives this."""

    def health(self) -> StoreHealth:
        """The store's own."""
        return self._store.health()


def row_of(number: int, **fields: Any) -> NewOutbox:
    """A post whose words are its number."""
    words = outgoing.dump(outgoing.Words(body=plain(str(number))))
    return new_outbox(f"k{number}", content=words, nonce=f"{number:024x}", **fields)


def in_a_line(number: int) -> NewOutbox:
    """A post of one of three sessions."""
    return row_of(number, line=f"s{number % 3}")


async def stored(store: Store, *new: NewOutbox) -> tuple[OutboxRow, ...]:
    """Store rows in one commit."""

    def unit(tx: Tx) -> tuple[OutboxRow, ...]:
        rows = [outbox.insert(tx, each, now=NOW) for each in new]
        return tuple(row for row in rows if row is not None)

    return await store.write(unit, transition=KEPT)


class Connecting:
    """Deliveries over a store that is interrupted, and one account to connect."""

    def __init__(self, store: SqliteStore, clock: HandClock, **capabilities: Any) -> None:
        self.store = Interrupted(store)
        self.adapter = ScriptedAdapter(**capabilities)
        self.clock = clock
        self.deliveries = self.made()

    def made(self, doubt_before: int | None = None) -> Deliveries:
        """Deliveries as a start of the gateway makes them."""
        self.deliveries = Deliveries(store=self.store, clock=self.clock, doubt_before=doubt_before)
        return self.deliveries

    async def attach(self) -> None:
        """Connect the account."""
        await self.deliveries.attach(self.adapter.account, self.adapter)

    async def settled(self) -> None:
        """Wait until everything has left."""
        for outlet in self.deliveries.outlets():
            await outlet.flush()

    async def states(self) -> set[str]:
        """Every state a row is in."""
        rows = await self.store.read(lambda tx: tx.rows("SELECT DISTINCT state FROM outbox"))
        return {str(row[0]) for row in rows}


@pytest.fixture
async def connecting(store: SqliteStore, clock: HandClock) -> AsyncIterator[Connecting]:
    """An account that is not connected yet."""
    made = Connecting(store, clock)
    yield made
    await made.deliveries.close(flush_s=0)


async def test_everything_that_waits_leaves_once(connecting: Connecting) -> None:
    """Several pages, and what is stored wherever in their reading, each line in its order.

    It takes a second: there is no page smaller than five hundred rows.
    """
    await stored(connecting.store, *(in_a_line(number) for number in range(MANY)))
    new = iter(range(MANY, MANY + 100))

    async def more(reads: int) -> None:
        if reads <= READS:
            rows = await stored(connecting.store, in_a_line(next(new)), in_a_line(next(new)))
            connecting.deliveries.enqueue(rows)

    connecting.store.then = more
    await connecting.attach()
    assert connecting.store.reads >= READS
    connecting.store.then = None
    await connecting.settled()
    shown = [int(text) for text in connecting.adapter.shown("1001")]
    assert sorted(shown) == list(range(next(new)))
    for line in range(3):
        of_line = [number for number in shown if number % 3 == line]
        assert of_line == sorted(of_line)
    assert await connecting.states() == {"sent"}


async def test_a_reading_that_fails_has_sent_nothing(connecting: Connecting) -> None:
    """The account is connected anew then, by another way out: nothing leaves by both."""
    rows = await stored(connecting.store, *(row_of(number) for number in range(501)))

    async def fail(reads: int) -> None:
        if reads == 2:  # the marks, and a page
            connecting.deliveries.enqueue(await stored(connecting.store, row_of(501)))
            raise QueryTooLong("a read took more than 1 s and was stopped")

    connecting.store.then = fail
    with pytest.raises(QueryTooLong):
        await connecting.attach()
    assert connecting.deliveries.outlets() == ()
    connecting.store.then = None
    await connecting.attach()
    await connecting.settled()
    assert connecting.adapter.shown("1001") == [str(number) for number in range(len(rows) + 1)]


async def test_rows_of_others_are_left_alone(connecting: Connecting) -> None:
    """Those of an account that is not connected wait on."""
    rows = await stored(
        connecting.store, row_of(1), row_of(2, account="slack:A1", chat="slack:T1/C1")
    )
    connecting.deliveries.enqueue(rows)
    await connecting.attach()
    await connecting.settled()
    assert connecting.adapter.chats == {"1001": {"1": "1"}}
    assert await connecting.states() == {"sent", "pending"}


async def test_connecting_anew_sends_what_a_refusal_held_back(connecting: Connecting) -> None:
    """In its order, and nothing twice."""
    connecting.adapter.then(Post, CredentialsRejected("revoked"))
    await connecting.attach()
    rows = await stored(connecting.store, *(row_of(number) for number in range(3)))
    connecting.deliveries.enqueue(rows)
    await connecting.settled()
    (outlet,) = connecting.deliveries.outlets()
    assert (outlet.problem, outlet.depth) == ("revoked", 3)
    connecting.deliveries.enqueue(await stored(connecting.store, row_of(3)))
    await connecting.attach()
    await connecting.settled()
    assert connecting.adapter.shown("1001") == ["0", "1", "2", "3"]
    assert connecting.deliveries.outlets() == (outlet,)


async def test_marks_of_chats_are_known_from_the_start(connecting: Connecting) -> None:
    """Nothing leaves for a dead or paused chat, before anything else does."""
    marks: tuple[tuple[str, chats.ChatState], ...] = (
        ("telegram:1", "dead"),
        ("telegram:2", "paused"),
    )

    def unit(tx: Tx) -> None:
        for chat, state in marks:
            chats.mark(tx, account="telegram:77", chat=chat, state=state, reason="x", now=1)

    await connecting.store.write(unit, transition=KEPT)
    await stored(
        connecting.store, *(row_of(number, chat=f"telegram:{number}") for number in (1, 2, 3))
    )
    await connecting.attach()
    await connecting.settled()
    assert connecting.adapter.chats == {"3": {"1": "3"}}
    assert await connecting.states() == {"dead", "pending", "sent"}


# After the machine went down, and with it the last marks of what left.


@pytest.mark.parametrize("op", ["post", "upload"])
async def test_after_a_reboot_what_was_pending_is_looked_for(
    store: SqliteStore, clock: HandClock, op: Op
) -> None:
    """It may have left without its row saying so; what stands is not sent again."""
    connecting = Connecting(store, clock, read_back=True)
    file = outgoing.dump(outgoing.File(data=b"x", name="a.md", mime="text/markdown"))
    await stored(store, row_of(1) if op == "post" else new_outbox("k1", op=op, content=file))
    connecting.adapter.found.append(MessageRef(chat=DM, message_id="5"))
    connecting.made(doubt_before=NOW + 1)
    await connecting.attach()
    await connecting.settled()
    assert connecting.adapter.performed == []
    assert await connecting.states() == {"sent"}
    await connecting.deliveries.close(flush_s=0)


async def test_what_was_made_after_the_reboot_is_in_no_doubt(
    store: SqliteStore, clock: HandClock
) -> None:
    """Its marks are all there."""
    connecting = Connecting(store, clock, read_back=True)
    await stored(store, row_of(1))
    connecting.made(doubt_before=NOW)
    await connecting.attach()
    await connecting.settled()
    assert connecting.adapter.lookups == []
    assert connecting.adapter.shown("1001") == ["1"]
    await connecting.deliveries.close(flush_s=0)


async def test_where_nothing_tells_it_is_sent(connecting: Connecting) -> None:
    """A possible double of what was lost with the machine, but the words arrive."""
    await stored(connecting.store, row_of(1))
    connecting.made(doubt_before=NOW + 1)
    await connecting.attach()
    await connecting.settled()
    assert connecting.adapter.shown("1001") == ["1"]
