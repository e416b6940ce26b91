"""`gatepost check --online`: every kind of key is proved without spending anything."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import web

from gateway.cli.check import model
from gateway.config import (
    CommandConfig,
    ExchangeConfig,
    LoginConfig,
    ProviderConfig,
    Secret,
)
from gateway.errors import GatewayError
from tests.wire.auth import AuthServer
from tests.wire.openai import MODELS, OpenAIServer
from tests.wire.server import Answer, LoopbackServer

KEY = "sk-loopback"
WORKS = "the key works, loopback-1 is there"


class MessagesModels(LoopbackServer):
    """The list of models as Anthropic gives it."""

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        return (web.get("/v1/models", self._models),)

    async def _models(self, request: web.Request) -> web.Response:
        known = request.headers.get("x-api-key") == KEY
        known = known and request.headers.get("anthropic-version") == "2023-06-01"
        self.note("models", dict(request.query), 200 if known else 401, request.headers)
        if not known:
            error = {"type": "authentication_error", "message": "invalid x-api-key"}
            return web.json_response({"type": "error", "error": error}, status=401)
        return web.json_response({"data": [{"id": "loopback-1"}], "has_more": False})


def entry(base_url: str, **more: Any) -> ProviderConfig:
    about: dict[str, Any] = {"name": "main", "api": "openai-chat", "model": "loopback-1"} | more
    return ProviderConfig(base_url=base_url, price="included", **about)


@pytest.mark.parametrize("api", ["openai-chat", "openai-responses"])
async def test_a_key_is_proved_by_the_list_of_models(api: str) -> None:
    """One request, and none that costs."""
    async with OpenAIServer(key=KEY) as server:
        assert await model(entry(server.base_url, api=api, api_key=Secret(KEY))) == WORKS
        with pytest.raises(GatewayError, match="the key is refused"):
            await model(entry(server.base_url, api=api, api_key=Secret("sk-other")))
        with pytest.raises(GatewayError, match="there is no model other"):
            await model(entry(server.base_url, api=api, api_key=Secret(KEY), model="other"))
        assert {seen.operation for seen in server.record} == {MODELS}
    with pytest.raises(GatewayError, match="is not reachable"):
        await model(entry(server.base_url, api=api, api_key=Secret(KEY)))


async def test_every_key_of_a_pool_is_proved() -> None:
    """The one that is refused is named by its label, not by its secret."""
    async with OpenAIServer(key=KEY) as server:
        keys = (Secret(KEY), Secret("sk-other"))
        with pytest.raises(GatewayError, match=r"^main\.2: the key is refused"):
            await model(entry(server.base_url, api_keys=keys))
        server.faults.add(MODELS, *([Answer(status=200, body=b'{"data": []}')] * 2))
        assert await model(entry(server.base_url, api_keys=keys)) == f"2 keys: {WORKS}"


@pytest.mark.parametrize("tail", ["", "/v1"])
async def test_anthropic_is_asked_in_its_own_way(tail: str) -> None:
    """With its headers, whether or not the address ends with its version."""
    async with MessagesModels() as server:
        config = entry(server.url + tail, api="anthropic-messages", api_key=Secret(KEY))
        assert await model(config) == WORKS
        assert "Authorization" not in server.record[0].headers
        refused = entry(server.url, api="anthropic-messages", api_key=Secret("sk-other"))
        with pytest.raises(GatewayError, match="the key is refused"):
            await model(refused)
        server.faults.add("GET /v1/models", Answer(status=200, body=b"{}"))
        with pytest.raises(GatewayError, match="the list of models is refused: reply_malformed"):
            await model(config)
        server.faults.add("GET /v1/models", Answer(status=503))
        with pytest.raises(GatewayError, match="is not reachable"):
            await model(config)


async def test_a_program_is_run_and_its_token_proved() -> None:
    """What it fails with is told."""
    async with OpenAIServer(key=KEY) as server:
        prints = CommandConfig(argv=(sys.executable, "-c", f"print('{KEY}')"))
        assert await model(entry(server.base_url, credential=(prints,))) == WORKS
        fails = CommandConfig(argv=(sys.executable, "-c", "raise SystemExit(4)"))
        with pytest.raises(GatewayError, match=r"there is no token: .*ended with code 4"):
            await model(entry(server.base_url, credential=(fails,)))


async def test_a_copilot_token_is_exchanged_and_proved() -> None:
    """At the address that comes with it."""
    async with (
        AuthServer(now=asyncio.get_running_loop().time) as auth,
        OpenAIServer(key="copilot-0001-loopback") as server,
    ):
        auth.api = server.base_url
        token = ExchangeConfig(service="copilot", token=Secret("gho_good"), auth_url=auth.url)
        assert await model(entry("http://127.0.0.1:9", credential=(token,))) == WORKS
        bad = ExchangeConfig(service="copilot", token=Secret("gho_bad"), auth_url=auth.url)
        with pytest.raises(GatewayError, match="there is no token: GitHub refuses the token"):
            await model(entry("http://127.0.0.1:9", credential=(bad,)))


async def test_what_can_not_be_asked_here_is_told() -> None:
    """A login is the running gateway's; a coding agent is only looked for."""
    login = entry("http://127.0.0.1:9", credential=(LoginConfig(service="xai"),))
    assert "gatepost credentials" in await model(login)
    there = ProviderConfig(
        name="c", api="codex-app-server", model="m", command=(sys.executable, "x")
    )
    assert await model(there) == f"the program {sys.executable} is there"
    gone = ProviderConfig(name="c", api="codex-app-server", model="m", command=("no-such-codex",))
    with pytest.raises(GatewayError, match="there is no program no-such-codex"):
        await model(gone)
