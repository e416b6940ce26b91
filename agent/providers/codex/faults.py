"""Pure: from what went wrong with the child to one typed error.

`codexErrorInfo` names the cause; the HTTP status beside it, or in the message of older versions,
goes through the same classification as everybody's. Source: `CodexErrorInfo` of the app-server.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from agent.errors import ProviderError
from agent.messages import JsonObject
from agent.providers.attempt import Attempt
from agent.providers.codex.losses import ChildLost, RpcRefused

OVERLOADED: Final = -32001

_NAMED: Final[Mapping[str, tuple[int | None, str]]] = {
    "contextWindowExceeded": (400, "context_length_exceeded"),
    "sessionBudgetExceeded": (402, "session_budget_exceeded"),
    "usageLimitExceeded": (None, "usage_limit_exceeded"),
    "rateLimitExceeded": (429, "rate_limit_exceeded"),
    "flexUnavailable": (503, "overloaded"),
    "serverOverloaded": (503, "overloaded"),
    "policyCapacityUnavailable": (503, "overloaded"),
    "modelNotFound": (404, "model_not_found"),
    "cyberPolicy": (400, "content_policy_violation"),
    "misalignmentPolicyViolation": (400, "content_policy_violation"),
    "unauthorized": (401, "unauthorized"),
    "badRequest": (400, "bad_request"),
    "internalServerError": (500, "internal_server_error"),
    "sandboxError": (500, "sandbox_error"),
}
_STATUS: Final = re.compile(r"^(?:unexpected status|exceeded retry limit, last status:) (\d{3})\b")


def of_turn(error: JsonObject, attempt: Attempt) -> ProviderError:
    """A turn that failed."""
    message = _text(error.get("message"))
    details = _text(error.get("additionalDetails"))
    info = error.get("codexErrorInfo")
    status, kind = _NAMED.get(info, (None, info)) if isinstance(info, str) else (None, "")
    if isinstance(info, dict) and info:
        ((kind, more),) = list(info.items())[:1]
        found = more.get("httpStatusCode") if isinstance(more, dict) else None
        status = found if isinstance(found, int) else None
    if status is None and (spoken := _STATUS.match(message)):
        status = int(spoken[1])
    return _fault(status, kind, "\n".join(filter(None, (message, details))), attempt)


def of_refusal(refused: RpcRefused, attempt: Attempt) -> ProviderError:
    """A request of ours that the child refused."""
    if refused.code == OVERLOADED:
        return _fault(503, "overloaded", str(refused), attempt)
    return _fault(500, "json_rpc_error", str(refused), attempt)


def of_loss(lost: ChildLost, words: str, attempt: Attempt) -> ProviderError:
    """A child that is of no use any more; `words` are the end of its standard error."""
    said = f"{lost}; its last words:\n{words}" if words else str(lost)
    match lost.why:
        case "login":
            return _fault(401, "login", said, attempt)
        case "unfit":
            return _fault(400, "codex_unfit", f"the codex program is not fit: {said}", attempt)
        case "junk":
            return attempt.malformed(said)
        case "timeout" | "silent" | "deadline":
            return attempt.broken(said, silent=True)
        case "ended" | "aborted" | "thread":
            return attempt.broken(said)


def _fault(status: int | None, kind: str, message: str, attempt: Attempt) -> ProviderError:
    body: dict[str, Any] = {"code": status if status is not None else kind, "type": kind}
    return attempt.in_band({"error": {**body, "message": message or kind or "no reason given"}})


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
