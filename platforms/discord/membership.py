"""Pure: what becomes of a channel, and what people think of a message. Total.

A bot is let into a whole guild, which is written as all of its channels (`chat_id` "*").
Source: "Gateway Events", Message Reaction Add, Channel Delete, Guild Create.
"""

from datetime import datetime, timedelta

from platforms.discord.fields import born, moment, snowflake
from platforms.discord.reading import Identity, Reading, Reason, chat_of
from platforms.discord.words import display_name
from platforms.events import (
    Author,
    ChatMembershipChanged,
    ChatRef,
    InboundEvent,
    MessageRef,
    ReactionChanged,
)
from platforms.fields import Body, integer, mapping, string, truth

EMOJI_MAX = 64
"""Characters of an emoji's name that are kept."""

JOINED_LATELY = timedelta(days=1)
"""Every connection tells of every guild; this long after we were let in it is news."""

ALL_CHANNELS = "*"

_NOBODY = Author(id="0")
_TEXT_KINDS = frozenset({0, 5, 15, 16})
"""Text, announcement, forum and media channels. Source: "Channel Types"."""


def read_added(data: Body, reading: Reading) -> InboundEvent | Reason:
    """Somebody put a reaction to a message."""
    return _reaction(data, reading, added=True)


def read_removed(data: Body, reading: Reading) -> InboundEvent | Reason:
    """Somebody took theirs away."""
    return _reaction(data, reading, added=False)


def read_joined(data: Body, us: Identity, *, now: datetime) -> ChatMembershipChanged | None:
    """We were let into a guild a short while ago; None if this is no news."""
    guild, joined = snowflake(data.get("id")), moment(data.get("joined_at"))
    if guild is None or joined is None or abs(now - joined) > JOINED_LATELY:
        return None
    chat = ChatRef(account=us.account, space=guild, chat_id=ALL_CHANNELS)
    key = f"joined:{guild}:{int(joined.timestamp())}"
    return ChatMembershipChanged(
        account=us.account,
        chat=chat,
        reply_to=chat,
        author=_NOBODY,
        delivery_key=key,
        logical_key=key,
        order=(0, int(joined.timestamp())),
        occurred_at=joined,
        subject=Author(id=us.user_id, kind="bot", is_us=True),
        change="we_joined",
        chat_kind="group",
    )


def read_channel_gone(data: Body, reading: Reading) -> InboundEvent | Reason:
    """A channel was deleted, or we may not see it any more."""
    ident, guild = snowflake(data.get("id")), snowflake(data.get("guild_id"))
    if ident is None:
        return "malformed"
    if guild is None or integer(data, "type") not in _TEXT_KINDS:
        return "unsupported_kind"
    chat = ChatRef(account=reading.us.account, space=guild, chat_id=ident)
    return ChatMembershipChanged(
        account=reading.us.account,
        chat=chat,
        reply_to=chat,
        author=_NOBODY,
        delivery_key=f"gone:{ident}",
        logical_key=f"gone:{ident}",
        order=(int(ident), 1 << 62),
        occurred_at=born(ident),  # no time is told; nothing goes by it
        subject=_NOBODY,
        change="archived",
        chat_kind="group",
    )


def _reaction(data: Body, reading: Reading, *, added: bool) -> InboundEvent | Reason:
    chat, message = chat_of(data, reading), snowflake(data.get("message_id"))
    user, emoji = snowflake(data.get("user_id")), _emoji(mapping(data, "emoji"))
    if chat is None or message is None or user is None or not emoji:
        return "malformed"
    if user == reading.us.user_id:
        return "own_echo"
    member = mapping(data, "member")
    person = mapping(member, "user")
    key = f"x:{message}:{user}:{'+' if added else '-'}{emoji}"
    return ReactionChanged(
        account=reading.us.account,
        chat=chat,
        reply_to=chat,
        author=Author(
            id=user,
            space=snowflake(data.get("guild_id")),
            name=display_name(member, person),
            kind="bot" if truth(person, "bot") else "human",
        ),
        # No id is told: the same reaction put there again is the same act.
        delivery_key=key,
        logical_key=key,
        order=(int(message), 0),
        occurred_at=born(message),
        late=reading.late,
        message=MessageRef(chat=chat, message_id=message),
        emoji=emoji,
        added=added,
        chat_kind="dm" if chat.space is None else "group",
    )


def _emoji(emoji: Body) -> str:
    name = string(emoji, "name")[:EMOJI_MAX]
    return f":{name}:" if snowflake(emoji.get("id")) is not None else name
