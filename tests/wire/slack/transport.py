"""How Slack hands things to an app: sockets or signed requests, with retries on its own clock.

Theory of operation. Every event, press and command is a `Delivery`. It goes to one open socket,
round robin, or as a signed POST where an address was given; with neither it waits for the first.
Answered in time (ack, 200) it is done. An event that failed comes again at once, after one and
after five minutes, each time in a new envelope with the same payload; then it is lost. Presses and
commands never come again: the person sees a warning instead. Time stands still until `advance`,
except for the three seconds a POST waits for its answer.
"""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

import aiohttp
from aiohttp import WSMsgType, web

from tests.wire.server import cut
from tests.wire.slack.checks import Json
from tests.wire.slack.payloads import signature

Kind = Literal["events_api", "interactive", "slash_commands"]
ACK_LIMIT_S = 3.0
RETRY_AFTER_S = (0.0, 60.0, 300.0)
SOCKETS_MAX = 10


@dataclass(slots=True)
class Delivery:
    """One thing Slack wants to hand over, and how it stands."""

    id: str
    kind: Kind
    payload: Any
    attempt: int = 0
    state: Literal["waiting", "sent", "done", "lost"] = "waiting"
    due: float = 0.0
    reason: str = ""
    answers: list[Any] = field(default_factory=list)
    tries: int = 0


@dataclass(eq=False, slots=True)
class Socket:
    """An open Socket Mode connection. A deaf one takes everything and answers nothing."""

    ws: web.WebSocketResponse
    request: web.Request
    number: int
    deaf: bool = False
    silent: bool = False
    sent: int = 0
    pings: int = 0


class Transport:
    """All deliveries of one app. `note(delivery, status, answer)` hears of every answer."""

    def __init__(
        self,
        *,
        note: Callable[[Delivery, int, Any], None],
        unexpected: Callable[[str], None],
        app_id: str,
    ) -> None:
        self.deliveries: list[Delivery] = []
        self.sockets: list[Socket] = []
        self.opened = 0
        self.now = 0.0
        self.extra_connections = 0
        self.sockets_max = SOCKETS_MAX
        self._note = note
        self._unexpected = unexpected
        self._app_id = app_id
        self._waiting: dict[int, Delivery] = {}
        """Of the deliveries, those that may have to be sent."""
        self._envelopes: dict[str, tuple[Delivery, Socket]] = {}
        self._orphans: set[str] = set()
        self._numbers = 0
        self._turn = 0
        self._push_url: str | None = None
        self._secret = ""
        self._http: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()

    # -- deliveries

    def add(self, delivery: Delivery) -> Delivery:
        """Takes one thing and hands it over as soon as there is somebody to take it."""
        self.deliveries.append(delivery)
        self._waiting[id(delivery)] = delivery
        delivery.due = self.now
        self._soon(self._work())
        return delivery

    async def advance(self, seconds: float) -> None:
        """Moves the retry clock on and does what has become due."""
        self.now += seconds
        for delivery in self.deliveries:
            if delivery.state == "sent" and self._push_url is None and delivery.due <= self.now:
                self._failed(delivery, "timeout")
        await self._work()

    async def wait(self, wanted: Callable[[], bool], timeout: float) -> None:
        """Until `wanted` holds; it is asked again whenever a delivery changes."""
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(wanted)

    async def _work(self) -> None:
        if self._push_url is None and not self.sockets:
            return
        for ident, delivery in list(self._waiting.items()):
            if delivery.state != "waiting":
                self._waiting.pop(ident, None)
            elif delivery.due <= self.now:
                await self._send(delivery)

    async def _send(self, delivery: Delivery) -> None:
        if self._push_url is not None:
            delivery.state = "sent"
            delivery.tries += 1
            self._soon(self._push(delivery, self._push_url))
            return
        socket = self._next_socket()
        if socket is not None:
            delivery.state = "sent"
            delivery.tries += 1
            await self._send_envelope(delivery, socket)

    def _failed(self, delivery: Delivery, reason: str) -> None:
        if delivery.state != "sent":
            return
        if delivery.kind != "events_api" or delivery.attempt == len(RETRY_AFTER_S):
            delivery.state = "lost"
            return
        delivery.due = self.now + RETRY_AFTER_S[delivery.attempt]
        delivery.attempt += 1
        delivery.reason = reason
        delivery.state = "waiting"
        self._waiting[id(delivery)] = delivery

    async def _settled(self, delivery: Delivery, status: int, answer: Any) -> None:
        self._note(delivery, status, answer)
        delivery.answers.append(answer)
        if status == 200:
            delivery.state = "done"
        else:
            self._failed(delivery, "http_timeout" if status == 0 else "http_error")
        await self._tell()
        await self._work()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _soon(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- sockets

    def _next_socket(self) -> Socket | None:
        if not self.sockets:
            return None
        self._turn += 1
        return self.sockets[self._turn % len(self.sockets)]

    async def _send_envelope(self, delivery: Delivery, socket: Socket) -> None:
        self._numbers += 1
        envelope_id = f"00000000-0000-4000-8000-{self._numbers:012d}"
        self._envelopes[envelope_id] = (delivery, socket)
        delivery.due = self.now + ACK_LIMIT_S
        envelope: Json = {
            "envelope_id": envelope_id,
            "type": delivery.kind,
            "payload": delivery.payload,
            "accepts_response_payload": delivery.kind != "events_api",
        }
        if delivery.kind == "events_api":
            envelope |= {"retry_attempt": delivery.attempt, "retry_reason": delivery.reason}
        await self._frame(socket, json.dumps(envelope))

    async def _frame(self, socket: Socket, text: str) -> None:
        if socket.silent:
            return
        try:
            await socket.ws.send_str(text)
            socket.sent += 1
        except ConnectionError:
            await self._gone(socket)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One connection, from hello to its end."""
        ws = web.WebSocketResponse(autoping=False)
        await ws.prepare(request)
        self.opened += 1
        socket = Socket(ws=ws, request=request, number=self.opened)
        self.sockets.append(socket)
        connections = len(self.sockets) + self.extra_connections
        hello = {
            "type": "hello",
            "num_connections": connections,
            "debug_info": {
                "host": "loopback-1",
                "build_number": 1,
                "approximate_connection_time": 18060,
            },
            "connection_info": {"app_id": self._app_id},
        }
        await self._frame(socket, json.dumps(hello))
        if connections > self.sockets_max:
            await self.disconnect("too_many_websockets", socket)
        await self._tell()
        await self._work()
        try:
            async for message in ws:
                await self._received(socket, message.type, message.data)
        finally:
            await self._gone(socket)
        return ws

    async def _received(self, socket: Socket, kind: WSMsgType, data: Any) -> None:
        if socket.deaf:
            return
        if kind is WSMsgType.PING:
            await socket.ws.pong(data)
            socket.pings += 1
            await self._tell()
        elif kind is WSMsgType.TEXT:
            await self._acknowledged(data)

    async def _acknowledged(self, text: str) -> None:
        try:
            answer = json.loads(text)
            envelope_id = answer["envelope_id"]
        except (ValueError, KeyError, TypeError):
            self._unexpected(f"socket frame {text[:80]!r}")
            return
        found = self._envelopes.pop(envelope_id, None)
        if found is None and envelope_id in self._orphans:
            return  # its connection is gone, and with it whoever waited for the answer
        if found is None:
            self._unexpected(f"ack of {envelope_id}, which is unknown or was acknowledged")
            return
        if found[0].state == "done":
            return
        found[0].state = "sent"
        await self._settled(found[0], 200, answer.get("payload"))

    async def _gone(self, socket: Socket) -> None:
        if socket not in self.sockets:
            return
        self.sockets.remove(socket)
        for envelope_id, (delivery, through) in list(self._envelopes.items()):
            if through is socket and delivery.state == "sent":
                del self._envelopes[envelope_id]
                self._orphans.add(envelope_id)
                self._failed(delivery, "connection_failed")
        await self._tell()
        await self._work()

    async def disconnect(self, reason: str, socket: Socket | None = None) -> None:
        """Announces the end of one connection, or of all, and ends it as Slack does."""
        for each in [socket] if socket else list(self.sockets):
            body = {"type": "disconnect", "reason": reason, "debug_info": {"host": "loopback-1"}}
            await self._frame(each, json.dumps(body))
            if reason != "warning":
                self._soon(self._close(each))

    async def _close(self, socket: Socket) -> None:
        await socket.ws.close()

    async def frame(self, text: str) -> None:
        """Any text frame to every connection."""
        for socket in list(self.sockets):
            await self._frame(socket, text)

    def write(self, data: bytes) -> None:
        """Any bytes to every connection, whether they make a frame or not."""
        for socket in self.sockets:
            if socket.request.transport is not None:
                socket.request.transport.write(data)

    def cut(self) -> None:
        """Every connection is gone without a word."""
        for socket in list(self.sockets):
            cut(socket.request)

    def deafen(self, *sockets: Socket) -> None:
        """These connections, or all, stay open and answer nothing more, pings included."""
        for socket in sockets or tuple(self.sockets):
            socket.deaf = socket.silent = True

    # -- signed requests

    def push_to(self, url: str, secret: str) -> None:
        """From now on everything goes there instead of to sockets."""
        self._push_url, self._secret = url, secret
        self._soon(self._work())

    def signed(self, body: bytes, content_type: str) -> dict[str, str]:
        """The headers of a genuine request, signed now."""
        timestamp = str(int(time.time()))
        return {
            "Content-Type": content_type,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": signature(self._secret, timestamp, body),
        }

    async def post(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """One request to the app as it is given; status 0 when there was no answer."""
        assert self._push_url is not None, "push_to() was not called"
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ACK_LIMIT_S))
        try:
            async with self._http.post(
                self._push_url, data=body, headers=headers, allow_redirects=False
            ) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError):
            return 0, b""

    async def _push(self, delivery: Delivery, url: str) -> None:
        body, content_type = encode(delivery)
        headers = self.signed(body, content_type)
        if delivery.attempt:
            headers["X-Slack-Retry-Num"] = str(delivery.attempt)
            headers["X-Slack-Retry-Reason"] = delivery.reason
        status, answer = await self.post(body, headers)
        await self._settled(delivery, status, answer.decode("utf-8", "replace"))

    async def stop(self) -> None:
        """Ends every connection and request."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.cut()
        if self._http is not None:
            await self._http.close()


def encode(delivery: Delivery) -> tuple[bytes, str]:
    """The body of a signed request: JSON for events, a form for the rest."""
    form = "application/x-www-form-urlencoded"
    match delivery.kind:
        case "events_api":
            return json.dumps(delivery.payload).encode(), "application/json"
        case "interactive":
            return urlencode({"payload": json.dumps(delivery.payload)}).encode(), form
        case "slash_commands":
            return urlencode(delivery.payload).encode(), form
