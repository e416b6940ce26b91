"""Pure: the text form of people and chats in lists, `slack:T1/U1` and `telegram:-100200`.

Only immutable ids are taken. A name can be given up by one person and taken by another, so a
list of names would be a list of whoever holds them today.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, get_args

from gateway.config.faults import Wrong
from platforms.events import ChatRef, PlatformName

PLATFORMS: Final[tuple[PlatformName, ...]] = get_args(PlatformName)

_USER_SHAPES: Final[Mapping[PlatformName, re.Pattern[str]]] = {
    "telegram": re.compile(r"[1-9][0-9]{0,19}"),
    "slack": re.compile(r"[TE][A-Z0-9]{1,30}/[UW][A-Z0-9]{1,30}"),
    "discord": re.compile(r"[1-9][0-9]{0,19}"),
    "web": re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"),
    "terminal": re.compile(r"[0-9]{1,10}"),
}
_CHAT_SHAPES: Final[Mapping[PlatformName, re.Pattern[str]]] = {
    "telegram": re.compile(r"\*|-?[1-9][0-9]{0,19}(/([1-9][0-9]{0,19}|\*))?"),
    "slack": re.compile(
        r"\*|[TE][A-Z0-9]{1,30}/(\*|[CDG][A-Z0-9]{1,30}(/([0-9]{1,12}\.[0-9]{1,9}|\*))?)"
    ),
    "discord": re.compile(r"\*|[1-9][0-9]{0,19}(/[1-9][0-9]{0,19}){0,2}(/\*)?"),
    "web": re.compile(r"\*|[A-Za-z0-9][A-Za-z0-9._-]{0,63}"),
    "terminal": re.compile(r"\*|[0-9]{1,10}"),
}
_GROUP_SHAPES: Final[Mapping[Literal["slack", "discord"], re.Pattern[str]]] = {
    "slack": re.compile(r"slack:([TE][A-Z0-9]{1,30})/(S[A-Z0-9_]{1,30})"),
    "discord": re.compile(r"discord:([1-9][0-9]{0,19})/&([1-9][0-9]{0,19})"),
}
_SLACK_BOT = re.compile(r"slack:([TE][A-Z0-9]{1,30})/(B[A-Z0-9]{1,30})")
_USER_EXAMPLES: Final[Mapping[PlatformName, str]] = {
    "telegram": "telegram:1001",
    "slack": "slack:T1/U1",
    "discord": "discord:42",
    "web": "web:local",
    "terminal": "terminal:1000",
}
_CHAT_EXAMPLES: Final[Mapping[PlatformName, str]] = {
    "telegram": "telegram:-100200",
    "slack": "slack:T1/C1",
    "discord": "discord:42",
    "web": "web:local",
    "terminal": "terminal:1000",
}
_HOW_TO_FIND_USER: Final[Mapping[PlatformName, str]] = {
    "telegram": "the person writes to the bot, and the log names the id it did not know",
    "slack": "in Slack: profile, the three dots, Copy member ID; the team id is the T... part of"
    " the address in the browser",
    "discord": "in Discord: settings, Advanced, Developer Mode; then right-click the person,"
    " Copy User ID",
    "web": "local on this machine",
    "terminal": "`id -u` prints it",
}
_HOW_TO_FIND_CHAT: Final[Mapping[PlatformName, str]] = {
    "telegram": "write in the group, and the log names the id it did not know",
    "slack": "in Slack: channel details, at the bottom; the team id is the T... part of the"
    " address in the browser",
    "discord": "in Discord: settings, Advanced, Developer Mode; then right-click the channel,"
    " Copy Channel ID",
    "web": "web:local is the page on this machine",
    "terminal": "terminal:UID is one account's chat",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UserId:
    """One person on one platform. `space` is the Slack team, else None."""

    platform: PlatformName
    space: str | None = None
    id: str

    def __str__(self) -> str:
        return f"{self.platform}:" + (f"{self.space}/{self.id}" if self.space else self.id)

    def covers(self, *, platform: PlatformName, space: str | None, author_id: str) -> bool:
        """Whether this names that person; an id without a space holds in every space."""
        same = self.platform == platform and self.id == author_id
        return same and (self.space is None or self.space == space)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatPattern:
    """A chat with everything below it, or, with no parts, every chat of the platform.

    `parts` are space, chat and thread as far as they are given; a chat covers its threads.
    """

    platform: PlatformName
    parts: tuple[str, ...]
    star: bool = False

    def __str__(self) -> str:
        return f"{self.platform}:" + "/".join((*self.parts, "*") if self.star else self.parts)

    def covers(
        self, *, platform: PlatformName, space: str | None, chat_id: str, thread_id: str | None
    ) -> bool:
        """Whether that place is this chat or below it."""
        if self.platform != platform:
            return False
        below = (chat_id,) if thread_id is None else (chat_id, thread_id)
        whole = below if space is None else (space, *below)
        # A Discord channel may be written without its guild: its id is unique by itself.
        paths = (whole, below) if platform == "discord" else (whole,)
        return any(path[: len(self.parts)] == self.parts for path in paths)

    def names(self, chat: ChatRef) -> bool:
        """Whether a chat is this one or below it."""
        return self.covers(
            platform=chat.account.platform,
            space=chat.space,
            chat_id=chat.chat_id,
            thread_id=chat.thread_id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupId:
    """Everyone in a Slack user group (`slack:T1/S1`) or with a Discord role (`discord:9/&7`).

    `space` is the Slack team or the Discord guild.
    """

    platform: Literal["slack", "discord"]
    space: str
    id: str

    def __str__(self) -> str:
        mark = "&" if self.platform == "discord" else ""
        return f"{self.platform}:{self.space}/{mark}{self.id}"


class Word(Enum):
    """A group of people that only the gateway knows."""

    ADMINS = "admins"  # who administers the chat, on Telegram
    APPROVERS = "approvers"
    OWNERS = "owners"

    def __str__(self) -> str:
        return self.value


def parse_person_or_group(
    text: str, *, words: tuple[Word, ...] = tuple(Word)
) -> UserId | GroupId | Word:
    """Read a person, a Slack user group, a Discord role or one of `words`; raises Wrong."""
    for word in words:
        if text == word.value:
            return word
    for platform, shape in _GROUP_SHAPES.items():
        if found := shape.fullmatch(text):
            return GroupId(platform=platform, space=found[1], id=found[2])
    if text in {word.value for word in Word}:
        known = " or ".join(f'"{word}"' for word in words)
        raise Wrong(f'"{text}" means nobody here', f"list ids, or write {known}")
    if re.fullmatch(r"discord:[0-9]+/[0-9]+", text):
        raise Wrong(
            f"{shown(text)} could be a person, a channel or a role",
            'write a role as "discord:GUILD/&ROLE" and a person as "discord:42"',
        )
    return parse_user(text)


def parse_user(text: str) -> UserId:
    """Read `telegram:1001`; raises Wrong, which says how to find the id, for anything else."""
    platform, rest = _platform_of(text, what="a user id", examples=_USER_EXAMPLES)
    if not _USER_SHAPES[platform].fullmatch(rest):
        example, find = _USER_EXAMPLES[platform], _HOW_TO_FIND_USER[platform]
        raise Wrong(_not_an_id(text, rest), f'write an id such as "{example}" ({find})')
    space, _, last = rest.rpartition("/")
    return UserId(platform=platform, space=space or None, id=last)


def parse_bot(text: str) -> UserId:
    """Read the id of a bot: that of its user, or on Slack its own (`slack:T1/B1`)."""
    if found := _SLACK_BOT.fullmatch(text):
        return UserId(platform="slack", space=found[1], id=found[2])
    return parse_user(text)


def parse_chat(text: str) -> ChatPattern:
    """Read `slack:T1/C1[/thread]` or a form ending in `*`; raises Wrong for anything else."""
    platform, rest = _platform_of(text, what="a chat id", examples=_CHAT_EXAMPLES)
    if not _CHAT_SHAPES[platform].fullmatch(rest):
        example, find = _CHAT_EXAMPLES[platform], _HOW_TO_FIND_CHAT[platform]
        every = "slack:T1/*" if platform == "slack" else f"{platform}:*"
        raise Wrong(
            _not_an_id(text, rest),
            f'write an id such as "{example}", or "{every}" for all ({find})',
        )
    parts = tuple(rest.split("/"))
    star = parts[-1] == "*"
    return ChatPattern(platform=platform, parts=parts[:-1] if star else parts, star=star)


def shown(text: str) -> str:
    """Quote a value for a message, unless it is long enough to be a secret in the wrong place."""
    return f'"{text}"' if len(text) <= 30 and text.isprintable() else "the value"


def _platform_of(
    text: str, *, what: str, examples: Mapping[PlatformName, str]
) -> tuple[PlatformName, str]:
    head, colon, rest = text.partition(":")
    for platform in PLATFORMS:
        if colon and head == platform:
            return platform, rest
    fix = f'write PLATFORM:ID, for example "{examples["telegram"]}" or "{examples["slack"]}"'
    if text.startswith(("@", "#")):
        raise Wrong(f"{shown(text)} is a name, and names change hands", fix)
    raise Wrong(f"{shown(text)} is not {what}: it names no platform", fix)


def _not_an_id(text: str, rest: str) -> str:
    if rest.startswith(("@", "#")) or re.fullmatch(r"[a-z][a-z._ -]*", rest):
        return f"{shown(text)} is a name, and names change hands"
    return f"{shown(text)} does not have the shape of an id"
