"""Tools of MCP servers: what they are called, what the gate is told of them, how they are run.

A server's own hints (read-only, destructive) are not believed. A tool has the effect, tags and
price that the operator declares of it; one that is not declared, or that has changed since, is a
call of class once that goes outward, and people are asked every time.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from agent.canonical import NotCanonical, canonical
from agent.costs import Quote, Unknown, UnknownBecause
from agent.errors import NotStarted, ToolError
from agent.messages import JsonObject, ResultStatus
from agent.providers.base import ToolSpec
from agent.tools.base import (
    CallContext,
    EffectClass,
    Malformed,
    PreparedCall,
    RiskTag,
    Tool,
    ToolOutput,
    Verdict,
)
from agent.tools.json_schema import problem_of, unchecked
from agent.tools.literal_secrets import Holds, literal_secret, secret_text
from agent.tools.mcp_definitions import ServerEntry, ToolTerms
from agent.tools.mcp_names import rule_name
from agent.tools.mcp_outcomes import NotTaken, Refused, Unsure
from agent.tools.mcp_pins import MemoryPins, Pin, Pins
from agent.tools.mcp_server import (
    McpServer,
    NotRunning,
    Patience,
    ServerFacts,
    ServerState,
    hidden,
)
from agent.tools.operations import label_of

OPERATION: Final = "call"
TAINTS: Final = "MCP result"
TOOLS_TOGETHER_MAX: Final = 96
"""Of all servers. A request may name 128 tools, our own among them. Source: OpenAI, `tools`."""
_URL: Final = re.compile(r"https?://[^\s\"'<>\\]+", re.IGNORECASE)

_UNPRICED: Final = Quote(
    ceiling=Unknown(because=UnknownBecause.PRICE, text="nobody has said what a call costs")
)


class McpTool:
    """One tool of a server, as it was pinned when this was made."""

    def __init__(self, server: McpServer, pin: Pin, *, holds: Holds) -> None:
        """`holds` says whether a text holds one of the gateway's own secrets."""
        definition = pin.definition
        self._server = server
        self._pin = pin
        self._holds = holds
        self._tool = definition.tool
        self._name = rule_name(definition.server, definition.tool)
        self._schema = definition.schema
        self._spec = definition.spec
        self._terms = server.entry.terms(definition.tool)
        self._declared = pin.declared(self._terms)
        self._unchecked = unchecked(definition.schema)

    @property
    def name(self) -> str:
        """What rules and people call it."""
        return self._name

    @property
    def pin(self) -> Pin:
        """What it was made from."""
        return self._pin

    @property
    def place(self) -> str:
        """Where its calls go; see PlacedTool."""
        return self._server.entry.place

    @property
    def spec(self) -> ToolSpec:
        """What the model is shown."""
        return self._spec

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        """Check one call against the tool's schema; see Tool. Nothing is filled in."""
        try:
            canonical(arguments)
        except NotCanonical as exc:
            return Malformed(text=f"The arguments hold {exc}.")
        if (place := literal_secret(dict(arguments), holds=self._holds)) is not None:
            return Malformed(text=secret_text(place))
        if (problem := problem_of(dict(arguments), self._schema)) is not None:
            return Malformed(text=problem)
        effect, tags, default, reason = _word(self._terms, declared=self._declared)
        return PreparedCall(
            tool=self._name,
            operation=OPERATION,
            arguments=arguments,
            effect=effect,
            label=label_of(self._name, "", ""),
            # What changes something keeps the model's order; what only reads does not wait.
            resource=None if effect is EffectClass.PURE else f"mcp:{self._server.entry.name}",
            default=default,
            reason=self._changed or reason,
            declared=self._declared,
            tags=tags,
            quote=_quote(self._terms),
            summary=f"{self._tool} of the MCP server {self._server.entry.name}",
            taints=TAINTS,
            finds=effect is EffectClass.PURE,
            editable=tuple(sorted(arguments)),
            urls=tuple(sorted(_urls(arguments))),
            warnings=self._warnings(),
        )

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Call the tool; see Tool. A call that is cut short may have taken effect."""
        secrets = self._server.entry.secrets
        try:
            answer = await self._server.call(self._tool, call.arguments)
        except NotRunning as exc:
            raise NotStarted(self._said(f"is not running ({exc}); nothing was called")) from exc
        except NotTaken as exc:
            raise NotStarted(self._said(f"took no call: {exc}")) from exc
        except Refused as exc:
            raise ToolError(self._said(f"answered with an error: {exc}")) from exc
        except Unsure as exc:
            if call.effect is EffectClass.PURE:
                raise ToolError(self._said(f"gave no result: {exc}")) from exc
            text = self._said(f"gave no result: {exc}")
            return ToolOutput(
                text=f"{text} The call may have taken effect.", status=ResultStatus.UNKNOWN
            )
        return ToolOutput(
            text=hidden(answer.text, secrets),
            status=ResultStatus.FAILED if answer.failed else ResultStatus.DONE,
            spent=self._terms.price,
        )

    @property
    def _changed(self) -> str:
        if not self._pin.changed or self._terms.effect is None:
            return ""
        return "the server has changed this tool since an operator declared it"

    def _warnings(self) -> tuple[str, ...]:
        said = [self._changed] if self._changed else []
        if self._unchecked:
            keywords = ", ".join(self._unchecked)
            said.append(f"not all of its arguments can be checked here ({keywords})")
        return tuple(said)

    def _said(self, what: str) -> str:
        entry = self._server.entry
        return hidden(f"The MCP server {entry.name} {what}.", entry.secrets)


class McpServers:
    """All configured servers and their tools.

    `load` before any turn is taken up: then stored calls find their tools. `run` until the end.
    """

    def __init__(
        self,
        entries: Iterable[ServerEntry],
        *,
        pins: Pins,
        holds: Holds = lambda text: False,
        patience: Patience | None = None,
        on_change: Callable[[ServerFacts], None] = lambda facts: None,
    ) -> None:
        """`holds` says whether a text holds one of our secrets; `on_change` must not block."""
        self._holds = holds
        self._servers = {
            entry.name: McpServer(
                entry, pins=pins, patience=patience or Patience(), on_change=on_change
            )
            for entry in entries
        }
        self._tools: dict[str, McpTool] = {}

    async def load(self) -> None:
        """Know the tools of earlier runs; raises what the pins raise."""
        for server in self._servers.values():
            await server.load()

    async def run(self) -> None:
        """Keep every server at work until cancelled; then nothing of any of them is left."""
        async with asyncio.TaskGroup() as group:
            for server in self._servers.values():
                group.create_task(server.run(), name=f"mcp {server.entry.name}")

    def offered(self) -> Mapping[str, Tool]:
        """The tools there are now, by the names models know; declared ones have precedence."""
        made = (self._tool(server, tool) for server, tool in self._chosen())
        return {tool.spec.name: tool for tool in made}

    def named(self) -> Mapping[str, Tool]:
        """The same tools by the names rules know."""
        made = (self._tool(server, tool) for server, tool in self._chosen())
        return {tool.name: tool for tool in made}

    def find(self, name: str) -> Tool | None:
        """A tool that is or was there, by the name of rules or of models."""
        for server in self._servers.values():
            if (tool := server.names.get(name)) is not None:
                return self._tool(server, tool)
        return None

    def facts(self) -> tuple[ServerFacts, ...]:
        """The state of every server, in the order of the configuration."""
        chosen = {(server.entry.name, tool) for server, tool in self._chosen()}
        return tuple(_within(server.facts, chosen) for server in self._servers.values())

    def waiting(self) -> tuple[Pin, ...]:
        """Declared tools that have changed and wait for an operator's word."""
        return tuple(
            server.pins[tool] for server in self._servers.values() for tool in server.facts.changed
        )

    async def agree(self, server: str, tool: str, digest: str) -> bool:
        """An operator agrees to a changed tool; False if it is not (or no longer) that one."""
        known = self._servers.get(server)
        return known is not None and await known.agree(tool, digest)

    def _chosen(self) -> list[tuple[McpServer, str]]:
        every = [(server, tool) for server in self._servers.values() for tool in server.offered]
        every.sort(key=lambda each: each[1] not in each[0].entry.effects)
        return every[:TOOLS_TOGETHER_MAX]

    def _tool(self, server: McpServer, tool: str) -> McpTool:
        """The tool as it is pinned now; made once per pin."""
        pin = server.pins[tool]
        name = rule_name(server.entry.name, tool)
        made = self._tools.get(name)
        if made is None or made.pin is not pin:
            made = self._tools[name] = McpTool(server, pin, holds=self._holds)
        return made


async def look_at(
    entries: Iterable[ServerEntry], *, pins: Pins, patience: Patience | None = None
) -> tuple[ServerFacts, ...]:
    """Connect to each server once, all side by side, and tell what was found; pins nothing."""
    return tuple(
        await asyncio.gather(*(_look(entry, pins, patience or Patience()) for entry in entries))
    )


async def _look(entry: ServerEntry, pins: Pins, patience: Patience) -> ServerFacts:
    known = MemoryPins()
    await known.keep(await pins.of(entry.name))
    found: asyncio.Future[ServerFacts] = asyncio.get_running_loop().create_future()

    def hear(facts: ServerFacts) -> None:
        if facts.state in (ServerState.READY, ServerState.RESTING) and not found.done():
            found.set_result(facts)

    server = McpServer(entry, pins=known, patience=patience, on_change=hear)
    await server.load()
    running = asyncio.create_task(server.run())
    try:
        return await found
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class Catalogue(Mapping[str, Tool]):
    """Every tool of a gateway, those of MCP servers as they come and go.

    Iterated, it gives the names models know, of the tools that are offered. Looked up, it also
    finds a tool by the name rules know, and one that is no longer offered.
    """

    def __init__(self, fixed: Mapping[str, Tool], servers: McpServers) -> None:
        self._fixed = fixed
        self._servers = servers

    def __getitem__(self, name: str) -> Tool:
        tool = self._fixed.get(name) or self._servers.find(name)
        if tool is None:
            raise KeyError(name)
        return tool

    def __iter__(self) -> Iterator[str]:
        return iter({**self._servers.offered(), **self._fixed})

    def __len__(self) -> int:
        return len({**self._servers.offered(), **self._fixed})


def _within(facts: ServerFacts, chosen: set[tuple[str, str]]) -> ServerFacts:
    """The facts of a server with the tools that are too many among all servers' left out."""
    kept = tuple(tool for tool in facts.tools if (facts.name, tool) in chosen)
    why = f"over {TOOLS_TOGETHER_MAX} tools of all servers"
    left = dict.fromkeys((tool for tool in facts.tools if tool not in kept), why)
    return replace(facts, tools=kept, left_out={**facts.left_out, **left})


def _word(
    terms: ToolTerms, *, declared: bool
) -> tuple[EffectClass, frozenset[RiskTag], Verdict, str]:
    """Effect, tags, the tool's own verdict and its reason."""
    if not declared or terms.effect is None:
        outward = terms.tags | {RiskTag.OUTWARD}
        return EffectClass.ONCE, outward, Verdict.ASK, "nobody has declared what it does"
    if terms.effect is EffectClass.PURE and not terms.tags:
        return terms.effect, terms.tags, Verdict.ALLOW, "it is declared to change nothing"
    return terms.effect, terms.tags, Verdict.ASK, "it may change something at the server"


def _quote(terms: ToolTerms) -> Quote:
    if terms.price is None:
        return _UNPRICED
    return Quote(
        ceiling=terms.price, unit="call", unit_price=terms.price, quantity=1, source="config"
    )


def _urls(value: Any) -> frozenset[str]:
    """Addresses in arguments: what a server is told to look at or to write to."""
    match value:
        case str():
            return frozenset(found.rstrip(".,;:!?)") for found in _URL.findall(value))
        case dict():
            return frozenset[str]().union(*map(_urls, value), *map(_urls, value.values()))
        case list():
            return frozenset[str]().union(*map(_urls, value))
    return frozenset()
