"""The Copilot exchange: a token of minutes, and where it is to be used."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from agent.credential_exchange import CopilotExchange
from agent.credential_pool import Key
from agent.credential_rests import LoginEnded
from agent.errors import NotEntitled, ProviderAuthFailed
from tests.agent.credentials.ground import TIME, authorization, pool, seconds
from tests.warp import warped
from tests.wire.auth import AuthServer
from tests.wire.auth.server import EXCHANGE
from tests.wire.server import Answer


def over(test: Callable[[AuthServer, CopilotExchange], Awaitable[None]]) -> None:
    """Run a test beside a loopback server, on time that jumps."""

    async def run() -> None:
        async with AuthServer(now=seconds) as server:
            server.api = f"{server.url}/api/"
            exchange = CopilotExchange("gho_good", label="main", time=TIME, auth_url=server.url)
            await test(server, exchange)

    warped(run())


def test_the_token_comes_with_the_endpoint_to_use() -> None:
    """One exchange serves all who ask, also at once."""

    async def test(server: AuthServer, exchange: CopilotExchange) -> None:
        leases = await asyncio.gather(*(exchange.lease() for _ in range(50)))
        assert len({authorization(lease) for lease in leases}) == 1
        assert leases[0].base_url == f"{server.url}/api"
        assert len(server.requests(EXCHANGE)) == 1

    over(test)


@pytest.mark.parametrize(
    ("refresh_in_s", "due_s"),
    [(1000.0, 1000), (None, 1500), (9000.0, 1500)],
    ids=["as told", "by its end", "later than its end"],
)
def test_it_is_exchanged_again_when_the_service_says(
    refresh_in_s: float | None, due_s: int
) -> None:
    """At `refresh_in`, and 300 s before its end at the latest."""

    async def test(server: AuthServer, exchange: CopilotExchange) -> None:
        server.refresh_in_s = refresh_in_s
        first = await exchange.lease()
        await asyncio.sleep(due_s - 1)
        assert (await exchange.lease()).headers == first.headers
        await asyncio.sleep(2)
        assert authorization(await exchange.lease()) != authorization(first)
        assert len(server.requests(EXCHANGE)) == 2

    over(test)


def test_a_refusal_exchanges_again_once() -> None:
    """A refusal of an older token just takes the newer one."""

    async def test(server: AuthServer, exchange: CopilotExchange) -> None:
        lease = await exchange.lease()
        assert all(await asyncio.gather(*(exchange.renew(lease) for _ in range(20))))
        assert await exchange.renew(lease)
        assert len(server.requests(EXCHANGE)) == 2

    over(test)


def test_bad_moments_are_tried_once_more_and_do_not_kill() -> None:
    """Two in a row are a refusal in passing; the token there is serves until its end."""

    async def test(server: AuthServer, exchange: CopilotExchange) -> None:
        server.faults.add(EXCHANGE, Answer(status=502))
        first = await exchange.lease()
        await asyncio.sleep(1600)
        server.faults.add(EXCHANGE, *([Answer(status=429)] * 4))
        assert (await exchange.lease()).headers == first.headers
        assert (await exchange.lease()).headers == first.headers
        await asyncio.sleep(201)
        with pytest.raises(ProviderAuthFailed, match="answered 429") as raised:
            await exchange.lease()
        assert not isinstance(raised.value, LoginEnded)
        assert len(server.requests(EXCHANGE)) == 6
        await asyncio.sleep(31)
        await exchange.lease()

    over(test)


def test_a_token_github_refuses_is_dead() -> None:
    """Until the secret changes."""

    async def test(server: AuthServer, exchange: CopilotExchange) -> None:
        server.github.clear()
        keys = pool((Key(ident="k", label="main", source=exchange),))
        with pytest.raises(LoginEnded, match="GitHub refuses the token"):
            await keys.lease(session="s", model="m")
        assert keys.standing(model="m").dead == 1

    over(test)


def test_an_account_without_copilot_is_not_entitled() -> None:
    """It rests an hour; it is not renewed."""

    async def test(server: AuthServer, exchange: CopilotExchange) -> None:
        server.forbidden.add("gho_good")
        keys = pool((Key(ident="k", label="main", source=exchange),))
        with pytest.raises(NotEntitled):
            await keys.lease(session="s", model="m")
        assert keys.standing(model="m").dead == 0
        assert keys.standing(model="m").ready == 0

    over(test)


@pytest.mark.parametrize("named", ["http://elsewhere.example", "", "ftp://x"])
def test_a_token_is_not_sent_to_an_address_in_the_clear(named: str) -> None:
    """The entry's own is used then."""

    async def test(server: AuthServer, exchange: CopilotExchange) -> None:
        server.api = named
        assert (await exchange.lease()).base_url is None

    over(test)


def test_an_answer_without_a_token_is_a_refusal_in_passing() -> None:
    """Whatever it says; and it is not quoted."""

    async def test(server: AuthServer, exchange: CopilotExchange) -> None:
        server.faults.add(EXCHANGE, Answer(status=200, body=b"[1]"))
        with pytest.raises(ProviderAuthFailed, match="answered 200 without a token"):
            await exchange.lease()

    over(test)
