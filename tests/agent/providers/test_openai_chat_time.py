"""The bounds in time, each to the second: minutes pass on a loop whose clock jumps."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from agent import errors
from agent.credentials import Lease
from agent.errors import ProviderError
from agent.messages import UserMessage
from agent.providers.base import (
    Adjustments,
    ModelRequest,
    Stop,
    StreamCompleted,
    StreamEvent,
    TextReceived,
    UsageReported,
)
from agent.providers.bounds import CLOUD, LOCAL, REASONING, Bounds
from agent.providers.openai_chat import ChatEndpoint, OpenAIChat
from tests.warp import warped
from tests.wire.openai import CHAT, OpenAIServer, Pings, Reply, Silence, Stream, chunk
from tests.wire.server import HalfOpen

LEASE = Lease(label="main", headers={"Authorization": "Bearer sk-loopback"})
HELLO = chunk({"role": "assistant", "content": "Hel"})
FINISH = chunk({}, finish="stop")
USAGE = chunk(usage={"prompt_tokens": 3, "completion_tokens": 2})
PLACES = {"cloud": CLOUD, "reasoning": REASONING, "local": LOCAL}


def lasted(asked: "Asked", seconds: float) -> bool:
    """Whether it took so long and no second more; floats may miss by a hair."""
    return seconds - 0.001 <= asked.seconds < seconds + 1


class Asked:
    """What came of one attempt, and after how many seconds."""

    def __init__(self) -> None:
        self.events: list[StreamEvent] = []
        self.error: ProviderError | None = None
        self.seconds = 0.0


def ask(steps: tuple[Any, ...] | None, bounds: Bounds, **request: Any) -> Asked:
    """One attempt at a server that plays these steps, or that never answers."""

    async def attempt() -> Asked:
        asked = Asked()
        async with OpenAIServer() as server:
            if steps is None:
                server.faults.add(CHAT, HalfOpen())
            else:
                server.reply(Stream(steps=steps))
            endpoint = ChatEndpoint(name="main", base_url=server.base_url, model="loopback-1")
            main = OpenAIChat(endpoint, bounds=bounds)
            options = {"system": "", "tools": (), "max_output_tokens": None} | request
            body = ModelRequest(messages=(UserMessage(text="hello"),), **options)
            began = asyncio.get_running_loop().time()
            try:
                async for event in main.stream(body, LEASE):
                    asked.events.append(event)
            except ProviderError as exc:
                asked.error = exc
            asked.seconds = asyncio.get_running_loop().time() - began
            await main.close()
            assert len(server.requests(CHAT)) == 1
        return asked

    return warped(attempt())


@pytest.mark.parametrize(("place", "seconds"), [("cloud", 30), ("reasoning", 120), ("local", 600)])
def test_first_byte(place: str, seconds: float) -> None:
    """A server that accepts and never answers is left after the bound, not before it."""
    asked = ask(None, PLACES[place])
    assert type(asked.error) is errors.ProviderUnavailable
    assert asked.error.reason == "timeout"
    assert asked.error.transport
    assert lasted(asked, seconds)


@contextmanager
def full() -> Iterator[str]:
    """The address of a server that takes no more connections."""
    with ExitStack() as open_, socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(3):
            waiting = open_.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"


def failed_at(url: str, bounds: Bounds) -> Asked:
    """One attempt that fails at an address."""

    async def attempt() -> Asked:
        asked = Asked()
        main = OpenAIChat(ChatEndpoint(name="main", base_url=url, model="m"), bounds=bounds)
        body = ModelRequest(
            system="", messages=(UserMessage(text="hello"),), tools=(), max_output_tokens=None
        )
        began = asyncio.get_running_loop().time()
        with pytest.raises(ProviderError) as caught:
            await anext(main.stream(body, LEASE))
        asked.error, asked.seconds = caught.value, asyncio.get_running_loop().time() - began
        await main.close()
        return asked

    return warped(attempt())


@pytest.mark.parametrize("first_byte_s", [30.0, 5.0, 2.0])
def test_what_never_connected_was_never_sent(first_byte_s: float) -> None:
    """Connecting ends with its own bound, also where that is the longer of the two."""
    with full() as url:
        asked = failed_at(url, replace(CLOUD, first_byte_s=first_byte_s))
    assert asked.error is not None
    assert asked.error.reason == "timeout"
    assert not asked.error.sent
    assert lasted(asked, 5)


def test_what_was_accepted_may_have_been_read() -> None:
    """A server that says nothing may charge for it."""
    asked = ask(None, CLOUD)
    assert asked.error is not None
    assert asked.error.sent


def test_a_handshake_that_fails_sends_nothing() -> None:
    """Where TLS is spoken to a server that knows none, no word of the request has left."""

    async def attempt() -> ProviderError:
        async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(close, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            url = f"https://127.0.0.1:{port}/v1"
            main = OpenAIChat(ChatEndpoint(name="main", base_url=url, model="m"))
            body = ModelRequest(system="", messages=(), tools=(), max_output_tokens=None)
            with pytest.raises(ProviderError) as caught:
                await anext(main.stream(body, LEASE))
            await main.close()
            return caught.value

    error = warped(attempt())
    assert error.reason == "transport"
    assert not error.sent


@pytest.mark.parametrize(("place", "seconds"), [("cloud", 300), ("reasoning", 900), ("local", 900)])
def test_without_a_stream_the_head_may_come_with_the_whole(place: str, seconds: float) -> None:
    """Nothing but the bound of the whole step holds then."""
    asked = ask(None, PLACES[place], adjustments=Adjustments(stream=False))
    assert asked.error is not None
    assert lasted(asked, seconds)


def test_a_shorter_first_byte_for_one_attempt() -> None:
    """An adjustment shortens the wait for the head, and never lengthens it."""
    short = ask(None, CLOUD, adjustments=Adjustments(first_byte_s=10))
    assert lasted(short, 10)
    long = ask(None, CLOUD, adjustments=Adjustments(first_byte_s=100))
    assert lasted(long, 30)


@pytest.mark.parametrize(("tokens", "factor"), [(50_000, 1.0), (50_001, 1.33), (100_001, 1.67)])
def test_long_inputs_may_take_longer(tokens: int, factor: float) -> None:
    """First byte and progress grow with what there is to read."""
    asked = ask(None, CLOUD, input_tokens=tokens)
    assert lasted(asked, 30 * factor)
    slow = ask((HELLO, Pings(every_s=40)), CLOUD, input_tokens=tokens)
    assert lasted(slow, 120 * factor)


TIMES = [
    ("cloud", "silence", 45, "nothing came"),
    ("reasoning", "silence", 90, "nothing came"),
    ("local", "silence", 120, "nothing came"),
    ("cloud", "pings", 120, "no progress"),
    ("reasoning", "pings", 300, "no progress"),
    ("local", "pings", 300, "no progress"),
    ("cloud", "words", 600, "the whole step took too long"),
    ("reasoning", "words", 1500, "the whole step took too long"),
    ("local", "words", 1800, "the whole step took too long"),
]
STEPS = {
    "silence": (HELLO, Silence()),
    "pings": (HELLO, Pings(every_s=40)),
    "words": (Pings(every_s=40, line=HELLO),),
}


@pytest.mark.parametrize(("place", "what", "seconds", "words"), TIMES)
def test_streams_that_get_nowhere(place: str, what: str, seconds: float, words: str) -> None:
    """Silence, pings for ever and words for ever each end at their bound."""
    asked = ask(STEPS[what], PLACES[place])
    assert isinstance(asked.error, errors.StreamBroken)
    assert words in str(asked.error)
    assert asked.error.transport is (what == "silence")
    assert lasted(asked, seconds)


@pytest.mark.parametrize("usage", [(), (USAGE,)])
def test_after_the_marker_usage_is_waited_for_5_seconds(usage: tuple[bytes, ...]) -> None:
    """A server that goes silent after its marker has answered."""
    asked = ask((HELLO, FINISH, *usage, Silence()), CLOUD)
    assert asked.events[-1] == StreamCompleted(stop=Stop.DONE)
    assert any(isinstance(event, UsageReported) for event in asked.events) is bool(usage)
    assert lasted(asked, 5)


def test_time_of_the_reader_does_not_count() -> None:
    """A reader that takes longer than the bounds between two events loses nothing."""

    async def slow() -> str:
        gate = asyncio.Event()
        heard: list[str] = []
        async with OpenAIServer() as server:
            server.reply(Reply(deltas=("Hel", gate, "lo")))
            endpoint = ChatEndpoint(name="main", base_url=server.base_url, model="loopback-1")
            main = OpenAIChat(endpoint, bounds=replace(CLOUD, idle_s=5, progress_s=5, step_s=5))
            body = ModelRequest(
                system="",
                messages=(UserMessage(text="x"),),
                tools=(),
                max_output_tokens=None,
            )
            async for event in main.stream(body, LEASE):
                if isinstance(event, TextReceived):
                    heard.append(event.text)
                    await asyncio.sleep(600)  # the passing of time itself is under test
                    gate.set()
            await main.close()
        return "".join(heard)

    assert warped(slow()) == "Hello"
