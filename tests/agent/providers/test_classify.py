"""From facts to reasons: one recorded example per pattern, and every reason's class."""

import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from agent import errors
from agent.messages import Origin
from agent.providers.classify import (
    CLASSES,
    Facts,
    causes_of,
    classify_error,
    error_fields,
    reason_of,
)

ORIGIN = Origin(provider="main", endpoint="http://h/v1", model="m")


def said(status: int | None, message: str = "", code: str = "", kind: str = "") -> Facts:
    return Facts(status=status, message=message, code=code, type=kind)


def caused(*causes: BaseException) -> Facts:
    return Facts(causes=causes)


TABLE: list[tuple[str, Facts]] = [
    ("tls_untrusted", caused(OSError(), ssl.SSLCertVerificationError("bad"))),
    ("tls_untrusted", said(None, "[SSL] certificate verify failed: self signed")),
    ("content_blocked", said(400, "filtered", "content_filter")),
    ("content_blocked", said(400, "Your request was rejected as a result of our safety system.")),
    (
        "content_blocked",
        said(
            400,
            "The response was filtered due to the prompt triggering Azure OpenAI's content "
            "management policy.",
        ),
    ),
    ("content_blocked", said(None, "output new_sensitive (1027)")),
    (
        "billing",
        said(
            429,
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
        ),
    ),
    (
        "rate_limited",
        said(
            429, "You exceeded your current quota. Please retry in 38.2s.", "", "insufficient_quota"
        ),
    ),
    ("billing", said(402, "Insufficient Balance")),
    ("billing", said(402, "This request requires more credits, or fewer max_tokens.")),
    ("rate_limited", said(402, "Usage limit reached, try again in 5 minutes")),
    ("billing", said(403, "Key limit exceeded (total limit).")),
    ("billing", said(400, "Your credit balance is too low to access the API.")),
    ("billing", said(None, "monthly quota exceeded")),
    ("parameter", said(400, "Unknown parameter: 'x'.", "unknown_parameter")),
    (
        "parameter",
        said(
            400,
            "Unsupported parameter: 'max_tokens' is not supported with this model.",
            "unsupported_parameter",
        ),
    ),
    ("parameter", said(502, "Unrecognized request argument supplied: x")),
    ("parameter", said(500, "bad", "invalid_request_error")),
    ("payload_too_large", said(413)),
    ("empty_advisory", said(None, "model returned empty, raise max_tokens")),
    ("context_overflow", said(400, "", "context_length_exceeded")),
    (
        "context_overflow",
        said(
            400,
            "This model's maximum context length is 8192 tokens. However, your messages "
            "resulted in 9000 tokens.",
        ),
    ),
    (
        "context_overflow",
        said(
            400,
            "the request exceeds the available context size, try increasing it",
            kind="exceed_context_size_error",
        ),
    ),
    ("context_overflow", said(500, "输入过长")),
    ("context_overflow", Facts(status=400, message="Bad Request", fill=0.9)),
    ("bad_request", Facts(status=400, message="Bad Request", fill=0.5)),
    ("rate_limited", said(429, "too many tokens: maximum context length 8192 tokens per minute")),
    ("model_missing", said(404, "The model `x` does not exist or you do not have access to it.")),
    ("model_missing", said(404, 'model "x" not found, try pulling it first')),
    ("model_missing", said(400, "x is not a valid model ID")),
    ("model_missing", said(404, "No endpoints found that support tool use.")),
    ("model_missing", said(404, "", "model_not_found")),
    ("upstream_limited", said(429, "x is temporarily rate-limited upstream")),
    ("overloaded", said(503, "Service Unavailable")),
    ("overloaded", said(529)),
    ("overloaded", said(429, "The engine is currently overloaded, please try again later")),
    ("overloaded", said(None, "Overloaded", "", "overloaded_error")),
    ("rate_limited", said(429)),
    ("rate_limited", said(None, "Too Many Requests")),
    ("rate_limited", said(400, "ThrottlingException")),
    ("auth", said(401, "Incorrect API key provided: sk-***.", "invalid_api_key")),
    ("auth", said(None, "Unauthorized")),
    ("forbidden", said(403, "Country, region, or territory not supported")),
    ("timeout", said(408)),
    ("timeout", said(504)),
    ("timeout", caused(aiohttp.ServerTimeoutError())),
    ("timeout", said(None, "upstream timed out")),
    ("transport", caused(aiohttp.ServerDisconnectedError())),
    ("transport", caused(ConnectionResetError())),
    ("server_error", said(500, "The server had an error while processing your request.")),
    ("server_error", said(None, "something odd happened")),
    ("bad_request", said(400, "messages: role must alternate")),
    ("bad_request", said(422, "Unprocessable Entity")),
    ("unknown", said(404, "Invalid URL (POST /chat/completions)")),
    ("unknown", said(302)),
    ("unknown", Facts()),
]


@pytest.mark.parametrize(("reason", "facts"), TABLE)
def test_reasons(reason: str, facts: Facts) -> None:
    """Each recorded failure has its reason, and the error the class bound to it."""
    assert reason_of(facts) == reason
    error = classify_error(facts, ORIGIN)
    assert type(error) is CLASSES[reason]
    assert error.reason == reason
    assert (error.provider, error.model, error.status) == ("main", "m", facts.status)


def test_each_class_is_the_one_the_ladder_knows() -> None:
    """Reasons bind to classes of the error tree; none is left to the base class."""
    assert all(issubclass(c, errors.ProviderError) for c in CLASSES.values())
    assert errors.ProviderError not in CLASSES.values()
    assert CLASSES["stream_broken"] is errors.StreamBroken
    assert CLASSES["overloaded"] is errors.ProviderOverloaded


def test_secrets_are_cut_out() -> None:
    """Neither the lease's secret nor anything shaped like a key is repeated."""
    facts = said(401, "bad key hunter2 for sk-proj-abcdefghijkl\nat once")
    text = str(classify_error(facts, ORIGIN, hide=("hunter2",)))
    assert "hunter2" not in text
    assert "sk-proj" not in text
    assert "\n" not in text
    assert text.startswith("status 401")


def test_headers_are_read() -> None:
    """How long to wait and which request it was come from the headers."""
    facts = Facts(status=429, headers={"retry-after": "7", "x-request-id": "req_1"})
    error = classify_error(facts, ORIGIN)
    assert error.retry_after_s == 7
    assert error.request_id == "req_1"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": {"message": "m", "type": "t", "code": "c"}}, ("c", "t", "m", None)),
        ({"error": {"message": "m", "code": 502}}, ("", "", "m", 502)),
        (
            {"error": {"message": "m", "type": "overloaded_error"}},
            ("", "overloaded_error", "m", 529),
        ),
        ({"error": "words"}, ("", "", "words", None)),
        ({"object": "error", "message": "m", "code": 400}, ("", "", "m", 400)),
        ({"detail": "Not Found"}, ("", "", "Not Found", None)),
        ([{"error": {"message": "m", "code": 429}}], ("", "", "m", 429)),
        ({"error": None}, ("", "", "", None)),
        (7, ("", "", "", None)),
        (None, ("", "", "", None)),
        ([], ("", "", "", None)),
    ],
)
def test_error_bodies(body: Any, expected: tuple[str, str, str, int | None]) -> None:
    """Error bodies in the shapes that are in use."""
    assert error_fields(body) == expected


def test_the_inner_error_of_an_aggregator_counts() -> None:
    """JSON text wrapped into the outer error is read too."""
    raw = '{"error":{"message":"prompt is too long: 9 tokens","type":"invalid_request_error"}}'
    outer: Mapping[str, Any] = {
        "message": "Provider returned error",
        "code": 400,
        "metadata": {"raw": raw},
    }
    code, kind, message, status = error_fields({"error": outer})
    facts = Facts(code=code, type=kind, message=message, status=status)
    assert reason_of(facts) == "context_overflow"


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
    assert len(causes_of(deep)) == 5


def test_long_error_text_is_cut() -> None:
    """A page of an error costs neither time nor log space."""
    _, _, message, _ = error_fields({"error": {"message": "x" * 100_000}})
    assert len(message) == 16 * 1024
    assert len(str(classify_error(said(500, message), ORIGIN))) < 600
