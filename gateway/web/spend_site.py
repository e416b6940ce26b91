"""The spend page over HTTP: it only shows."""

from collections.abc import Callable
from datetime import datetime

from aiohttp import web

from gateway.errors import StoreError
from gateway.web.frame import SPEND, Frame, framed
from gateway.web.spend import SpendBook
from gateway.web.spend_html import SPANS, spend_content
from platforms.base import Route
from platforms.web.assets import load_assets
from platforms.web.site import FRESH
from platforms.web.viewer import VIEWER

UNREADABLE = "The gateway can't read its ledger just now. Load the page again in a moment."
SPAN = 30
"""Days shown where the address names no other span of the page's."""


class SpendPage:
    """`/spend`. `now` gives aware UTC datetimes."""

    def __init__(self, book: SpendBook, *, now: Callable[[], datetime]) -> None:
        self._book = book
        self._now = now
        self._styles = load_assets()["app.css"].url

    def routes(self) -> tuple[Route, ...]:
        """The page, behind the listener's token."""
        return (Route(method="GET", path="/spend", handler=self.page, guarded=True),)

    async def page(self, request: web.Request) -> web.StreamResponse:
        """GET /spend?days=N."""
        viewer = request[VIEWER]
        asked = request.query.get("days", "")
        span = next((days for days in SPANS if str(days) == asked), SPAN)
        try:
            spend = await self._book.spend(days=span, by=f"web:{viewer.user}")
        except StoreError as exc:
            raise web.HTTPServiceUnavailable(text=UNREADABLE) from exc
        frame = Frame(title="Spend", here=SPEND, styles=self._styles, can_sign_out=viewer.signed_in)
        text = framed(frame, spend_content(spend, span=span, now=self._now()))
        return web.Response(text=text, content_type="text/html", headers=FRESH)
