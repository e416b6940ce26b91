"""One request to a token endpoint: bounded, without redirects, never quoting what it carries."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from agent.errors import AgentError

ENDPOINT_TIMEOUT_S = 20.0
RETRY_AFTER_S = 1.0
"""Before the one retry of an endpoint that had a bad moment."""
_MAX_BYTES = 64 * 1024
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_HEADERS = {"Accept": "application/json", "User-Agent": "gatepost"}


class EndpointUnwell(AgentError):
    """A token endpoint had a bad moment, twice: nothing is known of the token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an endpoint said: its status and its JSON object, empty if it sent none."""

    status: int
    body: Mapping[str, Any] = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether it did what was asked."""
        return self.status == 200

    def text(self, name: str) -> str:
        """A value that is text, empty if there is none."""
        value = self.body.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> float | None:
        """A value that is a number, also as text."""
        value = self.body.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return None
        try:
            found = float(value)
        except ValueError:
            return None
        return found if abs(found) < 1e15 else None

    @property
    def error(self) -> str:
        """Its name for what is wrong, in both forms that are in use."""
        nested = self.body.get("error")
        if isinstance(nested, Mapping):
            code = nested.get("code") or nested.get("type")
            return code if isinstance(code, str) else ""
        return self.text("error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request; `form` or `json` is its body, with neither it is a GET."""

    url: str
    form: Mapping[str, str] | None = field(default=None, repr=False)
    json: Mapping[str, Any] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


async def ask_endpoint(ask: Ask, *, timeout_s: float = ENDPOINT_TIMEOUT_S) -> Answer:
    """Make one request; raises EndpointUnwell if there is no answer or it had a bad moment."""
    where = urlsplit(ask.url).hostname or "the token endpoint"
    try:
        async with asyncio.timeout(timeout_s):
            answer = await _exchange(ask)
    except TimeoutError as exc:
        raise EndpointUnwell(f"{where} gave no answer in {timeout_s:.0f} s") from exc
    except (aiohttp.ClientError, OSError) as exc:
        raise EndpointUnwell(f"{where} can't be reached ({type(exc).__name__})") from exc
    if answer.status in _TRANSIENT or answer.status >= 500:
        raise EndpointUnwell(f"{where} answered {answer.status}")
    return answer


async def ask_twice(ask: Ask, *, sleep: Callable[[float], Awaitable[None]]) -> Answer:
    """The same, with one retry for a bad moment."""
    try:
        return await ask_endpoint(ask)
    except EndpointUnwell:
        await sleep(RETRY_AFTER_S)
        return await ask_endpoint(ask)


async def _exchange(ask: Ask) -> Answer:
    method = "GET" if ask.form is None and ask.json is None else "POST"
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.request(
            method,
            ask.url,
            data=ask.form,
            json=ask.json,
            headers={**_HEADERS, **ask.headers},
            allow_redirects=False,
        ) as response,
    ):
        return Answer(status=response.status, body=await _object(response))


async def _object(response: aiohttp.ClientResponse) -> Mapping[str, Any]:
    raw = bytearray()
    async for piece in response.content.iter_any():
        raw += piece
        if len(raw) > _MAX_BYTES:
            return {}
    try:
        decoded = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return decoded if isinstance(decoded, dict) else {}
