"""From where a platform is read back after a run that died while it read."""

from gateway.store.base import Store
from gateway.store.records import cursors, gaps, starts
from tests.gateway.records.rows import NOW, write

SECOND = 1_000_000
ACCOUNT = "slack:A1"


async def begun(store: Store, at: int) -> None:
    """A run begins."""
    await write(store, lambda tx: starts.begin(tx, now=at, boot="b"))


async def read_back(store: Store, until: int) -> None:
    """The gap before `until` is read back whole."""
    await write(
        store,
        lambda tx: gaps.insert(
            tx, account=ACCOUNT, since=until - SECOND, until=until, cause="not running", recovered=0
        ),
    )


async def up_to(store: Store, account: str = ACCOUNT) -> int | None:
    """Since when there may be holes."""
    return await store.read(lambda tx: cursors.read_up_to(tx, account))


async def test_a_run_that_read_all_back_leaves_no_hole(store: Store) -> None:
    """Only the present run is open then."""
    await begun(store, NOW)
    await read_back(store, NOW + SECOND)
    assert await up_to(store) is None
    await begun(store, NOW + 100 * SECOND)
    assert await up_to(store) == NOW + 100 * SECOND


async def test_runs_that_died_while_reading_leave_the_first_ones_hole(store: Store) -> None:
    """However many died after it; another account's reading closes nothing."""
    await begun(store, NOW)
    await read_back(store, NOW + SECOND)
    for number in range(2, 5):
        await begun(store, NOW + number * 100 * SECOND)
    assert await up_to(store) == NOW + 200 * SECOND
    assert await up_to(store, "discord:1") == NOW
