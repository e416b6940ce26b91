"""The composition root: builds every object once, runs it, drains it, closes it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from random import random
from types import MappingProxyType
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from agent.failover import Entry
from agent.model_room import ModelRoom
from agent.tools.base import Tool
from agent.tools.mcp import Catalogue
from agent.tools.mcp_server import ServerFacts
from gateway import refs, render, starts
from gateway.clock import Clock, SystemClock
from gateway.command_lane import CommandLane
from gateway.config import Config
from gateway.control import ControlServer
from gateway.credentials import Credentials
from gateway.cron_assembly import clock_of_jobs, lane_of_jobs, shell_of_jobs
from gateway.delivery import BudgetsOf, Deliveries, documented
from gateway.desk_assembly import (
    Ground,
    access_desk,
    end_of_ended_turns,
    find_owner_spot,
    keys_of,
    page_desk,
    put_into_force,
    shell_desk,
    supervision,
)
from gateway.desk_lane import DeskLane
from gateway.destination_notices import DestinationNotices
from gateway.echoes import Echoes
from gateway.equipment import own_tools, providers
from gateway.errors import StoreError
from gateway.file_fetch import FileFetcher
from gateway.files import Files
from gateway.hearing import hearing_of
from gateway.hooks import Hooks
from gateway.ingest import Ingest, Stored
from gateway.mcp_tools import mcp_servers
from gateway.notices import Notices
from gateway.operator import Equipment, Operator, tool_server
from gateway.owners import Owners
from gateway.page_jobs import PageJobs
from gateway.progress import wait
from gateway.retention import Retention
from gateway.router import Router
from gateway.sessions import Agent, Sessions
from gateway.starts import Start
from gateway.store import migrate
from gateway.store.base import Durability, Store
from gateway.store.blobs import Blobs
from gateway.store.sqlite import open_sqlite
from gateway.supervise import Supervisor, watch_alarms
from gateway.surfaces import chat_adapters, web_page
from gateway.terminal_history import TerminalHistory
from gateway.tongues import tongues_of
from gateway.toolbox import Toolbox, check_rules, toolbox
from gateway.web.approvals_site import ApprovalPages
from gateway.web.jobs_site import JobsPage
from gateway.web.server import WebServer
from gateway.web.spend_site import SpendPage
from platforms.base import Adapter, Route
from platforms.terminal.client import TerminalAdapter

SETTLE_WITHIN_S = 3.0
COMMANDS_WITHIN_S = 5.0
FLUSH_S = 5.0

NO_TOOLS: Mapping[str, Tool] = MappingProxyType({})

log = logging.getLogger(__name__)


def _as_it_is(store: Store) -> Store:
    return store


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A started gateway: where the page is, who serves, and which surfaces are not up."""

    config: Config
    url: str | None
    entries: tuple[Entry, ...]
    operator: Operator
    supervisors: tuple[Supervisor, ...]
    owners: Owners


class Gateway:
    """One gateway over one state directory."""

    def __init__(
        self,
        config: Config,
        *,
        only_terminal: bool = False,
        wrap_store: Callable[[Store], Store] = _as_it_is,
        extra_tools: Mapping[str, Tool] = NO_TOOLS,
        models: ModelRoom | None = None,
        budgets: BudgetsOf = documented,
    ) -> None:
        """`wrap_store` may put something before the store; `extra_tools` join the configured.

        `models` is what model calls share and wait by, by default one with the real clock;
        `budgets` are the rates of platforms that are kept.
        """
        self._config = config
        self._wrap_store = wrap_store
        self._extra_tools = extra_tools
        self._only_terminal = only_terminal
        self._budgets = budgets
        self._clock: Clock = SystemClock()
        self._failed: asyncio.Future[StoreError] = asyncio.get_running_loop().create_future()
        self._start: Start | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._supervisors: tuple[Supervisor, ...] = ()
        self._web: WebServer | None = None
        self._toolbox = Toolbox(tools={})
        self._owners = Owners(config)
        self._models = models or ModelRoom()

    async def start(self, entries: tuple[Entry, ...]) -> Running:
        """Open the store, connect every surface, take messages.

        Raises GatewayError with the sentence to show when that can't be.
        """
        self._entries = entries
        try:
            self._store = await self._open_store()
        except BaseException:
            await self._close_providers()
            raise
        try:
            return await self._assemble()
        except BaseException:
            await self._abandon()
            raise

    async def failed(self) -> StoreError:
        """Wait for the failure after which the process should be restarted."""
        return await asyncio.shield(self._failed)

    def retry_stopped(self) -> None:
        """Let surfaces that were stopped, or send nothing, for a refused token try once more."""
        for supervisor in self._supervisors:
            if supervisor.status().state == "stopped":
                self._begin(supervisor.run())
        for outlet in self._deliveries.outlets():
            if outlet.problem:
                outlet.resume()

    async def stop(self) -> None:
        """Take nothing more, let turns end within `drain_s`, deliver, close. Nothing is lost."""
        self._ingest.close()
        self._jobs.close()
        try:
            await self._sessions.drain(self._config.gateway.drain_s)
            await self._router.settled(within_s=COMMANDS_WITHIN_S)
            await self._notices.close()
            await self._deliveries.close(flush_s=FLUSH_S)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for supervisor in self._supervisors:
                with suppress(Exception):
                    await supervisor.adapter.close()
            await self._control.close()
            if self._web is not None:
                await self._web.stop()
            await self._close_providers()
            await self._end_run()
        finally:
            await self._store.close()  # its threads would keep the process alive

    async def _abandon(self) -> None:
        """Let go of what a failed start has taken."""
        if self._web is not None:
            await self._web.stop()
        for supervisor in self._supervisors:
            with suppress(Exception):
                await supervisor.adapter.close()
        await self._close_providers()
        await self._end_run()
        await self._store.close()

    async def _close_providers(self) -> None:
        """Let go of models and tools."""
        for entry in self._entries:
            await entry.provider.close()
        for close in self._toolbox.close:
            await close()

    async def _end_run(self) -> None:
        """Store that the run ended in order; one that could not even begin is no death."""
        if self._start is not None:
            with suppress(StoreError):
                await starts.end(self._store, self._clock, self._start)

    async def _open_store(self) -> Store:
        power = self._config.gateway.durability == "power"
        store = await open_sqlite(
            self._config.gateway.state_dir,
            migrate.packaged(),
            on_failure=self._on_failure,
            durability=Durability.POWER if power else Durability.PROCESS,
        )
        return self._wrap_store(store)

    async def _assemble(self) -> Running:
        start = self._start = await starts.begin(self._store, self._clock, boot=starts.boot_id())
        self._make_way_out(start)
        blobs = self._blobs = Blobs(self._config.gateway.state_dir / "blobs")
        self._credentials = Credentials(self._entries, self._store, self._clock)
        await self._credentials.open(self._key_given_up)
        await put_into_force(self._store, self._clock, self._config.policy)
        self._mcp = mcp_servers(self._config, self._store, on_change=self._mcp_changed)
        if self._mcp is not None:
            await self._mcp.load()
        lane = self._make_sessions(start, await keys_of(self._store, self._clock))
        await self._access.listed.load(self._store)
        await self._owners.load(self._store)
        await end_of_ended_turns(self._store, self._desk.turn_desk.decisions)
        await self._jobs.open(self._config.cron)
        self._router = Router(
            store=self._store,
            sessions=self._sessions,
            commands=lane,
            deliveries=self._deliveries,
        )
        echoes = Echoes(
            store=self._store,
            deliveries=self._deliveries,
            notices=self._notices,
            clock=self._clock,
        )
        self._ingest = Ingest(
            store=self._store,
            blobs=blobs,
            config=self._config,
            clock=self._clock,
            route=self._route,
            pairing=self._access.pairing,
            memberships=self._access.memberships,
            codes=self._access.codes,
            listed=self._access.listed,
            own=echoes.saw,
            mark_of=self._deliveries.command_mark,
        )
        terminal = TerminalAdapter(
            now=_now, keep=self._blobs.put, history=TerminalHistory(self._store)
        )
        self._supervisors = tuple(map(self._supervised, (terminal, *self._surfaces())))
        operator = self._made_operator()
        self._control = ControlServer(
            self._config.gateway.state_dir,
            operator=operator,
            terminals=terminal,
            desk=shell_desk(
                self._desk, account_of=self._account_of, freeze=self._freeze, ground=self._ground()
            ),
            keys=self._credentials,
            cron=self._jobs,
            access=self._access,
            jobs=shell_of_jobs(self._jobs, ground=self._ground(), account_of=self._account_of),
        )
        self._web = await self._listen(operator)
        await self._control.start()
        for turn in start.quarantined:
            self._notices.tell("", f"quarantined:{turn}", render.quarantined_alert(turn))
        self._begin_all(operator, echoes, blobs)
        await self._settled()
        return Running(
            config=self._config,
            url=self._web.url if self._web else None,
            entries=self._entries,
            operator=operator,
            supervisors=self._supervisors,
            owners=self._owners,
        )

    def _make_way_out(self, start: Start) -> None:
        self._deliveries = Deliveries(
            store=self._store,
            clock=self._clock,
            alert=self._alert,
            doubt_before=start.doubt_before,
            budgets=self._budgets,
        )
        self._notices = Notices(
            store=self._store,
            deliveries=self._deliveries,
            clock=self._clock,
            owners=self._owners.people,
            tongues=tongues_of(self._config),
        )

    def _make_sessions(self, start: Start, keys: tuple[bytes, ...]) -> CommandLane:
        """Make the desk, the sessions, and the lane of what never waits behind their turns."""
        self._toolbox = toolbox(
            self._config,
            clock=self._clock,
            account_of=self._account_of,
            owns=self._owns,
        )
        check_rules(self._config, self._toolbox, self._mcp.named() if self._mcp else NO_TOOLS)
        brought = {**_demonstrated(self._entries), **own_tools(self._entries)}
        fixed = {**self._toolbox.tools, **brought, **self._extra_tools}
        tools = fixed if self._mcp is None else Catalogue(fixed, self._mcp)
        self._desk = supervision(
            config=self._config,
            store=self._store,
            clock=self._clock,
            deliveries=self._deliveries,
            notices=self._notices,
            tools=tools,
            zone=_zone(self._config.gateway.timezone),
            keys=keys,
            wake=self._wake,
            owners=self._owners,
        )
        self._access = access_desk(
            self._desk,
            ground=self._ground(),
            account_of=self._account_of,
            route=self._route,
            deliveries=self._deliveries,
        )
        agent = Agent(
            entries=self._entries,
            tools=tools,
            desk=self._desk.turn_desk,
            busy=self._config.sessions.busy,
            idle_us=self._config.sessions.idle_us,
            on_failure=self._on_failure,
            files=Files(
                blobs=self._blobs,
                fetcher=FileFetcher(self._blobs),
                adapter_of=self._deliveries.adapter,
                hears=hearing_of(self._config),
            ),
            models=self._models,
            start_id=start.begun.id,
            suspects=frozenset(start.begun.suspects),
            language=tongues_of(self._config).everybodys,
        )
        self._sessions = Sessions(
            store=self._store, deliveries=self._deliveries, clock=self._clock, agent=agent
        )
        self._jobs = clock_of_jobs(
            store=self._store,
            clock=self._clock,
            desk=self._desk,
            deliveries=self._deliveries,
            notices=self._notices,
            wake=self._wake,
            wait=wait,
        )
        return CommandLane(
            store=self._store,
            running=self._sessions,
            deliveries=self._deliveries,
            clock=self._clock,
            entries=self._entries,
            models=self._models,
            decisions=self._desk.turn_desk.decisions,
            desk=DeskLane(
                store=self._store,
                clock=self._clock,
                desk=self._desk.desk,
                grants=self._desk.grants,
                rules=self._desk.rules,
                roles=self._desk.roles,
                spending=self._desk.spending,
                deliveries=self._deliveries,
                freeze=self._freeze,
            ),
            access=self._access,
            jobs=lane_of_jobs(self._jobs, desk=self._desk, ground=self._ground()),
        )

    def _ground(self) -> Ground:
        """What everything that looks at the desk from elsewhere stands on."""
        return Ground(config=self._config, store=self._store, clock=self._clock)

    def _mcp_changed(self, facts: ServerFacts) -> None:
        """Tell owners once of tools that are no longer what they declared."""
        for tool in facts.changed:
            self._notices.tell(
                "",
                f"mcp:{facts.name}/{tool}",
                f"The tool {tool} of the MCP server {facts.name} is no longer what its effect was"
                " declared for; every call is asked until its declaration is written anew.",
            )

    def _key_given_up(self, key: str, sentence: str) -> None:
        """Tell owners once of a key that only a person can bring back."""
        self._notices.tell("", f"key:{key}", sentence)

    def _owns(self, person: str) -> bool:
        return self._desk.rules.rights.owns(person)

    async def _owners_found(self) -> None:
        """Ask and tell owners what came before anybody knew where they are."""
        self._notices.retry()
        await self._access.post_due_cards()

    def _wake(self, key: str) -> None:
        self._sessions.wake(key)

    def _account_of(self, platform: str) -> str | None:
        """The connected account of a platform, as rows name it."""
        return next(
            (
                refs.account_text(outlet.account)
                for outlet in self._deliveries.outlets()
                if outlet.account.platform == platform
            ),
            None,
        )

    async def _freeze(self, scope: str, by: str) -> None:
        """Cut the streams of what is frozen, and end its work elsewhere."""
        self._sessions.stop_in(scope, f"{by} (spending is frozen)")
        self._desk.remote_jobs.look()

    def _supervised(self, adapter: Adapter) -> Supervisor:
        return Supervisor(
            adapter=adapter,
            ingest=self._ingest,
            deliveries=self._deliveries,
            router=self._router,
            notices=self._notices,
            clock=self._clock,
            jitter=random,
        )

    def _made_operator(self) -> Operator:
        return Operator(
            store=self._store,
            ingest=self._ingest,
            sessions=self._sessions,
            deliveries=self._deliveries,
            supervisors=self._supervisors,
            entries=self._entries,
            models=self._models,
            clock=self._clock,
            zone=_zone(self._config.gateway.timezone),
            equipment=self._equipment,
            named=self._config.named_chats(),
        )

    def _equipment(self) -> Equipment:
        """What is configured and does not work."""
        facts = self._mcp.facts() if self._mcp is not None else ()
        return Equipment(
            missing=self._toolbox.missing, servers=tuple(tool_server(each) for each in facts)
        )

    def _begin_all(self, operator: Operator, echoes: Echoes, blobs: Blobs) -> None:
        """Begin everything that runs beside the turns until the gateway stops."""
        for supervisor in self._supervisors:
            self._begin(supervisor.run())
        self._begin(operator.watch_loop())
        self._begin(self._notices.take_up())
        self._begin(echoes.run())
        self._begin(watch_alarms(self._supervisors))
        self._begin(self._desk.desk_clock.run())
        self._begin(self._jobs.run())
        self._begin(self._desk.remote_jobs.run())
        self._begin(
            find_owner_spot(
                self._config,
                self._deliveries,
                self._desk.owner_spot,
                self._owners,
                wait=wait,
                found=self._owners_found,
            )
        )
        if self._mcp is not None:
            self._begin(self._mcp.run())
        told = DestinationNotices(
            self._config.destinations,
            store=self._store,
            clock=self._clock,
            account_of=self._account_of,
            enqueue=self._deliveries.enqueue,
        )
        if told.wanted:
            self._begin(told.run(asyncio.sleep))
        keep_days = self._config.gateway.retention_days
        retention = Retention(
            store=self._store, blobs=blobs, clock=self._clock, keep_days=keep_days
        )
        self._begin(retention.run())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a part of the gateway ended by a fault; the rest goes on", exc_info=error)

    def _alert(self, account: str, key: str, sentence: str) -> None:
        self._notices.tell(account, key, sentence)

    def _route(self, stored: Stored) -> None:
        self._router.route(stored)

    async def _listen(self, operator: Operator) -> WebServer | None:
        if self._only_terminal or not self._config.web.enabled:
            return None
        routes: list[Route] = []
        for supervisor in self._supervisors:
            routes.extend(supervisor.adapter.routes())
        pages = page_desk(self._desk, ground=self._ground())
        routes += ApprovalPages(pages, draw=lambda: str(uuid4()), now=_now).routes()
        routes += SpendPage(pages, now=_now).routes()
        rights = self._desk.rules.rights
        jobs = PageJobs(store=self._store, clock=self._clock, rights=rights)
        routes += JobsPage(jobs, now=_now).routes()
        routes += Hooks(self._config.cron, door=self._jobs, now=_now).routes()
        server = WebServer(self._config.web, routes=routes, health=operator, now=_now)
        await server.start()
        return server

    async def _settled(self) -> None:
        """Wait until every surface is up or has said why not, but not for ever."""
        waiting = [asyncio.create_task(s.settled.wait()) for s in self._supervisors]
        _, late = await asyncio.wait(waiting, timeout=SETTLE_WITHIN_S)
        for task in late:
            task.cancel()

    def _on_failure(self, error: StoreError) -> None:
        log.critical("the store has failed; stopping so that nothing is acknowledged: %s", error)
        if not self._failed.done():
            self._failed.set_result(error)

    def _surfaces(self) -> list[Adapter]:
        if self._only_terminal:
            return []
        keep = self._blobs.put
        page = [web_page(self._store, self._entries, keep)] if self._config.web.enabled else []
        return [*page, *chat_adapters(self._config, self._store, self._owners.people)]


def _demonstrated(entries: tuple[Entry, ...]) -> Mapping[str, Tool]:
    """What the demonstration shows beside the configured tools."""
    if not any(entry.provider.origin.endpoint == "offline" for entry in entries):
        return {}
    from agent.tools.demo_job import NAME, DemoJobTool

    return {NAME: DemoJobTool()}


def _zone(name: str) -> tzinfo:
    """A time zone by name; UTC needs no zone table on the machine."""
    return UTC if name == "UTC" else ZoneInfo(name)


def _now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def embedded(config: Config, *, demo: bool = False) -> AsyncIterator[Running]:
    """A gateway whose only surface is the terminal, for `gatepost chat` on its own."""
    gateway = Gateway(config, only_terminal=True)
    running = await gateway.start(await providers(config, demo=demo))
    try:
        yield running
    finally:
        await gateway.stop()
