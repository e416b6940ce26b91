"""Pure: who is in a channel, what becomes of one, and what people think of a message. Total.

Source: docs.slack.dev/reference/events, member_joined_channel and those beside it.
"""

from collections.abc import Mapping
from typing import Literal

from platforms.events import (
    Author,
    ChatMembershipChanged,
    ChatRef,
    InboundEvent,
    Membership,
    MessageRef,
    ReactionChanged,
)
from platforms.fields import Body, identifier, mapping, string
from platforms.slack.reading import Reading, Reason, kind_of, person_of
from platforms.slack.stamps import is_stamp, order, time_of

MEMBERS: Mapping[str, Literal["joined", "left"]] = {
    "member_joined_channel": "joined",
    "member_left_channel": "left",
}
CHANNELS: Mapping[str, Membership] = {
    "channel_left": "we_left",
    "group_left": "we_left",
    "channel_archive": "archived",
    "group_archive": "archived",
    "channel_deleted": "archived",
    "group_deleted": "archived",
    "channel_unarchive": "unblocked",
    "group_unarchive": "unblocked",
    "channel_rename": "renamed",
    "group_rename": "renamed",
    "channel_id_changed": "moved",
}
REACTIONS: Mapping[str, bool] = {"reaction_added": True, "reaction_removed": False}


def read_member(event: Body, reading: Reading) -> InboundEvent | Reason:
    """Somebody was let into a channel or left it; it may be us."""
    subject = person_of({"id": identifier(event, "user")}, identifier(event, "team"), reading)
    change: Membership = MEMBERS[string(event, "type")]
    if subject is None:
        return "malformed"
    if subject.is_us:
        change = "we_joined" if change == "joined" else "we_left"
    inviter = person_of({"id": identifier(event, "inviter")}, None, reading)
    return _changed(event, identifier(event, "channel"), reading, change, subject, by=inviter)


def read_channel(event: Body, reading: Reading) -> InboundEvent | Reason:
    """A channel is archived, has another name, or another id."""
    change = CHANNELS[string(event, "type")]
    us = reading.index.us
    ourselves = Author(id=us.user_id, space=us.space, name=us.name, kind="bot", is_us=True)
    by = person_of({"id": identifier(event, "user")}, None, reading)
    channel = identifier(event, "channel") or identifier(mapping(event, "channel"), "id")
    if change == "moved":
        channel = identifier(event, "old_channel_id")
        to = identifier(event, "new_channel_id")
        if to is None:
            return "malformed"
        return _changed(event, channel, reading, change, by or ourselves, by=by, to=to)
    subject = ourselves if change == "we_left" else by or ourselves
    return _changed(event, channel, reading, change, subject, by=by)


def read_reaction(event: Body, reading: Reading) -> InboundEvent | Reason:
    """A reaction to a message; those to files are not told apart from their message."""
    item, moment = mapping(event, "item"), identifier(event, "event_ts")
    channel, ts, name = (
        identifier(item, "channel"),
        identifier(item, "ts"),
        identifier(event, "reaction"),
    )
    if string(item, "type") != "message":
        return "unsupported_kind"
    author = person_of({"id": identifier(event, "user")}, None, reading)
    if channel is None or not is_stamp(ts) or not is_stamp(moment) or name is None:
        return "malformed"
    if author is None:
        return "malformed"
    if author.is_us:
        return "own_echo"
    us = reading.index.us
    chat = ChatRef(account=us.account, space=us.space, chat_id=channel)
    added = REACTIONS[string(event, "type")]
    return ReactionChanged(
        account=us.account,
        chat=chat,
        reply_to=chat,
        author=author,
        delivery_key=reading.key,
        logical_key=f"{channel}:{ts}:{author.id}:{'+' if added else '-'}{name[:64]}:{moment}",
        order=order(moment),
        occurred_at=time_of(moment),
        message=MessageRef(chat=chat, message_id=ts),
        emoji=f":{name[:64]}:",
        added=added,
        chat_kind=kind_of(channel, ""),
    )


def _changed(
    event: Body,
    channel: str | None,
    reading: Reading,
    change: Membership,
    subject: Author,
    *,
    by: Author | None,
    to: str | None = None,
) -> InboundEvent | Reason:
    moment = identifier(event, "event_ts")
    if channel is None or not is_stamp(moment):
        return "malformed"
    us = reading.index.us
    chat = ChatRef(account=us.account, space=us.space, chat_id=channel)
    return ChatMembershipChanged(
        account=us.account,
        chat=chat,
        reply_to=chat,
        author=by or subject,
        delivery_key=reading.key,
        logical_key=f"{channel}:{change}:{subject.id}:{moment}",
        order=order(moment),
        occurred_at=time_of(moment),
        subject=subject,
        change=change,
        chat_kind=kind_of(channel, ""),
        moved_to=None if to is None else ChatRef(account=us.account, space=us.space, chat_id=to),
    )
