"""Accounts, chats and people as text, the one form of config, command line, rows and `why`.

    account   platform:ID                    telegram:77  slack:A1  web:local
    chat      slack:TEAM/CHANNEL[/THREAD]    discord:[GUILD/]CHANNEL[/THREAD]
              telegram:CHAT[/TOPIC]          web:CHAT     terminal:CHAT
    person    slack:TEAM/USER                discord:USER  telegram:USER  web:NAME  terminal:UID

A Discord chat of one part is a direct message; two parts are guild and channel.
"""

from dataclasses import replace
from typing import cast, get_args

from platforms.events import Account, Author, ChatRef, MessageRef, PlatformName

_SPACED = frozenset({"slack", "discord"})


def account_text(account: Account) -> str:
    """Write an account."""
    return f"{account.platform}:{account.id}"


def account_from(text: str) -> Account:
    """Read an account; ValueError if it is none."""
    platform, _, ident = text.partition(":")
    return Account(platform=_platform(platform, text), id=ident)


def chat_text(chat: ChatRef) -> str:
    """Write a chat without its account's id."""
    parts = [part for part in (chat.space, chat.chat_id, chat.thread_id) if part is not None]
    return f"{chat.account.platform}:{'/'.join(parts)}"


def chat_from(text: str, account: Account) -> ChatRef:
    """Read a chat of `account`; ValueError if it is none or another platform's."""
    platform, _, rest = text.partition(":")
    parts = rest.split("/")
    if platform != account.platform or not all(parts):
        raise ValueError(f"{text!r} is not a chat of {account.platform}")
    space = parts.pop(0) if platform in _SPACED and len(parts) > 1 else None
    if len(parts) not in (1, 2):
        raise ValueError(f"{text!r} has too many parts for a chat")
    thread = parts[1] if len(parts) > 1 else None
    return ChatRef(account=account, space=space, chat_id=parts[0], thread_id=thread)


def standing_text(chat: str) -> str:
    """The chat that `web:USER` stands for, where the page keeps what comes unasked; others as is.

    A chat of the page has the id of one conversation, which nobody writes by hand.
    """
    from platforms.web.parse import is_conversation, notices_of

    platform, _, rest = chat.partition(":")
    if platform != "web" or is_conversation(rest):
        return chat
    try:
        return chat_text(notices_of(rest))
    except ValueError:
        return chat


def root_text(chat: str) -> str:
    """The same chat without its thread; ValueError if it is none.

    Buttons are sealed for it: on some platforms a press does not tell the thread.
    """
    place = chat_from(chat, Account(platform=_platform(chat.partition(":")[0], chat), id=""))
    return chat_text(replace(place, thread_id=None))


def written_as(chat: str) -> tuple[str, ...]:
    """A chat in every form that configuration may give it, as it is first.

    A Discord channel may be written without its guild: its id is unique by itself.
    """
    platform, _, rest = chat.partition(":")
    parts = rest.split("/")
    return (
        (chat, f"{platform}:{parts[1]}") if platform == "discord" and len(parts) == 2 else (chat,)
    )


def person_text(author: Author, platform: PlatformName) -> str:
    """Write a person by immutable id."""
    if platform == "slack" and author.space is not None:
        return f"slack:{author.space}/{author.id}"
    return f"{platform}:{author.id}"


def person_id(text: str) -> str:
    """The platform's own id of a person written by `person_text`."""
    return text.partition(":")[2].rpartition("/")[2]


def person_space(text: str) -> str | None:
    """The Slack workspace of a person written by `person_text`; None elsewhere."""
    return text.partition(":")[2].rpartition("/")[0] or None


def message_text(message: MessageRef) -> str:
    """Write a message as people copy it into `gatepost why`."""
    return f"{chat_text(message.chat)}/{message.message_id}"


def _platform(name: str, text: str) -> PlatformName:
    if name not in get_args(PlatformName):
        raise ValueError(f"{text!r} names no platform")
    return cast(PlatformName, name)
