"""What every Provider keeps to, whoever serves."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from agent.credentials import Lease
from agent.messages import Text, ToolCall, UserMessage
from agent.providers.anthropic_messages import AnthropicMessages, MessagesEndpoint
from agent.providers.base import (
    ModelRequest,
    PartCompleted,
    Provider,
    Stop,
    StreamCompleted,
    StreamEvent,
    StreamOpened,
    TextReceived,
    ToolCallOpened,
    ToolSpec,
    UsageReported,
)
from agent.providers.demo import Demo
from agent.providers.openai_chat import ChatEndpoint, OpenAIChat
from agent.providers.openai_responses import OpenAIResponses, ResponsesEndpoint
from tests.wire.anthropic import AnthropicServer
from tests.wire.anthropic import converse as answer
from tests.wire.openai import OpenAIServer, converse
from tests.wire.responses import ResponsesServer
from tests.wire.responses.server import conversed

LEASE = Lease(label="main", headers={"Authorization": "Bearer sk-loopback"})
FILES = ToolSpec(name="files", description="Files.", parameters={"type": "object"})


async def no_pause(_: float) -> None:
    """Time is not under test here."""


@asynccontextmanager
async def demo() -> AsyncIterator[Provider]:
    yield Demo(pause=no_pause)


@asynccontextmanager
async def chat() -> AsyncIterator[Provider]:
    async with OpenAIServer(default=converse) as server:
        yield OpenAIChat(ChatEndpoint(name="main", base_url=server.base_url, model="loopback-1"))


@asynccontextmanager
async def responses() -> AsyncIterator[Provider]:
    async with ResponsesServer(default=conversed) as server:
        yield OpenAIResponses(
            ResponsesEndpoint(name="main", base_url=server.base_url, model="loopback-1")
        )


@asynccontextmanager
async def messages() -> AsyncIterator[Provider]:
    async with AnthropicServer(key="sk-loopback", default=answer) as server:
        yield AnthropicMessages(
            MessagesEndpoint(name="main", base_url=server.url, model="claude-loopback")
        )


KINDS = {
    "anthropic-messages": messages,
    "demo": demo,
    "openai-chat": chat,
    "openai-responses": responses,
}


@pytest.fixture(params=KINDS)
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[Provider]:
    async with KINDS[request.param]() as main:
        yield main
        await main.close()


async def ask(provider: Provider, text: str) -> list[StreamEvent]:
    request = ModelRequest(
        system="Be kind.",
        messages=(UserMessage(text=text),),
        tools=(FILES,),
        max_output_tokens=10_000,
    )
    return [event async for event in provider.stream(request, LEASE)]


@pytest.mark.parametrize("text", ["hello", "list files", "long"])
async def test_events_come_in_their_order(provider: Provider, text: str) -> None:
    """Opened first, words and calls, each part once and whole, usage, completed last and once."""
    events = await ask(provider, text)
    kinds = [type(event) for event in events]
    assert kinds[0] is StreamOpened
    assert kinds[-1] is StreamCompleted
    assert kinds.count(StreamCompleted) == kinds.count(StreamOpened) == 1
    assert UsageReported in kinds
    parts = [event.part for event in events if isinstance(event, PartCompleted)]
    shown = "".join(event.text for event in events if isinstance(event, TextReceived))
    assert shown == "".join(part.text for part in parts if isinstance(part, Text))
    calls = [part for part in parts if isinstance(part, ToolCall)]
    assert all(call.id == "" for call in calls)
    assert kinds.count(ToolCallOpened) == len(calls)
    expected = Stop.TOOL_CALLS if calls else Stop.DONE
    assert events[-1] == StreamCompleted(stop=expected)


async def test_a_stream_may_be_left_early_and_asked_again(provider: Provider) -> None:
    """Leaving after the first word raises nothing, and the next stream is whole."""
    request = ModelRequest(
        system="", messages=(UserMessage(text="long"),), tools=(), max_output_tokens=None
    )
    async with aclosing(provider.stream(request, LEASE)) as events:
        async for event in events:
            if isinstance(event, TextReceived):
                break
    assert isinstance((await ask(provider, "hello"))[-1], StreamCompleted)


def test_a_provider_knows_who_it_is(provider: Provider) -> None:
    """The origin is stable and names its model."""
    assert provider.origin == provider.origin
    assert provider.origin.model
