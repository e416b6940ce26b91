"""Jobs of the clock over the real store and real turns; nobody waits for a clock."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.store.sqlite import SqliteStore
from tests.gateway.cron_house import CHAT, CronHouse, job
from tests.gateway.hand_clock import HandClock

TO_THE_HOUR_S = 400.0
"""From the beginning of every test, 08:53:20, to nine o'clock."""


@pytest.fixture
async def make(
    store: SqliteStore, tmp_path: Path, clock: HandClock
) -> AsyncIterator[Callable[..., CronHouse]]:
    """Makes gateways with jobs, and closes them."""
    made: list[CronHouse] = []

    def one(**parts: Any) -> CronHouse:
        made.append(CronHouse(store, tmp_path, clock, **parts))
        return made[-1]

    yield one
    for house in made:
        await house.close()


async def test_a_slot_becomes_an_answer_in_its_chat(make: Callable[..., CronHouse]) -> None:
    """At nine the job asks the model once, and the answer stands in the chat it names."""
    house = await make().open(job())
    house.core.answers("Two questions are open.")
    await house.later(TO_THE_HOUR_S - 1)
    assert await house.fires() == []
    await house.later(1)
    await house.core.shows("Two questions are open.", chat="-100200")
    assert await house.states() == ["delivered"]
    assert CHAT.endswith("-100200")
