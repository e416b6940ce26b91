"""Pictures are made smaller beside everything else, whichever wire sends them."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from agent.credentials import Lease
from agent.errors import ProviderError
from agent.messages import Media, UserMessage
from agent.providers.anthropic_messages.client import AnthropicMessages, MessagesEndpoint
from agent.providers.base import Adjustments, ModelRequest, Provider
from agent.providers.drawing import draw
from agent.providers.openai_chat.client import ChatEndpoint, OpenAIChat
from agent.providers.openai_responses.client import OpenAIResponses, ResponsesEndpoint
from agent.providers.rendering import shrinks
from agent.providers.shrinking import elsewhere
from tests.agent.providers.pictures import noisy

LIMITS = Adjustments(image_bytes=150_000)


def asking(picture: Media, adjustments: Adjustments = LIMITS) -> ModelRequest:
    """A request with a picture."""
    return ModelRequest(
        system="",
        messages=(UserMessage(text="look", media=(picture,)),),
        tools=(),
        max_output_tokens=9,
        adjustments=adjustments,
    )


class Ticking:
    """Counts how often the loop comes round while something is done."""

    def __init__(self) -> None:
        self.ticks = 0

    async def run(self) -> None:
        while True:
            await asyncio.sleep(0.002)
            self.ticks += 1


@pytest.fixture
async def ticking() -> AsyncIterator[Ticking]:
    ticking = Ticking()
    task = asyncio.create_task(ticking.run())
    yield ticking
    task.cancel()


async def test_the_loop_goes_on_while_a_picture_is_made(ticking: Ticking) -> None:
    """Whoever renders it next finds it made."""
    picture = noisy(1_200, 900)
    assert shrinks(asking(picture).messages, LIMITS) == (picture,)
    before = ticking.ticks
    await draw(asking(picture))
    assert ticking.ticks - before > 5


def providers() -> tuple[OpenAIChat | OpenAIResponses | AnthropicMessages, ...]:
    """One over every wire, each to a port where nobody is."""
    where = {"name": "main", "base_url": "http://127.0.0.1:9", "model": "m"}
    return (
        OpenAIChat(ChatEndpoint(**where)),
        OpenAIResponses(ResponsesEndpoint(**where)),
        AnthropicMessages(MessagesEndpoint(**where)),
    )


async def nothing_sent(provider: Provider, request: ModelRequest) -> None:
    """Ask somebody who is not there."""
    with pytest.raises(ProviderError):
        async with aclosing(provider.stream(request, Lease(label="k", headers={}))) as events:
            async for _ in events:
                pass


async def test_every_wire_makes_them_so(ticking: Ticking) -> None:
    """Chat completions, responses, messages."""
    for width, provider in enumerate(providers(), start=1_200):
        before = ticking.ticks
        await nothing_sent(provider, asking(noisy(width, 900)))
        assert ticking.ticks - before > 5, provider.origin
        await provider.close()


def test_what_fits_costs_nothing() -> None:
    """Nor does what is not sent at all."""
    picture = noisy(20, 20)
    assert shrinks(asking(picture).messages, LIMITS) == ()
    assert shrinks(asking(noisy(600, 600)).messages, Adjustments()) == ()
    off = Adjustments(image_bytes=10, media=False)
    assert shrinks(asking(picture).messages, off) == ()


async def test_pictures_are_made_one_at_a_time() -> None:
    """On one thread, for each takes a lot of memory."""
    names = await asyncio.gather(
        *(elsewhere(lambda: threading.current_thread().name) for _ in range(5))
    )
    assert len(set(names)) == 1
    assert names[0] != threading.current_thread().name
