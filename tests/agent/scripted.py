"""Scripted foreign systems for the turn: a provider, tools, and a journal that lists its rows."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.calls import JudgedCall
from agent.credentials import Lease, StaticKey
from agent.errors import ProviderUnavailable
from agent.failover import Entry
from agent.messages import (
    AssistantMessage,
    JsonObject,
    Message,
    Origin,
    Part,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from agent.providers.base import ModelRequest, Provider, StreamEvent, ToolSpec
from agent.tools.base import CallContext, EffectClass, Malformed, PreparedCall, Tool, ToolOutput
from agent.turn import (
    RecordStep,
    TurnEnd,
    TurnRows,
)

ORIGIN = Origin(provider="main", endpoint="http://loopback", model="loopback-1")

Run = Callable[[PreparedCall, CallContext], Awaitable[ToolOutput]]


def user(text: str = "hello") -> UserMessage:
    """A person's words."""
    return UserMessage(text=text)


def assistant(*parts: Part | str) -> AssistantMessage:
    """A complete reply; a string is text."""
    return AssistantMessage(
        parts=tuple(Text(text=p) if isinstance(p, str) else p for p in parts), origin=ORIGIN
    )


def call(name: str = "pure", arguments: str = "{}", *, ident: str = "") -> ToolCall:
    """A tool call as a provider reports it: without an id of ours."""
    return ToolCall(id=ident, name=name, arguments=arguments)


def turn_rows(*messages: Message, **fields: Any) -> TurnRows:
    """The rows of turn 1 of session s1."""
    return TurnRows(session="s1", turn=1, messages=messages or (user(),), **fields)


async def _at_once(prepared: PreparedCall, context: CallContext) -> ToolOutput:
    return ToolOutput(text=f"{prepared.tool} ran")


@dataclass(kw_only=True)
class ScriptedTool:
    """A tool of one effect class; it runs at once, or as `does` says.

    The argument `resource` names what calls must not share; any other field is malformed but `n`.
    """

    name: str
    effect: EffectClass
    does: Run = _at_once
    ran: list[str] = field(default_factory=list)
    probed: ToolOutput | Exception | None = None

    @property
    def spec(self) -> ToolSpec:
        return ToolSpec(name=self.name, description=self.name, parameters={"type": "object"})

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        if not set(arguments) <= {"n", "resource"}:
            return Malformed(text="Unknown field.")
        return PreparedCall(
            tool=self.name,
            operation="do",
            arguments=arguments,
            effect=self.effect,
            label=f"{self.name}: do",
            resource=arguments.get("resource"),
        )

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        self.ran.append(context.call_id)
        return await self.does(call, context)

    def unit(self, call: PreparedCall, context: CallContext) -> Callable[[Any], ToolOutput]:
        def apply(tx: Any) -> ToolOutput:
            self.ran.append(context.call_id)
            return ToolOutput(text=f"{self.name} applied")

        return apply

    async def probe(self, call: PreparedCall, context: CallContext) -> ToolOutput | None:
        if isinstance(self.probed, Exception):
            raise self.probed
        return self.probed


def all_tools() -> dict[str, Tool]:
    """One tool of each effect class, named after it."""
    return {effect.value: ScriptedTool(name=effect.value, effect=effect) for effect in EffectClass}


Step = StreamEvent | asyncio.Event | BaseException


class ScriptedProvider:
    """A provider whose streams are lists of events, waits and failures, one list a request.

    `waits` is set while a stream waits for an event of its script.
    """

    def __init__(self, *streams: tuple[Step, ...], origin: Origin = ORIGIN) -> None:
        self.origin = origin
        self.requests: list[ModelRequest] = []
        self.waits = asyncio.Event()
        self._streams = list(streams)

    def script(self, *streams: tuple[Step, ...]) -> None:
        """What the next requests are answered with."""
        self._streams.extend(streams)

    async def stream(
        self, request: ModelRequest, lease: Lease
    ) -> AsyncGenerator[StreamEvent, None]:
        self.requests.append(request)
        for step in self._streams.pop(0):
            match step:
                case asyncio.Event():
                    self.waits.set()
                    await step.wait()
                    self.waits.clear()
                case BaseException():
                    raise step
                case _:
                    yield step

    async def close(self) -> None:
        pass


def entry(provider: Provider, name: str = "main", **fields: Any) -> Entry:
    """One provider of a chain."""
    given: dict[str, Any] = {
        "credential": StaticKey(label=name, key="sk-loopback"),
        "context_window": 128_000,
        "max_output_tokens": None,
    }
    return Entry(name=name, provider=provider, **given | fields)


def unavailable(provider: str = "main") -> ProviderUnavailable:
    """A failure after which someone else is asked."""
    return ProviderUnavailable("gone", provider=provider, model="m", reason="unavailable")


class ListedJournal:
    """A TurnJournal whose rows are a list, in the order they were stored.

    `arriving` are batches of messages that later drains find; `held` keeps a result from being
    stored until it is set, `refuses` raises in place of storing, `on_intent` is called when an
    intent is stored.
    """

    def __init__(self, *arriving: tuple[Message, ...]) -> None:
        self.rows: list[tuple[str, Any]] = []
        self.arriving = list(arriving)
        self.refuses: Mapping[str, Exception] = {}
        self.held: asyncio.Event | None = None
        self.on_intent: Callable[[], None] = lambda: None
        self._changed = asyncio.Event()

    def named(self, name: str) -> list[Any]:
        """What was stored under a name."""
        return [value for kind, value in self.rows if kind == name]

    async def stored(self, name: str, count: int = 1) -> None:
        """Wait until so many rows of a name are stored."""
        async with asyncio.timeout(5):
            while len(self.named(name)) < count:
                self._changed.clear()
                await self._changed.wait()

    def _store(self, name: str, value: Any) -> None:
        if name in self.refuses:
            raise self.refuses[name]
        self.rows.append((name, value))
        self._changed.set()

    async def step_opened(self, step: int, model: str) -> None:
        self._store("step_opened", (step, model))

    async def step_recorded(self, record: RecordStep) -> None:
        self._store("step_recorded", record)

    async def calls_intended(self, calls: tuple[JudgedCall, ...]) -> None:
        self._store("calls_intended", tuple(judged.call.id for judged in calls))
        self.on_intent()

    async def call_finished(self, result: ToolResult) -> None:
        self._store("call_finished", result)
        if self.held is not None:
            await self.held.wait()

    async def call_applied(
        self, unit: Callable[[Any], ToolOutput], settle: Callable[[ToolOutput], ToolResult]
    ) -> ToolResult:
        result = settle(unit(None))
        self._store("call_applied", result)
        return result

    async def asked(self, calls: tuple[JudgedCall, ...]) -> None:
        self._store("asked", tuple(judged.call.id for judged in calls))

    async def messages_recorded(self, messages: tuple[Message, ...]) -> None:
        self._store("messages_recorded", messages)

    async def drain(self) -> tuple[Message, ...]:
        messages = self.arriving.pop(0) if self.arriving else ()
        self._store("drain", messages)
        return messages

    async def closed(self, end: TurnEnd) -> None:
        self._store("closed", end)
