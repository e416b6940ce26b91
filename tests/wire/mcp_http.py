"""A loopback MCP server over streamable HTTP, as servers before 2026 speak it: sessions and JSON.

Faults go by the method of the message (`tools/call`), whatever the address.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from tests.wire.server import LoopbackServer

SESSION = "Mcp-Session-Id"


class McpHttpServer(LoopbackServer):
    """One endpoint, `/mcp`. `tools` may be replaced; `sessions` are those it still knows."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions: set[str] = set()
        self.opened = 0
        self.token = ""
        self.holding = asyncio.Event()  # set once a request waits for its fault
        self.tools: list[dict[str, Any]] = [
            {
                "name": "echo",
                "description": "Says it again.",
                "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}},
            }
        ]

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """The endpoint with its three methods."""
        return [
            web.post("/mcp", self._post),
            web.get("/mcp", self._get),
            web.delete("/mcp", self._delete),
        ]

    @property
    def endpoint(self) -> str:
        """The address to configure."""
        return f"{self.url}/mcp?key=k3y-0123456789"

    async def _post(self, request: web.Request) -> web.StreamResponse:
        message = json.loads(await request.read())
        method = message.get("method", "response")
        fault = self.faults.take(method)
        if fault is not None:
            self.holding.set()
            return await self._play(fault, request, lambda _: self._answered(request, message))
        return await self._answered(request, message)

    async def _answered(self, request: web.Request, message: dict[str, Any]) -> web.Response:
        method = message.get("method", "response")
        answer = self._answer(request, message)
        self.note(method, message.get("params", {}), answer.status, request.headers)
        return answer

    def _answer(self, request: web.Request, message: dict[str, Any]) -> web.Response:
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"error": "invalid_token"}, status=401)
        method, ident = message.get("method"), message.get("id")
        if method == "server/discover":
            error = {"code": -32601, "message": "no such method"}
            return web.json_response({"jsonrpc": "2.0", "id": ident, "error": error})
        if method == "initialize":
            self.opened += 1
            session = f"session-{self.opened}"
            self.sessions.add(session)
            result: dict[str, Any] = {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "wire-http", "version": "1"},
            }
            return _result(ident, result, {SESSION: session})
        if request.headers.get(SESSION) not in self.sessions:
            return web.json_response({"error": "no session"}, status=404)
        if ident is None:
            return web.Response(status=202)
        if method == "tools/list":
            return _result(ident, {"tools": self.tools})
        text = message["params"]["arguments"].get("text", "")
        return _result(ident, {"content": [{"type": "text", "text": text}]})

    async def _get(self, request: web.Request) -> web.Response:
        return web.Response(status=405)

    async def _delete(self, request: web.Request) -> web.Response:
        self.note("delete", {}, 200)
        self.sessions.discard(request.headers.get(SESSION, ""))
        return web.Response(status=200)


def _result(
    ident: Any, result: dict[str, Any], headers: dict[str, str] | None = None
) -> web.Response:
    message = {"jsonrpc": "2.0", "id": ident, "result": result}
    return web.json_response(message, headers=headers)
