"""Which models an endpoint serves, and whether a local server is there."""

import asyncio
from collections.abc import Sequence

import aiohttp
import orjson

from agent.credentials import Lease
from agent.messages import Origin
from agent.providers.attempt import Attempt
from agent.providers.classify import ERROR_TEXT

LIST_TIMEOUT_S = 10.0
PROBE_TIMEOUT_S = 0.3
_PROBE_BYTES = 1024 * 1024


async def list_models(
    base_url: str, lease: Lease, *, name: str = "", timeout_s: float = LIST_TIMEOUT_S
) -> tuple[str, ...]:
    """Return the ids an endpoint serves, as it orders them; raises one ProviderError.

    One request with the vendor's SDK, which is imported here alone: it costs half a second.
    """
    import openai

    attempt = Attempt(Origin(provider=name, endpoint=base_url, model=""), lease)
    try:
        async with openai.AsyncOpenAI(
            base_url=base_url,
            api_key="none",  # the lease's own header goes over it
            default_headers=dict(lease.headers),
            max_retries=0,
            timeout=timeout_s,
        ) as client:
            page = await client.models.list()
            return tuple(model.id for model in page.data)
    except openai.APIStatusError as exc:
        attempt.headers = {key.lower(): value for key, value in exc.response.headers.items()}
        body = exc.response.content[:ERROR_TEXT]
        raise attempt.refused(exc.status_code, body) from exc
    except openai.OpenAIError as exc:
        raise attempt.failed(exc) from exc
    except (ValueError, TypeError, AttributeError) as exc:  # the SDK checks no answer's shape
        raise attempt.malformed("the list of models can't be read") from exc


async def list_messages_models(
    base_url: str, lease: Lease, *, name: str = "", timeout_s: float = LIST_TIMEOUT_S
) -> tuple[str, ...]:
    """The same of an endpoint that speaks Anthropic's Messages API.

    `base_url` may end with `/v1` or not.
    """
    attempt = Attempt(Origin(provider=name, endpoint=base_url, model=""), lease)
    url = f"{base_url.rstrip('/').removesuffix('/v1')}/v1/models?limit=1000"
    headers = {"anthropic-version": "2023-06-01", **lease.headers}
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.get(url, headers=headers, timeout=timeout, allow_redirects=False) as response,
        ):
            status, received = response.status, await _bounded(response, _PROBE_BYTES)
    except (aiohttp.ClientError, OSError) as exc:
        raise attempt.failed(exc) from exc
    if status != 200:
        raise attempt.refused(status, received[:ERROR_TEXT])
    try:
        return tuple(each["id"] for each in orjson.loads(received)["data"])
    except (ValueError, KeyError, TypeError) as exc:
        raise attempt.malformed("the list of models can't be read") from exc


async def probe_local(
    base_urls: Sequence[str], *, timeout_s: float = PROBE_TIMEOUT_S
) -> tuple[str, str] | None:
    """Return base URL and first model of the first local server, in their order, or None.

    All are asked at once, and none is waited for longer than `timeout_s`.
    """
    async with aiohttp.ClientSession() as session:
        probes = [_first_model(session, base_url, timeout_s) for base_url in base_urls]
        models = await asyncio.gather(*probes)
    found = zip(base_urls, models, strict=True)
    return next(((base_url, model) for base_url, model in found if model is not None), None)


async def _first_model(
    session: aiohttp.ClientSession, base_url: str, timeout_s: float
) -> str | None:
    url = f"{base_url.rstrip('/')}/models"
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with session.get(url, timeout=timeout, allow_redirects=False) as response:
            if response.status != 200:
                return None
            body = orjson.loads(await _bounded(response, _PROBE_BYTES))
    except (aiohttp.ClientError, OSError, ValueError):
        return None
    models = body.get("data") if isinstance(body, dict) else None
    first = models[0] if isinstance(models, list) and models else None
    model = first.get("id") if isinstance(first, dict) else None
    return model if isinstance(model, str) and model else None


async def _bounded(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The body, empty if it is longer than anybody needs."""
    received = bytearray()
    async for piece in response.content.iter_any():
        received += piece
        if len(received) > most:
            return b""
    return bytes(received)
