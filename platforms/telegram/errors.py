"""What a refusal or a broken connection means for the caller, by the words of the Bot API."""

from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from platforms import errors
from platforms.events import ChatRef
from platforms.telegram.request import NotConnected

_NO_HINT_S = 5.0
"""How long to wait after a 429 that does not say how long."""

_TOO_MANY = "too many requests"

_DONE = ("message is not modified", "message to delete not found")

_REFUSED: tuple[tuple[type[errors.PlatformError], tuple[str, ...]], ...] = (
    (
        errors.MessageGone,
        ("message to edit not found", "message can't be edited", "message_id_invalid"),
    ),
    (errors.ThreadGone, ("thread not found", "topic_closed", "topic_deleted")),
    (errors.PressExpired, ("query is too old", "query_id_invalid")),
    (errors.TooLong, ("too long", "too_long", "entity too large")),
    (errors.MarkupRejected, ("can't parse entities", "entity beginning", "receive an entity")),
)

_UNAVAILABLE: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "no_rights",
        (
            "not enough rights",
            "no rights to send",
            "need administrator rights",
            "chat_write_forbidden",
            "can't initiate conversation",
            "can't send messages to bots",
        ),
    ),
    ("not_found", ("chat not found", "peer_id_invalid", "user not found")),
    ("archived", ("deactivated",)),
    ("blocked", ("bot was blocked",)),
    ("kicked", ("bot was kicked", "bot is not a member")),
)


def classify_error(error: TelegramError, chat: ChatRef | None) -> errors.PlatformError | None:
    """What the failure of one call means; None if its effect stands all the same.

    `chat` is where the call wrote to. BadRequest is a NetworkError, and 401 and 404 are both
    InvalidToken, so the order matters. Source: the descriptions of the Bot API server.
    """
    words = str(error).lower()
    match error:
        case RetryAfter():
            return _rate_limited(retry_after_s(error), chat)
        case ChatMigrated(new_chat_id=moved) if chat is not None:
            to = ChatRef(account=chat.account, chat_id=str(moved))
            return errors.ChatMoved("the group became a supergroup", to=to)
        case InvalidToken():
            return errors.CredentialsRejected(
                "Telegram refuses the bot's token; take a new one from @BotFather"
            )
        case Conflict():
            return errors.CredentialsRejected(_conflict(words))
        case BadRequest() | Forbidden():
            return _refusal(error, words)
        case NotConnected():
            return errors.PlatformUnavailable(str(error))
        case _:
            return _no_answer(words, chat)


def as_connection(error: TelegramError) -> errors.PlatformError:
    """What a failure outside of sends means: nothing is uncertain there, it is asked again."""
    failure = classify_error(error, None)
    if isinstance(failure, errors.CredentialsRejected | errors.PlatformUnavailable):
        return failure
    if failure is None or isinstance(failure, errors.SendUncertain):
        return errors.PlatformUnavailable(str(error)[:200])
    return errors.PlatformUnavailable(str(failure))


def _refusal(error: TelegramError, words: str) -> errors.PlatformError | None:
    said = f"Telegram: {str(error)[:200]}"
    if any(part in words for part in _DONE):
        return None
    for kind, parts in _REFUSED:
        if any(part in words for part in parts):
            return kind(said)
    for reason, parts in _UNAVAILABLE:
        if any(part in words for part in parts):
            return errors.ChatUnavailable(said, reason=reason)
    if isinstance(error, Forbidden):
        return errors.ChatUnavailable(said, reason="no_rights")
    return errors.MessageRejected(said)


def _no_answer(words: str, chat: ChatRef | None) -> errors.PlatformError:
    if words.startswith(_TOO_MANY):
        return _rate_limited(_NO_HINT_S, chat)
    if "entity too large" in words:
        return errors.TooLong("Telegram: the request is too large")
    return errors.SendUncertain("Telegram gave no answer that tells whether it was done")


def _rate_limited(seconds: float, chat: ChatRef | None) -> errors.RateLimited:
    scope = "account" if chat is None else "chat"
    return errors.RateLimited(
        f"Telegram wants {seconds:g} s of silence", retry_after_s=seconds, scope=scope
    )


def retry_after_s(error: RetryAfter) -> float:
    """How long a 429 asks us to wait, in seconds."""
    wait = error.retry_after
    return float(wait) if isinstance(wait, int) else wait.total_seconds()


def silence_s(error: Exception) -> float | None:
    """How many seconds to wait after a 429, hint or none; None for any other failure."""
    if isinstance(error, RetryAfter):
        return retry_after_s(error)
    return _NO_HINT_S if str(error).lower().startswith(_TOO_MANY) else None


def cause_of(error: Exception) -> str:
    """Why a poll did not complete, in a few words."""
    match error:
        case Conflict():
            return "another poller"
        case NotConnected():
            return "no connection"
        case TimeoutError() | TimedOut():
            return "no answer"
        case NetworkError():
            return "connection broke or server error"
        case _:
            return "answer not understood" if silence_s(error) is None else "rate notice"


def _conflict(words: str) -> str:
    if "webhook" in words:
        return (
            "another process has set a webhook for this token: stop it, or give this gateway its"
            " own bot"
        )
    return "another process polls with this token: stop it, or give this gateway its own bot"
