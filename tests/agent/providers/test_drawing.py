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


@pytest.fixture
async def held() -> AsyncIterator[threading.Event]:
    """Keeps the thread that makes pictures busy until it is set."""
    gate = threading.Event()
    holding = asyncio.ensure_future(elsewhere(lambda: gate.wait(100)))
    yield gate
    gate.set()
    await holding


async def test_the_loop_goes_on_while_a_picture_is_made(held: threading.Event) -> None:
    """Whoever renders it next finds it made."""
    picture = noisy(600, 450)
    small = Adjustments(image_bytes=40_000)
    assert shrinks(asking(picture, small).messages, small) == (picture,)
    drawing = asyncio.ensure_future(draw(asking(picture, small)))
    await refused()
    assert not drawing.done()
    held.set()
    await drawing


async def refused() -> None:
    """Let the loop come round as often as for requests to somebody who is not there."""
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", 9)


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


async def test_every_wire_makes_them_so(held: threading.Event) -> None:
    """Chat completions, responses, messages: each waits for its picture, and the loop does not."""
    small = Adjustments(image_bytes=40_000)
    asked = [
        (provider, asyncio.ensure_future(nothing_sent(provider, asking(noisy(width, 450), small))))
        for width, provider in enumerate(providers(), start=600)
    ]
    await refused()
    waiting = [not task.done() for _, task in asked]
    held.set()
    for provider, task in asked:
        await task
        await provider.close()
    assert waiting == [True, True, True]


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
