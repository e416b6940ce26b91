"""Where Telegram serves a file: getFile gives a path that is good for an hour.

The address holds the bot's token. Source: core.telegram.org/bots/api#getfile.
"""

from urllib.parse import urlsplit

from telegram import Bot
from telegram.error import BadRequest, TelegramError

from platforms.errors import FileUnavailable, PlatformError, PlatformUnavailable
from platforms.events import Attachment
from platforms.files import FileAddress, origin_of
from platforms.telegram.errors import as_connection, classify_error
from platforms.telegram.limits import DOWNLOAD_MAX

_HOSTS = ("api.telegram.org",)


async def locate(bot: Bot, attachment: Attachment, base_url: str) -> FileAddress:
    """The address of a file; raises FileUnavailable, or what else a question may meet."""
    if attachment.bytes is not None and attachment.bytes > DOWNLOAD_MAX:
        raise FileUnavailable("Telegram hands no such large file to bots", reason="too_large")
    try:
        file = await bot.get_file(attachment.file)
    except BadRequest as error:
        raise _refused(error) from error
    except TelegramError as error:
        raise _failure(error) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PlatformUnavailable("Telegram's answer was not understood") from error
    path = file.file_path or ""
    if not path.startswith(("http://", "https://")):
        # A Bot API server of one's own may put files on its own disk instead.
        raise FileUnavailable("the Bot API server keeps its files to itself", reason="no_file")
    base = urlsplit(base_url)
    return FileAddress(url=path, hosts=_HOSTS, origin=origin_of(base.scheme, base.netloc))


def _refused(error: BadRequest) -> PlatformError:
    words = str(error).lower()
    if "too big" in words:
        return FileUnavailable("Telegram hands no such large file to bots", reason="too_large")
    return FileUnavailable(f"Telegram: {str(error)[:100]}", reason="gone")


def _failure(error: TelegramError) -> PlatformError:
    """A question changes nothing, so nothing about it is uncertain."""
    return classify_error(error, None) or as_connection(error)
