"""Pure: from the facts of a failed attempt to one typed error.

Rows are in order and the first match wins. Phrases are matched on the provider's own error
fields, never on words of a prompt or a reply: a user who quotes an error must not end a chat.
"""

import re
from collections.abc import Mapping

from agent.errors import (
    ContentBlocked,
    ContextOverflow,
    CredentialExhausted,
    ModelUnavailable,
    NeedsAdjustment,
    NotEntitled,
    PolicyBlocked,
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
from agent.providers.classify_rows import reason_of
from agent.providers.error_body import ERROR_TEXT
from agent.providers.facts import CAUSE_DEPTH, Facts, causes_of, status_of
from agent.providers.figures import (
    allowed_efforts,
    image_limits,
    output_room,
    overflow_counts,
)
from agent.providers.retry_after import retry_after_s, retry_after_words

__all__ = [
    "CAUSE_DEPTH",
    "CLASSES",
    "ERROR_TEXT",
    "Facts",
    "causes_of",
    "classify_error",
    "describe",
    "provider_error",
    "reason_of",
    "status_of",
]

CLASSES: Mapping[str, type[ProviderError]] = {
    "request_invalid": RequestInvalid,
    "tls_untrusted": TlsUntrusted,
    "content_blocked": ContentBlocked,
    "thinking_signature": NeedsAdjustment,
    "long_context_tier": NeedsAdjustment,
    "long_context_beta": NeedsAdjustment,
    "grammar": NeedsAdjustment,
    "encrypted_reasoning": NeedsAdjustment,
    "billing": CredentialExhausted,
    "auth": ProviderAuthFailed,
    "entitlement": NotEntitled,
    "copilot_stale": ProviderAuthFailed,
    "tool_images": NeedsAdjustment,
    "image_too_large": NeedsAdjustment,
    "image_unsupported": NeedsAdjustment,
    "effort": NeedsAdjustment,
    "output_cap": NeedsAdjustment,
    "streaming_unsupported": NeedsAdjustment,
    "parameter": RequestRejected,
    "payload_too_large": ContextOverflow,
    "empty_advisory": ProviderUnavailable,
    "context_overflow": ContextOverflow,
    "policy_blocked": PolicyBlocked,
    "model_missing": ModelUnavailable,
    "upstream_limited": ProviderRateLimited,
    "overloaded": ProviderOverloaded,
    "rate_limited": ProviderRateLimited,
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

_KEY = re.compile(r"\b(?:sk|xai|gsk|pplx|AIza)[-_][A-Za-z0-9_*-]{6,}")
_REQUEST_IDS = ("x-request-id", "request-id", "x-oai-request-id", "x-github-request-id")


def classify_error(
    facts: Facts, origin: Origin, *, credential: str = "", hide: tuple[str, ...] = ()
) -> ProviderError:
    """Name the reason and build its error; `hide` holds secrets its text must not repeat."""
    reason = reason_of(facts)
    return provider_error(reason, describe(facts, hide), origin, facts, credential=credential)


def provider_error(
    reason: str, message: str, origin: Origin, facts: Facts, *, credential: str = ""
) -> ProviderError:
    """Build the error that `reason` is bound to, with the figures its text names."""
    error = CLASSES[reason](
        message,
        provider=origin.provider,
        endpoint=origin.endpoint,
        model=origin.model,
        credential=credential,
        reason=reason,
        status=facts.status,
        retry_after_s=_retry_after(facts),
        retry=facts.headers.get("x-should-retry", "").lower() != "false",
        request_id=_request_id(facts),
    )
    error.sent = facts.sent
    if isinstance(error, NeedsAdjustment):
        _name_figures(error, facts.words)
    elif isinstance(error, ContextOverflow):
        error.tokens, error.limit = overflow_counts(facts.words)
    return error


def describe(facts: Facts, hide: tuple[str, ...]) -> str:
    """One line for operators; may quote the provider, never a secret."""
    said = facts.message or "; ".join(
        f"{type(cause).__name__}: {cause}" for cause in facts.causes[:2]
    )
    code, said = (_masked(text, hide) for text in (facts.code, said))
    parts = [f"status {facts.status}" if facts.status else "", code, said[:500]]
    return ", ".join(part for part in parts if part) or "no details"


def _masked(text: str, hide: tuple[str, ...]) -> str:
    """A text in one line without secrets, before it is cut: half a key is still one."""
    for secret in hide:
        text = text.replace(secret, "***")
    return _KEY.sub("***", " ".join(text.split()))


def _name_figures(error: NeedsAdjustment, words: str) -> None:
    match error.reason:
        case "output_cap":
            error.figure = output_room(words)
        case "image_too_large":
            error.figure, error.pixels = image_limits(words)
        case "effort":
            error.levels = allowed_efforts(words)


def _retry_after(facts: Facts) -> float | None:
    """Headers before the body's own field before its words."""
    if (seconds := retry_after_s(facts.headers)) is not None:
        return seconds
    return facts.wait_s if facts.wait_s is not None else retry_after_words(facts.message)


def _request_id(facts: Facts) -> str | None:
    named = (facts.headers[name] for name in _REQUEST_IDS if facts.headers.get(name))
    return next(named, facts.request_id)
