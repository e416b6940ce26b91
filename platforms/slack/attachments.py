"""Pure: files that came with a message, and messages that were shared into it."""

from typing import Literal

from platforms.events import Attachment
from platforms.fields import Body, identifier, integer, objects, string, truth
from platforms.slack.words import unescape

Kind = Literal["image", "audio", "voice", "video", "document", "sticker"]

_FILES_MAX = 20
_SHARED_MAX = 2_000


def read_attachments(message: Body) -> tuple[Attachment, ...]:
    """Files that can be read; deleted ones and those over a plan's limit have no address."""
    found = []
    for file in objects(message, "files")[:_FILES_MAX]:
        ident = identifier(file, "id")
        address = identifier(file, "url_private_download") or identifier(file, "url_private")
        if ident is None or address is None:
            continue
        found.append(
            Attachment(
                id=ident,
                kind=_kind(file),
                file=address,
                name=string(file, "name") or None,
                mime=string(file, "mimetype") or None,
                bytes=integer(file, "size"),
                seconds=_seconds(integer(file, "duration_ms")),
                width=integer(file, "original_w"),
                height=integer(file, "original_h"),
            )
        )
    return tuple(found)


def shared_words(message: Body) -> str:
    """The words of messages somebody shared here, as quotes."""
    quotes = []
    for attachment in objects(message, "attachments"):
        if truth(attachment, "is_share"):
            words = unescape(string(attachment, "text") or string(attachment, "fallback"))
            author = string(attachment, "author_name")
            lines = [f"{author}:" if author else "", *words[:_SHARED_MAX].split("\n")]
            quotes.append("\n".join(f"> {line}" for line in lines if line))
    return "\n\n".join(filter(None, quotes))


def _seconds(milliseconds: int | None) -> int | None:
    """Of a clip, rounded up."""
    return None if milliseconds is None else -(-milliseconds // 1000)


def _kind(file: Body) -> Kind:
    mime = string(file, "mimetype")
    if string(file, "subtype") == "slack_audio":
        return "voice"
    match mime.partition("/")[0]:
        case "image":
            return "image"
        case "audio":
            return "audio"
        case "video":
            return "video"
        case _:
            return "document"
