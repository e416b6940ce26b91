"""Rows of jobs and their fires: a slot is one fire's, and what is over goes in time."""

import pytest

from gateway.store.base import Store, Tx
from gateway.store.records import cron, fires
from gateway.store.records.cron import Definition, Job
from gateway.store.records.fires import BY_HAND, KEPT, KEPT_US, FireState, NewFire
from tests.gateway.hand_clock import START
from tests.gateway.records.rows import write

HOUR = 3_600_000_000
DEFINITION = Definition(schedule="@hourly", zone="UTC", prompt="x", deliver="telegram:1")
JOB = Job(name="a", source="config", definition=DEFINITION, since=START, next_at=START + HOUR)


def insert(
    tx: Tx, slot: int, *, fold: int = 0, state: FireState = "due", now: int = START
) -> int | None:
    return fires.insert(tx, NewFire(job="a", slot=slot, fold=fold, state=state), now=now)


async def test_a_slot_is_one_fire_s(store: Store) -> None:
    """Whoever comes second has none; the same hour once more, and a run by hand, are others."""
    assert await write(store, lambda tx: insert(tx, START)) is not None
    assert await write(store, lambda tx: insert(tx, START)) is None
    for fold in (1, BY_HAND):
        assert await write(store, lambda tx: insert(tx, START, fold=fold)) is not None  # noqa: B023


async def test_a_job_is_moved_on_from_a_slot_once(store: Store) -> None:
    """Of two that found it due the second finds it gone on; so does one behind an edit."""

    def move(tx: Tx) -> bool:
        return cron.move_on(tx, "a", at=START + HOUR, fold=0, next_at=START + 2 * HOUR, next_fold=0)

    await write(store, lambda tx: cron.put(tx, JOB))
    assert await write(store, move)
    assert not await write(store, move)
    assert [job.name for job in await store.read(lambda tx: _due(tx, START + 2 * HOUR))] == ["a"]
    assert await store.read(lambda tx: _due(tx, START + 2 * HOUR - 1)) == ()


def _due(tx: Tx, now: int) -> tuple[Job, ...]:
    return cron.due(tx, now=now, limit=5)


@pytest.mark.parametrize("state", ["paused", "over", "removed"])
async def test_only_a_paused_job_has_further_slots(store: Store, state: cron.JobState) -> None:
    """What is over or removed has none that could come."""
    job = Job(name="a", source="config", definition=DEFINITION, since=START, state=state)
    await write(store, lambda tx: cron.put(tx, job))
    assert await store.read(lambda tx: _due(tx, START + HOUR)) == ()


async def test_the_past_of_a_job_goes_by_number_and_age(store: Store) -> None:
    """Its last 500 fires of 30 days stay; what is not over stays whatever its age."""

    def fill(tx: Tx) -> None:
        insert(tx, -1, state="due", now=START - 2 * KEPT_US)
        for slot in range(KEPT + 20):
            old = slot < 3
            insert(tx, slot, state="skipped", now=START - (2 * KEPT_US if old else 0))

    await write(store, fill)
    assert await write(store, lambda tx: fires.prune(tx, "a", now=START)) == 20
    left = await store.read(lambda tx: fires.latest(tx, "a", limit=1_000))
    assert (len(left), left[-1].slot, left[-2].slot) == (KEPT + 1, -1, 20)
    young = START + KEPT_US + 1
    assert await write(store, lambda tx: fires.prune(tx, "a", now=young)) == KEPT


async def test_what_a_key_made_stays_as_long_as_it_is_known(store: Store) -> None:
    """However many come after it, the same request finds it for a day."""

    def fill(tx: Tx) -> None:
        for slot in range(KEPT + 20):
            new = NewFire(job="a", slot=slot, fold=BY_HAND, state="skipped", request_key=f"k{slot}")
            fires.insert(tx, new, now=START)

    await write(store, fill)
    for now, known, gone in ((START, "k0", 0), (START + fires.KEY_US, "k20", 20)):
        assert await write(store, lambda tx: fires.prune(tx, "a", now=now)) == gone  # noqa: B023
        found = await store.read(lambda tx: fires.latest(tx, "a", limit=1_000))
        assert found[-1].slot == int(known[1:])


async def test_a_removed_job_is_forgotten_with_its_last_fire(store: Store) -> None:
    """Until then `why` can tell of it."""
    await write(store, lambda tx: cron.put(tx, JOB))
    await write(store, lambda tx: insert(tx, START, state="skipped"))
    for now, known in ((START, True), (START + 2 * KEPT_US, False)):

        def forget(tx: Tx, now: int = now) -> None:
            cron.remove(tx, "a")
            fires.prune(tx, "a", now=now)
            cron.forget(tx, "a")

        await write(store, forget)
        assert (await store.read(lambda tx: cron.get(tx, "a")) is not None) is known


async def test_a_fire_that_was_given_up_is_no_turn_s(store: Store) -> None:
    """Neither is one that runs given up any more."""
    due = await write(store, lambda tx: insert(tx, START))
    runs = await write(store, lambda tx: insert(tx, START + 1))
    assert due is not None and runs is not None

    def both(tx: Tx) -> tuple[bool, bool]:
        skipped = fires.skip(tx, due, "edited", now=START)
        fires.claimed(tx, due, 7)
        fires.claimed(tx, runs, 8)
        return skipped, fires.skip(tx, runs, "edited", now=START)

    assert await write(store, both) == (True, False)
    states = [fire.state for fire in await store.read(fires.at_work)]
    assert states == ["running"]
