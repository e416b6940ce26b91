"""The MCP servers of the configuration as tools, with what was agreed to of each kept as rows."""

from collections.abc import Callable

from agent.tools.literal_secrets import holds_one_of
from agent.tools.mcp import McpServers
from agent.tools.mcp_definitions import ServerEntry
from agent.tools.mcp_pins import Pin, Pins
from agent.tools.mcp_server import ServerFacts
from gateway.config import Config, McpConfig
from gateway.redaction import secrets_of
from gateway.store import transitions
from gateway.store.base import Store
from gateway.store.records import mcp_pins


class StorePins(Pins):
    """Pins as rows: a server that changed while nobody looked has changed all the same."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def of(self, server: str) -> tuple[Pin, ...]:
        """All pins of one server."""
        return await self._store.read(lambda tx: mcp_pins.of(tx, server))

    async def keep(self, pins: tuple[Pin, ...]) -> None:
        """Store pins, all or none."""
        await self._store.write(
            lambda tx: mcp_pins.keep(tx, pins), transition=transitions.MCP_PINNED
        )


def mcp_servers(
    config: Config, store: Store, *, on_change: Callable[[ServerFacts], None]
) -> McpServers | None:
    """The configured servers, not started; None if there are none."""
    if not config.mcp:
        return None
    entries = tuple(_entry(each) for each in config.mcp)
    holds = holds_one_of(frozenset(secrets_of(config)))
    return McpServers(entries, pins=StorePins(store), holds=holds, on_change=on_change)


def _entry(config: McpConfig) -> ServerEntry:
    return ServerEntry(
        name=config.name,
        command=config.command,
        url=config.url or "",
        env={name: secret.reveal() for name, secret in config.env},
        headers={name: secret.reveal() for name, secret in config.headers},
        effects=config.effects,
        tags=config.tags,
        price=config.price,
        prices=config.prices,
    )
