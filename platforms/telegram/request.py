"""python-telegram-bot's extension point for HTTP, filled with aiohttp.

A third of the CPU of the transport it brings, and it tells "never connected" from "no answer".
Every address holds the bot's token, so no foreign error leaves here, not even as a cause: some
print the address they failed on.
"""

import io
import json
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import orjson
from telegram.error import NetworkError, TelegramError, TimedOut
from telegram.request import BaseRequest, RequestData

CONNECT_TIMEOUT_S: Final = 5.0
READ_TIMEOUT_S: Final = 20.0
UPLOAD_TIMEOUT_S: Final = 120.0
_KEEPALIVE_S: Final = 15.0


class NotConnected(NetworkError):
    """The request certainly never left: no name, no route, no TLS, no free connection in time."""


class AiohttpRequest(BaseRequest):
    """One pool of connections; requests fail while it is shut down."""

    def __init__(self, *, connections: int, read_timeout_s: float = READ_TIMEOUT_S) -> None:
        self._connections = connections
        self._read_timeout_s = read_timeout_s
        self._session: aiohttp.ClientSession | None = None

    @property
    def read_timeout(self) -> float | None:
        """Seconds until an answer must have come."""
        return self._read_timeout_s

    async def initialize(self) -> None:
        """Open the pool; open already is fine."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._connections, keepalive_timeout=_KEEPALIVE_S
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": self.USER_AGENT},
            )

    async def shutdown(self) -> None:
        """Close every connection; closed already is fine."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def do_request(  # noqa: PLR0917 - the signature of the extension point
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = BaseRequest.DEFAULT_NONE,
        write_timeout: Any = BaseRequest.DEFAULT_NONE,
        connect_timeout: Any = BaseRequest.DEFAULT_NONE,
        pool_timeout: Any = BaseRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        """One request, never repeated, never redirected: the address is a secret."""
        if self._session is None:
            raise NotConnected("the connection pool is closed")
        body, headers = _encode(request_data)
        timeout = self._timeout(request_data, read_timeout)
        try:
            async with self._session.request(
                method, url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                return response.status, _checked(response.status, await response.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as exc:
            raise NotConnected(f"no connection to the Bot API ({_reason(exc)})") from None
        except aiohttp.InvalidURL:
            raise NotConnected("the address of the Bot API is not valid") from None
        except TimeoutError:
            raise TimedOut("the Bot API did not answer in time") from None
        except (aiohttp.ClientError, OSError) as exc:
            raise NetworkError(f"the connection broke ({type(exc).__name__})") from None

    def _timeout(self, data: RequestData | None, asked: Any) -> aiohttp.ClientTimeout:
        seconds = asked if isinstance(asked, int | float) else self._read_timeout_s
        if data is not None and data.contains_files:
            seconds = UPLOAD_TIMEOUT_S
        return aiohttp.ClientTimeout(
            total=CONNECT_TIMEOUT_S + seconds, connect=CONNECT_TIMEOUT_S, sock_read=seconds
        )

    @staticmethod
    def parse_json_payload(payload: bytes) -> Any:
        """Any JSON object, lone surrogates included; what is none is not logged."""
        try:
            answer = orjson.loads(payload)
        except orjson.JSONDecodeError:
            answer = _lenient(payload)
        if not isinstance(answer, dict):
            raise TelegramError("Invalid server response")
        return answer


def _checked(status: int, payload: bytes) -> bytes:
    """The body, if it can be the Bot API's; the SDK would print any other one with its error.

    Whoever stands between, such as a proxy, often repeats the address. Its 404 is no word on the
    token either.
    """
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return payload
    try:
        AiohttpRequest.parse_json_payload(payload)
    except TelegramError:
        names = {known.value: known.phrase for known in HTTPStatus}
        raise NetworkError(
            f"{names.get(status, 'HTTP status')} ({status}), not from the Bot API"
        ) from None
    return payload


def _lenient(payload: bytes) -> Any:
    """What orjson refuses and Telegram may send: half a character in somebody's name."""
    try:
        return json.loads(payload.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _encode(data: RequestData | None) -> tuple[bytes | aiohttp.FormData | None, dict[str, str]]:
    if data is None or (not data.parameters and not data.contains_files):
        return None, {}
    if not data.contains_files:
        return orjson.dumps(data.parameters), {"Content-Type": "application/json"}
    form = aiohttp.FormData(quote_fields=False)
    for name, value in data.json_parameters.items():
        form.add_field(name, value)
    for name, (filename, content, mime) in data.multipart_data.items():
        # As a stream: aiohttp warns of large bytes, which it would write in one piece.
        stream = io.BytesIO(content) if isinstance(content, bytes) else content
        form.add_field(name, stream, filename=filename, content_type=mime)
    return form, {}


def _reason(exc: Exception) -> str:
    """Why there is no connection; the host may show, the path of the address may not."""
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        return "the name is not known"
    if isinstance(exc, aiohttp.ClientSSLError):
        return "TLS failed"
    if isinstance(exc, aiohttp.ClientConnectorError):
        return exc.os_error.strerror or "connect failed"
    return "connect timed out"
