"""What the loopback servers share: a listening socket, a record, faults, and no unscripted request.

A subclass adds its routes in `routes()` and calls `note()` once per request it has decided on.
Faults are played around the handler by one middleware, so every server breaks in the same ways.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, assert_never

from aiohttp import web

JSON = "application/json"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request as the server decoded it; `status` 0 means that it was never answered."""

    operation: str
    arguments: Mapping[str, Any]
    status: int
    at: float
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """This answer instead of the real one; the request has no effect."""

    status: int
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class CutBefore:
    """The connection goes away before the request has any effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutAfter:
    """The request has its effect, the answer never arrives (an answer in pieces: not its end)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The request waits for `released`, then goes its ordinary way."""

    released: asyncio.Event


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfOpen:
    """The request is accepted and never answered; it ends with the server or the client."""


Fault = Answer | CutBefore | CutAfter | Hold | HalfOpen


def limited(body: bytes, retry_after: str | None = None) -> Answer:
    """A 429, with or without the header that says how long to wait (seconds or an HTTP date)."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Answer(status=429, body=body, headers=headers)


class Faults:
    """What goes wrong next, in order, per operation."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Fault]] = defaultdict(deque)

    def add(self, operation: str, *faults: Fault) -> None:
        """Plays these on the next requests of that operation, one each; `*` is any operation."""
        self._waiting[operation].extend(faults)

    def take(self, operation: str) -> Fault | None:
        for key in (operation, "*"):
            if self._waiting[key]:
                return self._waiting[key].popleft()
        return None


class Record:
    """What the server saw, append-only, and a way to wait for something to be seen."""

    def __init__(self) -> None:
        self.items: list[Seen] = []
        self._waiting: list[tuple[Callable[[Seen], bool], asyncio.Future[Seen]]] = []

    def add(self, seen: Seen) -> None:
        self.items.append(seen)
        for wanted, found in self._waiting:
            if not found.done() and wanted(seen):
                found.set_result(seen)

    async def wait(self, wanted: Callable[[Seen], bool], *, timeout: float, since: int) -> Seen:
        for seen in self.items[since:]:
            if wanted(seen):
                return seen
        found: asyncio.Future[Seen] = asyncio.get_running_loop().create_future()
        entry = (wanted, found)
        self._waiting.append(entry)
        try:
            return await asyncio.wait_for(found, timeout)
        except TimeoutError as exc:
            names = [seen.operation for seen in self.items[since:]]
            raise AssertionError(f"not seen within {timeout} s; seen: {names}") from exc
        finally:
            self._waiting.remove(entry)


class LoopbackServer:
    """Base of the loopback servers: `async with Server() as server:` and then `server.url`."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.faults = Faults()
        self.unexpected: list[str] = []
        self.closing = asyncio.Event()
        self._record = Record()
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """The routes of this server; everything else is unexpected."""
        raise NotImplementedError

    def operation(self, request: web.Request) -> str:
        """The name a request has in the record and in fault scripts."""
        return f"{request.method} {request.path}"

    @property
    def url(self) -> str:
        """Where the server listens, without a final slash."""
        return f"http://{self._host}:{self._port}"

    @property
    def record(self) -> list[Seen]:
        """Every request so far, oldest first."""
        return self._record.items

    def requests(self, operation: str) -> list[Seen]:
        """The requests of one operation so far."""
        return [seen for seen in self.record if seen.operation == operation]

    async def seen(
        self, wanted: Callable[[Seen], bool], timeout: float = 60.0, *, since: int = 0
    ) -> Seen:
        """The first request from position `since` on that is wanted, waiting for it if need be."""
        return await self._record.wait(wanted, timeout=timeout, since=since)

    def note(
        self,
        operation: str,
        arguments: Mapping[str, Any],
        status: int,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Adds one request to the record."""
        self._record.add(
            Seen(
                operation=operation,
                arguments=arguments,
                status=status,
                at=time.monotonic(),
                headers=dict(headers or {}),
            )
        )

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._middleware], client_max_size=64 * 1024 * 1024)
        app.add_routes(self.routes())
        self._runner = web.AppRunner(
            app, handler_cancellation=True, shutdown_timeout=0.2, access_log=None
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
        if kind is None and self.unexpected:
            raise AssertionError(f"unscripted requests: {self.unexpected}")

    async def close(self) -> None:
        """Ends every held request and stops listening."""
        self.closing.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def reject(self, request: web.Request) -> web.Response:
        """Answers an unscripted request; a server with its own error shape overrides this."""
        return web.json_response({"error": f"unscripted: {self.operation(request)}"}, status=404)

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.match_info.http_exception is not None:
            operation = self.operation(request)
            self.unexpected.append(operation)
            self.note(operation, {}, 404)
            return self.reject(request)
        fault = self.faults.take(self.operation(request))
        if fault is None:
            return await handler(request)
        return await self._play(fault, request, handler)

    async def _play(
        self, fault: Fault, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        operation = self.operation(request)
        match fault:
            case Answer(status=status, body=body, headers=headers, content_type=content_type):
                await request.read()
                self.note(operation, {}, status, request.headers)
                return web.Response(
                    status=status, body=body, headers=headers, content_type=content_type
                )
            case CutBefore():
                self.note(operation, {}, 0, request.headers)
                cut(request)
                return web.Response()
            case CutAfter():
                await handler(request)
                cut(request)
                return web.Response()
            case Hold(released=released):
                await released.wait()
                return await handler(request)
            case HalfOpen():
                self.note(operation, {}, 0, request.headers)
                await self.closing.wait()
                cut(request)
                return web.Response()
            case _:
                assert_never(fault)


def cut(request: web.Request) -> None:
    """Closes the connection of a request without an answer."""
    if request.transport is not None:
        request.transport.abort()
