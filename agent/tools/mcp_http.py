"""An MCP server at an address: the HTTP client under the SDK, with bounds and honest failures.

What the SDK makes of a broken connection ends every call of the session, and what it makes of a
refusal says nothing. So failures become answers here, in the protocol's own form: `NOT_SENT` where
certainly nothing was taken (no connection, a 4xx, a session that is gone), `BROKEN` where nobody
can tell. Redirects are followed by the SDK, within the same origin alone.
"""

import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import httpx2
from mcp.client.streamable_http import MCP_SESSION_ID, streamable_http_client

if TYPE_CHECKING:
    from mcp.client import Transport

BODY_BYTES: Final = 8 * 1024 * 1024
CONNECT_S: Final = 10.0
READ_S: Final = 600.0
GOODBYE_S: Final = 2.0

NOT_SENT: Final = 20_640_001
SESSION_GONE: Final = 20_640_002
BROKEN: Final = 20_640_003
"""Codes of our own. JSON-RPC leaves all above -32000 to applications; a server that sends one of
these only says the same of itself."""

_ERROR_BYTES: Final = 64 * 1024

# It logs every address, and an address may carry a key.
logging.getLogger("httpx2").setLevel(logging.WARNING)


@asynccontextmanager
async def reached(url: str, headers: Mapping[str, str]) -> "AsyncIterator[Transport]":
    """The SDK's transport to an address; nothing is sent before it is entered."""
    timeout = httpx2.Timeout(READ_S, connect=CONNECT_S, pool=CONNECT_S)
    inner = httpx2.AsyncHTTPTransport()
    client = httpx2.AsyncClient(
        headers={**headers, "accept-encoding": "identity"},
        timeout=timeout,
        transport=_Honest(inner),
    )
    async with client:
        yield streamable_http_client(url, http_client=client, max_sse_event_size=BODY_BYTES)


class _Honest(httpx2.AsyncBaseTransport):
    """Turns failures of a request into answers, and keeps answers within bounds."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "DELETE":  # the end of a session waits for nobody
            waits = dict.fromkeys(("connect", "read", "write", "pool"), GOODBYE_S)
            request.extensions = {**request.extensions, "timeout": waits}
        try:
            response = await self._inner.handle_async_request(request)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as exc:
            return _answer(NOT_SENT, f"it can't be reached ({type(exc).__name__})")
        except httpx2.TransportError as exc:
            return _answer(BROKEN, f"the connection broke ({type(exc).__name__})")
        if request.method == "POST" and response.status_code >= 400:
            return await _refusal(request, response)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()  # small on the wire says nothing about its size here
            return _answer(BROKEN, "it compressed its answer unasked")
        stream = response.stream
        if isinstance(stream, httpx2.AsyncByteStream):
            response.stream = _Bounded(stream)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Bounded(httpx2.AsyncByteStream):
    """A body that ends in an error the SDK expects, if it breaks or does not end.

    A stream of events may go on for ever; what is bounded is what arrives without an empty line.
    """

    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        since_event = 0
        try:
            async for piece in self._inner:
                end = max(piece.rfind(b"\n\n"), piece.rfind(b"\r\n\r\n"))
                since_event = len(piece) - end if end >= 0 else since_event + len(piece)
                if since_event > BODY_BYTES:
                    raise httpx2.StreamError(f"over {BODY_BYTES // (1024 * 1024)} MiB")
                yield piece
        except httpx2.TransportError as exc:
            raise httpx2.StreamError(f"the connection broke ({type(exc).__name__})") from exc

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _refusal(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
    """An answer of the server's own if it is one of the protocol, else what its status says."""
    status = response.status_code
    try:
        body = await _read(response)
    except httpx2.TransportError:
        body = b""
    finally:
        await response.aclose()
    if _is_protocol_error(body):
        return httpx2.Response(status, content=body, headers={"content-type": "application/json"})
    if status == 404 and MCP_SESSION_ID in request.headers:
        return _answer(SESSION_GONE, "the session is gone")
    if status in (401, 403):
        return _answer(NOT_SENT, f"it refuses our credentials ({status})", status)
    return _answer(NOT_SENT if status < 500 else BROKEN, f"it answered {status}", status)


async def _read(response: httpx2.Response) -> bytes:
    body = b""
    stream = response.stream
    if isinstance(stream, httpx2.AsyncByteStream):
        async for piece in stream:
            body += piece
            if len(body) > _ERROR_BYTES:
                return b""
    return body


def _is_protocol_error(body: bytes) -> bool:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return False
    error = said.get("error") if isinstance(said, dict) else None
    return isinstance(error, dict) and said.get("jsonrpc") == "2.0" and "code" in error


def _answer(code: int, message: str, status: int = 502) -> httpx2.Response:
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}
    return httpx2.Response(status, json=error)
