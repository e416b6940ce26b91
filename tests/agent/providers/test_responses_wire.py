"""The wire against the loopback server: what is asked, shown, collected and closed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from agent import errors
from agent.credentials import Lease
from agent.messages import (
    AssistantMessage,
    ProviderPart,
    ResultStatus,
    Text,
    ToolCall,
    ToolResult,
)
from agent.providers.base import (
    Adjustments,
    ModelRequest,
    PulseReceived,
    Stop,
    StreamCompleted,
    StreamEvent,
    StreamOpened,
    UsageReported,
)
from agent.providers.openai_responses import OpenAIResponses, ResponsesEndpoint
from tests.agent.providers.responses_asking import (
    ASKED,
    BEGIN,
    END,
    FILES,
    FULL,
    HELLO,
    KEY,
    LEASE,
    PLAIN,
    QUICK,
    WHOLE,
    ask,
    failure,
    parts_in,
    provider,
    request,
    text_of,
)
from tests.wire.responses import (
    RESPONSES,
    Refuse,
    Reply,
    ResponsesServer,
    Silence,
    Stream,
    Whole,
    event,
    stream_of,
)
from tests.wire.responses.script import said
from tests.wire.server import Answer


@pytest.fixture
async def server() -> AsyncIterator[ResponsesServer]:
    async with ResponsesServer(key=KEY) as server:
        yield server


@pytest.mark.parametrize("output", [True, False], ids=["repeated", "empty output"])
async def test_a_streamed_reply(server: ResponsesServer, output: bool) -> None:
    """Thoughts, words, a call, usage and the end, by one request with the key."""
    server.respond(Reply(items=FULL.items, output=output))
    asked = request(tools=(FILES,), max_output_tokens=64, adjustments=Adjustments(effort="low"))
    events = await ask(server, asked=asked)
    assert events[0] == StreamOpened(
        request_id="req_loopback",
        model="loopback-1",
        limits={"x-ratelimit-remaining-requests": "9999"},
    )
    assert text_of(events) == "Grüße 🎉"
    thought, words, call = parts_in(events)
    assert isinstance(thought, ProviderPart)
    assert words == Text(text="Grüße 🎉")
    assert call == ToolCall(id="", name="files", arguments='{"ä": 1}', provider_id="call_x")
    assert any(isinstance(event, UsageReported) for event in events)
    assert events[-1] == StreamCompleted(stop=Stop.TOOL_CALLS)
    (seen,) = server.requests(RESPONSES)
    assert seen.arguments["max_output_tokens"] == 64
    assert seen.headers["Authorization"] == f"Bearer {KEY}"


async def test_reasoning_is_accepted_by_who_wrote_it(server: ResponsesServer) -> None:
    """What a reply held goes back with its result, and the server takes it."""
    server.respond(FULL, "Done.")
    first = await ask(server, asked=request(tools=(FILES,)))
    main = provider(server)
    parts = tuple(parts_in(first))
    named = [ToolCall(**_fields(p) | {"id": "c1"}) if isinstance(p, ToolCall) else p for p in parts]
    reply = AssistantMessage(parts=tuple(named), origin=main.origin)
    result = ToolResult(call_id="c1", name="files", status=ResultStatus.DONE, text="ok")
    asked = request(tools=(FILES,))
    longer = ModelRequest(
        system=asked.system,
        messages=(*asked.messages, reply, result),
        tools=asked.tools,
        max_output_tokens=None,
    )
    events = [event async for event in main.stream(longer, LEASE)]
    await main.close()
    assert text_of(events) == "Done."
    kinds = [item.get("type") for item in server.asked[-1]["input"]]
    assert kinds == [None, "reasoning", None, "function_call", "function_call_output"]


def _fields(call: ToolCall) -> dict[str, str]:
    return {"name": call.name, "arguments": call.arguments, "provider_id": call.provider_id}


async def test_byte_by_byte(server: ResponsesServer) -> None:
    """A stream that drips gives what a stream at once gives."""
    steps = stream_of(FULL, ASKED)
    whole = b"".join(step for step in steps if isinstance(step, bytes))
    server.respond(Stream(steps=(whole,)), Stream(steps=tuple(bytes([b]) for b in whole)))
    assert await ask(server) == await ask(server)


@pytest.mark.parametrize("reply", [Whole(reply=FULL), FULL], ids=["asked to stream", "asked whole"])
async def test_a_whole_body(server: ResponsesServer, reply: Any) -> None:
    """A JSON body is the answer, whether it was asked for or a stream was."""
    server.respond(reply)
    adjustments = Adjustments() if isinstance(reply, Whole) else WHOLE
    events = await ask(server, asked=request(adjustments=adjustments))
    assert text_of(events) == "Grüße 🎉"
    assert [type(part) for part in parts_in(events)] == [ProviderPart, Text, ToolCall]
    assert events[-1] == StreamCompleted(stop=Stop.TOOL_CALLS)
    assert server.asked[0]["stream"] is isinstance(reply, Whole)


async def test_plain_is_the_same_request_not_streamed(server: ResponsesServer) -> None:
    """The second rung asks for the same thing, and differs in nothing but the stream."""
    server.respond(FULL, FULL)
    streamed = await ask(server)
    collected = await ask(server, asked=request(adjustments=PLAIN))
    assert parts_in(collected) == parts_in(streamed)
    first, second = server.asked
    assert dict(first) | {"stream": False} == second


async def test_plain_reads_a_stream_where_the_backend_insists_on_one() -> None:
    """ChatGPT's backend: nothing is shown before the end, then all of it, in order."""
    gate = asyncio.Event()
    async with ResponsesServer(key=KEY, codex=True) as server:
        server.respond(said("Hel", gate, "lo"))
        main = provider(server, omit=frozenset({"max_output_tokens"}), stream_only=True)
        heard: list[StreamEvent] = []
        asked = request(adjustments=PLAIN, max_output_tokens=99)
        async with aclosing(main.stream(asked, LEASE)) as events:
            async for event in events:
                heard.append(event)
                if isinstance(event, StreamOpened):
                    gate.set()
                elif not gate.is_set():
                    assert isinstance(event, PulseReceived)
        await main.close()
    kinds = [type(event).__name__ for event in heard]
    assert kinds == [
        *("StreamOpened", "UsageReported", "TextReceived", "TextReceived"),
        *("PartCompleted", "StreamCompleted"),
    ]
    assert text_of(heard) == "Hello"


@pytest.mark.parametrize("adjustments", [PLAIN, WHOLE], ids=["plain", "not streamed"])
async def test_what_fails_plainly_has_shown_nothing(adjustments: Adjustments) -> None:
    """Read without showing, a stream that breaks leaves no word behind."""
    async with ResponsesServer(key=KEY, codex=True) as server:
        server.respond(Stream(steps=(BEGIN, HELLO)))
        main = provider(server, stream_only=True)
        heard: list[StreamEvent] = []
        with pytest.raises(errors.StreamBroken):
            async for each in main.stream(request(adjustments=adjustments), LEASE):
                heard.append(each)
        await main.close()
    assert [type(each) for each in heard] == [StreamOpened]


async def test_plain_brings_out_the_real_status(server: ResponsesServer) -> None:
    """Where a stream only broke, the plain answer says why."""
    body = b'{"error": {"code": "invalid_encrypted_content", "message": "could not be verified"}}'
    server.respond(Stream(steps=(BEGIN,)), Answer(status=400, body=body))
    assert (await failure(server)).reason == "stream_broken"
    error = await failure(server, asked=request(adjustments=PLAIN))
    assert (error.status, error.reason) == (400, "encrypted_reasoning")


async def test_the_codex_backend_refuses_in_its_own_words() -> None:
    """Its refusals have another shape, and are understood."""
    async with ResponsesServer(key=KEY, codex=True) as server:
        error = await failure(server, asked=request(max_output_tokens=99))
        assert "max_output_tokens" in str(error)
        assert isinstance(error, errors.RequestRejected)
        assert error.reason == "parameter"


async def test_a_refusal_is_filtered(server: ResponsesServer) -> None:
    """The words of a refusal are shown, and the stop says what they are."""
    server.respond(Reply(items=(Refuse(text="I can't help."),)))
    events = await ask(server)
    assert text_of(events) == "I can't help."
    assert events[-1] == StreamCompleted(stop=Stop.FILTERED, said="I can't help.")


async def test_the_end_of_the_body_is_not_waited_for(server: ResponsesServer) -> None:
    """A server that keeps its connection open after the terminal event has answered."""
    server.respond(Stream(steps=(BEGIN, HELLO, END, Silence())))
    assert (await ask(server))[-1] == StreamCompleted(stop=Stop.DONE)


async def test_rate_limits_of_relays_are_kept(server: ResponsesServer) -> None:
    """A first event about limits stands beside what the headers say."""
    limits = event("codex.rate_limits", rate_limits={"primary": {"used_percent": 42}})
    server.respond(Stream(steps=(b": ping\n\n", limits, BEGIN, HELLO, END)))
    events = await ask(server)
    assert isinstance(events[0], PulseReceived)
    assert isinstance(events[1], StreamOpened)
    assert events[1].limits["x-codex-primary-used-percent"] == "42"


async def test_the_lease_says_where_and_as_whom(server: ResponsesServer) -> None:
    """An address of the credential comes before the entry's, and all its headers are sent."""
    headers = {"Authorization": f"Bearer {KEY}", "chatgpt-account-id": "acct"}
    lease = Lease(label="main", headers=headers, base_url=server.base_url + "/")
    endpoint = ResponsesEndpoint(name="main", base_url="http://127.0.0.1:1/v1", model="loopback-1")
    main = OpenAIResponses(endpoint, bounds=QUICK)
    server.respond("Hello")
    assert text_of([event async for event in main.stream(request(), lease)]) == "Hello"
    await main.close()
    (seen,) = server.requests(RESPONSES)
    assert seen.headers["chatgpt-account-id"] == "acct"


HOSTS: list[tuple[str, set[str], set[str]]] = [
    ("https://chatgpt.com/backend-api/codex", {"prompt_cache_key"}, {"max_output_tokens"}),
    ("https://api.openai.com/v1", {"prompt_cache_key", "max_output_tokens"}, set()),
    ("https://api.x.ai/v1", {"prompt_cache_key", "max_output_tokens"}, set()),
    ("https://relay.example/v1", {"max_output_tokens"}, {"prompt_cache_key"}),
]


@pytest.mark.parametrize(("base_url", "sent", "left_out"), HOSTS, ids=[h[0] for h in HOSTS])
@pytest.mark.parametrize("adjustments", [Adjustments(), PLAIN])
async def test_the_address_tells_what_is_taken(
    server: ResponsesServer,
    base_url: str,
    sent: set[str],
    left_out: set[str],
    adjustments: Adjustments,
) -> None:
    """What known hosts refuse or insist on needs no configuration."""
    main = OpenAIResponses(ResponsesEndpoint(name="main", base_url=base_url, model="loopback-1"))
    lease = Lease(label="main", headers=LEASE.headers, base_url=server.base_url)
    server.respond("Hello")
    asked = request(max_output_tokens=99, session="s", adjustments=adjustments)
    assert text_of([each async for each in main.stream(asked, lease)]) == "Hello"
    await main.close()
    assert server.asked[0].keys() >= sent
    assert not server.asked[0].keys() & left_out
    streams = "chatgpt" in base_url or not adjustments.plain
    assert server.asked[0]["stream"] is streams


@pytest.mark.parametrize("adjustments", [Adjustments(), PLAIN])
async def test_closing_the_iterator_closes_the_socket(adjustments: Adjustments) -> None:
    """A superseded stream ends on the wire at once, shown or not."""
    async with ResponsesServer(key=KEY, codex=True) as server:
        server.respond(said("Hel", asyncio.Event(), "lo"))
        main = provider(server, stream_only=True)
        async with aclosing(main.stream(request(adjustments=adjustments), LEASE)) as events:
            async for each in events:
                if isinstance(each, StreamOpened):
                    break
        await server.hung_up()
        await main.close()


@pytest.mark.parametrize("adjustments", [Adjustments(), PLAIN])
async def test_cancelling_closes_the_socket(adjustments: Adjustments) -> None:
    """A cancelled reader raises CancelledError and leaves no socket behind."""
    async with ResponsesServer(key=KEY, codex=True) as server:
        server.respond(said("Hel", asyncio.Event(), "lo"))
        main = provider(server, stream_only=True)
        reading = asyncio.Event()

        async def read() -> None:
            async with aclosing(main.stream(request(adjustments=adjustments), LEASE)) as events:
                async for each in events:
                    if isinstance(each, StreamOpened):
                        reading.set()

        task = asyncio.create_task(read())
        await asyncio.wait_for(reading.wait(), 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.hung_up()
        await main.close()


async def test_a_new_connection_where_one_is_asked_for(server: ResponsesServer) -> None:
    """After a reset the next request goes over another connection; both are answered."""
    main = provider(server)
    server.respond("one", "two", "three")
    ports: list[str] = []
    for step in range(3):
        assert text_of([event async for event in main.stream(request(), LEASE)])
        ports.append(server.peers[-1])
        if step == 1:
            await main.reset()
    await main.close()
    assert ports[0] == ports[1] != ports[2]


async def test_many_streams_at_once(server: ResponsesServer) -> None:
    """Fifty streams run side by side on one session."""
    gate = asyncio.Event()
    main = provider(server)
    for number in range(50):
        server.respond(said("a", gate, str(number)))

    async def read() -> str:
        return text_of([event async for event in main.stream(request(), LEASE)])

    tasks = [asyncio.create_task(read()) for _ in range(50)]
    await server.seen(lambda _: len(server.requests(RESPONSES)) == 50)
    gate.set()
    assert sorted(await asyncio.gather(*tasks)) == sorted(f"a{n}" for n in range(50))
    await main.close()
