"""What people do to channels, threads, roles and guilds, beside writing in them.

Source: Discord documentation, "Gateway Events". What is deleted or left is gone for the bot too.
"""

from collections.abc import Awaitable, Callable, Iterable

from tests.wire.discord import gateway as gw
from tests.wire.discord.channels import message_intent
from tests.wire.discord.payloads import channel_json, guild_json, role_json
from tests.wire.discord.world import TEXT, Channel, Guild, Json, Message, Role, World


class Acts:
    """Acts that the gateway tells of in events of their own."""

    world: World
    guild: Guild
    _emit: Callable[..., Awaitable[None]]

    async def make_channel(self, name: str, *, kind: int = TEXT) -> Channel:
        """A person makes a channel, of which clients are told."""
        channel = self.world.add_channel(self.guild, name, kind)
        await self._tell("CHANNEL_CREATE", channel_json(channel))
        return channel

    async def rename(self, channel: Channel, name: str) -> None:
        """A person gives a channel or a thread another name."""
        channel.name = name
        kind = "THREAD" if channel.is_thread else "CHANNEL"
        await self._tell(f"{kind}_UPDATE", channel_json(channel))

    async def remove_channel(self, channel: Channel) -> None:
        """A person deletes a channel or a thread."""
        del self.world.channels[channel.id]
        self.guild.channels.pop(channel.id, None)
        body = channel_json(channel)
        if not channel.is_thread:
            await self._tell("CHANNEL_DELETE", body)
            return
        kept = ("id", "guild_id", "parent_id", "type")
        await self._tell("THREAD_DELETE", {name: body[name] for name in kept})

    async def show_threads(self) -> None:
        """The bot is let into channels and told of the threads in them."""
        threads = [channel_json(each) for each in self.world.threads_of(self.guild)]
        body = {"guild_id": str(self.guild.id), "threads": threads, "members": []}
        await self._tell("THREAD_LIST_SYNC", body)

    async def make_role(self, name: str) -> Role:
        """A person makes a role, of which clients are told."""
        role = self.world.add_role(self.guild, name)
        await self._tell("GUILD_ROLE_CREATE", self._role(role))
        return role

    async def change_role(self, role: Role) -> None:
        """A person changes what a role may do."""
        await self._tell("GUILD_ROLE_UPDATE", self._role(role))

    async def delete_all(self, messages: Iterable[Message]) -> None:
        """A moderator deletes several messages of one channel at once."""
        gone = list(messages)
        for message in gone:
            message.deleted = True
        channel = gone[0].channel
        body: Json = {
            "ids": [str(each.id) for each in gone],
            "channel_id": str(channel.id),
            "guild_id": str(self.guild.id),
        }
        await self._emit("MESSAGE_DELETE_BULK", body, intent=message_intent(channel))

    async def lose(self, guild: Guild, *, outage: bool = False) -> None:
        """A guild is out of reach for a while, or the bot was shown out of it."""
        body: Json = {"id": str(guild.id)} | ({"unavailable": True} if outage else {})
        if not outage:
            del self.world.guilds[guild.id]
        await self._tell("GUILD_DELETE", body)

    async def find(self, guild: Guild) -> None:
        """A guild is back, or the bot was let into it: then nothing is said of an outage."""
        body = guild_json(self.world, guild)
        if guild.id not in self.world.guilds:
            del body["unavailable"]
        self.world.guilds[guild.id] = guild
        await self._tell("GUILD_CREATE", body)

    def _role(self, role: Role) -> Json:
        return {"guild_id": str(self.guild.id), "role": role_json(role, len(self.guild.roles) - 1)}

    async def _tell(self, name: str, body: Json) -> None:
        await self._emit(name, body, intent=gw.GUILDS)
