"""A loopback Hub with everything the hf_* tools need around them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.hub import Hub
from agent.tools.base import CallContext, Malformed, PreparedCall, Snapshot
from agent.tools.hf_access import HubAccess
from agent.tools.hf_jobs import HfJobsTool
from agent.tools.hf_private_repos import HfPrivateReposTool
from agent.tools.hf_quotes import Prices
from agent.tools.hf_repo_files import HfRepoFilesTool
from agent.tools.hf_repo_git import HfRepoGitTool
from agent.tools.hf_sandbox import HfSandboxTool
from agent.tools.literal_secrets import holds_one_of
from tests.agent.tools.hub_prices import catalogue_prices
from tests.wire.hub import HubServer

SECRETS = {"WANDB_API_KEY": "wandb-value-of-the-operator"}
TEAM = "acme-research"


@dataclass(kw_only=True)
class Room:
    """The Hub, the tools over it, a workspace, and what was waited for."""

    server: HubServer
    hub: Hub
    access: HubAccess
    workspace: Path
    waits: list[float] = field(default_factory=list)
    on_wait: Callable[[], None] = lambda: None
    steady_s: float = 0.0

    def jobs(self, **switches: bool) -> HfJobsTool:
        """The jobs tool with these switches."""
        return HfJobsTool(
            access=self.access,
            workspace=self.workspace,
            secrets=SECRETS,
            **switches,
        )

    def sandbox(self) -> HfSandboxTool:
        """The sandbox tool."""
        return HfSandboxTool(access=self.access)

    def private_repos(self, *, auto_file_upload: bool = False) -> HfPrivateReposTool:
        """The tool over private repositories."""
        return HfPrivateReposTool(
            access=self.access, workspace=self.workspace, auto_file_upload=auto_file_upload
        )

    def repo_files(self) -> HfRepoFilesTool:
        """The tool over files."""
        return HfRepoFilesTool(access=self.access, workspace=self.workspace)

    def repo_git(self) -> HfRepoGitTool:
        """The tool over refs and pull requests."""
        return HfRepoGitTool(access=self.access, workspace=self.workspace)


@asynccontextmanager
async def hub_room(
    workspace: Path,
    *,
    payer: str = TEAM,
    accounts: tuple[str, ...] = (TEAM, "dana"),
    prices: Prices | None = None,
    catalogue_s: float = 60.0,
) -> AsyncIterator[Room]:
    """Open a Hub and the tools; nothing waits for a real clock but a catalogue that hangs."""
    async with HubServer() as server:
        rooms: list[Room] = []  # the Hub's clocks and waits are the room's

        async def wait(seconds: float) -> None:
            rooms[0].waits.append(seconds)
            rooms[0].on_wait()
            await asyncio.sleep(0)

        def now_us() -> int:
            return int(server.world.clock.now.timestamp() * 1_000_000)

        hub = Hub(
            token=server.token,
            base_url=server.url,
            now_s=lambda: rooms[0].steady_s,
            wait=wait,
            catalogue_s=catalogue_s,
        )
        access = HubAccess(
            hub=hub,
            payer=payer,
            accounts=accounts,
            holds=holds_one_of(frozenset({*SECRETS.values(), server.token})),
            prices=prices or catalogue_prices(),
            now_us=now_us,
        )
        rooms.append(Room(server=server, hub=hub, access=access, workspace=workspace))
        try:
            yield rooms[0]
        finally:
            hub.close()


def context(call_id: str = "c0ffee", session: str = "slack:T1/C1", **parts: Any) -> CallContext:
    """Who calls."""
    return CallContext(call_id=call_id, session=session, **parts)


def prepared(tool: Any, **arguments: Any) -> PreparedCall:
    """A call that fits."""
    call = tool.prepare(arguments)
    assert isinstance(call, PreparedCall), call
    return call


async def inspected(tool: Any, where: CallContext | None = None, **arguments: Any) -> PreparedCall:
    """A call that fits and was looked at."""
    call = await tool.inspect(prepared(tool, **arguments), where or context())
    assert isinstance(call, PreparedCall), call
    return call


def refused(tool: Any, **arguments: Any) -> str:
    """What is said of a call that does not fit."""
    call = tool.prepare(arguments)
    assert isinstance(call, Malformed), call
    return call.text


def stored(tool: Any, call: PreparedCall) -> PreparedCall:
    """The call as it comes back from its row: arguments and snapshots, nothing else."""
    again = tool.prepare(dict(call.arguments))
    assert isinstance(again, PreparedCall), again
    assert again.arguments == call.arguments
    assert again.operation == call.operation
    return again


def with_snapshots(where: CallContext, snapshots: tuple[Snapshot, ...]) -> CallContext:
    """The context of a run: the bytes that were shown."""
    return CallContext(
        call_id=where.call_id,
        session=where.session,
        snapshots={snapshot.name: snapshot.data for snapshot in snapshots},
    )


async def carried_out(tool: Any, where: CallContext | None = None, **arguments: Any) -> Any:
    """Prepare, inspect, store, run: what a call gives."""
    where = where or context()
    call = await inspected(tool, where, **arguments)
    again = stored(tool, call)
    return await tool.run(again, with_snapshots(where, call.snapshots))
