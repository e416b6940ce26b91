"""One attempt at a Responses endpoint: exactly one request, within its bounds."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlsplit

import aiohttp

from agent.credentials import Lease, Service
from agent.providers.base import (
    ArgumentsReceived,
    ModelRequest,
    PartCompleted,
    ReasoningReceived,
    StreamCompleted,
    StreamEvent,
    TextReceived,
    ToolCallOpened,
)
from agent.providers.bounds import Bounds
from agent.providers.drawing import draw
from agent.providers.http_provider import HttpProvider, usual_bounds
from agent.providers.http_wire import Post
from agent.providers.openai_responses.reply import ReplyDecoder
from agent.providers.openai_responses.request import RequestEncoder

CODEX_HOST = "chatgpt.com"
CODEX_OMIT = frozenset({"max_output_tokens", "temperature", "top_p"})
"""What the codex backend of ChatGPT refuses.

Source: its answer 400 `Unsupported parameter: max_output_tokens`, whatever the model.
"""
_CACHE_KEY_HOSTS = ("api.openai.com", CODEX_HOST, "api.x.ai")
_LIMITS = ("x-ratelimit-", "x-codex-")
_HELD = (TextReceived, ReasoningReceived, ToolCallOpened, ArgumentsReceived, PartCompleted)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsesEndpoint:
    """Where and what to ask.

    `name` is the entry's name in the configuration. `omit` names fields of the request that the
    endpoint refuses, beside those its address is known to refuse. `stream_only`: it answers with
    a stream or not at all; without it the address decides. `context_window` counts tokens.
    `service` is what its credential belongs to, `reasons` whether the model thinks before it
    answers.
    """

    name: str
    base_url: str
    model: str
    context_window: int | None = None
    omit: frozenset[str] = frozenset()
    stream_only: bool | None = None
    service: Service = Service.STATIC
    reasons: bool = False

    @property
    def host(self) -> str:
        """The host of its address."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def omitted(self) -> frozenset[str]:
        """Every field that is left out."""
        return self.omit | CODEX_OMIT if self.host == CODEX_HOST else self.omit

    @property
    def is_capped(self) -> bool:
        """Whether a cap of the output is sent at all.

        Else nothing caps it but the model's own maximum, and that is what has to be reserved.
        """
        return "max_output_tokens" not in self.omitted


class OpenAIResponses(HttpProvider):
    """A Provider over the Responses API."""

    def __init__(
        self,
        endpoint: ResponsesEndpoint,
        *,
        session: aiohttp.ClientSession | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        base_url, reasons = endpoint.base_url.rstrip("/"), endpoint.reasons
        super().__init__(
            endpoint,
            base_url=base_url,
            bounds=bounds or usual_bounds(base_url, endpoint.model, reasons=reasons),
            reasons=reasons,
            session=session,
        )
        stream_only = endpoint.stream_only
        self._capped = endpoint.is_capped
        self._encoder = RequestEncoder(
            origin=self._origin,
            omit=endpoint.omitted,
            cache_key=endpoint.host in _CACHE_KEY_HOSTS,
            stream_only=endpoint.host == CODEX_HOST if stream_only is None else stream_only,
        )

    async def stream(
        self, request: ModelRequest, lease: Lease
    ) -> AsyncGenerator[StreamEvent, None]:
        """Make exactly one request; see Provider."""
        attempt = self._wire.attempt(lease)
        await draw(request)
        try:
            body = self._encoder.encode(request)
        except (TypeError, ValueError) as exc:
            raise attempt.invalid(exc) from exc
        url = (lease.base_url or self._origin.endpoint).rstrip("/") + "/responses"
        adjustments = request.adjustments
        collected = adjustments.plain or not adjustments.stream
        if collected:  # its bounds are those of a reply that comes in one piece
            request = replace(request, adjustments=replace(adjustments, stream=False))
        events = self._wire.stream(
            Post(url=url, body=body, headers=lease.headers),
            request=request,
            attempt=attempt,
            decoder_for=partial(self._decoder, request.max_output_tokens if self._capped else None),
        )
        async with aclosing(_held_back(events) if collected else events) as shown:
            async for event in shown:
                yield event

    def _decoder(self, output_cap: int | None, headers: Mapping[str, str]) -> ReplyDecoder:
        return ReplyDecoder(
            origin=self._origin,
            arguments_bytes=self._bounds.arguments_bytes,
            request_id=headers.get("x-request-id"),
            limits={name: value for name, value in headers.items() if name.startswith(_LIMITS)},
            output_cap=output_cap,
        )


async def _held_back(
    events: AsyncGenerator[StreamEvent, None],
) -> AsyncGenerator[StreamEvent, None]:
    """Nothing for the reader before the reply is complete: what fails has shown nothing."""
    held: list[StreamEvent] = []
    async with aclosing(events):
        async for event in events:
            if isinstance(event, _HELD):
                held.append(event)
                continue
            if isinstance(event, StreamCompleted):
                for each in held:
                    yield each
            yield event
