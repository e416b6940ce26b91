"""Where Slack serves a file: its private address, with the bot's token.

Whoever may not read it (a token without files:read) is led to the page to log in, with status 200.
Source: docs.slack.dev/reference/objects/file-object, "url_private".
"""

from urllib.parse import urlsplit

from platforms.errors import FileUnavailable
from platforms.events import Attachment
from platforms.files import FileAddress, origin_of

_HOSTS = ("files.slack.com", "files.slack-gov.com")


def locate(attachment: Attachment, *, token: str, base_url: str) -> FileAddress:
    """The address of a file; raises FileUnavailable where it lies elsewhere."""
    base = urlsplit(base_url)
    origin = origin_of(base.scheme, base.netloc)
    address = urlsplit(attachment.file)
    ours = origin_of(address.scheme, address.netloc) == origin
    if not ours and (address.scheme != "https" or address.hostname not in _HOSTS):
        raise FileUnavailable("the file is not kept by Slack", reason="no_file")
    return FileAddress(
        url=attachment.file,
        hosts=_HOSTS,
        origin=origin,
        headers={"Authorization": f"Bearer {token}"},
        pages=attachment.mime != "text/html",
    )
