"""A house of the desk for every test."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.store.sqlite import SqliteStore
from tests.gateway.approvals.house import House
from tests.gateway.hand_clock import HandClock
from tests.gateway.steady import SteadyStore
from tests.warp import WarpLoop


@pytest.fixture
async def house(store: SqliteStore, tmp_path: Path, clock: HandClock) -> AsyncIterator[House]:
    """A gateway with a desk, connected."""
    warps = isinstance(asyncio.get_running_loop(), WarpLoop)
    made = House(SteadyStore(store) if warps else store, tmp_path, clock)
    await made.open()
    yield made
    await made.shut()
