"""Questions: does a post in doubt stand, where is somebody's direct message, who is in a group?"""

import logging
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from platforms.content import Post, Upload
from platforms.errors import ChatUnavailable, PlatformUnavailable, ThreadGone
from platforms.events import ChatRef, MessageRef
from platforms.fields import Body, identifier, integer, mapping, objects, string
from platforms.slack.api import WebApi
from platforms.slack.errors import NoSuchGroup
from platforms.slack.history import Call, read_channel, read_thread
from platforms.slack.limits import HISTORY_PAGE, LOOK_UP_MARGIN, LOOK_UP_MESSAGES
from platforms.slack.metadata import nonce_of
from platforms.slack.outbound import Uploads, file_name, is_private
from platforms.slack.reading import Identity
from platforms.slack.stamps import stamp_of

log = logging.getLogger(__name__)

_EVER = datetime.fromtimestamp(0, tz=UTC)


async def find(
    api: WebApi, us: Identity, operation: Post | Upload, since: datetime, uploads: Uploads
) -> MessageRef | None:
    """Look once for a post of ours by its nonce, for a file by its id or its name and size.

    Words for one person only are in no history: they are never found. An answer that tells
    nothing raises SendUncertain.
    """
    if isinstance(operation, Post) and is_private(operation):
        return None
    call = partial(api.call, as_query=True)
    try:
        # `since` is by our clock. Where that is ahead of Slack's the post is older than it.
        for oldest, most in ((since - LOOK_UP_MARGIN, LOOK_UP_MESSAGES), (_EVER, HISTORY_PAGE)):
            shown = await _shown(call, operation.chat, oldest=stamp_of(oldest), most=most)
            if (ident := _found(shown, us, operation, uploads)) is not None:
                return MessageRef(chat=operation.chat, message_id=ident)
    except ThreadGone:
        pass
    return None


async def _shown(call: Call, chat: ChatRef, *, oldest: str, most: int) -> list[Body]:
    if chat.thread_id is None:
        return await read_channel(call, chat.chat_id, oldest=oldest, most=most)
    most = LOOK_UP_MESSAGES  # its first ones come first
    return await read_thread(call, chat.chat_id, chat.thread_id, oldest=oldest, most=most)


def _found(
    shown: list[Body], us: Identity, operation: Post | Upload, uploads: Uploads
) -> str | None:
    for message in shown:
        if not _is_ours(message, us):
            continue
        if isinstance(operation, Upload):
            ident = _file(message, operation, uploads)
        else:
            ident = string(message, "ts") if nonce_of(message, {}) == operation.nonce else None
        if ident is not None:
            return ident
    return None


async def open_direct(api: WebApi, us: Identity, person: str) -> ChatRef:
    """The direct message with a person; Slack opens it if there is none."""
    answer = await api.read("conversations.open", {"users": person})
    channel = identifier(mapping(answer, "channel"), "id")
    if channel is None:
        raise ChatUnavailable("Slack opened no direct message", reason="not_found")
    return ChatRef(account=us.account, space=us.space, chat_id=channel)


async def held_roles(
    api: WebApi, us: Identity, person: str, asked: frozenset[str]
) -> frozenset[str]:
    """The user groups among `asked` whose members list the person now.

    Raises PlatformError if any list can't be read. A group that does not exist, or is disabled,
    has no members; ids that are no user group's are nobody's.
    """
    team = min(us.teams - {us.space}, default=us.space)  # an organisation's token must name one
    held = set()
    for group in sorted(each for each in asked if each.startswith("S")):
        try:
            answer = await api.read("usergroups.users.list", {"usergroup": group, "team_id": team})
        except NoSuchGroup:
            log.warning("slack: there is no user group %s", group)
            continue
        except ChatUnavailable as error:  # a chat has nothing to do with it
            raise PlatformUnavailable(str(error)) from error
        members = answer.get("users")
        if not isinstance(members, list):
            raise PlatformUnavailable(f"Slack did not say who is in the user group {group}")
        if person in members:
            held.add(group)
    return frozenset(held)


async def leave_channel(api: WebApi, chat: ChatRef) -> None:
    """Leave a channel; one we are not in, or that is gone, is left already.

    Needs `channels:manage` or `groups:write`. Source: conversations.leave.
    """
    with suppress(ChatUnavailable):
        await api.call("conversations.leave", {"channel": chat.chat_id})


def _is_ours(message: Body, us: Identity) -> bool:
    return message.get("user") == us.user_id or message.get("bot_id") == us.bot_id


def _file(message: Body, upload: Upload, uploads: Uploads) -> str | None:
    """The id of the file a message shares, if it is the one that was uploaded."""
    for file in objects(message, "files"):
        ident = identifier(file, "id")
        if ident is None:
            continue
        if ident in uploads:
            if uploads[ident] == upload.nonce:
                return ident
        elif string(file, "title") == file_name(upload) and (
            integer(file, "size") == len(upload.data)
        ):
            return ident
    return None
