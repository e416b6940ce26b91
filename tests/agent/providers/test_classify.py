"""From facts to reasons: a recorded answer for every row, every trap of their order."""

import json
import socket
import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson
import pytest

from agent import errors
from agent.credentials import Lease, Service
from agent.messages import Origin
from agent.providers.attempt import Attempt
from agent.providers.classify import (
    CAUSE_DEPTH,
    CLASSES,
    ERROR_TEXT,
    Facts,
    causes_of,
    classify_error,
    reason_of,
    status_of,
)
from agent.providers.classify_rows import ROWS
from agent.providers.error_body import read_body, read_error
from tests.agent.providers import recorded
from tests.agent.providers.recorded import Recorded

ORIGIN = Origin(provider="main", endpoint="http://h/v1", model="m")
DECODED = {"stream_broken", "reply_malformed"}
"""Reasons that our own decoders name, and no words."""


def classified(case: Recorded) -> errors.ProviderError:
    attempt = Attempt(ORIGIN, Lease(label="key 1", headers={}), service=case.service)
    attempt.fill = case.fill
    if case.status == 200:
        return attempt.in_band(orjson.loads(case.body))
    return attempt.refused(case.status, case.body)


def said(status: int | None, message: str = "", code: str = "", kind: str = "") -> Facts:
    return Facts(status=status, message=message, code=code, type=kind)


@pytest.mark.parametrize(
    "case", recorded.ROWS + recorded.TRAPS, ids=[c.name for c in recorded.ROWS + recorded.TRAPS]
)
def test_recorded_answers(case: Recorded) -> None:
    """Each has its reason, the class bound to that, and says whose it is."""
    error = classified(case)
    assert error.reason == case.reason
    assert type(error) is CLASSES[case.reason]
    assert (error.provider, error.endpoint, error.model) == ("main", "http://h/v1", "m")
    assert error.credential == "key 1"
    assert case.status in (error.status, 200)
    assert len(str(error)) < 600


def test_every_reason_has_a_recorded_answer() -> None:
    """No row is there by guess: those without an answer have other tests below."""
    named = {case.reason for case in recorded.ROWS}
    assert {reason for reason, _ in ROWS} - named == {"request_invalid"}
    assert set(CLASSES) - named == DECODED | {"request_invalid"}


def test_each_reason_is_bound_to_one_class() -> None:
    """The table of the ladder: every reason, and nothing but classes that the ladder knows."""
    assert {reason: kind.__name__ for reason, kind in CLASSES.items()} == {
        "request_invalid": "RequestInvalid",
        "tls_untrusted": "TlsUntrusted",
        "content_blocked": "ContentBlocked",
        "thinking_signature": "NeedsAdjustment",
        "long_context_tier": "NeedsAdjustment",
        "long_context_beta": "NeedsAdjustment",
        "grammar": "NeedsAdjustment",
        "encrypted_reasoning": "NeedsAdjustment",
        "billing": "CredentialExhausted",
        "auth": "ProviderAuthFailed",
        "entitlement": "NotEntitled",
        "copilot_stale": "ProviderAuthFailed",
        "tool_images": "NeedsAdjustment",
        "image_too_large": "NeedsAdjustment",
        "image_unsupported": "NeedsAdjustment",
        "effort": "NeedsAdjustment",
        "output_cap": "NeedsAdjustment",
        "streaming_unsupported": "NeedsAdjustment",
        "parameter": "RequestRejected",
        "payload_too_large": "ContextOverflow",
        "empty_advisory": "ProviderUnavailable",
        "context_overflow": "ContextOverflow",
        "policy_blocked": "PolicyBlocked",
        "model_missing": "ModelUnavailable",
        "upstream_limited": "ProviderRateLimited",
        "overloaded": "ProviderOverloaded",
        "rate_limited": "ProviderRateLimited",
        "forbidden": "NotEntitled",
        "timeout": "ProviderUnavailable",
        "transport": "ProviderUnavailable",
        "server_error": "ProviderUnavailable",
        "stream_broken": "StreamBroken",
        "reply_malformed": "ReplyMalformed",
        "bad_request": "RequestRejected",
        "unknown": "ProviderUnavailable",
    }
    assert {reason for reason, _ in ROWS} | DECODED | {"unknown"} == set(CLASSES)


def test_the_order_of_the_rows() -> None:
    """Rows are asked in the order of the design; the first that matches wins."""
    order = [reason for reason, _ in ROWS]
    assert order == [
        "request_invalid",
        "tls_untrusted",
        "content_blocked",
        "thinking_signature",
        "long_context_tier",
        "long_context_beta",
        "grammar",
        "encrypted_reasoning",
        "billing",
        "auth",
        "entitlement",
        "copilot_stale",
        "rate_limited",
        "billing",
        "tool_images",
        "image_too_large",
        "image_unsupported",
        "effort",
        "output_cap",
        "streaming_unsupported",
        "parameter",
        "payload_too_large",
        "empty_advisory",
        "context_overflow",
        "policy_blocked",
        "model_missing",
        "upstream_limited",
        "overloaded",
        "rate_limited",
        "auth",
        "forbidden",
        "timeout",
        "context_overflow",
        "transport",
        "server_error",
        "context_overflow",
        "bad_request",
    ]


def caused(*causes: BaseException, **facts: Any) -> Facts:
    return Facts(causes=causes, **facts)


ALERT = ssl.SSLError(1, "[SSL: TLSV1_ALERT_INTERNAL_ERROR] tlsv1 alert internal error")
UNTRUSTED = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] bad")
GONE = aiohttp.ServerDisconnectedError()
REFUSED = aiohttp.ClientConnectorError(
    aiohttp.client_reqrep.ConnectionKey("h", 443, False, True, None, None, None),
    ConnectionRefusedError(),
)


class RateLimitError(Exception):
    """As vendors' own clients raise it."""


class OddStatusError(Exception):
    status_code = 529


CAUSED: list[tuple[str, Facts]] = [
    ("request_invalid", caused(ValueError("lone surrogate"), built=False)),
    ("request_invalid", caused(UNTRUSTED, built=False)),
    ("tls_untrusted", caused(OSError(), UNTRUSTED)),
    ("tls_untrusted", caused(OSError("certificate verify failed: expired"))),
    ("transport", caused(ALERT, fill=0.94)),
    ("transport", caused(GONE, fill=0.95)),
    ("context_overflow", caused(GONE, fill=0.951)),
    ("context_overflow", caused(ALERT, fill=0.96)),
    ("transport", caused(GONE, fill=0.99, reasons=True)),
    ("transport", caused(GONE, fill=0.99, head=True)),
    ("transport", caused(REFUSED, fill=0.99)),
    ("timeout", caused(aiohttp.ServerTimeoutError(), fill=0.99)),
    ("timeout", caused(TimeoutError())),
    ("transport", caused(ConnectionResetError())),
    ("unknown", Facts()),
    ("unknown", said(302)),
]


@pytest.mark.parametrize(("reason", "facts"), CAUSED)
def test_failed_connections(reason: str, facts: Facts) -> None:
    """By the chain of causes; a drop is an overflow only where the window is all but full."""
    assert reason_of(facts) == reason


def test_a_request_that_left_or_did_not() -> None:
    """What never connected was never sent."""
    assert not caused(REFUSED).sent
    assert not caused(aiohttp.ConnectionTimeoutError()).sent
    assert not caused(OSError(), socket.gaierror()).sent
    assert caused(aiohttp.ServerTimeoutError()).sent
    assert caused(aiohttp.ClientConnectionResetError()).sent
    assert caused(REFUSED, head=True).sent
    attempt = Attempt(ORIGIN, Lease(label="", headers={}))
    assert not attempt.failed(REFUSED).sent
    assert not attempt.invalid(ValueError()).sent
    assert attempt.failed(GONE).sent
    assert attempt.refused(503, b"").sent
    assert attempt.broken("silence", silent=True).sent
    assert not caused(GONE, built=False).sent
    assert caused(GONE).sent


def test_the_status_is_looked_up_in_the_causes() -> None:
    """Any exception of the chain may carry it; one named after a rate limit is a 429."""
    assert status_of((ValueError(), OddStatusError())) == 529
    assert status_of((ValueError(), RateLimitError())) == 429
    assert status_of((TimeoutError(), ValueError())) is None
    attempt = Attempt(ORIGIN, Lease(label="", headers={}))
    outer = ValueError()
    outer.__cause__ = RateLimitError("slow down")
    assert attempt.failed(outer).reason == "rate_limited"
    assert attempt.failed(TimeoutError()).reason == "timeout"


def test_causes_are_followed_without_end() -> None:
    """A chain that bites its own tail ends, and is at most five deep."""
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__context__ = second, first
    assert causes_of(first) == (first, second)
    deep: BaseException = ValueError(0)
    for number in range(1, 9):
        after = ValueError(number)
        after.__cause__ = deep
        deep = after
    assert len(causes_of(deep)) == CAUSE_DEPTH == 5


@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [
        ("authentication_error", 401, "auth"),
        ("billing_error", 402, "billing"),
        ("permission_error", 403, "forbidden"),
        ("not_found_error", 404, "unknown"),
        ("request_too_large", 413, "payload_too_large"),
        ("insufficient_quota", 429, "billing"),
        ("rate_limit_error", 429, "rate_limited"),
        ("rate_limit_exceeded", 429, "rate_limited"),
        ("usage_limit_reached", 429, "rate_limited"),
        ("RESOURCE_EXHAUSTED", 429, "rate_limited"),
        ("api_error", 500, "server_error"),
        ("server_error", 500, "server_error"),
        ("UNAVAILABLE", 503, "overloaded"),
        ("timeout_error", 504, "timeout"),
        ("overloaded_error", 529, "overloaded"),
        ("invalid_request_error", 400, "bad_request"),
        ("something_else", None, "server_error"),
    ],
)
@pytest.mark.parametrize("field", ["type", "code", "status"])
def test_types_inside_a_stream_count_as_their_status(
    kind: str, status: int | None, reason: str, field: str
) -> None:
    """An error after a 200 is what the same error is as a status."""
    error = Attempt(ORIGIN, Lease(label="", headers={})).in_band({"error": {field: kind}})
    assert (error.status, error.reason) == (status, reason)


@pytest.mark.parametrize(
    ("service", "endpoint", "reason"),
    [
        (Service.XAI, "http://h/v1", "auth"),
        (Service.STATIC, "https://api.x.ai/v1", "auth"),
        (Service.STATIC, "https://notx.ai/v1", "forbidden"),
    ],
)
def test_whose_answer_it_is(service: Service, endpoint: str, reason: str) -> None:
    """Words of one provider count where its login is used, or its address is asked."""
    origin = Origin(provider="main", endpoint=endpoint, model="m")
    attempt = Attempt(origin, Lease(label="", headers={}), service=service)
    body = b'{"code":"unauthenticated:bad-credentials","error":"x"}'
    assert attempt.refused(403, body).reason == reason


def test_the_lease_may_lead_elsewhere() -> None:
    """An exchange names the address, and that one answers."""
    lease = Lease(label="", headers={}, base_url="https://api.business.githubcopilot.com")
    body = b'{"error":{"message":"x","code":"model_not_supported"}}'
    assert Attempt(ORIGIN, lease).refused(400, body).reason == "copilot_stale"


@pytest.mark.parametrize(
    ("message", "figure", "pixels", "levels"),
    [
        ("max_tokens: 9 > 8, which is the maximum allowed number of output tokens", 8, None, ()),
        ("max_tokens is too large: 100,000. This model supports at most 16,384 completion tokens,"
         " whereas you provided 100,000.", 16384, None, ()),
        ("max_completion_tokens is too large", None, None, ()),
        ("image exceeds 5 MB maximum: 6000000 bytes > 5242880 bytes", 5242880, None, ()),
        ("image exceeds the 10MB limit", 10485760, None, ()),
        ("At least one of the image dimensions exceed max allowed size for many-image requests: "
         "2000 pixels", None, 2000, ()),
        ("image dimensions exceed 8000 px (9000 px)", None, 8000, ()),
        ("image is too large", None, None, ()),
        ("reasoning_effort: Input should be 'low' or 'high' [type=literal_error, "
         "input_value='max']", None, None, ("low", "high")),
        ("'high' is not supported: reasoning_effort", None, None, ()),
    ],
)  # fmt: skip
def test_figures(
    message: str, figure: int | None, pixels: int | None, levels: tuple[str, ...]
) -> None:
    """What a text names is read for the heal; what it does not name is not guessed."""
    error = classify_error(said(400, message), ORIGIN)
    assert isinstance(error, errors.NeedsAdjustment)
    assert (error.figure, error.pixels, error.levels) == (figure, pixels, levels)


def test_counts_of_an_overflow() -> None:
    """How long it was and may be is kept for the reader."""
    text = "prompt is too long: 210000 tokens > 200000 maximum"
    error = classify_error(said(400, text), ORIGIN)
    assert isinstance(error, errors.ContextOverflow)
    assert (error.tokens, error.limit) == (210_000, 200_000)


def test_secrets_are_cut_out() -> None:
    """Neither the lease's secret nor anything shaped like a key is repeated."""
    lease = Lease(label="k", headers={"Authorization": "Bearer hunter2"})
    body = b'{"error":"bad key hunter2 for sk-proj-abcdefghijkl\\nat once"}'
    text = str(Attempt(ORIGIN, lease).refused(401, body))
    assert "hunter2" not in text
    assert "sk-proj" not in text
    assert "\n" not in text
    assert text.startswith("status 401")
    named = json.dumps({"error": {"message": "no", "code": "key hunter2 is wrong"}}).encode()
    assert str(Attempt(ORIGIN, lease).refused(400, named)) == "status 400, key *** is wrong, no"
    late = json.dumps({"error": {"message": "x" * 494 + " hunter2"}}).encode()
    assert "hun" not in str(Attempt(ORIGIN, lease).refused(400, late))


@pytest.mark.parametrize("status", [400, 402, 404, 429, 500, 503])
def test_how_long_to_wait_counts_on_any_status(status: int) -> None:
    """Headers before the body's field before its words."""
    attempt = Attempt(ORIGIN, Lease(label="k", headers={}))
    body = b'{"error":{"message":"try again in 20s","resets_in_seconds":30}}'
    assert attempt.refused(status, b'{"error":"try again in 20s"}').retry_after_s == 20
    assert attempt.refused(status, body).retry_after_s == 30
    attempt.headers = {"retry-after": "7"}
    assert attempt.refused(status, body).retry_after_s == 7


def test_a_word_against_trying_again() -> None:
    """The provider's own word forbids the retry, and its request id is kept."""
    attempt = Attempt(ORIGIN, Lease(label="k", headers={}))
    assert attempt.refused(500, b"").retry
    attempt.headers = {"x-should-retry": "false", "request-id": "req_1"}
    error = attempt.refused(500, b'{"error":{},"request_id":"req_body"}')
    assert not error.retry
    assert error.request_id == "req_1"
    attempt.headers = {"x-should-retry": "true"}
    error = attempt.refused(500, b'{"error":{"message":"x"},"request_id":"req_body"}')
    assert error.retry
    assert error.request_id == "req_body"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": {"message": "m", "type": "t", "code": "c"}}, ("c", "t", "m", None)),
        ({"error": {"message": "m", "code": 502}}, ("", "", "m", 502)),
        ({"error": {"message": "m", "code": "502"}}, ("502", "", "m", 502)),
        ({"error": {"message": "m", "code": -32001}}, ("-32001", "", "m", None)),
        (
            {"error": {"message": "m", "type": "overloaded_error"}},
            ("", "overloaded_error", "m", 529),
        ),
        ({"error": {"message": "m", "code": "server_error"}}, ("server_error", "", "m", 500)),
        ({"error": {"message": "m", "http_code": "529"}}, ("", "", "m", 529)),
        ({"error": "words"}, ("", "", "words", None)),
        ({"error": "words", "code": "c"}, ("c", "", "words", None)),
        ({"errors": [{"message": "m", "code": 10000}]}, ("10000", "", "m", None)),
        ({"object": "error", "message": "m", "code": 400}, ("", "", "m", 400)),
        ({"detail": "Not Found"}, ("", "", "Not Found", None)),
        ({"detail": [{"msg": "a", "input": "secret"}, {"type": "b"}, 7]}, ("", "", "a; b", None)),
        ([{"error": {"message": "m", "code": 429}}], ("", "", "m", 429)),
        (
            {"error": {"message": "litellm: {\"error\":{\"message\":\"m\",\"code\":\"c\"}}"}},
            ("", "", "litellm: | c m", None),
        ),
        ({"error": {"message": "a {broken} b"}}, ("", "", "a {broken} b", None)),
        ({"error": None}, ("", "", "", None)),
        ({"error": 7}, ("", "", "", None)),
        (7, ("", "", "", None)),
        (None, ("", "", "", None)),
        ([], ("", "", "", None)),
        ({}, ("", "", "", None)),
    ],
)  # fmt: skip
def test_error_bodies(body: Any, expected: tuple[str, str, str, int | None]) -> None:
    """Error bodies in the shapes that are in use."""
    read = read_error(body)
    assert (read.code, read.type, read.message, read.status) == expected


def test_the_inner_error_of_an_aggregator_counts() -> None:
    """JSON text wrapped into the outer error is read too, apart from the outer words."""
    raw = '{"error":{"message":"prompt is too long","type":"invalid_request_error"}}'
    outer: Mapping[str, Any] = {
        "message": "Provider returned error",
        "code": 400,
        "metadata": {"raw": raw},
    }
    read = read_error({"error": outer})
    assert read.message == "Provider returned error | invalid_request_error prompt is too long"
    assert read.outer == "Provider returned error"


@pytest.mark.parametrize("body", [b"<html>rate limit</html>", b"", b" \n"])
def test_a_page_says_nothing(body: bytes) -> None:
    """Words of a proxy's page are not the provider's."""
    assert read_body(body).message == ""


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":{"message":"no \\"role\\"","code":"c"},"input":"maximum context length',
        b'[{"error":{"code":"c","message":"no \\"role\\"", "details":[{"message":"quota"',
    ],
)
def test_json_that_was_cut_says_what_stands_first(body: bytes) -> None:
    """Only the first of each field counts: what follows may be the request."""
    read = read_body(body)
    assert (read.code, read.message) == ("c", 'no "role"')
    assert read_body(b'{"error":{"message":"half a sent').message == "half a sent"
    assert read_body(b'{"error"').message == ""


def test_long_error_text_is_cut() -> None:
    """A page of an error costs neither time nor log space."""
    read = read_error({"error": {"message": "x" * 100_000}})
    assert len(read.message) == ERROR_TEXT == 16 * 1024
    assert len(str(classify_error(said(500, read.message), ORIGIN))) < 600
