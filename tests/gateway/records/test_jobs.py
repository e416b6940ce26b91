"""Remote jobs: looked at when due, ended by duty, and their end is seen once."""

from dataclasses import replace
from typing import Any

import pytest

from agent.tools.base import RemoteJob
from gateway.store.base import Store, Tx
from gateway.store.records import jobs
from gateway.store.records.jobs import Job
from tests.agent.scripted import call
from tests.gateway.records.rows import KEY, NOW, arrival, opened, write
from tests.gateway.records.test_turns import judged, record_step

SECOND = 1_000_000


@pytest.fixture
async def turn_id(store: Store) -> int:
    """A turn with the calls c1 to c3."""
    turn = await opened(store, arrival(1))
    asked = (judged(call("hf_jobs", ident=ident)) for ident in ("c1", "c2", "c3"))
    await record_step(store, turn, 1, *asked)
    return turn.turn_id


async def begin(store: Store, turn_id: int, *idents: str, **fields: Any) -> None:
    """Let jobs begin; they are looked at after 15 s and ended after 60 s."""
    job = replace(RemoteJob(handle="h", label="hf_jobs: run", deadline_s=60.0), **fields)

    def unit(tx: Tx) -> None:
        for ident in idents:
            jobs.insert(tx, call_id=ident, turn_id=turn_id, tool="hf_jobs", job=job, now=NOW)

    await write(store, unit)


async def due(store: Store, seconds: int, limit: int = 9) -> list[str]:
    """The calls whose jobs are to be looked at after so long."""
    at = NOW + seconds * SECOND
    found = await store.read(lambda tx: jobs.to_look_at(tx, now=at, limit=limit))
    return [job.call_id for job in found]


async def states(store: Store) -> dict[str, str]:
    """The state of every job."""
    rows = await store.read(lambda tx: tx.rows("SELECT call_id, state FROM remote_job"))
    return {str(ident): str(state) for ident, state in rows}


async def test_a_job_is_read_back_with_its_turn(store: Store, turn_id: int) -> None:
    """Its deadline counts from when it began; one found again after a crash is stored once."""
    await begin(store, turn_id, "c1")
    await begin(store, turn_id, "c1", handle="other", deadline_s=9.0)
    (job,) = await store.read(jobs.running)
    assert job == Job(
        call_id="c1",
        turn_id=turn_id,
        session_id=1,
        session_key=KEY,
        turn_state="open",
        tool="hf_jobs",
        handle="h",
        label="hf_jobs: run",
        state="running",
        started_at=NOW,
        deadline_at=NOW + 60 * SECOND,
        looks=0,
        stop_by=None,
        stop_at=None,
    )


async def test_jobs_are_looked_at_when_they_are_due(store: Store, turn_id: int) -> None:
    """Those that wait longest first; a look puts a job off."""
    assert await store.read(jobs.next_look) is None
    await begin(store, turn_id, "c1", "c2")
    await begin(store, turn_id, "c3", poll_s=5.0)
    assert await store.read(jobs.next_look) == NOW + 5 * SECOND
    assert await due(store, 4) == []
    assert (await due(store, 15))[0] == "c3"
    assert sorted(await due(store, 15)) == ["c1", "c2", "c3"]
    assert await due(store, 15, limit=1) == ["c3"]
    await write(store, lambda tx: jobs.looked(tx, "c3", next_at=NOW + 20 * SECOND))
    assert sorted(await due(store, 15)) == ["c1", "c2"]
    looks = {job.call_id: job.looks for job in await store.read(jobs.running)}
    assert looks == {"c1": 0, "c2": 0, "c3": 1}


async def test_a_stop_is_a_duty_at_once(store: Store, turn_id: int) -> None:
    """Who said it is kept; jobs that ended, or are stopped already, are left alone."""
    await begin(store, turn_id, "c1", "c2", "c3")
    await write(store, lambda tx: jobs.end(tx, "c1", now=NOW))
    await write(store, lambda tx: jobs.stop(tx, "c2", by="time", now=NOW + 1))
    stopped = await write(store, lambda tx: jobs.stop_of_turn(tx, turn_id, by="Ann", now=NOW + 2))
    assert stopped == 1
    assert await states(store) == {"c1": "ended", "c2": "stopping", "c3": "stopping"}
    found = {job.call_id: (job.stop_by, job.stop_at) for job in await store.read(jobs.running)}
    assert found == {"c2": ("time", NOW + 1), "c3": ("Ann", NOW + 2)}
    at = NOW + 2
    assert len(await store.read(lambda tx: jobs.to_look_at(tx, now=at, limit=9))) == 2
    other = turn_id + 1
    assert await write(store, lambda tx: jobs.stop_of_turn(tx, other, by="Ann", now=NOW)) == 0


async def test_a_job_nobody_can_tell_about_is_looked_at_further(store: Store, turn_id: int) -> None:
    """It is lost once, only while it should end, and may still be seen to end."""
    await begin(store, turn_id, "c1")
    assert not await write(store, lambda tx: jobs.lose(tx, "c1"))
    await write(store, lambda tx: jobs.stop(tx, "c1", by="Ann", now=NOW))
    assert await write(store, lambda tx: jobs.lose(tx, "c1"))
    assert not await write(store, lambda tx: jobs.lose(tx, "c1"))
    assert await due(store, 1) == ["c1"]
    assert await write(store, lambda tx: jobs.end(tx, "c1", now=NOW))


async def test_an_end_is_seen_once(store: Store, turn_id: int) -> None:
    """Afterwards nothing is asked about it any more."""
    await begin(store, turn_id, "c1")
    assert await write(store, lambda tx: jobs.end(tx, "c1", now=NOW + 7))
    assert not await write(store, lambda tx: jobs.end(tx, "c1", now=NOW + 8))
    assert await store.read(jobs.running) == ()
    assert await due(store, 1_000) == []
    assert await store.read(jobs.next_look) is None


async def test_what_nobody_saw_begin_is_found_once(store: Store, turn_id: int) -> None:
    """It keeps its state, is looked at at once, and is not sought any more."""
    await begin(store, turn_id, "c1", "c2", handle="", deadline_s=0.0)
    assert await store.read(lambda tx: jobs.is_sought(tx, "c1"))
    seen = RemoteJob(handle="h9", label="hf_jobs: uv", deadline_s=9.0, record="r9", recurring=True)
    await write(store, lambda tx: jobs.found(tx, "c1", seen, now=NOW))
    await write(store, lambda tx: jobs.found(tx, "c1", replace(seen, handle="x"), now=NOW))
    assert not await store.read(lambda tx: jobs.is_sought(tx, "c1"))
    (job,) = await store.read(lambda tx: jobs.to_look_at(tx, now=NOW, limit=9))
    assert (job.handle, job.label, job.recurring, job.state) == (
        "h9",
        "hf_jobs: uv",
        True,
        "running",
    )


async def test_what_its_turn_finds_or_begins_is_not_sought(store: Store, turn_id: int) -> None:
    """A find takes the place of the search, a new begin ends it; a job with a handle stays."""
    await begin(store, turn_id, "c1", "c2", handle="", deadline_s=0.0, waits=False)
    await begin(store, turn_id, "c3")
    await begin(store, turn_id, "c1")

    def unit(tx: Tx) -> None:
        for ident in ("c1", "c2", "c3"):
            jobs.forget_sought(tx, ident)

    await write(store, unit)
    found = await store.read(jobs.running)
    assert {job.call_id: (job.handle, job.waits) for job in found} == {
        "c1": ("h", True),
        "c3": ("h", True),
    }
    assert all(job.deadline_at == NOW + 60 * SECOND for job in found)
