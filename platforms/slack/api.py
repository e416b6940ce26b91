"""The Web API: one client over one session, every failure translated, nothing tried twice.

The SDK's own retries are off: they send a post again after a cut connection, which makes two. It
reads proxies from the environment, so they are taken out again.
"""

import asyncio
import io
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from slack_sdk.web.async_client import AsyncWebClient

from platforms.errors import (
    CredentialsRejected,
    MessageRejected,
    PlatformError,
    PlatformUnavailable,
    PressExpired,
    RightsMissing,
    SendUncertain,
)
from platforms.slack.errors import FOREIGN, classify_error
from platforms.slack.logs import SDK_LOG

Json = Mapping[str, Any]

CONNECT_TIMEOUT_S = 5.0
TOTAL_TIMEOUT_S = 20.0
UPLOAD_TIMEOUT_S = 120.0
_CONNECTIONS = 64


class WebApi:
    """Calls with one bot token. Opens its session with the first call after `close`.

    `refused` is set by any call whose token was refused; `scopes` are the rights of the token, as
    the last answer named them.
    """

    def __init__(
        self, *, token: str, base_url: str, total_timeout_s: float = TOTAL_TIMEOUT_S
    ) -> None:
        self.client = AsyncWebClient(
            token=token,
            base_url=base_url,
            retry_handlers=[],
            logger=SDK_LOG,
        )
        self.client.proxy = None
        self.refused = asyncio.Event()
        self.scopes: frozenset[str] = frozenset()
        base = urlsplit(self.client.base_url)
        self._origin = (base.scheme, base.netloc)
        self._timeout = aiohttp.ClientTimeout(
            total=total_timeout_s, connect=CONNECT_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S
        )

    async def call(self, method: str, arguments: Json, *, as_query: bool = False) -> Json:
        """One call; `as_query` for the methods that take no JSON. Raises a PlatformError.

        An effect that already stood is success with an empty answer.
        """
        self.session()
        try:
            if as_query:
                response = await self.client.api_call(method, params=dict(arguments))
            else:
                response = await self.client.api_call(method, json=dict(arguments))
        except FOREIGN as error:
            failure = classify_error(error, method)
            if failure is None:
                return {}
            if isinstance(failure, CredentialsRejected) and not isinstance(failure, RightsMissing):
                self.refused.set()
            raise failure from error
        named = str((response.headers or {}).get("X-OAuth-Scopes", ""))
        self.scopes = frozenset(filter(None, map(str.strip, named.split(","))))
        data = response.data
        return data if isinstance(data, dict) else {}

    async def read(self, method: str, arguments: Json) -> Json:
        """A call without an effect: nothing about it is uncertain, it can be asked again."""
        try:
            return await self.call(method, arguments, as_query=True)
        except SendUncertain as error:
            raise PlatformUnavailable(str(error)) from error

    async def put(self, url: str, data: bytes) -> None:
        """The bytes of a file; nobody sees them yet, so any failure means that nothing was sent."""
        timeout = aiohttp.ClientTimeout(
            total=UPLOAD_TIMEOUT_S, connect=CONNECT_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S
        )
        failure = PlatformUnavailable("the upload to Slack failed")
        try:
            async with self.session().post(
                url, data=io.BytesIO(data), timeout=timeout, allow_redirects=False
            ) as response:
                if response.status == 200:
                    return
        except FOREIGN:
            raise failure from None  # the cause may show the address, which is a secret
        raise failure

    async def respond(self, url: str, body: Json) -> None:
        """Words to a response address; it is good five times, for half an hour."""
        if not self._may_call(url):
            raise MessageRejected("the answer's address is not one of Slack's")
        try:
            async with self.session().post(url, json=body, allow_redirects=False) as response:
                failure = _response_failure(response.status)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise PlatformUnavailable("Slack could not be reached (response_url)") from None
        except FOREIGN:
            raise SendUncertain("Slack gave no readable answer (response_url)") from None
        if failure is not None:
            raise failure

    def session(self) -> aiohttp.ClientSession:
        """The one session, opened anew if it was closed."""
        session = self.client.session
        if session is None or session.closed:
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS),
                timeout=self._timeout,
                trust_env=False,
                json_serialize=lambda value: orjson.dumps(value).decode(),
            )
            self.client.session = session
        return session

    async def close(self) -> None:
        """Closes every connection."""
        if self.client.session is not None:
            await self.client.session.close()

    def _may_call(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        if (parts.scheme, parts.netloc) == self._origin:
            return True
        host = parts.hostname or ""
        ours = host.endswith((".slack.com", ".slack-gov.com"))
        return parts.scheme == "https" and ours


def read_token(value: str) -> Json:
    """What a press's token holds; empty for anything else."""
    try:
        token = json.loads(value)
    except ValueError:
        return {}
    return token if isinstance(token, dict) else {}


def _response_failure(status: int) -> PlatformError | None:
    if status == 200:
        return None
    if status in {404, 410}:
        return PressExpired("the press can no longer be answered")
    if status >= 500:
        return SendUncertain(f"Slack answered {status} (response_url)")
    return MessageRejected(f"Slack answered {status} (response_url)")
