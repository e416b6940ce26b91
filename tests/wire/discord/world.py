"""What the Discord of these tests consists of: people, guilds, channels and their messages."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Json = dict[str, Any]

EPOCH_MS = 1_420_070_400_000
TEXT, DM, PUBLIC_THREAD, PRIVATE_THREAD, FORUM = 0, 1, 11, 12, 15
SUPPRESS_EMBEDS, EPHEMERAL, SILENT, VOICE_MESSAGE = 1 << 2, 1 << 6, 1 << 12, 1 << 13

Access = Literal["full", "hidden", "read_only"]


class Snowflakes:
    """Ids that grow with time, as Discord's do."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._last = 0

    def next(self) -> int:
        fresh = (int(self._now() * 1000) - EPOCH_MS) << 22
        self._last = max(fresh, self._last + 1)
        return self._last


def created_at(snowflake: int) -> datetime:
    """When an id was made."""
    return datetime.fromtimestamp(((snowflake >> 22) + EPOCH_MS) / 1000, UTC)


@dataclass(slots=True, kw_only=True, eq=False)
class User:
    """A person, a bot or the face of a webhook."""

    id: int
    name: str
    bot: bool = False
    locale: str = "en-US"
    takes_dms: bool = True
    """False: messages to them are refused with 50007."""


@dataclass(slots=True, kw_only=True, eq=False)
class Role:
    """A role of a guild; `bot` is set on the role that Discord makes for a bot when it joins."""

    id: int
    name: str
    bot: int | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Guild:
    """A guild; the role with the guild's own id is @everyone."""

    id: int
    name: str
    owner: User
    roles: dict[int, Role] = field(default_factory=dict)
    members: dict[int, set[int]] = field(default_factory=dict)
    channels: dict[int, "Channel"] = field(default_factory=dict)

    def add_member(self, user: User, roles: Iterable[Role] = ()) -> None:
        """Lets someone in, or gives a member these roles and no others."""
        self.members[user.id] = {role.id for role in roles}


@dataclass(slots=True, kw_only=True, eq=False)
class Channel:
    """A guild channel, a thread or a direct message."""

    id: int
    kind: int
    name: str
    guild: Guild | None = None
    parent: "Channel | None" = None
    recipient: User | None = None
    archived: bool = False
    locked: bool = False
    access: Access = "full"
    slowmode_s: int = 0
    messages: dict[int, "Message"] = field(default_factory=dict)

    @property
    def is_thread(self) -> bool:
        return self.kind in {PUBLIC_THREAD, PRIVATE_THREAD}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pings:
    """What the words of a message do to people.

    `elements` are the mentions a reader would see rendered; `users`, `roles` and `everyone` say
    who would be notified, after `allowed_mentions`.
    """

    elements: tuple[str, ...] = ()
    users: frozenset[int] = frozenset()
    roles: frozenset[int] = frozenset()
    everyone: bool = False

    @property
    def nobody(self) -> bool:
        """No notification at all."""
        return not (self.users or self.roles or self.everyone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One state of a message."""

    content: str
    components: tuple[Json, ...]
    flags: int
    pings: Pings
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedFile:
    """A file on the attachment host."""

    id: int
    name: str
    mime: str
    data: bytes


@dataclass(slots=True, kw_only=True, eq=False)
class Message:
    """A message with everything it ever was."""

    id: int
    channel: Channel
    author: User
    history: list[Version]
    nonce: str | int | None = None
    reference: "Message | None" = None
    files: tuple[UploadedFile, ...] = ()
    reactions: dict[str, set[int]] = field(default_factory=dict)
    private_to: User | None = None
    webhook: int | None = None
    thinking: bool = False
    deleted: bool = False
    edited_at: float | None = None

    @property
    def current(self) -> Version:
        return self.history[-1]

    @property
    def content(self) -> str:
        return self.current.content

    @property
    def pings(self) -> Pings:
        return self.current.pings

    @property
    def embeds_suppressed(self) -> bool:
        return bool(self.current.flags & SUPPRESS_EMBEDS)

    @property
    def shows_embed(self) -> bool:
        """Whether a link in it would unfold into a preview."""
        return not self.embeds_suppressed and "http" in self.content

    @property
    def buttons(self) -> dict[str, str]:
        """Payload of each button that can be pressed, by its label."""
        return {
            part["label"]: part["custom_id"]
            for part in self._parts
            if part["type"] == 2 and not part.get("disabled") and "custom_id" in part
        }

    @property
    def menus(self) -> dict[str, dict[str, str]]:
        """Value of each option by its label, of each menu by its `custom_id`."""
        return {
            part["custom_id"]: {option["label"]: option["value"] for option in part["options"]}
            for part in self._parts
            if part["type"] == 3 and not part.get("disabled")
        }

    @property
    def _parts(self) -> list[Json]:
        return [part for row in self.current.components for part in row.get("components", ())]


@dataclass(slots=True, eq=False)
class World:
    """Everybody and everything, and who the bot under test is."""

    bot: User
    ids: Snowflakes
    users: dict[int, User] = field(default_factory=dict)
    guilds: dict[int, Guild] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    links: int = 1
    """The age of addresses of files: those made before it was raised are good no more."""

    def add_user(self, name: str, *, ident: int | None = None) -> User:
        user = User(id=ident or self.ids.next(), name=name)
        self.users[user.id] = user
        return user

    def add_guild(self, name: str, owner: User, *, ident: int | None = None) -> Guild:
        guild = Guild(id=ident or self.ids.next(), name=name, owner=owner)
        guild.roles[guild.id] = Role(id=guild.id, name="@everyone")
        own_role = Role(id=self.ids.next(), name=self.bot.name, bot=self.bot.id)
        guild.roles[own_role.id] = own_role
        guild.add_member(owner)
        guild.add_member(self.bot, (own_role,))
        self.guilds[guild.id] = guild
        return guild

    def add_role(self, guild: Guild, name: str) -> Role:
        role = Role(id=self.ids.next(), name=name)
        guild.roles[role.id] = role
        return role

    def bot_role(self, guild: Guild) -> Role:
        """The role Discord made for our bot in this guild."""
        return next(role for role in guild.roles.values() if role.bot == self.bot.id)

    def add_channel(
        self, guild: Guild, name: str, kind: int = TEXT, *, ident: int | None = None
    ) -> Channel:
        channel = Channel(id=ident or self.ids.next(), kind=kind, name=name, guild=guild)
        guild.channels[channel.id] = channel
        self.channels[channel.id] = channel
        return channel

    def add_thread(self, parent: Channel, name: str, *, of: Message | None = None) -> Channel:
        """A thread on a channel; one that starts from a message has that message's id."""
        thread = Channel(
            id=of.id if of is not None else self.ids.next(),
            kind=PUBLIC_THREAD,
            name=name,
            guild=parent.guild,
            parent=parent,
        )
        self.channels[thread.id] = thread
        return thread

    def dm(self, user: User) -> Channel:
        """The direct messages between the bot and a person; always the same channel."""
        for channel in self.channels.values():
            if channel.kind == DM and channel.recipient is user:
                return channel
        channel = Channel(id=self.ids.next(), kind=DM, name=user.name, recipient=user)
        self.channels[channel.id] = channel
        return channel

    def threads_of(self, guild: Guild) -> list[Channel]:
        return [c for c in self.channels.values() if c.is_thread and c.guild is guild]

    def find_message(self, message_id: int) -> Message | None:
        for channel in self.channels.values():
            if message_id in channel.messages:
                return channel.messages[message_id]
        return None
