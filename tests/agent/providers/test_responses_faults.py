"""The wire against a server that breaks in bytes and time; one request per attempt."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from agent import errors
from agent.credentials import Lease
from agent.errors import ProviderError
from agent.providers.base import (
    Adjustments,
    Stop,
    StreamCompleted,
    StreamEvent,
    UsageReported,
)
from agent.providers.bounds import CLOUD
from agent.providers.openai_responses import OpenAIResponses, ResponsesEndpoint
from tests.agent.providers.responses_asking import (
    ASKED,
    BEGIN,
    END,
    FULL,
    HELLO,
    KEY,
    LEASE,
    PLAIN,
    QUICK,
    USED,
    ask,
    failure,
    provider,
    request,
    text_of,
)
from tests.warp import warped
from tests.wire.openai.server import HUNG_UP
from tests.wire.responses import (
    RESPONSES,
    Cut,
    Pings,
    Reset,
    ResponsesServer,
    Silence,
    Stream,
    Whole,
    event,
    stream_of,
)
from tests.wire.responses.script import said
from tests.wire.server import Answer, CutAfter, CutBefore, HalfOpen, limited


@pytest.fixture
async def server() -> AsyncIterator[ResponsesServer]:
    async with ResponsesServer(key=KEY) as server:
        yield server


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
    bounds = replace(QUICK, **{bound: limit})
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
