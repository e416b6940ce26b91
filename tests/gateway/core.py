"""The gateway between its seams: real store, real turns, a scripted platform and model."""

import asyncio
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.failover import Entry
from agent.messages import Text
from agent.model_room import ModelRoom
from agent.providers.base import PartCompleted, Stop, StreamCompleted, TextReceived
from agent.tools.base import Tool
from gateway import refs, starts
from gateway.command_lane import CommandLane
from gateway.config.values import Config
from gateway.delivery import Deliveries
from gateway.desk_assembly import Ground, access_desk, supervision
from gateway.desk_lane import DeskLane
from gateway.errors import StoreError
from gateway.fairness import TurnGate
from gateway.hearing import Hearing
from gateway.ingest import Ingest, Stored
from gateway.notices import Notices
from gateway.operator import Operator
from gateway.router import Router
from gateway.sessions import Agent, Busy, Sessions
from gateway.store.base import Store
from gateway.store.blobs import Blobs
from gateway.supervise import Supervisor
from gateway.words.phrase import Language
from platforms.events import Receipt
from tests.agent.scripted import ORIGIN, ScriptedProvider, Step, entry
from tests.gateway.events import delivery
from tests.gateway.fetching import files_over
from tests.gateway.hand_clock import HandClock
from tests.gateway.intake import CONFIG
from tests.gateway.scripted_adapter import ScriptedAdapter

KEY = b"k" * 32
"""What seals the buttons."""


def says(*deltas: str | asyncio.Event, calls: tuple[Any, ...] = ()) -> tuple[Step, ...]:
    """A model's stream: these words, waits among them, then these calls."""
    words = [TextReceived(text=d) if isinstance(d, str) else d for d in deltas]
    text = "".join(d for d in deltas if isinstance(d, str))
    parts = [PartCompleted(part=Text(text=text)), *(PartCompleted(part=c) for c in calls)]
    stop = Stop.TOOL_CALLS if calls else Stop.DONE
    return (*words, *parts, StreamCompleted(stop=stop))


async def at_once(seconds: float) -> None:
    """Wait for nothing: what retries wait for takes no time here."""
    await asyncio.sleep(0)


class Core:
    """What `gateway.app` builds, without files, sockets and signals.

    The clock stands still, so no placeholder is ever due: what is shown is final.
    """

    def __init__(
        self,
        store: Store,
        path: Path,
        clock: HandClock,
        *,
        busy: Busy = "join",
        config: Config = CONFIG,
        tools: dict[str, Tool] | None = None,
        adapter: ScriptedAdapter | None = None,
        gate: TurnGate | None = None,
        timed: bool = False,
        start: starts.Start | None = None,
        entries: tuple[Entry, ...] | None = None,
        models: ModelRoom | None = None,
        language: Language | None = None,
        hears: Hearing | None = None,
    ) -> None:
        """`timed`: what sessions wait for passes by the clock, not by itself.

        Without `entries` the model is scripted, with a spare behind it.
        """
        self.store = store
        self.clock = clock
        self.model = ScriptedProvider()
        self.spare = ScriptedProvider(origin=replace(ORIGIN, endpoint="http://spare"))
        self.entries = entries or (entry(self.model), entry(self.spare, "spare"))
        self.adapter = adapter or ScriptedAdapter()
        self.failures: list[StoreError] = []
        self.blobs = Blobs(path / "blobs")
        self.deliveries = Deliveries(store=store, clock=clock)
        self.notices = Notices(
            store=store,
            deliveries=self.deliveries,
            clock=clock,
            owners=config.gateway.owners,
        )
        self.desk = supervision(
            config=config,
            store=store,
            clock=clock,
            deliveries=self.deliveries,
            notices=self.notices,
            tools=tools or {},
            zone=UTC,
            keys=(KEY,),
            wake=self._wake,
        )
        self.access = access_desk(
            self.desk,
            ground=Ground(config=config, store=store, clock=clock),
            account_of=self.account_of,
            route=self._route,
            deliveries=self.deliveries,
        )
        self.models = models or ModelRoom(sleep=at_once, jitter=lambda: 0.0)
        agent = Agent(
            entries=self.entries,
            models=self.models,
            tools=tools or {},
            desk=self.desk.turn_desk,
            busy=busy,
            on_failure=self.failures.append,
            files=files_over(path, self.deliveries, hears),
            start_id=start.begun.id if start else None,
            suspects=frozenset(start.begun.suspects) if start else frozenset(),
            language=language,
        )
        self.sessions = Sessions(
            store=store,
            deliveries=self.deliveries,
            clock=clock,
            agent=agent,
            gate=gate,
            wait=clock.wait if timed else None,
        )
        self.commands = CommandLane(
            store=store,
            running=self.sessions,
            deliveries=self.deliveries,
            clock=clock,
            entries=self.entries,
            models=self.models,
            decisions=self.desk.turn_desk.decisions,
            desk=DeskLane(
                store=store,
                clock=clock,
                desk=self.desk.desk,
                grants=self.desk.grants,
                rules=self.desk.rules,
                roles=self.desk.roles,
                spending=self.desk.spending,
                deliveries=self.deliveries,
                freeze=self.freeze,
            ),
            access=self.access,
        )
        self.router = Router(
            store=store,
            sessions=self.sessions,
            commands=self.commands,
            deliveries=self.deliveries,
        )
        self.ingest = Ingest(
            store=store,
            blobs=self.blobs,
            config=config,
            clock=clock,
            route=self.router.route,
            pairing=self.access.pairing,
            memberships=self.access.memberships,
            codes=self.access.codes,
            listed=self.access.listed,
            commit_limit_s=60,
        )
        self.supervisor = self.supervised(self.adapter)
        self.operator = Operator(
            store=store,
            ingest=self.ingest,
            sessions=self.sessions,
            deliveries=self.deliveries,
            supervisors=(self.supervisor,),
            entries=self.entries,
            models=self.models,
            clock=clock,
            zone=ZoneInfo("UTC"),
        )

    def account_of(self, platform: str) -> str | None:
        """The one account there is."""
        return refs.account_text(self.adapter.account)

    def _route(self, stored: Stored) -> None:
        self.router.route(stored)

    def _wake(self, key: str) -> None:
        self.sessions.wake(key)

    async def freeze(self, scope: str, by: str) -> None:
        """Cut what runs there; see `gateway.app`."""
        self.sessions.stop_in(scope, by)
        self.desk.remote_jobs.look()

    def supervised(self, adapter: ScriptedAdapter, jitter: float = 0.0) -> Supervisor:
        """A supervisor over an adapter of this gateway."""
        return Supervisor(
            adapter=adapter,
            ingest=self.ingest,
            deliveries=self.deliveries,
            router=self.router,
            notices=self.notices,
            clock=self.clock,
            jitter=lambda: jitter,
            sleep=self.clock.sleep,
        )

    async def connect(self) -> None:
        """Open the way out and take up what was stored, as the supervisor does."""
        await self.deliveries.attach(self.adapter.account, self.adapter)
        await self.router.resume(refs.account_text(self.adapter.account))

    def answers(self, *streams: tuple[Step, ...] | str) -> None:
        """Script the model's next streams; a string is a whole answer."""
        self.model.script(*(says(s) if isinstance(s, str) else s for s in streams))

    async def take(self, *events: Any) -> None:
        """Let events come in, each in a delivery of its own."""
        for event in events:
            assert await self.ingest(delivery(event)) is Receipt.STORED

    async def shows(self, *texts: str, chat: str = "1001") -> None:
        """Wait until exactly these texts stand in a chat."""
        await self.adapter.shows(chat, *texts)

    async def finish(self) -> None:
        """Wait until every turn has ended and everything has left; nothing begins any more."""
        await self.sessions.drain(60)
        await self.router.settled()
        for outlet in self.deliveries.outlets():
            await outlet.flush()

    async def close(self) -> None:
        """Stop as the gateway does."""
        self.ingest.close()
        await self.sessions.drain(0)
        await self.router.settled()
        await self.deliveries.close(flush_s=1)
