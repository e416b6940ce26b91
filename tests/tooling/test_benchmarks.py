"""The cards that a benchmark copies are cards like any other."""

import signal
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks import gated, stored
from benchmarks.arena import DO, GatewayArena
from benchmarks.waiting import with_cards
from gateway import audit
from gateway.chain import Intact
from gateway.store import migrate
from gateway.store.directory import DATABASE
from gateway.store.sqlite import open_sqlite

CARDS = 10

Copied = Callable[[], Awaitable[tuple[GatewayArena, tuple[stored.WaitingCard, ...]]]]


@pytest.fixture
async def copied(tmp_path: Path) -> Copied:
    """A gateway was stopped while a card waits; then there were more like it."""
    chat = stored.WAITING_CHAT
    async with GatewayArena(tmp_path / "left", gated=True) as arena:
        await arena.card(chat, f"{DO} {gated.ASKED} 1 {chat}")
        await arena.end(signal.SIGTERM)

    async def more() -> tuple[GatewayArena, tuple[stored.WaitingCard, ...]]:
        return await with_cards(tmp_path / "more", tmp_path / "left" / "state", cards=CARDS)

    return more


async def test_copies_fit_together_and_their_history_verifies(
    copied: Copied, tmp_path: Path
) -> None:
    """No row of a copy misses another, no code is there twice, and the audit holds all of them."""
    await copied()
    state = tmp_path / "more" / "state"
    with closing(sqlite3.connect(state / DATABASE)) as database:
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        codes = database.execute("SELECT COUNT(DISTINCT code) FROM card").fetchone()
        assert codes == (CARDS,)
    store = await open_sqlite(state, migrate.packaged(), on_failure=_failed)
    try:
        found = await audit.verify(store)
    finally:
        await store.close()
    assert isinstance(found, Intact)


async def test_the_button_of_a_copy_lets_its_call_run(copied: Copied) -> None:
    """A gateway that starts with copies takes a press on one and runs what that card asked for."""
    arena, cards = await copied()
    async with arena:
        to_tool, _ = await arena.press(cards[-1].chat)
    assert to_tool > 0


def _failed(failure: Exception) -> None:
    raise failure
