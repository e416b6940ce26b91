"""Outbox rows: stored once, and each on its way to a state it stays in."""

from dataclasses import replace

from gateway.store.base import Store
from gateway.store.records import outbox
from gateway.store.records.outbox import OutboxState
from tests.gateway.records.rows import (
    ACCOUNT,
    CHAT,
    NOW,
    arrival,
    inserted,
    new_outbox,
    opened,
    write,
)

LATER = NOW + 1_000_000


async def settled(store: Store, ident: int, state: OutboxState, message: str | None = None) -> None:
    """Settle a row."""
    await write(
        store,
        lambda tx: outbox.settle(tx, ident, state=state, message_id=message, reason="why", now=NOW),
    )


async def row(store: Store, ident: int) -> outbox.OutboxRow:
    """A row as it stands."""
    found = await store.read(lambda tx: outbox.get(tx, ident))
    assert found is not None
    return found


async def test_a_row_is_stored_once(store: Store) -> None:
    """The same dedupe key again stores nothing, whatever it says."""
    first = await inserted(store, new_outbox("k1"))
    assert first == outbox.OutboxRow(
        id=1,
        account=ACCOUNT,
        chat=CHAT,
        turn_id=None,
        part=0,
        purpose="notice",
        op="post",
        target_id=None,
        content=first.content,
        nonce="0" * 24,
        state="pending",
        message_id=None,
        attempts=0,
        created_at=NOW,
    )
    again = new_outbox("k1", content="{}", chat="telegram:2")
    assert await write(store, lambda tx: outbox.insert(tx, again, now=NOW)) is None
    assert await row(store, 1) == first
    assert await store.read(lambda tx: outbox.by_key(tx, "k1")) == 1
    assert await store.read(lambda tx: outbox.by_key(tx, "k2")) is None
    assert await store.read(lambda tx: outbox.get(tx, 2)) is None


async def test_the_way_of_a_row(store: Store) -> None:
    """Pending, in flight, held back, in flight again, sent: attempts are counted."""
    first = await inserted(store, new_outbox())
    await write(store, lambda tx: outbox.depart(tx, 1, now=LATER))
    assert await row(store, 1) == replace(first, state="in_flight", attempts=1, departed_at=LATER)
    await write(store, lambda tx: outbox.hold(tx, 1, "unreachable"))
    assert await row(store, 1) == replace(first, state="pending", attempts=1)
    await write(store, lambda tx: outbox.depart(tx, 1, now=LATER))
    await settled(store, 1, "sent", "55")
    assert await row(store, 1) == replace(
        first, state="sent", attempts=2, message_id="55", departed_at=LATER
    )


async def test_settling_without_an_id_keeps_the_known_one(store: Store) -> None:
    """An id that is known is not forgotten."""
    await inserted(store, new_outbox())
    await settled(store, 1, "sent", "55")
    await settled(store, 1, "dead")
    assert (await row(store, 1)).message_id == "55"


async def test_waiting_are_the_rows_that_have_not_surely_left(store: Store) -> None:
    """In the order they were made; what is settled in any way is not among them."""
    for number in range(1, 7):
        await inserted(store, new_outbox(f"k{number}"))
    states: tuple[OutboxState, ...] = ("sent", "unknown", "dead")
    for ident, state in enumerate(states, start=1):
        await settled(store, ident, state)
    await write(store, lambda tx: outbox.depart(tx, 5, now=LATER))
    waiting = await store.read(lambda tx: outbox.waiting(tx, ACCOUNT))
    assert [(r.id, r.state) for r in waiting] == [
        (4, "pending"),
        (5, "in_flight"),
        (6, "pending"),
    ]


async def test_rows_of_a_turn(store: Store) -> None:
    """Every row of one turn in order, and no other's."""
    turn = await opened(store, arrival(1))
    await inserted(store, new_outbox("a", turn_id=turn.turn_id, purpose="anchor"))
    await inserted(store, new_outbox("b"))
    await inserted(
        store, new_outbox("c", turn_id=turn.turn_id, purpose="final", op="edit", target_id=1)
    )
    rows = await store.read(lambda tx: outbox.of_turn(tx, turn.turn_id))
    assert [(r.id, r.op, r.target_id) for r in rows] == [(1, "post", None), (3, "edit", 1)]
