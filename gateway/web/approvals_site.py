"""The approvals pages over HTTP: plain forms, each of which counts once."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from gateway.errors import StoreError
from gateway.web.approvals import ApprovalsDesk
from gateway.web.approvals_html import (
    FIXED_PREFIX,
    VALUE_PREFIX,
    Posted,
    card_content,
    card_title,
    queue_content,
)
from gateway.web.frame import APPROVALS, Frame, framed
from gateway.web.one_time import Bearer, OneTimeForms, Told
from platforms.base import Route
from platforms.web.assets import load_assets
from platforms.web.html import Html, el
from platforms.web.parse import read_fields
from platforms.web.site import FRESH, browser_of, remember_browser
from platforms.web.viewer import VIEWER

CODE = "/approvals/{code:[0-9A-Za-z]{1,12}}"
REFRESH_S = 20
"""How often the queue loads itself again; a card does not, since it may be filled in."""

USED = (
    "Nothing was done: this form was sent before, or its page is too old. Below is how the card"
    " stands now."
)
MALFORMED = "This is not one of the page's own forms; load the page again."
NO_CARD = "There is no card with this code, or it is not for you to see."
UNREADABLE = "The gateway can't read its store just now. Load the page again in a moment."
UNSTORED = "The gateway could not store this. Below is how the card stands now: look, then decide."


class ApprovalPages:
    """`/approvals` and `/approvals/CODE`.

    `draw` gives a new text that nobody can guess, at every call; `now` aware UTC datetimes.
    """

    def __init__(
        self, desk: ApprovalsDesk, *, draw: Callable[[], str], now: Callable[[], datetime]
    ) -> None:
        self._desk = desk
        self._draw = draw
        self._now = now
        self._forms = OneTimeForms(draw)
        self._told = Told(draw)
        self._styles = load_assets()["app.css"].url

    def routes(self) -> tuple[Route, ...]:
        """Both pages and the forms of a card, behind the listener's token."""
        return (
            Route(method="GET", path="/approvals", handler=self.queue, guarded=True),
            Route(method="GET", path=CODE, handler=self.card, guarded=True),
            Route(method="POST", path=CODE, handler=self.act, guarded=True),
        )

    async def queue(self, request: web.Request) -> web.StreamResponse:
        """GET /approvals."""
        try:
            open_cards = await self._desk.open_cards(by=_person(request))
        except StoreError as exc:
            raise web.HTTPServiceUnavailable(text=UNREADABLE) from exc
        content = queue_content(open_cards, now=self._now())
        return self._answer(request, "Approvals", content, refresh_s=REFRESH_S)

    async def card(self, request: web.Request) -> web.StreamResponse:
        """GET /approvals/CODE."""
        told = self._told.take(request.query.get("told", ""))
        return await self._show(request, told=told)

    async def act(self, request: web.Request) -> web.StreamResponse:
        """POST /approvals/CODE: token, rev, action, and the values of the choice."""
        sent = _sent(await request.read(), request.content_type)
        code = request.match_info["code"]
        bearer = self._bearer(request, browser_of(request) or "")
        if not self._forms.redeem(sent.token, bearer, now_s=self._now_s()):
            return await self._show(request, problem=USED, posted=sent.posted, status=403)
        posted = sent.posted
        values = {**posted.fixed, **posted.values}
        try:
            said = await self._desk.act(code, sent.rev, posted.action, values, by=_person(request))
        except StoreError:
            return await self._show(request, problem=UNSTORED, posted=posted, status=503)
        # See Other: loading the page again must not send again.
        place = f"/approvals/{code}?told={self._told.keep(said)}"
        return web.Response(status=303, headers={"Location": place})

    async def _show(
        self,
        request: web.Request,
        *,
        told: str = "",
        problem: str = "",
        posted: Posted | None = None,
        status: int = 200,
    ) -> web.Response:
        try:
            page = await self._desk.card(request.match_info["code"], by=_person(request))
        except StoreError as exc:
            raise web.HTTPServiceUnavailable(text=UNREADABLE) from exc
        if page is None:
            content = el("p", {"role": "status"}, told or NO_CARD)
            back = el("p", None, el("a", {"href": "/approvals"}, "All open cards"))
            return self._answer(request, "Approvals", content, back, status=404)
        browser = browser_of(request) or self._draw()
        token = self._forms.issue(self._bearer(request, browser), now_s=self._now_s())
        # All of 256 KiB is made visible here: long enough for others to notice.
        content = await asyncio.to_thread(
            card_content, page, token=token, told=told, problem=problem, posted=posted
        )
        answer = self._answer(request, card_title(page), content, status=status)
        remember_browser(request, answer, browser)
        return answer

    def _answer(
        self,
        request: web.Request,
        title: str,
        *content: Html,
        status: int = 200,
        refresh_s: int | None = None,
    ) -> web.Response:
        frame = Frame(
            title=title,
            here=APPROVALS,
            styles=self._styles,
            can_sign_out=request[VIEWER].signed_in,
            refresh_s=refresh_s,
        )
        text = framed(frame, *content)
        return web.Response(text=text, content_type="text/html", status=status, headers=FRESH)

    def _bearer(self, request: web.Request, browser: str) -> Bearer:
        return Bearer(browser=browser, user=request[VIEWER].user, subject=request.path)

    def _now_s(self) -> int:
        return int(self._now().timestamp())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    token: str
    rev: int
    posted: Posted


def _sent(body: bytes, content_type: str) -> _Sent:
    """A form as it arrived; raises a plain 400 for what is none of ours."""
    fields = read_fields(content_type, body)
    rev = (fields or {}).get("rev", "")
    if fields is None or not (rev.isascii() and rev.isdigit() and len(rev) <= 9):
        raise web.HTTPBadRequest(text=MALFORMED)
    posted = Posted(
        action=fields.get("action", ""),
        fixed=_named(fields, FIXED_PREFIX),
        values=_named(fields, VALUE_PREFIX),
    )
    return _Sent(token=fields.get("token", ""), rev=int(rev), posted=posted)


def _named(fields: Mapping[str, str], prefix: str) -> Mapping[str, str]:
    """Fields of one kind; browsers send a line end as two characters, whatever stood there."""
    return {
        name.removeprefix(prefix): value.replace("\r\n", "\n")
        for name, value in fields.items()
        if name.startswith(prefix)
    }


def _person(request: web.Request) -> str:
    return f"web:{request[VIEWER].user}"
