"""A codex entry on a loopback child: its script, its pool, and what reached the child."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agent.credentials import Lease
from agent.messages import AssistantMessage, Message, Origin, Part, ToolCall, ToolResult, Usage
from agent.providers.base import (
    ActionFinished,
    Adjustments,
    Joining,
    ModelRequest,
    PartCompleted,
    Stop,
    StreamCompleted,
    StreamEvent,
)
from agent.providers.codex.client import CodexProvider
from agent.providers.codex.opening import Launch
from agent.providers.codex.pool import CodexPool
from agent.providers.codex.times import CodexTimes

CHILD = Path(__file__).with_name("child.py")
ORIGIN = Origin(provider="coder", endpoint="codex-app-server", model="gpt-test")
LOGIN = Lease(label="coder", headers={})
LEASE = Lease(label="coder", headers={"Authorization": "Bearer key-of-the-test"})
PATIENT = CodexTimes(initialize_s=60, thread_s=60, turn_s=60, interrupt_s=60, gather_s=0.5)
"""Bounds that no busy machine meets."""
QUICK = replace(PATIENT, gather_s=0.03)


@dataclass
class Stage:
    """A provider and its script."""

    directory: Path
    pool: CodexPool
    provider: CodexProvider
    script: Path
    made: list[str] = field(default_factory=list)

    def received(self) -> list[dict[str, Any]]:
        """The messages that reached any child, in order."""
        return [entry["in"] for entry in self.log() if "in" in entry]

    async def until(self, seen: Callable[["Stage"], bool], *, within_s: float = 60.0) -> None:
        """Wait until the children's log shows something; another process writes it."""
        async with asyncio.timeout(within_s):
            while not seen(self):  # noqa: ASYNC110 - there is no event in a file
                await asyncio.sleep(0.005)

    def requests(self, method: str) -> list[dict[str, Any]]:
        """The parameters of each request of a method."""
        return [each["params"] for each in self.received() if each.get("method") == method]

    def answers(self) -> list[dict[str, Any]]:
        """What the child's own requests were answered."""
        return [each for each in self.received() if "method" not in each]

    def methods(self) -> list[str]:
        """The methods that reached any child, in order."""
        return [each["method"] for each in self.received() if "method" in each]

    def started(self) -> list[dict[str, Any]]:
        """What each child saw when it started."""
        return [entry for entry in self.log() if "started" in entry]

    def log(self) -> list[dict[str, Any]]:
        """Everything the children logged."""
        path = self.script.with_suffix(".log")
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@asynccontextmanager
async def stage(
    directory: Path,
    *turns: list[dict[str, Any]],
    times: CodexTimes = QUICK,
    env: Mapping[str, str] | None = None,
    most: int = 4,
    **script: Any,
) -> AsyncIterator[Stage]:
    """A provider whose child plays these turns."""
    path = directory / "script.json"
    path.write_text(json.dumps({"turns": list(turns), **script}))
    pool = CodexPool(times=times, most=most)
    launch = Launch(
        argv=(sys.executable, "-I", "-S", str(CHILD), str(path), "app-server"),
        home=directory / "home",
        model=ORIGIN.model,
        env=env if env is not None else {"PATH": "/usr/bin:/bin"},
    )
    provider = CodexProvider(
        ORIGIN, launch=launch, pool=pool, directory_for=lambda session: directory / "work"
    )
    try:
        yield Stage(directory=directory, pool=pool, provider=provider, script=path)
    finally:
        await pool.close()


def request(
    *messages: Message,
    session: str = "s1",
    spend: Callable[[Usage], Awaitable[bool]] | None = None,
    joins: Joining | None = None,
    **adjusted: Any,
) -> ModelRequest:
    """A request of one session."""
    return ModelRequest(
        system="Be brief.",
        messages=messages,
        tools=(),
        max_output_tokens=None,
        session=session,
        spend=spend,
        joins=joins,
        adjustments=Adjustments(**adjusted),
    )


async def step(
    provider: CodexProvider, asked: ModelRequest, lease: Lease = LEASE
) -> list[StreamEvent]:
    """All events of one step."""
    return [event async for event in provider.stream(asked, lease)]


def stop_of(events: list[StreamEvent]) -> Stop:
    """How a step ended."""
    last = events[-1]
    assert isinstance(last, StreamCompleted)
    return last.stop


def calls_of(events: list[StreamEvent]) -> list[ToolCall]:
    """The calls that a step asks for."""
    parts = [event.part for event in events if isinstance(event, PartCompleted)]
    return [part for part in parts if isinstance(part, ToolCall)]


def actions_of(events: list[StreamEvent]) -> list[ActionFinished]:
    """What the child has done by itself."""
    return [event for event in events if isinstance(event, ActionFinished)]


def message_of(events: list[StreamEvent], first: int = 1) -> AssistantMessage:
    """The message as the runner makes it: every call gets an id of ours."""
    parts: list[Part] = []
    for event in events:
        part = event.part if isinstance(event, PartCompleted) else None
        part = event.call if isinstance(event, ActionFinished) else part
        if isinstance(part, ToolCall):
            made = sum(isinstance(each, ToolCall) for each in parts)
            part = ToolCall(
                id=f"call-{first + made}",
                name=part.name,
                arguments=part.arguments,
                provider_id=part.provider_id,
            )
        if part is not None:
            parts.append(part)
    return AssistantMessage(parts=tuple(parts), origin=ORIGIN)


def results_of(events: list[StreamEvent], message: AssistantMessage) -> tuple[ToolResult, ...]:
    """The results that the child's own actions have already."""
    done = {event.call.provider_id: event for event in actions_of(events)}
    return tuple(
        ToolResult(
            call_id=call.id,
            name=call.name,
            status=done[call.provider_id].status,
            text=done[call.provider_id].text,
        )
        for call in message.calls
        if call.provider_id in done
    )
