"""Listing models with the vendor's SDK, and looking for a local server."""

import asyncio
import subprocess
import sys

import pytest

from agent import errors
from agent.credentials import Lease
from agent.providers.models import list_models, probe_local
from tests.wire.openai import MODELS, OpenAIServer
from tests.wire.server import Answer, HalfOpen

KEY = "sk-loopback"
LEASE = Lease(label="main", headers={"Authorization": f"Bearer {KEY}"})
NOBODY = Lease(label="main", headers={})


async def test_models_are_listed_with_one_request() -> None:
    """The ids come in the server's order."""
    async with OpenAIServer(key=KEY, models=("b", "a")) as server:
        assert await list_models(server.base_url, LEASE) == ("b", "a")
        assert len(server.requests(MODELS)) == 1


async def test_a_server_without_keys() -> None:
    """No key is needed where none is asked for."""
    async with OpenAIServer(key=None) as server:
        assert await list_models(server.base_url, NOBODY) == ("loopback-1",)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(status=401, body=b'{"error":{"message":"no"}}'), errors.ProviderAuthFailed),
        (Answer(status=500), errors.ProviderUnavailable),
        (Answer(status=200, body=b"<html>", content_type="text/html"), errors.ReplyMalformed),
        (Answer(status=200, body=b"{}"), errors.ReplyMalformed),
        (Answer(status=200, body=b"{cut"), errors.ReplyMalformed),
    ],
)
async def test_what_goes_wrong_is_one_typed_error(
    answer: Answer, kind: type[errors.ProviderError]
) -> None:
    """Refusals and nonsense become errors of our tree, without the key, after one request."""
    async with OpenAIServer(key=KEY) as server:
        server.faults.add(MODELS, answer)
        with pytest.raises(kind) as caught:
            await list_models(server.base_url, LEASE, name="main")
        assert KEY not in str(caught.value)
        assert caught.value.provider == "main"
        assert len(server.requests(MODELS)) == 1


@pytest.mark.warp
async def test_nobody_listens_or_answers() -> None:
    """A dead port and a silent server are unavailable."""
    async with OpenAIServer(key=KEY) as server:
        server.faults.add(MODELS, HalfOpen())
        with pytest.raises(errors.ProviderUnavailable):
            await list_models(server.base_url, LEASE, timeout_s=0.1)
    with pytest.raises(errors.ProviderUnavailable):
        await list_models(server.base_url, LEASE)


@pytest.mark.warp
async def test_the_first_local_server_is_found() -> None:
    """Order decides, not speed; a dead port and a server with a key are passed over."""
    async with (
        OpenAIServer(key=KEY) as locked,
        OpenAIServer(key=None, models=("llama3", "x")) as first,
        OpenAIServer(key=None) as second,
    ):
        urls = ("http://127.0.0.1:9/v1", locked.base_url, first.base_url, second.base_url)
        assert await probe_local(urls) == (first.base_url, "llama3")


@pytest.mark.warp
@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=200, body=b"{}"),
        Answer(status=200, body=b'{"data": []}'),
        Answer(status=200, body=b'{"data": [{"id": 7}]}'),
        Answer(status=200, body=b"<html>", content_type="text/html"),
        Answer(status=404),
        Answer(status=302, headers={"Location": "http://127.0.0.1:9/"}),
    ],
)
async def test_other_servers_are_no_model_servers(answer: Answer) -> None:
    """Whatever else listens on the port is left alone."""
    async with OpenAIServer(key=None) as server:
        server.faults.add(MODELS, answer)
        assert await probe_local([server.base_url]) is None


@pytest.mark.warp
async def test_a_silent_server_costs_no_more_than_the_bound() -> None:
    """A port that accepts and says nothing is left after 0.3 s."""
    async with OpenAIServer(key=None) as server:
        server.faults.add(MODELS, HalfOpen(), HalfOpen())
        now = asyncio.get_running_loop().time
        began = now()
        assert await asyncio.wait_for(probe_local([server.base_url] * 2), 60) is None
        assert now() - began < 2


def test_the_sdk_is_not_imported_before_it_is_needed() -> None:
    """Neither the wire nor the demonstration pays for the vendor's SDK."""
    code = (
        "import sys, agent.providers.openai_chat, agent.providers.demo, agent.providers.models\n"
        "sys.exit('openai' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
