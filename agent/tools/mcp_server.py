"""One MCP server kept at work: connected, watched, restarted, stopped.

Theory of operation. `run` connects, reads the list of tools, pins it and waits. It lists again when
the server says that its tools have changed. When the connection ends it rests (1, 2, 5, 15, 30, 60
s, from the start again after a minute of work) and connects anew; every other attempt greets in the
older way until one has worked, which is then kept. A call that was broken off may have left the
server stuck: if nothing else runs there and it does not list its tools in `PROBE_S`, the connection
is ended. Calls wait `WAIT_S` for a connection and never start one.

A tool that was ever seen stays known, so that a stored call finds it; offered are the tools of the
last list, and before the first one those that are pinned.
"""

import asyncio
import importlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from agent.messages import JsonObject
from agent.tools.mcp_definitions import Definition, ServerEntry, Unfit, offered
from agent.tools.mcp_names import model_name, rule_name
from agent.tools.mcp_outcomes import Answer, LinkFailed, NotTaken
from agent.tools.mcp_pins import Pin, Pins, agreed, seen

if TYPE_CHECKING:
    from agent.tools.mcp_link import Link

BACKOFF_S: Final = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)
STEADY_S: Final = 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long things may take, in seconds."""

    backoff_s: tuple[float, ...] = BACKOFF_S
    steady_s: float = STEADY_S
    wait_s: float = 10.0
    probe_s: float = 10.0
    connect_s: float = 60.0
    close_s: float = 2.0
    grace_s: float = 5.0


class ServerState(Enum):
    """What a server is doing."""

    STOPPED = "stopped"
    CONNECTING = "connecting"
    READY = "ready"
    RESTING = "resting"  # until the next attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """What an operator wants to know of one server; tools by their own names.

    `missing` are declared and not there; `changed` wait for an operator's word; `left_out` says
    of each tool that is not offered why. `reason` is why it is not ready; it and `about` hold
    foreign text.
    """

    name: str
    state: ServerState
    reason: str = ""
    about: str = ""
    failures: int = 0
    tools: tuple[str, ...] = ()
    undeclared: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    left_out: Mapping[str, str]


class NotRunning(Exception):
    """There is no connection to call through, and there was none while we waited."""


class McpServer:
    """One configured server and what is known of its tools."""

    def __init__(
        self,
        entry: ServerEntry,
        *,
        pins: Pins,
        patience: Patience,
        on_change: Callable[[ServerFacts], None],
    ) -> None:
        """`on_change` hears of every new state and list of tools; it must not block or raise."""
        self.entry = entry
        self._on_change = on_change
        self._store = pins
        self._patience = patience
        self._pins: dict[str, Pin] = {}
        self._offered: tuple[str, ...] = ()
        self.names: dict[str, str] = {}  # every tool ever seen, by the names of rules and models
        self._left_out: tuple[Unfit, ...] = ()
        self._link: Link | None = None
        self._up = asyncio.Event()
        self._suspect = asyncio.Event()
        self._calls = 0
        self._state = ServerState.STOPPED
        self._reason = "not started"
        self._about = ""
        self._failures = 0
        self._ready_at: float | None = None
        self._greeted = False
        self._legacy = False

    @property
    def pins(self) -> Mapping[str, Pin]:
        """Every tool that was ever seen, by its own name."""
        return self._pins

    @property
    def offered(self) -> tuple[str, ...]:
        """The tools the model is offered, by their own names."""
        return self._offered

    @property
    def facts(self) -> ServerFacts:
        """What there is to know now."""
        terms = self.entry.terms
        changed = tuple(tool for tool in self._offered if self._pins[tool].changed)
        return ServerFacts(
            name=self.entry.name,
            state=self._state,
            reason=self._reason,
            about=self._about,
            failures=self._failures,
            tools=self._offered,
            undeclared=tuple(t for t in self._offered if terms(t).effect is None),
            changed=tuple(tool for tool in changed if terms(tool).effect is not None),
            missing=tuple(sorted(self.entry.effects.keys() - set(self._offered))),
            left_out={each.tool: each.why for each in self._left_out},
        )

    async def load(self) -> None:
        """Know the tools of earlier sights; raises what the pins raise."""
        self._pins = {pin.definition.tool: pin for pin in await self._store.of(self.entry.name)}
        self._offer(pin.definition for pin in self._pins.values())

    async def agree(self, tool: str, digest: str) -> bool:
        """An operator agrees to a tool as it is; False if that is not what they were shown."""
        pin = self._pins.get(tool)
        if pin is None or pin.definition.digest != digest:
            return False
        await self._store.keep((agreed(pin),))
        if self._pins[tool] is pin:
            self._pins[tool] = agreed(pin)
        self._on_change(self.facts)
        return True

    async def run(self) -> None:
        """Keep the server connected until cancelled; then nothing of it is left."""
        # Half a second of imports; on a thread the loop goes on meanwhile.
        await asyncio.to_thread(importlib.import_module, "agent.tools.mcp_link")
        loop = asyncio.get_running_loop()
        told = ""
        try:
            while True:
                self._ready_at = None
                self._reason = await self._one_connection()
                since = self._ready_at
                steady = since is not None and loop.time() - since >= self._patience.steady_s
                self._failures = 1 if steady else self._failures + 1
                delays = self._patience.backoff_s
                delay = delays[min(self._failures, len(delays)) - 1]
                self._enter(ServerState.RESTING, self._reason)
                # Once per reason: a server that is gone for good would fill the log.
                level = logging.DEBUG if self._reason == told else logging.WARNING
                log.log(level, "mcp %s: %s; again in %.0f s", self.entry.name, self._reason, delay)
                told = self._reason
                await asyncio.sleep(delay)
        finally:
            self._enter(ServerState.STOPPED, "stopped")

    def _enter(self, state: ServerState, reason: str = "") -> None:
        self._state, self._reason = state, reason
        self._on_change(self.facts)

    async def call(self, tool: str, arguments: JsonObject) -> Answer:
        """Call a tool; raises NotRunning, or what Link.call raises.

        A session that the server has forgotten took nothing: the next one is asked once more.
        """
        link = await self._connected()
        try:
            return await self._through(link, tool, arguments)
        except NotTaken as exc:
            if not exc.gone:
                raise
            link.ended.set()
            if self._link is link:
                self._up.clear()
        return await self._through(await self._connected(), tool, arguments)

    async def _through(self, link: "Link", tool: str, arguments: JsonObject) -> Answer:
        self._calls += 1
        try:
            return await link.call(tool, arguments)
        except asyncio.CancelledError:
            self._suspect.set()
            raise
        finally:
            self._calls -= 1

    async def _connected(self) -> "Link":
        try:
            async with asyncio.timeout(self._patience.wait_s):
                await self._up.wait()
        except TimeoutError as exc:
            raise NotRunning(self._reason) from exc
        if self._link is None:
            raise NotRunning(self._reason)
        return self._link

    async def _one_connection(self) -> str:
        """Connect and stay so; return why that is over, in words that may be shown."""
        from agent.tools.mcp_link import connected

        self._enter(ServerState.CONNECTING, self._reason)
        patience = self._patience
        greeted = False
        try:
            async with connected(
                self.entry,
                legacy=self._legacy,
                connect_s=patience.connect_s,
                close_s=patience.close_s,
                grace_s=patience.grace_s,
            ) as link:
                greeted = True
                why = await self._stay(link)
        except LinkFailed as exc:
            why = str(exc)
        except Exception:
            # Whatever went wrong with this connection, the next one may work.
            log.exception("mcp %s: the connection failed", self.entry.name)
            why = "the connection failed inside the gateway"
        finally:
            self._up.clear()
            self._link = None
        self._greeted |= greeted
        if not greeted and (not self._greeted or self._failures > 1):
            self._legacy = not self._legacy
        return hidden(why, self.entry.secrets)

    async def _stay(self, link: "Link") -> str:
        try:
            await self._list(link)
        except LinkFailed as exc:
            return await link.why() or str(exc)
        self._about = hidden(link.about, self.entry.secrets)
        self._ready_at = asyncio.get_running_loop().time()
        self._link = link
        self._suspect.clear()
        self._up.set()
        self._enter(ServerState.READY)
        log.info("mcp %s: ready with %d tools", self.entry.name, len(self._offered))
        watching = asyncio.create_task(link.watch())
        try:
            return await self._attend(link)
        finally:
            self._up.clear()
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _attend(self, link: "Link") -> str:
        """List again whenever there is reason to; return when the connection has ended."""
        while True:
            await _first_of(link.ended, link.changed, self._suspect)
            if link.ended.is_set():
                return await link.why() or "the connection has ended"
            if not link.changed.is_set() and self._calls:
                self._suspect.clear()  # the next broken call asks again
                continue
            link.changed.clear()
            self._suspect.clear()
            try:
                async with asyncio.timeout(self._patience.probe_s):
                    await self._list(link)
            except LinkFailed as exc:
                return await link.why() or str(exc)
            except TimeoutError:
                return "it no longer answers"

    async def _list(self, link: "Link") -> None:
        listing = await link.tools()
        terms = self.entry.terms
        pins = {
            each.tool: seen(self._pins.get(each.tool), each, terms(each.tool))
            for each in listing.definitions
        }
        new = tuple(pin for tool, pin in pins.items() if self._pins.get(tool) != pin)
        if new:
            await self._store.keep(new)
        for pin in new:
            if pin.changed and pin.definition.tool in self.entry.effects:
                log.warning("mcp %s: %s has changed", self.entry.name, pin.definition.tool)
        self._pins.update(pins)
        self._offer(listing.definitions, listing.unfit)
        self._on_change(self.facts)

    def _offer(self, definitions: Iterable[Definition], unfit: tuple[Unfit, ...] = ()) -> None:
        kept, left = offered(definitions, self.entry.effects)
        self._offered = tuple(each.tool for each in kept)
        for tool in self._pins:
            self.names[rule_name(self.entry.name, tool)] = tool
            self.names[model_name(self.entry.name, tool)] = tool
        self._left_out = (*unfit, *left)


def hidden(text: str, secrets: tuple[str, ...]) -> str:
    """A text without the values a server was given."""
    for secret in secrets:
        text = text.replace(secret, "[hidden]")
    return text


async def _first_of(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
