"""What was said in a channel or thread before a message, by one call of the REST API."""

from platforms.discord import rights
from platforms.discord.backfill import Get
from platforms.discord.directory import Index
from platforms.discord.limits import HISTORY_PAGE
from platforms.discord.parse import parse
from platforms.discord.reading import Identity
from platforms.errors import ChatUnavailable
from platforms.events import Attachment, MessageReceived, MessageRef, Said
from platforms.fields import Body, mapping, objects

TEXT_MAX = 2_000

_THREAD_STARTER = 21
"""Stands in a thread for the message it began with. Source: "Message Types"."""


async def earlier(
    get: Get, message: MessageRef, limit: int, *, us: Identity, index: Index
) -> tuple[Said, ...]:
    """At most `limit` messages with words, oldest first; raises PlatformError."""
    channel = message.chat.thread_id or message.chat.chat_id
    query = {"before": message.message_id, "limit": str(min(limit, HISTORY_PAGE))}
    try:
        page = await get(f"/channels/{channel}/messages", query)
    except ChatUnavailable as error:
        if error.reason != "no_rights":
            raise
        raise rights.no_rights(rights.HISTORY, us.name) from error
    found = [_said(each, message, us, index) for each in objects({"page": page}, "page")]
    told = [each for each in found if each is not None]
    return tuple(sorted(told, key=lambda said: int(said.message.message_id)))


def _said(data: Body, before: MessageRef, us: Identity, index: Index) -> Said | None:
    """A message as it would have been told when it was written; None for what says nothing."""
    if data.get("type") == _THREAD_STARTER:
        data = mapping(data, "referenced_message")
    event = {"t": "MESSAGE_CREATE", "d": {**data, "guild_id": before.chat.space}}
    match parse(event, us, index):
        case (MessageReceived() as read,):
            text = " ".join(filter(None, (read.text, *map(_named, read.attachments))))
            ref = MessageRef(chat=before.chat, message_id=read.message.message_id)
            if not text:
                return None
            return Said(
                message=ref,
                author=read.author,
                text=text[:TEXT_MAX],
                attachments=read.attachments,
            )
        case _:
            return None


def _named(attachment: Attachment) -> str:
    return f"({attachment.kind}: {attachment.name or 'without a name'})"
