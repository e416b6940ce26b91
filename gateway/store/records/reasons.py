"""Pure: why an event was not taken, in words, and which check and which key of the file said so.

The checks are those of `gateway.admission`, in their order; the first that applies decides.
"""

from collections.abc import Mapping
from typing import Final

CHECKS: Final[Mapping[int, str]] = {
    1: "what can be read",
    2: "what is known already",
    3: "who can't be talked to",
    4: "the chat",
    6: "whom it means",
    7: "its sender",
    8: "the command",
    9: "how much and how late",
    10: "room to wait",
}
"""What each check looks at; the fifth, of presses and forms, is the approval desk's."""

RULES: Final[Mapping[str, tuple[int, tuple[str, ...]]]] = {
    "malformed": (1, ()),
    "unsupported_kind": (1, ()),
    "unknown_workspace": (1, ("platforms.slack.bot_token",)),
    "duplicate": (2, ()),
    "own_echo": (3, ()),
    "service_message": (3, ()),
    "bot_not_listed": (3, ("access.bots",)),
    "bot_command": (3, ()),
    "bot_loop": (3, ("access.bots",)),
    "chat_not_listed": (4, ("access.chats",)),
    "not_addressed": (6, ("access.require_mention",)),
    "other_addressee": (6, ("access.require_mention",)),
    "blocked": (7, ()),
    "anonymous_sender": (7, ()),
    "sender_not_listed": (7, ("access.users", "access.dm")),
    "owner_code": (7, ()),
    "owner_code_over": (7, ()),
    "owner_code_public": (7, ()),
    "owner_code_wrong": (7, ()),
    "pairing": (7, ("access.dm",)),
    "pairing_denied": (7, ("access.dm",)),
    "pairing_full": (7, ("access.dm",)),
    "pairing_lapsed": (7, ("access.dm",)),
    "pairing_waits": (7, ("access.dm",)),
    "unknown_command": (8, ()),
    "not_entitled": (8, ("gateway.owners",)),
    "frozen": (9, ()),
    "too_large": (9, ()),
    "too_late": (9, ()),
    "rate_user": (9, ()),
    "rate_chat": (9, ()),
    "queue_full": (10, ()),
}
"""By which check a reason was given, and the keys that decide it; without any it is fixed."""

REASONS: Final[Mapping[str, str]] = {
    "amendment": "an edit or deletion; it changed the message if that still waited",
    "anonymous_sender": "an anonymous admin can't be told from any other",
    "blocked": "an owner blocked this person; /pair allow takes it back",
    "bot_command": "a bot gives no commands",
    "bot_loop": "bots are answered three times in ten minutes, after a person has written",
    "bot_not_listed": "only bots that [access] bots names are answered",
    "chat_not_listed": "list the chat in [access] chats to let it in",
    "deleted_by_author": "its author deleted it before it was answered",
    "frozen": "spending was stopped by /freeze; the chat was told, once in 30 s",
    "form_over": "it answered a form too late, or for the second time; the sender was told",
    "malformed": "the payload could not be read; it is kept in the inbox row",
    "membership": "who is in the chat, or what it is, has changed; rows went along",
    "not_entitled": "only owners can give this command; the sender was told",
    "nothing_to_answer": "its author was let in, and there was nothing in it to answer",
    "not_addressed": "in a group I answer to a mention, a reply, or in a thread I am part of",
    "other_addressee": "it was meant for someone else",
    "own_echo": "it is our own message",
    "owner_code": "a code of gatepost pair owner, and nothing else; its author is an owner",
    "owner_code_over": "a code that was used or ran out; gatepost pair owner prints another",
    "owner_code_public": "a code where others could read it; it ended by that",
    "owner_code_wrong": "no code of gatepost pair owner, or one too many, while one was open",
    "reaction": "a reaction to a message; nothing goes by them",
    "sender_not_listed": 'list the person in [access] users, or set dm = "open"',
    "pairing": "[access] dm = pairing: it waits for an owner's word; /pair list shows who asks",
    "pairing_denied": "an owner said no; after a day they may ask again",
    "pairing_full": "ten people are asked about already; more are not",
    "pairing_lapsed": "nobody decided in a day, and its author has asked anew",
    "pairing_waits": "three messages wait for an owner's word already; more are not kept",
    "queue_full": "too much was waiting already; whoever wrote there was told, once in 30 s",
    "rate_chat": "over 60 messages a minute in this chat; it was told, once in 30 s",
    "rate_user": "over 20 messages a minute from one person; the chat was told, once in 30 s",
    "service_message": "the platform's own message, not a person's",
    "too_large": "it was over the length of one message; the sender was told",
    "too_late": "it came by back-fill more than six hours after it was written",
    "unknown_command": "there is no such command; the sender was told",
    "unknown_workspace": "it came from a workspace this app is not configured for",
    "unsupported_kind": "this kind of event means nothing to the gateway",
    "withdrawn_job": "its job was changed or removed before it began",
    "withdrawn_by_stop": "/stop took it out of the queue",
}


def ruled_by(reason: str | None) -> str:
    """Which check decided, and by which keys; empty for what admission has not decided."""
    found = RULES.get(reason or "")
    if found is None:
        return ""
    check, keys = found
    by = f", decided by {' and '.join(keys)}" if keys else ""
    return f"check {check} of 10, {CHECKS[check]}{by}"
