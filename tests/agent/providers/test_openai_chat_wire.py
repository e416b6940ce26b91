"""The wire against the loopback server: faults in bytes and time, one request per attempt."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from agent import errors
from agent.credentials import Lease
from agent.errors import ProviderError
from agent.messages import Text, ToolCall, UserMessage
from agent.providers.base import (
    ModelRequest,
    PartCompleted,
    PulseReceived,
    Stop,
    StreamCompleted,
    StreamEvent,
    StreamOpened,
    TextReceived,
    ToolSpec,
    UsageReported,
)
from agent.providers.bounds import CLOUD, Bounds
from agent.providers.openai_chat import ChatEndpoint, OpenAIChat
from tests.wire.openai import (
    CHAT,
    CallTool,
    Cut,
    OpenAIServer,
    Pings,
    Reply,
    Reset,
    Silence,
    Stream,
    Whole,
    chunk,
    data,
    stream_of,
)
from tests.wire.server import Answer, CutAfter, CutBefore, limited

FIXTURES = Path(__file__).parents[2] / "fixtures" / "openai"
KEY = "sk-loopback"
LEASE = Lease(label="main", headers={"Authorization": f"Bearer {KEY}"})
QUICK = Bounds(connect_s=2, first_byte_s=2, idle_s=2, progress_s=2, step_s=4)
FILES = ToolSpec(name="files", description="Files.", parameters={"type": "object"})
HELLO = chunk({"role": "assistant", "content": "Hel"})
FINISH = chunk({}, finish="stop")
DONE = b"data: [DONE]\n\n"


def request(text: str = "hello", **kwargs: Any) -> ModelRequest:
    options: dict[str, Any] = {"system": "Be kind.", "tools": (), "max_output_tokens": None}
    return ModelRequest(messages=(UserMessage(text=text),), **(options | kwargs))


def provider(server: OpenAIServer, bounds: Bounds = QUICK, **kwargs: Any) -> OpenAIChat:
    given = {"name": "main", "base_url": server.base_url, "model": "loopback-1"} | kwargs
    return OpenAIChat(ChatEndpoint(**given), bounds=bounds)


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer(key=KEY) as server:
        yield server


async def ask(
    server: OpenAIServer, bounds: Bounds = QUICK, asked: ModelRequest | None = None
) -> list[StreamEvent]:
    """All events of one attempt by a provider of its own."""
    main = provider(server, bounds)
    try:
        return [event async for event in main.stream(asked or request(), LEASE)]
    finally:
        await main.close()


async def failure(server: OpenAIServer, bounds: Bounds = QUICK) -> ProviderError:
    """The one error of an attempt, which made exactly one request."""
    with pytest.raises(ProviderError) as caught:
        await ask(server, bounds)
    assert len(server.requests(CHAT)) == 1
    assert KEY not in str(caught.value)
    return caught.value


def text_of(events: list[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextReceived))


async def test_a_streamed_reply(server: OpenAIServer) -> None:
    """Words, a call, usage and the end, by one request with the key and the whole body."""
    arguments = '{"operation": "list"}'
    calls = (CallTool(name="files", arguments=arguments, id="call_x", piece=5),)
    server.reply(Reply(deltas=("Hel", "lo"), calls=calls))
    events = await ask(server, asked=request(tools=(FILES,), max_output_tokens=64))
    assert events[0] == StreamOpened(
        request_id="req_loopback",
        model="loopback-1",
        limits={"x-ratelimit-remaining-requests": "9999"},
    )
    assert text_of(events) == "Hello"
    assert [e.part for e in events if isinstance(e, PartCompleted)] == [
        Text(text="Hello"),
        ToolCall(id="", name="files", arguments=arguments, provider_id="call_x"),
    ]
    assert any(isinstance(event, UsageReported) for event in events)
    assert events[-1] == StreamCompleted(stop=Stop.TOOL_CALLS)
    (seen,) = server.requests(CHAT)
    assert seen.arguments["max_tokens"] == 64
    assert seen.headers["Authorization"] == f"Bearer {KEY}"


async def test_byte_by_byte(server: OpenAIServer) -> None:
    """A stream that drips gives what a stream at once gives."""
    reply = Reply(deltas=("Grüße ", "🎉"), calls=(CallTool(name="files", arguments='{"ä": 1}'),))
    steps = stream_of(reply, {"model": "m", "messages": [], "stream_options": {"include_usage": 1}})
    whole = b"".join(step for step in steps if isinstance(step, bytes))
    server.reply(Stream(steps=(whole,)), Stream(steps=tuple(bytes([b]) for b in whole)))
    assert await ask(server) == await ask(server)


async def test_a_whole_body_where_a_stream_was_asked(server: OpenAIServer) -> None:
    """A JSON body is the answer, whatever its content type says."""
    server.reply(Whole(reply=Reply(deltas=("Hello",))))
    events = await ask(server)
    assert text_of(events) == "Hello"
    assert events[-1] == StreamCompleted(stop=Stop.DONE)


async def test_pings_are_pulses(server: OpenAIServer) -> None:
    """Comments are passed on as signs of life."""
    server.reply(Stream(steps=(b": ping\n\n", HELLO, b": ping\n\n", FINISH, DONE)))
    events = await ask(server)
    assert [type(event) for event in events[:2]] == [PulseReceived, StreamOpened]


async def test_end_without_done(server: OpenAIServer) -> None:
    """The finish reason is the marker; the end line may be missing, also by a cut."""
    server.reply(Stream(steps=(HELLO, FINISH)), Stream(steps=(HELLO, FINISH, Cut())))
    for _ in range(2):
        assert (await ask(server))[-1] == StreamCompleted(stop=Stop.DONE)


@pytest.mark.warp
async def test_after_the_marker_usage_is_waited_for_shortly(server: OpenAIServer) -> None:
    """A server that goes silent after its marker has answered; one that drips usage is heard."""
    usage = chunk(usage={"prompt_tokens": 3, "completion_tokens": 2})
    server.reply(Stream(steps=(HELLO, FINISH, Silence())))
    server.reply(Stream(steps=(HELLO, FINISH, usage, Silence())))
    bounds = replace(QUICK, after_finish_s=0.2)
    assert (await ask(server, bounds))[-1] == StreamCompleted(stop=Stop.DONE)
    assert any(isinstance(event, UsageReported) for event in await ask(server, bounds))


async def test_words_after_the_marker_and_a_cut_are_no_answer(server: OpenAIServer) -> None:
    """If words came after the marker, a cut may have taken more of them."""
    server.reply(Stream(steps=(HELLO, FINISH, chunk({"content": "lo"}), Cut())))
    assert (await failure(server)).reason == "transport"


BROKEN: list[tuple[str, tuple[Any, ...], str]] = [
    ("clean end without marker", (HELLO,), "stream_broken"),
    ("done alone", (HELLO, DONE), "stream_broken"),
    ("empty stream", (), "stream_broken"),
    ("done and nothing else", (DONE,), "stream_broken"),
    ("cut in a chunk", (HELLO, FINISH[:40], Cut()), "transport"),
    ("cut after the head", (b": ping\n\n", Cut()), "transport"),
    ("reset", (HELLO, Reset()), "transport"),
    ("a cut chunk and a clean end", (HELLO, FINISH[:40]), "stream_broken"),
    ("a page", (b"<!doctype html><html></html>",), "reply_malformed"),
    ("cut JSON", (b'{"choices": [',), "reply_malformed"),
    ("garbage lines", (HELLO, b"data: %\n\n" * 4), "reply_malformed"),
    ("unknown finish reason", (chunk({"content": "x"}, finish="banana"),), "reply_malformed"),
    ("choices null", (data({"choices": None}),), "reply_malformed"),
    ("error in the stream", (HELLO, data({"error": {"message": "boom"}})), "server_error"),
    (
        "overload in the stream",
        (HELLO, data({"error": {"type": "overloaded_error", "message": "Overloaded"}})),
        "overloaded",
    ),
    (
        "limit in the stream",
        (data({"error": {"code": 429, "message": "Rate limit reached"}}),),
        "rate_limited",
    ),
    ("error body with 200", (b'{"error": {"message": "bad", "code": 401}}',), "auth"),
    ("finish reason error", (chunk({}, finish="error"),), "server_error"),
]


@pytest.mark.parametrize(("steps", "reason"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
async def test_broken_answers(server: OpenAIServer, steps: tuple[Any, ...], reason: str) -> None:
    """Each way an answer can break is one typed error, and nothing completes."""
    server.reply(Stream(steps=steps))
    assert (await failure(server)).reason == reason


async def test_words_before_a_failure_are_heard(server: OpenAIServer) -> None:
    """What came before an error is reported before it, even if both came in one piece."""
    server.reply(Stream(steps=(HELLO + data({"error": {"message": "boom"}}),)))
    main = provider(server)
    heard: list[StreamEvent] = []
    with pytest.raises(errors.ProviderUnavailable):
        async for event in main.stream(request(), LEASE):
            heard.append(event)
    assert text_of(heard) == "Hel"
    await main.close()


async def test_cut_at_every_byte(server: OpenAIServer) -> None:
    """Cut anywhere before its marker, a stream never completes; after it, always."""
    stream = HELLO + FINISH + DONE
    marker = len(HELLO) + len(FINISH) - 1  # the line end completes the line
    main = provider(server)
    for end in range(0, len(stream), 7):
        server.reply(Stream(steps=(stream[:end], Cut())))
        if end < marker:
            with pytest.raises(errors.ProviderUnavailable):
                [event async for event in main.stream(request(), LEASE)]
        else:
            events = [event async for event in main.stream(request(), LEASE)]
            assert events[-1] == StreamCompleted(stop=Stop.DONE)
    await main.close()


BOUNDS: list[tuple[str, tuple[Any, ...], dict[str, float], str]] = [
    ("silence after words", (HELLO, Silence()), {"idle_s": 0.05}, "nothing came"),
    ("pings for ever", (HELLO, Pings()), {"progress_s": 0.1}, "no progress"),
    ("pings from the start", (Pings(),), {"progress_s": 0.1}, "no progress"),
    (
        "words for ever",
        (Pings(line=HELLO),),
        {"step_s": 0.15, "after_finish_s": 1},
        "the whole step took too long",
    ),
    ("too many bytes", (Pings(line=HELLO),), {"step_bytes": 2000}, "too long"),
    ("a line too long", (Pings(line=b"x" * 500),), {"line_bytes": 2000}, "too long"),
]


@pytest.mark.parametrize(
    ("steps", "changes", "words"), [b[1:] for b in BOUNDS], ids=[b[0] for b in BOUNDS]
)
async def test_bounds(
    server: OpenAIServer, steps: tuple[Any, ...], changes: dict[str, Any], words: str
) -> None:
    """A stream that goes on without getting anywhere is ended, and its socket closed."""
    server.reply(Stream(steps=steps))
    error = await failure(server, replace(QUICK, **changes))
    assert isinstance(error, errors.StreamBroken)
    assert words in str(error)
    await server.hung_up()


STATUSES: list[tuple[str, Answer, str, type[ProviderError]]] = [
    (
        "500",
        Answer(status=500, body=b'{"error":{"message":"x"}}'),
        "server_error",
        errors.ProviderUnavailable,
    ),
    (
        "502 page",
        Answer(status=502, body=b"<html>", content_type="text/html"),
        "server_error",
        errors.ProviderUnavailable,
    ),
    (
        "503 text",
        Answer(status=503, body=b"busy", content_type="text/plain"),
        "overloaded",
        errors.ProviderOverloaded,
    ),
    (
        "429",
        limited(b'{"error":{"message":"slow down"}}', "7"),
        "rate_limited",
        errors.ProviderRateLimited,
    ),
    ("404", Answer(status=404, body=b"{}"), "unknown", errors.ProviderUnavailable),
    ("403", Answer(status=403), "forbidden", errors.NotEntitled),
    (
        "302",
        Answer(status=302, headers={"Location": "http://127.0.0.1:1/"}),
        "unknown",
        errors.ProviderUnavailable,
    ),
    ("no body", Answer(status=400, body=b""), "bad_request", errors.RequestRejected),
    ("broken JSON", Answer(status=400, body=b'{"error"'), "bad_request", errors.RequestRejected),
]


@pytest.mark.parametrize(
    ("answer", "reason", "kind"), [s[1:] for s in STATUSES], ids=[s[0] for s in STATUSES]
)
async def test_statuses(
    server: OpenAIServer, answer: Answer, reason: str, kind: type[ProviderError]
) -> None:
    """Error statuses become typed errors with their facts; redirects are not followed."""
    server.faults.add(CHAT, answer)
    error = await failure(server)
    assert (error.reason, type(error), error.status) == (reason, kind, answer.status)


async def test_retry_after_is_kept(server: OpenAIServer) -> None:
    """How long to wait travels with the error."""
    server.faults.add(CHAT, limited(b"{}", "7"))
    assert (await failure(server)).retry_after_s == 7


async def test_refusals_of_the_real_service(server: OpenAIServer) -> None:
    """A wrong key, an unknown model and a long chat are told apart, and no key is repeated."""
    wrong = Lease(label="main", headers={"Authorization": "Bearer sk-wrong-key-123456"})
    main = provider(server)
    with pytest.raises(errors.ProviderAuthFailed) as caught:
        [event async for event in main.stream(request(), wrong)]
    assert "sk-wrong" not in str(caught.value)
    assert "sk-wrong" not in repr(wrong)
    assert caught.value.request_id == "req_loopback"
    with pytest.raises(errors.ContextOverflow):
        [event async for event in main.stream(request("word " * 200_000), LEASE)]
    await main.close()
    other = provider(server, model="nope")
    with pytest.raises(errors.ModelUnavailable):
        [event async for event in other.stream(request(), LEASE)]
    await other.close()


@pytest.mark.parametrize("fault", [CutBefore(), CutAfter()])
async def test_cut_connections(server: OpenAIServer, fault: CutBefore | CutAfter) -> None:
    """A connection that goes away before the head is a transport error."""
    server.reply(Whole(reply=Reply(deltas=("unseen",))))
    server.faults.add(CHAT, fault)
    error = await failure(server)
    assert (error.reason, type(error)) == ("transport", errors.ProviderUnavailable)


async def test_a_used_connection_is_used_again_and_never_retried_on(server: OpenAIServer) -> None:
    """Connections are kept; if one fails under a request, that request is not sent again."""
    ports: set[int] = set()

    async def traced(
        _: aiohttp.ClientSession, __: Any, params: aiohttp.TraceConnectionCreateEndParams
    ) -> None:
        ports.add(len(ports))

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(traced)
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:
        endpoint = ChatEndpoint(name="main", base_url=server.base_url, model="loopback-1")
        main = OpenAIChat(endpoint, session=session, bounds=QUICK)
        for _ in range(3):
            server.reply("Hello")
            assert text_of([event async for event in main.stream(request(), LEASE)]) == "Hello"
        assert len(ports) == 1
        server.faults.add(CHAT, CutBefore())
        with pytest.raises(errors.ProviderUnavailable):
            [event async for event in main.stream(request(), LEASE)]
        assert len(server.requests(CHAT)) == 4
        await main.close()
        assert not session.closed


async def test_nobody_listens() -> None:
    """A dead port is a transport error at once."""
    async with OpenAIServer(key=KEY) as server:
        pass
    with pytest.raises(errors.ProviderUnavailable) as caught:
        await ask(server)
    assert caught.value.reason == "transport"


async def test_a_certificate_nobody_vouches_for() -> None:
    """An untrusted certificate is its own error: no word of the request is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(FIXTURES / "untrusted.pem")
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read())
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = listening.sockets[0].getsockname()[1]
    endpoint = ChatEndpoint(name="main", base_url=f"https://127.0.0.1:{port}/v1", model="m")
    main = OpenAIChat(endpoint, bounds=QUICK)
    with pytest.raises(errors.TlsUntrusted):
        [event async for event in main.stream(request(), LEASE)]
    await main.close()
    listening.close()
    await listening.wait_closed()
    assert not any(received)


@pytest.mark.parametrize("base_url", ["nonsense", "ftp://127.0.0.1/v1"])
async def test_an_address_that_is_none(base_url: str) -> None:
    """What can't even be built is our own fault."""
    main = OpenAIChat(ChatEndpoint(name="main", base_url=base_url, model="m"), bounds=QUICK)
    with pytest.raises(errors.RequestInvalid):
        [event async for event in main.stream(request(), LEASE)]
    await main.close()


async def test_a_request_that_cannot_be_built(server: OpenAIServer) -> None:
    """Half a character and a key with a line end are our own fault; nothing is sent."""
    main = provider(server)
    broken = Lease(label="main", headers={"Authorization": "Bearer hunter2\nX: y"})
    for asked, lease in ((request("\ud800"), LEASE), (request(), broken)):
        with pytest.raises(errors.RequestInvalid) as caught:
            [event async for event in main.stream(asked, lease)]
        assert "hunter2" not in str(caught.value)
    await main.close()
    assert not server.record


async def test_closing_the_iterator_closes_the_socket(server: OpenAIServer) -> None:
    """A superseded stream ends on the wire at once."""
    server.reply(Reply(deltas=("Hel", asyncio.Event(), "lo")))
    main = provider(server)
    async with aclosing(main.stream(request(), LEASE)) as events:
        async for event in events:
            if isinstance(event, TextReceived):
                break
    await server.hung_up()
    await main.close()


async def test_cancelling_closes_the_socket(server: OpenAIServer) -> None:
    """A cancelled reader raises CancelledError and leaves no socket behind."""
    server.reply(Reply(deltas=("Hel", asyncio.Event(), "lo")))
    main = provider(server)
    reading = asyncio.Event()

    async def read() -> None:
        async with aclosing(main.stream(request(), LEASE)) as events:
            async for event in events:
                if isinstance(event, TextReceived):
                    reading.set()

    task = asyncio.create_task(read())
    await asyncio.wait_for(reading.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.hung_up()
    await main.close()


async def test_many_streams_at_once(server: OpenAIServer) -> None:
    """A hundred streams, what waits to be accepted at most, run side by side on one session."""
    gate = asyncio.Event()
    main = provider(server, CLOUD)  # none of them is late because the others run
    for number in range(100):
        server.reply(Reply(deltas=("a", gate, str(number))))

    async def read() -> str:
        return text_of([event async for event in main.stream(request(), LEASE)])

    tasks = [asyncio.create_task(read()) for _ in range(100)]
    await server.seen(lambda _: len(server.requests(CHAT)) == 100)
    gate.set()
    assert sorted(await asyncio.gather(*tasks)) == sorted(f"a{n}" for n in range(100))
    await main.close()
