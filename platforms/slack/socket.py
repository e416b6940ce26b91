"""Socket Mode: one connection, kept alive by the SDK and watched by us.

Theory of operation. The SDK reconnects by itself after a refresh, a close, or pongs that fail to
come for four ping intervals. It tries a dead address for ever, so we ask for the first one, and
when no live connection stands for STALE_S we give up the whole client; the caller builds a new one.
An acknowledgement leaves on the connection of that moment; one lost at a refresh is a redelivery.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from aiohttp import WSMessage
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.adapter.socket_mode.async_internals import send_async_response
from slack_bolt.adapter.socket_mode.internals import build_headers
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

from platforms.errors import PlatformUnavailable
from platforms.slack.bridge import UNREADABLE, dispatch, response
from platforms.slack.intake import Intake
from platforms.slack.logs import SDK_LOG

log = logging.getLogger(__name__)

CLOSE_LIMIT_S = 0.5


class Handler(AsyncSocketModeHandler):
    """Bolt's handler, before which nothing is dropped: what the SDK cannot read is journaled too.

    The SDK's own step from frame to request raises over a payload that is no object, and Bolt's
    over objects of a shape it does not expect; neither would ever be acknowledged.
    """

    def __init__(self, app: AsyncApp, app_token: str, intake: Intake, ping_interval_s: float):
        super().__init__(app, app_token, logger=SDK_LOG, ping_interval=ping_interval_s)
        self.client.proxy = None  # the SDK reads one from the environment
        self.client.socket_mode_request_listeners.clear()
        self.client.message_listeners.append(self._envelope)  # type: ignore[arg-type]
        self._intake = intake

    async def _envelope(
        self, client: SocketModeClient, message: Mapping[str, Any], _raw: str | None
    ) -> None:
        """Hand one envelope to the journal and acknowledge it if it says so."""
        envelope_id, payload = message.get("envelope_id"), message.get("payload")
        if not isinstance(envelope_id, str):
            return
        began = time.time()
        kind = str(message.get("type"))
        request = SocketModeRequest(type=kind, envelope_id=envelope_id, payload={})
        answer = await self._answer(request, payload)
        await send_async_response(client, request, answer, began)

    async def _answer(self, request: SocketModeRequest, payload: object) -> BoltResponse:
        if isinstance(payload, dict):
            try:
                readable = AsyncBoltRequest(
                    mode="socket_mode", body=payload, headers=build_headers(request)
                )
            except UNREADABLE:
                pass
            else:
                return await dispatch(self.app, readable)
        return response(await self._intake.take(payload))


class SocketMode:
    """The way in over a websocket, while `run` runs."""

    def __init__(
        self,
        *,
        app_token: str,
        ping_interval_s: float,
        stale_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._app_token = app_token
        self._ping_interval_s = ping_interval_s
        self._stale_s = stale_s
        self._clock = clock
        self.connected = False
        self.last_frame_at: float | None = None
        self.connections = 0

    async def run(self, app: AsyncApp, intake: Intake, url: str) -> None:
        """Take envelopes until cancelled, beginning at `url`; raises PlatformUnavailable."""
        handler = Handler(app, self._app_token, intake, self._ping_interval_s)
        client = handler.client
        client.wss_uri = url
        client.on_message_listeners.append(self._heard)
        try:
            async with asyncio.timeout(self._stale_s):
                await handler.connect_async()  # type: ignore[no-untyped-call]
            await self._watch(client)
        except TimeoutError as error:
            raise PlatformUnavailable("Slack's socket could not be opened") from error
        finally:
            self.connected = False
            await _close(client)

    async def _watch(self, client: SocketModeClient) -> None:
        """Returns never; raises once no live connection has stood for too long."""
        alive_at = self._clock()
        pong = None
        while True:
            self.connected = await client.is_connected()
            now = self._clock()
            if client.last_ping_pong_time != pong:
                pong = client.last_ping_pong_time
                self.last_frame_at = now
            if self.connected:
                alive_at = now
            elif now - alive_at > self._stale_s:
                raise PlatformUnavailable(f"no live socket for {self._stale_s:g} s")
            await asyncio.sleep(self._ping_interval_s / 2)

    async def _heard(self, message: WSMessage) -> None:
        self.last_frame_at = self._clock()
        text = message.data
        if not isinstance(text, str) or '"envelope_id"' in text:
            return
        with contextlib.suppress(orjson.JSONDecodeError):
            self._told(orjson.loads(text))

    def _told(self, frame: object) -> None:
        """Hello and disconnect are Slack's own words about the connection."""
        if not isinstance(frame, dict):
            return
        if frame.get("type") == "hello":
            connections = frame.get("num_connections")
            self.connections = connections if isinstance(connections, int) else 0
            if self.connections > 1:
                log.warning(
                    "slack: %d sockets are open with this app token; each event goes to one of"
                    " them, so another gateway would take messages of this one",
                    self.connections,
                )
        elif frame.get("type") == "disconnect":
            log.info("slack: socket refresh: %.40s", frame.get("reason"))


async def _close(client: SocketModeClient) -> None:
    """Closes a client for good; a server that does not answer delays it by CLOSE_LIMIT_S only."""
    client.closed = True
    client.auto_reconnect_enabled = False
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(CLOSE_LIMIT_S):
            await client.disconnect()  # type: ignore[no-untyped-call]
    tasks = [
        task
        for task in (
            client.message_processor,
            client.current_session_monitor,
            client.message_receiver,
        )
        if task is not None
    ]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await client.aiohttp_client_session.close()
