"""What stands before a guarded route: Host, then Origin, then the token."""

import re
from collections.abc import Awaitable, Callable
from datetime import datetime

import orjson
from aiohttp import web

from gateway.web.auth import COOKIE_LIFE_S, Attempts, TokenAuth
from gateway.web.origin import host_allowed, origin_allowed
from gateway.web.pages import sign_in_page
from platforms.web.viewer import VIEWER, Viewer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

FOREIGN_HOST = (
    "This address is not one the gateway answers to. Open it as http://127.0.0.1 or"
    " http://localhost, or set web.token to use another name."
)
FOREIGN_ORIGIN = "This request comes from another site's page, so it was not carried out."
SIGN_IN = "Sign in at /login, or send the header Authorization: Bearer TOKEN."
NOT_ACCEPTED = "This is not the token."
TOO_MANY_ATTEMPTS = "Too many wrong tokens from here. Wait a minute, then try again."

LOCAL_USER = "local"
GOAL = re.compile(r"/(?:chat/[0-9a-f-]{36}|approvals(?:/[0-9A-Za-z]{1,12})?|spend|jobs)?")


class Guard:
    """Wraps handlers. `auth` is None where the listener is on loopback and needs no token."""

    def __init__(self, *, auth: TokenAuth | None, now: Callable[[], datetime]) -> None:
        self._auth = auth
        self._now = now
        self._attempts = Attempts()

    def named(self, handler: Handler) -> Handler:
        """Only the Host is checked: for what tells no secret and changes nothing."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            if not host_allowed(request.host, has_token=self._auth is not None):
                raise web.HTTPForbidden(text=FOREIGN_HOST)
            return await handler(request)

        return guarded

    def own_page(self, handler: Handler) -> Handler:
        """Host and Origin are checked."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            headers = request.headers
            if not origin_allowed(
                host=request.host,
                origin=headers.get("Origin"),
                # Following a link from elsewhere is fine; only acts and streams are not.
                fetch_site=None if _is_visit(request) else headers.get("Sec-Fetch-Site"),
            ):
                raise web.HTTPForbidden(text=FOREIGN_ORIGIN)
            return await handler(request)

        return self.named(guarded)

    def signed_in(self, handler: Handler) -> Handler:
        """Host, Origin and, where there is one, the token are checked; leaves the viewer."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            viewer = self._viewer(request)
            if viewer is None:
                return self._turn_away(request)
            request[VIEWER] = viewer
            return await handler(request)

        return self.own_page(guarded)

    async def show_sign_in(self, request: web.Request) -> web.StreamResponse:
        """GET /login."""
        if self._auth is None or self._by_cookie(request):
            raise web.HTTPSeeOther("/")
        return _sign_in(_goal(request.query.get("goal", "/")))

    async def sign_in(self, request: web.Request) -> web.StreamResponse:
        """POST /login: the token against a cookie."""
        if self._auth is None:
            raise web.HTTPSeeOther("/")
        form = await request.post()
        token, goal = form.get("token", ""), _goal(form.get("goal", "/"))
        if self._exhausted(request):
            return _sign_in(goal, problem=TOO_MANY_ATTEMPTS, status=429)
        if not (isinstance(token, str) and self._is_token(request, token.strip())):
            return _sign_in(goal, problem=NOT_ACCEPTED, status=403)
        response = web.Response(status=303, headers={"Location": goal})
        response.set_cookie(
            _cookie_name(request),
            self._auth.cookie(now_s=self._now_s()),
            max_age=COOKIE_LIFE_S,
            httponly=True,
            samesite="Lax",
            secure=request.headers.get("X-Forwarded-Proto") == "https",
        )
        return response

    async def sign_out(self, request: web.Request) -> web.StreamResponse:
        """POST /logout."""
        response = web.Response(status=303, headers={"Location": "/login"})
        response.del_cookie(_cookie_name(request))
        return response

    def _viewer(self, request: web.Request) -> Viewer | None:
        if self._auth is None:
            return Viewer(user=LOCAL_USER)
        if self._by_cookie(request):
            return Viewer(user=LOCAL_USER, signed_in=True)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or self._exhausted(request):
            return None
        known = self._is_token(request, token.strip())
        return Viewer(user=LOCAL_USER, by_header=True) if known else None

    def _by_cookie(self, request: web.Request) -> bool:
        cookie = request.cookies.get(_cookie_name(request), "")
        return self._auth is not None and self._auth.is_cookie(cookie, now_s=self._now_s())

    def _is_token(self, request: web.Request, token: str) -> bool:
        if self._auth is not None and self._auth.is_token(token):
            return True
        self._attempts.failed(request.remote or "", now_s=self._now_s())
        return False

    def _exhausted(self, request: web.Request) -> bool:
        return self._attempts.exhausted(request.remote or "", now_s=self._now_s())

    def _turn_away(self, request: web.Request) -> web.StreamResponse:
        if _is_visit(request) and "text/html" in request.headers.get("Accept", ""):
            goal = _goal(request.path)
            raise web.HTTPSeeOther("/login" if goal == "/" else f"/login?goal={goal}")
        return web.Response(
            status=401,
            body=orjson.dumps({"error": SIGN_IN}),
            content_type="application/json",
            headers={"WWW-Authenticate": "Bearer"},
        )

    def _now_s(self) -> int:
        return int(self._now().timestamp())


def _is_visit(request: web.Request) -> bool:
    """Whether a person opens a page, as opposed to a page calling us."""
    mode = request.headers.get("Sec-Fetch-Mode", "navigate")
    return request.method in ("GET", "HEAD") and mode == "navigate"


def _goal(value: object) -> str:
    return value if isinstance(value, str) and GOAL.fullmatch(value) else "/"


def _sign_in(goal: str, *, problem: str | None = None, status: int = 200) -> web.Response:
    return web.Response(
        status=status,
        text=sign_in_page(goal=goal, problem=problem),
        content_type="text/html",
        headers={"Cache-Control": "no-store"},
    )


def _cookie_name(request: web.Request) -> str:
    # Cookies know no ports: two gateways on one machine would sign each other out.
    return f"gatepost_session_{request.url.port}"
