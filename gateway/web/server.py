"""The listener: one aiohttp application for everything that comes in over HTTP.

A request passes, in this order: the cap on requests at once, Host, Origin, token, the handler with
its body cap and body time-out. Routes that prove their callers by a signature (`guarded=False`)
skip the middle three. Event streams leave the cap as soon as they begin to stream.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Iterable
from datetime import datetime
from ipaddress import ip_address

import orjson
from aiohttp import web

from gateway.config import Listen, WebConfig
from gateway.web.auth import TokenAuth
from gateway.web.errors import ListenError
from gateway.web.guard import Guard, Handler
from gateway.web.health import Health, health_handler
from gateway.web.pages import problem_page
from platforms.base import Route

BODY_MAX_BYTES = 1 << 20
BODY_WITHIN_S = 5.0
UPLOAD_WITHIN_S = 130.0
"""A little more than whoever takes files gives them."""
IDLE_S = 15.0
"""How long a connection may stay without a complete request head."""
REQUESTS_MAX = 64
STOP_WITHIN_S = 0.8
"""How long requests may go on after `stop`; aiohttp spends up to twice that."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    # Not no-referrer: a form would then be sent with the Origin "null".
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

SENTENCES = {
    404: "There is nothing at this address.",
    405: "This address does not take that kind of request.",
    408: "The request took too long to arrive; send it again.",
    413: "This is more than the 1 MiB that one message may have. Send it in parts.",
    500: "Something went wrong inside the gateway; its log says what. Other chats go on.",
    503: "The gateway is busy; try again in a moment.",
}

_log = logging.getLogger(__name__)
_BEGUN: web.RequestKey[bool] = web.RequestKey("gatepost.begun", bool)
_RELEASE: web.RequestKey[Callable[[], None]] = web.RequestKey("gatepost.release")


class WebServer:
    """The listener of `[web]`; `routes` are what the adapters offer."""

    def __init__(
        self,
        config: WebConfig,
        *,
        routes: Iterable[Route],
        health: Health,
        now: Callable[[], datetime],
    ) -> None:
        self._listen = config.listen
        token = config.token.reveal() if config.token else None
        if token is None and not config.listen.loopback:
            raise ListenError(
                f"web.listen: {config.listen} can be reached from other machines and there is no"
                " token; set web.token, or listen on 127.0.0.1"
            )
        guard = Guard(auth=TokenAuth(token) if token else None, now=now)
        self._active = 0
        self._uploads: set[str] = set()
        self._runner = web.AppRunner(
            self._application(guard, routes, health),
            access_log=None,
            handle_signals=False,
            keepalive_timeout=IDLE_S,
            shutdown_timeout=STOP_WITHIN_S,
        )

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the page, once started."""
        host, port = self._runner.addresses[0][:2]
        if ip_address(host).is_unspecified:
            host = "::1" if ":" in host else "127.0.0.1"
        return f"http://{Listen(host=host, port=port)}"

    async def start(self) -> None:
        """Open the port; raises ListenError, which says what to do, when that cannot be."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._listen.host, self._listen.port)
        try:
            await site.start()
        except (OSError, UnicodeError) as exc:
            await self._runner.cleanup()
            raise ListenError(f"web.listen: {_why_not(exc, self._listen)}") from exc

    async def stop(self) -> None:
        """Close the port and every connection, within two seconds."""
        await self._runner.cleanup()

    def _application(
        self, guard: Guard, routes: Iterable[Route], health: Health
    ) -> web.Application:
        app = web.Application(
            client_max_size=BODY_MAX_BYTES, middlewares=[self._outermost, _answer_problems]
        )
        app.on_response_prepare.append(_prepare)
        add = app.router.add_route
        for method in ("GET", "HEAD"):
            add(method, "/healthz", guard.named(health_handler(health.alive)))
            add(method, "/readyz", guard.named(health_handler(health.ready)))
        add("GET", "/login", guard.own_page(guard.show_sign_in))
        add("POST", "/login", guard.own_page(guard.sign_in))
        add("POST", "/logout", guard.own_page(guard.sign_out))
        for route in routes:
            handler = guard.signed_in(route.handler) if route.guarded else route.handler
            resource = add(route.method, route.path, handler).resource
            if route.uploads and resource is not None:
                self._uploads.add(resource.canonical)
        return app

    @web.middleware
    async def _outermost(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Bound how many requests are worked on, and how long a body may take to come."""
        if self._active >= REQUESTS_MAX:
            headers = {"Retry-After": "1"}
            return _problem(request, 503, SENTENCES[503], headers)
        self._active += 1
        counted = True

        def release() -> None:
            nonlocal counted
            self._active -= counted
            counted = False

        request[_RELEASE] = release
        loop = asyncio.get_running_loop()
        within_s = UPLOAD_WITHIN_S if self._takes_files(request) else BODY_WITHIN_S
        timer = loop.call_later(within_s, _cut_body, request)
        try:
            return await handler(request)
        finally:
            timer.cancel()
            release()

    def _takes_files(self, request: web.Request) -> bool:
        """Whether files may come with a request, as far as its path and its type tell."""
        resource = request.match_info.route.resource
        known = resource is not None and resource.canonical in self._uploads
        return known and request.content_type == "multipart/form-data"


@web.middleware
async def _answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every failure becomes one sentence, as a page or as JSON."""
    try:
        return await handler(request)
    except web.HTTPException as exc:
        if exc.status < 400:
            raise
        kept = {name: exc.headers[name] for name in ("Allow", "Retry-After") if name in exc.headers}
        return _problem(request, exc.status, _sentence(exc), kept)
    except _BodyTooSlow:
        return _problem(request, 408, SENTENCES[408], {"Connection": "close"})
    except Exception:
        _log.exception("web handler failed, others go on: %s %s", request.method, request.path)
        if _BEGUN in request and request.transport is not None:
            # Half an answer is out; a second one would only be read as more of it.
            request.transport.abort()
        return _problem(request, 500, SENTENCES[500], {})


class _BodyTooSlow(Exception):
    """The rest of a body did not come in time."""


def _cut_body(request: web.Request) -> None:
    if request.can_read_body and not request.content.is_eof():
        request.content.set_exception(_BodyTooSlow())


async def _prepare(request: web.Request, response: web.StreamResponse) -> None:
    request[_BEGUN] = True
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.pop("Server", None)
    if response.content_type == "text/event-stream":
        # Open for hours and idle for most of them: adapters bound these by a number of their own.
        request[_RELEASE]()


def _problem(
    request: web.Request, status: int, sentence: str, headers: dict[str, str]
) -> web.Response:
    headers = {**headers, "Cache-Control": "no-store"}
    if "text/html" in request.headers.get("Accept", ""):
        text = problem_page(sentence)
        return web.Response(status=status, text=text, content_type="text/html", headers=headers)
    body = orjson.dumps({"error": sentence})
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


def _sentence(exc: web.HTTPException) -> str:
    """The handler's own words, or ours where it left aiohttp's default."""
    default = f"{exc.status}: {exc.reason}"
    if exc.text and exc.text != default and exc.status not in (413,):
        return exc.text
    return SENTENCES.get(exc.status, f"The gateway answered: {exc.reason}.")


def _why_not(exc: OSError | UnicodeError, listen: Listen) -> str:
    if isinstance(exc, socket.gaierror | UnicodeError):
        return f"{listen.host} is not a name this machine knows; write an address such as 127.0.0.1"
    match exc.errno:
        case errno.EADDRINUSE:
            return (
                f"{listen} is already taken by another program (or another gateway):"
                " stop that one, or choose another port"
            )
        case errno.EADDRNOTAVAIL:
            return f"{listen.host} is not an address of this machine: use one it has, or 127.0.0.1"
        case errno.EACCES | errno.EPERM:
            return f"port {listen.port} needs rights this process lacks: choose one above 1023"
        case _:
            return f"cannot listen on {listen}: {exc.strerror or type(exc).__name__}"
