"""One Socket Mode connection, from its handshake to its end.

opening --hello--> live --told to go, or asked to--> retiring --> gone
                     '---closed, or silent for `stale_s`---------> gone

A connection never mends itself: `over` tells why another should take its place, `gone` that nothing
comes any more. The SDK's own client is not used: it closes its old socket before it opens a new
one, reconnects without pause, sees a broken one only at its next ping, and measures by the wall
clock. Sources: docs.slack.dev/apis/events-api/using-socket-mode, node-slack-sdk issue 1654.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Literal

import aiohttp
from aiohttp import ClientWebSocketResponse, ClientWSTimeout, WSMsgType

from platforms.errors import PlatformUnavailable
from platforms.fields import Body, integer
from platforms.slack.api import CONNECT_TIMEOUT_S
from platforms.slack.backlog import Backlog

log = logging.getLogger(__name__)

CLOSE_LIMIT_S = 0.5
"""Of a closing handshake; a peer that does not answer is left standing."""

End = Literal["closed", "stale", "refresh", "too_many_websockets", "link_disabled"]

Answer = Callable[[Body], Awaitable[Body | None]]
"""Takes an envelope; what goes along with its acknowledgement, or None for none at all."""


class Connection:
    """One socket. `greeted` is called once hello came, `lost` once nothing comes any more."""

    def __init__(
        self,
        *,
        answer: Answer,
        backlog: Backlog,
        greeted: Callable[["Connection", int], None],
        lost: Callable[["Connection"], None],
        ping_interval_s: float,
        stale_s: float,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._answer = answer
        self._backlog = backlog
        self._greeted = greeted
        self._lost = lost
        self._ping_interval_s = ping_interval_s
        self._stale_s = stale_s
        self._clock = clock
        self._sleep = sleep
        self._ws: ClientWebSocketResponse | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._hello = False
        self._paused = False
        self._dismissed = False
        self.heard_at: float | None = None
        self.over: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self.gone = asyncio.Event()

    @property
    def live(self) -> bool:
        """Whether Slack hands events to it."""
        return self._hello and not self.gone.is_set()

    @property
    def ended_cleanly(self) -> bool:
        """Whether Slack knows that it is closed."""
        if self._ws is None or self._dismissed:
            return True
        return self._ws.close_code not in {None, aiohttp.WSCloseCode.ABNORMAL_CLOSURE}

    @property
    def counted(self) -> bool:
        """Whether Slack still takes it for open, as far as we know."""
        return self._ws is not None and not (self.gone.is_set() and self.ended_cleanly)

    async def open(self, session: aiohttp.ClientSession, url: str) -> None:
        """Shake hands and begin to listen; raises PlatformUnavailable."""
        try:
            async with asyncio.timeout(min(CONNECT_TIMEOUT_S, self._stale_s)):
                self._ws = await session.ws_connect(
                    url,
                    autoping=False,
                    autoclose=False,
                    timeout=ClientWSTimeout(ws_close=CLOSE_LIMIT_S),
                )
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            name = type(error).__name__  # all else may show the address, whose ticket is a secret
            raise PlatformUnavailable(f"Slack's socket could not be opened ({name})") from None
        self.heard_at = self._clock()
        self._tasks = [
            asyncio.create_task(self._listen(self._ws)),
            asyncio.create_task(self._keep_alive(self._ws, self.heard_at)),
        ]

    def replace(self) -> None:
        """Another connection should take its place."""
        self._end("refresh")

    async def close(self) -> None:
        """Close it for good; a peer that does not answer delays that by CLOSE_LIMIT_S."""
        self._end("closed")
        self._is_gone()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._ws is not None:
            with contextlib.suppress(aiohttp.ClientError, OSError):
                await self._ws.close()

    def _end(self, why: End) -> None:
        if not self.over.done():
            self.over.set_result(why)

    def _is_gone(self) -> None:
        if not self.gone.is_set():
            self.gone.set()
            self._lost(self)

    async def _listen(self, ws: ClientWebSocketResponse) -> None:
        """Take frames until none can come any more."""
        try:
            await self._take_frames(ws)
        except Exception:
            log.exception("slack: a socket failed and is replaced")
        self._end("closed")
        self._is_gone()

    async def _take_frames(self, ws: ClientWebSocketResponse) -> None:
        while True:
            message = await ws.receive()
            match message.type:
                case WSMsgType.TEXT:
                    self.heard_at = self._clock()
                    self._take(message.data)
                    await self._wait_for_room()
                case WSMsgType.PING:
                    self.heard_at = self._clock()
                    with contextlib.suppress(ConnectionError):
                        await ws.pong(message.data)
                case WSMsgType.PONG | WSMsgType.BINARY:
                    self.heard_at = self._clock()
                case kind:
                    self._dismissed = kind is WSMsgType.CLOSE
                    return

    async def _wait_for_room(self) -> None:
        """Read on once there is room; what nobody reads is no silence of the other end's."""
        self._paused = True
        try:
            await self._backlog.wait_for_room()
        finally:
            self._paused = False
            self.heard_at = self._clock()

    async def _keep_alive(self, ws: ClientWebSocketResponse, opened_at: float) -> None:
        """Ping, and notice when nothing came for too long."""
        while True:
            silent_s = 0.0 if self._paused else self._clock() - (self.heard_at or opened_at)
            if silent_s >= self._stale_s:
                break
            await self._sleep(min(self._ping_interval_s, self._stale_s - silent_s))
            # A ping that can't leave counts as one without a pong.
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(self._ping_interval_s):
                    await ws.ping()
        log.warning("slack: a socket is silent for %.0f s and is replaced", silent_s)
        self._end("stale")
        self._is_gone()

    def _take(self, text: str) -> None:
        try:
            frame = json.loads(text)
        except (ValueError, RecursionError):
            log.debug("slack: a frame that is no JSON was passed over")
            return
        if not isinstance(frame, dict):
            return
        if isinstance(frame.get("envelope_id"), str):
            urgent = frame.get("type") != "events_api"
            self._backlog.put(lambda: self._take_envelope(frame), urgent=urgent)
        elif frame.get("type") == "hello" and not self._hello:
            self._hello = True
            self._greeted(self, integer(frame, "num_connections") or 0)
        elif frame.get("type") == "disconnect":
            self._told_to_go(frame.get("reason"))

    def _told_to_go(self, reason: object) -> None:
        log.info("slack: a socket is to be closed: %.40s", reason)
        match reason:
            case "too_many_websockets" | "link_disabled":
                self._end(reason)
            case _:  # "warning" comes some seconds before, "refresh_requested" with the end
                self._end("refresh")

    async def _take_envelope(self, envelope: Body) -> None:
        """Acknowledge on the connection it came by; one that is gone means a redelivery."""
        try:
            told = await self._answer(envelope)
            if told is not None and self._ws is not None:
                frame = {"envelope_id": envelope["envelope_id"]}
                await self._ws.send_str(json.dumps(frame | ({"payload": told} if told else {})))
        except ConnectionError:
            log.info("slack: an acknowledgement was lost with its socket; the event comes again")
        except Exception:
            log.exception("slack: an event was not acknowledged; Slack will deliver it again")
