"""The way to the Hub: limits, no repeats, and what an error claims to know."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agent.errors import NotStarted, ToolError
from agent.hub import Hub, HubRefused, HubUnclear, HubUnreachable
from tests.wire.hub import HubServer
from tests.wire.server import Answer, CutAfter, CutBefore, HalfOpen, Hold, limited


@asynccontextmanager
async def hub_at(server: HubServer, *, token: str | None = None) -> AsyncIterator[Hub]:
    """A Hub's client that is closed again; its clock stands still."""
    hub = Hub(token=token or server.token, base_url=server.url + "/", now_s=lambda: 0.0)
    try:
        yield hub
    finally:
        hub.close()


def make(api: Any) -> str:
    """Something with an effect."""
    return str(api.create_repo("acme-research/new", private=True))


def look(api: Any) -> list[Any]:
    """Something the library would repeat five times."""
    return list(api.list_jobs(namespace="acme-research"))


async def failing(hub: Hub, work: Any, *, limit_s: float = 30.0) -> ToolError:
    """The error of some work."""
    with pytest.raises(ToolError) as caught:
        await hub.ask(work, limit_s=limit_s)
    return caught.value


async def test_the_account_and_where_it_may_write() -> None:
    """Organisations where the token only reads are no place to pay from; asked once."""
    async with HubServer() as server, hub_at(server) as hub:
        account = await hub.account()
        await hub.account()

        assert len(server.requests("whoami")) == 1

    assert account.name == "dana"
    assert account.namespaces == ("dana", "acme-research")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_nothing_is_repeated(status: int) -> None:
    """The library's five repeats with their waits are off."""
    async with HubServer() as server, hub_at(server) as hub:
        server.faults.add("jobs.list", Answer(status=status, headers={"Retry-After": "60"}))
        error = await failing(hub, look)

        assert len(server.requests("jobs.list")) == 1

    assert isinstance(error, HubRefused if status == 429 else HubUnclear)


async def test_a_conflict_is_not_asked_for_ever() -> None:
    """The library repeats this answer without a pause and without an end."""
    body = b'{"error": "Cannot create repo: another conflicting operation is in progress"}'
    async with HubServer() as server, hub_at(server) as hub:
        server.faults.add("repos.create", *[Answer(status=409, body=body)] * 3)
        error = await failing(hub, make)

        assert len(server.requests("repos.create")) == 1

    assert isinstance(error, HubRefused)
    assert error.status == 409


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Answer(status=400, body=b'{"error": "no"}'), HubRefused),
        (Answer(status=403, body=b'{"error": "no"}'), HubRefused),
        (limited(b"{}", "5"), HubRefused),
        (Answer(status=408, body=b"{}"), HubUnclear),
        (Answer(status=500, body=b"{}"), HubUnclear),
        (Answer(status=200, body=b"<html>"), HubUnclear),
        (Answer(status=200, body=b"[]"), HubUnclear),
        (CutBefore(), HubUnclear),
        (CutAfter(), HubUnclear),
    ],
)
async def test_an_error_says_whether_it_may_have_happened(fault: Any, kind: type) -> None:
    """A 4xx is certain; everything after the request left is not."""
    async with HubServer() as server, hub_at(server) as hub:
        server.faults.add("repos.create", fault)
        error = await failing(hub, make)

    assert type(error) is kind
    assert isinstance(error, NotStarted) is (kind is HubRefused)


async def test_no_connection_is_certain() -> None:
    """Nobody listens there: nothing left this machine."""
    async with HubServer() as server, hub_at(server) as hub:
        await server.close()

        assert isinstance(await failing(hub, make), HubUnreachable)


async def test_after_an_effect_no_error_says_that_nothing_happened() -> None:
    """The repository is there; that a later step is refused does not undo it."""

    def two_steps(api: Any) -> None:
        make(api)
        api.repo_info("acme-research/none")

    async with HubServer() as server, hub_at(server) as hub:
        error = await failing(hub, two_steps)

    assert isinstance(error, HubUnclear)


async def test_a_hub_that_hangs_is_left_after_the_limit() -> None:
    """The wait ends in time, and the thread with its request."""
    async with HubServer() as server, hub_at(server) as hub:
        server.faults.add("jobs.list", HalfOpen())
        error = await failing(hub, look, limit_s=0.2)

    assert isinstance(error, HubUnclear)


async def test_many_hanging_calls_take_nobody_else_s_threads() -> None:
    """The loop's own threads stay free for everything else."""
    released = asyncio.Event()
    async with HubServer() as server, hub_at(server) as hub:
        server.faults.add("jobs.list", *[Hold(released=released)] * 20)
        work = [asyncio.create_task(hub.ask(look)) for _ in range(20)]
        name = await asyncio.to_thread(lambda: threading.current_thread().name)
        released.set()
        await asyncio.gather(*work)

    assert not name.startswith("hub")


async def test_a_wrong_token_is_refused_and_not_told() -> None:
    """The sentence for the model has neither this nor any other key."""
    token = "hf_" + "wrongWRONG" * 4
    async with HubServer() as server, hub_at(server, token=token) as hub:
        error = await failing(hub, lambda api: api.whoami())

    assert isinstance(error, HubRefused)
    assert error.status == 401
    assert token not in str(error)


async def test_only_the_configured_token_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the environment nor a file of some earlier login takes its place."""
    monkeypatch.setenv("HF_TOKEN", "hf_" + "fromTheEnvironment" * 2)
    async with HubServer() as server, hub_at(server) as hub:
        await hub.ask(look)
        [seen] = server.requests("jobs.list")

    assert seen.headers["Authorization"] == f"Bearer {server.token}"


async def test_a_cancelled_wait_is_cancelled() -> None:
    """Stopping does not wait for the Hub."""
    async with HubServer() as server, hub_at(server) as hub:
        server.faults.add("jobs.list", HalfOpen())
        work = asyncio.create_task(hub.ask(look))
        await server.seen(lambda seen: seen.operation == "jobs.list")
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work


async def test_the_catalogue_is_handed_on_as_it_came() -> None:
    """One odd entry does not cost the others: nothing is read here."""
    taken: list[Any] = []
    async with HubServer() as server, hub_at(server) as hub:
        server.world.raw_catalogue = [{"name": "x"}, 7]
        await asyncio.gather(*(hub.prices(taken.append) for _ in range(3)))
        await hub.prices(taken.append)

    assert taken == [[{"name": "x"}, 7]]


async def test_a_cancelled_look_at_the_catalogue_serves_the_others() -> None:
    """Whoever waits beside a call that is stopped still gets the prices."""
    taken: list[Any] = []
    released = asyncio.Event()
    async with HubServer() as server, hub_at(server) as hub:
        server.faults.add("jobs.hardware", Hold(released=released))
        first = asyncio.create_task(hub.prices(taken.append))
        second = asyncio.create_task(hub.prices(taken.append))
        await asyncio.sleep(0)
        first.cancel()
        released.set()
        await second

    assert len(taken) == 1
