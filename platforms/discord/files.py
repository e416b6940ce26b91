"""Where Discord serves a file: addresses expire, so its message is read again each time.

Source: discord.com/developers/docs/reference#signed-attachment-cdn-urls.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from platforms.discord.fields import snowflake
from platforms.errors import (
    ChatUnavailable,
    FileUnavailable,
    MessageGone,
    MessageRejected,
    ThreadGone,
)
from platforms.events import Attachment
from platforms.fields import objects, string
from platforms.files import FileAddress, origin_of

_HOSTS = ("cdn.discordapp.com", "media.discordapp.net")

Get = Callable[[str, dict[str, str]], Awaitable[Any]]


async def locate(get: Get, attachment: Attachment, base_url: str) -> FileAddress:
    """The address of a file as its message has it now; raises FileUnavailable if it is gone."""
    channel, _, rest = attachment.file.partition("/")
    message = rest.partition("/")[0]
    if snowflake(channel) is None or snowflake(message) is None:
        raise FileUnavailable("not a file of Discord's", reason="no_file")
    try:
        found = await get(f"/channels/{channel}/messages/{message}", {})
    except (MessageGone, ThreadGone, MessageRejected) as error:
        raise FileUnavailable("the message is gone with its files", reason="gone") from error
    except ChatUnavailable as error:
        raise FileUnavailable("the chat can't be read any more", reason="no_rights") from error
    body = found if isinstance(found, dict) else {}
    for entry in objects(body, "attachments"):
        if snowflake(entry.get("id")) == attachment.id and (url := string(entry, "url")):
            base = urlsplit(base_url)
            return FileAddress(url=url, hosts=_HOSTS, origin=origin_of(base.scheme, base.netloc))
    raise FileUnavailable("the file was taken out of its message", reason="gone")
