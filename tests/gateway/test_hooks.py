"""`POST /hooks/NAME` over a real socket: what is let in, what is answered, what reaches the job."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest

from gateway.config import CronJob, Listen, Secret, WebConfig
from gateway.cron_door import (
    CronDoor,
    Fired,
    FireOutcome,
    KeyConflict,
    Known,
    NoSuchJob,
    Signed,
    SignedBefore,
    TooMany,
)
from gateway.cron_jobs import moment
from gateway.errors import StoreFailed
from gateway.hooks import OTHER_KEY, PATH, SKEW_S, Hooks, signature
from gateway.store import migrate
from gateway.store.base import Store, Tx
from gateway.store.records import hook_requests
from gateway.store.sqlite import open_sqlite
from gateway.web.server import WebServer
from tests.gateway.cron_house import CronHouse
from tests.gateway.hand_clock import START, HandClock
from tests.gateway.records.rows import write
from tests.platforms.web.stand_in import StandInGateway

SECRET = "swordfish-of-the-loopback"
NOW = datetime(2026, 3, 28, 12, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
JOBS = (
    CronJob(name="deploys", secret=Secret(SECRET), prompt="Tell.", deliver="web:local"),
    CronJob(name="daily", schedule="@daily", prompt="Tell.", deliver="web:local"),
)


@dataclass(slots=True)
class Door:
    """Keeps what it is asked to run and answers as it is told."""

    outcome: FireOutcome | Exception = field(default_factory=lambda: Fired(fire=12))
    asked: list[tuple[str, str, str | None, str]] = field(default_factory=list)

    async def fire_now(
        self,
        name: str,
        *,
        by: str,
        key: str | None = None,
        data: str = "",
        signed: Signed | None = None,
        though_paused: bool = True,
    ) -> FireOutcome:
        assert not though_paused, "a job that rests is not run by requests"
        assert signed is not None
        self.asked.append((name, by, key, data))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class House:
    """A listener with its hooks, and somebody who calls them."""

    def __init__(self, door: CronDoor, client: aiohttp.ClientSession) -> None:
        self._door = door
        self.client = client
        self.now = NOW

    @property
    def door(self) -> Door:
        """The one that keeps what it is asked."""
        assert isinstance(self._door, Door)
        return self._door

    def at(self, clock: HandClock) -> str:
        """Let it be as late as on that clock; the timestamp of then."""
        self.now = moment(clock.now())
        return str(int(self.now.timestamp()))

    async def call(
        self,
        body: bytes = b'{"ref": "main"}',
        *,
        name: str = "deploys",
        timestamp: str = STAMP,
        secret: str = SECRET,
        key: str | None = None,
        **headers: str,
    ) -> tuple[int, dict[str, str]]:
        """Send one signed request; the status and what the answer says."""
        sent = {
            "X-Gatepost-Timestamp": timestamp,
            "X-Gatepost-Signature": signature(secret, timestamp=timestamp, body=body),
            **({"Idempotency-Key": key} if key is not None else {}),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        async with self.client.post(f"/hooks/{name}", data=BytesIO(body), headers=sent) as response:
            assert response.headers["Cache-Control"] == "no-store"
            return response.status, await response.json()


@asynccontextmanager
async def jobs(path: Path, clock: HandClock) -> AsyncIterator[CronDoor]:
    """The clock over a store that outlasts it."""
    store = await open_sqlite(path / "jobs", migrate.packaged(), on_failure=pytest.fail)
    house = CronHouse(store, path, clock)
    await house.open(*JOBS[:1])
    yield house.cron
    await house.close()
    await store.close()


@asynccontextmanager
async def hooked(door: CronDoor | None = None) -> AsyncIterator[House]:
    """Listen."""
    ours = door or Door()
    here: list[House] = []
    hooks = Hooks(JOBS, door=ours, now=lambda: here[0].now)
    config = WebConfig(listen=Listen(host="127.0.0.1", port=0), token=Secret("page-token"))
    server = WebServer(
        config, routes=hooks.routes(), health=StandInGateway(), now=lambda: here[0].now
    )
    await server.start()
    try:
        async with aiohttp.ClientSession(server.url) as client:
            here.append(House(ours, client))
            yield here[0]
    finally:
        await server.stop()


def test_the_signature_is_the_one_of_the_manual() -> None:
    """Computed by `openssl dgst -sha256 -hmac` over `v1:1700000000:{}`."""
    assert signature("s3cret", timestamp="1700000000", body=b"{}") == (
        "v1=633c6f41626acf10d3a7dd2a4cb211c5bd6cbd7ae8ca3d212385da9d55734997"
    )


async def test_a_signed_request_runs_the_job() -> None:
    """202 with the number of the run; neither Origin nor the page's token is asked for."""
    async with hooked() as house:
        assert await house.call(Origin="https://ci.example.org") == (202, {"fire": "f12"})
        ((name, by, key, data),) = house.door.asked
        assert (name, by, data) == ("deploys", "hook", '{"ref": "main"}')
        house.door.outcome = Known(fire=12)
        assert await house.call() == (200, {"fire": "f12"})
        assert house.door.asked[1][2] == key, "timestamp and body are the key"
        await house.call(b"other")
        assert house.door.asked[2][2] != key


async def test_a_key_of_the_sender_s_stands_for_timestamp_and_body() -> None:
    """The same key with a later timestamp is the same request."""
    async with hooked() as house:
        await house.call(key="build-512")
        later = str(int(STAMP) + 60)
        await house.call(key="build-512", timestamp=later)
        assert [asked[2] for asked in house.door.asked] == ["build-512"] * 2
        status, said = await house.call(key="build 512")
        assert (status, len(house.door.asked)) == (400, 2), said


@pytest.mark.parametrize("repeat", ["a", "b", None])
async def test_a_signed_request_is_good_for_one_key(
    tmp_path: Path, clock: HandClock, repeat: str | None
) -> None:
    """A captured request runs nothing under another key, not after a restart either."""
    async with jobs(tmp_path, clock) as cron, hooked(cron) as house:
        stamp = house.at(clock)
        assert await house.call(timestamp=stamp, key="a") == (202, {"fire": "f1"})
        clock.advance(SKEW_S)
    async with jobs(tmp_path, clock) as cron, hooked(cron) as house:
        house.at(clock)
        status, said = await house.call(timestamp=stamp, key=repeat)
        if repeat == "a":
            assert (status, said) == (200, {"fire": "f1"})
        else:
            assert (status, said) == (409, {"error": OTHER_KEY})
        fresh = house.at(clock)
        assert await house.call(timestamp=fresh, key="b") == (202, {"fire": "f2"})


async def test_a_signature_is_spent_though_its_run_was_another_request_s(
    tmp_path: Path, clock: HandClock
) -> None:
    """Who signs anew to hear that a key is known leaves no signature for others to use."""
    async with jobs(tmp_path, clock) as cron, hooked(cron) as house:
        await house.call(timestamp=house.at(clock), key="a")
        clock.advance(60)
        again = house.at(clock)
        assert (await house.call(timestamp=again, key="a"))[0] == 200
        assert (await house.call(timestamp=again, key="b"))[0] == 409
        assert (await house.call(b"other", timestamp=again, key="a"))[0] == 409
        assert await house.call(b"other", timestamp=again) == (409, {"error": OTHER_KEY})


async def test_what_is_kept_of_a_signature_goes_when_it_no_longer_holds(store: Store) -> None:
    """For every job apart; a signature itself is nowhere in the rows."""

    def first(tx: Tx, job: str, key: str, *, now: int) -> str:
        return hook_requests.first_key(tx, job, "s", key=key, good_until=START + 600, now=now)

    for job, key, now, known in (
        ("a", "one", START, "one"),
        ("a", "two", START + 600, "one"),
        ("b", "two", START, "two"),
        ("a", "two", START + 601, "two"),
    ):
        assert await write(store, partial(first, job=job, key=key, now=now)) == known


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (KeyConflict(), 409),
        (SignedBefore(), 409),
        (TooMany(), 503),
        (StoreFailed("the disk is full"), 503),
        (NoSuchJob(), 404),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_what_became_of_it_is_a_status(outcome: FireOutcome | Exception, status: int) -> None:
    """409 for another body, 503 with a time to wait for what can't be taken now."""
    async with hooked(Door(outcome=outcome)) as house:
        found, said = await house.call()
        assert (found, list(said)) == (status, ["error"])


WRONG: Iterable[tuple[str, dict[str, str]]] = (
    ("another secret", {"secret": "guess"}),
    ("no hook", {"name": "nothing"}),
    ("a job that is no hook", {"name": "daily"}),
    ("too old", {"timestamp": str(int(STAMP) - 301)}),
    ("too new", {"timestamp": str(int(STAMP) + 301)}),
    ("no time", {"timestamp": "yesterday"}),
    ("a time in other digits", {"X_Gatepost_Timestamp": "١٧٧"}),
    ("no signature", {"X_Gatepost_Signature": ""}),
    ("another version", {"X_Gatepost_Signature": "v2=" + "0" * 64}),
    ("no letters at all", {"X_Gatepost_Signature": "v1=é"}),
    ("the signature of another time", {"X_Gatepost_Timestamp": str(int(STAMP) - 1)}),
)


@pytest.mark.parametrize("how", [how for _, how in WRONG], ids=[name for name, _ in WRONG])
async def test_what_is_not_signed_is_turned_away(
    how: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """401 before anything is looked at, the same for a name that is no hook; logged, no secret."""
    caplog.set_level(logging.DEBUG)
    async with hooked() as house:
        status, said = await house.call(b"not json", key="not a key", **how)
        assert (status, house.door.asked) == (401, [])
        assert SECRET not in caplog.text + json.dumps(said)


async def test_the_edges_of_the_time_are_let_in() -> None:
    """300 s either way."""
    async with hooked() as house:
        for off in (-300, 300):
            assert (await house.call(timestamp=str(int(STAMP) + off)))[0] == 202


async def test_the_body_is_bounded_and_may_be_anything() -> None:
    """1 MiB goes through, one byte more does not; bytes that are no text become text."""
    async with hooked() as house:
        assert (await house.call(b"a" * (1 << 20)))[0] == 202
        assert (await house.call(b"a" * ((1 << 20) + 1)))[0] == 413
        assert (await house.call(b"\xff\x00ok"))[0] == 202
        assert house.door.asked[-1][3] == "\ufffd\ufffdok"
        assert (await house.call(b""))[0] == 202
        assert house.door.asked[-1][3] == ""


async def test_a_body_without_a_length_is_bounded_too() -> None:
    """What comes in chunks is counted as it comes."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"a" * 65_536
            await asyncio.sleep(0)

    async with hooked() as house:
        headers = {"X-Gatepost-Timestamp": STAMP, "X-Gatepost-Signature": "v1=0"}
        try:
            async with house.client.post(
                "/hooks/deploys", data=endless(), headers=headers
            ) as response:
                assert response.status == 413
        except aiohttp.ClientError:
            pass  # the connection was closed on us while we still sent
        assert house.door.asked == []


async def test_no_other_method_is_taken() -> None:
    """A link that somebody follows runs nothing."""
    async with hooked() as house, house.client.get("/hooks/deploys") as response:
        assert response.status == 405


def test_without_hooks_there_is_no_address() -> None:
    """Jobs that go by the clock open nothing."""
    assert Hooks(JOBS[1:], door=Door(), now=lambda: NOW).routes() == ()
    (route,) = Hooks(JOBS, door=Door(), now=lambda: NOW).routes()
    assert (route.method, route.path, route.guarded) == ("POST", PATH, False)
