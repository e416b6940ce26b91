"""The wire against answers that providers have really sent, and requests that were adjusted."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from agent import errors
from agent.credentials import Lease
from agent.errors import ProviderError
from agent.messages import AssistantMessage, Media, ProviderPart, Text, ToolCall, UserMessage
from agent.providers.base import (
    Adjustments,
    ModelRequest,
    PartCompleted,
    Stop,
    StreamCompleted,
    StreamEvent,
    StreamOpened,
    UsageReported,
)
from agent.providers.bounds import Bounds
from agent.providers.classify import CLASSES
from agent.providers.openai_chat import ChatEndpoint, OpenAIChat
from tests.agent.providers import recorded
from tests.agent.providers.recorded import Recorded
from tests.wire.openai import (
    CHAT,
    CallTool,
    OpenAIServer,
    Reply,
    Silence,
    Stream,
    Whole,
    chunk,
    data,
)
from tests.wire.server import Answer

KEY = "sk-loopback"
LEASE = Lease(label="key 1", headers={"Authorization": f"Bearer {KEY}"})
QUICK = Bounds(connect_s=2, first_byte_s=2, idle_s=2, progress_s=2, step_s=4)
CASES = recorded.ROWS + recorded.TRAPS
CALL = CallTool(name="files", arguments='{"operation": "list"}')


def request(text: str = "hello", **kwargs: Any) -> ModelRequest:
    options: dict[str, Any] = {"system": "Be kind.", "tools": (), "max_output_tokens": None}
    return ModelRequest(messages=(UserMessage(text=text),), **(options | kwargs))


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer(key=KEY) as server:
        yield server


async def ask(
    server: OpenAIServer, asked: ModelRequest | None = None, **endpoint: Any
) -> list[StreamEvent]:
    """All events of one attempt by a provider of its own."""
    given = {"name": "main", "base_url": server.base_url, "model": "loopback-1"} | endpoint
    main = OpenAIChat(ChatEndpoint(**given), bounds=QUICK)
    try:
        return [event async for event in main.stream(asked or request(), LEASE)]
    finally:
        await main.close()


def parts(events: list[StreamEvent]) -> list[Any]:
    return [event.part for event in events if isinstance(event, PartCompleted)]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_recorded_answers(server: OpenAIServer, case: Recorded) -> None:
    """Each answer ends its one request in the error of its reason."""
    if case.status == 200:
        server.reply(Stream(steps=(b"data: " + case.body + b"\n\n",)))
    else:
        page = case.body.startswith(b"<")
        kind = "text/html" if page else "application/json"
        server.faults.add(CHAT, Answer(status=case.status, body=case.body, content_type=kind))
    asked = replace(request(), input_tokens=round(case.fill * 1000))
    with pytest.raises(ProviderError) as caught:
        await ask(server, asked, context_window=1000, service=case.service)
    error = caught.value
    assert error.reason == case.reason
    assert type(error) is CLASSES[case.reason]
    assert (error.credential, error.endpoint) == ("key 1", server.base_url)
    assert case.status in (200, error.status)
    assert len(server.requests(CHAT)) == 1


async def test_an_answer_after_words(server: OpenAIServer) -> None:
    """An error in mid-stream keeps its own reason, a filter above all."""
    words = chunk({"role": "assistant", "content": "Hel"})
    server.reply(Stream(steps=(words, data({"error": {"code": "content_filter", "message": ""}}))))
    with pytest.raises(errors.ContentBlocked):
        await ask(server)


async def test_the_providers_word_on_trying_again(server: OpenAIServer) -> None:
    """Headers of the answer travel with the error."""
    headers = {"x-should-retry": "false", "retry-after-ms": "1500", "x-request-id": "req_9"}
    server.faults.add(CHAT, Answer(status=500, headers=headers))
    with pytest.raises(errors.ProviderUnavailable) as caught:
        await ask(server)
    error = caught.value
    assert (error.retry, error.retry_after_s, error.request_id) == (False, 1.5, "req_9")


async def test_a_refusal_has_its_own_words(server: OpenAIServer) -> None:
    """They come with the end of the reply."""
    refusal = chunk({"role": "assistant", "content": None, "refusal": "I can't."})
    server.reply(Stream(steps=(refusal, chunk({}, finish="stop"))))
    assert (await ask(server))[-1] == StreamCompleted(stop=Stop.FILTERED, said="I can't.")


@pytest.mark.parametrize("adjust", [Adjustments(), Adjustments(stream=False)])
async def test_streamed_or_not(server: OpenAIServer, adjust: Adjustments) -> None:
    """Without a stream the same parts, usage and end come as a whole."""
    server.reply(Reply(deltas=("Hel", "lo"), calls=(CALL,)))
    events = await ask(server, request(adjustments=adjust))
    (seen,) = server.requests(CHAT)
    assert seen.arguments["stream"] is adjust.stream
    assert ("stream_options" in seen.arguments) is adjust.stream
    assert isinstance(events[0], StreamOpened)
    assert parts(events) == [
        Text(text="Hello"),
        ToolCall(id="", name="files", arguments=CALL.arguments, provider_id=CALL.id),
    ]
    assert any(isinstance(event, UsageReported) for event in events)
    assert events[-1] == StreamCompleted(stop=Stop.TOOL_CALLS)


async def test_a_stream_where_none_was_asked(server: OpenAIServer) -> None:
    """What came is read for what it is."""
    server.reply(Stream(steps=(chunk({"content": "Hi"}), chunk({}, finish="stop"))))
    events = await ask(server, request(adjustments=Adjustments(stream=False)))
    assert parts(events) == [Text(text="Hi")]


async def test_a_plain_read_shows_nothing(server: OpenAIServer) -> None:
    """A stream may be read without a word of it being seen before it is complete."""
    server.reply(Reply(deltas=("Hel", "lo"), calls=(CALL,)))
    events = await ask(server, request(adjustments=Adjustments(plain=True)))
    assert {type(event) for event in events} == {
        StreamOpened,
        PartCompleted,
        UsageReported,
        StreamCompleted,
    }
    assert len(parts(events)) == 2


async def test_a_picture_reaches_the_server(server: OpenAIServer) -> None:
    """As a data URL beside the words."""
    server.reply("I see.")
    picture = Media(mime="image/png", data=b"png")
    await ask(server, replace(request(), messages=(UserMessage(text="look", media=(picture,)),)))
    (seen,) = server.asked
    assert seen["messages"][1]["content"] == [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5n"}},
    ]


async def test_a_thought_goes_round(server: OpenAIServer) -> None:
    """What the endpoint thought comes back to it with the next request."""
    steps = (
        chunk({"role": "assistant", "reasoning_content": "Hm"}),
        chunk({"content": "42"}),
        chunk({}, finish="stop"),
    )
    server.reply(Stream(steps=steps), "43")
    events = await ask(server, reasoning_replay="always")
    thought, text = parts(events)
    assert isinstance(thought, ProviderPart)
    reply = AssistantMessage(parts=(thought, text), origin=thought.origin)
    again = replace(request(), messages=(UserMessage(text="a"), reply, UserMessage(text="b")))
    await ask(server, again, reasoning_replay="always")
    assert server.asked[-1]["messages"][2]["reasoning_content"] == "Hm"


async def test_an_output_that_does_not_end_at_its_cap(server: OpenAIServer) -> None:
    """A provider that ignores the cap is not read to the end."""
    words = tuple(chunk({"content": "word "}) for _ in range(100))
    server.reply(Stream(steps=(*words, Silence())))
    with pytest.raises(errors.StreamBroken, match="longer than its cap"):
        await ask(server, request(max_output_tokens=10))
    await server.hung_up()


async def test_whole_bodies_keep_their_errors(server: OpenAIServer) -> None:
    """A JSON body that is an error is one, whether a stream was asked for or not."""
    server.reply(Stream(steps=(b'{"error":{"message":"Overloaded","type":"overloaded_error"}}',)))
    with pytest.raises(errors.ProviderOverloaded):
        await ask(server, request(adjustments=Adjustments(stream=False)))
    server.reply(Whole(reply=Reply(deltas=("ok",))))
    assert parts(await ask(server)) == [Text(text="ok")]
