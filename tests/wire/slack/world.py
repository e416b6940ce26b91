"""The people, channels, messages and files of the loopback workspace."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from tests.wire.slack.checks import Json
from tests.wire.slack.controls import buttons, controls, label_of, menus, question_of
from tests.wire.slack.rules import visible

Kind = Literal["channel", "group", "mpim", "im"]
_STRIPPED: Mapping[str, Any] = MappingProxyType({"event_payload": {}})
"""What an app reads that did not ask. Source: python-slack-sdk issue 1501."""


@dataclass(slots=True)
class Person:
    """A member of the workspace, or of another one (`team`)."""

    id: str
    name: str
    team: str
    is_bot: bool = False
    restricted: bool = False
    deleted: bool = False
    tz_offset: int = 0
    locale: str = "en-US"

    def json(self) -> Json:
        """As a `user` object."""
        return {
            "id": self.id,
            "team_id": self.team,
            "name": self.name,
            "real_name": self.name.title(),
            "deleted": self.deleted,
            "profile": {"real_name": self.name.title(), "display_name": self.name},
            "is_bot": self.is_bot,
            "is_restricted": self.restricted,
            "is_ultra_restricted": False,
            "is_app_user": False,
            "tz_offset": self.tz_offset,
            "locale": self.locale,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One state of a message; `pings` is whom Slack would notify about it."""

    text: str
    blocks: tuple[Mapping[str, Any], ...] = ()
    metadata: Mapping[str, Any] | None = None
    pings: tuple[str, ...] = ()
    unfurls: bool = True

    @property
    def shown(self) -> str:
        """What a person reads."""
        return visible(self.text, [dict(block) for block in self.blocks])


@dataclass(slots=True)
class File:
    """A file; `message` is known once it was shared."""

    id: str
    name: str
    length: int
    data: bytes | None = None
    title: str = ""
    channel: str | None = None
    ts: str | None = None
    mime: str = "application/octet-stream"
    root: str = "https://files.slack.com"
    """Where it is served: `/files-pri/ID/NAME` is below it."""

    def json(self) -> Json:
        """As a `file` object."""
        shares: Json = {}
        if self.channel and self.ts:
            shares = {"public": {self.channel: [{"ts": self.ts}]}}
        return {
            "id": self.id,
            "name": self.name,
            "title": self.title or self.name,
            "mimetype": self.mime,
            "filetype": "binary",
            "size": self.length,
            "mode": "hosted",
            "url_private": f"{self.root}/files-pri/{self.id}/{self.name}",
            "url_private_download": f"{self.root}/files-pri/{self.id}/download",
            "shares": shares,
        }


@dataclass(slots=True)
class Message:
    """A message with every state it ever had; `ephemeral_to` saw it alone."""

    channel: str
    ts: str
    user: str
    bot_id: str | None
    versions: list[Version]
    thread_ts: str | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)
    edited_ts: str | None = None
    deleted: bool = False
    subtype: str | None = None
    extra: Json = field(default_factory=dict)
    client_msg_id: str | None = None

    @property
    def now(self) -> Version:
        """The present state."""
        return self.versions[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A message as a person sees it, with every state it ever had, oldest first."""

    channel: str
    ts: str
    user: str
    ours: bool
    thread_ts: str | None
    history: tuple[Version, ...]
    reactions: tuple[str, ...]
    files: tuple[File, ...]

    @property
    def text(self) -> str:
        """What stands there now."""
        return self.history[-1].shown

    @property
    def blocks(self) -> tuple[Mapping[str, Any], ...]:
        """The present blocks."""
        return self.history[-1].blocks

    @property
    def pings(self) -> tuple[str, ...]:
        """Whom any state of it notified."""
        return tuple(dict.fromkeys(who for version in self.history for who in version.pings))

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of its buttons."""
        return tuple(label_of(element) for _, element in buttons(self._plain()))

    @property
    def choices(self) -> tuple[str, ...]:
        """The labels of what its menus offer."""
        return tuple(
            option["text"]["text"]
            for _, element in menus(self._plain())
            for option in element["options"]
        )

    @property
    def questions(self) -> Mapping[str, str]:
        """What a person is asked before a control counts, by its label."""
        found = [element for _, element in controls(self._plain()) if "confirm" in element]
        return {label_of(element): question_of(element) for element in found}

    def _plain(self) -> list[Json]:
        return [dict(block) for block in self.blocks]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ephemeral:
    """Words only one person saw, by chat.postEphemeral or a response_url."""

    channel: str
    user: str
    version: Version
    thread_ts: str | None = None

    @property
    def text(self) -> str:
        """What they read."""
        return self.version.shown


@dataclass(slots=True)
class Channel:
    """A conversation; `members` are user ids."""

    id: str
    kind: Kind
    name: str
    members: set[str] = field(default_factory=set)
    archived: bool = False
    read_only: bool = False
    messages: dict[str, Message] = field(default_factory=dict)
    last_us: int = 0

    def json(self, *, us: str) -> Json:
        """As a `conversation` object that our bot user `us` asked for."""
        result: Json = {
            "id": self.id,
            "name": self.name,
            "is_channel": self.kind == "channel",
            "is_group": self.kind == "group",
            "is_im": self.kind == "im",
            "is_mpim": self.kind == "mpim",
            "is_private": self.kind != "channel",
            "is_archived": self.archived,
            "is_member": self.kind == "im" or us in self.members,
        }
        if self.kind == "im":
            result["user"] = min(self.members)
        return result


class World:
    """One workspace with our app in it.

    With `enterprise` it belongs to an organisation, and with `whole` the app is installed in all of
    that. `numbers` are shared with the app's other workspaces.
    """

    def __init__(
        self,
        *,
        team: str,
        bot_user: str,
        bot_id: str,
        app_id: str,
        name: str,
        enterprise: str | None = None,
        whole: bool = False,
        numbers: Iterator[int] | None = None,
    ) -> None:
        self.team = team
        self.enterprise = enterprise
        self.whole = whole
        self.bot_user = bot_user
        self.bot_id = bot_id
        self.app_id = app_id
        self.channels: dict[str, Channel] = {}
        self.people: dict[str, Person] = {}
        self.files: dict[str, File] = {}
        self.ephemerals: list[Ephemeral] = []
        self.statuses: dict[tuple[str, str], str] = {}
        self.assistant_threads: set[tuple[str, str]] = set()
        self.prompts: dict[tuple[str, str], dict[str, str]] = {}
        self.titles: dict[tuple[str, str], str] = {}
        self.status_history: list[tuple[str, str, str]] = []
        self.numbers = numbers if numbers is not None else itertools.count(1)
        self.people[bot_user] = Person(id=bot_user, name=name, team=team, is_bot=True)

    def next_id(self, prefix: str) -> str:
        """A new id of that kind."""
        return f"{prefix}{next(self.numbers):07d}"

    def person(self, user: str) -> Person:
        """The person with that id, made on first use."""
        if user not in self.people:
            self.people[user] = Person(id=user, name=user.lower(), team=self.team)
        return self.people[user]

    def names(self) -> dict[str, str]:
        """Ids by name, as `@name` would be found."""
        return {person.name: person.id for person in self.people.values()}

    def channel(self, channel: str, *, user: str | None = None) -> Channel:
        """The channel with that id, made on first use with the bot in it; `D...` is a DM."""
        if channel not in self.channels:
            kind: Kind = {"D": "im", "G": "mpim"}.get(channel[0], "channel")  # type: ignore[assignment]
            self.channels[channel] = Channel(
                id=channel, kind=kind, name=channel.lower(), members={self.bot_user}
            )
        if user is not None:
            self.channels[channel].members.add(user)
        return self.channels[channel]

    def dm(self, user: str) -> Channel:
        """The DM with a person, opened on first use."""
        self.person(user)
        for channel in self.channels.values():
            if channel.kind == "im" and user in channel.members:
                return channel
        return self.channel(f"D{user[1:]}", user=user)

    def add(
        self,
        channel: Channel,
        *,
        user: str,
        version: Version,
        now: float,
        thread_ts: str | None = None,
        files: Sequence[File] = (),
    ) -> Message:
        """A new message; its `ts` is unique in its channel and later than every one before."""
        channel.last_us = max(int(now * 1_000_000), channel.last_us + 1)
        ts = f"{channel.last_us // 1_000_000}.{channel.last_us % 1_000_000:06d}"
        ours = user == self.bot_user
        message = Message(
            channel=channel.id,
            ts=ts,
            user=user,
            bot_id=self.bot_id if ours else None,
            versions=[version],
            thread_ts=thread_ts,
            files=list(files),
            client_msg_id=None if ours else f"00000000-0000-4000-8000-{next(self.numbers):012d}",
        )
        channel.messages[ts] = message
        for file in files:
            file.channel, file.ts = channel.id, ts
        return message

    def shown(self, message: Message) -> Shown:
        """A message as people see it."""
        return Shown(
            channel=message.channel,
            ts=message.ts,
            user=message.user,
            ours=message.user == self.bot_user,
            thread_ts=message.thread_ts,
            history=tuple(message.versions),
            reactions=tuple(name for name, who in message.reactions.items() if who),
            files=tuple(message.files),
        )

    def message_json(self, message: Message, *, metadata: bool = False) -> Json:
        """As a `message` object of history, replies and events.

        The payload of its metadata is there only where it was asked for; its type always is.
        """
        body: Json = {
            "type": "message",
            "user": message.user,
            "ts": message.ts,
            "text": message.now.text,
            "team": self.person(message.user).team,
        }
        if message.client_msg_id:
            body["client_msg_id"] = message.client_msg_id
        if message.bot_id:
            body |= {
                "bot_id": message.bot_id,
                "app_id": self.app_id,
                "bot_profile": {"id": message.bot_id, "app_id": self.app_id, "team_id": self.team},
            }
        if message.now.blocks:
            body["blocks"] = [dict(block) for block in message.now.blocks]
        if message.subtype:
            body["subtype"] = message.subtype
        if message.thread_ts:
            body["thread_ts"] = message.thread_ts
            root = self.channels[message.channel].messages.get(message.thread_ts)
            if root is not None and root is not message:
                body["parent_user_id"] = root.user
        if message.edited_ts:
            body["edited"] = {"user": message.user, "ts": message.edited_ts}
        if message.files:
            body["files"] = [file.json() for file in message.files]
            body["upload"] = False
        if reacted := {name: who for name, who in message.reactions.items() if who}:
            body["reactions"] = [
                {"name": name, "users": who, "count": len(who)} for name, who in reacted.items()
            ]
        if message.now.metadata:
            body["metadata"] = {**message.now.metadata, **({} if metadata else _STRIPPED)}
        return body | message.extra

    def visible_messages(self, channel: str, thread: str | None = None) -> list[Message]:
        """Standing messages of a channel, or of one thread with its root, oldest first."""
        found = self.channels[channel].messages.values() if channel in self.channels else ()
        return [
            message
            for message in sorted(found, key=lambda message: message.ts)
            if not message.deleted and (thread is None or thread in (message.ts, message.thread_ts))
        ]
