"""What tests of the gateway stand on: a real store in a fresh directory, a clock moved by hand."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.errors import StoreFailed
from gateway.store import migrate
from gateway.store.sqlite import SqliteStore, open_sqlite
from tests.gateway.hand_clock import HandClock
from tests.gateway.intake import Intake


def _unexpected(failure: StoreFailed) -> None:
    raise AssertionError(failure)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """An empty store with the schema of this release."""
    opened = await open_sqlite(tmp_path / "state", migrate.packaged(), on_failure=_unexpected)
    yield opened
    await opened.close()


@pytest.fixture
async def clock() -> HandClock:
    """A clock that stands still."""
    return HandClock()


@pytest.fixture
async def intake(store: SqliteStore, tmp_path: Path, clock: HandClock) -> Intake:
    """The seam every adapter calls, over that store."""
    return Intake(store, tmp_path, clock)
