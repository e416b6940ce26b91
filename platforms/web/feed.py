"""The event stream of an open page: one task a reader, so a slow one delays nobody."""

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass

from aiohttp import web

from platforms.events import ChatRef
from platforms.web.limits import ANSWER_WITHIN_S, HEARTBEAT_S, STREAMS_MAX, WRITE_TIMEOUT_S
from platforms.web.parse import chat_of
from platforms.web.site import FRESH, Site, conversation_in
from platforms.web.stream import Stream
from platforms.web.viewer import VIEWER

TOO_MANY = "Too many pages are open on this gateway. Close some, then load this one again."

OPENING = b"retry: 1000\n\n"
HEARTBEAT = b": still here\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Times in seconds: between a stream's signs of life, until its reader is given up, and for
    which a page without script waits for the answer to a press.
    """

    heartbeat_s: float = HEARTBEAT_S
    write_s: float = WRITE_TIMEOUT_S
    answer_s: float = ANSWER_WITHIN_S


class Feed:
    """GET /chat/ID/events."""

    def __init__(self, site: Site, patience: Patience) -> None:
        self._site = site
        self._patience = patience

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Send what changes until the reader leaves; goes on where it says it stopped."""
        hub = self._site.hub
        if hub.streams >= STREAMS_MAX:
            raise web.HTTPServiceUnavailable(text=TOO_MANY)
        conversation = conversation_in(request)
        chat = chat_of(request[VIEWER].user, conversation)
        after = request.headers.get("Last-Event-ID") or request.query.get("after", "")
        stream = hub.open(chat.chat_id, conversation, after=after)
        # Proxies must pass each event on at once.
        response = web.StreamResponse(headers={**FRESH, "X-Accel-Buffering": "no"})
        response.content_type = "text/event-stream"
        try:
            await response.prepare(request)
            if request.transport is not None:
                end_in_silence(request.transport, self._patience.write_s)
            await self._write(chat, stream, response)
        except (ConnectionError, TimeoutError, web.HTTPServiceUnavailable):
            # Gone, too slow for too long, or the store cannot be read: cut it, so that it comes
            # back and resumes. An answer has begun, so there is no other way to say it.
            if request.transport is not None:
                request.transport.abort()
        finally:
            hub.leave(chat.chat_id, stream)
        return response

    async def _write(self, chat: ChatRef, stream: Stream, response: web.StreamResponse) -> None:
        data = OPENING
        while not stream.closed:
            async with asyncio.timeout(self._patience.write_s):
                await response.write(data)
            # Cleared before looking: a change after the look wakes us again.
            stream.wake.clear()
            data = await self._news(chat, stream) or await self._later(chat, stream)

    async def _later(self, chat: ChatRef, stream: Stream) -> bytes:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience.heartbeat_s):
                await stream.wake.wait()
        return await self._news(chat, stream) or HEARTBEAT

    async def _news(self, chat: ChatRef, stream: Stream) -> bytes:
        data = stream.take()
        if data is not None:
            return data
        content = await self._site.log(chat)
        return stream.reset(content())


def end_in_silence(transport: asyncio.BaseTransport, seconds: float) -> None:
    """Let the system end the connection when sent bytes, such as a heartbeat, stay unanswered.

    A machine that vanished closes nothing, and heartbeats alone would fill its buffer only after
    days. Source: tcp(7), TCP_USER_TIMEOUT, in milliseconds; Linux only.
    """
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    connection = transport.get_extra_info("socket")
    if option is None or connection is None:
        return
    if connection.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    with suppress(OSError):  # gone already: the next write says so
        connection.setsockopt(socket.IPPROTO_TCP, option, int(seconds * 1000))
