"""Rows as tests store them, and short ways to run units over a store."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from gateway.store.base import Store, Tx
from gateway.store.records import inbox, outbox, sessions
from tests.transitions import KEPT

T = TypeVar("T")

ACCOUNT = "telegram:77"
CHAT = "telegram:1001"
KEY = f"{ACCOUNT}|{CHAT}"
ANN = "telegram:1001"
NOW = 1_760_000_000_000_000


async def write(store: Store, unit: Callable[[Tx], T]) -> T:
    """Run one unit."""
    return await store.write(unit, transition=KEPT)


def arrival(number: int = 1, text: str = "", **fields: Any) -> inbox.Arrival:
    """A message of ann's that may start a turn; keys, order and message id come from `number`."""
    content = inbox.Content(
        kind="message",
        author=ANN,
        author_name="Ann",
        reply_to=CHAT,
        text=text or f"message {number}",
    )
    plain = inbox.Arrival(
        account=ACCOUNT,
        delivery_key=f"d{number}",
        logical_key=f"l{number}",
        state="new",
        reason=None,
        lane="turn",
        session_key=KEY,
        chat=CHAT,
        message_id=str(number),
        author=ANN,
        order=(number, 0),
        occurred_at=NOW,
        received_at=NOW,
        content=content,
        raw="{}",
    )
    return replace(plain, **fields)


def queued_command(number: int, name: str = "new", args: str = "") -> inbox.Arrival:
    """A command that waits its turn."""
    plain = arrival(number)
    content = replace(
        plain.content, kind="command", text=f"/{name} {args}", command=name, args=args
    )
    return replace(plain, content=content)


async def arrived(store: Store, *arrivals: inbox.Arrival) -> list[int]:
    """Store arrivals and return their ids; a repeat is a fault of the test."""

    def unit(tx: Tx) -> list[int]:
        ids = [inbox.insert(tx, given) for given in arrivals]
        assert None not in ids
        return [ident for ident in ids if ident is not None]

    return await write(store, unit)


async def next_work(
    store: Store, *, key: str = KEY, one_by_one: bool = False
) -> sessions.OpenTurn | sessions.CommandDue | None:
    """What a session should do."""
    return await write(
        store, lambda tx: sessions.next_work(tx, key, now=NOW, one_by_one=one_by_one)
    )


async def opened(store: Store, *arrivals: inbox.Arrival) -> sessions.OpenTurn:
    """Store arrivals and open the turn they start."""
    await arrived(store, *arrivals)
    turn = await next_work(store)
    assert isinstance(turn, sessions.OpenTurn)
    return turn


async def closed(store: Store, turn: sessions.OpenTurn, state: str = "done") -> None:
    """Close a turn."""
    await write(
        store,
        lambda tx: sessions.close_turn(tx, turn, state=state, mark="none", error=None, now=NOW),
    )


async def inbox_states(store: Store) -> dict[int, tuple[str, str | None, int | None]]:
    """State, reason and turn of every inbox row."""
    rows = await store.read(
        lambda tx: tx.rows("SELECT id, state, reason, turn_id FROM inbox ORDER BY id")
    )
    return {ident: (state, reason, turn) for ident, state, reason, turn in rows}


def new_outbox(key: str = "k1", **fields: Any) -> outbox.NewOutbox:
    """A post that belongs to no turn."""
    plain = outbox.NewOutbox(
        dedupe_key=key,
        account=ACCOUNT,
        chat=CHAT,
        turn_id=None,
        part=0,
        purpose="notice",
        op="post",
        target_id=None,
        content='{"body": [], "quote": null, "only_for": null}',
        nonce="0" * 24,
    )
    return replace(plain, **fields)


async def inserted(store: Store, new: outbox.NewOutbox) -> outbox.OutboxRow:
    """Store an outbox row."""
    row = await write(store, lambda tx: outbox.insert(tx, new, now=NOW))
    assert row is not None
    return row
