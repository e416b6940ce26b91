"""One attempt at a chat-completions endpoint: exactly one request, streamed, within its bounds."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import aiohttp

from agent.credentials import Lease, Service
from agent.providers.base import (
    ArgumentsReceived,
    ModelRequest,
    ReasoningReceived,
    StreamEvent,
    TextReceived,
    ToolCallOpened,
)
from agent.providers.bounds import Bounds
from agent.providers.http_provider import HttpProvider, usual_bounds
from agent.providers.http_wire import Post
from agent.providers.openai_chat.form import CapField, ChatForm, ReasoningReplay, form_for
from agent.providers.openai_chat.reply import ReplyDecoder
from agent.providers.openai_chat.request import RequestEncoder

_LIMITS = "x-ratelimit-"
_SHOWN = (TextReceived, ReasoningReceived, ToolCallOpened, ArgumentsReceived)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatEndpoint:
    """Where and what to ask.

    `name` is the entry's name in the configuration. `cap_field` is what the endpoint calls the
    output cap, `reasoning_replay` which of its thoughts it is sent back; without them the address
    decides. `omit` names request fields it does not take. `images`: its model sees. `reasons`: it
    thinks before it answers. `service` is what its credential belongs to.
    """

    name: str
    base_url: str
    model: str
    cap_field: CapField | None = None
    context_window: int | None = None
    reasoning_replay: ReasoningReplay | None = None
    omit: frozenset[str] = frozenset()
    images: bool = True
    reasons: bool = False
    service: Service = Service.STATIC

    @property
    def is_capped(self) -> bool:
        """Whether a cap of the output is sent at all."""
        return self.form.cap_field not in self.omit

    @property
    def form(self) -> ChatForm:
        """How its requests look."""
        form = form_for(self.base_url, self.model)
        return replace(
            form,
            cap_field=self.cap_field or form.cap_field,
            reasoning_replay=self.reasoning_replay or form.reasoning_replay,
            filler=form.filler and self.reasoning_replay != "never",
            omit=self.omit,
            images=self.images,
        )


class OpenAIChat(HttpProvider):
    """A Provider over chat completions."""

    def __init__(
        self,
        endpoint: ChatEndpoint,
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
        self._capped = endpoint.is_capped
        form = endpoint.form
        self._thinker = None if form.reasoning_replay == "never" else self._origin
        self._encoder = RequestEncoder(origin=self._origin, form=form)

    def stream(self, request: ModelRequest, lease: Lease) -> AsyncGenerator[StreamEvent, None]:
        """Make exactly one request; see Provider."""
        return self._wire.stream(
            partial(self._post, request, lease),
            request=request,
            attempt=self._wire.attempt(lease),
            decoder_for=partial(self._decoder, request.max_output_tokens if self._capped else None),
            hidden=_SHOWN if request.adjustments.plain else (),
        )

    def _post(self, request: ModelRequest, lease: Lease) -> Post:
        url = (lease.base_url or self._origin.endpoint).rstrip("/") + "/chat/completions"
        return Post(url=url, body=self._encoder.encode(request), headers=lease.headers)

    def _decoder(self, output_cap: int | None, headers: Mapping[str, str]) -> ReplyDecoder:
        return ReplyDecoder(
            arguments_bytes=self._bounds.arguments_bytes,
            request_id=headers.get("x-request-id"),
            limits={name: value for name, value in headers.items() if name.startswith(_LIMITS)},
            output_cap=output_cap,
            thinker=self._thinker,
        )
