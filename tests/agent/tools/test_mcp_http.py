"""MCP servers at an address: what is certain about a call that failed, and the SDK's own server."""

import asyncio
import gzip
import json
import logging
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.errors import NotStarted, ToolError
from agent.messages import ResultStatus
from agent.tools.base import EffectClass, Malformed, PreparedCall
from agent.tools.mcp_definitions import ServerEntry
from agent.tools.mcp_http import BODY_BYTES
from agent.tools.mcp_server import Patience, ServerState
from tests.agent.tools.mcp_ground import CONTEXT, QUICK, Ground, at_work
from tests.wire.mcp_http import McpHttpServer
from tests.wire.server import Answer, CutAfter, CutBefore, Hold

PURE = {"echo": EffectClass.PURE}
TOKEN = "t0ken-0123456789"


@asynccontextmanager
async def served(
    place: Path, patience: Patience = QUICK, **declared: Any
) -> AsyncIterator[tuple[McpHttpServer, Ground]]:
    async with McpHttpServer() as server:
        one = ServerEntry(name="wire", url=server.endpoint, **declared)
        async with at_work(one, place=place, patience=patience) as ground:
            await ground.states.ready()
            yield server, ground


async def test_a_tool_at_an_address_is_called(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One session, the configured headers on every request, a goodbye, and no key in the log."""
    caplog.set_level(logging.INFO)
    async with McpHttpServer() as server:
        server.token = TOKEN
        headers = {"Authorization": f"Bearer {TOKEN}"}
        one = ServerEntry(name="wire", url=server.endpoint, headers=headers, effects=PURE)
        assert TOKEN not in repr(one)
        assert "k3y" not in repr(one)
        async with at_work(one, place=tmp_path) as ground:
            facts = await ground.states.ready()
            assert facts.about == "wire-http 1, MCP 2025-11-25"
            output = await ground.use("echo", text="hello")
            assert (output.text, output.status) == ("hello", ResultStatus.DONE)
        assert server.requests("delete")
        assert server.sessions == set()
        assert "ready with 1 tools" in caplog.text
        assert "k3y" not in caplog.text
        assert "session-1" not in caplog.text


async def test_refused_credentials_are_the_reason(tmp_path: Path) -> None:
    """An operator reads what is wrong; the address with its key is not in it."""
    async with McpHttpServer() as server:
        server.token = TOKEN
        one = ServerEntry(name="wire", url=server.endpoint)
        async with at_work(one, place=tmp_path) as ground:
            facts = await ground.states.resting()
            assert facts.reason == "it refuses our credentials (401)"


async def test_nobody_there_is_the_reason(tmp_path: Path) -> None:
    """A refused connection is told and tried again."""
    one = ServerEntry(name="wire", url="http://127.0.0.1:1/mcp")
    async with at_work(one, place=tmp_path) as ground:
        facts = await ground.states.until(lambda facts: facts.failures == 2)
        assert facts.reason == "it can't be reached (ConnectError)"


@pytest.mark.parametrize(
    "fault", [CutBefore(), CutAfter(), Answer(status=500), Answer(status=502, body=b"<html>")]
)
async def test_a_call_that_broke_may_have_taken_effect(tmp_path: Path, fault: Any) -> None:
    """Nobody can tell what became of it; the session goes on."""
    async with served(tmp_path) as (server, ground):
        server.faults.add("tools/call", fault)
        output = await ground.use("echo", text="hello")
        assert output.status is ResultStatus.UNKNOWN
        assert "may have taken effect" in output.text
        assert (await ground.use("echo", text="again")).text == "again"
        assert server.opened == 1


@pytest.mark.parametrize("status", [400, 401, 403, 413, 429])
async def test_a_refused_call_did_not_start(tmp_path: Path, status: int) -> None:
    """A 4xx means that nothing was done, so nothing is paid."""
    async with served(tmp_path) as (server, ground):
        server.faults.add("tools/call", Answer(status=status, body=b'{"detail": "no"}'))
        with pytest.raises(NotStarted, match=str(status)):
            await ground.use("echo", text="hello")
        assert (await ground.use("echo", text="again")).text == "again"


async def test_an_error_of_the_protocol_is_the_servers_own_word(tmp_path: Path) -> None:
    """It is passed on whatever the status; bad arguments did not start anything."""
    error = {"jsonrpc": "2.0", "id": 1, "error": {"code": 9, "message": "quota is used up"}}
    async with served(tmp_path) as (server, ground):
        server.faults.add("tools/call", Answer(status=429, body=json.dumps(error).encode()))
        with pytest.raises(ToolError, match="quota is used up"):
            await ground.use("echo", text="hello")
        error["error"] = {"code": -32602, "message": "no such tool"}
        server.faults.add("tools/call", Answer(status=400, body=json.dumps(error).encode()))
        with pytest.raises(NotStarted, match="no such tool"):
            await ground.use("echo", text="hello")


async def test_a_forgotten_session_is_opened_anew_for_the_same_call(tmp_path: Path) -> None:
    """A server that was restarted took nothing: the call goes through the next session once."""
    async with served(tmp_path) as (server, ground):
        server.sessions.clear()
        assert (await ground.use("echo", text="hello")).text == "hello"
        assert server.opened == 2
        assert len(server.requests("tools/call")) == 2


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=200, body=b" " * (BODY_BYTES + 1)),
        Answer(
            status=200, body=gzip.compress(b"{" * 100_000), headers={"Content-Encoding": "gzip"}
        ),
        Answer(status=200, body=b"<html>", content_type="text/html"),
        Answer(status=200, body=b"{", content_type="application/json"),
        Answer(status=200, body=b"data: {\n\n", content_type="text/event-stream"),
    ],
    ids=["too long", "compressed", "a page", "no JSON", "no message"],
)
async def test_a_body_that_is_no_result(tmp_path: Path, answer: Answer) -> None:
    """It is neither kept nor unpacked without bounds; the session goes on."""
    async with served(tmp_path) as (server, ground):
        server.faults.add("tools/call", answer)
        try:
            output = await ground.use("echo", text="hello")
            assert output.status is ResultStatus.UNKNOWN
        except ToolError as error:
            assert "answered with an error" in str(error)
        assert (await ground.use("echo", text="again")).text == "again"


async def test_a_broken_off_call_leaves_the_session_usable(tmp_path: Path) -> None:
    """The server is told, and the same session takes the next call."""
    async with served(tmp_path) as (server, ground):
        hold = Hold(released=asyncio.Event())
        server.faults.add("tools/call", hold)
        calling = asyncio.create_task(ground.use("echo", text="hello"))
        await asyncio.wait_for(server.holding.wait(), 60)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        await server.seen(lambda seen: seen.operation == "notifications/cancelled")
        hold.released.set()
        assert (await ground.use("echo", text="again")).text == "again"
        assert server.opened == 1


SDK = """
import sys
from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("second", version="7")

@server.tool()
def add(a: int, b: int = 2) -> int:
    '''Adds.'''
    return a + b

@server.tool()
async def more(ctx: Context) -> str:
    '''Adds a tool.'''
    server.add_tool(lambda: "new", name="new", description="New.")
    await ctx.notify_tools_changed()
    return "done"

server.run("stdio")
"""


async def test_the_sdks_own_server_is_understood(tmp_path: Path) -> None:
    """A server that we did not write, in the newest protocol, which tells news to who asks."""
    one = ServerEntry(
        name="second", command=(sys.executable, "-c", SDK), effects={"add": EffectClass.PURE}
    )
    patience = Patience(backoff_s=(0.1,), connect_s=20.0, close_s=2.0, grace_s=1.0)
    async with at_work(one, place=tmp_path, patience=patience) as ground:
        facts = await ground.states.until(lambda facts: facts.state is ServerState.READY)
        assert facts.about == "second 7, MCP 2026-07-28"
        assert facts.tools == ("add", "more")
        tool = ground.tool("add", "second")
        call = tool.prepare({"a": 40})
        assert isinstance(tool.prepare({"a": "x"}), Malformed)
        assert isinstance(call, PreparedCall)
        assert (await tool.run(call, CONTEXT)).text == "42"
        more = ground.tool("more", "second")
        grow = more.prepare({})
        assert isinstance(grow, PreparedCall)
        assert (await more.run(grow, CONTEXT)).text == "done"
        await ground.states.until(lambda facts: facts.tools == ("add", "more", "new"))


async def test_the_sdks_own_server_at_an_address(tmp_path: Path) -> None:
    """The newest protocol over HTTP: no session, and a call that is broken off ends there."""
    import uvicorn
    from mcp.server.mcpserver import MCPServer

    server = MCPServer("third", version="1")
    ended = asyncio.Event()
    begun = asyncio.Event()

    @server.tool()
    async def wait() -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ""

    @server.tool()
    async def say(text: str) -> str:
        return text

    listening = socket.create_server(("127.0.0.1", 0))
    app = server.streamable_http_app()
    config = uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=5)
    http = uvicorn.Server(config)
    serving = asyncio.create_task(http.serve(sockets=[listening]))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
    try:
        one = ServerEntry(name="third", url=url)
        async with at_work(one, place=tmp_path) as ground:
            facts = await ground.states.ready()
            assert facts.about == "third 1, MCP 2026-07-28"
            tool = ground.tool("wait", "third")
            call = tool.prepare({})
            assert isinstance(call, PreparedCall)
            waiting = asyncio.create_task(tool.run(call, CONTEXT))
            await asyncio.wait_for(begun.wait(), 60)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await asyncio.wait_for(ended.wait(), 60)
            said = ground.tool("say", "third")
            call = said.prepare({"text": "hello"})
            assert isinstance(call, PreparedCall)
            assert (await said.run(call, CONTEXT)).text == "hello"
    finally:
        http.should_exit = True
        await serving
        listening.close()
