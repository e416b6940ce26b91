"""The server: checks what the real one checks, then plays the next entry of its script."""

import asyncio
import html
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, assert_never

from aiohttp import web

from tests.wire.openai.converse import last_user_text
from tests.wire.openai.recordings import read_recording, refusal_of_recording
from tests.wire.openai.rules import Refusal, refusal_of
from tests.wire.openai.script import (
    CREATED,
    Cut,
    Pings,
    Reply,
    Reset,
    Script,
    Silence,
    Stream,
    StreamStep,
    Whole,
    holds,
    stream_of,
    whole_of,
)
from tests.wire.server import Answer, LoopbackServer, cut

Json = Mapping[str, Any]
CHAT = "POST /v1/chat/completions"
MODELS = "GET /v1/models"
TRANSCRIBE = "POST /v1/audio/transcriptions"
HUNG_UP = "hang-up"


class OpenAIServer(LoopbackServer):
    """`base_url` is what a client is configured with.

    A request is answered by the next entry of the script, else by `default`; without either it
    is unexpected. `key=None` asks for no key, as local model servers do. A client that hangs up
    during an answer leaves a record of the operation `hang-up`.
    """

    def __init__(
        self,
        *,
        key: str | None = "sk-loopback",
        models: Sequence[str] = ("loopback-1",),
        context_window: int = 128_000,
        default: Callable[[Json], Script] | None = None,
        delta_pause_s: float = 0.0,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(host=host, port=port)
        self.script: deque[Script] = deque()
        self.spoken: dict[bytes, str] = {}
        self.spoken_seconds = 1
        self._key = key
        self._models = tuple(models)
        self._context_window = context_window
        self.default = default
        self._delta_pause_s = delta_pause_s

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def reply(self, *entries: Script | str) -> None:
        """Adds answers to the script; a string is a reply of one delta."""
        self.script.extend(Reply(deltas=(e,)) if isinstance(e, str) else e for e in entries)

    @property
    def asked(self) -> list[Json]:
        """The bodies of all accepted chat requests, oldest first."""
        return [seen.arguments for seen in self.requests(CHAT) if seen.status == 200]

    async def hung_up(self, timeout: float = 60.0) -> None:
        """Returns once a client has closed its socket during an answer."""
        await self.seen(lambda seen: seen.operation == HUNG_UP, timeout)

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        return (
            web.post("/v1/chat/completions", self._chat),
            web.post("/v1/audio/transcriptions", self._transcribe),
            web.get("/v1/models", self._list_models),
            web.get("/v1/models/{model}", self._show_model),
            web.get("/", self._page),
        )

    def reject(self, request: web.Request) -> web.Response:
        refusal = Refusal(message=f"Invalid URL ({request.method} {request.path})", status=404)
        return web.json_response(refusal.body, status=404)

    # Requests.

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = _decoded(await request.read())
        refusal = self._unauthorized(request) or refusal_of(
            body, models=self._models, context_window=self._context_window
        )
        if refusal is not None:
            return self._refuse(request, body, refusal)
        entry = self._next(body)
        if entry is None:
            self.unexpected.append(f"{CHAT}: {last_user_text(body['messages'])!r}")
            refusal = Refusal(message="the script is empty", status=500, type="server_error")
            return self._refuse(request, body, refusal)
        if isinstance(entry, Answer):
            self.note(CHAT, body, entry.status, request.headers)
            return web.Response(
                status=entry.status,
                body=entry.body,
                headers=entry.headers,
                content_type=entry.content_type,
            )
        self.note(CHAT, body, 200, request.headers)
        try:
            return await self._answer(request, body, entry)
        except (asyncio.CancelledError, ConnectionResetError):
            if not self.closing.is_set():
                self.note(HUNG_UP, body, 0)
            raise

    async def _transcribe(self, request: web.Request) -> web.Response:
        """What `spoken` says was recorded, by its bytes."""
        given = await read_recording(request)
        refusal = self._unauthorized(request) or refusal_of_recording(given)
        self.note(
            TRANSCRIBE,
            {**given.fields, "bytes": len(given.data), "name": given.name},
            refusal.status if refusal else 200,
            request.headers,
        )
        if refusal is not None:
            return web.json_response(refusal.body, status=refusal.status)
        if given.data not in self.spoken:
            self.unexpected.append(f"{TRANSCRIBE}: {given.data[:40]!r}")
        usage = {"type": "duration", "seconds": self.spoken_seconds}
        return web.json_response({"text": self.spoken.get(given.data, ""), "usage": usage})

    def _next(self, body: Json) -> Script | None:
        if self.script:
            return self.script.popleft()
        return self.default(body) if self.default is not None else None

    def _refuse(self, request: web.Request, body: Any, refusal: Refusal) -> web.Response:
        arguments = body if isinstance(body, dict) else {}
        self.note(self.operation(request), arguments, refusal.status, request.headers)
        return web.json_response(refusal.body, status=refusal.status, headers=_headers())

    def _unauthorized(self, request: web.Request) -> Refusal | None:
        if self._key is None:
            return None
        sent = request.headers.get("Authorization", "")
        if not sent:
            return Refusal(
                message="You didn't provide an API key. You need to provide your API key in an "
                "Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or "
                "as the password field (with blank username) if you're accessing the API from "
                "your browser and are prompted for a username and password. You can obtain an "
                "API key from https://platform.openai.com/account/api-keys.",
                status=401,
            )
        if sent != f"Bearer {self._key}":
            key = sent.removeprefix("Bearer ")
            return Refusal(
                message=f"Incorrect API key provided: {key[:7]}{'*' * 8}{key[-4:]}. You can find "
                "your API key at https://platform.openai.com/account/api-keys.",
                status=401,
                code="invalid_api_key",
            )
        return None

    # Answers.

    async def _answer(
        self, request: web.Request, body: Json, entry: Reply | Stream | Whole
    ) -> web.StreamResponse:
        match entry:
            case Stream(steps=steps, content_type=content_type):
                return await self._play_steps(request, steps, content_type)
            case Whole(reply=reply):
                return await self._whole(reply, body)
            case Reply() if body.get("stream"):
                return await self._play_steps(request, stream_of(entry, body), "text/event-stream")
            case Reply():
                return await self._whole(entry, body)
            case _:
                assert_never(entry)

    async def _whole(self, reply: Reply, body: Json) -> web.Response:
        for event in holds(reply.deltas):
            await event.wait()
        return web.json_response(whole_of(reply, body), headers=_headers())

    async def _play_steps(
        self, request: web.Request, steps: Sequence[StreamStep], content_type: str
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=_headers() | {"Content-Type": content_type})
        await response.prepare(request)
        for step in steps:
            match step:
                case bytes():
                    await response.write(step)
                    if self._delta_pause_s:
                        await asyncio.sleep(self._delta_pause_s)
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

    async def _list_models(self, request: web.Request) -> web.StreamResponse:
        if (refusal := self._unauthorized(request)) is not None:
            return self._refuse(request, {}, refusal)
        self.note(MODELS, {}, 200, request.headers)
        entries = [_model_entry(model) for model in self._models]
        return web.json_response({"object": "list", "data": entries}, headers=_headers())

    async def _show_model(self, request: web.Request) -> web.StreamResponse:
        model = request.match_info["model"]
        refusal = self._unauthorized(request)
        if refusal is None and model not in self._models:
            refusal = Refusal(
                message=f"The model '{model}' does not exist",
                status=404,
                param="model",
                code="model_not_found",
            )
        if refusal is not None:
            return self._refuse(request, {}, refusal)
        self.note(self.operation(request), {}, 200, request.headers)
        return web.json_response(_model_entry(model), headers=_headers())

    async def _page(self, _: web.Request) -> web.Response:
        rows = []
        for seen in reversed(self.requests(CHAT)[-50:]):
            messages = seen.arguments.get("messages", [])
            said = html.escape(last_user_text(messages)[:200])
            rows.append(f"<tr><td>{seen.status}<td>{len(messages)} messages<td>{said}")
        page = (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>Model</title>'
            '<meta http-equiv="refresh" content="2"><h1>Loopback model</h1>'
            f"<p>Base URL <code>{self.base_url}</code>, model <code>{self._models[0]}</code>. "
            "Requests, newest first:</p><table>" + "".join(rows) + "</table></html>"
        )
        return web.Response(text=page, content_type="text/html")


def _decoded(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None


def _headers() -> dict[str, str]:
    return {
        "x-request-id": "req_loopback",
        "openai-processing-ms": "1",
        "x-ratelimit-remaining-requests": "9999",
    }


def _model_entry(model: str) -> Json:
    return {"id": model, "object": "model", "created": CREATED, "owned_by": "loopback"}
