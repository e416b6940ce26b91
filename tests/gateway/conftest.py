"""What tests of the gateway stand on: a real store in a fresh directory, a clock moved by hand."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StoreFailed
from gateway.store import migrate
from gateway.store.sqlite import SqliteStore, open_sqlite
from tests.gateway.doubt import Story
from tests.gateway.hand_clock import HandClock
from tests.gateway.intake import Intake
from tests.gateway.scripted_adapter import ScriptedAdapter
from tests.gateway.terminal_house import House
from tests.gateway.way_out import WayOut


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


@pytest.fixture
async def make_way(store: SqliteStore, clock: HandClock) -> AsyncIterator[Callable[..., WayOut]]:
    """Makes ways out of a scripted platform with these capabilities, and closes them."""
    made: list[WayOut] = []

    def way_out(**capabilities: Any) -> WayOut:
        made.append(WayOut(store, clock, ScriptedAdapter(**capabilities)))
        return made[-1]

    yield way_out
    for way in made:
        await way.outlet.close()


@pytest.fixture
async def way(make_way: Callable[..., WayOut]) -> WayOut:
    """One way out of a platform without nonces."""
    return make_way()


@pytest.fixture
async def story(store: SqliteStore, tmp_path: Path, clock: HandClock) -> AsyncIterator[Story]:
    """A platform on which nothing has happened yet, and gateways to come."""
    told = Story(store, tmp_path, clock)
    yield told
    if told.made:
        await told.made[-1].close()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A gateway for terminals that runs."""
    house = House(tmp_path)
    await house.open()
    yield house
    await house.shut()
