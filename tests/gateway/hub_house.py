"""Gateways over one store and one loopback Hub, with the tools of its configuration."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import orjson

import agent.hub_client  # noqa: F401 - on first use it would take its time from a call's bound
from agent.messages import ToolResult
from agent.tools.base import CallContext, InspectingTool, PreparedCall
from gateway.acts import Act
from gateway.config.ids import parse_user
from gateway.config.secret import Secret
from gateway.config.values import (
    AccessConfig,
    ApprovalsConfig,
    Config,
    GatewayConfig,
    HuggingFaceConfig,
    PayersConfig,
    ToolsConfig,
)
from gateway.store.base import Store, StoreHealth, Transition, Tx
from gateway.store.records import cards
from gateway.store.records.cards import Card
from gateway.tokens import Decision
from gateway.toolbox import Toolbox, toolbox
from platforms import blocks
from platforms.content import Post
from tests.agent.scripted import call
from tests.gateway.core import Core, says
from tests.gateway.events import ANN, command, message
from tests.gateway.hand_clock import HandClock
from tests.gateway.records.rows import KEY
from tests.gateway.scripted_adapter import ScriptedAdapter
from tests.wire.hub import HubServer
from tests.wire.hub.world import Job

T = TypeVar("T")

TEAM = "acme-research"
TOOLS = ("hf_jobs", "hf_sandbox", "hf_private_repos", "hf_repo_files", "hf_repo_git")
_CODE = re.compile(r"Approval ([A-Z0-9]{5})")


class SameClock:
    """The Hub's clock: what the test's says."""

    def __init__(self, clock: HandClock) -> None:
        self._clock = clock

    @property
    def now(self) -> datetime:
        """The time."""
        return datetime.fromtimestamp(self._clock.now() / 1_000_000, UTC)

    def advance(self, **span: float) -> datetime:
        """Move both."""
        self._clock.advance(timedelta(**span).total_seconds())
        return self.now


class Halting:
    """A store in which the write of a name never comes to pass, as if the process died there."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.halts_at = ""
        self.reached = asyncio.Event()

    async def write(self, unit: Callable[[Tx], T], *, transition: Transition) -> T:
        """Write, unless this is where it ends."""
        if transition.name == self.halts_at:
            self.reached.set()
            await asyncio.Event().wait()
        return await self._store.write(unit, transition=transition)

    async def read(self, query: Callable[[Tx], T]) -> T:
        """Read."""
        return await self._store.read(query)

    async def close(self) -> None:
        """Nothing: the store outlives this."""

    def health(self) -> StoreHealth:
        """The store's own."""
        return self._store.health()


def configured(server: HubServer, path: Path, **approvals: Any) -> Config:
    """Ann asks and owns; her team pays, or she does."""
    ann = parse_user("telegram:1001")
    path.mkdir(exist_ok=True)
    return Config(
        gateway=GatewayConfig(owners=(ann,)),
        access=AccessConfig(users=(ann,)),
        approvals=ApprovalsConfig(**approvals),
        payers=PayersConfig(default=TEAM, others=("dana",)),
        tools=ToolsConfig(
            enabled=TOOLS,  # type: ignore[arg-type]
            workspace=path,
            huggingface=HuggingFaceConfig(
                token=Secret(server.token),
                base_url=server.url,
                secrets={"WANDB_API_KEY": Secret("value-of-wandb")},
            ),
        ),
    )


class HubHouse:
    """One run of the gateway after the other; the clock is moved by hand."""

    def __init__(self, server: HubServer, store: Store, path: Path, clock: HandClock) -> None:
        self.server = server
        self.world = server.world
        self.world.clock = SameClock(clock)  # type: ignore[assignment]
        self.store = Halting(store)
        self.clock = clock
        self.path = path
        self.config = configured(server, path / "workspace")
        self.adapter = ScriptedAdapter()
        self.sleeps: list[float] = []
        self.core: Core
        self.box: Toolbox
        self._numbers = iter(range(1, 1_000))

    async def open(self) -> Core:
        """Begin a run and connect."""
        self.box = toolbox(
            self.config, clock=self.clock, account_of=lambda platform: None, sleep=self._sleep
        )
        assert self.box.missing == {}
        self.core = Core(
            self.store,
            self.path,
            self.clock,
            config=self.config,
            tools=dict(self.box.tools),
            adapter=self.adapter,
        )
        await self.core.connect()
        return self.core

    async def close(self) -> None:
        """End the run as it is."""
        await self.core.close()
        for close in self.box.close:
            await close()

    async def _sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        await asyncio.sleep(0)

    # what people do

    async def asks(self, tool: str, after: str = "Done.", **arguments: Any) -> None:
        """Ann writes; the model makes one call, then says so much."""
        asked = call(tool, orjson.dumps(arguments).decode())
        self.core.answers(says("Look.", calls=(asked,)), after)
        await self.core.take(message("go", number=next(self._numbers)))

    async def card(self, count: int = 1) -> Card:
        """The newest card, once so many were posted."""

        def codes() -> list[str]:
            posts = [op for op in self.adapter.performed if isinstance(op, Post)]
            found = (_CODE.match(each) for each in map(_text, posts))
            return list(dict.fromkeys(each[1] for each in found if each))

        await self.adapter.until(lambda: len(codes()) >= count)
        code = codes()[-1]
        card = await self.store.read(lambda tx: cards.by_code(tx, code))
        assert card is not None
        return card

    async def does(self, name: str, words: str = "") -> None:
        """Ann gives a command."""
        await self.core.take(command(name, words, number=next(self._numbers)))
        await self.core.router.settled()

    async def approves(self, card: Card, *, twice: bool = False) -> None:
        """Ann says yes, a second time where it has to be sure; what follows has come to rest."""
        await self.does("approve", f"{card.code} {card.code}" if twice else card.code)
        await self.rests()

    async def decides(self, card: Card, decision: Decision, **values: Any) -> str:
        """Ann decides something else by a form or a key; what she reads."""
        act = Act(
            account=card.account,
            chat=card.chat,
            message=None,
            person="telegram:1001",
            name=ANN.name,
            source="form",
            at=self.clock.now(),
            decision=decision,
            confirmed=True,
        )
        answer = await self.core.desk.desk.typed(card.code, replace(act, **values))
        await self.rests()
        return answer.text

    async def looked_up(self, tool: str, **arguments: Any) -> None:
        """Another chat has a call looked at, so that the catalogue is as new as the Hub's."""
        known = self.box.tools[tool]
        assert isinstance(known, InspectingTool)
        prepared = known.prepare(arguments)
        assert isinstance(prepared, PreparedCall)
        await known.inspect(prepared, CallContext(call_id="another", session="another"))

    # what comes of it

    async def rests(self) -> None:
        """Wait until no turn runs and nothing is about to."""
        async with asyncio.timeout(60):
            while self.core.sessions.stoppable(KEY) or self.core.sessions.running():
                await self.store.read(lambda tx: tx.row("SELECT 1"))

    async def looks(self) -> None:
        """The poller looks at whatever is due, until nothing is."""
        for _ in range(3):
            await self.core.desk.remote_jobs.round()
        await self.rests()

    async def shows(self, text: str) -> None:
        """Wait until a message in the chat says that; what owners are told stands there too."""
        await self.adapter.until(lambda: any(text in each for each in self.adapter.shown("1001")))

    @property
    def jobs(self) -> list[Job]:
        """The jobs at the Hub, oldest first."""
        return list(self.world.jobs.values())

    def results(self, request: int = -1) -> list[ToolResult]:
        """The results the model read."""
        messages = self.core.model.requests[request].messages
        return [each for each in messages if isinstance(each, ToolResult)]

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What rows say."""
        found = await self.store.read(lambda tx: tx.rows(sql))
        return [tuple(row) for row in found]

    async def money(self) -> tuple[int, int]:
        """What is settled and held of everybody's month."""
        sql = "SELECT settled, held FROM balance WHERE scope = 'org_month'"
        found = await self.rows(sql)
        return found[0] if found else (0, 0)

    async def turn(self) -> str:
        """The state of the newest turn."""
        [(state,)] = await self.rows("SELECT state FROM turn ORDER BY id DESC LIMIT 1")
        return str(state)


def _text(post: Post) -> str:
    return blocks.plain_text(post.body)
