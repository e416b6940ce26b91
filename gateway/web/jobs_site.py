"""The page of jobs over HTTP: it only shows."""

from collections.abc import Callable
from datetime import datetime

from aiohttp import web

from gateway.errors import StoreError
from gateway.web.frame import JOBS, Frame, framed
from gateway.web.jobs import JobBook
from gateway.web.jobs_html import jobs_content
from platforms.base import Route
from platforms.web.assets import load_assets
from platforms.web.site import FRESH
from platforms.web.viewer import VIEWER

UNREADABLE = "The gateway can't read its jobs just now. Load the page again in a moment."
REFRESH_S = 60


class JobsPage:
    """`/jobs`. `now` gives aware UTC datetimes."""

    def __init__(self, book: JobBook, *, now: Callable[[], datetime]) -> None:
        self._book = book
        self._now = now
        self._styles = load_assets()["app.css"].url

    def routes(self) -> tuple[Route, ...]:
        """The page, behind the listener's token."""
        return (Route(method="GET", path="/jobs", handler=self.page, guarded=True),)

    async def page(self, request: web.Request) -> web.StreamResponse:
        """GET /jobs."""
        viewer = request[VIEWER]
        try:
            jobs = await self._book.jobs(by=f"web:{viewer.user}")
        except StoreError as exc:
            raise web.HTTPServiceUnavailable(text=UNREADABLE) from exc
        frame = Frame(
            title="Jobs",
            here=JOBS,
            styles=self._styles,
            can_sign_out=viewer.signed_in,
            refresh_s=REFRESH_S,
        )
        text = framed(frame, jobs_content(jobs, now=self._now()))
        return web.Response(text=text, content_type="text/html", headers=FRESH)
