"""What every Provider keeps to, whoever serves."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from agent.credentials import Lease
from agent.messages import Text, ToolCall, UserMessage
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
from tests.wire.openai import OpenAIServer, converse

LEASE = Lease(label="main", headers={"Authorization": "Bearer sk-loopback"})
FILES = ToolSpec(name="files", description="Files.", parameters={"type": "object"})


async def no_pause(_: float) -> None:
    """Time is not under test here."""


@pytest.fixture(params=["openai-chat", "demo"])
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[Provider]:
    if request.param == "demo":
        demo = Demo(pause=no_pause)
        yield demo
        await demo.close()
        return
    async with OpenAIServer(default=converse) as server:
        endpoint = ChatEndpoint(name="main", base_url=server.base_url, model="loopback-1")
        main = OpenAIChat(endpoint)
        yield main
        await main.close()


async def ask(provider: Provider, text: str) -> list[StreamEvent]:
    request = ModelRequest(
        system="Be kind.",
        messages=(UserMessage(text=text),),
        tools=(FILES,),
        max_output_tokens=100,
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
