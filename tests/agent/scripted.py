"""Scripted foreign systems for the turn: a provider and tools; small makers of its values."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from agent.calls import CallState, StoredCall
from agent.canonical import canonical
from agent.credentials import Lease, StaticKey
from agent.effects import TurnRows
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
    UserMessage,
)
from agent.providers.base import ModelRequest, Provider, StreamEvent, ToolSpec
from agent.tools.base import (
    CallContext,
    EffectClass,
    Malformed,
    PreparedCall,
    Snapshot,
    Tool,
    ToolOutput,
    Verdict,
)

ORIGIN = Origin(provider="main", endpoint="http://loopback", model="loopback-1")

Run = Callable[[PreparedCall, CallContext], Awaitable[ToolOutput]]
Look = Callable[[PreparedCall, CallContext], Awaitable[PreparedCall | Malformed | None]]


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


def stored(state: CallState, *snapshots: Snapshot, **arguments: Any) -> StoredCall:
    """The row of a call in this state; one that was judged has its arguments."""
    judged = state is not CallState.PROPOSED
    text = canonical(arguments).decode() if judged else None
    return StoredCall(state=state, arguments=text, snapshots=snapshots)


async def _at_once(prepared: PreparedCall, context: CallContext) -> ToolOutput:
    return ToolOutput(text=f"{prepared.tool} ran")


async def _as_it_is(prepared: PreparedCall, context: CallContext) -> PreparedCall:
    return prepared


@dataclass(kw_only=True)
class ScriptedTool:
    """A tool of one effect class; it runs at once, or as `does` says.

    The argument `resource` names what calls must not share, `verdict` is the tool's own default
    (the journal of these tests goes by it); any other field is malformed but `n`.
    """

    name: str
    effect: EffectClass
    does: Run = _at_once
    looks: Look = _as_it_is
    ran: list[str] = field(default_factory=list)
    probed: ToolOutput | Exception | None = None

    @property
    def spec(self) -> ToolSpec:
        return ToolSpec(name=self.name, description=self.name, parameters={"type": "object"})

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        if not set(arguments) <= {"n", "resource", "verdict"}:
            return Malformed(text="Unknown field.")
        return PreparedCall(
            tool=self.name,
            operation="do",
            arguments=arguments,
            effect=self.effect,
            label=f"{self.name}: do",
            resource=arguments.get("resource"),
            default=Verdict(arguments.get("verdict", "allow")),
        )

    async def inspect(
        self, call: PreparedCall, context: CallContext
    ) -> PreparedCall | Malformed | None:
        return await self.looks(call, context)

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

    `waits` is set while a stream waits for an event of its script. A failure that ends the script
    goes on: whoever asks again meets it again.
    """

    def __init__(self, *streams: tuple[Step, ...], origin: Origin = ORIGIN) -> None:
        self.origin = origin
        self.requests: list[ModelRequest] = []
        self.waits = asyncio.Event()
        self.resets = 0
        self.left: list[str] = []
        self._streams = list(streams)

    def script(self, *streams: tuple[Step, ...]) -> None:
        """What the next requests are answered with."""
        self._streams.extend(streams)

    async def stream(
        self, request: ModelRequest, lease: Lease
    ) -> AsyncGenerator[StreamEvent, None]:
        self.requests.append(request)
        stream = self._streams.pop(0)
        if not self._streams and isinstance(stream[-1], BaseException):
            self._streams.append(stream)
        for step in stream:
            match step:
                case asyncio.Event():
                    self.waits.set()
                    await step.wait()
                    self.waits.clear()
                case BaseException():
                    raise step
                case _:
                    yield step

    async def reset(self) -> None:
        self.resets += 1

    def leave(self, session: str) -> None:
        self.left.append(session)

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
