"""The server: checks what the real one checks, then plays the next entry of its script."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, assert_never

from aiohttp import web

from tests.wire.anthropic.caches import Looked, PromptCache
from tests.wire.anthropic.rules import ModelRules, Refusal, refusal_of
from tests.wire.anthropic.script import (
    Reply,
    Script,
    Whole,
    holds,
    say,
    stream_of,
    whole_of,
)
from tests.wire.openai.script import Cut, Pings, Reset, Silence, Stream, StreamStep
from tests.wire.server import Answer, LoopbackServer, cut

Json = Mapping[str, Any]
MESSAGES = "POST /v1/messages"
HUNG_UP = "hang-up"
MODELS: Mapping[str, ModelRules] = {
    "claude-loopback": ModelRules(),
    "claude-sonnet-4-5": ModelRules(adaptive=False),
    "claude-opus-4-8": ModelRules(budget=False, prefill=False, output=128_000),
    "claude-sonnet-5": ModelRules(budget=False, prefill=False, unasked=True),
    "claude-fable-5": ModelRules(budget=False, prefill=False, unasked=True, disabled=False),
}


class AnthropicServer(LoopbackServer):
    """`url` is what a client is configured with.

    A request is answered by the next entry of the script, else by `default`; without either it
    is unexpected. A client that hangs up during an answer leaves a record of `hang-up`. `looked`
    tells what each accepted request found in the prompt cache.
    """

    def __init__(
        self,
        *,
        key: str = "sk-ant-loopback",
        models: Mapping[str, ModelRules] = MODELS,
        context_window: int = 200_000,
        default: Callable[[Json], Script] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(host=host, port=port)
        self.script: deque[Script] = deque()
        self.looked: list[Looked] = []
        self._key = key
        self._models = models
        self._context_window = context_window
        self._default = default
        self._cache = PromptCache()

    def reply(self, *entries: Script | str) -> None:
        """Adds answers to the script; a string is a reply of one delta."""
        self.script.extend(say(e) if isinstance(e, str) else e for e in entries)

    @property
    def asked(self) -> list[Json]:
        """The bodies of all accepted requests, oldest first."""
        return [seen.arguments for seen in self.requests(MESSAGES) if seen.status == 200]

    async def hung_up(self, timeout: float = 60.0) -> None:
        """Returns once a client has closed its socket during an answer."""
        await self.seen(lambda seen: seen.operation == HUNG_UP, timeout)

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        return (web.post("/v1/messages", self._messages),)

    def reject(self, request: web.Request) -> web.Response:
        refusal = Refusal(message="Not found", status=404, type="not_found_error")
        return web.json_response(refusal.body, status=404)

    # Requests.

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        body = _decoded(await request.read())
        refusal = self._refused_head(request) or refusal_of(
            body, models=self._models, context_window=self._context_window
        )
        if refusal is not None:
            return self._refuse(request, body, refusal)
        entry = self.script.popleft() if self.script else None
        if entry is None and self._default is not None:
            entry = self._default(body)
        if entry is None:
            self.unexpected.append(MESSAGES)
            refusal = Refusal(message="the script is empty", status=500, type="api_error")
            return self._refuse(request, body, refusal)
        if isinstance(entry, Answer):
            self.note(MESSAGES, body, entry.status, request.headers)
            return web.Response(
                status=entry.status,
                body=entry.body,
                headers=entry.headers,
                content_type=entry.content_type,
            )
        self.note(MESSAGES, body, 200, request.headers)
        self.looked.append(self._cache.look(body))
        try:
            return await self._answer(request, body, entry)
        except (asyncio.CancelledError, ConnectionResetError):
            if not self.closing.is_set():
                self.note(HUNG_UP, body, 0)
            raise

    def _refused_head(self, request: web.Request) -> Refusal | None:
        headers = request.headers
        sent = headers.get("x-api-key") or headers.get("Authorization", "").removeprefix("Bearer ")
        if not sent:
            return Refusal(
                message="x-api-key header is required", status=401, type="authentication_error"
            )
        if sent != self._key:
            return Refusal(message="invalid x-api-key", status=401, type="authentication_error")
        if not headers.get("anthropic-version"):
            return Refusal(message="anthropic-version: header is required")
        if not headers.get("Content-Type", "").startswith("application/json"):
            return Refusal(message="content-type: must be application/json")
        return None

    def _refuse(self, request: web.Request, body: Any, refusal: Refusal) -> web.Response:
        arguments = body if isinstance(body, dict) else {}
        self.note(MESSAGES, arguments, refusal.status, request.headers)
        return web.json_response(refusal.body, status=refusal.status, headers=_headers())

    # Answers.

    async def _answer(
        self, request: web.Request, body: Json, entry: Reply | Stream | Whole
    ) -> web.StreamResponse:
        usage = self.looked[-1].usage
        match entry:
            case Stream(steps=steps, content_type=content_type):
                return await self._play_steps(request, steps, content_type)
            case Whole(reply=reply):
                return await self._whole(reply, body, usage)
            case Reply() if body.get("stream"):
                steps = stream_of(entry, body, usage)
                return await self._play_steps(request, steps, "text/event-stream")
            case Reply():
                return await self._whole(entry, body, usage)
            case _:
                assert_never(entry)

    async def _whole(self, reply: Reply, body: Json, usage: Json) -> web.Response:
        for event in holds(reply.blocks):
            await event.wait()
        return web.json_response(whole_of(reply, body, usage), headers=_headers())

    async def _play_steps(
        self, request: web.Request, steps: Sequence[StreamStep], content_type: str
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=_headers() | {"Content-Type": content_type})
        await response.prepare(request)
        for step in steps:
            match step:
                case bytes():
                    await response.write(step)
                case asyncio.Event():
                    await step.wait()
                case Cut():
                    if request.transport is not None:
                        request.transport.close()
                    return response
                case Reset():
                    cut(request)
                    return response
                case Silence():
                    await self.closing.wait()
                    return response
                case Pings(every_s=every_s, line=line):
                    while not self.closing.is_set():
                        await response.write(line)
                        await asyncio.sleep(every_s)
                case _:
                    assert_never(step)
        await response.write_eof()
        return response


def _decoded(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None


def _headers() -> dict[str, str]:
    return {
        "request-id": "req_loopback",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "2026-01-01T00:00:00Z",
    }
