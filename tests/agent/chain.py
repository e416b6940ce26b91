"""A chain of real model servers over loopback, and turns run along it on a clock that jumps."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from agent.credentials import Credential, StaticKey
from agent.effects import TurnEnd, TurnRows
from agent.events import StepRewound, StepStarted, TextDelta, TurnEvent
from agent.failover import Entry, FailoverPlan, plan_for
from agent.health import Health
from agent.memos import Memos
from agent.model_room import ModelRoom
from agent.providers.bounds import CLOUD, Bounds
from agent.providers.openai_chat import ChatEndpoint, OpenAIChat
from agent.tools.base import Tool
from tests.agent.listed_journal import ListedJournal
from tests.agent.scripted import entry, turn_rows, user
from tests.agent.test_runner import Turn
from tests.wire.openai import CHAT, OpenAIServer
from tests.wire.server import Answer

MODELS = ("alpha", "beta", "gamma")


def refusal(
    status: int, message: str = "down", kind: str = "server_error", **headers: str
) -> Answer:
    """An error as most servers send it; header names with underscores for dashes."""
    body = f'{{"error": {{"message": "{message}", "type": "{kind}"}}}}'.encode()
    return Answer(
        status=status,
        body=body,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


class Chain:
    """Servers in the order of the plan, their entries, and what outlives a turn."""

    def __init__(self, servers: tuple[OpenAIServer, ...], entries: tuple[Entry, ...]) -> None:
        self.servers = servers
        self.entries = entries
        self.turns = 0
        loop = asyncio.get_running_loop()
        self.room = ModelRoom(
            health=Health(),
            memos=Memos(),
            now=lambda: int(loop.time() * 1_000_000),
            clock=loop.time,
            sleep=asyncio.sleep,
            jitter=lambda: 0.0,
        )

    def turn(
        self,
        rows: TurnRows | None = None,
        *,
        tools: Mapping[str, Tool] | None = None,
        journal: ListedJournal | None = None,
        preferred: str | None = None,
    ) -> Turn:
        """The next turn, with a plan of its own."""
        self.turns += 1
        plan: FailoverPlan = plan_for(self.entries, preferred)
        return Turn(
            rows=rows or turn_rows(user(f"hi {self.turns}")),
            tools=tools or {},
            journal=journal,
            plan=plan,
            models=self.room,
        )

    async def run(self, **options: Any) -> TurnEnd:
        """Run the next turn to its end."""
        return await self.turn(**options).run()

    @property
    def asked(self) -> list[int]:
        """How often each server was asked, whatever it answered."""
        return [len(server.requests(CHAT)) for server in self.servers]

    def forget(self) -> None:
        """Count from here on."""
        for server in self.servers:
            server.record.clear()


@asynccontextmanager
async def chain(
    count: int = 2,
    *,
    bounds: Bounds = CLOUD,
    credentials: Mapping[int, Credential] | None = None,
    **fields: Any,
) -> AsyncIterator[Chain]:
    """So many servers as one plan; `fields` are those of every entry."""
    async with AsyncExitStack() as stack:
        servers, providers = [], []
        for name in MODELS[:count]:
            server = await stack.enter_async_context(OpenAIServer(models=(name,)))
            endpoint = ChatEndpoint(name=name, base_url=server.base_url, model=name)
            provider = OpenAIChat(endpoint, bounds=bounds)
            stack.push_async_callback(provider.close)
            servers.append(server)
            providers.append(provider)
        entries = tuple(
            entry(
                provider,
                name,
                credential=(credentials or {}).get(place, StaticKey(label=name, key="sk-loopback")),
                **fields,
            )
            for place, (name, provider) in enumerate(zip(MODELS, providers, strict=False))
        )
        yield Chain(tuple(servers), entries)


def views(events: list[TurnEvent]) -> list[str]:
    """What the reader saw of the reply after each event that changed it."""
    seen, kept, step = [], "", ""
    for event in events:
        match event:
            case StepStarted():
                kept, step = kept + step, ""
            case TextDelta(text=text):
                step += text
            case StepRewound():
                step = ""
            case _:
                continue
        seen.append(kept + step)
    return seen
