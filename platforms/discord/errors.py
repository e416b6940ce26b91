"""What a failure of Discord, of its SDK or of the network means to a caller.

Matching on codes and text happens here only, with a recorded example per row in the tests. What is
unknown may have been done: SendUncertain.
"""

import re
from collections.abc import Mapping

import aiohttp
import discord

from platforms.discord.limits import EDGE_BAN_S
from platforms.discord.rights import PORTAL, Application, switch_path
from platforms.errors import (
    ChatUnavailable,
    CredentialsRejected,
    MarkupRejected,
    MessageGone,
    MessageRejected,
    PlatformError,
    PlatformUnavailable,
    PressExpired,
    RateLimited,
    RightsMissing,
    SendUncertain,
    ThreadGone,
    TooLong,
)

FAILURES: tuple[type[Exception], ...] = (
    discord.DiscordException,
    aiohttp.ClientError,
    OSError,  # TimeoutError too
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
)
"""What an SDK call can raise; the last four when an answer is not what it should be."""

ALREADY_ANSWERED = 40060
UNKNOWN_MESSAGE = 10008
UNKNOWN_MEMBER, UNKNOWN_USER = 10007, 10013
THREAD_ARCHIVED = 50083

_INVALID_FORM = 50035
_CONTENT_FAULT = re.compile(r"^In (?:data\.)?content: ", re.MULTILINE)
_LOST = frozenset({UNKNOWN_MESSAGE, 50005, 30046})
_CLOSED_THREADS = frozenset({THREAD_ARCHIVED, 160005})
_DEAD_CHATS = {
    10003: "not_found",
    10004: "not_found",
    50001: "no_rights",
    50007: "blocked",
    50013: "no_rights",
}
_DEAD_PRESSES = frozenset({10062, 10015, 50027})
_LIMIT_SCOPES = {20016: "chat", 20028: "chat", 40003: "method", 40062: "method"}

CLOSE_REASONS = {
    4004: "the token is not valid. In the developer portal: your application, Bot, Reset Token,"
    " and put the new one into platforms.discord.token",
    4010: "this bot's shard is not valid",
    4011: "this bot is in more servers than its connections may serve. Restart the gateway, which"
    " asks Discord anew how many it needs",
    4012: "this version of the gateway protocol is no longer served",
    4013: "the intents asked for are not known to Discord",
    4014: "the Message Content Intent is off, so nothing people write would be told",
}
"""Close codes after which another attempt is pointless. Source: "Gateway Close Event Codes"."""


def classify_error(error: Exception, *, answering: bool = False) -> PlatformError:
    """The failure as one of ours; `answering`: of a press, whose own token is the credential."""
    match error:
        case PlatformError():
            return error
        case discord.RateLimited():
            return _limited(error.retry_after, "chat")
        case discord.LoginFailure():
            return CredentialsRejected(f"Discord: {CLOSE_REASONS[4004]} ({PORTAL})")
        case discord.HTTPException():
            return _classify_answer(error, answering=answering)
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return PlatformUnavailable("no connection to Discord")
        case aiohttp.InvalidURL():
            return PlatformUnavailable("the address of Discord's API is not valid")
        case TimeoutError():
            return SendUncertain("Discord did not answer in time")
        case _:
            return SendUncertain(f"the answer of Discord was lost ({type(error).__name__})")


def classify_close(code: int, application: Application | None = None) -> PlatformError:
    """The end of a gateway connection that the protocol does not take up again."""
    if code == 4014:
        return RightsMissing(f"Discord: {CLOSE_REASONS[code]}. {switch_path(application)}")
    if code in CLOSE_REASONS:
        return CredentialsRejected(f"Discord: {CLOSE_REASONS[code]} ({PORTAL})")
    return PlatformUnavailable(f"the gateway closed with {code}")


def edge_ban_s(error: BaseException | None) -> float | None:
    """How long the edge bans this address by this answer; None if it is nothing of the kind.

    A 429 of Discord itself carries `Via`, one of its edge does not.
    """
    headers: Mapping[str, str]
    match error:
        case discord.HTTPException(status=429, code=0):
            headers = error.response.headers
        case aiohttp.WSServerHandshakeError(status=429):
            headers = error.headers or {}
        case _:
            return None
    return None if headers.get("Via") else max(EDGE_BAN_S, _seconds(headers.get("Retry-After")))


def code_of(error: PlatformError) -> int:
    """Discord's own code behind a failure, 0 where there is none."""
    cause = error.__cause__
    return cause.code if isinstance(cause, discord.HTTPException) else 0


def cause_of(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Why a group of tasks ended: what a caller can act on, before anything else."""
    known, other = failures.split(PlatformError)
    leaf: BaseException = known or other or failures
    while isinstance(leaf, BaseExceptionGroup):
        leaf = leaf.exceptions[0]
    return leaf


def _classify_answer(error: discord.HTTPException, *, answering: bool) -> PlatformError:
    """By Discord's own code first, by the HTTP status where there is none."""
    code, status = error.code, error.status
    said = f"Discord answered {status}, code {code}"
    if code in _LOST:
        return MessageGone(said)
    if code in _CLOSED_THREADS:
        return ThreadGone(said)
    if code in _DEAD_CHATS:
        return ChatUnavailable(said, reason=_DEAD_CHATS[code])
    if code in _DEAD_PRESSES or (answering and status == 401):
        return PressExpired(said)
    if code in _LIMIT_SCOPES or status == 429:
        return _classify_limit(error)
    if code == 40005 or status == 413:
        return TooLong(said)
    if code == _INVALID_FORM:
        return (TooLong if _CONTENT_FAULT.search(error.text) else MarkupRejected)(said)
    return _classify_status(status, said)


def _classify_status(status: int, said: str) -> PlatformError:
    if status == 401:
        return CredentialsRejected(f"Discord: {CLOSE_REASONS[4004]} ({PORTAL})")
    if status == 403:
        return ChatUnavailable(said, reason="no_rights")
    if status >= 500:
        return SendUncertain(said)
    return MessageRejected(said)


def _classify_limit(error: discord.HTTPException) -> RateLimited:
    """A ban of the edge holds for everything from this address."""
    banned_s = edge_ban_s(error)
    if banned_s is not None:
        return _limited(banned_s, "account")
    headers = error.response.headers
    scope = "account" if headers.get("X-RateLimit-Global") else "chat"
    return _limited(
        max(1.0, _seconds(headers.get("Retry-After"))), _LIMIT_SCOPES.get(error.code, scope)
    )


def _limited(seconds: float, scope: str) -> RateLimited:
    return RateLimited(f"Discord asks to wait {seconds:.1f} s", retry_after_s=seconds, scope=scope)


def _seconds(header: str | None) -> float:
    try:
        return float(header or 0)
    except ValueError:
        return 0.0
