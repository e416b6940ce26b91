"""Pure: the reasons in their order, and what each is recognised by; the first match wins."""

import ssl
from collections.abc import Callable

from agent.credentials import Service
from agent.providers import error_phrases as says
from agent.providers.facts import Facts
from agent.providers.figures import LEAST_ROOM, output_room

BARE_400 = 30
BARE_400_FILL = 0.8
DISCONNECT_FILL = 0.95


def reason_of(facts: Facts) -> str:
    """The name of the first row that matches."""
    return next((reason for reason, matches in ROWS if matches(facts)), "unknown")


def _tls_untrusted(facts: Facts) -> bool:
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in facts.causes):
        return True
    return _says(facts, *says.CERTIFICATE) or any(
        phrase in str(cause).lower() for cause in facts.causes for phrase in says.CERTIFICATE
    )


def _content_blocked(facts: Facts) -> bool:
    return _names(facts, *says.CONTENT_CODES) or _says(facts, *says.CONTENT)


def _thinking_signature(facts: Facts) -> bool:
    if facts.status != 400 or not _says(facts, "thinking"):
        return False
    wanted = _says(facts, "expected") and _says(facts, "found")
    return wanted or _says(facts, *says.SIGNATURE)


def _long_context_tier(facts: Facts) -> bool:
    return facts.status == 429 and _says(facts, "extra usage") and _says(facts, "long context")


def _long_context_beta(facts: Facts) -> bool:
    said = _says(facts, "long context beta") and _says(facts, "not yet available")
    return facts.status == 400 and said


def _grammar(facts: Facts) -> bool:
    return facts.status == 400 and _says(facts, *says.GRAMMAR)


def _encrypted_reasoning(facts: Facts) -> bool:
    if _names(facts, "invalid_encrypted_content") or _says(facts, says.NOT_KEPT):
        return True
    return _says(facts, "encrypted content") and _says(facts, "could not be verified")


def _billing(facts: Facts) -> bool:
    """Out of credit; of an error passed on, only what the one that was asked says itself."""
    if "spending-limit" in facts.outer_words:
        return True
    if facts.status == 403 and _says(facts, "key limit exceeded"):
        return True
    said = any(phrase in facts.outer_words for phrase in says.CREDIT)
    if not said and not _names(facts, "insufficient_quota"):
        return False
    if facts.status in (None, 429):
        return not says.TRANSIENT.search(facts.words)
    return facts.status in (400, 403, 404)


def _xai_stale(facts: Facts) -> bool:
    if facts.status not in (None, 403):
        return False
    return _is_xai(facts) and _says(facts, *says.GROK_STALE)


def _entitlement(facts: Facts) -> bool:
    if _says(facts, *says.NO_GROK):
        return True
    if _says(facts, "out of available resources") and _says(facts, "grok"):
        return True
    return facts.service is Service.XAI and facts.status == 403


def _copilot_stale(facts: Facts) -> bool:
    copilot = facts.service is Service.COPILOT or facts.host_is("githubcopilot.com")
    if not copilot or facts.status != 400:
        return False
    return _names(facts, *says.COPILOT_STALE) or _says(facts, "not available for integrator")


def _used_up(facts: Facts) -> bool:
    """402, or quota words without a status; words of waiting beside them say that it refills."""
    return facts.status == 402 or (facts.status is None and _says(facts, *says.QUOTA))


def _used_up_for_now(facts: Facts) -> bool:
    return _used_up(facts) and bool(says.TRANSIENT.search(facts.words))


def _tool_images(facts: Facts) -> bool:
    said = _says(facts, *says.TOOL_IMAGES) or "text is not set" in facts.param.lower()
    return _between(facts, 400, 499) and (said or bool(says.TOOL_STRING.search(facts.words)))


def _image_too_large(facts: Facts) -> bool:
    return _between(facts, 400, 499) and bool(says.IMAGE_SIZE.search(facts.words))


def _image_unsupported(facts: Facts) -> bool:
    """llama.cpp refuses pictures with a 500."""
    return _between(facts, 400, 500) and bool(says.NO_IMAGES.search(facts.words))


def _effort(facts: Facts) -> bool:
    if facts.status != 400:
        return False
    return bool(says.EFFORT_PARAM.search(facts.param) or says.EFFORT_REFUSED.search(facts.words))


def _output_cap(facts: Facts) -> bool:
    """Above the maximum, or above what the window leaves; no room at all is an overflow."""
    if facts.status not in (400, 422) or _says(facts, *says.PARAMETER):
        return False
    if not (says.CAP.search(facts.words) and says.TOO_HIGH.search(facts.words)):
        return False
    if not _says(facts, *says.OVERFLOW):
        return True
    room = output_room(facts.words)
    return room is not None and room >= LEAST_ROOM


def _streaming_unsupported(facts: Facts) -> bool:
    if not _between(facts, 400, 499) and facts.status != 501:
        return False
    refused = facts.param == "stream" and _names(
        facts, "unsupported_value", "unsupported_parameter"
    )
    return refused or bool(says.STREAMING.search(facts.words))


def _parameter(facts: Facts) -> bool:
    if _says(facts, *says.PARAMETER):
        return True
    if not _between(facts, 500, 599):
        return False
    kind = "invalid_request_error"
    stamped = facts.type.lower() == kind and not facts.code and not _long(facts)
    return facts.code.lower() == kind or stamped


def _payload_too_large(facts: Facts) -> bool:
    return facts.status == 413 or _says(facts, *says.TOO_LARGE)


def _empty_advisory(facts: Facts) -> bool:
    return _says(facts, "model returned empty")


def _context_overflow(facts: Facts) -> bool:
    if facts.status not in (None, 400, 422) and not _between(facts, 500, 599):
        return False
    return _long(facts)


def _policy_blocked(facts: Facts) -> bool:
    return _says(facts, *says.POLICY)


def _model_missing(facts: Facts) -> bool:
    if facts.status not in (None, 400, 404):
        return False
    said = facts.message.lower()
    if _names(facts, "not_found_error") and said.startswith("model: "):  # Anthropic: its name alone
        return True
    return _names(facts, *says.MODEL_CODES) or bool(says.MODEL.search(said))


def _upstream_limited(facts: Facts) -> bool:
    return facts.status == 429 and _says(facts, *says.UPSTREAM)


def _overloaded(facts: Facts) -> bool:
    if facts.status in (503, 529) or facts.code == "-32001":
        return True
    return facts.status in (429, None) and _says(facts, *says.OVERLOAD)


def _rate_limited(facts: Facts) -> bool:
    return facts.status == 429 or (facts.status in (400, None) and _says(facts, *says.THROTTLE))


def _auth(facts: Facts) -> bool:
    if facts.status == 401 or (facts.status is None and _says(facts, *says.AUTH)):
        return True
    return facts.status == 400 and _says(facts, *says.KEY_400)  # Google


def _forbidden(facts: Facts) -> bool:
    return facts.status == 403


def _timeout(facts: Facts) -> bool:
    if facts.status in (408, 504):
        return True
    if facts.status is None and any(isinstance(cause, TimeoutError) for cause in facts.causes):
        return True
    return (facts.status is None or _between(facts, 500, 599)) and _says(facts, *says.TIMEOUT)


def _dropped_full(facts: Facts) -> bool:
    """A connection that goes away under a request which our own count says is too long.

    Losing history to a fault of the network is worse than a retry: so only where the window is
    all but full, nothing had come yet, and no long thought could be what took the time.
    """
    if facts.status is not None or not facts.causes or facts.reasons or facts.head:
        return False
    return facts.sent and facts.fill > DISCONNECT_FILL


def _transport(facts: Facts) -> bool:
    return facts.status is None and (bool(facts.causes) or _says(facts, *says.TRANSPORT))


def _server_error(facts: Facts) -> bool:
    if _between(facts, 500, 599):
        return True
    return facts.status is None and bool(facts.message or facts.code or facts.type)


def _bare_overflow(facts: Facts) -> bool:
    return facts.status == 400 and len(facts.message) < BARE_400 and facts.fill > BARE_400_FILL


def _bad_request(facts: Facts) -> bool:
    return _between(facts, 400, 499) and facts.status != 404


ROWS: tuple[tuple[str, Callable[[Facts], bool]], ...] = (
    ("request_invalid", lambda facts: not facts.built),
    ("tls_untrusted", _tls_untrusted),
    ("content_blocked", _content_blocked),
    ("thinking_signature", _thinking_signature),
    ("long_context_tier", _long_context_tier),
    ("long_context_beta", _long_context_beta),
    ("grammar", _grammar),
    ("encrypted_reasoning", _encrypted_reasoning),
    ("billing", _billing),
    ("auth", _xai_stale),
    ("entitlement", _entitlement),
    ("copilot_stale", _copilot_stale),
    ("rate_limited", _used_up_for_now),
    ("billing", _used_up),
    ("tool_images", _tool_images),
    ("image_too_large", _image_too_large),
    ("image_unsupported", _image_unsupported),
    ("effort", _effort),
    ("output_cap", _output_cap),
    ("streaming_unsupported", _streaming_unsupported),
    ("parameter", _parameter),
    ("payload_too_large", _payload_too_large),
    ("empty_advisory", _empty_advisory),
    ("context_overflow", _context_overflow),
    ("policy_blocked", _policy_blocked),
    ("model_missing", _model_missing),
    ("upstream_limited", _upstream_limited),
    ("overloaded", _overloaded),
    ("rate_limited", _rate_limited),
    ("auth", _auth),
    ("forbidden", _forbidden),
    ("timeout", _timeout),
    ("context_overflow", _dropped_full),
    ("transport", _transport),
    ("server_error", _server_error),
    ("context_overflow", _bare_overflow),
    ("bad_request", _bad_request),
)
"""First match wins. `stream_broken` and `reply_malformed` are what our own decoders say."""


def _is_xai(facts: Facts) -> bool:
    return facts.service is Service.XAI or facts.host_is("x.ai", "grok.com")


def _long(facts: Facts) -> bool:
    """Words of a length without words of a rate beside them."""
    return _says(facts, *says.OVERFLOW) and not says.RATE_UNIT.search(facts.words)


def _says(facts: Facts, *phrases: str) -> bool:
    words = facts.words
    return any(phrase in words for phrase in phrases)


def _names(facts: Facts, *names: str) -> bool:
    return facts.code.lower() in names or facts.type.lower() in names


def _between(facts: Facts, low: int, high: int) -> bool:
    return facts.status is not None and low <= facts.status <= high
