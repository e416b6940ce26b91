"""What a refusal or a broken connection means for the caller, by Slack's own words.

Source: the errors of each method at docs.slack.dev/reference/methods. What nobody has heard of may
have had its effect, so it is uncertain.
"""

import re
from collections.abc import Mapping
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError

from platforms import errors

NO_HINT_S = 5.0
"""How long to wait after a 429 that does not say how long."""

_DONE = frozenset(
    {
        ("chat.delete", "message_not_found"),
        ("files.delete", "file_deleted"),
        ("files.delete", "file_not_found"),
        ("reactions.add", "already_reacted"),
        ("reactions.remove", "no_reaction"),
    }
)
"""Refusals because the effect already stands."""


_UNAVAILABLE = frozenset({"request_timeout", "team_added_to_org", "service_unavailable"})
_UNCERTAIN = frozenset({"internal_error", "fatal_error"})
_LIMITED = frozenset({"ratelimited", "rate_limited"})
_CREDENTIALS = frozenset(
    {
        "account_inactive", "invalid_auth", "not_allowed_token_type", "not_authed",
        "org_login_required", "token_expired", "token_revoked",
    }
)  # fmt: skip
_TOO_LONG = frozenset({"msg_too_long", "msg_blocks_too_long", "view_too_large"})
_GONE = frozenset(
    {"cant_delete_message", "cant_update_message", "edit_window_closed", "message_not_found"}
)
_THREAD = frozenset(
    {
        "cannot_reply_to_message", "invalid_thread_ts", "restricted_action_non_threadable_channel",
        "restricted_action_thread_locked", "thread_not_found",
    }
)  # fmt: skip
_PRESS = frozenset(
    {
        "exchanged_trigger_id", "expired_trigger_id", "expired_url", "invalid_trigger_id",
        "used_url",
    }
)  # fmt: skip
_CHAT = {
    "access_denied": "no_rights",
    "cannot_dm_bot": "blocked",
    "channel_not_found": "not_found",
    "ekm_access_denied": "no_rights",
    "is_archived": "archived",
    "messages_tab_disabled": "blocked",
    "not_in_channel": "kicked",
    "no_permission": "no_rights",
    "team_access_not_granted": "no_rights",
    "user_disabled": "blocked",
    "user_not_found": "not_found",
    "user_not_in_channel": "not_found",
}
_REJECTED = frozenset(
    {
        "bad_timestamp", "block_mismatch", "file_deleted", "file_not_found", "invalid_arg_name",
        "invalid_arguments", "invalid_array_arg", "invalid_charset", "invalid_form_data",
        "invalid_json", "invalid_metadata_format", "invalid_metadata_schema", "invalid_name",
        "invalid_post_type", "json_not_object", "markdown_text_conflict", "message_limit_exceeded",
        "metadata_must_be_sent_from_app", "metadata_too_large", "method_deprecated",
        "missing_post_type", "no_item_specified", "no_text", "not_reactable",
        "too_many_attachments", "too_many_emoji", "too_many_reactions", "unknown_method",
    }
)  # fmt: skip
_MARKUP = ("invalid_blocks", "invalid_attachments")
_NOT_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
FOREIGN = (SlackClientError, aiohttp.ClientError, TimeoutError, AttributeError, ValueError, OSError)
"""Everything the SDK lets through: beside its own, what aiohttp and unreadable answers raise."""


class NoSuchGroup(errors.MessageRejected):
    """There is no user group of that id: nobody is in it."""


def classify_error(error: Exception, method: str) -> errors.PlatformError | None:
    """What the failure of one call means; None if its effect stands all the same.

    `error` is one of FOREIGN. A connection that was never made sent nothing; any other without a
    readable answer may have.
    """
    if isinstance(error, SlackApiError):
        return _refusal(error, method)
    if isinstance(error, _NOT_CONNECTED):
        return errors.PlatformUnavailable(f"Slack could not be reached ({method})")
    return errors.SendUncertain(f"Slack gave no readable answer ({method})")


def _refusal(error: SlackApiError, method: str) -> errors.PlatformError | None:
    response = error.response
    status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0) or 0)
    data = getattr(response, "data", None)
    data = data if isinstance(data, Mapping) else {}
    word = str(data.get("error", ""))
    if status == 429 or word in _LIMITED:
        return _rate_limited(response, method)
    if status >= 500 or not re.fullmatch(r"[a-z0-9_]{1,80}", word):
        return errors.SendUncertain(f"Slack answered {status} ({method})")
    return classify_word(word, method, data)


def classify_word(
    word: str, method: str, data: Mapping[str, Any] | None = None
) -> errors.PlatformError | None:
    """What Slack's `error` means; `data` is the whole answer, which may name a missing right."""
    said = f"Slack: {word} ({method})"
    if (method, word) in _DONE:
        return None
    if word == "missing_scope":
        return _right_missing(data or {}, method)
    if word == "plan_upgrade_required":
        return errors.RightsMissing(
            "this Slack workspace's plan has no user groups: name people by their ids instead"
        )
    if word == "no_such_subteam":
        return NoSuchGroup(said)
    if word in _CREDENTIALS:
        return errors.CredentialsRejected(_credentials(word, method))
    if word in _CHAT:
        return errors.ChatUnavailable(said, reason=_CHAT[word])
    for words, kind in (
        (_UNAVAILABLE, errors.PlatformUnavailable),
        (_UNCERTAIN, errors.SendUncertain),
        (_TOO_LONG, errors.TooLong),
        (_GONE, errors.MessageGone),
        (_THREAD, errors.ThreadGone),
        (_PRESS, errors.PressExpired),
        (_REJECTED, errors.MessageRejected),
    ):
        if word in words:
            return kind(said)
    if word.startswith(_MARKUP):
        return errors.MarkupRejected(said)
    if word.startswith(("restricted_action", "slack_connect")):
        return errors.ChatUnavailable(said, reason="no_rights")
    return errors.SendUncertain(said)


def _rate_limited(response: Any, method: str) -> errors.RateLimited:
    """Posts are limited by channel, everything else by method and workspace."""
    headers = getattr(response, "headers", None) or {}
    hint = str(headers.get("Retry-After", ""))
    seconds = float(hint) if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", hint) else NO_HINT_S
    scope = "chat" if method == "chat.postMessage" else "method"
    message = f"Slack asks to wait {seconds:g} s ({method})"
    return errors.RateLimited(message, retry_after_s=seconds, scope=scope)


def _right_missing(data: Mapping[str, Any], method: str) -> errors.RightsMissing:
    needed = str(data.get("needed", ""))
    right = needed if re.fullmatch(r"[a-z:._,]{1,80}", needed) else f"that {method} needs"
    return errors.RightsMissing(
        f"the Slack app lacks the right {right}: add it under OAuth & Permissions at"
        " api.slack.com/apps, then reinstall the app to the workspace"
    )


def _credentials(word: str, method: str) -> str:
    token = "app-level token" if method == "apps.connections.open" else "bot token"
    if word == "not_allowed_token_type":
        prefix = "xapp-" if method == "apps.connections.open" else "xoxb-"
        return f"what stands as Slack's {token} is another kind of token; it begins with {prefix}"
    return f"Slack refuses the {token}: {word}. Take a new one from api.slack.com/apps"
