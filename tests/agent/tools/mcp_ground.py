"""What the tests of MCP servers stand on: real processes, and waiting for their states."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.tools.base import CallContext, PreparedCall, Tool, ToolOutput
from agent.tools.mcp import McpServers
from agent.tools.mcp_definitions import ServerEntry
from agent.tools.mcp_pins import MemoryPins, Pins
from agent.tools.mcp_server import Patience, ServerFacts, ServerState

CONTEXT = CallContext(call_id="c1", session="s1")
SERVER = Path(__file__).parents[2] / "wire" / "mcp_server.py"
QUICK = Patience(
    backoff_s=(0.01, 0.02, 0.05),
    wait_s=30.0,
    probe_s=20.0,
    connect_s=30.0,
    close_s=1.0,
    grace_s=0.2,
)
WAIT_S = 60.0


@dataclass
class States:
    """Every state the servers went through, to wait for one."""

    seen: list[ServerFacts] = field(default_factory=list)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, facts: ServerFacts) -> None:
        self.seen.append(facts)
        self._more.set()

    async def until(self, fits: Callable[[ServerFacts], bool], *, after: int = 0) -> ServerFacts:
        """The first state after `after` others that fits."""
        async with asyncio.timeout(WAIT_S):
            while True:
                for facts in self.seen[after:]:
                    if fits(facts):
                        return facts
                self._more.clear()
                await self._more.wait()

    async def ready(self, *, after: int = 0) -> ServerFacts:
        return await self.until(lambda facts: facts.state is ServerState.READY, after=after)

    async def resting(self, *, after: int = 0) -> ServerFacts:
        return await self.until(lambda facts: facts.state is ServerState.RESTING, after=after)


@dataclass
class Ground:
    """Servers at work, what was heard of them, and what the process has seen."""

    servers: McpServers
    states: States
    place: Path
    arriving: asyncio.StreamReader
    seen: list[str] = field(default_factory=list)

    def tool(self, name: str, server: str = "wire") -> Tool:
        tool = self.servers.find(f"mcp:{server}/{name}")
        assert tool is not None, name
        return tool

    def prepared(self, name: str, **arguments: Any) -> PreparedCall:
        call = self.tool(name).prepare(arguments)
        assert isinstance(call, PreparedCall), call
        return call

    async def use(self, name: str, **arguments: Any) -> ToolOutput:
        return await self.tool(name).run(self.prepared(name, **arguments), CONTEXT)

    async def arrived(self, method: str, count: int = 1) -> None:
        """Wait until the server has got so many messages of a kind."""
        async with asyncio.timeout(WAIT_S):
            while sum(each == method for each in self.seen) < count:
                self.seen.append(json.loads(await self.arriving.readline())["method"])

    @property
    def pid(self) -> int:
        return int((self.place / "pid").read_text())


def entry(place: Path, *options: str, name: str = "wire", **declared: Any) -> ServerEntry:
    """A server of tests/wire as an operator would configure it."""
    command = (sys.executable, "-S", "-E", str(SERVER), str(place), *options)
    return ServerEntry(name=name, command=command, **declared)


@asynccontextmanager
async def at_work(
    *entries: ServerEntry, place: Path, pins: Pins | None = None, patience: Patience = QUICK
) -> AsyncIterator[Ground]:
    """Servers that run until the end of the block."""
    states = States()
    servers = McpServers(
        entries, pins=pins or MemoryPins(), patience=patience, on_change=states.hear
    )
    await servers.load()
    arriving, pipe = await _opened(place / "seen")
    running = asyncio.create_task(servers.run())
    try:
        yield Ground(servers, states, place, arriving)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        pipe.close()


async def _opened(place: Path) -> tuple[asyncio.StreamReader, asyncio.BaseTransport]:
    """A pipe by name, with our hand on both ends, so that no writer waits and none ends it."""
    with contextlib.suppress(FileExistsError):
        os.mkfifo(place)
    reader = asyncio.StreamReader()
    both = os.fdopen(os.open(place, os.O_RDWR | os.O_NONBLOCK), "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), both
    )
    return reader, transport
