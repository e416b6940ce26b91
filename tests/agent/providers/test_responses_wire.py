"""The wire against the loopback server: faults in bytes and time, one request per attempt."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from agent import errors
from agent.credentials import Lease
from agent.errors import ProviderError
from agent.messages import (
    AssistantMessage,
    ProviderPart,
    ResultStatus,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
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
from agent.providers.bounds import CLOUD, Bounds
from agent.providers.openai_responses import OpenAIResponses, ResponsesEndpoint
from tests.warp import warped
from tests.wire.openai.server import HUNG_UP
from tests.wire.responses import (
    RESPONSES,
    CallTool,
    Cut,
    Pings,
    Refuse,
    Reply,
    Reset,
    ResponsesServer,
    Say,
    Silence,
    Stream,
    Think,
    Whole,
    event,
    stream_of,
)
from tests.wire.responses.script import said
from tests.wire.server import Answer, CutAfter, CutBefore, HalfOpen, limited

KEY = "sk-loopback"
LEASE = Lease(label="main", headers={"Authorization": f"Bearer {KEY}"})
QUICK = Bounds(connect_s=2, first_byte_s=2, idle_s=2, progress_s=2, step_s=4, collected_s=4)
FILES = ToolSpec(name="files", description="Files.", parameters={"type": "object"})
PLAIN = Adjustments(plain=True)
WHOLE = Adjustments(stream=False)
ASKED = {"model": "loopback-1", "include": ["reasoning.encrypted_content"]}
BEGIN = event("response.created", response={"model": "loopback-1"})
HELLO = event("response.output_text.delta", output_index=0, delta="Hel")
USED = {"input_tokens": 9, "output_tokens": 3}
END = event("response.completed", response={"output": [], "usage": USED})


def request(text: str = "hello", **kwargs: Any) -> ModelRequest:
    options: dict[str, Any] = {"system": "Be kind.", "tools": (), "max_output_tokens": None}
    return ModelRequest(messages=(UserMessage(text=text),), **(options | kwargs))


def provider(server: ResponsesServer, bounds: Bounds = QUICK, **kwargs: Any) -> OpenAIResponses:
    given = {"name": "main", "base_url": server.base_url, "model": "loopback-1"} | kwargs
    return OpenAIResponses(ResponsesEndpoint(**given), bounds=bounds)


@pytest.fixture
async def server() -> AsyncIterator[ResponsesServer]:
    async with ResponsesServer(key=KEY) as server:
        yield server


async def ask(
    server: ResponsesServer,
    bounds: Bounds = QUICK,
    asked: ModelRequest | None = None,
    **kwargs: Any,
) -> list[StreamEvent]:
    """All events of one attempt by a provider of its own, which makes exactly one request."""
    before = len(server.requests(RESPONSES))
    main = provider(server, bounds, **kwargs)
    try:
        return [event async for event in main.stream(asked or request(), LEASE)]
    finally:
        await main.close()
        assert len(server.requests(RESPONSES)) == before + 1


async def failure(
    server: ResponsesServer,
    bounds: Bounds = QUICK,
    asked: ModelRequest | None = None,
    **kwargs: Any,
) -> ProviderError:
    """The one error of an attempt, which made exactly one request."""
    with pytest.raises(ProviderError) as caught:
        await ask(server, bounds, asked, **kwargs)
    assert KEY not in str(caught.value)
    return caught.value


def text_of(events: list[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextReceived))


def parts_in(events: list[StreamEvent]) -> list[Any]:
    return [event.part for event in events if isinstance(event, PartCompleted)]


FULL = Reply(
    items=(
        Think(summary=("I look.",)),
        Say(deltas=("Grüße ", "🎉")),
        CallTool(name="files", arguments='{"ä": 1}', id="call_x", piece=3),
    )
)


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


BROKEN: list[tuple[str, tuple[Any, ...], str]] = [
    ("empty stream", (), "stream_broken"),
    ("prelude and nothing else", (BEGIN,), "stream_broken"),
    ("clean end without marker", (BEGIN, HELLO), "stream_broken"),
    ("an end line is no marker", (BEGIN, HELLO, b"data: [DONE]\n\n"), "stream_broken"),
    (
        "whole items without a marker",
        tuple(s for s in stream_of(FULL, ASKED)[:-1] if isinstance(s, bytes)),
        "stream_broken",
    ),
    (
        "a call known from deltas",
        (
            event("response.function_call_arguments.delta", output_index=0, delta="{}"),
            END,
        ),
        "stream_broken",
    ),
    (
        "incomplete for another reason",
        (HELLO, event("response.incomplete", response={"incomplete_details": {"reason": "x"}})),
        "stream_broken",
    ),
    ("cut after the head", (b": ping\n\n", Cut()), "transport"),
    ("cut in an event", (BEGIN, HELLO[:40], Cut()), "transport"),
    ("reset", (BEGIN, HELLO, Reset()), "transport"),
    ("a page", (b"<!doctype html><html></html>",), "reply_malformed"),
    ("cut JSON", (b'{"output": [',), "reply_malformed"),
    ("garbage lines", (BEGIN, b"data: %\n\n" * 4), "reply_malformed"),
    ("output no list", (event("response.completed", response={"output": {}}),), "reply_malformed"),
    ("error frame first", (event("error", code="server_error", message="boom"),), "server_error"),
    (
        "error frame later",
        (BEGIN, HELLO, event("error", error={"type": "overloaded_error", "message": "Overloaded"})),
        "overloaded",
    ),
    (
        "reasoning that can't be verified, in the prelude",
        (
            event(
                "error",
                error={
                    "type": "invalid_request_error",
                    "code": "invalid_encrypted_content",
                    "message": "The encrypted content gAAA...DQ== could not be verified.",
                },
            ),
        ),
        "encrypted_reasoning",
    ),
    (
        "failed: a limit",
        (
            BEGIN,
            event(
                "response.failed",
                response={
                    "status": "failed",
                    "error": {"code": "rate_limit_exceeded", "message": "Rate limit reached"},
                },
            ),
        ),
        "rate_limited",
    ),
    (
        "failed: too long",
        (
            event(
                "response.failed",
                response={
                    "error": {
                        "code": "context_length_exceeded",
                        "message": "Your input exceeds the context window of this model.",
                    }
                },
            ),
        ),
        "context_overflow",
    ),
    (
        "failed: nothing said",
        (event("response.failed", response={"error": None}),),
        "server_error",
    ),
    (
        "no subscription, inside a 200",
        (
            event(
                "error",
                code="permission-denied",
                error="You have no active Grok subscription. Manage it at https://grok.com",
            ),
        ),
        "entitlement",
    ),
    ("error body with 200", (b'{"error": {"message": "bad", "code": 401}}',), "auth"),
    (
        "failed body with 200",
        (json.dumps({"status": "failed", "error": {"code": "server_error"}}).encode(),),
        "server_error",
    ),
]


@pytest.mark.parametrize(("steps", "reason"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
async def test_broken_answers(server: ResponsesServer, steps: tuple[Any, ...], reason: str) -> None:
    """Each way an answer can break is one typed error, and nothing completes."""
    server.respond(Stream(steps=steps))
    assert (await failure(server)).reason == reason


ERRORS: list[tuple[str, int, dict[str, Any]]] = [
    ("limit", 429, {"type": "rate_limit_error", "message": "Rate limit reached, retry in 7s"}),
    ("quota", 429, {"code": "insufficient_quota", "message": "You exceeded your current quota"}),
    (
        "usage limit",
        429,
        {"type": "usage_limit_reached", "message": "The usage limit has been reached"},
    ),
    ("overload", 529, {"type": "overloaded_error", "message": "Overloaded"}),
    ("key", 401, {"type": "authentication_error", "message": "bad key"}),
    (
        "encrypted reasoning",
        400,
        {"type": "invalid_request_error", "code": "invalid_encrypted_content", "message": "no"},
    ),
    (
        "too long",
        400,
        {"type": "invalid_request_error", "code": "context_length_exceeded", "message": "long"},
    ),
    (
        "safety",
        400,
        {"type": "invalid_request_error", "code": "content_policy_violation", "message": "no"},
    ),
]


@pytest.mark.parametrize(("status", "error"), [e[1:] for e in ERRORS], ids=[e[0] for e in ERRORS])
async def test_an_error_frame_is_classified_like_a_body(
    server: ResponsesServer, status: int, error: dict[str, Any]
) -> None:
    """The same error means the same as a status, a frame with its status, and a failed response."""
    frame = event("error", status_code=status, error=error)
    failed = event("response.failed", response={"status": "failed", "error": error})
    server.respond(
        Answer(status=status, body=json.dumps({"error": error}).encode()),
        Stream(steps=(frame,)),
        Stream(steps=(BEGIN, HELLO, frame)),
        Stream(steps=(BEGIN, failed)),
    )
    reasons = [(await failure(server)).reason for _ in range(4)]
    assert len(set(reasons)) == 1
    assert reasons[0] not in ("unknown", "stream_broken", "server_error", "bad_request")


GROK: list[tuple[str, dict[str, Any], str]] = [
    (
        "entitlement",
        {"code": "permission-denied", "error": "You have no active Grok subscription."},
        "entitlement",
    ),
    (
        "spending limit",
        {"code": "personal-team-blocked:spending-limit", "error": "Your team is blocked."},
        "billing",
    ),
]


@pytest.mark.parametrize(("body", "reason"), [g[1:] for g in GROK], ids=[g[0] for g in GROK])
async def test_what_grok_says_by_code_or_text(
    server: ResponsesServer, body: dict[str, Any], reason: str
) -> None:
    """With or without a status, also inside a 200: the same reason."""
    failed = {"code": body["code"], "message": body["error"]}
    server.respond(
        Answer(status=403, body=json.dumps(body).encode()),
        Stream(steps=(event("error", **body),)),
        Stream(steps=(BEGIN, HELLO, event("response.failed", response={"error": failed}))),
        Stream(steps=(json.dumps(body).encode(),)),
    )
    assert [(await failure(server)).reason for _ in range(4)] == [reason] * 4


async def test_words_and_usage_before_a_failure_are_heard(server: ResponsesServer) -> None:
    """What came before an error is reported before it, even if all came in one piece."""
    failed = {"error": {"code": "server_error", "message": "boom"}, "usage": USED}
    server.respond(Stream(steps=(BEGIN + HELLO + event("response.failed", response=failed),)))
    main = provider(server)
    heard: list[StreamEvent] = []
    with pytest.raises(errors.ProviderUnavailable):
        async for each in main.stream(request(), LEASE):
            heard.append(each)
    await main.close()
    assert text_of(heard) == "Hel"
    assert isinstance(heard[-1], UsageReported)


async def test_a_refusal_is_filtered(server: ResponsesServer) -> None:
    """The words of a refusal are shown, and the stop says what they are."""
    server.respond(Reply(items=(Refuse(text="I can't help."),)))
    events = await ask(server)
    assert text_of(events) == "I can't help."
    assert events[-1] == StreamCompleted(stop=Stop.FILTERED)


async def test_cut_at_every_byte(server: ResponsesServer) -> None:
    """Cut anywhere before its marker, a stream never completes; after it, always."""
    stream = BEGIN + HELLO + END
    marker = len(stream) - 1  # the blank line completes the event
    main = provider(server)
    for end in (*range(0, len(stream), 17), len(stream) - 3, len(stream)):
        server.respond(Stream(steps=(stream[:end], Cut())))
        if end < marker:
            with pytest.raises(errors.ProviderUnavailable):
                [event async for event in main.stream(request(), LEASE)]
        else:
            events = [event async for event in main.stream(request(), LEASE)]
            assert events[-1] == StreamCompleted(stop=Stop.DONE)
    await main.close()


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


# Bounds: on a loop whose clock jumps.

BOUNDS: list[tuple[str, tuple[Any, ...], Adjustments, float, str]] = [
    ("silence after words", (BEGIN, HELLO, Silence()), Adjustments(), 45, "nothing came"),
    ("pings for ever", (BEGIN, HELLO, Pings(every_s=10)), Adjustments(), 120, "no progress"),
    ("pings from the start", (Pings(every_s=10),), Adjustments(), 120, "no progress"),
    (
        "events nobody knows for ever",
        (BEGIN, Pings(every_s=10, line=event("keepalive"))),
        Adjustments(),
        120,
        "no progress",
    ),
    (
        "words for ever",
        (Pings(every_s=10, line=HELLO),),
        Adjustments(),
        600,
        "the whole step took too long",
    ),
    ("plain, pings for ever", (BEGIN, Pings(every_s=10)), PLAIN, 300, ""),
    ("plain, silence", (BEGIN, Silence()), PLAIN, 300, ""),
]


@pytest.mark.parametrize(
    ("steps", "adjustments", "seconds", "words"),
    [b[1:] for b in BOUNDS],
    ids=[b[0] for b in BOUNDS],
)
def test_bounds(
    steps: tuple[Any, ...], adjustments: Adjustments, seconds: float, words: str
) -> None:
    """A stream that goes on without getting anywhere is ended, and its socket closed."""

    async def story() -> None:
        async with ResponsesServer(key=KEY, codex=True) as server:
            server.respond(Stream(steps=steps))
            loop = asyncio.get_running_loop()
            began = loop.time()
            asked = request(adjustments=adjustments)
            error = await failure(server, CLOUD, asked, stream_only=True)
            assert isinstance(error, errors.StreamBroken)
            assert words in str(error)
            assert seconds <= loop.time() - began <= seconds + 11
            await _hung_up(server)

    warped(story())


async def _hung_up(server: ResponsesServer) -> None:
    """The client has left; time jumps on this loop, so it is not what is waited for."""
    await server.hung_up(timeout=3600)
    assert server.requests(HUNG_UP)


@pytest.mark.parametrize(("adjustments", "seconds"), [(Adjustments(), 30), (PLAIN, 300)])
def test_first_byte(adjustments: Adjustments, seconds: float) -> None:
    """A server that accepts and never answers is left after the bound of what was asked."""

    async def story() -> None:
        async with ResponsesServer(key=KEY) as server:
            server.faults.add(RESPONSES, HalfOpen())
            loop = asyncio.get_running_loop()
            began = loop.time()
            error = await failure(server, CLOUD, request(adjustments=adjustments))
            assert (error.reason, type(error)) == ("timeout", errors.ProviderUnavailable)
            assert seconds <= loop.time() - began <= seconds + 6

    warped(story())


@pytest.mark.parametrize(
    ("bound", "limit"), [("step_bytes", 2000), ("line_bytes", 500), ("arguments_bytes", 50)]
)
async def test_bounds_in_bytes(server: ResponsesServer, bound: str, limit: int) -> None:
    """Too many bytes, in all, of a line or of a call, end the attempt."""
    lines: dict[str, Any] = {
        "step_bytes": Pings(line=HELLO),
        "line_bytes": Pings(line=b"x" * 200),
        "arguments_bytes": Pings(
            line=event("response.function_call_arguments.delta", output_index=0, delta="x" * 20)
        ),
    }
    server.respond(Stream(steps=(lines[bound],)))
    bounds = Bounds(connect_s=2, first_byte_s=2, idle_s=2, progress_s=2, step_s=4, **{bound: limit})
    error = await failure(server, bounds)
    assert isinstance(error, errors.StreamBroken)
    assert "too long" in str(error)
    await server.hung_up()


def test_a_reasoning_model_has_the_bounds_of_one() -> None:
    """What its name does not tell, the entry does."""

    async def story() -> None:
        endpoint = ResponsesEndpoint(
            name="main", base_url="http://127.0.0.1.example/v1", model="m", reasons=True
        )
        main = OpenAIResponses(endpoint)
        async with ResponsesServer(key=KEY) as server:
            server.faults.add(RESPONSES, HalfOpen())
            lease = Lease(label="main", headers=LEASE.headers, base_url=server.base_url)
            loop = asyncio.get_running_loop()
            began = loop.time()
            with pytest.raises(errors.ProviderUnavailable):
                [each async for each in main.stream(request(), lease)]
            assert 120 <= loop.time() - began <= 126
        await main.close()

    warped(story())


async def test_more_than_was_asked_for(server: ResponsesServer) -> None:
    """A reply far beyond its cap is ended; where nothing caps it, it may go on."""
    words = said(*["many words, " * 10] * 5)
    server.respond(words, words)
    asked = request(max_output_tokens=16)
    assert "longer than its cap" in str(await failure(server, asked=asked))
    omit = frozenset({"max_output_tokens"})
    assert (await ask(server, asked=asked, omit=omit))[-1] == StreamCompleted(stop=Stop.DONE)


STATUSES: list[tuple[str, Answer, str, type[ProviderError]]] = [
    ("500", Answer(status=500), "server_error", errors.ProviderUnavailable),
    (
        "502 page",
        Answer(status=502, body=b"<html>", content_type="text/html"),
        "server_error",
        errors.ProviderUnavailable,
    ),
    (
        "429",
        limited(b'{"error":{"message":"slow"}}', "7"),
        "rate_limited",
        errors.ProviderRateLimited,
    ),
    ("404", Answer(status=404), "unknown", errors.ProviderUnavailable),
    ("no body", Answer(status=400, body=b""), "bad_request", errors.RequestRejected),
    (
        "302",
        Answer(status=302, headers={"Location": "http://127.0.0.1:1/"}),
        "unknown",
        errors.ProviderUnavailable,
    ),
]


@pytest.mark.parametrize(
    ("answer", "reason", "kind"), [s[1:] for s in STATUSES], ids=[s[0] for s in STATUSES]
)
async def test_statuses(
    server: ResponsesServer, answer: Answer, reason: str, kind: type[ProviderError]
) -> None:
    """Error statuses become typed errors with their facts; redirects are not followed."""
    server.faults.add(RESPONSES, answer)
    error = await failure(server)
    assert (error.reason, type(error), error.status) == (reason, kind, answer.status)


async def test_refusals_of_the_real_service(server: ResponsesServer) -> None:
    """A wrong key, an unknown model and a long chat are told apart, and no key is repeated."""
    wrong = Lease(label="main", headers={"Authorization": "Bearer sk-wrong-key-123456"})
    main = provider(server)
    with pytest.raises(errors.ProviderAuthFailed) as caught:
        [event async for event in main.stream(request(), wrong)]
    assert "sk-wrong" not in str(caught.value)
    with pytest.raises(errors.ContextOverflow):
        [event async for event in main.stream(request("word " * 200_000), LEASE)]
    await main.close()
    other = provider(server, model="nope")
    with pytest.raises(errors.ModelUnavailable):
        [event async for event in other.stream(request(), LEASE)]
    await other.close()


@pytest.mark.parametrize("fault", [CutBefore(), CutAfter()])
async def test_cut_connections(server: ResponsesServer, fault: CutBefore | CutAfter) -> None:
    """A connection that goes away before the head is a transport error, and not tried again."""
    server.respond(Whole(reply=said("unseen")))
    server.faults.add(RESPONSES, fault)
    error = await failure(server)
    assert (error.reason, type(error)) == ("transport", errors.ProviderUnavailable)


async def test_nobody_listens() -> None:
    """A dead port is a transport error at once."""
    async with ResponsesServer(key=KEY) as server:
        pass
    main = provider(server)
    with pytest.raises(errors.ProviderUnavailable) as caught:
        [event async for event in main.stream(request(), LEASE)]
    assert caught.value.reason == "transport"
    await main.close()


@pytest.mark.parametrize("base_url", ["nonsense", "ftp://127.0.0.1/v1"])
async def test_an_address_that_is_none(base_url: str) -> None:
    """What can't even be built is our own fault."""
    endpoint = ResponsesEndpoint(name="main", base_url=base_url, model="m")
    main = OpenAIResponses(endpoint, bounds=QUICK)
    with pytest.raises(errors.RequestInvalid):
        [event async for event in main.stream(request(), LEASE)]
    await main.close()


async def test_a_request_that_cannot_be_built(server: ResponsesServer) -> None:
    """Half a character is our own fault; nothing is sent."""
    main = provider(server)
    with pytest.raises(errors.RequestInvalid):
        [event async for event in main.stream(request("\ud800"), LEASE)]
    await main.close()
    assert not server.record


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
        await asyncio.wait_for(reading.wait(), 5)
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
    await server.seen(lambda _: len(server.requests(RESPONSES)) == 50, timeout=20)
    gate.set()
    assert sorted(await asyncio.gather(*tasks)) == sorted(f"a{n}" for n in range(50))
    await main.close()
