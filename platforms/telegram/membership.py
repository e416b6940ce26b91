"""Pure: who may be where, and what people think of a message: updates that carry no words. Total.

Source: core.telegram.org/bots/api#chatmemberupdated, #messagereactionupdated.
"""

from collections.abc import Iterator
from dataclasses import replace

from platforms.events import (
    ChatMembershipChanged,
    InboundEvent,
    Membership,
    ReactionChanged,
)
from platforms.fields import Body, integer, mapping, objects, string, truth
from platforms.telegram.reading import (
    Head,
    Reading,
    Reason,
    author_of,
    head_of,
    moment_of,
    person_of,
)

_OUT = frozenset({"left", "kicked"})


def read_own_membership(body: Body, reading: Reading) -> InboundEvent | Reason:
    """We were let into a chat, put out of it, or may do more or less in it."""
    return _membership(body, reading, ours=True)


def read_membership(body: Body, reading: Reading) -> InboundEvent | Reason:
    """The same of somebody else; told only where we administer the chat."""
    return _membership(body, reading, ours=False)


def read_service(body: Body, head: Head, reading: Reading) -> ChatMembershipChanged | None:
    """What a message of the platform's own says of its chat: a new address, a new name."""
    chat = head.chat
    to, before = integer(body, "migrate_to_chat_id"), integer(body, "migrate_from_chat_id")
    change: Membership = "moved"
    key, moved_to = "", None
    if to is not None:
        moved_to = replace(chat, chat_id=str(to), thread_id=None)
    elif before is not None:  # the same told in the new chat
        moved_to, chat = chat, replace(chat, chat_id=str(before), thread_id=None)
    elif "new_chat_title" in body:
        change, key = "renamed", f"r:{chat.chat_id}:{head.number}"
    else:
        return None
    author, sent = author_of(body, reading.us), moment_of(body, "date")
    if author is None or sent is None:
        return None
    if moved_to is not None:
        key = f"moved:{chat.chat_id}:{moved_to.chat_id}"
    return ChatMembershipChanged(
        account=reading.us.account,
        chat=chat,
        reply_to=chat,
        author=author,
        delivery_key=reading.key,
        logical_key=key,
        order=(head.number, 0),
        occurred_at=sent,
        subject=author,
        change=change,
        chat_kind=head.chat_kind,
        moved_to=moved_to,
    )


def read_reaction(body: Body, reading: Reading) -> tuple[InboundEvent, ...] | Reason:
    """Somebody's reactions to a message are other ones; those of anonymous people are not told."""
    head, moment = head_of(body, reading.us), moment_of(body, "date")
    author = person_of(mapping(body, "user"), reading.us)
    if head is None or moment is None:
        return "malformed"
    if author is None:
        return "unsupported_kind"
    old, new = (tuple(_emoji(body, name)) for name in ("old_reaction", "new_reaction"))
    changes = [(each, True) for each in new if each not in old]
    changes += [(each, False) for each in old if each not in new]
    if not changes:
        return "unsupported_kind"
    place = f"{head.chat.chat_id}:{head.number}:{author.id}:{int(moment.timestamp())}"
    return tuple(
        ReactionChanged(
            account=reading.us.account,
            chat=head.chat,
            reply_to=head.chat,
            author=author,
            delivery_key=f"{reading.key}:{_sign(emoji, added)}",
            logical_key=f"x:{place}:{_sign(emoji, added)}",
            order=(head.number, 0),
            occurred_at=moment,
            message=head.ref,
            chat_kind=head.chat_kind,
            emoji=emoji,
            added=added,
        )
        for emoji, added in changes
    )


def _sign(emoji: str, added: bool) -> str:
    """A change in a key, which is ASCII."""
    plain = (each if each.isascii() else f"{ord(each):x}" for each in emoji)
    return ("+" if added else "-") + "".join(plain)


def _emoji(body: Body, name: str) -> Iterator[str]:
    for each in objects(body, name):
        match string(each, "type"):
            case "emoji" if emoji := string(each, "emoji")[:64]:
                yield emoji
            case "custom_emoji" if ident := string(each, "custom_emoji_id")[:64]:
                yield f":{ident}:"
            case "paid":
                yield ":paid:"
            case _:
                pass


def _membership(body: Body, reading: Reading, *, ours: bool) -> InboundEvent | Reason:
    # A change of members has no number in its chat; its second is as near as there is.
    head = head_of({**body, "message_id": integer(body, "date")}, reading.us)
    moment = moment_of(body, "date")
    author = author_of(body, reading.us)
    old, new = mapping(body, "old_chat_member"), mapping(body, "new_chat_member")
    subject = person_of(mapping(new, "user"), reading.us)
    if head is None or moment is None or author is None or subject is None:
        return "malformed"
    change = _change(_is_in(old), _is_in(new), ours=ours, direct=head.chat_kind == "dm")
    states = f"{string(old, 'status')[:20]}>{string(new, 'status')[:20]}"
    return ChatMembershipChanged(
        account=reading.us.account,
        chat=head.chat,
        reply_to=head.chat,
        author=author,
        delivery_key=f"{reading.key}:{subject.id}:{int(moment.timestamp())}",
        logical_key=f"c:{head.chat.chat_id}:{subject.id}:{int(moment.timestamp())}:{states}",
        order=(0, int(moment.timestamp())),
        occurred_at=moment,
        subject=subject,
        change=change,
        chat_kind=head.chat_kind,
    )


def _is_in(member: Body) -> bool:
    status = string(member, "status")
    if status == "restricted":
        return truth(member, "is_member")
    return bool(status) and status not in _OUT


def _change(before: bool, after: bool, *, ours: bool, direct: bool) -> Membership:
    if before == after:
        return "rights"
    if direct:
        return "unblocked" if after else "blocked"
    if ours:
        return "we_joined" if after else "we_left"
    return "joined" if after else "left"
