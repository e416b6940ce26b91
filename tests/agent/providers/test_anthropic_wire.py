"""The wire against the loopback server: one request per attempt, and every way it can break."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from agent import errors
from agent.credentials import Lease, Service, StaticKey
from agent.errors import ProviderError
from agent.messages import (
    AssistantMessage,
    Message,
    Part,
    ProviderPart,
    ResultStatus,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from agent.providers.anthropic_messages import AnthropicMessages, MessagesEndpoint
from agent.providers.anthropic_messages.client import thinking_bounds
from agent.providers.anthropic_messages.thinking import form_for
from agent.providers.base import (
    Adjustments,
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
from agent.providers.bounds import CLOUD, LOCAL, Bounds
from tests.warp import warped
from tests.wire.anthropic import (
    MESSAGES,
    AnthropicServer,
    Cut,
    Other,
    Pings,
    Redacted,
    Reply,
    Reset,
    Say,
    Silence,
    Stream,
    Think,
    Use,
    Whole,
    event,
    say,
    stream_of,
)
from tests.wire.anthropic.script import (
    PING,
    STOP,
    block_start,
    block_stop,
    message_delta,
    message_start,
    text_delta,
)
from tests.wire.server import Answer, CutAfter, CutBefore, HalfOpen

KEY = "sk-ant-loopback"
LEASE = Lease(label="main", headers={"x-api-key": KEY})
QUICK = Bounds(connect_s=2, first_byte_s=2, idle_s=2, progress_s=2, step_s=4)
FILES = ToolSpec(name="files", description="Files.", parameters={"type": "object"})
START = message_start() + block_start(0, {"type": "text", "text": ""})
HELLO = START + text_delta("Hel")
FINISH = block_stop(0) + message_delta("end_turn")


def request(*messages: Message, **kwargs: Any) -> ModelRequest:
    options: dict[str, Any] = {"system": "Be kind.", "tools": (), "max_output_tokens": None}
    asked = messages or (UserMessage(text="hello"),)
    return ModelRequest(messages=asked, **(options | kwargs))


def provider(server: AnthropicServer, bounds: Bounds = QUICK, **kwargs: Any) -> AnthropicMessages:
    given = {"name": "main", "base_url": server.url, "model": "claude-loopback"} | kwargs
    return AnthropicMessages(MessagesEndpoint(**given), bounds=bounds)


@pytest.mark.parametrize(
    ("given", "effort", "overflow"),
    [
        ({}, None, True),
        ({}, "none", True),
        ({}, "high", False),
        ({"reasons": True}, None, False),
        ({"thinking": "budget"}, None, False),
        ({"model": "claude-opus-5"}, None, False),
        ({"model": "claude-opus-5", "reasons": False}, None, False),
    ],
)
async def test_a_drop_while_it_thinks_folds_nothing(
    server: AnthropicServer, given: dict[str, Any], effort: str | None, overflow: bool
) -> None:
    """With a full window it is an overflow only where no long thought could have taken the time."""
    server.faults.add(MESSAGES, CutBefore())
    asked = request(input_tokens=970, adjustments=Adjustments(effort=effort))
    options: dict[str, Any] = {"model": "claude-opus-4-5", "context_window": 1_000} | given
    with pytest.raises(ProviderError) as caught:
        await ask(server, asked=asked, **options)
    assert isinstance(caught.value, errors.ContextOverflow) == overflow
    assert caught.value.sent


async def test_whose_credential_it_is_decides_a_refusal(server: AnthropicServer) -> None:
    """A 403 is another error for a login of xAI than elsewhere."""
    server.faults.add(MESSAGES, Answer(status=403, body=b"{}"))
    with pytest.raises(errors.NotEntitled) as caught:
        await ask(server, service=Service.XAI)
    assert caught.value.reason == "entitlement"


@pytest.fixture
async def server() -> AsyncIterator[AnthropicServer]:
    async with AnthropicServer() as server:
        yield server


async def ask(
    server: AnthropicServer,
    bounds: Bounds = QUICK,
    asked: ModelRequest | None = None,
    lease: Lease = LEASE,
    **kwargs: Any,
) -> list[StreamEvent]:
    """All events of one attempt by a provider of its own."""
    main = provider(server, bounds, **kwargs)
    try:
        return [event async for event in main.stream(asked or request(), lease)]
    finally:
        await main.close()


async def failure(server: AnthropicServer, bounds: Bounds = QUICK, **kwargs: Any) -> ProviderError:
    """The one error of an attempt, which made exactly one request."""
    with pytest.raises(ProviderError) as caught:
        await ask(server, bounds, **kwargs)
    assert len(server.requests(MESSAGES)) == 1
    assert KEY not in str(caught.value)
    return caught.value


def text_of(events: list[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextReceived))


def parts_of(events: list[StreamEvent]) -> tuple[Part, ...]:
    return tuple(event.part for event in events if isinstance(event, PartCompleted))


async def test_a_streamed_reply(server: AnthropicServer) -> None:
    """Words, a call, usage, limits and the end, by one request with key, version and body."""
    use = Use(name="files", input='{"operation": "list"}', id="toolu_x", piece=5)
    server.reply(Reply(blocks=(Say(deltas=("Hel", "lo")), use)))
    events = await ask(server, asked=request(tools=(FILES,), max_output_tokens=64))
    assert events[0] == StreamOpened(
        request_id="req_loopback",
        model="claude-loopback",
        limits={
            "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-requests-reset": "2026-01-01T00:00:00Z",
        },
    )
    assert text_of(events) == "Hello"
    assert parts_of(events) == (
        Text(text="Hello"),
        ToolCall(id="", name="files", arguments='{"operation": "list"}', provider_id="toolu_x"),
    )
    assert any(isinstance(event, UsageReported) for event in events)
    assert events[-1] == StreamCompleted(stop=Stop.TOOL_CALLS)
    (seen,) = server.requests(MESSAGES)
    assert seen.arguments["max_tokens"] == 64
    assert seen.headers["x-api-key"] == KEY
    assert seen.headers["anthropic-version"] == "2023-06-01"
    assert "anthropic-beta" not in seen.headers


@pytest.mark.parametrize("tail", ["", "/", "/v1", "/v1/"])
async def test_the_address_may_end_with_the_version(server: AnthropicServer, tail: str) -> None:
    """The path is the same, and so is who it is."""
    server.reply("Hello")
    assert text_of(await ask(server, base_url=server.url + tail)) == "Hello"
    assert provider(server, base_url=server.url + tail).origin.endpoint == server.url


async def test_the_lease_may_say_where_and_how(server: AnthropicServer) -> None:
    """An address, a token and betas of the credential go over the entry's own."""
    server.reply("Hello")
    headers = {"Authorization": f"Bearer {KEY}", "Anthropic-Beta": "oauth-2025-04-20"}
    lease = Lease(label="main", headers=headers, base_url=server.url + "/v1")
    await ask(server, lease=lease, base_url="http://127.0.0.1:1", long_context=True)
    (seen,) = server.requests(MESSAGES)
    assert seen.headers["anthropic-beta"] == "oauth-2025-04-20,context-1m-2025-08-07"
    assert "x-api-key" not in seen.headers


@pytest.mark.parametrize(
    ("configured", "adjusted", "sent"),
    [(True, True, True), (True, False, False), (False, True, False)],
)
async def test_the_long_window_is_asked_for(
    server: AnthropicServer, configured: bool, adjusted: bool, sent: bool
) -> None:
    """Only where configured, and not where it was taken back."""
    server.reply("Hello")
    asked = request(adjustments=Adjustments(long_context=adjusted))
    await ask(server, asked=asked, long_context=configured)
    assert ("anthropic-beta" in server.requests(MESSAGES)[0].headers) is sent


async def test_a_plain_key_is_a_bare_header(server: AnthropicServer) -> None:
    """The credential's own shape is what is sent; a wrong key is told apart and not repeated."""
    server.reply("Hello")
    good = StaticKey(label="main", key=KEY, header="x-api-key", scheme="")
    assert text_of(await ask(server, lease=await good.lease())) == "Hello"
    wrong = replace(good, key="sk-ant-wrong-123456")
    with pytest.raises(errors.ProviderAuthFailed) as caught:
        await ask(server, lease=await wrong.lease())
    assert "wrong" not in str(caught.value)


async def test_byte_by_byte(server: AnthropicServer) -> None:
    """A stream that drips gives what a stream at once gives."""
    reply = Reply(blocks=(Think(text="Hm"), Say(deltas=("Grüße ", "🎉")), Use(name="files")))
    steps = stream_of(reply, {"model": "claude-loopback"}, {"input_tokens": 3})
    whole = b"".join(step for step in steps if isinstance(step, bytes))
    server.reply(Stream(steps=(whole,)), Stream(steps=tuple(bytes([b]) for b in whole)))
    assert await ask(server) == await ask(server)


async def test_a_whole_body(server: AnthropicServer) -> None:
    """A JSON body is the answer, asked for or not."""
    reply = Reply(blocks=(Think(text="Hm"), Say(deltas=("Hello",)), Redacted(data="x")))
    server.reply(Whole(reply=reply), reply)
    asked = request(adjustments=Adjustments(stream=False))
    unasked, collected = await ask(server), await ask(server, asked=asked)
    assert parts_of(unasked) == parts_of(collected)
    assert text_of(collected) == "Hello"
    assert collected[-1] == StreamCompleted(stop=Stop.DONE)
    assert [body["stream"] for body in server.asked] == [True, False]


async def test_thoughts_travel_there_and_back(server: AnthropicServer) -> None:
    """What the model thought goes back signed, in its place, through a loop of two steps."""
    thinks = Adjustments(effort="high")
    main = provider(server, thinking="budget")
    messages: list[Message] = [UserMessage(text="hello")]
    for step in range(2):
        blocks = (Think(text=f"Hm {step}"), Redacted(data="r"), Use(name="files", id=f"t{step}"))
        server.reply(Reply(blocks=blocks))
        asked = request(*messages, tools=(FILES,), adjustments=thinks)
        parts = parts_of([event async for event in main.stream(asked, LEASE)])
        parts = tuple(
            replace(part, id=f"call_{step}") if isinstance(part, ToolCall) else part
            for part in parts
        )
        messages.append(AssistantMessage(parts=parts, origin=main.origin))
        messages.append(
            ToolResult(call_id=f"call_{step}", name="files", status=ResultStatus.DONE, text="ok")
        )
    server.reply("Done.")
    asked = request(*messages, tools=(FILES,), adjustments=thinks)
    assert text_of([event async for event in main.stream(asked, LEASE)]) == "Done."
    kinds = [[b["type"] for b in m["content"]] for m in server.asked[-1]["messages"]]
    assert kinds[1] == kinds[3] == ["thinking", "redacted_thinking", "tool_use"]
    assert server.asked[-1]["thinking"]["type"] == "enabled"
    assert len(server.requests(MESSAGES)) == 3
    await main.close()


async def test_another_model_does_not_see_thoughts(server: AnthropicServer) -> None:
    """The signature binds them to the model: the next one goes on with thinking off."""
    server.reply(Reply(blocks=(Think(text="Hm"), Use(name="files", id="toolu_1"))), "Done.")
    thinks = Adjustments(effort="high")
    asked = request(tools=(FILES,), adjustments=thinks)
    events = await ask(server, asked=asked, thinking="budget")
    parts = tuple(
        replace(part, id="call_1") if isinstance(part, ToolCall) else part
        for part in parts_of(events)
    )
    assert isinstance(parts[0], ProviderPart)
    result = ToolResult(call_id="call_1", name="files", status=ResultStatus.DONE, text="ok")
    messages = (*asked.messages, AssistantMessage(parts=parts, origin=parts[0].origin), result)
    follow = replace(asked, messages=messages)
    events = await ask(server, asked=follow, model="claude-sonnet-4-5")
    assert text_of(events) == "Done."
    assert "thinking" not in server.asked[-1]
    assert server.asked[-1]["messages"][1]["content"][0]["id"] == "call_1"


async def test_a_pause_goes_back_as_it_stands(server: AnthropicServer) -> None:
    """A paused reply is the last message of the next request; its own parts are as they came."""
    search = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "s", "input": {"q": "ä"}}
    blocks = (Say(deltas=("Let me look. ",)), Other(block=search))
    server.reply(Reply(blocks=blocks, stop="pause_turn"), "Found.")
    main = provider(server, model="claude-opus-4-8")
    events = [event async for event in main.stream(request(), LEASE)]
    assert events[-1] == StreamCompleted(stop=Stop.PAUSED)
    paused = AssistantMessage(parts=parts_of(events), origin=main.origin)
    again = request(UserMessage(text="hello"), paused)
    assert text_of([event async for event in main.stream(again, LEASE)]) == "Found."
    last = server.asked[-1]["messages"][-1]
    assert (last["role"], last["content"][1]) == ("assistant", search)
    await main.close()


async def test_pings_are_pulses(server: AnthropicServer) -> None:
    """Pings and comments are passed on as signs of life."""
    server.reply(Stream(steps=(b": hi\n\n", PING, HELLO, PING, FINISH, STOP)))
    events = await ask(server)
    assert [type(event) for event in events[:3]] == [PulseReceived, PulseReceived, StreamOpened]
    assert events.count(PulseReceived()) == 3


BROKEN: list[tuple[str, tuple[Any, ...], str]] = [
    ("clean end without marker", (HELLO,), "stream_broken"),
    ("clean end after the stop reason", (HELLO, FINISH), "stream_broken"),
    ("message_stop alone", (HELLO, STOP), "stream_broken"),
    ("empty stream", (), "stream_broken"),
    ("pings and nothing else", (PING, PING), "stream_broken"),
    ("cut after the stop reason", (HELLO, FINISH, Cut()), "transport"),
    ("cut in an event", (HELLO, FINISH[:40], Cut()), "transport"),
    ("reset", (HELLO, Reset()), "transport"),
    ("a page", (b"<!doctype html><html></html>",), "reply_malformed"),
    ("cut JSON", (b'{"content": [',), "reply_malformed"),
    ("garbage lines", (HELLO, b"data: %\n\n" * 4), "reply_malformed"),
    ("unknown stop reason", (HELLO, message_delta("banana"), STOP), "reply_malformed"),
    (
        "overload in the stream",
        (
            HELLO,
            event(
                {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
            ),
        ),
        "overloaded",
    ),
    (
        "limit in the stream",
        (event({"type": "error", "error": {"type": "rate_limit_error", "message": "x"}}),),
        "rate_limited",
    ),
    (
        "error body with 200",
        (b'{"type":"error","error":{"type":"authentication_error","message":"x"}}',),
        "auth",
    ),
    ("too long", (START, text_delta("word " * 40_000)), "stream_broken"),
]


@pytest.mark.parametrize(("steps", "reason"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
async def test_broken_answers(server: AnthropicServer, steps: tuple[Any, ...], reason: str) -> None:
    """Each way an answer can break is one typed error, and nothing completes."""
    server.reply(Stream(steps=steps))
    assert (await failure(server)).reason == reason


async def test_words_before_a_failure_are_heard(server: AnthropicServer) -> None:
    """What came before an error is reported before it, even if both came in one piece."""
    overloaded = event({"type": "error", "error": {"type": "overloaded_error", "message": "x"}})
    server.reply(Stream(steps=(HELLO + overloaded,)))
    main = provider(server)
    heard: list[StreamEvent] = []
    with pytest.raises(errors.ProviderOverloaded):
        async for item in main.stream(request(), LEASE):
            heard.append(item)
    assert text_of(heard) == "Hel"
    await main.close()


STATUSES: list[tuple[int, str, str, type[ProviderError]]] = [
    (400, "invalid_request_error", "bad_request", errors.RequestRejected),
    (403, "permission_error", "forbidden", errors.NotEntitled),
    (429, "rate_limit_error", "rate_limited", errors.ProviderRateLimited),
    (500, "api_error", "server_error", errors.ProviderUnavailable),
    (529, "overloaded_error", "overloaded", errors.ProviderOverloaded),
]


@pytest.mark.parametrize(("status", "kind", "reason", "wanted"), STATUSES)
async def test_statuses(
    server: AnthropicServer, status: int, kind: str, reason: str, wanted: type[ProviderError]
) -> None:
    """Error statuses become typed errors with how long to wait."""
    body = b'{"type":"error","error":{"type":"%s","message":"x"}}' % kind.encode()
    server.faults.add(MESSAGES, Answer(status=status, body=body, headers={"Retry-After": "7"}))
    error = await failure(server)
    assert (error.reason, type(error), error.status) == (reason, wanted, status)
    assert error.retry_after_s == 7


async def test_refusals_of_the_real_service(server: AnthropicServer) -> None:
    """An unknown model and a long chat are told apart."""
    with pytest.raises(errors.ContextOverflow):
        await ask(server, asked=request(UserMessage(text="word " * 200_000)))
    with pytest.raises(ProviderError) as caught:
        await ask(server, model="nope")
    assert caught.value.status == 404


@pytest.mark.parametrize("fault", [CutBefore(), CutAfter()])
async def test_cut_connections(server: AnthropicServer, fault: CutBefore | CutAfter) -> None:
    """A connection that goes away before the head is a transport error."""
    server.reply(Whole(reply=say("unseen")))
    server.faults.add(MESSAGES, fault)
    assert (await failure(server)).reason == "transport"


async def test_a_request_that_cannot_be_built(server: AnthropicServer) -> None:
    """Half a character and a key with a line end are our own fault; nothing is sent."""
    broken = Lease(label="main", headers={"x-api-key": "hunter2\nX: y"})
    for asked, lease in ((request(UserMessage(text="\ud800")), LEASE), (request(), broken)):
        with pytest.raises(errors.RequestInvalid) as caught:
            await ask(server, asked=asked, lease=lease)
        assert "hunter2" not in str(caught.value)
    assert not server.record


async def test_closing_the_iterator_closes_the_socket(server: AnthropicServer) -> None:
    """A superseded stream ends on the wire at once."""
    server.reply(say("Hel", asyncio.Event(), "lo"))
    main = provider(server)
    async with aclosing(main.stream(request(), LEASE)) as events:
        async for item in events:
            if isinstance(item, TextReceived):
                break
    await server.hung_up()
    await main.close()


async def test_a_reset_leaves_running_streams_alone(server: AnthropicServer) -> None:
    """The next request begins on a new connection; the one that runs ends well."""
    gate = asyncio.Event()
    server.reply(say("Hel", gate, "lo"), "again")
    main = provider(server)
    first = main.stream(request(), LEASE)
    heard = [await anext(first)]
    await main.reset()
    assert text_of([item async for item in main.stream(request(), LEASE)]) == "again"
    gate.set()
    heard += [item async for item in first]
    assert text_of(heard) == "Hello"
    await main.close()


# Time, in jumps.

WAITS: list[tuple[str, tuple[Any, ...], float, str]] = [
    ("silence after words", (HELLO, Silence()), 45, "nothing came"),
    ("silence after the stop reason", (HELLO, FINISH, Silence()), 45, "nothing came"),
    ("pings from the start", (Pings(line=PING, every_s=9),), 120, "no progress"),
    ("pings after words", (HELLO, Pings(line=PING, every_s=9)), 120, "no progress"),
    ("words for ever", (START, Pings(line=text_delta("x"), every_s=9)), 600, "took too long"),
]


@pytest.mark.parametrize(
    ("steps", "bound_s", "words"), [w[1:] for w in WAITS], ids=[w[0] for w in WAITS]
)
def test_bounds(steps: tuple[Any, ...], bound_s: float, words: str) -> None:
    """A stream that goes on without getting anywhere is ended at its bound, its socket closed."""

    async def run() -> None:
        async with AnthropicServer() as server:
            server.reply(Stream(steps=steps))
            loop = asyncio.get_running_loop()
            began = loop.time()
            error = await failure(server, CLOUD)
            assert isinstance(error, errors.StreamBroken)
            assert words in str(error)
            assert bound_s - 1 <= loop.time() - began <= bound_s + 11
            await server.hung_up(60)

    warped(run())


def test_the_first_byte() -> None:
    """A server that accepts and never answers is left after 30 s and the time to connect."""

    async def run() -> None:
        async with AnthropicServer() as server:
            server.faults.add(MESSAGES, HalfOpen())
            loop = asyncio.get_running_loop()
            began = loop.time()
            error = await failure(server, CLOUD)
            assert (error.reason, type(error)) == ("timeout", errors.ProviderUnavailable)
            assert loop.time() - began <= 36

    warped(run())


def test_a_whole_reply_may_take_its_time() -> None:
    """What is not streamed has one bound for all of it."""

    async def run() -> None:
        async with AnthropicServer() as server:
            gate = asyncio.Event()
            asyncio.get_running_loop().call_later(250, gate.set)
            server.reply(Reply(blocks=(Say(deltas=("late", gate)),)))
            asked = request(adjustments=Adjustments(stream=False))
            assert text_of(await ask(server, CLOUD, asked)) == "late"

    warped(run())


@pytest.mark.parametrize(
    ("base_url", "model", "first_byte_s", "progress_s"),
    [
        ("https://api.anthropic.com", "claude-3-5-haiku-latest", 30, 120),
        ("https://api.anthropic.com", "claude-opus-4-8", 30, 300),
        ("http://127.0.0.1:1234", "claude-opus-4-8", LOCAL.first_byte_s, LOCAL.progress_s),
    ],
)
def test_bounds_by_model(base_url: str, model: str, first_byte_s: float, progress_s: float) -> None:
    """Models that think have time to; they answer the request as soon as any other."""
    bounds = thinking_bounds(base_url, model, form_for(model))
    assert (bounds.first_byte_s, bounds.progress_s) == (first_byte_s, progress_s)
