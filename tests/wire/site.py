"""A loopback web site: pages by path, redirects, an endless answer, and what was posted."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiohttp import web

from tests.wire.server import LoopbackServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a path answers."""

    body: bytes = b""
    content_type: str = "text/html; charset=utf-8"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class SiteServer(LoopbackServer):
    """Serves `pages`; what is posted is in the record."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host=host, port=port)
        self.pages: dict[str, Page] = {}
        self.connections: set[object] = set()

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        return [web.route("*", "/{path:.*}", self._serve), web.get("/endless", self._endless)]

    def add(self, path: str, body: str | bytes = b"", **fields: object) -> str:
        """A page and its URL."""
        encoded = body.encode() if isinstance(body, str) else body
        self.pages[path] = Page(body=encoded, **fields)  # type: ignore[arg-type]
        return self.url + path

    def leads(self, path: str, to: str, status: int = 302) -> str:
        """A redirect and its URL."""
        return self.add(path, status=status, headers={"Location": to})

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/endless":
            return await self._endless(request)
        body = await request.text()
        page = self.pages.get(request.path)
        status = page.status if page else 404
        self.connections.add(request.transport)
        self.note(
            self.operation(request),
            {"body": body, "host": request.host, "query": dict(request.query)},
            status,
            request.headers,
        )
        if page is None:
            return web.Response(status=404, text="no such page")
        headers = {"Content-Type": page.content_type, **page.headers}
        return web.Response(status=page.status, body=page.body, headers=headers)

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        """An answer without an end, as fast as it is read."""
        self.note(self.operation(request), {}, 200)
        answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await answer.prepare(request)
        try:
            while not self.closing.is_set():
                await answer.write(b"x" * 99 + b"\n")
        except (ConnectionError, asyncio.CancelledError):
            pass
        return answer
