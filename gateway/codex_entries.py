"""Entries of the kind `codex-app-server`: their children, and the tools their questions become."""

from collections.abc import Mapping
from pathlib import Path

from agent.failover import Entry
from agent.messages import Origin
from agent.providers.codex.client import CodexProvider
from agent.providers.codex.opening import Launch
from agent.providers.codex.pool import CodexPool
from agent.providers.codex.tools import codex_tools
from agent.tools.base import Tool
from gateway.config import ProviderConfig

PROGRAM = ("codex",)
ENDPOINT = "codex-app-server"


class CodexEntry(CodexProvider):
    """An entry with the children it owns."""

    def __init__(self, origin: Origin, *, launch: Launch, pool: CodexPool, workspace: Path) -> None:
        super().__init__(origin, launch=launch, pool=pool, directory_for=lambda _: workspace)
        self.pool = pool

    async def close(self) -> None:
        """End its children."""
        await self.pool.close()


def codex_entry(
    config: ProviderConfig, *, home: Path, workspace: Path, pool: CodexPool
) -> CodexEntry:
    """One entry of the chain; nothing is started before it is asked."""
    launch = Launch(argv=config.command or PROGRAM, home=home, model=config.model)
    origin = Origin(provider=config.name, endpoint=ENDPOINT, model=config.model)
    return CodexEntry(origin, launch=launch, pool=pool, workspace=workspace)


def tools_of(entries: tuple[Entry, ...]) -> Mapping[str, Tool]:
    """The tools that the questions of these entries become; none without such an entry."""
    pools = {
        id(entry.provider.pool): entry.provider.pool
        for entry in entries
        if isinstance(entry.provider, CodexEntry)
    }
    return {tool.spec.name: tool for pool in pools.values() for tool in codex_tools(pool)}
