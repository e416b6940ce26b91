"""Pure: the text of a message as people read it, with the mentions Discord found in it.

A mention is a fact only if the message's own lists name it: the same signs inside code mention
nobody. Our own leading mention is cut off. Source: "Message Formatting", "Message Object".
"""

import re
from dataclasses import dataclass

from platforms.blocks import clean_text
from platforms.discord.directory import Index
from platforms.discord.fields import snowflake, snowflakes
from platforms.events import Mention, MentionKind
from platforms.fields import Body, mapping, objects, string, truth

_SIGN = re.compile(
    r"<@!?(?P<user>\d{1,20})>|<@&(?P<role>\d{1,20})>|<#(?P<chat>\d{1,20})>"
    r"|<a?:(?P<emoji>\w{1,32}):\d{1,20}>|</(?P<command>[^:<>\n]{1,100}):\d{1,20}>"
    r"|(?P<all>@everyone|@here)"
)
_AFTER_NAME = re.compile(r"[,:]?\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Readable text; offsets of the mentions count its code points."""

    text: str
    mentions: tuple[Mention, ...]


def display_name(member: Body, user: Body) -> str:
    """How a chat shows a person: nickname, display name, user name."""
    return string(member, "nick") or string(user, "global_name") or string(user, "username")


def read_words(message: Body, *, us: str, index: Index) -> Words:
    """The content of a message object."""
    reader = _Reader(message, us=us, index=index)
    return reader.read(clean_text(string(message, "content")))


class _Reader:
    def __init__(self, message: Body, *, us: str, index: Index) -> None:
        self._us = us
        self._index = index
        self._names = {
            ident: display_name(mapping(user, "member"), user)
            for user in objects(message, "mentions")
            if (ident := snowflake(user.get("id"))) is not None
        }
        self._roles = frozenset(snowflakes(message, "mention_roles"))
        self._everyone = truth(message, "mention_everyone")
        self._text: list[str] = []
        self._length = 0
        self._mentions: list[Mention] = []

    def read(self, content: str) -> Words:
        at = self._cut_leading(content)
        for sign in _SIGN.finditer(content, at):
            self._write(content[at : sign.start()])
            self._sign(sign)
            at = sign.end()
        self._write(content[at:])
        return Words(text="".join(self._text), mentions=tuple(self._mentions))

    def _cut_leading(self, content: str) -> int:
        """Where the words behind our own leading mentions begin."""
        at = len(content) - len(content.lstrip())
        while (sign := _SIGN.match(content, at)) and self._names_us(sign):
            self._mentions.append(Mention(kind=MentionKind.US, start=0, end=0))
            behind = _AFTER_NAME.match(content, sign.end())
            at = behind.end() if behind else sign.end()
        return at if self._mentions else 0

    def _names_us(self, sign: re.Match[str]) -> bool:
        if (user := sign["user"]) is not None:
            return user == self._us and user in self._names
        role = sign["role"]
        return role is not None and role in self._roles and self._index.is_our_role(role)

    def _sign(self, sign: re.Match[str]) -> None:
        user, role, chat = sign["user"], sign["role"], sign["chat"]
        if self._names_us(sign):
            self._mention(MentionKind.US, None, f"@{self._names.get(self._us) or 'bot'}")
        elif user is not None and user in self._names:
            self._mention(MentionKind.USER, user, f"@{self._names[user]}")
        elif role is not None and role in self._roles:
            self._mention(MentionKind.ROLE, role, f"@{self._index.role_name(role) or 'role'}")
        elif chat is not None and (name := self._index.channel_name(chat)):
            self._mention(MentionKind.CHAT, chat, f"#{name}")
        elif sign["all"] and self._everyone:
            self._mention(MentionKind.EVERYONE, None, sign[0])
        elif sign["emoji"]:
            self._write(f":{sign['emoji']}:")
        elif sign["command"]:
            self._write(f"/{sign['command']}")
        else:
            self._write(sign[0])

    def _mention(self, kind: MentionKind, ident: str | None, shown: str) -> None:
        start = self._length
        self._write(shown)
        self._mentions.append(Mention(kind=kind, id=ident, start=start, end=self._length))

    def _write(self, text: str) -> None:
        self._text.append(text)
        self._length += len(text)
