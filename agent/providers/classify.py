"""Pure: from the facts of a failed attempt to one typed error.

Rows are in order and the first match wins. Phrases are matched on the provider's own error
fields, never on words of a prompt or a reply: a user who quotes an error must not end a chat.
"""

import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import orjson

from agent.errors import (
    ContentBlocked,
    ContextOverflow,
    CredentialExhausted,
    ModelUnavailable,
    NotEntitled,
    ProviderAuthFailed,
    ProviderError,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderUnavailable,
    ReplyMalformed,
    RequestInvalid,
    RequestRejected,
    StreamBroken,
    TlsUntrusted,
)
from agent.messages import Origin
from agent.providers.retry_after import retry_after_s

ERROR_TEXT = 16 * 1024
CAUSE_DEPTH = 5
BARE_400 = 30
BARE_400_FILL = 0.8

CLASSES: Mapping[str, type[ProviderError]] = {
    "request_invalid": RequestInvalid,
    "tls_untrusted": TlsUntrusted,
    "content_blocked": ContentBlocked,
    "billing": CredentialExhausted,
    "parameter": RequestRejected,
    "payload_too_large": ContextOverflow,
    "empty_advisory": ProviderUnavailable,
    "context_overflow": ContextOverflow,
    "model_missing": ModelUnavailable,
    "upstream_limited": ProviderRateLimited,
    "overloaded": ProviderOverloaded,
    "rate_limited": ProviderRateLimited,
    "auth": ProviderAuthFailed,
    "forbidden": NotEntitled,
    "timeout": ProviderUnavailable,
    "transport": ProviderUnavailable,
    "server_error": ProviderUnavailable,
    "stream_broken": StreamBroken,
    "reply_malformed": ReplyMalformed,
    "bad_request": RequestRejected,
    "unknown": ProviderUnavailable,
}
"""Each reason binds to exactly one class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a failed attempt. Header names are in lower case.

    `fill` is our own count of the input over the model's window, 0 when not known.
    """

    status: int | None = None
    code: str = ""
    type: str = ""
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    causes: tuple[BaseException, ...] = ()
    fill: float = 0.0

    @property
    def words(self) -> str:
        """Everything the provider said about the error, for matching."""
        return f"{self.code}\n{self.type}\n{self.message}".lower()


def classify_error(facts: Facts, origin: Origin, *, hide: tuple[str, ...] = ()) -> ProviderError:
    """Name the reason and build its error; `hide` holds secrets its text must not repeat."""
    reason = reason_of(facts)
    return provider_error(reason, describe(facts, hide), origin, facts)


def provider_error(reason: str, message: str, origin: Origin, facts: Facts) -> ProviderError:
    """Build the error that `reason` is bound to."""
    return CLASSES[reason](
        message,
        provider=origin.provider,
        model=origin.model,
        reason=reason,
        status=facts.status,
        retry_after_s=retry_after_s(facts.headers),
        request_id=facts.headers.get("x-request-id"),
    )


def causes_of(error: BaseException) -> tuple[BaseException, ...]:
    """The error and what is behind it, at most five deep, however the chain is tied."""
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and len(found) < CAUSE_DEPTH and current not in found:
        found.append(current)
        current = current.__cause__ or current.__context__
    return tuple(found)


def error_fields(body: object) -> tuple[str, str, str, int | None]:
    """Code, type, message and status of an error body in any of the shapes in use.

    Aggregators wrap the inner error as JSON text; its words are added to the outer ones.
    """
    error = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(error, str):
        return "", "", error[:ERROR_TEXT], None
    if isinstance(error, list) and error:
        return error_fields(error[0])
    if not isinstance(error, dict):
        return "", "", "", None
    code, kind = error.get("code"), error.get("type")
    status = code if isinstance(code, int) and 400 <= code < 600 else _status_of_type(kind)
    message = _text(error.get("message")) or _text(error.get("detail"))
    inner = "".join(_inner(value) for value in (message, _raw(error)))
    return (
        code if isinstance(code, str) else "",
        _text(kind),
        (message + inner)[:ERROR_TEXT],
        status,
    )


def describe(facts: Facts, hide: tuple[str, ...]) -> str:
    """One line for operators; may quote the provider, never a secret."""
    said = facts.message or "; ".join(
        f"{type(cause).__name__}: {cause}" for cause in facts.causes[:2]
    )
    for secret in hide:
        said = said.replace(secret, "***")
    said = _KEY.sub("***", " ".join(said.split()))[:500]
    parts = [f"status {facts.status}" if facts.status else "", facts.code, said]
    return ", ".join(part for part in parts if part) or "no details"


def reason_of(facts: Facts) -> str:
    """The name of the first row that matches."""
    return next((reason for reason, matches in _ROWS if matches(facts)), "unknown")


_KEY = re.compile(r"\b(?:sk|xai|gsk|pplx|AIza)[-_][A-Za-z0-9_*-]{6,}")
_RATE_UNIT = re.compile(
    r"per[ _-](?:second|minute|hour|day)|\b[tr]p[mds]\b|requests? per|rate.?limit"
)
_TRANSIENT = ("retry", "try again", "resets", "window", "wait", "per minute", "per day")
_CONTENT_CODES = ("content_filter", "content_policy_violation", "responsibleaipolicyviolation")
_CONTENT = (
    *_CONTENT_CODES,
    "content management policy",
    "rejected as a result of our safety system",
    "violating our usage policy",
    "violates our usage policies",
    "data_inspection_failed",
    "new_sensitive",
)
_CREDIT = (
    "insufficient_quota",
    "exceeded your current quota",
    "insufficient credits",
    "requires more credits",
    "insufficient balance",
    "credit balance is too low",
    "out of credits",
    "billing hard limit",
    "billing_hard_limit_reached",
    "billing_not_active",
    "account is not active, please check your billing",
    "key limit exceeded",
)
_PARAMETER = (
    "unknown_parameter",
    "unsupported_parameter",
    "unsupported_value",
    "unknown parameter",
    "unsupported parameter",
    "unrecognized request argument",
    "extra inputs are not permitted",
)
_OVERFLOW = (
    "context_length_exceeded",
    "maximum context length",
    "context length exceeded",
    "exceeds the context window",
    "exceeds the available context size",
    "exceed_context_size_error",
    "longer than the maximum model length",
    "reduce the length of the messages",
    "prompt is too long",
    "input is too long",
    "maximum prompt length",
    "input token count",
    "range of input length should be",
    "上下文长度",
    "超出最大长度",
    "超过最大长度",
    "输入过长",
)
_MODEL_CODES = ("model_not_found", "model_not_available", "invalid_model", "model_not_exist")
_MODEL = re.compile(
    r"model\b.{0,120}(?:does not exist|not found|not exist|no longer available|deprecated"
    r"|not supported on this|is not a valid model)|not a valid model|no such model|unknown model"
    r"|invalid model|no endpoints found",
    re.DOTALL,
)
_OVERLOAD = ("overloaded", "high demand", "engine is currently busy", "server is busy")
_THROTTLE = ("rate limit", "rate_limit", "ratelimit", "too many requests", "throttl")
_AUTH = ("invalid_api_key", "incorrect api key", "invalid api key", "no api key", "unauthorized")
_TIMEOUT = ("timed out", "deadline exceeded")
_STATUS_OF_TYPE: Mapping[str, int] = {
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "insufficient_quota": 429,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "api_error": 500,
    "server_error": 500,
    "internal_server_error": 500,
    "unavailable_error": 503,
    "timeout_error": 504,
    "overloaded_error": 529,
    "invalid_request_error": 400,
}


def _tls_untrusted(facts: Facts) -> bool:
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in facts.causes):
        return True
    return _says(facts, "certificate verify failed")


def _content_blocked(facts: Facts) -> bool:
    return _says(facts, *_CONTENT)


def _billing(facts: Facts) -> bool:
    if not _says(facts, *_CREDIT):
        return False
    if facts.status == 429 or facts.status is None:
        return not _says(facts, *_TRANSIENT)
    return facts.status in (400, 402, 403, 404)


def _used_up(facts: Facts) -> bool:
    """402, or quota words without a status; words of waiting beside them say that it refills."""
    if facts.status == 402:
        return True
    return facts.status is None and _says(facts, "quota", "usage limit", "usage_limit")


def _parameter(facts: Facts) -> bool:
    if _says(facts, *_PARAMETER):
        return True
    return _between(facts, 500, 599) and _names(facts, "invalid_request_error")


def _payload_too_large(facts: Facts) -> bool:
    return facts.status == 413 or _says(facts, "request entity too large", "payload too large")


def _empty_advisory(facts: Facts) -> bool:
    return _says(facts, "model returned empty")


def _context_overflow(facts: Facts) -> bool:
    if facts.status not in (None, 400, 422) and not _between(facts, 500, 599):
        return False
    return _says(facts, *_OVERFLOW) and not _RATE_UNIT.search(facts.words)


def _model_missing(facts: Facts) -> bool:
    if facts.status not in (None, 400, 404):
        return False
    return _names(facts, *_MODEL_CODES) or bool(_MODEL.search(facts.message.lower()))


def _upstream_limited(facts: Facts) -> bool:
    return facts.status == 429 and _says(facts, "rate-limited upstream", "upstream")


def _overloaded(facts: Facts) -> bool:
    if facts.status in (503, 529):
        return True
    return facts.status in (429, None) and _says(facts, *_OVERLOAD)


def _rate_limited(facts: Facts) -> bool:
    return facts.status == 429 or (facts.status in (400, None) and _says(facts, *_THROTTLE))


def _auth(facts: Facts) -> bool:
    return facts.status == 401 or (facts.status is None and _says(facts, *_AUTH))


def _forbidden(facts: Facts) -> bool:
    return facts.status == 403


def _timeout(facts: Facts) -> bool:
    if facts.status in (408, 504) or any(isinstance(c, TimeoutError) for c in facts.causes):
        return True
    return facts.status is None and _says(facts, *_TIMEOUT)


def _transport(facts: Facts) -> bool:
    return facts.status is None and bool(facts.causes)


def _server_error(facts: Facts) -> bool:
    if _between(facts, 500, 599):
        return True
    return facts.status is None and bool(facts.message or facts.code or facts.type)


def _bare_overflow(facts: Facts) -> bool:
    return facts.status == 400 and len(facts.message) < BARE_400 and facts.fill > BARE_400_FILL


def _bad_request(facts: Facts) -> bool:
    return _between(facts, 400, 499) and facts.status != 404


_ROWS: tuple[tuple[str, Callable[[Facts], bool]], ...] = (
    ("tls_untrusted", _tls_untrusted),
    ("content_blocked", _content_blocked),
    ("billing", _billing),
    ("rate_limited", lambda facts: _used_up(facts) and _says(facts, *_TRANSIENT)),
    ("billing", _used_up),
    ("parameter", _parameter),
    ("payload_too_large", _payload_too_large),
    ("empty_advisory", _empty_advisory),
    ("context_overflow", _context_overflow),
    ("model_missing", _model_missing),
    ("upstream_limited", _upstream_limited),
    ("overloaded", _overloaded),
    ("rate_limited", _rate_limited),
    ("auth", _auth),
    ("forbidden", _forbidden),
    ("timeout", _timeout),
    ("transport", _transport),
    ("server_error", _server_error),
    ("context_overflow", _bare_overflow),
    ("bad_request", _bad_request),
)


def _says(facts: Facts, *phrases: str) -> bool:
    words = facts.words
    return any(phrase in words for phrase in phrases)


def _names(facts: Facts, *names: str) -> bool:
    return facts.code.lower() in names or facts.type.lower() in names


def _between(facts: Facts, low: int, high: int) -> bool:
    return facts.status is not None and low <= facts.status <= high


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _status_of_type(kind: object) -> int | None:
    return _STATUS_OF_TYPE.get(kind) if isinstance(kind, str) else None


def _raw(error: Mapping[str, object]) -> str:
    metadata = error.get("metadata")
    return _text(metadata.get("raw")) if isinstance(metadata, dict) else ""


def _inner(text: str) -> str:
    """The words of an error that an aggregator passed on as JSON text."""
    if not text.lstrip().startswith("{"):
        return ""
    try:
        inner = orjson.loads(text)
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(inner, dict):
        return ""
    fields = inner.get("error", inner)
    return " | " + " ".join(_words(fields)) if isinstance(fields, dict) else ""


def _words(fields: Mapping[str, object]) -> Iterator[str]:
    for name in ("code", "type", "message"):
        if isinstance(value := fields.get(name), str):
            yield value
