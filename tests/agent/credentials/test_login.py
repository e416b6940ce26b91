"""Logging in by a code that is typed in at the service, or pasted from its page."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from agent.credential_login import (
    DeviceCode,
    LoginFailed,
    PastedCode,
    begin_device,
    end_device,
    log_in,
)
from agent.oauth_services import SERVICES, Tokens
from tests.agent.credentials.ground import TIME, micros, seconds
from tests.warp import warped
from tests.wire.auth import AuthServer
from tests.wire.server import Answer, CutBefore

DEVICE = {
    "codex": "POST /api/accounts/deviceauth/token",
    "nous": "POST /api/oauth/token",
    "xai": "POST /oauth2/token",
}


def over(test: Callable[[AuthServer], Awaitable[None]]) -> None:
    """Run a test beside a loopback server, on time that jumps."""

    async def run() -> None:
        async with AuthServer(now=seconds) as server:
            await test(server)

    warped(run())


def draw(count: int) -> bytes:
    return secrets.token_bytes(count)


async def typed(server: AuthServer, service: str, *, after_s: float) -> Tokens:
    """Log in, the code being typed in a while after it was shown."""
    shown: list[DeviceCode | PastedCode] = []

    async def type_in() -> None:
        await asyncio.sleep(after_s)
        server.typed_in = True

    async def show(begun: DeviceCode | PastedCode) -> str:
        shown.append(begun)
        typing.append(asyncio.create_task(type_in()))
        return ""

    typing: list[asyncio.Task[None]] = []
    tokens = await log_in(SERVICES[service].at(server.url), time=TIME, draw=draw, show=show)
    await asyncio.gather(*typing)
    (begun,) = shown
    assert isinstance(begun, DeviceCode)
    assert begun.user_code == "ABCD-EFGH"
    assert begun.verify_at.startswith(server.url)
    return tokens


@pytest.mark.parametrize("service", list(DEVICE))
def test_a_code_is_typed_in_and_waited_for(service: str) -> None:
    """Asked for no more often than the service says; bad moments are waited over."""

    async def test(server: AuthServer) -> None:
        server.faults.add(DEVICE[service], Answer(status=503), CutBefore())
        tokens = await typed(server, service, after_s=20)
        assert tokens.refresh == server.logins[0].refresh
        assert tokens.expires_at == micros() + 3600 * 1_000_000
        assert tokens.generation == 1
        polls = len(server.requests(DEVICE[service]))
        assert 10 <= polls <= 12

    over(test)


@pytest.mark.parametrize("service", ["nous", "xai"])
def test_it_asks_less_often_when_told_to(service: str) -> None:
    """Five seconds more between two questions."""

    async def test(server: AuthServer) -> None:
        slower = Answer(status=400, body=b'{"error": "slow_down"}')
        server.faults.add(DEVICE[service], slower, slower)
        await typed(server, service, after_s=60)
        assert len(server.requests(DEVICE[service])) <= 8

    over(test)


@pytest.mark.parametrize("service", list(DEVICE))
def test_a_code_nobody_types_in_ends(service: str) -> None:
    """When the service says, a quarter of an hour at most."""

    async def test(server: AuthServer) -> None:
        server.interval_s = 60
        endpoints = SERVICES[service].at(server.url)
        begun = await begin_device(endpoints, time=TIME)
        began = seconds()
        with pytest.raises(LoginFailed, match="nobody typed the code in"):
            await end_device(endpoints, begun, time=TIME)
        assert seconds() - began == pytest.approx(900 if service == "codex" else 600, abs=61)

    over(test)


@pytest.mark.parametrize("service", ["nous", "xai"])
def test_a_login_the_person_declines_ends(service: str) -> None:
    """At once."""

    async def test(server: AuthServer) -> None:
        server.faults.add(DEVICE[service], Answer(status=400, body=b'{"error": "access_denied"}'))
        with pytest.raises(LoginFailed, match=r"refused the login \(access_denied\)"):
            await typed(server, service, after_s=5)

    over(test)


def test_a_code_is_pasted_from_the_page() -> None:
    """The page is asked with a proof that only we can complete."""

    async def test(server: AuthServer) -> None:
        async def show(begun: DeviceCode | PastedCode) -> str:
            assert isinstance(begun, PastedCode)
            query = parse_qs(urlsplit(begun.page).query)
            assert begun.page.startswith(f"{server.url}/oauth/authorize?")
            assert query["code_challenge_method"] == ["S256"]
            assert begun.verifier not in begun.page
            server.challenge = query["code_challenge"][0]
            return f" code-1#{begun.state} \n"

        endpoints = SERVICES["anthropic"].at(server.url)
        tokens = await log_in(endpoints, time=TIME, draw=draw, show=show)
        assert tokens.refresh == server.logins[0].refresh

    over(test)


@pytest.mark.parametrize("pasted", ["", "code-1#another", "code-2"])
def test_what_is_no_code_of_this_login_is_refused(pasted: str) -> None:
    """Also one that belongs to another login."""

    async def test(server: AuthServer) -> None:
        async def show(_begun: DeviceCode | PastedCode) -> str:
            return pasted

        with pytest.raises(LoginFailed):
            await log_in(SERVICES["anthropic"].at(server.url), time=TIME, draw=draw, show=show)
        assert server.logins == []

    over(test)


def test_a_service_that_gives_no_code_is_told() -> None:
    """With what it answered."""

    async def test(server: AuthServer) -> None:
        server.faults.add("POST /oauth2/device/code", Answer(status=400, body=b"{}"))
        with pytest.raises(LoginFailed, match=r"gave no code \(400"):
            await begin_device(SERVICES["xai"].at(server.url), time=TIME)

    over(test)
