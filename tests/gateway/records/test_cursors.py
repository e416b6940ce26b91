"""Cursors: how far each chat was stored."""

from gateway.store.base import Store
from gateway.store.records import cursors
from tests.gateway.records.rows import ACCOUNT, write


async def advanced(store: Store, chat: str, message_id: str, position: int) -> None:
    """Note a stored message."""
    await write(
        store,
        lambda tx: cursors.advance(
            tx, account=ACCOUNT, chat=chat, message_id=message_id, position=position
        ),
    )


async def test_a_cursor_only_moves_forward(store: Store) -> None:
    """A message that arrives out of order does not take the cursor of its chat back."""
    await advanced(store, "telegram:1", "7", 7)
    await advanced(store, "telegram:1", "5", 5)
    await advanced(store, "telegram:2", "1", 1)
    found = await store.read(lambda tx: cursors.newest(tx, ACCOUNT))
    assert sorted(found) == [("telegram:1", "7"), ("telegram:2", "1")]


async def test_cursors_of_accounts_are_apart(store: Store) -> None:
    """One account knows nothing of another's chats."""
    await advanced(store, "telegram:1", "7", 7)
    assert await store.read(lambda tx: cursors.newest(tx, "telegram:other")) == []
