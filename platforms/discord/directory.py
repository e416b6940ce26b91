"""What guild events teach: the parents of threads, names of places and roles, our own roles. Pure.

Messages name a channel and nothing else about it, so this has to be remembered. A channel it does
not know has to be asked for, because a thread is judged by its parent. Total: what is malformed
teaches nothing.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar, Protocol

from platforms.discord.fields import snowflake
from platforms.fields import Body, integer, mapping, objects, string

THREAD_KINDS = frozenset({10, 11, 12})
"""Announcement, public and private threads. Source: "Channel Types"."""


class Index(Protocol):
    """What `parse` may look up."""

    def parent_of(self, channel_id: str) -> str | None:
        """The channel a thread belongs to; None for what is no thread."""

    def channel_name(self, channel_id: str) -> str | None: ...

    def role_name(self, role_id: str) -> str | None: ...

    def is_our_role(self, role_id: str) -> bool:
        """Whether Discord made this role for our bot."""


class Directory:
    """The places and roles we were told of; one per connection of a bot."""

    def __init__(self, *, user_id: str) -> None:
        self._user_id = user_id
        self._parents: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._guilds: dict[str, str] = {}
        self._roles: dict[str, str] = {}
        self._our_roles: set[str] = set()

    def parent_of(self, channel_id: str) -> str | None:
        return self._parents.get(channel_id)

    def channel_name(self, channel_id: str) -> str | None:
        return self._names.get(channel_id)

    def role_name(self, role_id: str) -> str | None:
        return self._roles.get(role_id)

    def is_our_role(self, role_id: str) -> bool:
        return role_id in self._our_roles

    def knows(self, channel_id: str) -> bool:
        """Whether we were told what this channel is."""
        return channel_id in self._names

    def guild_of(self, channel_id: str) -> str | None:
        """The guild of a channel we know."""
        return self._guilds.get(channel_id)

    def learn(self, name: str, data: object) -> None:
        """Remember what an event says about places; most say nothing."""
        lesson = self.LESSONS.get(name)
        if lesson is not None and isinstance(data, Mapping):
            lesson(self, data)

    def learn_channel(self, data: Body, guild_id: str | None = None) -> None:
        """Remember one channel or thread."""
        ident = snowflake(data.get("id"))
        if ident is None:
            return
        self._names[ident] = string(data, "name")
        if guild := snowflake(data.get("guild_id")) or guild_id:
            self._guilds[ident] = guild
        parent = snowflake(data.get("parent_id"))
        if integer(data, "type") in THREAD_KINDS and parent is not None:
            self._parents[ident] = parent

    def _guild(self, data: Body) -> None:
        guild_id = snowflake(data.get("id"))
        for place in (*objects(data, "channels"), *objects(data, "threads")):
            self.learn_channel(place, guild_id)
        for role in objects(data, "roles"):
            self._role(role)

    def _guild_gone(self, data: Body) -> None:
        gone = snowflake(data.get("id"))
        for ident in [ident for ident, guild in self._guilds.items() if guild == gone]:
            self._forget(ident)

    def _guild_role(self, data: Body) -> None:
        self._role(mapping(data, "role"))

    def _role(self, data: Body) -> None:
        ident = snowflake(data.get("id"))
        if ident is None:
            return
        self._roles[ident] = string(data, "name")
        if snowflake(mapping(data, "tags").get("bot_id")) == self._user_id:
            self._our_roles.add(ident)

    def _threads(self, data: Body) -> None:
        guild_id = snowflake(data.get("guild_id"))
        for thread in objects(data, "threads"):
            self.learn_channel(thread, guild_id)

    def _channel_gone(self, data: Body) -> None:
        ident = snowflake(data.get("id"))
        if ident is not None:
            self._forget(ident)

    def _forget(self, ident: str) -> None:
        for table in (self._names, self._parents, self._guilds):
            table.pop(ident, None)

    LESSONS: ClassVar[Mapping[str, Callable[["Directory", Body], None]]] = {
        "GUILD_CREATE": _guild,
        "GUILD_DELETE": _guild_gone,
        "GUILD_ROLE_CREATE": _guild_role,
        "GUILD_ROLE_UPDATE": _guild_role,
        "CHANNEL_CREATE": learn_channel,
        "CHANNEL_UPDATE": learn_channel,
        "CHANNEL_DELETE": _channel_gone,
        "THREAD_CREATE": learn_channel,
        "THREAD_UPDATE": learn_channel,
        "THREAD_DELETE": _channel_gone,
        "THREAD_LIST_SYNC": _threads,
    }
    """The events that teach something."""
