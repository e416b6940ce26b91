"""What every store engine must hold; a new engine adds one entry to ENGINES and passes."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from gateway.errors import (
    ConstraintViolated,
    QueryTooLong,
    StoreClosed,
    StoreError,
    StoreFailed,
)
from gateway.store.base import Durability, Row, Store, Tx
from gateway.store.migrate import Migration
from gateway.store.sqlite import open_sqlite
from tests.transitions import KEPT, SYNCED

POWER, PROCESS = Durability.POWER, Durability.PROCESS

SCHEMA = (
    Migration(
        number=1,
        name="items",
        sql="""
        CREATE TABLE item (id {{serial}}, name TEXT NOT NULL UNIQUE, amount INTEGER NOT NULL);
        CREATE TABLE note (item_id BIGINT NOT NULL REFERENCES item (id), body TEXT NOT NULL);
        """,
    ),
)


class Engine(Protocol):
    """Opens a store on a place of its own; opening the same place again finds the same rows."""

    def __call__(self, place: Path, durability: Durability) -> Awaitable[Store]: ...


async def _sqlite(place: Path, durability: Durability) -> Store:
    return await open_sqlite(place, SCHEMA, durability=durability, on_failure=_unexpected)


def _unexpected(failure: StoreFailed) -> None:
    raise AssertionError(failure)


ENGINES: dict[str, Engine] = {"sqlite": _sqlite}

Opener = Callable[..., Any]  # async context manager of a Store


@pytest.fixture(params=ENGINES)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens the same store each time it is called, and closes it."""

    @asynccontextmanager
    async def open_store(durability: Durability = POWER) -> AsyncIterator[Store]:
        store = await ENGINES[request.param](tmp_path / "state", durability)
        try:
            yield store
        finally:
            await store.close()

    return open_store


@pytest.fixture
async def store(opened: Opener) -> AsyncIterator[Store]:
    """One open store."""
    async with opened() as store:
        yield store


def add(name: str, amount: int = 1) -> Callable[[Tx], int]:
    """A unit that adds one item and returns its id."""

    def unit(tx: Tx) -> int:
        row = tx.row("INSERT INTO item (name, amount) VALUES (?, ?) RETURNING id", name, amount)
        assert row is not None
        return int(row[0])

    return unit


def names(tx: Tx) -> list[str]:
    """Every item's name, in order of insertion."""
    return [name for (name,) in tx.rows("SELECT name FROM item ORDER BY id")]


def endless(tx: Tx) -> Row | None:
    """A query that never ends by itself."""
    return tx.row(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    )


class Gate:
    """A unit that holds the writer until it is let go, so that others gather behind it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._entered = asyncio.Event()
        self._go = threading.Event()

    def __call__(self, tx: Tx) -> None:
        self._loop.call_soon_threadsafe(self._entered.set)
        assert self._go.wait(100)

    async def entered(self) -> None:
        """Return once the unit runs."""
        async with asyncio.timeout(60):
            await self._entered.wait()

    def open(self) -> None:
        """Let the unit end."""
        self._go.set()


async def test_a_write_returns_its_result_and_is_read_back(store: Store) -> None:
    """A unit's value comes back and its rows are there for the next read."""
    first = await store.write(add("one"), transition=SYNCED)
    second = await store.write(add("two"), transition=KEPT)
    assert (first, second) == (1, 2)
    assert await store.read(names) == ["one", "two"]


async def test_rows_survive_closing(opened: Opener) -> None:
    """What was written is there when the store is opened again."""
    async with opened() as store:
        await store.write(add("kept"), transition=KEPT)
    async with opened() as store:
        assert await store.read(names) == ["kept"]


async def test_row_row_less_and_counts(store: Store) -> None:
    """`row` gives None for nothing; `run` counts changed rows, conflicts and CTEs included."""

    def unit(tx: Tx) -> list[int]:
        insert = "INSERT INTO item (name, amount) VALUES (?, 1) ON CONFLICT (name) DO NOTHING"
        upsert = (
            "INSERT INTO item (name, amount) VALUES (?, 5)"
            " ON CONFLICT (name) DO UPDATE SET amount = item.amount + excluded.amount"
        )
        through_cte = (
            "WITH small AS (SELECT id FROM item WHERE amount < ?)"
            " UPDATE item SET amount = 9 WHERE id IN (SELECT id FROM small)"
        )
        assert tx.row("SELECT name FROM item WHERE name = ?", "a") is None
        counts = [tx.run(insert, "a"), tx.run(insert, "a"), tx.run(upsert, "a")]
        counts += [tx.run(insert, "b"), tx.run(through_cte, 7), tx.run(through_cte, 7)]
        counts += [tx.run("UPDATE item SET amount = 0 WHERE name = ?", "nobody")]
        return counts

    assert await store.write(unit, transition=SYNCED) == [1, 0, 1, 1, 2, 0, 0]


async def test_returning_gives_every_row(store: Store) -> None:
    """A statement with RETURNING yields the rows it changed."""
    await store.write(add("a"), transition=SYNCED)
    await store.write(add("b"), transition=SYNCED)
    rows = await store.write(
        lambda tx: tx.rows("UPDATE item SET amount = amount + 1 RETURNING name, amount"),
        transition=SYNCED,
    )
    assert sorted(rows) == [("a", 2), ("b", 2)]


async def test_values_come_back_as_they_went_in(store: Store) -> None:
    """Text, whole numbers of 63 bits, fractions, bytes and null keep kind and value."""
    given = ("straße \U0001f600\n", 2**63 - 1, 0.1, b"\x00\xff", None)
    row = await store.read(
        lambda tx: tx.row(
            "SELECT CAST(? AS TEXT), CAST(? AS BIGINT), ?, ?, CAST(? AS TEXT)", *given
        )
    )
    assert row == given


async def test_a_failing_unit_leaves_its_neighbours_alone(store: Store) -> None:
    """In one group a unit that raises loses its rows only, and only its caller hears of it."""

    def doomed(tx: Tx) -> None:
        add("half")(tx)
        raise LookupError("no such thing")

    gate = Gate()
    holder = asyncio.create_task(store.write(gate, transition=SYNCED))
    await gate.entered()
    group = asyncio.gather(
        store.write(add("before"), transition=SYNCED),
        store.write(doomed, transition=SYNCED),
        store.write(add("after"), transition=SYNCED),
        return_exceptions=True,
    )
    await asyncio.sleep(0)
    commits = store.health().commits
    gate.open()
    before, failed, after = await group
    await holder
    assert store.health().commits == commits + 2
    assert isinstance(before, int)
    assert isinstance(after, int)
    assert isinstance(failed, LookupError)
    assert await store.read(names) == ["before", "after"]


async def test_a_broken_rule_is_named_and_ends_the_unit(store: Store) -> None:
    """A violated constraint cannot be swallowed: the unit is undone and the caller told."""
    await store.write(add("taken"), transition=SYNCED)

    def swallows(tx: Tx) -> str:
        add("other")(tx)
        try:
            add("taken")(tx)
        except StoreError:
            return "went on"
        return "no conflict"

    with pytest.raises(ConstraintViolated):
        await store.write(swallows, transition=SYNCED)
    assert await store.read(names) == ["taken"]


async def test_foreign_keys_are_enforced(store: Store) -> None:
    """A row that refers to nothing is refused."""
    with pytest.raises(ConstraintViolated):
        await store.write(
            lambda tx: tx.run("INSERT INTO note (item_id, body) VALUES (?, ?)", 99, "x"),
            transition=SYNCED,
        )


async def test_nonsense_is_a_store_error_and_harms_nobody(store: Store) -> None:
    """A statement that cannot be understood fails its caller; the store goes on."""
    with pytest.raises(StoreError):
        await store.write(lambda tx: tx.run("SELEC 1"), transition=SYNCED)
    with pytest.raises(StoreError):
        await store.read(lambda tx: tx.row("SELECT nothing FROM nowhere"))
    await store.write(add("fine"), transition=SYNCED)
    assert store.health().failed is None


async def test_any_exception_of_a_unit_reaches_its_caller(store: Store) -> None:
    """Even StopIteration, which a future does not take, ends in the caller and not the writer."""

    def runs_dry(tx: Tx) -> Any:
        return next(iter(tx.rows("SELECT id FROM item")))

    with pytest.raises(RuntimeError, match="StopIteration"):
        await store.write(runs_dry, transition=SYNCED)
    await store.write(add("fine"), transition=SYNCED)


async def test_units_run_in_the_order_they_were_given(store: Store) -> None:
    """Writes of one loop pass keep their order, and a later one sees the earlier ones' rows."""
    await asyncio.gather(
        *(store.write(add(f"{n:03}"), transition=KEPT) for n in range(120)),
        store.write(lambda tx: add(f"saw {len(names(tx))}")(tx), transition=KEPT),
    )
    assert await store.read(names) == [*(f"{n:03}" for n in range(120)), "saw 120"]


async def test_many_callers_share_few_syncs(store: Store) -> None:
    """Group commit: 400 power-safe writes at once cost at most a tenth as many syncs."""
    before = store.health()
    await asyncio.gather(*(store.write(add(f"{n}"), transition=SYNCED) for n in range(400)))
    after = store.health()
    assert after.syncs - before.syncs <= 40
    assert len(await store.read(names)) == 400


async def test_one_power_write_makes_its_group_power_safe(store: Store) -> None:
    """A group is synced if any member asks for it, and not otherwise."""
    before = store.health()
    await asyncio.gather(*(store.write(add(f"a{n}"), transition=KEPT) for n in range(10)))
    between = store.health()
    assert between.syncs == before.syncs
    await asyncio.gather(
        store.write(add("b"), transition=KEPT), store.write(add("c"), transition=SYNCED)
    )
    assert store.health().syncs == between.syncs + 1


async def test_process_durability_never_syncs_and_says_so(opened: Opener) -> None:
    """With `durability = "process"` a POWER write is committed without a sync."""
    async with opened(PROCESS) as store:
        await store.write(add("quick"), transition=SYNCED)
        health = store.health()
    assert (health.syncs, health.commits, health.durability) == (0, 1, PROCESS)


async def test_a_cancelled_caller_does_not_cancel_the_commit(store: Store) -> None:
    """A unit that waits is stored though its caller gave up, and its group is not disturbed."""
    gate = Gate()
    holder = asyncio.create_task(store.write(gate, transition=SYNCED))
    await gate.entered()
    impatient = asyncio.create_task(store.write(add("left behind"), transition=SYNCED))
    patient = asyncio.create_task(store.write(add("waited for"), transition=SYNCED))
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    gate.open()
    await holder
    await patient
    assert await store.read(names) == ["left behind", "waited for"]


async def test_health_counts_what_waits(store: Store) -> None:
    """The queue depth is what the writer has not taken yet; the age starts at a commit."""
    assert store.health().last_commit_age_s is None
    gate = Gate()
    holder = asyncio.create_task(store.write(gate, transition=SYNCED))
    await gate.entered()
    waiting = [asyncio.create_task(store.write(add(f"{n}"), transition=SYNCED)) for n in range(3)]
    await asyncio.sleep(0)
    assert store.health().queue_depth == 3
    gate.open()
    await asyncio.gather(holder, *waiting)
    health = store.health()
    assert health.queue_depth == 0
    assert health.last_commit_age_s is not None
    assert health.last_commit_age_s < 10


async def test_closing_commits_what_is_queued_and_refuses_the_rest(opened: Opener) -> None:
    """Close drains the queue; later reads and writes raise StoreClosed; a second close is calm."""
    async with opened() as store:
        queued = [
            asyncio.create_task(store.write(add(f"{n}"), transition=SYNCED)) for n in range(9)
        ]
        await asyncio.sleep(0)
        await asyncio.gather(store.close(), store.close())
        await asyncio.gather(*queued)
        with pytest.raises(StoreClosed):
            await store.write(add("late"), transition=SYNCED)
        with pytest.raises(StoreClosed):
            await store.read(names)
    async with opened() as store:
        assert len(await store.read(names)) == 9


async def test_a_cancelled_close_still_closes(opened: Opener) -> None:
    """Whoever loses patience with closing does not keep the next process out."""
    async with opened() as store:
        gate = Gate()
        holder = asyncio.create_task(store.write(gate, transition=SYNCED))
        await gate.entered()
        closing = asyncio.create_task(store.close())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        gate.open()
        await holder
    async with opened() as store:
        assert await store.read(names) == []


async def test_a_read_sees_one_state(store: Store) -> None:
    """A commit in the middle of a read changes nothing for that read."""
    await store.write(add("early"), transition=SYNCED)
    gate = Gate()

    def twice(tx: Tx) -> tuple[list[str], list[str]]:
        first = names(tx)
        gate(tx)
        return first, names(tx)

    reading = asyncio.create_task(store.read(twice))
    await gate.entered()
    await store.write(add("meanwhile"), transition=SYNCED)
    gate.open()
    assert await reading == (["early"], ["early"])
    assert await store.read(names) == ["early", "meanwhile"]


async def test_a_read_cannot_write(store: Store) -> None:
    """A change inside `read` is refused, whatever the SQL."""
    with pytest.raises(StoreError):
        await store.read(add("sneaked in"))
    assert await store.read(names) == []


async def test_a_read_without_end_is_stopped(store: Store) -> None:
    """A query over the limit of one second ends with QueryTooLong; the next one is answered."""
    with pytest.raises(QueryTooLong):
        await store.read(endless)
    assert await store.read(names) == []


async def test_a_cancelled_read_stops_at_once(store: Store) -> None:
    """Readers whose callers left are free again long before the limit."""
    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    def announced(tx: Tx) -> None:
        loop.call_soon_threadsafe(started.set)
        endless(tx)

    for _ in range(4):
        started.clear()
        reading = asyncio.create_task(store.read(announced))
        async with asyncio.timeout(0.9):
            await started.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    async with asyncio.timeout(0.9):
        assert await asyncio.gather(*(store.read(names) for _ in range(4))) == [[]] * 4


async def test_many_reads_at_once_all_end(store: Store) -> None:
    """More reads than connections wait their turn."""
    await store.write(add("one"), transition=SYNCED)
    assert await asyncio.gather(*(store.read(names) for _ in range(50))) == [["one"]] * 50
