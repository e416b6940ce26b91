"""One attempt over HTTP: exactly one request, its response read within the bounds.

What differs between wires comes in as bytes, headers and a decoder.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field, replace

import aiohttp

from agent.credentials import Lease, Service
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
from agent.providers.bounds import Bounds
from agent.providers.decoding import DecoderFor, InBandError, Incomplete, Malformed
from agent.providers.drawing import draw
from agent.providers.error_body import ERROR_TEXT
from agent.providers.sse import Comment, SseDecoder, StreamTooLong
from agent.providers.watch import BoundReached, Watch

DRAIN_S = 0.05
LATER_S = 0.25
"""So much later than the bound on connecting a request is given up at the earliest: which of the
two it was says whether anything was sent."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """The one request of an attempt; `headers` are added to the usual ones."""

    url: str
    body: bytes
    headers: Mapping[str, str] = field(repr=False)


class _Client:
    """An HTTP session and how many responses are being read over it."""

    def __init__(self) -> None:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S)
        self.session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar()
        )
        self.users = 0
        self.retired = False


class HttpWire:
    """The connections of one entry of the plan.

    A session that is passed in is shared and stays open; one of our own is made at the first
    request. `window` counts the model's tokens, if known; `reasons`: it thinks before it answers.
    `service` is what the entry's credential belongs to.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        bounds: Bounds,
        window: int | None,
        session: aiohttp.ClientSession | None = None,
        service: Service = Service.STATIC,
        reasons: bool = False,
    ) -> None:
        self._origin = origin
        self._service = service
        self._reasons = reasons
        self._bounds = bounds
        self._window = window
        self._shared = session
        self._client: _Client | None = None

    async def close(self) -> None:
        """Close the session if it is ours."""
        if self._client is not None:
            await self._client.session.close()

    async def reset(self) -> None:
        """Make the next request over a new connection; streams that run keep theirs."""
        client, self._client = self._client, None
        if client is None:
            return
        client.retired = True
        if client.users == 0:
            await client.session.close()

    def attempt(self, lease: Lease, *, thinks: bool = False) -> Attempt:
        """What names the failures of one attempt; `thinks`: this request asks for thought."""
        reasons = self._reasons or thinks
        return Attempt(self._origin, lease, service=self._service, reasons=reasons)

    async def stream(
        self,
        post: Post | Callable[[], Post],
        *,
        request: ModelRequest,
        attempt: Attempt,
        decoder_for: DecoderFor,
        hidden: tuple[type[StreamEvent], ...] = (),
    ) -> AsyncGenerator[StreamEvent, None]:
        """Make exactly one request; `hidden` are kinds of events that nobody is to see.

        A `post` that is yet to be made may raise TypeError or ValueError: RequestInvalid.
        """
        if not isinstance(post, Post):
            await draw(request)
            try:
                post = post()
            except (TypeError, ValueError) as exc:
                raise attempt.invalid(exc) from exc
        tokens = request.input_tokens or int(len(post.body) / BYTES_PER_TOKEN)
        attempt.fill = tokens / self._window if self._window else 0.0
        bounds = bounds_of(self._bounds, request, tokens)
        async with self._used() as session:
            response = await self._post(session, post, bounds, attempt)
            reader = _Reader(response, bounds, attempt, decoder_for)
            try:
                while events := await reader.read():
                    for event in events:
                        if not (hidden and isinstance(event, hidden)):
                            yield event
                await _let_finish(response)
            finally:
                reader.close()

    @contextlib.asynccontextmanager
    async def _used(self) -> AsyncGenerator[aiohttp.ClientSession, None]:
        if self._shared is not None:
            yield self._shared
            return
        if self._client is None:
            self._client = _Client()
        client = self._client
        client.users += 1
        try:
            yield client.session
        finally:
            client.users -= 1
            if client.retired and client.users == 0:
                await client.session.close()

    async def _post(
        self,
        session: aiohttp.ClientSession,
        post: Post,
        bounds: Bounds,
        attempt: Attempt,
    ) -> aiohttp.ClientResponse:
        timeout = aiohttp.ClientTimeout(total=None, connect=bounds.connect_s)
        try:
            async with asyncio.timeout(max(bounds.connect_s + LATER_S, bounds.first_byte_s)):
                return await session.post(
                    post.url,
                    data=post.body,
                    headers={**_HEADERS, **post.headers},
                    timeout=timeout,
                    allow_redirects=False,
                )
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as exc:
            raise attempt.invalid(exc) from exc
        except (aiohttp.ClientError, OSError) as exc:  # some are a ValueError too: certificates
            raise attempt.failed(exc) from exc
        except ValueError as exc:  # a header that is none
            raise attempt.invalid(exc) from exc


def bounds_of(bounds: Bounds, request: ModelRequest, tokens: int) -> Bounds:
    """The bounds of one request: longer for a long input, others where nothing is streamed."""
    grown = bounds.grown(tokens)
    adjustments = request.adjustments
    if not adjustments.stream:
        grown = grown.collected()
    if adjustments.first_byte_s is not None:
        grown = replace(grown, first_byte_s=min(grown.first_byte_s, adjustments.first_byte_s))
    return grown


class _Reader:
    """Reads one response, whatever shape it has, in batches of events."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        bounds: Bounds,
        attempt: Attempt,
        decoder_for: DecoderFor,
    ) -> None:
        attempt.headers = {name.lower(): value for name, value in response.headers.items()}
        self._response = response
        self._bounds = bounds
        self._attempt = attempt
        self._watch = Watch(response, bounds)
        self._sse = SseDecoder(line_bytes=bounds.line_bytes, stream_bytes=bounds.step_bytes)
        self._decoder = decoder_for(attempt.headers)
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
            case BoundReached(silent=silent):
                return self._attempt.broken(str(error), silent=silent)
            case Incomplete() | StreamTooLong():
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
        for event in events:
            if isinstance(event, _PROGRESS):
                self._watch.progressed()
                break
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
