"""One attempt at a chat-completions endpoint: exactly one request, streamed, within its bounds."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

from agent.credentials import Lease
from agent.messages import Origin
from agent.providers.base import ModelRequest, StreamEvent
from agent.providers.bounds import Bounds, bounds_for
from agent.providers.http_wire import HttpWire, Post
from agent.providers.openai_chat.reply import ReplyDecoder
from agent.providers.openai_chat.request import CapField, RequestEncoder

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
        self._bounds = bounds or bounds_for(endpoint.base_url, endpoint.model)
        self._wire = HttpWire(
            self._origin, bounds=self._bounds, window=endpoint.context_window, session=session
        )
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
        await self._wire.close()

    async def reset(self) -> None:
        """Make the next request over a new connection."""
        await self._wire.reset()

    async def stream(
        self, request: ModelRequest, lease: Lease
    ) -> AsyncGenerator[StreamEvent, None]:
        """Make exactly one request; see Provider."""
        attempt = self._wire.attempt(lease)
        try:
            body = self._encoder.encode(request)
        except (TypeError, ValueError) as exc:
            raise attempt.invalid(exc) from exc
        url = (lease.base_url or self._origin.endpoint).rstrip("/") + "/chat/completions"
        events = self._wire.stream(
            Post(url=url, body=body, headers=lease.headers),
            request=request,
            attempt=attempt,
            decoder_for=self._decoder,
        )
        async with aclosing(events):
            async for event in events:
                yield event

    def _decoder(self, headers: Mapping[str, str]) -> ReplyDecoder:
        return ReplyDecoder(
            arguments_bytes=self._bounds.arguments_bytes, request_id=headers.get("x-request-id")
        )
