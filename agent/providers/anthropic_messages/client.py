"""One attempt at a Messages endpoint: exactly one request, streamed, within its bounds."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

import aiohttp

from agent.credentials import Lease, Service
from agent.providers.anthropic_messages.reply import ReplyDecoder
from agent.providers.anthropic_messages.request import CacheTtl, RequestEncoder
from agent.providers.anthropic_messages.thinking import (
    ThinkingForm,
    form_for,
    reasons,
    thinks,
)
from agent.providers.base import ModelRequest, StreamEvent
from agent.providers.bounds import CLOUD, REASONING, Bounds, bounds_for
from agent.providers.drawing import draw
from agent.providers.http_provider import HttpProvider
from agent.providers.http_wire import Post

VERSION = "2023-06-01"
"""Source: https://platform.claude.com/docs/en/api/versioning"""
LONG_CONTEXT = "context-1m-2025-08-07"
"""Source: https://platform.claude.com/docs/en/build-with-claude/context-windows"""
OUTPUT_CAP = 8_192
"""Asked for where neither request nor endpoint names a cap: the API wants one. Every model that is
still served takes as much."""
_BETA = "anthropic-beta"
_LIMITS = ("anthropic-ratelimit-", "x-ratelimit-")


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesEndpoint:
    """Where and what to ask.

    `name` is the entry's name in the configuration. `base_url` may end with `/v1` or not; requests
    go to `/v1/messages` below the rest. `max_output_tokens` is the cap of requests that name none.
    `thinking` is the form in which the model takes an effort, None for what its name says;
    `long_context` asks for the window of a million tokens; `cache_ttl` is how long what the
    provider has read is kept for us. `service` is what the entry's credential belongs to,
    `reasons` whether the model thinks before it answers: None where its name and `thinking` say.
    """

    name: str
    base_url: str
    model: str
    context_window: int | None = None
    max_output_tokens: int = OUTPUT_CAP
    thinking: ThinkingForm | None = None
    long_context: bool = False
    cache_ttl: CacheTtl = "5m"
    service: Service = Service.STATIC
    reasons: bool | None = None


class AnthropicMessages(HttpProvider):
    """A Provider over Anthropic's Messages API."""

    def __init__(
        self,
        endpoint: MessagesEndpoint,
        *,
        session: aiohttp.ClientSession | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        base_url = _root(endpoint.base_url)
        form = endpoint.thinking or form_for(endpoint.model)
        known = endpoint.reasons
        if known is None:
            known = reasons(endpoint.model, thinking=endpoint.thinking, effort=None)
        super().__init__(
            endpoint,
            base_url=base_url,
            bounds=bounds or thinking_bounds(base_url, endpoint.model, form),
            reasons=known,
            session=session,
        )
        self._long_context = endpoint.long_context
        self._form: ThinkingForm = form
        self._encoder = RequestEncoder(
            origin=self._origin,
            output_cap=endpoint.max_output_tokens,
            form=form,
            cache_ttl=endpoint.cache_ttl,
        )

    async def stream(
        self, request: ModelRequest, lease: Lease
    ) -> AsyncGenerator[StreamEvent, None]:
        """Make exactly one request; see Provider."""
        attempt = self._wire.attempt(lease, thinks=self._thinks(request))
        await draw(request)
        try:
            body = self._encoder.encode(request)
        except (TypeError, ValueError) as exc:
            raise attempt.invalid(exc) from exc
        long_context = self._long_context and request.adjustments.long_context
        post = Post(
            url=_root(lease.base_url or self._origin.endpoint) + "/v1/messages",
            body=body,
            headers=_headers(lease.headers, betas=(LONG_CONTEXT,) if long_context else ()),
        )
        events = self._wire.stream(
            post,
            request=request,
            attempt=attempt,
            decoder_for=partial(self._decoder, self._encoder.cap(request)),
        )
        async with aclosing(events):
            async for event in events:
                yield event

    def _thinks(self, request: ModelRequest) -> bool:
        effort = request.adjustments.effort if request.adjustments.thinking else "none"
        return thinks(self._form, self._origin.model, effort)

    def _decoder(self, output_cap: int, headers: Mapping[str, str]) -> ReplyDecoder:
        return ReplyDecoder(
            origin=self._origin,
            arguments_bytes=self._bounds.arguments_bytes,
            output_cap=output_cap,
            request_id=headers.get("request-id") or headers.get("x-request-id"),
            limits={name: text for name, text in headers.items() if name.startswith(_LIMITS)},
        )


def _root(base_url: str) -> str:
    """The address without the version at its end."""
    return base_url.rstrip("/").removesuffix("/v1").rstrip("/")


def _headers(lease: Mapping[str, str], *, betas: tuple[str, ...]) -> dict[str, str]:
    """Version and betas beside the lease's headers; what the lease says of betas is added to."""
    headers = {"anthropic-version": VERSION}
    for name, value in lease.items():
        if name.lower() == _BETA:
            betas = (value, *betas)
        else:
            headers[name] = value
    return headers | ({_BETA: ",".join(betas)} if betas else {})


def thinking_bounds(base_url: str, model: str, form: ThinkingForm) -> Bounds:
    """Models that think are given the time for it; but they begin to answer before they think."""
    bounds = bounds_for(base_url, model)
    if form == "off" or bounds is not CLOUD:
        return bounds
    return replace(REASONING, first_byte_s=CLOUD.first_byte_s)
