"""One connection to an MCP server: the only file that speaks through the `mcp` SDK.

Imported when a server is first connected to; it takes half a second. What the SDK raises is
translated here, into the classes of `mcp_outcomes`.

Left out of the SDK on purpose: its process transport (it passes more variables, has no bound on a
line and leaves processes behind when the gateway is killed), its check of results against the
server's schema (a foreign pattern can block the loop), and its logging (it quotes what servers
say). Sampling, elicitation and roots are not offered, so a server that asks for them is refused.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import httpx2
from mcp import types
from mcp.client import Client, Transport
from mcp.shared.exceptions import MCPError
from mcp.types import ErrorData
from pydantic import ValidationError

from agent.tools.mcp_definitions import Definition, ServerEntry, Unfit, plain, read_definition
from agent.tools.mcp_http import BROKEN, NOT_SENT, SESSION_GONE, reached
from agent.tools.mcp_outcomes import Answer, LinkFailed, Listing, NotTaken, Refused, Unsure
from agent.tools.mcp_process import NotRunnable, Process, environment, started
from agent.tools.mcp_results import result_text

if TYPE_CHECKING:
    from mcp.client.session import IncomingMessage

CONNECT_S: Final = 60.0
"""A server may fetch itself first (`npx`, `uvx`)."""
LIST_S: Final = 30.0
PAGES_MAX: Final = 50
LISTED_MAX: Final = 1_000

for _name in ("mcp", "client"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class Link:
    """A session that is up. `ended` is set when it is over, `changed` when the tools are others."""

    def __init__(
        self, client: Client, entry: ServerEntry, ended: asyncio.Event, process: Process | None
    ) -> None:
        self._client = client
        self._entry = entry
        self._process = process
        self.ended = ended
        self.changed = asyncio.Event()

    async def why(self) -> str:
        """Why it ended, as far as that is known; foreign text."""
        if self._process is None or not self._process.ended.is_set():
            return ""
        return plain(await self._process.why(), 300)

    @property
    def about(self) -> str:
        """The server's name and version and the protocol's, as it says; foreign text."""
        info = self._client.server_info
        said = f"{info.name} {info.version}, " if info else ""
        return plain(f"{said}MCP {self._client.protocol_version}", 120)

    async def tools(self) -> Listing:
        """Ask for the tools, page by page. Raises LinkFailed."""
        found: dict[str, Definition | Unfit] = {}
        cursor: str | None = None
        try:
            async with asyncio.timeout(LIST_S):
                for _ in range(PAGES_MAX):
                    params = types.PaginatedRequestParams(cursor=cursor)
                    page = await self._client.session.list_tools(params=params)
                    for tool in page.tools:
                        read = read_definition(
                            self._entry.name, tool.name, tool.description or "", tool.input_schema
                        )
                        found.setdefault(read.tool, read)
                    cursor = page.next_cursor
                    if cursor is None or len(found) >= LISTED_MAX:
                        break
        except (MCPError, ValidationError, RuntimeError, TimeoutError) as exc:
            raise LinkFailed(f"it does not list its tools ({_reason(exc)})") from exc
        definitions = tuple(each for each in found.values() if isinstance(each, Definition))
        unfit = tuple(each for each in found.values() if isinstance(each, Unfit))
        return Listing(definitions=definitions, unfit=unfit)

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> Answer:
        """Call a tool. Raises NotTaken, Unsure or Refused.

        A cancel tells the server so and leaves the session usable.
        """
        if self.ended.is_set():
            raise NotTaken("the connection has just ended", gone=True)
        params = types.CallToolRequestParams(name=tool, arguments=dict(arguments))
        request = types.CallToolRequest(params=params)
        try:
            result = await self._client.session.send_request(request, types.CallToolResult)
        except MCPError as exc:
            raise _of_call(exc.error) from exc
        except (ValidationError, RuntimeError) as exc:
            raise Unsure("it answered with something that is no result") from exc
        content = [block.model_dump(mode="json", by_alias=True) for block in result.content]
        return Answer(
            text=result_text(content, result.structured_content), failed=bool(result.is_error)
        )

    async def watch(self) -> None:
        """Keep `changed` up to date where a server tells it only to who asks; ends without word."""
        offers = self._client.server_capabilities.tools
        if self._client.session.discover_result is None or not (offers and offers.list_changed):
            return
        try:
            async with self._client.listen(tools_list_changed=True) as events:
                async for _ in events:
                    self.changed.set()
        except (MCPError, RuntimeError, TimeoutError):
            return


@asynccontextmanager
async def connected(
    entry: ServerEntry,
    *,
    legacy: bool,
    close_s: float,
    grace_s: float,
    connect_s: float = CONNECT_S,
) -> AsyncIterator[Link]:
    """A session with a server until the end of the block. Raises LinkFailed.

    `legacy` greets in the way that servers before 2026 know; the other way falls back to it, but
    some servers end at a first message they do not know.
    """
    process: Process | None = None
    async with AsyncExitStack() as held:
        try:
            if entry.command:
                env = environment(entry.env, os.environ)
                run = started(entry.command, env, close_s=close_s, grace_s=grace_s)
                process = await held.enter_async_context(run)
                transport: Transport = _Piped(process)
            else:
                transport = await held.enter_async_context(reached(entry.url, entry.headers))
            link = await _greeted(
                held, transport, entry=entry, process=process, legacy=legacy, connect_s=connect_s
            )
        except NotRunnable as exc:
            raise LinkFailed(str(exc)) from exc
        except (MCPError, ValidationError, RuntimeError, OSError, ExceptionGroup) as exc:
            told = process is not None and process.ended.is_set()
            why = await process.why() if process and told else _reason(exc)
            raise LinkFailed(plain(why, 300)) from exc
        try:
            yield link
        finally:
            link.ended.set()


async def _greeted(
    held: AsyncExitStack,
    transport: Transport,
    *,
    entry: ServerEntry,
    process: Process | None,
    legacy: bool,
    connect_s: float,
) -> Link:
    made: list[Link] = []

    async def notice(message: "IncomingMessage") -> None:
        if made and isinstance(message, types.ToolListChangedNotification):
            made[0].changed.set()

    client = Client(
        transport,
        mode="legacy" if legacy else "auto",
        cache=None,
        message_handler=notice,
        client_info=types.Implementation(name="gatepost", version="1"),
    )
    async with asyncio.timeout(connect_s):
        await held.enter_async_context(client)
    made.append(Link(client, entry, process.ended if process else asyncio.Event(), process))
    return made[0]


class _Piped:
    """A process as the SDK's transport; the process itself belongs to whoever started it."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def __aenter__(self) -> Any:
        return self._process.read, self._process.write

    async def __aexit__(self, *exc: object) -> None:
        return None


def _of_call(error: ErrorData) -> NotTaken | Unsure | Refused:
    """What an error says of the call that met it."""
    why = plain(error.message, 500)
    match error.code:
        case code if code == NOT_SENT:
            return NotTaken(why)
        case code if code == SESSION_GONE:
            return NotTaken(why, gone=True)
        case types.METHOD_NOT_FOUND | types.INVALID_PARAMS:
            return NotTaken(f"it refuses the call: {why}")
        case code if code in (BROKEN, types.CONNECTION_CLOSED, types.REQUEST_TIMEOUT):
            return Unsure(why)
        case types.PARSE_ERROR | types.INTERNAL_ERROR:
            return Unsure(why)
        case _:
            return Refused(why)


def _reason(exc: BaseException) -> str:
    """Why there is no session; in words of ours unless the server gave its own."""
    match exc:
        case BaseExceptionGroup():
            return _reason(exc.exceptions[0])
        case MCPError():
            return exc.error.message
        case TimeoutError():
            return "it did not answer in time"
        case ValidationError():
            return "it answered with something that is no MCP"
        case httpx2.HTTPError() | OSError():
            return f"it can't be reached ({type(exc).__name__})"
        case _:
            return str(exc)
