"""The server: checks what the real one checks, then plays the next entry of its script."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, assert_never

from aiohttp import web

from tests.wire.openai import converse
from tests.wire.openai.script import Stream
from tests.wire.openai.server import HUNG_UP, OpenAIServer, _decoded, _headers
from tests.wire.responses.rules import Detail, refusal_of
from tests.wire.responses.script import Reply, Say, Script, Whole, response_of, said, stream_of
from tests.wire.server import Answer

Json = Mapping[str, Any]
RESPONSES = "POST /v1/responses"


class ResponsesServer(OpenAIServer):
    """The model server with `/v1/responses` beside its chat completions.

    A request is answered by the next entry given to `respond`, else by `default`; without either
    it is unexpected. `codex`: it refuses what ChatGPT's codex backend refuses.
    """

    def __init__(
        self,
        *,
        codex: bool = False,
        default: Callable[[Json], Script] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.answers: deque[Script] = deque()
        self.peers: list[str] = []
        """From which port each request came, oldest first."""
        self._codex = codex
        self._answer_by = default

    def respond(self, *entries: Script | str) -> None:
        """Adds answers; a string is a reply of one delta."""
        self.answers.extend(said(e) if isinstance(e, str) else e for e in entries)

    @property
    def asked(self) -> list[Json]:
        """The bodies of all accepted requests, oldest first."""
        return [seen.arguments for seen in self.requests(RESPONSES) if seen.status == 200]

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        return (*super().routes(), web.post("/v1/responses", self._respond))

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        body = _decoded(await request.read())
        self.peers.append(str(request.transport and request.transport.get_extra_info("peername")))
        refusal = self._unauthorized(request) or refusal_of(
            body, models=self._models, context_window=self._context_window, codex=self._codex
        )
        if refusal is not None:
            arguments = body if isinstance(body, dict) else {}
            self.note(RESPONSES, arguments, refusal.status, request.headers)
            headers = {} if isinstance(refusal, Detail) else _headers()
            return web.json_response(refusal.body, status=refusal.status, headers=headers)
        entry = self._next_answer(body)
        if entry is None:
            self.unexpected.append(RESPONSES)
            self.note(RESPONSES, body, 500, request.headers)
            return web.json_response({"error": {"message": "the script is empty"}}, status=500)
        if isinstance(entry, Answer):
            self.note(RESPONSES, body, entry.status, request.headers)
            return web.Response(
                status=entry.status,
                body=entry.body,
                headers=entry.headers,
                content_type=entry.content_type,
            )
        self.note(RESPONSES, body, 200, request.headers)
        try:
            return await self._play_entry(request, body, entry)
        except (asyncio.CancelledError, ConnectionResetError):
            if not self.closing.is_set():
                self.note(HUNG_UP, body, 0)
            raise

    def _next_answer(self, body: Json) -> Script | None:
        if self.answers:
            return self.answers.popleft()
        return self._answer_by(body) if self._answer_by is not None else None

    async def _play_entry(
        self, request: web.Request, body: Json, entry: Reply | Stream | Whole
    ) -> web.StreamResponse:
        match entry:
            case Stream(steps=steps, content_type=content_type):
                return await self._play_steps(request, steps, content_type)
            case Reply() if body.get("stream"):
                return await self._play_steps(request, stream_of(entry, body), "text/event-stream")
            case Reply() | Whole():
                reply = entry.reply if isinstance(entry, Whole) else entry
                await _released(reply)
                return web.json_response(response_of(reply, body), headers=_headers())
            case _:
                assert_never(entry)


async def _released(reply: Reply) -> None:
    for item in reply.items:
        for delta in item.deltas if isinstance(item, Say) else ():
            if isinstance(delta, asyncio.Event):
                await delta.wait()


def conversed(request: Json) -> Reply:
    """A model that needs no model: what the chat server's would say."""
    items = request["input"]
    messages = [
        {"role": "tool", "content": item["output"]}
        if item.get("type") == "function_call_output"
        else {"role": item.get("role", "assistant"), "content": item.get("content")}
        for item in items
        if item.get("type") != "reasoning"
    ]
    answer = converse({"messages": messages, "tools": request.get("tools")})
    words = (Say(deltas=answer.deltas),) if answer.deltas else ()
    return Reply(items=(*words, *answer.calls))
