"""Which messages of a conversation one call gives. Pure.

Source: docs.slack.dev/apis/web-api/pagination and conversations.history.
"""

from typing import Any

from tests.wire.slack.checks import Json, Refusal
from tests.wire.slack.world import Message


def page_of(found: list[Message], arguments: Json, root: str) -> tuple[list[Message], str]:
    """One page and the cursor of the next, empty for none; a thread's root is always given."""
    limit = int(arguments.get("limit", 100))
    if not 1 <= limit <= 999:
        raise Refusal("invalid_limit")
    oldest, latest = (str(arguments.get(key) or "") for key in ("oldest", "latest"))
    inclusive = is_true(arguments.get("inclusive", False))

    def asked_for(ts: str) -> bool:
        if ts in {oldest, latest}:
            return inclusive
        return ts > oldest and (not latest or ts < latest)

    within = [message for message in found if message.ts == root or asked_for(message.ts)]
    start = int(str(arguments.get("cursor") or "0"))
    following = str(start + limit) if start + limit < len(within) else ""
    return within[start : start + limit], following


def is_true(value: Any) -> bool:
    """A flag as JSON, form or query carries it."""
    return str(value).lower() in {"1", "true"}
