"""A loopback search API in Brave's shape, with its documented limits and error bodies."""

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from tests.wire.server import LoopbackServer

KEY = "brave-loopback-key"


class SearchApiServer(LoopbackServer):
    """Answers every query with `results`."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host=host, port=port)
        self.results: list[dict[str, Any]] = []

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        return [web.get("/res/v1/web/search", self._search)]

    async def _search(self, request: web.Request) -> web.Response:
        query, count = request.query.get("q", ""), request.query.get("count", "20")
        if request.headers.get("X-Subscription-Token") != KEY:
            return self._refused(request, 422, "SUBSCRIPTION_TOKEN_INVALID")
        valid = 0 < len(query) <= 400 and len(query.split()) <= 50
        if not valid or not count.isdigit() or not 1 <= int(count) <= 20:
            return self._refused(request, 422, "VALIDATION")
        self.note("search", dict(request.query), 200, request.headers)
        found = self.results[: int(count)]
        answer: dict[str, Any] = {"type": "search", "query": {"original": query}}
        if found:
            answer["web"] = {"type": "search", "results": found}
        return web.json_response(answer)

    def operation(self, request: web.Request) -> str:
        return "search"

    def _refused(self, request: web.Request, status: int, code: str) -> web.Response:
        self.note("search", dict(request.query), status, request.headers)
        error = {"code": code, "detail": code.lower(), "status": status}
        return web.json_response({"type": "ErrorResponse", "error": error}, status=status)
