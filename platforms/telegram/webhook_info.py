"""What Telegram says about the way in: where it pushes to, what waits, what went wrong last."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from telegram import Bot
from telegram.error import TelegramError

_PORTS = {"http": 80, "https": 443}
_ERROR_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookInfo:
    """The answer of getWebhookInfo; `url` is empty while updates are polled."""

    url: str
    waiting: int
    last_error: str


async def webhook_info(bot: Bot) -> WebhookInfo:
    """Ask; raises TelegramError, also for an answer that cannot be read."""
    try:
        info = await bot.get_webhook_info()
    except (KeyError, TypeError, ValueError, AttributeError):
        # Not as a cause: such an error may print what it failed on.
        raise TelegramError("Invalid server response") from None
    return WebhookInfo(
        url=info.url,
        waiting=info.pending_update_count,
        last_error=(info.last_error_message or "")[:_ERROR_MAX],
    )


def same_address(one: str, other: str) -> bool:
    """Whether two URLs are one place: the server writes host and port in its own way."""
    return _place(one) == _place(other)


def host_of(url: str) -> str:
    """What may be shown of an address: its path is often a secret."""
    try:
        return urlsplit(url).hostname or "nowhere"
    except ValueError:
        return "nowhere"


def _place(url: str) -> tuple[str, str, int | None, str, str]:
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return ("", url, None, "", "")
    return (parts.scheme, parts.hostname or "", port, parts.path or "/", parts.query)
