"""One attempt at a chat-completions endpoint: exactly one request, streamed, within its bounds."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

from agent.credentials import Lease
from agent.errors import ProviderError
from agent.history import BYTES_PER_TOKEN
from agent.messages import Origin
from agent.providers.attempt import Attempt
from agent.providers.base import (
    ArgumentsReceived,
    ModelRequest,
    PulseReceived,
    ReasoningReceived,
    StreamEvent,
    TextReceived,
    ToolCallOpened,
)
from agent.providers.bounds import Bounds, bounds_for
from agent.providers.classify import ERROR_TEXT
from agent.providers.openai_chat.reply import InBandError, Incomplete, Malformed, ReplyDecoder
from agent.providers.openai_chat.request import CapField, RequestEncoder
from agent.providers.sse import Comment, SseDecoder, StreamTooLong
from agent.providers.watch import BoundReached, Watch

DRAIN_S = 0.05
KEEPALIVE_S = 45.0
_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "text/event-stream, application/json",
    "Accept-Encoding": "identity",  # a compressor would hold back small deltas
    "User-Agent": "gatepost",
}
_PROGRESS = (TextReceived, ReasoningReceived, ToolCallOpened, ArgumentsReceived)
_FAILURES = (
    InBandError,
    Malformed,
    Incomplete,
    StreamTooLong,
    BoundReached,
    aiohttp.ClientError,
    OSError,
)
_CAP_FIELD_HOSTS = ("api.openai.com", ".openai.azure.com")
_CACHE_KEY_HOSTS = ("api.openai.com",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatEndpoint:
    """Where and what to ask.

    `name` is the entry's name in the configuration. `cap_field` is what the endpoint calls the
    output cap; without it the address decides. `context_window` counts tokens.
    """

    name: str
    base_url: str
    model: str
    cap_field: CapField | None = None
    context_window: int | None = None


class OpenAIChat:
    """A Provider over chat completions.

    A session that is passed in is shared and stays open; one of our own is made at the first
    request and closed by `close`.
    """

    def __init__(
        self,
        endpoint: ChatEndpoint,
        *,
        session: aiohttp.ClientSession | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        host = urlsplit(endpoint.base_url).hostname or ""
        base_url = endpoint.base_url.rstrip("/")
        self._origin = Origin(provider=endpoint.name, endpoint=base_url, model=endpoint.model)
        self._url = base_url + "/chat/completions"
        self._bounds = bounds or bounds_for(endpoint.base_url, endpoint.model)
        self._window = endpoint.context_window
        self._session = session
        self._owns_session = session is None
        official = host.endswith(_CAP_FIELD_HOSTS)
        self._encoder = RequestEncoder(
            origin=self._origin,
            cap_field=endpoint.cap_field or ("max_completion_tokens" if official else "max_tokens"),
            cache_key=host in _CACHE_KEY_HOSTS,
        )

    @property
    def origin(self) -> Origin:
        """Who this is, as it is noted beside what it answers."""
        return self._origin

    async def close(self) -> None:
        """Close the session if it is ours."""
        if self._owns_session and self._session is not None:
            await self._session.close()

    async def stream(
        self, request: ModelRequest, lease: Lease
    ) -> AsyncGenerator[StreamEvent, None]:
        """Make exactly one request; see Provider."""
        attempt = Attempt(self._origin, lease)
        body = self._encoded(request, attempt)
        tokens = int(len(body) / BYTES_PER_TOKEN)
        attempt.fill = tokens / self._window if self._window else 0.0
        bounds = self._bounds.grown(tokens)
        response = await self._post(body, lease, bounds, attempt)
        reader = _Reader(response, bounds, attempt)
        try:
            while events := await reader.read():
                for event in events:
                    yield event
            await _let_finish(response)
        finally:
            reader.close()

    def _encoded(self, request: ModelRequest, attempt: Attempt) -> bytes:
        try:
            return self._encoder.encode(request)
        except (TypeError, ValueError) as exc:
            raise attempt.invalid(exc) from exc

    async def _post(
        self, body: bytes, lease: Lease, bounds: Bounds, attempt: Attempt
    ) -> aiohttp.ClientResponse:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar()
            )
        headers = {**_HEADERS, **lease.headers}
        timeout = aiohttp.ClientTimeout(total=None, connect=bounds.connect_s)
        try:
            async with asyncio.timeout(bounds.connect_s + bounds.first_byte_s):
                return await self._session.post(
                    self._url, data=body, headers=headers, timeout=timeout, allow_redirects=False
                )
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as exc:
            raise attempt.invalid(exc) from exc
        except (aiohttp.ClientError, OSError) as exc:  # some are a ValueError too: certificates
            raise attempt.failed(exc) from exc
        except ValueError as exc:  # a header that is none
            raise attempt.invalid(exc) from exc


class _Reader:
    """Reads one response, whatever shape it has, in batches of events."""

    def __init__(self, response: aiohttp.ClientResponse, bounds: Bounds, attempt: Attempt) -> None:
        attempt.headers = {name.lower(): value for name, value in response.headers.items()}
        self._response = response
        self._bounds = bounds
        self._attempt = attempt
        self._watch = Watch(response, bounds)
        self._sse = SseDecoder(line_bytes=bounds.line_bytes, stream_bytes=bounds.step_bytes)
        self._decoder = ReplyDecoder(
            arguments_bytes=bounds.arguments_bytes,
            request_id=attempt.headers.get("x-request-id"),
        )
        self._started = False
        self._whole: bytearray | None = None
        self._ended = False
        self._failure: ProviderError | None = None

    def close(self) -> None:
        """Close the socket unless the response came to its end."""
        self._watch.close()
        self._response.close()

    async def read(self) -> list[StreamEvent]:
        """Return the next events; none when StreamCompleted was among those before.

        What came before a failure, even in the same bytes, is returned before it is raised.
        """
        if self._failure is not None:
            raise self._failure
        if self._response.status != 200:
            raise self._attempt.refused(self._response.status, await self._error_body())
        events: list[StreamEvent] = []
        try:
            while not self._ended and not events:
                self._take(await self._more(), events)
        except _FAILURES as exc:
            failure = self._translated(exc)
            if not events:
                raise failure from exc
            failure.__cause__ = exc
            self._failure = failure
        return events

    def _translated(self, error: Exception) -> ProviderError:
        match error:
            case InBandError(body=body):
                return self._attempt.in_band(body)
            case Malformed():
                return self._attempt.malformed(str(error))
            case Incomplete() | StreamTooLong() | BoundReached():
                return self._attempt.broken(str(error))
            case _:
                return self._attempt.failed(error)

    async def _more(self) -> bytes:
        """The next bytes, none at the end. After the terminal marker nothing more is needed."""
        try:
            return await self._watch.read()
        except (aiohttp.ClientError, OSError, BoundReached):
            if self._decoder.has_stop and not self._decoder.went_on_after_stop:
                return b""
            raise

    def _take(self, received: bytes, events: list[StreamEvent]) -> None:
        """Add what these bytes complete; no bytes are the end."""
        if not self._started and (start := received.lstrip()[:1]):
            self._started = True
            if start == b"<":
                raise Malformed("the body is a page, not a reply")
            if start == b"{":
                self._whole = bytearray()
        if self._whole is None:
            self._take_stream(received, events)
        else:
            self._take_whole(self._whole, received, events)
        if not received or self._decoder.done:
            self._ended = True
            events += self._decoder.finish()

    def _take_stream(self, received: bytes, events: list[StreamEvent]) -> None:
        for item in self._sse.feed(received) if received else self._sse.finish():
            if isinstance(item, Comment):
                events.append(PulseReceived())
            else:
                events += self._decoder.line(item.data, item.name)
        if any(isinstance(event, _PROGRESS) for event in events):
            self._watch.progressed()
        if self._decoder.has_stop:
            self._watch.stopping()

    def _take_whole(self, body: bytearray, received: bytes, events: list[StreamEvent]) -> None:
        body += received
        if len(body) > self._bounds.step_bytes:
            raise StreamTooLong("the body is too long")
        if not received:
            events += self._decoder.whole(bytes(body))

    async def _error_body(self) -> bytes:
        """The start of an error's body; what can't be read is left out."""
        body = bytearray()
        with contextlib.suppress(aiohttp.ClientError, OSError, BoundReached):
            while len(body) < ERROR_TEXT and (received := await self._watch.read()):
                body += received
        return bytes(body[:ERROR_TEXT])


async def _let_finish(response: aiohttp.ClientResponse) -> None:
    """Read the end that usually follows at once, so that the connection can be used again."""
    with contextlib.suppress(aiohttp.ClientError, OSError):
        async with asyncio.timeout(DRAIN_S):
            while await response.content.readany():
                pass
